"""The tree of a document: text with its place, maps, lists; nothing in it has a type yet."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tradeassistd.base.yaml12.problem import Place

_BLANKS = " \t\r\n"
_ESCAPED = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b", " ": " ",
    '"': '"', "\\": "\\", "/": "/", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_HEX_ESCAPES = {"x": 2, "u": 4, "U": 8}


@dataclass(frozen=True, eq=False)
class Source:
    """The text of one file, which knows the place of each of its characters."""

    file: str
    text: str

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(index + 1 for index, char in enumerate(self.text) if char == "\n")]

    def place(self, index: int) -> Place:
        line = bisect_right(self._line_starts, index)
        return Place(self.file, line, index - self._line_starts[line - 1] + 1)

    def index(self, line: int, column: int) -> int:
        """The index of a line and column that both count from 0."""
        return self._line_starts[line] + column


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text. `style` is how it was written: "" for plain, else one of ' " | >."""

    text: str
    place: Place
    style: str = ""
    in_flow: bool = False
    """It stands inside [ ] or { }, where an unquoted comma or bracket ends a value."""
    source: Source | None = field(default=None, compare=False, repr=False)
    start: int = field(default=0, compare=False, repr=False)
    """Index in the source of its first character, quote or block sign."""

    def place_at(self, offset: int) -> Place:
        """Where the character of `text` at `offset` stands in the file (past its end: right behind the last one)."""
        if self.source is None:
            return self.place
        spots = _spots(self.text, self.style, self.source.text, self.start)
        index, behind = self.start, self.start
        for at in range(min(offset + 1, len(self.text))):
            # A blank may stand for a line break and an indentation: it is placed behind the last visible character.
            visible = self.text[at] not in _BLANKS
            index, behind = next(spots, (behind, behind)) if visible else (behind, behind + 1)
        return self.source.place(index if offset < len(self.text) else behind)

    def comment_behind(self) -> Place | None:
        """Where a comment begins that stands behind this plain scalar on its line, or None."""
        if self.style or self.source is None:
            return None
        behind = max((end for _, end in _spots(self.text, "", self.source.text, self.start)), default=self.start)
        line = self.source.text[behind:].split("\n", 1)[0]
        blanks = len(line) - len(line.lstrip(" "))
        return self.source.place(behind + blanks) if blanks and line[blanks:].startswith("#") else None


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and values in the order they are written; no key comes twice."""

    items: tuple[tuple[Scalar, Node], ...]
    place: Place

    def get(self, key: str) -> Node | None:
        return next((value for name, value in self.items if name.text == key), None)

    def key(self, key: str) -> Scalar | None:
        """The key itself, which has a place."""
        return next((name for name, _ in self.items if name.text == key), None)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    place: Place


Node = Scalar | Mapping | Sequence


def plain(node: Node) -> Any:
    """The tree as dict, list and str. An empty value is the empty text."""
    match node:
        case Scalar():
            return node.text
        case Mapping():
            return {key.text: plain(value) for key, value in node.items}
        case Sequence():
            return [plain(item) for item in node.items]


def node_at(node: Node, location: tuple[str | int, ...]) -> Node | None:
    """The node a path such as `("rules", 2, "when")` leads to, or None."""
    here: Node | None = node
    for step in location:
        if isinstance(here, Mapping):
            here = here.get(str(step))
        elif isinstance(here, Sequence) and isinstance(step, int) and 0 <= step < len(here.items):
            here = here.items[step]
        else:
            return None
    return here


def place_of(node: Node, location: tuple[str | int, ...]) -> Place:
    """The place of the value a path leads to, as pydantic gives it; of its nearest parent when it leads nowhere."""
    for length in range(len(location), 0, -1):
        found = node_at(node, location[:length])
        if found is not None:
            return found.place
    return node.place


def _spots(text: str, style: str, source: str, start: int) -> Iterator[tuple[int, int]]:
    """Begin and end in the source of each visible character of `text`.

    Folding and chomping only touch blanks, so the visible characters stand in the source in the same order; quotes and
    escapes are decoded on the way. Ends early should the two disagree, which never points at a wrong character.
    """
    index = start
    if style in ("|", ">"):
        index = source.index("\n", start) + 1 if "\n" in source[start:] else len(source)
    elif style:
        index += 1
    for char in text:
        if char in _BLANKS:
            continue
        decoded, begin, index = _next_visible(style, source, index)
        if decoded != char:
            return
        yield begin, index


def _next_visible(style: str, source: str, index: int) -> tuple[str, int, int]:
    """The next visible character from `index` on as it is decoded, where it begins and where it ends."""
    while index < len(source):
        begin, char = index, source[index]
        if style == '"' and char == "\\":
            char, index = _escape(source, index)
        elif style == "'" and char == "'":
            index += 2
        else:
            index += 1
        if char not in _BLANKS:
            return char, begin, index
    return "", index, index


def _escape(source: str, index: int) -> tuple[str, int]:
    """What the backslash at `index` and the characters behind it stand for, and where they end."""
    letter = source[index + 1 : index + 2]
    if letter in _HEX_ESCAPES:
        end = index + 2 + _HEX_ESCAPES[letter]
        return chr(int(source[index + 2 : end], 16)), end
    return _ESCAPED.get(letter, " "), index + 2
