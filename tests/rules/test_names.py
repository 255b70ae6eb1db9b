"""`let` and `values`: what the names become, who sees them, and that a rule says the same with or without them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rules.rule_texts import load, rule, warnings
from tests.rules.test_grammar import trees
from tradeassistd.base.yaml12 import Place, Scalar
from tradeassistd.engine.language.expression import Expression, Name, Number, render
from tradeassistd.engine.language.functions import BAR_FIELDS, DAY_VALUES, FLAGS, FUNCTIONS, QUOTES
from tradeassistd.engine.language.kinds import ExpressionError
from tradeassistd.engine.language.walk import depth, substitute, walk
from tradeassistd.engine.template import WORDS, Slot
from tradeassistd.market.session import SESSION_WORDS
from tradeassistd.rules.grammar import parse
from tradeassistd.rules.names import Let, Origins, Scope, name_problem


@pytest.mark.parametrize(
    ("let", "when", "same"),
    [
        ("{drop: 'pct_change(price, 5m)'}", "drop <= -1%", "pct_change(price, 5m) <= -1%"),
        ("{n: '20', bar: 5m}", "price > sma(close, n, bar)", "price > sma(close, 20, 5m)"),
        ("{wide: spread > 2t}", "wide and price > 1", "spread > 2t and price > 1"),
        ("{wide: spread > 2t}", "{not: wide}", "not spread > 2t"),
        ("{a: bid, b: a + ask, c: b / 2}", "price > c", "price > (bid + ask) / 2"),
        ("{up: price crosses_above 5}", "{all: [up, bid > 1]}", "price crosses_above 5 and bid > 1"),
        ("{trend: 'macd(close, 12, 26, 9, 5m)'}", "trend.line > trend.signal[1]",
         "macd(close, 12, 26, 9, 5m).line > macd(close, 12, 26, 9, 5m).signal[1]"),
        ("{rise: 'pct_change(price, 5m)'}", "sym(/NQ).rise > 1%", "sym(/NQ).pct_change(price, 5m) > 1%"),
        ("{fear: 'sym($VIX).sma(close, 5, 1m)'}", "fear[1] < fear", "sym($VIX).sma(close, 5, 1m)[1] < "
         "sym($VIX).sma(close, 5, 1m)"),
        ("{a: price > 1, b: a or bid > 2}", "b and ask > 3", "(price > 1 or bid > 2) and ask > 3"),
    ],
)  # fmt: skip
def test_a_rule_with_names_is_the_rule_without(let: str, when: str, same: str) -> None:
    found = rule(f"let: {let}", when=when)
    assert found.when == parse(same)
    assert found == rule(when=same)
    assert found.fingerprint("/ES") == rule(when=same).fingerprint("/ES")
    assert parse(render(found.when)) == found.when


def test_a_rule_has_its_own_names_over_those_of_the_file() -> None:
    top = "let: {far: '1', near: far / 2}\n"
    assert rule(top=top, when="price > near").when == parse("price > 1 / 2")
    own = rule("let: {far: '7'}", top=top, when="price > far + near")
    assert own.when == parse("price > 7 + 1 / 2")  # the file's `near` was made from the file's `far`


def test_names_work_wherever_expressions_do() -> None:
    found = rule(
        "let: {drop: 'pct_change(price, 5m)'}\nclear_when: drop > 0\ntitle: '{drop}'\n"
        "message: '{drop:.1%}'\nsetup: {stop: price * (1 + drop)}",
        when="drop < -1%",
    )
    drop = parse("pct_change(price, 5m)")
    assert found.clear_when == parse("pct_change(price, 5m) > 0")
    assert found.title is not None
    assert found.title.parts == (Slot(expression=drop),)
    assert found.setup is not None
    assert found.setup.parts == (("stop", parse("price * (1 + pct_change(price, 5m))")),)


VALUES = "values:\n  /ES: {r1: 5200, fall: -0.5%}\n  /NQ: {r1: 18100.25, fall: -1%}"


def test_values_stay_names_and_stand_for_each_symbols_own() -> None:
    found = rule(VALUES, symbols="[/ES, /NQ]", when="price crosses r1 and net_pct > fall")
    assert found.when == parse("price crosses r1 and net_pct > fall")
    assert found.resolved(found.when, "/ES") == parse("price crosses 5200 and net_pct > -0.5%")
    assert found.resolved(found.when, "/NQ") == parse("price crosses 18100.25 and net_pct > -1%")
    assert found.fingerprint("/ES") != found.fingerprint("/NQ")
    assert found.fingerprint("/ES") == rule(when="price crosses 5200 and net_pct > -0.5%").fingerprint("/ES")


def test_a_let_may_use_values() -> None:
    found = rule(f"{VALUES}\nlet: {{half: r1 / 2}}", symbols="[/ES, /NQ]", when="price > half")
    assert found.resolved(found.when, "/NQ") == parse("price > 18100.25 / 2")


def test_values_of_a_watchlists_symbols() -> None:
    values = "values: {/ES: {r1: 1}, /NQ: {r1: 2}, SPY: {r1: 3}}"
    found = rule(values, symbols="['@core']", when="price > r1")
    assert [render(found.resolved(found.when, symbol)) for symbol in found.symbols] == [
        "price > 1", "price > 2", "price > 3"
    ]  # fmt: skip


def test_only_names_that_are_used_must_be_there_for_every_symbol() -> None:
    found = rule("values: {/ES: {r1: 1, r2: 2}, /NQ: {r1: 3}}", symbols="[/ES, /NQ]", when="price > r1")
    assert render(found.resolved(found.when, "/NQ")) == "price > 3"


def test_what_nothing_uses_gets_a_warning() -> None:
    assert warnings("let: {a: bid, b: a}", top="let: {c: ask, d: c}\n") == [
        "2:15: let.d: nothing uses 'd' (remove it)",
        "7:19: rules[0].let.b: nothing uses 'b' (remove it)",
    ]
    assert warnings("let: {c: bid}", when="price > c", top="let: {c: ask}\n") == [
        "2:7: let.c: nothing uses 'c' (remove it)"
    ]


def test_what_uses_a_broken_name_is_not_told_about() -> None:
    loaded = load("let: {a: bid +, b: a * 2}\nmessage: '{b}'", when="a > b")
    assert [str(problem) for problem in loaded.problems] == [
        "rules.d/es.yaml:6:19: rules[0].let.a: ends too early (something is missing behind '+')"
    ]


BUILT_IN = {*QUOTES, *FLAGS, *DAY_VALUES, *BAR_FIELDS, *FUNCTIONS, *SESSION_WORDS, *WORDS, "live", "within", "and"}


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_every_built_in_name_is_taken(name: str) -> None:
    assert name_problem(name) is not None


def written(text: str) -> Scalar:
    return Scalar(text, Place("f", 1, 1))


def scope_of(lets: dict[str, Expression]) -> Scope:
    """A scope in which each tree may use the names before it."""
    scope = Scope(Origins())
    for name, tree in lets.items():
        whole = scope.replaced(scope.origins.parse(written(render(tree)), ("let", name)))
        assert whole is not None
        scope.lets[name] = Let(whole, sum(1 for _ in walk(whole)), written(name))
    return scope


_NAMES = ["n_1", "n_2", "n_3"]


def with_names(tree: Expression) -> st.SearchStrategy[Expression]:
    """The tree with some of its bare words turned into names of the scope."""
    words = sorted({node.name for node in walk(tree) if isinstance(node, Name)})
    chosen = st.fixed_dictionaries({word: st.sampled_from([*_NAMES, word]) for word in words})
    return chosen.map(lambda names: parse(_renamed(tree, names)))


def _renamed(tree: Expression, names: dict[str, str]) -> str:
    return render(substitute(tree, {old: Name(new) for old, new in names.items()}))


@given(st.lists(trees(3).flatmap(with_names), min_size=3, max_size=3), trees(3).flatmap(with_names))
@settings(max_examples=200, deadline=None)
def test_law_what_names_become_can_be_written_out(lets: list[Expression], tree: Expression) -> None:
    try:
        scope = scope_of(dict(zip(_NAMES, lets, strict=True)))
        whole = scope.replaced(tree)
    except ExpressionError:  # sym(...) before a sum, a part of a number: said at the place, nothing else is refused
        return
    assert whole is not None
    assert parse(render(whole)) == whole
    assert depth(whole) <= 64


def test_names_within_names_cannot_grow_without_end() -> None:
    scope = Scope(Origins())
    tree: Expression = Number(parse("1 + 1").left.digits)  # type: ignore[union-attr]
    with pytest.raises(ExpressionError, match="stands for more than 4,096 parts"):
        for number in range(64):
            scope.lets[f"n{number}"] = Let(tree, sum(1 for _ in walk(tree)), written("x"))
            grown = scope.replaced(parse(f"n{number} + n{number} + n{number}"))
            assert grown is not None
            tree = grown
