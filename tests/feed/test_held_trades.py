"""Trades that jump are held until something says the same, never lost when they are real, and no recorded one is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.feed.taken_in import SECOND, T0, begun, feed, print_at, told
from tests.recorded import recorded
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Event, Facts
from tradeassistd.engine.transition import Kind, Transition
from tradeassistd.feed.quality import HELD_MAX_US, Quarantine, jump_limit
from tradeassistd.feed.states import ConnectionChange
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.market.quote import Change, Quote
from tradeassistd.market.recorded import read_ticks
from tradeassistd.market.tick import Field, Tick
from tradeassistd.rules.load import load_texts

# --- how a held trade ends -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wild", [5150.0, 4850.0])
def test_a_bad_print_is_left_out_and_its_size_counts_with_the_next_trade(wild: float) -> None:
    taker = begun()
    events = feed(taker, 100, print_at(wild, 1005, high=max(wild, 5000.0), low=min(wild, 5000.0)))
    assert not [one for one in events if isinstance(one, Tick | Facts)]
    with capture_logs() as logs:
        events = feed(taker, 200, print_at(5000.25, 1007))
    assert told(events) == [(5000.25, 7)]
    assert [entry["event"] for entry in logs] == ["quote.bad_print"]
    quality = taker.documents(["/ES"])["/ES"]
    assert (quality["quarantined"], quality["bad_prints"]) == (1, 1)
    with capture_logs() as logs:
        feed(taker, 300, print_at(wild, 1008), print_at(5000.0, 1009))
    assert not logs and taker.documents(["/ES"])["/ES"]["bad_prints"] == 2, "said once, counted each time"


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (Change("/ES", last=5149.75, volume=1008), [(5150.0, 5), (5149.75, 3)]),
        (Change("/ES", last=5075.0, volume=1008), [(5150.0, 5), (5075.0, 3)]),
        (Change("/ES", volume=1008), [(5150.0, 5), (5150.0, 3)]),
        (Change("/ES", bid=5149.0), [(5150.0, 5)]),
        (Change("/ES", bid=5075.0, ask=5076.0), [(5150.0, 5)]),
        (Change("/ES", bid=5074.75, ask=5200.0), []),
        (Change("/ES", ask=5150.0), []),
        (Change("/ES", bid_size=3), []),
    ],
)
def test_what_confirms_a_jump_is_a_trade_past_the_middle_or_a_bid_there(
    second: Change, expected: list[tuple[float, int]]
) -> None:
    taker = begun()
    assert told(feed(taker, 100, print_at(5150.0, 1005))) == []
    assert told(feed(taker, 200, second)) == expected
    assert taker.documents(["/ES"])["/ES"]["bad_prints"] == 0


def test_a_fall_is_confirmed_by_an_ask_and_told_before_it() -> None:
    taker = begun()
    feed(taker, 100, print_at(4850.0, 1005))
    events = [one for one in feed(taker, 200, Change("/ES", ask=4900.0)) if isinstance(one, Tick)]
    assert [(one.is_trade, bool(one.changed & Field.ASK)) for one in events] == [(True, False), (False, True)]


def test_quotes_that_have_come_over_before_make_it_no_jump() -> None:
    taker = begun()
    feed(taker, 50, Change("/ES", bid=5149.0, ask=5150.0))
    assert told(feed(taker, 100, print_at(5150.0, 1005))) == [(5150.0, 5)]


def test_bid_and_ask_of_a_held_row_are_told_at_once() -> None:
    taker = begun()
    events = feed(taker, 100, print_at(5150.0, 1005, bid=5000.25, status="Normal"))
    (tick, facts) = (one for one in events if isinstance(one, Tick | Facts))
    assert isinstance(tick, Tick) and isinstance(facts, Facts)
    assert (tick.last, tick.bid, tick.volume) == (5000 * PRICE_SCALE, 500_025_000_000, 1000)
    assert (facts.status, facts.high) == ("Normal", 5000 * PRICE_SCALE)


def test_what_nothing_confirms_or_refutes_is_believed_after_five_seconds() -> None:
    taker = begun()
    feed(taker, 0, print_at(5150.0, 1005))
    assert told(feed(taker, HELD_MAX_US // 1000 - 1)) == []
    assert told(feed(taker, HELD_MAX_US // 1000)) == [(5150.0, 5)]
    assert told(feed(taker, 6000, print_at(5150.25, 1006))) == [(5150.25, 1)], (
        "and is what later ones are compared with"
    )


def test_a_trade_that_is_believed_is_told_on_time() -> None:
    """Nothing was traded or quoted since, so it is the present price; and nobody looked away, so nothing was missed."""
    text = (
        "version: 1\ndefaults: {session: always, catch_up: log}\nrules:\n"
        "  - {id: over, symbols: [/ES], when: price crosses_above 5100}\n"
        "  - {id: stands, symbols: [/ES], when: price > 5100}\n"
    )
    engine = Engine(load_texts({"rules.yaml": text}).rule_set)
    taker = begun()
    transitions: list[Transition] = []
    for after_ms, changes in (
        (10, [print_at(5000.25, 1001, trade_ms=T0 + 10)]),
        (100, [print_at(5150.0, 1005, trade_ms=T0 + 100)]),
        (HELD_MAX_US // 1000 + 99, []),
        (HELD_MAX_US // 1000 + 100, []),
    ):
        for event in feed(taker, after_ms, *changes):
            transitions += engine.on_event(event)
    believed_us = T0 * 1000 + HELD_MAX_US + 100_000
    assert [(one.rule_id, one.kind, one.late, one.suppressed) for one in transitions] == [
        ("over", Kind.FIRED, False, ""), ("stands", Kind.FIRED, False, ""),
    ]  # fmt: skip
    assert all(0 <= one.event_us - believed_us < 1000 and one.price == 5150 * PRICE_SCALE for one in transitions)


def test_a_third_far_away_trade_is_held_against_the_second() -> None:
    taker = begun()
    feed(taker, 100, print_at(5150.0, 1005))
    assert told(feed(taker, 200, print_at(5300.0, 1006))) == [(5150.0, 5)]
    assert told(feed(taker, 300, print_at(5151.0, 1007))) == [(5151.0, 2)]
    taker = begun()
    feed(taker, 100, print_at(5150.0, 1005))
    assert told(feed(taker, 200, print_at(4850.0, 1006))) == [], "on the other side: the first is refuted"
    assert told(feed(taker, 300, print_at(4850.25, 1007))) == [(4850.0, 6), (4850.25, 1)]


@pytest.mark.parametrize(
    ("symbol", "near", "far"),
    [("/ES", 1.99, 2.01), ("IBM", 9.99, 10.1), ("SPY", 2.99, 3.1), ("$SPX", 2.99, 3.1), ("$VIX", 14.9, 15.1)],
)
def test_the_limit_is_that_of_the_class(symbol: str, near: float, far: float) -> None:
    for percent, is_held in ((near, False), (far, True), (-near, False), (-far, True)):
        taker = begun(symbol, 100.0)
        events = feed(taker, 100, print_at(100.0 + percent, 1005, symbol))
        assert (told(events) == []) is is_held, percent
        assert bool(taker.documents([symbol])[symbol]["quarantined"]) is is_held


def test_internals_swing_as_they_like_and_eight_ticks_are_no_jump() -> None:
    assert jump_limit(instrument_of("$TICK")) is None
    taker = begun("$TICK", 10.0)
    assert told(feed(taker, 100, Change("$TICK", last=-900))) == [(-900.0, 0)]
    penny = begun("PENNY", 0.3)
    assert told(feed(penny, 100, print_at(0.37, 1005, "PENNY"))) == [(0.37, 5)]
    assert told(feed(penny, 200, print_at(0.50, 1006, "PENNY"))) == []


def test_an_index_is_confirmed_by_its_next_sample() -> None:
    taker = begun("$SPX", 5000.0)
    assert told(feed(taker, 100, Change("$SPX", last=5200.0, trade_ms=T0 + 1))) == []
    assert told(feed(taker, 1100, Change("$SPX", trade_ms=T0 + 2))) == [(5200.0, 0), (5200.0, 0)]


def test_what_is_held_when_the_contract_changes_is_never_told() -> None:
    taker = begun()
    feed(taker, 50, Change("/ES", last=5000.25, contract="/ESZ23"))
    assert told(feed(taker, 100, print_at(5150.0, 1005))) == []
    rolled = feed(taker, 200, Change("/ES", last=5060.0, contract="/ESH24"))
    later = feed(taker, 9 * SECOND, Change("/ES", last=5061.0))
    assert [one.last for one in (*rolled, *later) if isinstance(one, Tick)] == [5060 * PRICE_SCALE, 5061 * PRICE_SCALE]
    assert taker.documents(["/ES"])["/ES"]["bad_prints"] == 1


def test_another_session_contract_or_connection_begins_anew() -> None:
    taker = begun("SPY", 100.0)
    assert told(feed(taker, 24 * 3600 * SECOND, print_at(110.0, 1005, "SPY"))) == [(110.0, 5)]
    taker = begun()
    feed(taker, 50, Change("/ES", contract="/ESZ23"))
    events = feed(taker, 100, print_at(5150.0, 1005, contract="/ESH24"))
    assert [one.last for one in events if isinstance(one, Tick)] == [5150 * PRICE_SCALE]
    taker = begun()
    feed(taker, 100, print_at(5150.0, 1005))
    list(taker.connection(ConnectionChange("backoff", "reset")))
    (tick,) = (one for one in feed(taker, 9 * SECOND, print_at(5150.0, 1005)) if isinstance(one, Tick))
    assert tick.is_image and tick.last == 5150 * PRICE_SCALE


def test_a_value_that_is_not_plausible_or_none_is_no_price_to_compare_with() -> None:
    taker = begun("SPY", 100.0)
    feed(taker, 100, print_at(0, 1005, "SPY"))
    feed(taker, 200, print_at(90_000.0, 1006, "SPY"))
    assert taker.doubted == {"SPY": 1}
    assert told(feed(taker, 300, print_at(100.5, 1007, "SPY"))) == [(100.5, 1)]
    assert taker.documents(["SPY"])["SPY"]["quarantined"] == 0


# --- laws ------------------------------------------------------------------------------------------------------------

ROWS = st.lists(
    st.tuples(st.sampled_from([4700.0, 4850.0, 4999.0, 5000.0, 5001.0, 5150.0, 5300.0, None]), st.integers(1, 5),
              st.integers(0, 3000)),
    min_size=1, max_size=25,
)  # fmt: skip


@given(ROWS)
def test_every_trade_is_told_in_order_or_counted_as_a_bad_print_and_all_volume_counts(
    rows: list[tuple[float | None, int, int]],
) -> None:
    taker, volume, at_ms = begun(), 1000, 0
    sent: list[float] = []
    ticks: list[Event] = []
    for price, size, step_ms in rows:
        at_ms += step_ms
        volume += size
        change = Change("/ES", last=price, volume=volume) if price else Change("/ES", bid_size=size)
        volume -= 0 if price else size
        sent += [price] if price else []
        ticks += feed(taker, at_ms, change)
    ticks += feed(taker, at_ms + HELD_MAX_US // 1000)
    prices = [price for price, _ in told(ticks)]
    left_out = taker.documents(["/ES"])["/ES"]["bad_prints"]
    assert len(prices) + left_out == len(sent)
    at = iter(sent)
    assert all(any(one == price for one in at) for price in prices), "in order"
    assert sum(size or 0 for _, size in told(ticks)) == volume - 1000 or left_out
    times = [event.event_us for event in ticks]
    assert times == sorted(set(times))


@given(ROWS)
def test_nothing_is_held_longer_than_five_seconds(rows: list[tuple[float | None, int, int]]) -> None:
    quote, quarantine = Quote("/ES"), Quarantine(instrument_of("/ES"))
    now_us = T0 * 1000
    held_since_us = 0
    for volume, (price, _, step_ms) in enumerate([(5000.0, 1, 0), *rows], 1):
        now_us += step_ms * 1000
        quarantine.due(now_us)
        if quarantine.holds:
            assert now_us - held_since_us < HELD_MAX_US
        was_held = quarantine.holds
        change = Change("/ES", last=price, volume=volume)
        rows_out = quarantine.take(change, quote, now_us)
        for one in (change,) if rows_out is None else rows_out:
            quote.merge(volume, one)
        if quarantine.holds and (not was_held or rows_out is not None):
            held_since_us = now_us


SESSIONS = [
    ("ES_ESH4_20231225_globex_reopen_1h", "/ES"), ("GC_GCZ13_20131007_trades_session", "/GC"),
    ("SPY_20131007_trades_session", "SPY"), ("IBM_20131007_nbbo_and_trades_session", "IBM"),
    ("ES_ESH22_20220124_tbt_dom_1min", "/ES"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "symbol"), SESSIONS)
def test_no_trade_of_a_recorded_session_is_held(name: str, symbol: str) -> None:
    quote, quarantine, volume = Quote(symbol), Quarantine(instrument_of(symbol)), 0
    for row in read_ticks(recorded(f"ticks/{name}.csv.gz")):
        volume += row.size or 0
        change = Change(symbol)
        if row.price is not None:
            change.last, change.volume = row.price / PRICE_SCALE, volume
        assert quarantine.take(change, quote, row.ts_ns // 1000) is None


@pytest.mark.parametrize("away", [1.025, 0.97, 1.5, 0.1])
def test_every_bad_print_put_into_a_recorded_session_is_left_out(away: float) -> None:
    quote, quarantine, volume, put_in = Quote("/ES"), Quarantine(instrument_of("/ES")), 0, 0
    for number, row in enumerate(read_ticks(recorded("ticks/ES_ESH22_20220124_tbt_dom_1min.csv.gz"))):
        assert row.price is not None
        volume += row.size or 0
        prices = [row.price / PRICE_SCALE]
        if number and number % 100 == 0:
            prices.insert(0, round(prices[0] * away * 4) / 4)
            put_in += 1
        for price in prices:
            change = Change("/ES", last=price, volume=volume)
            found = quarantine.take(change, quote, row.ts_ns // 1000)
            for one in (change,) if found is None else found:
                assert one.last is None or one.last == prices[-1]
                quote.merge(number, one)
    assert put_in > 15 and quarantine.bad_prints == put_in
