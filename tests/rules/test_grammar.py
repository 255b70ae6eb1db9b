"""The expression grammar: what it reads, what it refuses and where, and the laws of parsing."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradeassistd.engine.language.expression import (
    CROSS_OPS,
    RANGE_OPS,
    REACHES,
    STATE_OPS,
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
from tradeassistd.engine.language.kinds import ExpressionError
from tradeassistd.engine.language.walk import parts
from tradeassistd.rules.grammar import DEPTH_MAX, LENGTH_MAX, depth, parse

PRICE, BID = Name("price"), Name("bid")


def number(text: str, suffix: str = "") -> Number:
    return Number(Fraction(text), suffix)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("price > 5180.25", Compare(">", PRICE, number("5180.25"))),
        ("price>=1%", Compare(">=", PRICE, number("1", "%"))),
        ("-price < 4x", Compare("<", Negative(PRICE), number("4", "x"))),
        ("1 + 2 * 3 > 0", Compare(">", Arithmetic("+", number("1"), Arithmetic("*", number("2"), number("3"))),
                                  number("0"))),
        ("1 - 2 - 3 > 0", Compare(">", Arithmetic("-", Arithmetic("-", number("1"), number("2")), number("3")),
                                  number("0"))),
        ("-price * 2 > 0", Compare(">", Arithmetic("*", Negative(PRICE), number("2")), number("0"))),
        ("price / bid * 2 > 0", Compare(">", Arithmetic("*", Arithmetic("/", PRICE, BID), number("2")), number("0"))),
        ("close(5m)[1] > 3", Compare(">", Index(Call("close", (number("5", "m"),)), 1), number("3"))),
        ("macd(close, 12, 26, 9, 5m).signal > 0",
         Compare(">", Attribute(Call("macd", (Name("close"), number("12"), number("26"), number("9"),
                                              number("5", "m"))), "signal"), number("0"))),
        ("sym($VIX).sma(close, 5, 1m)[2] > 20",
         Compare(">", Other("$VIX", Index(Call("sma", (Name("close"), number("5"), number("1", "m"))), 2)),
                 number("20"))),
        ("(sym( BRK/B ).price) > 20", Compare(">", Other("BRK/B", PRICE), number("20"))),
        ("vwap() > 5", Compare(">", Call("vwap", ()), number("5"))),
        ("seq(a, b, within=15m) > 5",
         Compare(">", Call("seq", (Name("a"), Name("b")), (("within", number("15", "m")),)), number("5"))),
        ("price crosses 5200", Cross("crosses", PRICE, (number("5200"),))),
        ("price reaches 5200", Cross("reaches", PRICE, (number("5200"),))),
        ("price reaches any [1, bid]", Cross("reaches", PRICE, (number("1"), BID))),
        ("reaches_far reaches 1", Cross("reaches", Name("reaches_far"), (number("1"),))),
        ("seq(price crosses 1, price reaches any [2, 3], within=15m)",
         Call("seq", (Cross("crosses", PRICE, (number("1"),)),
                      Cross("reaches", PRICE, (number("2"), number("3")))), (("within", number("15", "m")),))),
        ("count(price enters [1, 2], 30m) > 3",
         Compare(">", Call("count", (InRange("enters", PRICE, number("1"), number("2")), number("30", "m"))),
                 number("3"))),
        ("streak(close(5m) > bid and not halted, 5m) >= 3",
         Compare(">=", Call("streak", (
             Combine("and", (Compare(">", Call("close", (number("5", "m"),)), BID), Not(Name("halted")))),
             number("5", "m"))), number("3"))),
        ("macd(close, 12, 26, 9, 5m, rth, live).line[1] > 0",
         Compare(">", Index(Attribute(Call("macd", (Name("close"), number("12"), number("26"), number("9"),
                                                    number("5", "m"), Name("rth"), Name("live"))), "line"), 1),
                 number("0"))),
        ("price > opening_range(15m).high",
         Compare(">", PRICE, Attribute(Call("opening_range", (number("15", "m"),)), "high"))),
        ("price crosses_above day.high", Cross("crosses_above", PRICE, (Attribute(Name("day"), "high"),))),
        ("sym($VIX).day.high > 1", Compare(">", Other("$VIX", Attribute(Name("day"), "high")), number("1"))),
        ("sym($VIX).opening_range(15m).high > 1",
         Compare(">", Other("$VIX", Attribute(Call("opening_range", (number("15", "m"),)), "high")), number("1"))),
        ("halted", Name("halted")),
        ("not halted", Not(Name("halted"))),
        ("price crosses_above any [1,2 , 3t]",
         Cross("crosses_above", PRICE, (number("1"), number("2"), number("3", "t")))),
        ("price inside [bid, 5200]", InRange("inside", PRICE, BID, number("5200"))),
        ("price exits [-1, 1]", InRange("exits", PRICE, Negative(number("1")), number("1"))),
        ("not price > 1 and bid > 2",
         Combine("and", (Not(Compare(">", PRICE, number("1"))), Compare(">", BID, number("2"))))),
        ("not not price > 1", Not(Not(Compare(">", PRICE, number("1"))))),
        ("price > 1 or price > 2 or price > 3",
         Combine("or", tuple(Compare(">", PRICE, number(n)) for n in "123"))),
        ("(price > 1 and price > 2) or price > 3",
         Combine("or", (Combine("and", tuple(Compare(">", PRICE, number(n)) for n in "12")),
                        Compare(">", PRICE, number("3"))))),
        ("crosses_far > any_price", Compare(">", Name("crosses_far"), Name("any_price"))),
        ("price\n  >\r\n 1", Compare(">", PRICE, number("1"))),
    ],
)  # fmt: skip
def test_reads(text: str, tree: Expression) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        ("", 0, "has no value (write a condition such as price > 5200)"),
        ("price >", 7, "ends too early (something is missing behind '>')"),
        ("price > 5 and", 13, "ends too early (something is missing behind 'and')"),
        ("> 5", 0, "a value is missing before '>' (write it, or remove the sign)"),
        ("and price > 5", 0, "a value is missing before 'and' (write it, or remove the sign)"),
        ("price > > 5", 8, "a value is missing before '>' (write it, or remove the sign)"),
        ("price > 5 6", 10, "an operator is missing before '6' (write one, e.g. > or and)"),
        ("1 < price < 3", 10,
         "comparisons do not chain (join two comparisons with and: price > 1 and price < 2)"),
        ("price > 1 crosses 2", 10,
         "comparisons do not chain (join two comparisons with and: price > 1 and price < 2)"),
        ("price > 1 and price < 2 or bid > 3", 24, "`and` beside `or` needs parentheses (write (a and b) or c)"),
        ("price > 1 or price < 2 and bid > 3", 23, "`and` beside `or` needs parentheses (write (a and b) or c)"),
        ("price = 5", 6, "'=' alone compares nothing (write ==)"),
        ("price => 5", 6, "'=' alone compares nothing (write >=)"),
        ("price =< 5", 6, "'=' alone compares nothing (write <=)"),
        ("price > = 5", 8, "a value is missing before '=' (write >=)"),
        ("price <> 5", 7, "a value is missing before '>' (write !=)"),
        ("price > 5,200", 8,
         "5,200 is not a number (write 5200, or a space behind the comma if these are several values)"),
        ("price crosses any [5,200, 5,300]", 19,
         "5,200 is not a number (write 5200, or a space behind the comma if these are several values)"),
        ("price > 1e5", 8, "1e5 is not a number (there are no exponents: write the digits out, or 100k)"),
        ("price > 2.5e-3", 8, "2.5e is not a number (there are no exponents: write the digits out, or 100k)"),
        ("price > .5", 8, ".5 is not a number (write 0.5)"),
        ("price > 5.", 8, "5. is not a number (write 5.0)"),
        ("price > 1_000", 8, "1_000 is not a number (write 1000)"),
        ("volume(1m) > 5K", 13, "5K is not a number (write 5k)"),
        ("close(5min) > 5", 6, "5min is not a number (write 5m)"),
        ("spread_pct > 50bps", 13, "50bps is not a number (write 0.5%)"),
        ("spread_pct > 1.5pct", 13, "1.5pct is not a number (write 1.5%)"),
        ("price > 1.2.3", 8, "1.2.3 is not a number (a number is digits and at most one of % k M B x t s m h d)"),
        ("price > 1234567890123456", 8,
         "1234567890123456 is not a number (a number has at most 15 digits before and behind its point)"),
        ("change(price, 1.5m) > 0", 14, "1.5m is no whole duration (write 90s for 1.5m)"),
        ("spread_pct > 1 %", 15, "'%' cannot stand in an expression (write % at once behind the number: 1%)"),
        ("change(price, 5 m) > 0", 16, "'m' stands apart from its number (write 5m)"),
        ("volume(1m) > 5 mio", 15, "'mio' stands apart from its number (write 5M)"),
        ("price ≥ 5", 6, "'≥' cannot stand in an expression (write >=)"),
        ("price × 2 > 5", 6, "'×' cannot stand in an expression (write *)"),
        ("price > −5", 8, "'−' cannot stand in an expression (write -)"),
        ("price\xa0> 5", 5, "'\\xa0' cannot stand in an expression (write a plain space)"),
        ("price > “5”", 8, "'“' cannot stand in an expression (names and numbers are written without quotes)"),
        ("price > '5'", 8, "\"'\" cannot stand in an expression (names and numbers are written without quotes)"),
        ("price > 5 && bid > 4", 10, "'&' cannot stand in an expression (write and)"),
        ("price > 5 || bid > 4", 10, "'|' cannot stand in an expression (write or)"),
        ("!price", 0, "'!' cannot stand in an expression (write not)"),
        ("price ^ 2 > 4", 6, "'^' cannot stand in an expression (there is no power; write a product)"),
        ("price ** 2 > 4", 7, "a value is missing before '*' (there is no power; write a product)"),
        ("price > +5", 8, "a value is missing before '+' (remove the +)"),
        ("price > 5; bid > 4", 9, "';' cannot stand in an expression (remove it)"),
        ("price > $5200", 8, "'$' cannot stand in an expression (write the price without $)"),
        ("$VIX > 20", 0, "'$' cannot stand in an expression (write sym($VIX).price)"),
        ("price > /NQ", 8, "a value is missing before '/' (another symbol is written sym(/NQ).price)"),
        ("sym($VIX) > 20", 10, "sym(...) alone is not a value (write e.g. sym($VIX).price)"),
        ("sym(VIX.X).price > 20", 4, "'VIX.X' is not a symbol (write $VIX)"),
        ('sym( "SPY").price > 20', 5, '"SPY" is not a symbol (write it without quotes)'),
        ("sym( ).price > 20", 5, "a symbol is missing (write it as Schwab does: /ES, $SPX, SPY, BRK/B)"),
        ("sym(/ESZ6).price > 20", 4, "/ESZ6 is not a symbol (a contract is written like /ESZ26)"),
        ("day. > 5", 5, "a name is missing behind '.' (write e.g. sym($VIX).price)"),
        ("price above 5", 6, "'above' cannot stand here (write > for a state, crosses_above for an event)"),
        ("price crosses above 5", 14, "'above' cannot stand here (write crosses_above)"),
        ("price between 5", 6, "'between' cannot stand here (write inside [low, high])"),
        ("price > 5 AND bid > 3", 10, "'AND' cannot stand here (write and)"),
        ("price crosses [1, 2]", 14, "'[' cannot stand here (write crosses any [a, b])"),
        ("price crosses any 5", 18, "`any` takes a list (write crosses any [a, b])"),
        ("any [price, bid] > 5", 0, "`any` cannot stand here (it stands behind crosses: price crosses any [1, 2])"),
        ("price inside 5", 13, "inside takes a range (write inside [low, high])"),
        ("price inside [5]", 15, "a range has two bounds (write e.g. inside [5180, 5200])"),
        ("price inside [5, 6, 7]", 18, "a range has two bounds (write e.g. inside [5180, 5200])"),
        ("price crosses any []", 19, "a value is missing before ']' (write it, or remove the sign)"),
        ("price, bid > 5", 5, "',' cannot stand here (a comma separates arguments, or values in [ ])"),
        ("sma(close,, 5m) > 3", 10, "a value is missing before ',' (write it, or remove the sign)"),
        ("sma(close, 20, 1m", 3, "'(' is never closed (add ')')"),
        ("sma(close, 20, 1m] > 5", 17, "']' closes '(' (close it with ')')"),
        ("price) > 5", 5, "')' closes nothing (remove it)"),
        ("price[bid] > 5", 6, "[n] takes a whole number of bars (write e.g. close(5m)[1])"),
        ("price[1.5] > 5", 6, "[n] takes a whole number of bars (write e.g. close(5m)[1])"),
        ("f(a=1, 2) > 3", 7, "an argument behind a key=value argument (write key=value arguments last)"),
        ("f(a=1, a=2) > 3", 7, "a= is written twice (remove one)"),
        ("price reaches [1, 2]", 14, "'[' cannot stand here (write reaches any [a, b])"),
        ("price reaches any 5", 18, "`any` takes a list (write reaches any [a, b])"),
        ("price touches 5", 6, "'touches' cannot stand here (write reaches)"),
        ("price reaches 5 reaches 6", 16,
         "comparisons do not chain (join two comparisons with and: price > 1 and price < 2)"),
    ],
)  # fmt: skip
def test_refuses_at_the_place_with_a_hint(text: str, at: int, says: str) -> None:
    with pytest.raises(ExpressionError) as error:
        parse(text)
    assert (error.value.at, str(error.value)) == (at, says)


def test_limits_of_length_and_depth() -> None:
    parse("price > 1" + " " * (LENGTH_MAX - 9))
    with pytest.raises(ExpressionError, match="longer than 4,096 characters"):
        parse("price > 1" + " " * (LENGTH_MAX - 8))
    parse("-" * (DEPTH_MAX - 2) + "price > 1")
    for deep in ("-" * (DEPTH_MAX - 1) + "price > 1", "(" * 65 + "price" + ")" * 65, "not " * 1_000 + "price"):
        with pytest.raises(ExpressionError, match="more than 64 levels deep"):
            parse(deep)


# A word of the language is no name.
_NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda word: word not in {"and", "or", "not", "any", "sym", REACHES, *CROSS_OPS, *RANGE_OPS}
)
_NUMBERS = st.one_of(
    st.builds(
        lambda digits, places, suffix: Number(Fraction(digits, 10**places), suffix),
        st.integers(0, 10**9), st.integers(0, 8), st.sampled_from(["", "%", "k", "M", "B", "x", "t", "d"]),
    ),
    st.builds(Number, st.integers(0, 10**6).map(Fraction), st.sampled_from(["s", "m", "h"])),
)  # fmt: skip
_SYMBOLS = st.sampled_from(["/ES", "/ESZ26", "$SPX", "SPY", "BRK/B"])


@st.composite
def trees(draw: st.DrawFn, levels: int = 5) -> Expression:
    """Any tree that the grammar can write, also what means nothing (`not 5 crosses not x`)."""
    if levels == 0:
        return draw(_NUMBERS | st.builds(Name, _NAMES))
    below = trees(draw(st.integers(0, levels - 1)))
    match draw(st.integers(0, 9)):
        case 0:
            return Negative(draw(below))
        case 1:
            return Not(draw(below))
        case 2:
            return Arithmetic(draw(st.sampled_from("+-*/")), draw(below), draw(below))
        case 3:
            return Compare(draw(st.sampled_from(STATE_OPS)), draw(below), draw(below))
        case 4:
            rights = draw(st.lists(below, min_size=1, max_size=3))
            return Cross(draw(st.sampled_from([*CROSS_OPS, REACHES])), draw(below), tuple(rights))
        case 5:
            return InRange(draw(st.sampled_from(RANGE_OPS)), draw(below), draw(below), draw(below))
        case 6:
            items = draw(st.lists(below, min_size=2, max_size=3))
            return Combine(draw(st.sampled_from(["and", "or"])), tuple(items))
        case 7:
            return Other(draw(_SYMBOLS), draw(chains(levels - 1)))
        case 8:  # behind any parenthesis; `5.x` and `(sym(S).x).y` have no tree of their own
            base = draw(below.filter(lambda node: not isinstance(node, Number | Other)))
            return Attribute(base, draw(_NAMES)) if draw(st.booleans()) else Index(base, draw(st.integers(0, 5_000)))
        case _:
            return draw(chains(levels - 1))


@st.composite
def chains(draw: st.DrawFn, levels: int) -> Expression:
    """What may follow `sym(...).`: a name or call, with `.name` and `[n]` behind it."""
    node: Expression = Name(draw(_NAMES))
    if draw(st.booleans()):
        values = trees(levels)
        keywords = draw(st.dictionaries(_NAMES, values, max_size=2))
        node = Call(draw(_NAMES), tuple(draw(st.lists(values, max_size=3))), tuple(keywords.items()))
    for name in draw(st.lists(_NAMES | st.none(), max_size=2)):
        node = Index(node, draw(st.integers(0, 5_000))) if name is None else Attribute(node, name)
    return node


@given(trees().filter(lambda tree: depth(tree) <= DEPTH_MAX and len(render(tree)) <= LENGTH_MAX))
@settings(max_examples=300, deadline=None)
def test_law_parsing_the_canonical_text_gives_the_tree_back(tree: Expression) -> None:
    text = render(tree)
    assert parse(text) == tree
    assert render(parse(text)) == text


@given(trees())
@settings(max_examples=100, deadline=None)
def test_law_depth_is_one_more_than_that_of_the_deepest_child(tree: Expression) -> None:
    assert depth(tree) == 1 + max(map(depth, parts(tree)), default=0)


_PIECES = st.sampled_from([
    "price", "close(5m)", "sma(close, 20, 1m)", "sym($VIX).price", "sym(", "5", "5,200", "1e5", "5m", "%", ".", ",",
    "(", ")", "[", "]", "+", "-", "*", "/", "<", ">", "=", "==", "!=", "and", "or", "not", "any", "crosses", "inside",
    "reaches", "above", "AND", "$", "≥", "'", " ", "\n", "=", "_", "é", "\0",
])  # fmt: skip


@given(st.lists(_PIECES, max_size=12).map(" ".join) | st.lists(_PIECES, max_size=12).map("".join) | st.text())
@settings(max_examples=500, deadline=None)
def test_any_text_is_a_tree_or_an_error_inside_the_text(text: str) -> None:
    try:
        tree = parse(text)
    except ExpressionError as error:
        assert 0 <= error.at <= len(text)
        assert error.message
        return
    assert parse(render(tree)) == tree


@pytest.mark.parametrize("unit", ["(", "-", "not ", "price + ", "f(", "any [", "5,200", "$", "[1]", ".x", "sym(("])
def test_long_nonsense_is_refused_in_no_time(unit: str) -> None:
    text = (unit * LENGTH_MAX)[:LENGTH_MAX]
    before = time.process_time()
    with pytest.raises(ExpressionError):
        parse(text)
    assert time.process_time() - before < 2
