"""Reads scenario files, and single faults as the command line and the HTTP control write them: strict YAML to plan.

A file is a map of `version`, `seed`, `faults` and `random`; docs/simulator.md has the format, schema.py its schema.
Everything wrong is told at its place, at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tradeassistd.base.errors import ConfigError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.yaml12 import (
    Mapping,
    Node,
    Problem,
    Problems,
    Scalar,
    Sequence,
    ValueProblem,
    compose,
    decode,
    did_you_mean,
    duration_s,
    plain,
    whole_number,
)
from tradeassistd.market.session import NEW_YORK
from tradeassistd.sim.faults.kinds import KINDS, Fault, Kind, Span
from tradeassistd.sim.faults.options import REQUIRED, between, some_time_s, text
from tradeassistd.sim.faults.plan import START, Chance, Entry, Scenario, When

VERSION = "1"
TIMES_MAX = 1_000_000
TIME_EXAMPLE = "90s, 5m, or 2026-11-16T10:15:00"

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_GAP = re.compile(r"([0-9]+[smh])-([0-9]+[smh])")
_PREFIX = "{fault: "
_TOP = ("version", "seed", "faults", "random")
_RANDOM = ("every", "from", "until", "one_of")
_times = between(1, TIMES_MAX).read


def read_scenario_file(path: Path) -> Scenario:
    """The scenario in a file. Raises Problems with everything wrong in it, ConfigError when it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint="name a scenario file that can be read") from None
    return read_scenario(decode(data, str(path)), str(path))


def read_scenario(written: str, file: str) -> Scenario:
    """The scenario in a text. Raises Problems."""
    return _Reader().scenario(compose(written, file))


def read_entry(written: str, source: str) -> Entry:
    """One fault as a flow map, with or without its braces: `{fault: mute, at: 5m}`, `mute, at: 5m`; JSON is one too.

    Raises Problems, at their places in what is written.
    """
    if not written.lstrip().startswith(("{", "fault:")):
        try:
            return _entry(f"{_PREFIX}{written}}}", source)
        except Problems as error:
            raise Problems(_moved(one, -len(_PREFIX)) for one in error.problems) from None
    return _entry(written, source)


def _entry(written: str, source: str) -> Entry:
    reader = _Reader()
    entry = reader.entry(compose(written, source), "")
    reader.finish()
    assert entry is not None  # without a problem there is one
    return entry


def _moved(problem: Problem, columns: int) -> Problem:
    place = problem.place
    column = max(1, place.column + columns) if place.line == 1 else place.column
    return replace(problem, place=replace(place, column=column))


def moment(value: object) -> When:
    """A time after the start, or of the calendar; without a zone New York's. Raises ValueProblem."""
    written = text(value)
    if written[-1:] in "smh":
        return When(after_s=duration_s(written))
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        raise ValueProblem(f"{written!r} is not a time", hint=f"write {TIME_EXAMPLE}") from None
    local = at if at.tzinfo else at.replace(tzinfo=NEW_YORK)
    return When(int(local.timestamp()) * US_PER_S + local.microsecond)


