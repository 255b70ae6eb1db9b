"""Functions of a user's own in the table: named once, checked like built-in ones, part of a rule's fingerprint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.own_functions import BAR_ARGS, mean, of_bars, of_values, rule
from tradeassistd.base.errors import ConfigError
from tradeassistd.engine.language.functions import FUNCTIONS
from tradeassistd.engine.language.kinds import ExpressionError, check
from tradeassistd.engine.language.own import in_table, put_in_table
from tradeassistd.market.instrument import instrument_of
from tradeassistd.rules.grammar import parse


@pytest.fixture(autouse=True)
def _empty_table() -> Iterator[None]:
    yield
    put_in_table(())


def test_name_and_version_are_part_of_the_fingerprint() -> None:
    one = rule("r", "price > mine(close, 3, 1m)")
    of_bars(mean)
    first = one.fingerprint("SPY")
    of_bars(mean, name="another")
    assert one.fingerprint("SPY") == first
    put_in_table(())
    of_bars(mean, version="2")
    assert one.fingerprint("SPY") != first
    plain = rule("r", "price > sma(close, 3, 1m)")
    with_it = plain.fingerprint("SPY")
    put_in_table(())
    assert plain.fingerprint("SPY") == with_it


def test_the_table_takes_no_name_twice_and_forgets_what_is_taken_out() -> None:
    function = of_bars(mean)
    with pytest.raises(ValueError, match="already"):
        put_in_table((function, function))
    with pytest.raises(ValueError, match="already"):
        of_bars(mean, name="sma")
    assert in_table() == {"mine": function} and FUNCTIONS["sma"].own is None
    put_in_table((), {"mine": "it broke"})
    with pytest.raises(ExpressionError, match=r"function 'mine' is installed and cannot be used: it broke"):
        check(parse("mine(close, 3, 1m) > 1"), instrument_of("SPY"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mine(close, 3) > 1", "mine takes 3 arguments, not 2 (there are no default arguments: write mine(series,"),
        ("mine(price, 3, 1m) > 1", "price is not a bar series"),
        ("mine(close, 2, 1m) > 1", "mine: three or more"),
        ("mine(close, 900, 1m) > 1", "mine asks for 9000 bars (at least 1 and at most 5,000)"),
        ("mine(close, 7, 1m) > 1", "mine cannot say how many bars it needs: KeyError(7) (mend its bars=)"),
        ("mine(close, 3, 1m).top > 1", "has no part 'top'"),
        ("mine > 1", "`mine` alone is not a value (write mine(series, count, interval))"),
        ("minee(close, 3, 1m) > 1", "unknown function 'minee' (did you mean mine?)"),
        ("mine(close, 3, 1m) > 1%", "compares a price with a ratio"),
        ("worth(price, 1%) > 1", "worth takes a price here, and 1% is a ratio (write worth(entry, stop))"),
        ("worth(volume(1m), 5) > 1", "worth takes a price here, and volume(1m) is a volume"),
        ("worth(price) > 1", "worth takes 2 arguments, not 1"),
        ("worth(price, 100)[1] > 1", "has no bars to go back on"),
        ("worth(price, 100, live) > 1", "worth takes no `live`"),
        ("sized(1m) > 1", "$VIX has no volume"),
    ],
)
def test_the_checker_knows_it_like_any_other(text: str, said: str) -> None:
    def bars(count: int) -> int:
        if count < 3:
            raise ValueError("three or more")
        return {3: 3, 900: 9000}[count]

    of_bars(mean, bars=bars)
    of_values(lambda entry, stop: entry, name="worth", args={"entry": "price", "stop": "price"}, gives="number")
    of_bars(lambda bars: 1.0, name="sized", args={"interval": "interval"}, bars=3, gives="number", needs_volume=True)
    symbol = "$VIX" if "sized" in text else "SPY"
    with pytest.raises(ExpressionError) as error:
        check(parse(text), instrument_of(symbol))
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "my-mean"}, "'my-mean' is not a name"),
        ({"version": 1}, "version is not a text"),
        ({"doc": ""}, "doc is not a text"),
        ({"gives": "points"}, "gives='points' is not known (one of same price volume ratio number)"),
        ({"args": {}}, "args names no argument"),
        ({"args": {"series": "closes", "interval": "interval"}}, "argument series='closes' is not known"),
        ({"args": {"interval": "interval", "count": "count"}}, "the interval is not its last argument"),
        ({"args": {"series": "series", "count": "count"}}, "a series or a count needs an interval"),
        ({"args": {**BAR_ARGS, "interval": "interval", "level": "price"}}, "the interval is not its last argument"),
        ({"args": {"level": "price", "count": "count", "interval": "interval"}}, "takes bars and a present price"),
        ({"args": {"count": "count", "series": "series", "interval": "interval"}}, "a series is the first argument"),
        ({"args": {"times": "number"}, "gives": "number"}, "nothing it takes can change"),
        ({"args": {"count": "count", "interval": "interval"}}, "gives='same' needs a series or a value"),
        ({"args": {"series": "series", "interval": "interval"}}, "does not say how many bars it needs"),
        ({"bars": 0}, "bars=0 is no number of bars"),
        ({"bars": True}, "bars=True is no number of bars"),
        ({"bars": lambda: 3}, "bars cannot be called with what it gets"),
        ({"compute": lambda values: 1.0}, "compute cannot be called with what it gets: too many positional"),
        ({"compute": 5}, "compute is not a function (compute takes values, count)"),
        ({"lines": {"top line": "Highest."}}, "lines are not names"),
        ({"args": {"one": "value"}, "compute": abs, "lines": {"top": "Highest."}}, "only a function of bars has lines"),
        ({"args": {"one": "value"}, "compute": abs, "bars": 5}, "bars= is for functions of bars"),
    ],
)
def test_what_does_not_fit_together_is_told_at_once(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        of_bars(fields.pop("compute", mean), **fields)
    assert said in str(error.value)
    assert in_table() == {}
