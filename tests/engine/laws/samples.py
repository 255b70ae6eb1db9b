"""What the laws have in common: sample paths of prices, rules by their text, and plain counting."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from tests.engine.market import Market
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.conditions.kleene import Outcome
from tradeassistd.engine.conditions.leaves import Leaf
from tradeassistd.engine.rule import Rule
from tradeassistd.rules.grammar import parse

LEVEL = 100
PRICES = st.lists(st.integers(97, 103), min_size=1, max_size=30)
FEW_PRICES = st.lists(st.integers(97, 103), min_size=1, max_size=8)
DAY_US = 86_400 * US_PER_S

condition = lru_cache(parse)


def rule(text: str, *, id: str = "r", symbols: tuple[str, ...] = ("SPY",), clear: str = "", **fields: Any) -> Rule:
    """A rule without a cooldown, unless it says otherwise."""
    clear_when = condition(clear) if clear else None
    return Rule(id, symbols, condition(text), clear_when=clear_when, **{"cooldown_s": 0, **fields})


def run(text: str, prices: Iterable[int], **fields: Any) -> Market:
    """SPY's image without a price, and then its trades."""
    market = Market((rule(text, **fields),))
    market.image("SPY")
    for price in prices:
        market.trade("SPY", str(price))
    return market


def leaf_of(market: Market) -> Leaf:
    """The first comparison of the only rule."""
    leaf = market.engine.machines[0].leaves[0]
    leaf.look(market.now_us)
    return leaf


def outcome_of(market: Market) -> Outcome:
    """What the first comparison of the only rule is now."""
    return leaf_of(market).outcome()


def sides(prices: Iterable[int | None], level: int = LEVEL) -> list[bool]:
    """On which side of the level each known price is; one that is equal is on none."""
    return [price > level for price in prices if price is not None and price != level]


def changes(values: Iterable[object]) -> int:
    return sum(now != before for before, now in pairwise(values))


def rises_and_falls(results: Iterable[bool | None], *, holds: bool = False) -> list[str]:
    """The kinds that a state rule goes through; an unknown result changes nothing."""
    known = [result for result in results if result is not None]
    return ["fired" if now else "cleared" for before, now in pairwise([holds, *known]) if now != before]
