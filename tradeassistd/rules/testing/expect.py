"""What a test asks against what happened.

`fires` counts what somebody is told: rises that no gate refused, and firings told later. `suppressed` counts the alerts
nobody was told, by reason, `missed` the crossings while nobody watched. Times are told to the second: a row of 8m comes
right after the clock's second, and what it starts is due right after one, so whatever happens up to the next turn of
the clock, that turn included, is at 8m.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.transition import Kind, State, Transition
from tradeassistd.rules.testing.model import ExpectModel
from tradeassistd.rules.testing.patterns import offset_text

RELATIVE = 1e-9
"""Numbers are compared to this part of them (rules.md 5)."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that came otherwise than expected."""

    what: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, got {self.got}"


def differences(asked: ExpectModel, rule: Rule, happened: Sequence[Transition], start_us: int) -> list[Difference]:
    """Everything asked that did not come so; empty when all did."""
    seen = [one for one in happened if _concerns(one, asked, start_us)]
    return [
        Difference(what, _shown(expected), _shown(got))
        for what, expected, got in _compared(asked, rule, seen, start_us)
        if not _same(expected, got)
    ]


def is_told(one: Transition) -> bool:
    """Whether it is an alert of a rise, or of a firing told later, that somebody gets."""
    return one.kind in (Kind.FIRED, Kind.TOLD) and not one.suppressed


def _concerns(one: Transition, asked: ExpectModel, start_us: int) -> bool:
    if one.rule_id != asked.rule or (asked.symbol and one.symbol != asked.symbol):
        return False
    if asked.level is not None and one.level != asked.level:
        return False
    return asked.at is None or one.event_us <= start_us + (asked.at + 1) * US_PER_S


def _compared(
    asked: ExpectModel, rule: Rule, seen: list[Transition], start_us: int
) -> Iterator[tuple[str, object, object]]:
    """(what, expected, got) of each thing that is asked."""
    told = [one for one in seen if is_told(one)]
    counts = {
        "fires": len(told),
        "clears": _count(seen, Kind.CLEARED),
        "missed": _count(seen, Kind.MISSED),
        "reminded": _count(seen, Kind.REMINDED),
        "told_ends": sum(one.tell and not one.suppressed for one in seen),
        "state": _state(seen).value,
        "kinds": tuple(one.kind.value for one in seen),
    }
    for what, got in counts.items():
        expected = getattr(asked, what)
        if expected is not None:
            yield what, expected, got
    yield from _reasons("suppressed", asked.suppressed, (one for one in seen if one.is_alert))
    yield from _reasons("closed", asked.closed, (one for one in seen if one.kind is Kind.CLOSED))
    yield from _times("fired_at", asked.fired_at, told, start_us)
    yield from _times("cleared_at", asked.cleared_at, [one for one in seen if one.kind is Kind.CLEARED], start_us)
    yield from _last(asked, rule, [one for one in seen if one.is_alert and not one.suppressed])


def _last(asked: ExpectModel, rule: Rule, alerts: list[Transition]) -> Iterator[tuple[str, object, object]]:
    """What the last alert that was told says."""
    last = alerts[-1] if alerts else None
    got: dict[str, object] = {}
    if last is not None:
        got = {"severity": rule.severity_of(last.level), "late": last.late, "value": last.value, "title": last.title,
               "message": last.message}  # fmt: skip
    for what in ("severity", "late", "value", "title", "message"):
        expected = getattr(asked, what)
        if expected is not None:
            yield what, expected, got.get(what, "no alert")
    setup: dict[str, Any] = dict(last.setup) if last is not None else {}
    for name, expected in (asked.setup or {}).items():
        yield f"setup.{name}", "n/a" if expected is None else expected, _or_unknown(setup.get(name, "nothing"))


def _reasons(
    what: str, expected: dict[str, int] | None, seen: Iterable[Transition]
) -> Iterator[tuple[str, object, object]]:
    got = Counter(one.suppressed for one in seen)
    for reason, count in (expected or {}).items():
        yield f"{what}.{reason}", count, got[reason]


def _times(
    what: str, expected: tuple[int, ...] | None, seen: Sequence[Transition], start_us: int
) -> Iterator[tuple[str, object, object]]:
    if expected is None:
        return
    times_us = [one.event_us - start_us for one in seen]
    fits = len(times_us) == len(expected) and all(
        0 <= at_us - wanted_s * US_PER_S <= US_PER_S for at_us, wanted_s in zip(times_us, expected, strict=True)
    )
    got = expected if fits else tuple(at_us // US_PER_S for at_us in times_us)
    yield what, _offsets(expected), _offsets(got) if not fits else _offsets(expected)


def _state(seen: Sequence[Transition]) -> State:
    """The state after the last transition; of a ladder, or of several symbols, the furthest of all."""
    last = {(one.symbol, one.level): one.state for one in seen}
    order = [State.OK, State.PENDING, State.FIRING]
    return max(last.values(), key=order.index, default=State.OK)


def _count(seen: Iterable[Transition], kind: Kind) -> int:
    return sum(one.kind is kind for one in seen)


def _same(expected: object, got: object) -> bool:
    if isinstance(expected, str | tuple | bool) or not isinstance(got, int | float):
        return expected == got
    wanted = float(str(expected))
    return abs(wanted - got) <= RELATIVE * max(abs(wanted), abs(got))


def _or_unknown(value: object) -> object:
    return "n/a" if value is None else value


def _offsets(seconds: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(map(offset_text, seconds)) or ("never",)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, str) and (" " in value or not value) else str(value)
