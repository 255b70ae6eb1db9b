"""Text to tree: what PyYAML's parser says, composed strictly (rules.md 1)."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import replace

import yaml

from tradeassistd.base.yaml12.node import Mapping, Node, Scalar, Sequence, Source
from tradeassistd.base.yaml12.problem import Place, Problem, Problems, path_text
from tradeassistd.base.yaml12.syntax import check_characters, syntax_problem

NESTING_MAX = 64
NESTING_SHOWN = 4
"""How much of the path to something too deep is told."""
ALIAS_NODES_MAX = 1_000
"""How many nodes all aliases of a document may stand for together."""

Loader = type[yaml.Loader | yaml.CLoader]
PURE: Loader = yaml.Loader
FAST: Loader = getattr(yaml, "CLoader", yaml.Loader)
"""PyYAML's C parser, about ten times as fast, where it was built."""

_BLOCK_HEAD = re.compile(r"[|>][-+0-9]* *( #.*)?\r?$", re.MULTILINE)
_COLON = re.compile(r"\s*:")
_QUESTION = re.compile(r"(^|[\[{,]|- ) *\? +$")
_TAG_WITH_BRACKETS = re.compile(r"(&\S+\s+)?!\S*[,\[\]{}]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def decode(data: bytes, file: str) -> str:
    """The bytes of a file as text; a byte order mark stays its first character. Raises Problems unless it is UTF-8."""
    start = Place(file, 1, 1)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Problems([Problem(start, "", "is written in UTF-16", "save the file as UTF-8")])
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        place = Source(file, before).place(len(before))
        message = f"byte 0x{data[error.start]:02X} is not UTF-8"
        raise Problems([Problem(place, "", message, "save the file as UTF-8")]) from None


def compose(text: str, file: str, *, loader: Loader = FAST) -> Node:
    """The one document in `text`. Raises Problems: all of them, except that broken syntax hides what is behind it."""
    text = text.removeprefix("\ufeff")
    source = Source(file, text if text.endswith("\n") else text + "\n")  # the C parser misplaces an unended last line
    check_characters(source)
    try:
        return _Composer(source, loader).document()
    except yaml.YAMLError:
        pass  # the pure parser has the last word, so that a file means the same wherever it is read
    try:
        return _Composer(source, PURE).document()
    except yaml.YAMLError as error:
        raise Problems([syntax_problem(error, source)]) from None


class _Composer:
    def __init__(self, source: Source, loader: Loader) -> None:
        self._source = source
        self._fast = loader is not PURE
        self._events: Iterator[yaml.Event] = iter(yaml.parse(source.text, Loader=loader))
        self._problems: list[Problem] = []
        self._anchors: dict[str, tuple[Node, int] | None] = {}  # None while the node is still open
        self._aliased = 0
        self._path: list[str | int] = []
        self._flows = 0

    def document(self) -> Node:
        next(self._events)  # the stream's start
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            raise Problems([Problem(Place(self._source.file, 1, 1), "", "the file is empty", "fill it or delete it")])
        assert isinstance(start, yaml.DocumentStartEvent)
        if start.version or start.tags:
            self._refuse(self._place(start), "% directives are not supported", "remove the line")
        node, _ = self._node(next(self._events))
        next(self._events)  # the document's end
        after = next(self._events)
        if isinstance(after, yaml.DocumentStartEvent):
            self._path.clear()
            self._refuse(self._place(after), "a second document begins here", "write one document per file")
            for _ in self._events:  # broken syntax behind it is the first thing to mend
                pass
        if self._problems:
            raise Problems(self._problems)
        return node

    def _node(self, event: yaml.Event) -> tuple[Node, int]:
        """The node that begins with `event`, and how many nodes it stands for."""
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        place = self._place(event)
        if event.tag is not None:
            mark = self._mark(event)
            self._refuse(self._source.place(mark), "tags (!) are not supported", "remove the tag, or quote the value")
            if _TAG_WITH_BRACKETS.match(self._source.text, mark):
                raise Problems(self._problems)  # the two parsers disagree about where such a tag ends
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        if len(self._path) > NESTING_MAX:
            del self._path[NESTING_SHOWN:]
            self._refuse(place, f"is more than {NESTING_MAX} levels deep", "close the brackets, or nest less")
            raise Problems(self._problems)
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node, size = self._scalar(event, place), 1
        elif isinstance(event, yaml.SequenceStartEvent):
            node, size = self._sequence(event, place)
        else:
            node, size = self._mapping(event, place)
        if event.anchor is not None:
            self._anchors[event.anchor] = node, size
        return node, size

    def _alias(self, event: yaml.AliasEvent) -> tuple[Node, int]:
        place, name = self._place(event), event.anchor
        nothing = Scalar("", place), 1
        if name not in self._anchors:
            self._refuse(place, f"nothing is anchored as &{name}", "quote the value if it begins with a star")
            return nothing
        found = self._anchors[name]
        if found is None:
            self._refuse(place, f"*{name} stands inside of itself", "write it out")
            return nothing
        self._aliased += found[1]
        if self._aliased > ALIAS_NODES_MAX:
            self._refuse(place, f"aliases stand for more than {ALIAS_NODES_MAX:,} nodes", "write them out")
            raise Problems(self._problems)
        return found

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> Scalar:
        style = event.style or ""
        if self._fast and self._is_read_differently(event, style):
            raise yaml.YAMLError("the pure parser refuses this")
        scalar = Scalar(event.value, place, style, self._flows > 0, self._source, self._index(event))
        if match := _CONTROL.search(scalar.text):
            self._refuse(place, f"holds the control character U+{ord(match[0]):04X}", "remove the escape")
        if not style and "\n" in self._written(event):
            self._check_folding(scalar)
        return scalar

    def _is_read_differently(self, event: yaml.ScalarEvent, style: str) -> bool:
        """The two things that the C scanner lets pass and the pure one does not (found by comparing them)."""
        if style in ("|", ">"):
            return not _BLOCK_HEAD.match(self._source.text, self._index(event))
        return not style and self._flows > 0 and "?" in event.value

    def _check_folding(self, scalar: Scalar) -> None:
        """A list item that is indented too far would be read as a subtraction in the line above."""
        first = scalar.place.line
        last = scalar.place_at(len(scalar.text)).line
        for number in range(first + 1, last + 1):
            index = self._source.index(number - 1, 0)
            line = self._source.text[index:].split("\n", 1)[0]
            indent = len(line) - len(line.lstrip(" "))
            if line[indent:].startswith("-"):
                message = "this line goes on the value above, but begins with '-'"
                hint = "indent a list item like its neighbours, or quote the whole value"
                self._refuse(self._source.place(index + indent), message, hint)

    def _sequence(self, start: yaml.CollectionStartEvent, place: Place) -> tuple[Sequence, int]:
        items: list[Node] = []
        size = 1
        self._flows += bool(start.flow_style)
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            self._path.append(len(items))
            item, item_size = self._node(event)
            self._path.pop()
            items.append(item)
            size += item_size
        self._flows -= bool(start.flow_style)
        return Sequence(tuple(items), place), size

    def _mapping(self, start: yaml.CollectionStartEvent, place: Place) -> tuple[Mapping, int]:
        items: dict[str, tuple[Scalar, Node]] = {}
        size = 1
        self._flows += bool(start.flow_style)
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key, key_size = self._node(event)
            self._path.append(key.text if isinstance(key, Scalar) else "?")
            value, value_size = self._node(next(self._events))
            if isinstance(key, Scalar) and isinstance(value, Scalar) and not value.text and not value.style:
                value = replace(value, place=key.place_at(len(key.text)))
            if self._is_fit_key(key, value, items, bool(start.flow_style)) and isinstance(key, Scalar):
                items[key.text] = key, value
            self._path.pop()
            size += key_size + value_size
        self._flows -= bool(start.flow_style)
        return Mapping(tuple(items.values()), place), size

    def _is_fit_key(self, key: Node, value: Node, earlier: dict[str, tuple[Scalar, Node]], in_flow: bool) -> bool:
        if _QUESTION.search(self._line_before(key)):
            self._refuse(key.place, "keys behind '? ' are not supported", "write key: value")
        elif not isinstance(key, Scalar):
            self._refuse(key.place, "a key must be text", "quote a value that begins with [ or {")
        elif key.text == "<<" and not key.style:
            self._refuse(key.place, "merge keys (<<) are not supported", "write the keys out, or use defaults")
        elif key.text in earlier:
            first = earlier[key.text][0].place.line
            self._refuse(key.place, f"{key.text!r} is written twice", f"the first one is in line {first}")
        elif in_flow and isinstance(value, Scalar) and self._lacks_colon(key, value):
            hint = "quote an expression that holds a comma: 'sma(close, 20, 1m) > price'"
            if not earlier:
                hint = "quote a text that begins with a brace: '{symbol} rose'"
            self._refuse(key.place, f"{key.text!r} has no ': ' and no value", hint)
        elif not key.text:
            self._refuse(key.place, "a key is missing before ':'", "write key: value")
        else:
            return True
        return False

    def _lacks_colon(self, key: Scalar, value: Scalar) -> bool:
        behind = key.place_at(len(key.text))
        index = self._source.index(behind.line - 1, behind.column - 1) + (key.style != "")
        return not value.text and not value.style and not _COLON.match(self._source.text, index)

    def _line_before(self, node: Node) -> str:
        begin = self._source.index(node.place.line - 1, 0)
        return self._source.text[begin : begin + node.place.column - 1]

    def _refuse(self, place: Place, message: str, hint: str) -> None:
        self._problems.append(Problem(place, path_text(self._path), message, hint))

    def _place(self, event: yaml.Event) -> Place:
        return self._source.place(self._index(event))

    def _mark(self, event: yaml.Event) -> int:
        """Where the parser says that the event begins."""
        assert event.start_mark is not None
        return self._source.index(event.start_mark.line, event.start_mark.column)

    def _index(self, event: yaml.Event) -> int:
        index = self._mark(event)
        if isinstance(event, yaml.ScalarEvent) and not event.value and not event.style:
            return self._behind_visible(index)  # the two parsers put an empty value at different blanks
        return index

    def _behind_visible(self, index: int) -> int:
        while index and self._source.text[index - 1] in " \r\n":
            index -= 1
        return index

    def _written(self, event: yaml.Event) -> str:
        assert event.end_mark is not None
        return self._source.text[self._index(event) : self._source.index(event.end_mark.line, event.end_mark.column)]
