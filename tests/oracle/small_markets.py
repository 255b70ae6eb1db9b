"""Small markets, rules on them, and what the oracle says of both."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from tests.oracle.events import US_PER_S
from tests.oracle.expression import Compare, Condition, Quote, Value, number
from tests.oracle.market_text import Market, instant
from tests.oracle.rule import OracleRule
from tests.oracle.run import expected_transitions
from tests.oracle.world import Reader, World

PRICE = Quote("price")
TEN = "2026-11-16 10:00:00"
OVER = Compare(PRICE, ">", number("100"))


def made(when: Condition, *symbols: str, **settings: Any) -> OracleRule:
    """A rule that tells at once, also at load."""
    settings = {"cooldown_s": 0, "at_load": "fire", **settings}
    return OracleRule("r", when, symbols=symbols or ("SPY",), **settings)


def market(text: str = TEN, symbol: str = "SPY", price: str | None = "99", **quote: str | None) -> Market:
    """A market that begins with one image."""
    return Market(instant(text)).image(symbol, price=price, **quote)


def story(market: Market, *rules: OracleRule) -> list[str]:
    """`seconds kind [why] [late]` of each transition, seconds from the market's first whole second."""
    first_us = market.events[0].at_us // US_PER_S * US_PER_S
    found = []
    for one in expected_transitions(market.events, rules):
        words = [f"{(one.event_us - first_us) // 100_000 / 10:g}", one.kind]
        words += [f"L{one.level}"] if one.level else []
        words += [one.suppressed] if one.suppressed else []
        words += ["late"] if one.late else []
        words += ["tell"] if one.tell else []
        found.append(" ".join(words))
    return found


def value(market: Market, of: Value, symbol: str = "SPY") -> Fraction | None:
    """A value after the last event."""
    return Reader(World(market.events), symbol, len(market.events) - 1)(of)


def bars(closes: Sequence[str], symbol: str = "SPY") -> Market:
    """One trade a minute from 10:00:00 on, the last of them in a bar that is forming."""
    found = market(symbol=symbol, price=closes[0])
    for place, close in enumerate(closes):
        found.wait(60 if place else 0).trade(symbol, close, size=place + 1)
    return found


def walk(*prices: str, start: str = "99") -> Market:
    """A price each second."""
    here = market(price=start)
    for price in prices:
        here.wait(1).trade("SPY", price)
    return here