class _Reader:
    """Collects what is wrong while it reads on."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []

    def finish(self) -> None:
        if self._problems:
            raise Problems(self._problems)

    def scenario(self, node: Node) -> Scenario:
        if not isinstance(node, Mapping):
            raise Problems([Problem(node.place, "", "must be a map", "write version: 1 and faults: below it")])
        self._known(node, "", _TOP)
        version = self._value(node, "version", "", self._version, REQUIRED)
        seed = self._value(node, "seed", "", whole_number, 1)
        entries = [self.entry(one, path) for one, path in self._list(node, "faults")]
        chances = [self._chance(one, path) for one, path in self._list(node, "random")]
        if not entries and not chances and version is not None:
            self._refuse(node, "", "plans no fault", "write faults: or random:")
        self.finish()
        return Scenario(tuple(one for one in entries if one), tuple(one for one in chances if one), seed)

    def entry(self, node: Node, path: str) -> Entry | None:
        """One item of `faults`."""
        fault = self._fault(node, path, ("at", "daily"))
        if not isinstance(node, Mapping):
            return Entry(fault) if fault is not None else None
        daily = self._value(node, "daily", path, _minute, None)
        if daily is not None and node.get("at") is not None:
            self._refuse(node.get("at"), _join(path, "at"), "at and daily exclude each other", "keep one of them")
        at = self._value(node, "at", path, moment, START)
        return Entry(fault, at, daily) if fault is not None else None

    def _chance(self, node: Node, path: str) -> Chance | None:
        if not isinstance(node, Mapping):
            self._refuse(node, path, "must be a map", "write every: 2m-10m and one_of: [...]")
            return None
        self._known(node, path, _RANDOM)
        gap = self._value(node, "every", path, _gap, REQUIRED)
        begins = self._value(node, "from", path, moment, START)
        ends = self._value(node, "until", path, moment, None)
        listed = list(self._list(node, "one_of", path))
        if not listed:
            self._refuse(node.get("one_of") or node, _join(path, "one_of"), "names no fault", "list at least one")
        faults = [self._fault(one, inner, ()) for one, inner in listed]
        if gap is None or not all(faults):
            return None
        return Chance(tuple(one for one in faults if one), gap[0], gap[1], begins, ends)

    def _fault(self, node: Node, path: str, more: Iterable[str]) -> Fault | None:
        if isinstance(node, Scalar):  # a fault without options is just its name
            node = Mapping(((Scalar("fault", node.place), node),), node.place)
        if not isinstance(node, Mapping):
            self._refuse(node, path, "must be a map or the name of a fault", "write {fault: reset, at: 5m}")
            return None
        before = len(self._problems)
        kind = self._value(node, "fault", path, _kind, REQUIRED)
        if kind is None:
            return None
        self._known(node, path, ("fault", *more, *_span_keys(kind), *(one.name for one in kind.options)))
        values = {one.name: self._value(node, one.name, path, one.form.read, one.default) for one in kind.options}
        for_s = self._value(node, "for", path, some_time_s, None)
        until = self._value(node, "until", path, _reconnect, False)
        usual = 1 if kind.span is Span.COUNTED and for_s is None else None
        times = self._value(node, "times", path, _times, usual)
        if for_s is None and kind.name == "outage":
            self._refuse(node, path, "an outage needs an end", "write for: 45s")
        if until and for_s is not None:
            self._refuse(node.get("until"), _join(path, "until"), "for and until exclude each other", "keep one")
        return Fault(kind, values, for_s, until, times) if len(self._problems) == before else None

    def _value(self, node: Mapping, key: str, path: str, read: Callable[[object], Any], default: Any) -> Any:
        """The value of a key; None when it is wrong, which has been noted then."""
        value = node.get(key)
        if value is None:
            if default is REQUIRED:
                self._refuse(node, _join(path, key), "is missing", f"write {key}")
                return None
            return default
        try:
            return read(plain(value))
        except ValueProblem as error:
            self._problems.append(Problem(value.place, _join(path, key), error.message, error.hint))
            return None

    def _list(self, node: Mapping, key: str, path: str = "") -> list[tuple[Node, str]]:
        value = node.get(key)
        if value is None:
            return []
        if not isinstance(value, Sequence):
            self._refuse(value, _join(path, key), "must be a list", "write a dash before each fault")
            return []
        return [(item, f"{_join(path, key)}[{number}]") for number, item in enumerate(value.items)]

    def _known(self, node: Mapping, path: str, known: Iterable[str]) -> None:
        names = tuple(known)
        for key, _ in node.items:
            if key.text not in names:
                hint = did_you_mean(key.text, names) or f"one of {' '.join(names)}"
                self._problems.append(Problem(key.place, _join(path, key.text), "unknown key", hint))

    def _refuse(self, node: Node | None, path: str, message: str, hint: str) -> None:
        assert node is not None
        self._problems.append(Problem(node.place, path, message, hint))

    @staticmethod
    def _version(value: object) -> str:
        if value != VERSION:
            raise ValueProblem(f"unknown version {value!r}", hint=f"write version: {VERSION}")
        return VERSION


def _span_keys(kind: Kind) -> tuple[str, ...]:
    """The common keys that mean something for a kind."""
    return {
        Span.MOMENT: (),
        Span.LASTING: ("for",),
        Span.STREAM: ("for", "until"),
        Span.COUNTED: ("for", "times"),
    }[kind.span]


def _kind(value: object) -> Kind:
    written = text(value)
    if written not in KINDS:
        hint = did_you_mean(written, KINDS) or "tradeassist simulate --help says where they are listed"
        raise ValueProblem(f"unknown fault {written!r}", hint=hint)
    return KINDS[written]


def _minute(value: object) -> int:
    match = _CLOCK.fullmatch(text(value))
    if not match:
        raise ValueProblem(f"{value!r} is not a time of day", hint="write HH:MM, New York")
    return int(match[1]) * 60 + int(match[2])


def _gap(value: object) -> tuple[int, int]:
    match = _GAP.fullmatch(text(value))
    least_s, most_s = (some_time_s(match[1]), some_time_s(match[2])) if match else (1, 0)
    if least_s > most_s:
        raise ValueProblem(f"{value!r} is not a span of time", hint="write 2m-10m, the shorter one first")
    return least_s, most_s


def _reconnect(value: object) -> bool:
    if value != "reconnect":
        raise ValueProblem(f"unknown until {value!r}", hint="write until: reconnect, or for: 45s")
    return True


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
