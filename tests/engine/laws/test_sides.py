"""A crossing has two sides (rules.md 4.2)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.laws.samples import DAY_US, FEW_PRICES, LEVEL, PRICES, changes, rule, run, sides
from tests.engine.market import Market
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.transition import Kind
from tradeassistd.market.active import ActiveWindow

CROSSES = "price crosses 100"


@given(PRICES, st.sampled_from(["crosses", "crosses_above", "crosses_below"]))
def test_a_crossing_needs_both_sides_and_equal_keeps_the_side(prices: list[int], op: str) -> None:
    market = run(f"price {op} 100", prices)
    wanted = {"crosses": (True, False), "crosses_above": (True,), "crosses_below": (False,)}[op]
    assert len(market.all) == sum(now != before and now in wanted for before, now in pairwise(sides(prices)))


@given(PRICES, st.lists(st.integers(98, 102), min_size=1, max_size=4, unique=True))
def test_crossing_any_of_several_levels_is_crossing_one_of_them(prices: list[int], levels: list[int]) -> None:
    market = run(f"price crosses any [{', '.join(map(str, levels))}]", prices)
    moments = set()
    for level in levels:
        moments |= {one.event_us for one in run(f"price crosses {level}", prices).all}
    assert {one.event_us for one in market.all} == moments


@given(PRICES)
def test_entering_and_leaving_a_range_take_turns(prices: list[int]) -> None:
    inside = [99 <= price <= 101 for price in prices]
    entered, left = run("price enters [99, 101]", prices), run("price exits [99, 101]", prices)
    assert len(entered.all) == sum(now and not before for before, now in pairwise(inside))
    assert len(left.all) == sum(before and not now for before, now in pairwise(inside))


@given(st.lists(st.tuples(st.sampled_from(["SPY", "QQQ"]), st.integers(98, 102)), max_size=30))
def test_a_crossing_also_happens_when_the_other_operand_moved(path: list[tuple[str, int]]) -> None:
    market = run("price crosses sym(QQQ).price", [])
    now, seen = dict[str, int](), list[bool]()
    for symbol, price in path:
        market.trade(symbol, str(price))
        now[symbol] = price
        if len(now) == 2 and now["SPY"] != now["QQQ"]:
            seen.append(now["SPY"] > now["QQQ"])
        assert len(market.all) == changes(seen)


@given(FEW_PRICES, FEW_PRICES, st.sampled_from(["when", "rev"]))
def test_the_first_value_of_a_new_condition_only_sets_its_side(before: list[int], after: list[int], how: str) -> None:
    market = run("price crosses 99" if how == "when" else CROSSES, before)
    count = len(market.all)
    market.reload(rule(CROSSES, rev="2"))
    for price in after:
        market.trade("SPY", str(price))
    assert len(market.all) - count == changes(sides(after))


@given(FEW_PRICES, FEW_PRICES)
def test_yesterday_s_side_of_today_s_open_means_nothing(before: list[int], after: list[int]) -> None:
    market = run("price crosses day.open", [])
    market.facts("SPY", open=str(LEVEL))
    for price in before:
        market.trade("SPY", str(price))
    assert len(market.all) == changes(sides(before))
    count = len(market.all)
    market.now_us += DAY_US
    for price in after:  # the first trade makes the open
        market.trade("SPY", str(price))
    assert len(market.all) - count == changes(sides(after, after[0]))


@given(FEW_PRICES, FEW_PRICES, st.sampled_from(["gap", "restart"]), st.sampled_from(["report", "log"]))
def test_a_cut_keeps_the_side_and_a_change_across_it_is_missed(
    before: list[int], after: list[int], how: str, catch_up: str
) -> None:
    market = run(CROSSES, before, catch_up=catch_up)
    live_before = len(market.all)
    if how == "gap":
        market.drop()
        market.resume(after_s=3)
    else:
        states = tuple(market.engine.take_states())
        market = Market((rule(CROSSES, catch_up=catch_up),), now_us=market.now_us + 60 * US_PER_S, states=states)
        live_before = 0
    market.image("SPY", str(after[0]))
    for price in after[1:]:
        market.trade("SPY", str(price))
    kept, news = sides(before)[-1:], market.all[live_before:]
    missed = [one for one in news if one.kind is Kind.MISSED]
    assert len(missed) == changes([*kept, *sides(after[:1])])
    assert all(one.late and one.suppressed == ("log" if catch_up == "log" else "") for one in missed)
    assert len(news) == changes([*kept, *sides(after)])


@given(FEW_PRICES, FEW_PRICES, st.sampled_from(["SPY", "QQQ"]))
def test_a_gap_of_one_symbol_is_no_gap_of_another(before: list[int], after: list[int], cut: str) -> None:
    market = Market((rule(CROSSES, symbols=("SPY", "QQQ")),))
    for symbol in ("SPY", "QQQ"):
        market.image(symbol, str(before[0]))
        for price in before[1:]:
            market.trade(symbol, str(price))
    market.gap(cut)
    for symbol in ("SPY", "QQQ"):
        for price in after:
            market.trade(symbol, str(price))
    kept = [one for one in market.all if one.symbol != cut]
    assert all(one.kind is Kind.FIRED for one in kept)
    broken = [one.kind for one in market.all if one.symbol == cut]
    assert len(broken) == len(kept)
    assert broken.count(Kind.MISSED) == changes([*sides(before)[-1:], *sides(after[:1])])


OUTSIDE = [{"session": "rth"}, {"active": (ActiveWindow(frozenset(range(5)), 9 * 60 + 45, 16 * 60),)}]


@given(FEW_PRICES, FEW_PRICES, st.sampled_from(OUTSIDE))
def test_outside_its_hours_nobody_watches_and_a_change_across_them_is_missed(
    before: list[int], after: list[int], hours: dict[str, Any]
) -> None:
    market = run(CROSSES, before, **hours)
    count = len(market.all)
    market.now_us += 6 * 3600 * US_PER_S  # 16:00 of the same day
    for price in (90, 110, 90, 110):
        market.trade("SPY", str(price))
    assert len(market.all) == count
    market.now_us += 18 * 3600 * US_PER_S
    for price in after:
        market.trade("SPY", str(price))
    missed = changes([*sides(before)[-1:], *sides(after[:1])])
    assert [one.kind for one in market.all[count:]].count(Kind.MISSED) == missed
