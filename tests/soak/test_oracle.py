"""The soak's oracle has one answer to each row, and the engine gives it; a wrong alert, or none, is found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from msgspec.structs import replace

from tests.scenarios.stage import instant_us
from tests.soak.oracle import Seen, Span, Verdict, judge, steps
from tests.soak.rules import COOLDOWN_S, Level
from tests.soak.truth import Row
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Event, Gap, Start
from tradeassistd.engine.transition import Kind, Transition
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.market.tick import Field, Tick
from tradeassistd.rules.load import load_texts

EVENING_US = instant_us("2026-11-16T19:59:00-05:00")
OPEN_US = instant_us("2026-11-17T04:00:00-05:00")
LEVEL = Level("at", "SPY", 100 * PRICE_SCALE)
RULE = f"version: 1\nrules: [{{id: at, symbols: [SPY], cooldown: {COOLDOWN_S}s, when: price crosses 100}}]\n"


def trade(at_us: int, price: int, *, image: bool = False) -> Tick:
    changed = Field.LAST | Field.TRADE | Field.VOLUME
    return _tick(at_us, price, Field.LAST | Field.IMAGE if image else changed, None if image else 5)


def quote(at_us: int, price: int) -> Tick:
    """A new bid beside the last trade, which was at `price`."""
    return _tick(at_us, price, Field.BID, None)


def _tick(at_us: int, price: int, changed: int, size: int | None) -> Tick:
    scaled = price * PRICE_SCALE
    return Tick(at_us, "SPY", scaled, scaled - 1, scaled + 1, 1, 1, at_us // US_PER_S, at_us // 1000, at_us // 1000,
                size, int(changed))  # fmt: skip


def engine_says(events: Iterable[Event]) -> list[Transition]:
    rule_set = load_texts({"rules.yaml": RULE}).rule_set
    engine = Engine(rule_set)
    engine.on_event(Start(1, rule_set.hash, ()))
    return [one for event in events for one in engine.on_event(event)]


def oracle_says(rows: Sequence[Row], events: Sequence[Event], alerts: Sequence[Transition]) -> Verdict:
    verdict = Verdict()
    ticks = [one.event_us for one in events if isinstance(one, Tick)]
    images = [one.event_us for one in events if isinstance(one, Tick) and one.changed & Field.IMAGE][1:]
    gaps = [one for one in events if isinstance(one, Gap)]
    blind = [Span(gap.from_us, image) for gap, image in zip(gaps, images, strict=True)]
    judge(LEVEL, list(steps("SPY", rows, Seen(blind, [], ticks))), alerts, verdict)
    return verdict


def at(at_us: int, price: int) -> Row:
    return Row(at_us, price * PRICE_SCALE, 0)


EVENING = [trade(EVENING_US, 99, image=True), trade(EVENING_US + US_PER_S, 99)]
FIRST, SECOND = OPEN_US + 400_000, OPEN_US + 3 * US_PER_S
CASES: dict[str, tuple[list[Event], list[Row], list[Kind]]] = {
    "the first trade of a session jumps the level": (
        [trade(FIRST, 101)], [at(FIRST, 101)], [Kind.MISSED],
    ),
    "a bid comes before it, beside the last trade of the evening": (
        [quote(FIRST, 99), trade(SECOND, 101)], [at(SECOND, 101)], [Kind.FIRED],
    ),
    "the first trade is the level itself, and the next beyond it": (
        [trade(FIRST, 100), trade(SECOND, 101)], [at(FIRST, 100), at(SECOND, 101)], [Kind.FIRED],
    ),
    "it opens where it closed, and moves then": (
        [trade(FIRST, 99), trade(SECOND, 101)], [at(FIRST, 99), at(SECOND, 101)], [Kind.FIRED],
    ),
    "a gap in the session, and an image beyond the level": (
        [trade(FIRST, 99), Gap(SECOND, FIRST + 1, SECOND, "reset"), trade(SECOND + 1, 101, image=True)],
        [at(FIRST, 99), at(FIRST + US_PER_S, 101)], [Kind.MISSED],
    ),
    "a gap in which it went and came back": (
        [trade(FIRST, 99), Gap(SECOND, FIRST + 1, SECOND, "reset"), trade(SECOND + 1, 98, image=True)],
        [at(FIRST, 99), at(FIRST + US_PER_S, 101), at(FIRST + 2 * US_PER_S, 98)], [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_oracle_and_engine_say_the_same_of_what_comes_after_a_cut(name: str) -> None:
    events, rows, kinds = CASES[name]
    events = [*EVENING, *events]
    rows = [at(EVENING_US, 99), *rows]
    alerts = engine_says(events)
    assert [one.kind for one in alerts] == kinds
    verdict = oracle_says(rows, events, alerts)
    assert (verdict.problems, verdict.live + verdict.missed) == ([], len(kinds))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[2]])
def test_the_other_kind_none_at_all_and_one_too_many_are_found(name: str) -> None:
    events, rows, _ = CASES[name]
    events = [*EVENING, *events]
    rows = [at(EVENING_US, 99), *rows]
    (alert,) = engine_says(events)
    other = Kind.MISSED if alert.kind is Kind.FIRED else Kind.FIRED
    for wrong, expected in (
        ([replace(alert, kind=other)], ["false", "lost"]),
        ([], ["lost"]),
        ([alert, replace(alert, event_us=alert.event_us + 40 * US_PER_S, suppressed="cooldown")], ["false"]),
        ([replace(alert, suppressed="cooldown")], ["told wrongly"]),
    ):
        problems = oracle_says(rows, events, wrong).problems
        assert sorted(problem.partition(":")[0] for problem in problems) == expected
