"""A rule in a market, and what is said of how it stands."""

from __future__ import annotations

from typing import Any

from tests.engine.market import Market
from tradeassistd.engine.describing.describe import Leg, Standing, describe
from tradeassistd.engine.rule import Rule
from tradeassistd.rules.grammar import parse


def rule(text: str, name: str = "r", *, symbols: tuple[str, ...] = ("SPY",), **fields: Any) -> Rule:
    return Rule(name, symbols, parse(text), **{"cooldown_s": 0, **fields})


def standing(market: Market, name: str = "r") -> Standing:
    (one,) = describe(market.engine, name)
    return one


def leaf(market: Market) -> Leg:
    condition = standing(market).condition
    assert not condition.items
    return condition


def watched(text: str, price: str | None = "100", **fields: Any) -> Market:
    market = Market((rule(text, **fields),))
    market.image("SPY", price)
    return market
