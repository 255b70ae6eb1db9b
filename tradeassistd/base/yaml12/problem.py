"""What is wrong and where: `rules.d/es.yaml:12:9: rules[2].when: unknown function 'smaa' (did you mean sma?)`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

from tradeassistd.base.errors import ConfigError


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A character of a file; line and column count from 1, column in characters."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to mend. `path` is the way from the top of the document to it, empty for the document as a whole."""

    place: Place
    path: str
    message: str
    hint: str = ""
    code: str = field(default="", compare=False)
    """A short stable word for the kind of thing it is, where there is one."""

    def __str__(self) -> str:
        where = f"{self.place}: {self.path}" if self.path else f"{self.place}"
        return f"{where}: {self.message} ({self.hint})" if self.hint else f"{where}: {self.message}"


class Problems(ConfigError):
    """Everything that is wrong, sorted by place; at least one."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


def path_text(location: Iterable[str | int]) -> str:
    """`("rules", 2, "when")` as `rules[2].when`."""
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the known word nearest to `word`, or "" when none is near."""
    close = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else ""
