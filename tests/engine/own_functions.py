"""Functions of a user's own in the table, rules that read them, and minutes for these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.engine.market import Market
from tradeassistd.engine.describing.describe import describe
from tradeassistd.engine.language.own import in_table, put_in_table
from tradeassistd.engine.rule import Evaluate, Rule
from tradeassistd.functions import UserFunction
from tradeassistd.rules.grammar import parse

BAR_ARGS: Any = {"series": "series", "count": "count", "interval": "interval"}


def of_bars(compute: Callable[..., Any], **fields: Any) -> UserFunction:
    """A function of bars that is in the table, by default `mine(series, count, interval)`."""
    function = UserFunction(**{"name": "mine", "args": BAR_ARGS, "gives": "same", "compute": compute, "version": "1",
                               "doc": "Mine.", **fields})  # fmt: skip
    put_in_table((*in_table().values(), function))
    return function


def of_values(compute: Callable[..., Any], **fields: Any) -> UserFunction:
    return of_bars(compute, **{"args": {"one": "value", "other": "value"}, **fields})


def mean(values: tuple[float, ...], count: int) -> float:
    return sum(values) / count


def rule(name: str, text: str, *, close: str = "", symbol: str = "SPY", **fields: Any) -> Rule:
    fields = {"cooldown_s": 0, "at_load": "fire", **fields}
    return Rule(name, (symbol,), parse(text), evaluate=Evaluate(close), **fields)


def minutes(market: Market, *prices: str, symbol: str = "SPY") -> None:
    """Whole minutes, each with one trade in it and closed by the clock."""
    if symbol not in market.engine.symbols or market.engine.symbols[symbol].tick is None:
        market.image(symbol, prices[0])
        market.until("10:01:00")
    for price in prices:
        market.trade(symbol, price, 10)
        market.wait(63)


def values_of(text: str, *prices: str) -> list[float | None]:
    """What a value was after each of these minutes."""
    market = Market((rule("r", f"{text} > 1000000"),))
    seen = []
    for price in prices:
        minutes(market, price)
        seen.append(describe(market.engine, "r")[0].condition.left)
    return seen


def broken(values: tuple[float, ...], count: int) -> float:
    if values[-1] > 105:
        raise ZeroDivisionError("nothing to divide by")
    return values[-1]
