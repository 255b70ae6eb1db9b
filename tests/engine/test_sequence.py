"""`seq`: events one after the other within a time, of all possible beginnings the latest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.engine.judged import Judged
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.conditions.kleene import Outcome
from tradeassistd.engine.conditions.leaves import Leaf
from tradeassistd.engine.conditions.sequence import Seq
from tradeassistd.engine.language.functions import NUMBER

UP_THEN_DOWN = "seq(price crosses_above 100, price crosses_below 95, within=60s)"


def happened(market: Judged, *rows: tuple[str, float]) -> list[bool | None]:
    """The outcome after each (price, seconds since the row before)."""
    return [market.row(price=price, after_s=after_s).live for price, after_s in rows]


def test_it_happens_when_the_last_event_follows_the_first_in_time() -> None:
    market = Judged(UP_THEN_DOWN)
    assert happened(market, ("99", 0), ("94", 1), ("101", 1), ("94", 59)) == [False, False, False, True]
    assert happened(market, ("96", 1), ("94", 1)) == [False, False]  # it starts over with nothing
    assert happened(market, ("101", 1), ("94", 61)) == [False, False]


def test_exactly_the_time_is_still_within_and_a_microsecond_more_is_not() -> None:
    for extra_us, expected in ((0, True), (1, False)):
        market = Judged(UP_THEN_DOWN)
        happened(market, ("99", 0), ("101", 1))
        market.now_us += 60 * US_PER_S - 1 + extra_us  # a row is a microsecond after the last
        assert market.row(price="94").live is expected


def test_the_latest_start_counts() -> None:
    market = Judged(UP_THEN_DOWN)
    assert happened(market, ("99", 0), ("101", 1), ("99", 50), ("101", 1), ("94", 50)) == [False] * 4 + [True]


def test_two_events_of_one_row_are_not_one_after_the_other() -> None:
    market = Judged("seq(price crosses_above 100, price crosses_above 101, within=60s)")
    assert happened(market, ("99", 0), ("102", 1), ("99", 1), ("100.5", 1), ("102", 1)) == [False] * 4 + [True]


def test_a_row_of_another_symbol_may_be_the_next_event_and_states_may_stand_beside() -> None:
    market = Judged("seq(price crosses 100, sym($VIX).price crosses_above 20 and price > 100, within=5m)")
    market.row("$VIX", "19", size=0)
    happened(market, ("99", 0), ("101", 1))
    assert market.row("$VIX", "21", size=0).live
    assert market.compiler.leaves == [market.condition]
    assert [leaf.text for leaf in market.compiler.steps if isinstance(leaf, Leaf)] == [
        "price crosses 100", "sym($VIX).price crosses_above 20", "price > 100", market.text,
    ]  # fmt: skip


def test_what_it_shows_is_its_last_event() -> None:
    market = Judged(UP_THEN_DOWN)
    market.row(price="99")
    leaf = market.leaf
    assert (leaf.left, leaf.right, leaf.target(), str(leaf.unit)) == (99 * 10**8, 95 * 10**8, 95 * 10**8, "price")


@pytest.mark.parametrize(
    ("chain", "expected"), [(("99", "98"), False), (("99", "101"), False), (("99", "101", "102"), None)]
)
def test_it_is_unknown_only_while_an_unknown_event_could_complete_it(
    chain: tuple[str, ...], expected: bool | None
) -> None:
    market = Judged("seq(price crosses_above 100, sym($VIX).price crosses 20, within=60s)")
    for price in chain:
        market.row(price=price)
    assert market.outcome == (expected, expected)
    assert market.wait(61) == (False, False)  # what began it is too long ago


def test_a_missed_event_makes_it_missed() -> None:
    market = Judged(UP_THEN_DOWN)
    happened(market, ("99", 0), ("101", 1))
    market.gap()
    assert market.image(price="94") == (False, True)
    assert happened(market, ("96", 1), ("94", 1)) == [False, False]  # it was told, and starts over
    market = Judged(UP_THEN_DOWN)
    happened(market, ("99", 0))
    market.gap()
    assert market.image(price="101") == (False, False)
    assert market.row(price="94") == (False, True)  # nobody knows when it began
    assert happened(market, ("101", 1), ("94", 1)) == [False, True]


def test_a_gap_takes_nothing_from_what_had_happened() -> None:
    market = Judged(UP_THEN_DOWN)
    happened(market, ("99", 0), ("101", 1))
    market.gap()
    assert market.image(price="102") == (False, False)
    assert market.row(price="94").live


def test_a_restart_goes_on_with_the_chain() -> None:
    first = Judged(UP_THEN_DOWN)
    happened(first, ("99", 0), ("101", 1))
    again = Judged(UP_THEN_DOWN, memory=list(first.memory), now_us=first.now_us)
    again.cut()
    again.image(price="102")
    assert again.row(price="94").live
    for one in again.compiler.sided:
        one.forget()
    assert set(again.memory) == {0}


def test_a_glimpse_finds_what_a_judging_would_and_changes_nothing() -> None:
    market = Judged(UP_THEN_DOWN)
    happened(market, ("99", 0), ("101", 1))
    state = market.state_of("SPY")
    tick = state.tick
    assert tick is not None
    state.tick = replace(tick, last=94 * 10**8)
    before = list(market.memory)
    assert [market.leaf.glimpse(market.now_us + 1).outcome().live for _ in range(2)] == [True, True]
    assert (market.memory, market.outcome.live) == (before, False)
    market.now_us += 1
    assert market.judge().live


class Told(Leaf):
    """An event whose outcome a test sets."""

    def __init__(self) -> None:
        super().__init__("told", NUMBER)

    def look(self, now_us: int) -> None:
        raise AssertionError("the sequence does not look for its events")

    def tell(self, live: bool | None) -> None:
        self._outcome = Outcome(live, live)


ROWS = st.integers(2, 4).flatmap(
    lambda count: st.lists(
        st.tuples(
            st.lists(st.sampled_from((True, False, False, None)), min_size=count, max_size=count), st.integers(0, 3)
        ),
        max_size=30,
    )
)


@given(ROWS, st.integers(1, 12))
def test_it_is_what_a_search_through_all_that_happened_finds(
    rows: list[tuple[list[bool | None], int]], within: int
) -> None:
    count = len(rows[0][0]) if rows else 2
    events = tuple(Told() for _ in range(count))
    seq = Seq("seq", events[-1], events, (), within)
    history: list[tuple[int, list[bool | None]]] = []
    now = 100
    for told, after in rows:
        now += after  # two judgings of one instant are not one after the other
        for event, live in zip(events, told, strict=True):
            event.tell(live)
        seq.look(now)
        # Every E1..En-1 strictly one after the other before now; the latest E1 of all such chains.
        starts = [(at, at) for at, row in history if row[0]]
        for position in range(1, count - 1):
            starts = [(start, at) for start, last in starts for at, row in history if row[position] and at > last]
        ready = any(last < now and now - start <= within for start, last in starts)
        expected = told[-1] if ready else False
        assert seq.outcome().live is expected
        history.append((now, told))
        if expected:
            history.clear()
