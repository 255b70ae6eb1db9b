"""Merging changes into quotes: the last word on each field counts, zeros per class, trades by volume."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.price import PRICE_SCALE, price_from_text
from tradeassistd.market.quote import Change, Quote
from tradeassistd.market.tick import Field, Tick

SYMBOLS = st.sampled_from(["SPY", "/ES", "$SPX", "$TICK"])
PRICES, SIZES, TIMES = st.integers(0, 4), st.integers(0, 3), st.integers(0, 3)
NAMES = {"last": PRICES, "bid": PRICES, "ask": PRICES, "bid_size": SIZES, "ask_size": SIZES,
         "volume": st.integers(0, 9), "trade_ms": TIMES, "quote_ms": TIMES, "delayed": st.booleans(),
         "open": PRICES, "high": PRICES, "low": PRICES, "prev_close": PRICES, "year_high": PRICES, "year_low": PRICES,
         "status": st.sampled_from(["Normal", "Halted"]), "contract": st.just("/ESZ26")}  # fmt: skip
CHANGES = st.lists(st.fixed_dictionaries({}, optional=NAMES), min_size=1, max_size=25)


def unbounded(symbol: str) -> Quote:
    """Of which every price is plausible, so that small numbers do."""
    return Quote(symbol, replace(instrument_of(symbol), plausible=None))


def ticks_of(symbol: str, changes: list[dict[str, Any]]) -> list[Tick]:
    quote = unbounded(symbol)
    return [quote.merge(at_us, Change(symbol, **change)) for at_us, change in enumerate(changes, 1)]


def last_word(changes: list[dict[str, Any]], name: str) -> Any:
    return next((change[name] for change in reversed(changes) if name in change), None)


@given(SYMBOLS, CHANGES)
def test_every_field_holds_its_last_word_and_a_zero_is_none_yet_where_it_cannot_be_a_price(
    symbol: str, changes: list[dict[str, Any]]
) -> None:
    instrument = instrument_of(symbol)

    def price(name: str, upto: int) -> int | None:
        value = last_word(changes[:upto], name)
        known = value is not None and (value != 0 or instrument.zero_is_a_price)
        return value * PRICE_SCALE if known else None

    for count, tick in enumerate(ticks_of(symbol, changes), 1):
        assert (tick.event_us, tick.symbol) == (count, symbol)
        assert tick.last == price("last", count)
        for name in ("bid", "ask"):
            assert getattr(tick, name) == (price(name, count) if instrument.has_quote else None)
        for name in ("bid_size", "ask_size"):
            assert getattr(tick, name) == (last_word(changes[:count], name) if instrument.has_quote else None)
        assert tick.volume == (last_word(changes[:count], "volume") if instrument.has_volume else None)
        for name in ("trade_ms", "quote_ms"):
            assert getattr(tick, name) == (last_word(changes[:count], name) or None)
        assert bool(tick.changed & Field.DELAYED) is bool(last_word(changes[:count], "delayed"))


@given(SYMBOLS, CHANGES)
def test_changed_names_exactly_what_differs_from_the_tick_before(symbol: str, changes: list[dict[str, Any]]) -> None:
    parts = {"last": Field.LAST, "bid": Field.BID, "ask": Field.ASK, "bid_size": Field.BID_SIZE,
             "ask_size": Field.ASK_SIZE}  # fmt: skip
    nothing = Tick(0, symbol, *(None,) * 9, 0)
    ticks = ticks_of(symbol, changes)
    for before, tick in pairwise([nothing, *ticks]):
        for name, flag in parts.items():
            assert bool(tick.changed & flag) is (getattr(tick, name) != getattr(before, name)), name
    assert [tick.is_image for tick in ticks] == [True] + [False] * (len(ticks) - 1)


@given(st.sampled_from(["SPY", "/ES"]), CHANGES)
def test_the_sizes_of_the_trades_are_the_rises_of_the_volume(symbol: str, changes: list[dict[str, Any]]) -> None:
    for before, tick in pairwise(ticks_of(symbol, changes)):
        rise = (tick.volume or 0) - before.volume if before.volume is not None and tick.volume is not None else 0
        expected = rise if rise > 0 and tick.last is not None else None
        assert tick.size == expected
        assert tick.is_trade is bool(tick.changed & Field.TRADE) is (expected is not None)


@given(st.sampled_from(["$SPX", "$TICK"]), CHANGES)
def test_an_index_is_sampled_at_a_new_value_or_a_new_trade_time(symbol: str, changes: list[dict[str, Any]]) -> None:
    for (before, tick), change in zip(pairwise(ticks_of(symbol, changes)), changes[1:], strict=True):
        moved = tick.last != before.last or (change.get("trade_ms") is not None and tick.trade_ms != before.trade_ms)
        assert tick.size == (0 if moved and tick.last is not None else None)


@given(SYMBOLS, CHANGES)
def test_slow_facts_hold_their_last_word_and_say_when_they_move(symbol: str, changes: list[dict[str, Any]]) -> None:
    quote, zero = unbounded(symbol), instrument_of(symbol).zero_is_a_price
    before: tuple[object, ...] = (None, None, None, None, None, None, "", "")
    for count, change in enumerate(changes, 1):
        moved = quote.merge_facts(Change(symbol, **change))
        of_the_day = [last_word(changes[:count], name) for name in ("open", "high", "low")]
        zeros_count = zero and any(of_the_day)  # else it is the reset at 03:30
        expected = [
            value * PRICE_SCALE if value or (zeros_count and value is not None) else None for value in of_the_day
        ]
        for name in ("prev_close", "year_high", "year_low"):
            value = last_word(changes[:count], name)
            expected.append(value * PRICE_SCALE if value else None)
        facts = quote.told_facts
        now = (*expected, last_word(changes[:count], "status") or "", last_word(changes[:count], "contract") or "")
        held = (facts.open, facts.high, facts.low, facts.prev_close, facts.year_high, facts.year_low)
        assert (*held, facts.status, facts.contract) == now
        assert moved is (now != before)
        before = now


@pytest.mark.parametrize(
    ("symbol", "zero", "negative"),
    [("SPY", None, -5), ("/CL", None, -5), ("$SPX", None, -5), ("$TICK", 0, -5), ("$ADDQ", 0, -5)],
)
def test_zero_and_negative_values_by_class(symbol: str, zero: int | None, negative: int) -> None:
    quote = unbounded(symbol)
    assert quote.merge(1, Change(symbol, last=0)).last == zero
    assert quote.merge(2, Change(symbol, last=negative)).last == negative * PRICE_SCALE


def test_a_price_that_goes_back_to_none_yet_is_unknown_again() -> None:
    quote = Quote("SPY")
    quote.merge(1, Change("SPY", last=10, bid=9))
    tick = quote.merge(2, Change("SPY", last=0))
    assert (tick.last, tick.bid, tick.changed) == (None, 9 * PRICE_SCALE, Field.LAST)


def test_volume_that_moves_before_the_first_price_is_no_trade() -> None:
    quote = Quote("SPY")
    quote.merge(1, Change("SPY", volume=100))
    tick = quote.merge(2, Change("SPY", volume=200))
    assert (tick.size, tick.volume, tick.changed) == (None, 200, Field.VOLUME)


def test_a_value_that_is_not_plausible_is_unknown_until_the_next_one() -> None:
    quote = Quote("$TICK")
    assert quote.merge(1, Change("$TICK", last=-812)).last == -812 * PRICE_SCALE
    wild = quote.merge(2, Change("$TICK", last=-812_000))
    assert (wild.last, wild.size, wild.changed) == (None, None, Field.LAST)
    assert quote.doubted == [-812_000]
    again = quote.merge(3, Change("$TICK", last=-810))
    assert (again.last, again.size) == (-810 * PRICE_SCALE, 0)


def test_a_price_that_no_store_can_hold_is_unknown_of_every_symbol() -> None:
    quote = unbounded("SPY")
    for value in (1e14, -1e14, 1e11):
        assert quote.merge(1, Change("SPY", last=value)).last is None
    assert quote.doubted == [1e14, -1e14, 1e11]
    assert quote.merge(2, Change("SPY", last=1e9)).last == 10**9 * PRICE_SCALE


def test_bounds_hold_for_every_price_of_a_quote_and_are_plausible_themselves() -> None:
    bounds = (10 * PRICE_SCALE, 20 * PRICE_SCALE)
    quote = Quote("SPY", replace(instrument_of("SPY"), plausible=bounds))
    change = Change("SPY", last=10, bid=9.99, ask=20, open=20.01, high=20, low=1, prev_close=15, year_high=99)
    tick = quote.merge(1, change)
    assert (tick.last, tick.bid, tick.ask) == (10 * PRICE_SCALE, None, 20 * PRICE_SCALE)
    assert quote.merge_facts(change)
    facts = quote.facts
    assert (facts.open, facts.low, facts.year_high) == (None, None, None)
    assert (facts.high, facts.prev_close) == (20 * PRICE_SCALE, 15 * PRICE_SCALE)
    assert quote.doubted == [9.99, 20.01, 1, 99]


def test_a_trade_at_a_price_that_is_not_plausible_is_none_and_its_volume_counts() -> None:
    quote = Quote("SPY")
    quote.merge(1, Change("SPY", last=500, volume=100))
    assert quote.merge(2, Change("SPY", last=50_000, volume=110)).size is None
    assert quote.merge(3, Change("SPY", last=501, volume=115)).size == 5


def test_crude_oil_below_zero_is_a_price() -> None:
    assert Quote("/CLK20").merge(1, Change("/CLK20", last=-37.63)).last == -3_763_000_000


def test_a_quote_goes_on_under_other_facts() -> None:
    """A breadth figure that is taken for an index: its 0 becomes "none yet", and what was out of bounds is left out."""
    old = Quote("$NEW", replace(instrument_of("$TICK"), symbol="$NEW", plausible=None))
    old.merge(1, Change("$NEW", last=0, trade_ms=5, high=900, low=-900))
    old.merge_facts(Change("$NEW", high=900, low=-900, status="Normal"))
    new = old.as_of(replace(instrument_of("$NEW"), plausible=(0, 100 * PRICE_SCALE)))
    assert (new.image(7).last, new.image(7).trade_ms, new.image(7).is_image) == (None, 5, True)
    assert (new.facts.high, new.facts.low, new.facts.status) == (None, None, "Normal")
    assert (old.image(7).last, old.facts.high) == (0, 900 * PRICE_SCALE)
    tick = new.merge(8, Change("$NEW", last=5))
    assert (tick.last, tick.size, tick.is_image) == (5 * PRICE_SCALE, 0, False)


def test_the_prices_of_one_contract_are_not_those_of_the_next() -> None:
    quote = Quote("/CL")
    old = Change("/CL", last=59.49, bid=59.48, ask=59.5, volume=100, contract="/CLG27", trade_ms=1)
    quote.merge_facts(old)
    quote.merge(1, old)
    roll = Change("/CL", volume=0, contract="/CLH27")
    assert quote.merge_facts(roll)
    tick = quote.merge(2, roll)
    assert (tick.last, tick.bid, tick.ask, tick.size) == (None, None, None, None)
    trade = Change("/CL", last=59.15, volume=3, trade_ms=2)
    assert quote.merge(3, trade).last == price_from_text("59.15")
