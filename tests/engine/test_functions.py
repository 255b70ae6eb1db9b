"""The table of names and functions says what the checker accepts."""

from __future__ import annotations

import re

import pytest

from tradeassistd.engine.language.functions import (
    BAR_FIELDS,
    BY_TIME,
    DAY_VALUES,
    FLAGS,
    FUNCTIONS,
    LOOK_BACK_QUOTES,
    QUOTES,
    Arg,
    Function,
)
from tradeassistd.engine.language.kinds import EVENT, check, unit_of
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import SESSION_WORDS
from tradeassistd.rules.grammar import parse

ES = instrument_of("/ES")
EVERY = (*FUNCTIONS.values(), *BY_TIME.values())
WRITTEN = {
    Arg.SERIES: "close",
    Arg.COUNT: "4",
    Arg.NUMBER: "2.5",
    Arg.INTERVAL: "5m",
    Arg.DURATION: "30s",
    Arg.QUOTE: "price",
    Arg.VALUE: "price",
    Arg.STATE: "price > 5",
    Arg.EVENT: "price crosses 5",
}


def written(function: Function) -> str:
    """A call as the table says, the second count above the first as macd needs it."""
    counts = iter(("4", "6", "3"))
    args = [next(counts) if kind is Arg.COUNT else WRITTEN[kind] for kind in function.args]
    args += [f"{key}={WRITTEN[kind]}" for key, kind in function.keywords.items()]
    return f"{function.name}({', '.join(args)})"


@pytest.mark.parametrize("function", EVERY, ids=lambda function: function.signature)
def test_every_function_is_accepted_as_its_entry_says(function: Function) -> None:
    call = written(function)
    if function.name == "seq":
        assert check(parse(call), ES) == EVENT
        return
    for part in function.parts or [""]:
        behind = f".{part}" if part else ""
        words = ", live, rth" if function.reads_bars else ", rth" if function.by_session else ""
        longer = f"{call[:-1]}{words})".replace("(, ", "(")
        back = "[1]" if function.reads_bars else ""
        assert check(parse(f"{longer}{behind}{back} > 1"), ES) == "state"


@pytest.mark.parametrize("function", EVERY, ids=lambda function: function.signature)
def test_every_function_says_what_it_is_in_a_sentence_and_how_long_it_warms(function: Function) -> None:
    for doc in (function.doc, *(part.doc for part in function.parts.values())):
        assert re.fullmatch(r"[A-Z].*\.", doc)
    assert function.signature.startswith(f"{function.name}(")
    assert function.warm_up


def test_every_bar_function_knows_how_many_bars_it_needs() -> None:
    counts = {"macd": (12, 26, 9)}
    needed = {
        (name, part): function.bars_needed(counts.get(name, (20,)), part)
        for name, function in FUNCTIONS.items()
        if function.reads_bars
        for part in function.parts or [""]
    }
    more = {("roc", ""): 21, ("rsi", ""): 21, ("atr", ""): 21, ("rvol", ""): 0,
            ("macd", "line"): 26, ("macd", "signal"): 34, ("macd", "hist"): 34}  # fmt: skip
    assert needed == {key: more.get(key, 20) for key in needed}
    assert not any(function.bars_needed((), "") for function in EVERY if not function.reads_bars)


def test_every_name_means_one_thing() -> None:
    tables = (QUOTES, FLAGS, DAY_VALUES, BAR_FIELDS, FUNCTIONS)
    names = [name for table in tables for name in table]
    assert len(names) == len(set(names))
    assert set(BY_TIME) < set(FUNCTIONS)
    assert set(LOOK_BACK_QUOTES) < set(QUOTES)
    # `rth.high` and `close(5m, rth)`: a session word and a span of day values never stand at the same place.
    assert set(names) & {"live", "within", *SESSION_WORDS} == {"rth", "overnight"}


def test_every_named_value_has_a_unit_and_a_sentence() -> None:
    named = [(name, *entry) for name, entry in QUOTES.items()]
    named += [(f"{scope}.{part}", *entry) for scope, parts in DAY_VALUES.items() for part, entry in parts.items()]
    named += [(f"{name}(5m)", *entry) for name, entry in BAR_FIELDS.items()]
    for text, unit, doc in named:
        tree = parse(f"{text} > 1").left  # type: ignore[union-attr]
        assert unit_of(tree, ES) == unit
        assert re.fullmatch(r"[A-Z].*\.", doc)
    assert all(check(parse(flag), ES) == "state" for flag in FLAGS)
