"""Bars do not repaint, and windows end with the last closed one (rules.md 4.3 and 5)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.laws.samples import FEW_PRICES, LEVEL, PRICES, leaf_of, rule, run
from tests.engine.market import MONDAY_RTH_US, Market
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.rule import Evaluate

MINUTE_US = 60 * US_PER_S
TRADES = st.lists(st.tuples(st.integers(97, 103), st.integers(1, 130)), min_size=1, max_size=20)
"""(price, seconds since the one before)"""


@given(PRICES, st.integers(1, 6))
def test_an_average_is_exact_and_holds_only_closed_bars(prices: list[int], count: int) -> None:
    market = run(f"price crosses sma(close, {count}, 1m)", [])
    closes: list[int] = []
    for price in prices:
        market.trade("SPY", str(price), after_s=60.0)
        known = len(closes) >= count
        # The bar this trade belongs to is still forming, so the window ends with the trade before it.
        expected = Fraction(sum(closes[-count:]), count) * 10**8 if known else None
        assert leaf_of(market).right == expected
        closes.append(price)


@given(st.lists(st.integers(1, 900), min_size=4, max_size=30), st.integers(1, 3))
def test_a_spike_is_compared_with_the_bars_before_it(volumes: list[int], count: int) -> None:
    market = run(f"volume(1m) > avg(volume, {count}, 1m)[1]", [], evaluate=Evaluate("1m"), at_load="fire")
    for volume in volumes:
        market.trade("SPY", "100", volume, after_s=60.0)
    market.wait(63)
    holds = [volumes[i] * count > sum(volumes[i - count : i]) for i in range(count, len(volumes))]
    assert len(market.fired()) == sum(now and not before for before, now in pairwise([False, *holds]))


@given(PRICES, st.integers(1, 5), st.sampled_from(["highest", "lowest", "wma", "roc", "ema"]))
def test_every_window_ends_with_the_last_closed_bar(prices: list[int], count: int, function: str) -> None:
    market = run(f"{function}(close, {count}, 1m) > 0{'%' if function == 'roc' else ''}", [])
    for index, price in enumerate(prices):
        market.trade("SPY", str(price), after_s=60)
        leaf, expected = leaf_of(market), by_brute_force(function, count, prices[:index])
        assert (leaf.left is None) is (expected is None)
        if expected is not None and leaf.left is not None:
            assert abs(leaf.left / Fraction(10**8) ** leaf.unit.price - expected) <= abs(expected) / 10**9


def by_brute_force(function: str, count: int, closes: Sequence[int]) -> Fraction | None:
    """A bar function over the closes so far, in points; None while there are too few."""
    window = closes[-count:]
    if len(closes) < count + (function == "roc"):
        return None
    match function:
        case "highest":
            return Fraction(max(window))
        case "lowest":
            return Fraction(min(window))
        case "wma":
            return Fraction(sum(weight * close for weight, close in enumerate(window, 1)), count * (count + 1) // 2)
        case "roc":
            return Fraction(closes[-1], closes[-1 - count]) - 1
    mean = Fraction(sum(closes[:count]), count)
    for close in closes[count:]:
        mean += Fraction(2, count + 1) * (close - mean)
    return mean


@given(PRICES, st.integers(1, 4))
def test_a_close_is_never_above_the_highest_that_holds_it(prices: list[int], count: int) -> None:
    market = run(f"close(1m) > highest(close, {count}, 1m)", prices[:1], at_load="fire")
    before = run(f"close(1m) > highest(close, {count}, 1m)[1]", prices[:1], at_load="fire")
    for price in prices[1:]:
        for one in (market, before):
            one.trade("SPY", str(price), after_s=60)
    assert market.fired() == []
    closes = prices[:-1]
    holds = [closes[at] > max(closes[at - count : at]) for at in range(count, len(closes))]
    assert len(before.fired()) == sum(now and not was for was, now in pairwise([False, *holds]))


@given(TRADES, st.integers(1, 3))
def test_only_live_sees_the_bar_that_is_forming(trades: list[tuple[int, int]], count: int) -> None:
    texts = ["close(1m)", "close(1m, live)", "high(1m, live)", "close(1m, live)[1]", f"sma(close, {count}, 1m, live)"]
    markets = [run(f"{text} > 0", []) for text in texts]
    closed, forming, minute = list[int](), list[int](), 0
    for price, wait_s in trades:
        for market in markets:
            market.wait(wait_s)
            market.trade("SPY", str(price))
        this = markets[0].now_us // MINUTE_US
        if forming and this != minute:
            closed, forming = [*closed, forming[-1]], []
        minute, forming = this, [*forming, price]
        newest = [*closed, price][-count:]
        expected = [closed[-1:], [price], [max(forming)], closed[-1:]]
        expected.append([Fraction(sum(newest), count)] if len(newest) == count else [])  # type: ignore[list-item]
        assert [leaf_of(market).left for market in markets] == [
            value[0] * 10**8 if value else None for value in expected
        ]


@given(TRADES)
def test_a_minute_without_a_trade_makes_no_bar(trades: list[tuple[int, int]]) -> None:
    market = run("price > 0", [])
    minutes = set[int]()
    for price, wait_s in trades:
        market.wait(wait_s)
        market.trade("SPY", str(price))
        minutes.add(market.now_us // MINUTE_US)
    market.wait(63)
    assert [bar.start_us // MINUTE_US for bar in market.engine.take_bars()] == sorted(minutes)


@given(FEW_PRICES, FEW_PRICES, st.integers(0, 150))
def test_a_window_that_holds_a_gap_is_unknown_and_only_whole_bars_follow_it(
    before: list[int], after: list[int], gap_s: int
) -> None:
    market = run("sma(close, 2, 1m) > 0", [])
    for price in before:
        market.trade("SPY", str(price), after_s=20)
    market.drop()
    market.resume(after_s=gap_s)
    market.image("SPY")
    gap_end_us, closes = market.now_us, dict[int, int]()  # start of the bar -> its last trade
    for price in after:
        market.trade("SPY", str(price), after_s=20)
        start_us = market.now_us // MINUTE_US * MINUTE_US
        whole = [close for begin_us, close in closes.items() if gap_end_us <= begin_us < start_us]
        assert leaf_of(market).left == (Fraction(sum(whole[-2:]), 2) * 10**8 if len(whole) >= 2 else None)
        closes[start_us] = price


@given(st.lists(st.tuples(st.integers(97, 103), st.integers(0, 70), st.integers(0, 130)), min_size=1, max_size=20))
def test_a_late_trade_changes_no_bar_that_has_closed(path: list[tuple[int, int, int]]) -> None:
    market = run("close(1m) > 0", [])
    traded: dict[int, list[int]] = {}  # start of the minute -> its prices, while that bar is open
    closed: list[int] = []
    last_close: int | None = None
    for price, wait_s, late_s in path:
        market.wait(wait_s)
        market.trade("SPY", str(price), late_s=late_s)
        for bar in market.engine.take_bars():
            closed.append(bar.start_us)
            prices = [one * 10**8 for one in traded.pop(bar.start_us)]
            assert (bar.open, bar.high, bar.low, bar.close) == (prices[0], max(prices), min(prices), prices[-1])
            last_close = bar.close
        minute_us = (market.now_us - late_s * US_PER_S) // MINUTE_US * MINUTE_US
        if not closed or minute_us > closed[-1]:
            traded.setdefault(minute_us, []).append(price)
        assert leaf_of(market).left == last_close
    assert closed == sorted(set(closed))


@given(PRICES)
def test_beside_a_price_a_day_s_high_is_the_one_before_its_row(prices: list[int]) -> None:
    new = rule("price > day.high", id="new", at_load="fire")
    level = rule("day.high > 101", id="level", at_load="fire")
    market = Market((new, level), now_us=MONDAY_RTH_US - 2 * 3600 * US_PER_S)
    market.image("SPY", str(LEVEL))
    market.now_us = MONDAY_RTH_US
    highs = list[bool]()
    for at, price in enumerate(prices):
        now = {(one.rule_id, one.kind.value) for one in market.trade("SPY", str(price))}
        highs.append(at > 0 and price > max(prices[:at]))
        assert (("new", "fired") in now) is (highs[-1] and not (at and highs[-2]))
        assert (("level", "fired") in now) is (price > 101 and max([0, *prices[:at]]) <= 101)


@given(st.lists(st.tuples(st.integers(97, 103), st.integers(0, 7)), min_size=1, max_size=20))
def test_beside_a_price_the_highest_of_five_seconds_is_the_one_before_its_row(rows: list[tuple[int, int]]) -> None:
    market = run("price > highest(price, 5s)", [LEVEL])
    market.wait(6)
    held = [(market.now_us - 6 * US_PER_S, LEVEL)]

    def is_a_new_high() -> bool:
        from_us = (market.now_us // US_PER_S - 5) * US_PER_S
        *earlier, (row_us, price) = held
        until = [since_us for since_us, _ in held[1:]]
        stood = [one for (_, one), until_us in zip(earlier, until, strict=True) if until_us > from_us]
        return row_us > from_us and price > max(stood)

    for price, seconds in rows:
        for _ in range(seconds):
            market.wait(1)
            assert market.engine.machines[0].leaves[0].outcome().live is is_a_new_high()
        market.trade("SPY", str(price))
        held.append((market.now_us, price))
        assert market.engine.machines[0].leaves[0].outcome().live is is_a_new_high()


@given(st.lists(st.integers(1, 200), min_size=2, max_size=20), st.integers(1, 5), st.none() | st.integers(1, 19))
def test_pct_change_looks_back_on_whole_seconds_and_into_no_gap(
    prices: list[int], seconds: int, gap_at: int | None
) -> None:
    market = run(f"pct_change(price, {seconds}s) <= 0%", [])
    held: dict[int, int | None] = {}  # whole second -> price at its end
    for at, price in enumerate(prices):
        market.wait(1)
        if at == gap_at:
            market.drop()
            held[market.now_us // US_PER_S + 1] = None
            market.resume(after_s=2)
            market.image("SPY", str(price))
        else:
            market.trade("SPY", str(price))
        now_s = market.now_us // US_PER_S
        held[now_s + 1] = price  # the trade lies inside second now_s, so it holds at the next whole one
        past = [held[s] for s in sorted(held) if s <= now_s - seconds][-1:]
        was = past[0] if past else None
        assert leaf_of(market).left == (None if was is None else Fraction(price - was, was))
