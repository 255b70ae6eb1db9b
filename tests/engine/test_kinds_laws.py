"""Whatever the grammar can build either means something or is refused with an error of its own."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from tradeassistd.engine.language.expression import (
    CROSS_OPS,
    RANGE_OPS,
    REACHES,
    STATE_OPS,
    SUFFIX_FACTORS,
    Arithmetic,
    Attribute,
    Call,
    Combine,
    Compare,
    Cross,
    Expression,
    Index,
    InRange,
    Name,
    Negative,
    Not,
    Number,
    Other,
    render,
)
from tradeassistd.engine.language.functions import BAR_FIELDS, BY_TIME, DAY_VALUES, FLAGS, FUNCTIONS, QUOTES, Arg
from tradeassistd.engine.language.kinds import EVENT, STATE, ExpressionError, check, reads_day, unit_of
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import SESSION_WORDS
from tradeassistd.rules.grammar import parse

SYMBOLS = st.sampled_from(["SPY", "/ES", "$VIX", "$TICK", "BRK/B"])
WORDS = [*QUOTES, *FLAGS, *DAY_VALUES, *BAR_FIELDS, *FUNCTIONS, *SESSION_WORDS, "live", "nothing"]
PARTS = ["open", "high", "low", "close", "volume", "line", "signal", "hist", "upper", "mid", "lower", "nothing"]
EVENT_OPS = (*CROSS_OPS, REACHES)

names = st.sampled_from(WORDS).map(Name)
literals = st.builds(
    lambda digits, suffix: Number(Fraction(digits), suffix),
    st.integers(0, 6_000), st.sampled_from([*SUFFIX_FACTORS]),
)  # fmt: skip


@st.composite
def calls(draw: st.DrawFn, below: st.SearchStrategy[Expression]) -> Expression:
    """A call with arguments of mostly the right kinds, the words behind them, a part and [n]."""
    entries = [*FUNCTIONS.values(), *BY_TIME.values()]
    function = draw(st.sampled_from(entries))
    args = tuple(draw(argument(kind, below)) for kind in function.args)
    words = draw(st.lists(st.sampled_from(["live", *SESSION_WORDS]).map(Name), max_size=1))
    keywords = tuple((key, draw(argument(kind, below))) for key, kind in function.keywords.items())
    node: Expression = Call(function.name, (*args, *words), keywords)
    if function.parts or draw(st.integers(0, 9)) == 0:
        node = Attribute(node, draw(st.sampled_from([*function.parts] or PARTS)))
    return Index(node, draw(st.integers(0, 9))) if draw(st.integers(0, 3)) == 0 else node


def argument(kind: Arg, below: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    right: dict[Arg, st.SearchStrategy[Expression]] = {
        Arg.SERIES: st.sampled_from([*BAR_FIELDS]).map(Name),
        Arg.COUNT: st.integers(0, 40).map(lambda count: Number(Fraction(count))),
        Arg.NUMBER: st.sampled_from([Number(Fraction(2)), Number(Fraction(5, 2))]),
        Arg.INTERVAL: st.sampled_from([*INTERVALS_S]).map(lambda text: Number(Fraction(text[:-1]), text[-1])),
        Arg.DURATION: st.sampled_from([Number(Fraction(5), "m"), Number(Fraction(30), "s"), Number(Fraction(1), "d")]),
        Arg.QUOTE: names,
        Arg.VALUE: below,
        Arg.STATE: below,
        Arg.EVENT: below,
    }
    return st.one_of(right[kind], right[kind], right[kind], below)


def larger(below: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    chained = st.one_of(names, calls(below), st.builds(Attribute, names, st.sampled_from(PARTS)))
    return st.one_of(
        calls(below),
        st.builds(Attribute, names | calls(below), st.sampled_from(PARTS)),
        st.builds(Index, names | calls(below), st.integers(0, 6_000)),
        st.builds(Other, SYMBOLS, chained),
        st.builds(Negative, below),
        st.builds(Not, below),
        st.builds(Arithmetic, st.sampled_from("+-*/"), below, below),
        st.builds(Compare, st.sampled_from(STATE_OPS), below, below),
        st.builds(Cross, st.sampled_from(EVENT_OPS), below, st.lists(below, min_size=1, max_size=3).map(tuple)),
        st.builds(InRange, st.sampled_from(RANGE_OPS), below, below, below),
        st.builds(Combine, st.sampled_from(["and", "or"]), st.lists(below, min_size=2, max_size=3).map(tuple)),
    )  # fmt: skip


trees: st.SearchStrategy[Expression] = st.recursive(names | literals, larger, max_leaves=12)
conditions = st.one_of(
    trees,
    st.builds(Compare, st.sampled_from(STATE_OPS), trees, trees),
    st.builds(Cross, st.sampled_from(EVENT_OPS), trees, trees.map(lambda tree: (tree,))),
)


@given(conditions, SYMBOLS)
@settings(max_examples=1_000, deadline=None)
def test_law_every_tree_is_a_state_an_event_or_refused(tree: Expression, symbol: str) -> None:
    try:
        assert check(tree, instrument_of(symbol)) in (STATE, EVENT)
    except ExpressionError as error:
        assert error.message
    reads_day(tree)


@given(trees, SYMBOLS)
@settings(max_examples=500, deadline=None)
def test_law_every_tree_is_a_value_or_refused_and_never_both_value_and_condition(tree: Expression, symbol: str) -> None:
    instrument = instrument_of(symbol)
    try:
        unit_of(tree, instrument)
    except ExpressionError:
        return
    try:
        check(tree, instrument)
    except ExpressionError as error:
        assert error.message == f"{render(tree)} is a value, not a condition"
    else:
        raise AssertionError("a value and a condition")


@given(conditions, SYMBOLS)
@settings(max_examples=500, deadline=None)
def test_law_the_canonical_text_of_what_means_something_means_the_same(tree: Expression, symbol: str) -> None:
    instrument = instrument_of(symbol)
    try:
        kind = check(tree, instrument)
    except ExpressionError:
        return
    again = parse(render(tree))
    assert again == tree
    assert check(again, instrument) == kind


@given(conditions, SYMBOLS)
@settings(max_examples=500, deadline=None)
def test_law_a_refusal_points_into_the_text(tree: Expression, symbol: str) -> None:
    text = render(tree)
    try:
        check(parse(text), instrument_of(symbol))
    except ExpressionError as error:
        assert 0 <= error.at <= len(text)
