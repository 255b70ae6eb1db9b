"""A futures root rolls to another contract (rules.md 4.10)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.laws.samples import FEW_PRICES, changes, outcome_of, rule, sides
from tests.engine.market import Market

OLD, NEW = "/ESZ26", "/ESH27"
WRITTEN_FOR_PRICES = {
    "price > 5200": True,
    "price crosses any [vwap(), 5200]": True,
    "5200 < bid": True,
    "price inside [5100, 5200]": True,
    "day.high > 5200": True,
    "close(5m) > 5100 + 100": True,
    "sma(close, 3, 5m) > 5200": True,
    "not price < 5200": True,
    "price > 1 and spread < 2": True,
    "price > day.high": False,
    "spread > 1": False,
    "net_change > 10": False,
    "pct_change(price, 5m) > 1%": False,
    "volume(1m) > 5000": False,
    "pct_from(price, prev_day.close) <= -2%": False,
    "price crosses ema(close, 9, 5m)": False,
    "sym($VIX).price > 20": False,
    "atr(14, 5m) > 10": False,
}
"""Conditions on a futures root, and whether another contract makes them mean something else."""


def rolled(text: str, before: list[int]) -> Market:
    """The old contract's trades, and then the news of the new one."""
    market = Market((rule(text, symbols=("/ES",)),))
    market.facts("/ES", contract=OLD)
    market.image("/ES")
    for price in before:
        market.trade("/ES", str(price))
    market.wait(6)
    market.facts("/ES", contract=NEW)
    return market


@given(FEW_PRICES, FEW_PRICES)
def test_after_a_roll_the_next_value_only_sets_its_side(before: list[int], after: list[int]) -> None:
    market = rolled("price crosses 100", before)
    count = len(market.all)
    assert count == changes(sides(before))
    for price in after:
        market.trade("/ES", str(price))
    assert [one.late for one in market.all[count:]] == [False] * changes(sides(after))


@given(FEW_PRICES, st.integers(1, 9), st.sampled_from(["highest(price, 5s) > 0", "pct_change(price, 5s) > -99%"]))
def test_after_a_roll_windows_are_unknown_until_the_new_contract_fills_them(
    before: list[int], seconds: int, text: str
) -> None:
    market = rolled(text, before)
    market.image("/ES", "200")
    market.wait(seconds)
    market.trade("/ES", "201")
    market.wait(1)
    assert outcome_of(market).live is (True if seconds >= 5 else None)


@given(st.lists(st.sampled_from(sorted(WRITTEN_FOR_PRICES)), min_size=1, max_size=6, unique=True), st.booleans())
def test_a_roll_names_the_rules_that_were_written_for_the_old_prices(texts: list[str], again: bool) -> None:
    rules = [rule(text, id=f"r{at}", symbols=("/ES",)) for at, text in enumerate(texts)]
    market = Market((*rules, rule("price > 5200", id="other", symbols=("/NQ",))))
    market.facts("/ES", contract=OLD)
    market.image("/ES", "5200")
    market.facts("/ES", contract=OLD, high="5300")
    assert market.engine.take_rolls() == []
    market.facts("/ES", contract=NEW)
    if again:
        market.facts("/ES", contract=NEW)
    (roll,) = market.engine.take_rolls()
    assert (roll.symbol, roll.before, roll.after) == ("/ES", OLD, NEW)
    assert list(roll.rules) == [f"r{at}" for at, text in enumerate(texts) if WRITTEN_FOR_PRICES[text]]
