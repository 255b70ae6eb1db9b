"""The meanings of rules.md 4 and 5 about bars, windows and looking back, as laws."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.market import Market, bars, number, price_is
from tests.engine.test_laws import LEVEL, PRICES, rule
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.expression import Compare, Cross, Index, Name
from tradeassistd.engine.rule import Evaluate


@given(PRICES, st.integers(1, 6))
def test_an_average_is_exact_and_holds_only_closed_bars(prices: list[int], count: int) -> None:
    market = Market((rule(Cross("crosses", Name("price"), (bars("sma", "close", str(count), "1m"),))),))
    market.image("SPY")
    machine = market.engine.machines[0]
    closes: list[int] = []
    for price in prices:
        market.trade("SPY", str(price), after_s=60.0)
        leaf = machine._leaves[0]
        known = len(closes) >= count
        # The bar this trade belongs to is still forming, so the window ends with the trade before it.
        expected = Fraction(sum(closes[-count:]), count) * 10**8 if known else None
        assert leaf.right == expected
        closes.append(price)


@given(st.lists(st.integers(1, 900), min_size=4, max_size=40), st.integers(1, 3))
def test_a_spike_is_compared_with_the_bars_before_it(volumes: list[int], count: int) -> None:
    average = Index(bars("avg", "volume", str(count), "1m"), 1)
    when = Compare(">", bars("volume", "1m"), average)
    market = Market((rule(when, evaluate=Evaluate("1m"), at_load="fire"),))
    market.image("SPY")
    for volume in volumes:
        market.trade("SPY", "100", volume, after_s=60.0)
    market.wait(63)
    holds = [volumes[i] * count > sum(volumes[i - count : i]) for i in range(count, len(volumes))]
    assert len(market.fired()) == sum(now and not before for before, now in pairwise([False, *holds]))


@given(st.lists(st.integers(1, 200), min_size=2, max_size=30), st.integers(1, 5))
def test_pct_change_looks_back_on_whole_seconds(prices: list[int], seconds: int) -> None:
    when = Compare("<=", bars("pct_change", "price", f"{seconds}s"), number("0%"))
    market = Market((rule(when),))
    market.image("SPY")
    held: dict[int, int] = {}  # whole second -> price at its end
    for price in prices:
        market.wait(1)
        market.trade("SPY", str(price))
        now_s = market.now_us // US_PER_S
        held[now_s + 1] = price  # the trade lies inside second now_s, so it holds at the next whole one
        past = [held[s] for s in sorted(held) if s <= now_s - seconds]
        leaf = market.engine.machines[0]._leaves[0]
        assert leaf.left == (Fraction(price - past[-1], past[-1]) if past else None)


@given(PRICES)
def test_close_rules_see_the_quote_as_it_was_before_the_row_that_closed_their_bar(prices: list[int]) -> None:
    market = Market((rule(price_is(">", str(LEVEL)), evaluate=Evaluate("1m"), at_load="fire"),))
    market.image("SPY")
    for price in prices:
        market.trade("SPY", str(price), after_s=60)
    holds = [price > LEVEL for price in prices[:-1]]
    expected = ["fired" if now else "cleared" for before, now in pairwise([False, *holds]) if now != before]
    assert market.kinds() == expected


@given(PRICES)
def test_a_rule_on_bars_alone_is_judged_when_they_close(prices: list[int]) -> None:
    market = Market((rule(Compare(">", bars("close", "1m"), number(str(LEVEL))), at_load="fire"),))
    market.image("SPY")
    for price in prices:
        market.trade("SPY", str(price), after_s=60)
    holds = [price > LEVEL for price in prices[:-1]]
    assert len(market.fired()) == sum(now and not before for before, now in pairwise([False, *holds]))


@given(PRICES, st.integers(1, 5), st.sampled_from(["highest", "lowest", "wma", "roc", "ema"]))
def test_every_window_ends_with_the_last_closed_bar(prices: list[int], count: int, function: str) -> None:
    market = Market((rule(Compare(">", bars(function, "close", str(count), "1m"), number("0"))),))
    leaf = market.engine.machines[0]._leaves[0]
    market.image("SPY")
    for index, price in enumerate(prices):
        market.trade("SPY", str(price), after_s=60)
        expected = by_brute_force(function, count, prices[:index])
        assert (leaf.left is None) is (expected is None)
        if expected is not None and leaf.left is not None:
            assert abs(leaf.left / Fraction(10**8) ** leaf.unit.price - expected) <= abs(expected) / 10**9


def by_brute_force(function: str, count: int, closes: list[int]) -> Fraction | None:
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


@given(PRICES, PRICES, st.integers(0, 150))
def test_a_window_that_holds_a_gap_is_unknown_and_only_whole_bars_follow_it(
    before: list[int], after: list[int], gap_s: int
) -> None:
    market = Market((rule(Compare(">", bars("sma", "close", "2", "1m"), number("0"))),))
    leaf = market.engine.machines[0]._leaves[0]
    market.image("SPY")
    for price in before:
        market.trade("SPY", str(price), after_s=20)
    market.drop()
    market.resume(after_s=gap_s)
    market.image("SPY")
    gap_end_us, closes = market.now_us, dict[int, int]()  # start of the bar -> its last trade
    for price in after:
        market.trade("SPY", str(price), after_s=20)
        start_us = market.now_us // (60 * US_PER_S) * 60 * US_PER_S
        whole = [close for begin_us, close in closes.items() if gap_end_us <= begin_us < start_us]
        leaf.look(market.now_us)
        assert leaf.left == (Fraction(sum(whole[-2:]), 2) * 10**8 if len(whole) >= 2 else None)
        closes[start_us] = price


@given(st.lists(st.tuples(st.integers(97, 103), st.integers(0, 70), st.integers(0, 130)), min_size=1, max_size=30))
def test_a_late_trade_changes_no_bar_that_has_closed(path: list[tuple[int, int, int]]) -> None:
    market = Market((rule(Compare(">", bars("close", "1m"), number("0"))),))
    leaf = market.engine.machines[0]._leaves[0]
    market.image("SPY")
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
        minute_us = (market.now_us - late_s * US_PER_S) // (60 * US_PER_S) * 60 * US_PER_S
        if not closed or minute_us > closed[-1]:
            traded.setdefault(minute_us, []).append(price)
        leaf.look(market.now_us)
        assert leaf.left == last_close
    assert closed == sorted(set(closed))
