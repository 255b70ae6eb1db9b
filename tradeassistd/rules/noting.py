"""Reads a shared file whole: what is wrong with a value is noted, and the reading goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from tradeassistd.base.yaml12 import Node, Problem, ValueProblem, path_text, plain

Location = tuple[str | int, ...]
T = TypeVar("T")


@dataclass(slots=True)
class Noting:
    """One reading, and everything wrong that it has come across."""

    problems: list[Problem] = field(default_factory=list)

    def _value(self, found: Mapping[str, Node], at: Location, key: str, read: Callable[[object], T]) -> T | None:
        """The value of a key as `read` has it; None where it is not written, or is wrong."""
        return self._read(found[key], (*at, key), read) if key in found else None

    def _read(self, node: Node, at: Location, read: Callable[[object], T]) -> T | None:
        """The node's value as `read` has it, or None and a problem."""
        try:
            return read(plain(node))
        except ValueProblem as error:
            self._refuse(node, at, error.message, error.hint)
            return None

    def _refuse(self, node: Node, at: Location, message: str, hint: str) -> None:
        self.problems.append(Problem(node.place, path_text(at), message, hint))
