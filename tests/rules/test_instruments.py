"""`_instruments.yaml`: what it says, what is wrong with it, what it does to rules, and how it is reloaded."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from tests.rules.test_lint import NOVEMBER_US
from tests.rules.testing.files import START, run_text
from tradeassistd.engine.rule import RuleSet
from tradeassistd.market.instrument import InstrumentClass, Market, instrument_of
from tradeassistd.market.price import price_from_text
from tradeassistd.market.session import series_session
from tradeassistd.rules.instruments import KEYS
from tradeassistd.rules.keep import accept
from tradeassistd.rules.load import Found, Loaded, load_texts

NAME = "_instruments.yaml"
ADDX = "$ADDX: {derived: '$ADVN - $DECN', name: My A/D, tick_size: 1}\n"
RULES = "version: 1\nrules:\n  - {id: a, symbols: [$ADDX], when: price < -800}\n"


def loaded(text: str, rules: str = RULES, *, lint: bool = False) -> Loaded:
    return load_texts({NAME: text, "a.yaml": rules}, lint=lint)


def problems(text: str) -> list[str]:
    found = loaded(text)
    assert found.rejected == (NAME,) or not found.problems
    return [str(problem).removeprefix(f"rules.d/{NAME}:") for problem in found.problems]


def test_facts_are_laid_over_those_of_the_catalogue() -> None:
    text = """\
version: 1
/ES: {name: Spoos, tick_size: 0.5, multiplier: 12.5, plausible: [1000, 20000], session: rth, market: energy}
/LE: {market: grains}
SPY: {session: ext, plausible: any}
$NEW: {class: internal, market: vix}
/XYZ: {tick_size: 0.00000025, multiplier: 5}
"""
    rules = loaded(text).rule_set
    es = rules.instrument_of("/ES")
    assert (es.name, es.tick_size, es.multiplier) == ("Spoos", price_from_text("0.5"), Fraction("12.5"))
    assert (es.plausible, es.market) == ((price_from_text("1000"), price_from_text("20000")), Market.ENERGY)
    assert (series_session(es), es.kind) == ("rth", InstrumentClass.FUTURE)
    cattle = rules.instrument_of("/LE")
    assert (cattle.market, cattle.tick_size) == (Market.GRAINS, instrument_of("/LE").tick_size)
    spy = rules.instrument_of("SPY")
    assert (series_session(spy), spy.plausible) == ("ext", None)
    new = rules.instrument_of("$NEW")
    assert (new.zero_is_a_price, new.market) == (True, Market.VIX)
    assert rules.instrument_of("/XYZZ26").tick_size == 25
    assert rules.instrument_of("/NQ") == instrument_of("/NQ")
    assert RuleSet().instrument_of("/ES") == instrument_of("/ES")


def test_what_is_said_of_a_root_holds_for_its_contracts_unless_they_have_their_own() -> None:
    rules = loaded("/ESZ26: {name: Christmas}\n/ES: {tick_size: 1}\n/ESH27: {tick_size: 2}\n").rule_set
    assert [rules.instrument_of(symbol).tick_size // 10**8 for symbol in ("/ES", "/ESZ26", "/ESH27", "/ESM27")] == [
        1, 1, 2, 1,
    ]  # fmt: skip
    assert rules.instrument_of("/ESZ26").name == "Christmas"


def test_a_derived_symbol_is_an_internal_whose_zero_and_minus_are_values() -> None:
    found = loaded(ADDX, lint=True)
    assert (found.problems, found.warnings) == ((), ()), "that it is below -800 is no mistake"
    add = found.rule_set.instrument_of("$ADDX")
    assert (add.kind, add.name, add.tick_size) == (InstrumentClass.INTERNAL, "My A/D", 10**8)
    assert [(one.symbol, one.components, one.formula) for one in found.rule_set.derived] == [
        ("$ADDX", ("$ADVN", "$DECN"), "$ADVN - $DECN")
    ]
    other = RULES.replace("$ADDX", "SPY").replace("price <", "sym($ADDX).price <")
    assert loaded(ADDX, other, lint=True).warnings == ()
    unsaid = loaded("/ES: {tick_size: 1}\n", other, lint=True).warnings
    assert [warning.code for warning in unsaid] == ["unknown-symbol"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[/ES]", "1:1: must be a map (write e.g. /ES: {tick_size: 0.25})"),
        ("", "1:1: the file is empty (fill it or delete it)"),
        ("version: 2\n", "1:10: version: unknown version '2' (write version: 1)"),
        ("/ES: 0.25", "1:6: /ES: must be a map (write e.g. {tick_size: 0.25})"),
        ("/ES: {}", "1:6: /ES: says nothing (write e.g. {tick_size: 0.25})"),
        ("/ES:\n", "1:4: /ES: must be a map (write e.g. {tick_size: 0.25})"),
        ("es: {tick_size: 1}", "1:1: es: 'es' is not a symbol (write /ES, or ES for the stock)"),
        ("ESZ6: {tick_size: 1}", "1:1: ESZ6: ESZ6 is not a symbol (a contract is written like /ESZ26)"),
        ("'@core': {tick_size: 1}",
         "1:1: @core: @core is not a symbol (a watchlist stands in `symbols` of a rule; one symbol is due here)"),
        ("/ES: {tick: 1}", "1:7: /ES.tick: unknown key 'tick' (did you mean tick_size?)"),
        ("/ES: {hours: 1}", f"1:7: /ES.hours: unknown key 'hours' (one of {' '.join(KEYS)})"),
        ("/ES: {tick_size: 1/4}",
         "1:18: /ES.tick_size: '1/4' is not a number (write plain digits such as 1500 or -0.25)"),
        ("/ES: {tick_size: 0}", "1:18: /ES.tick_size: is not above 0 (write e.g. 0.25)"),
        ("/ES: {tick_size: -1}", "1:18: /ES.tick_size: is not above 0 (write e.g. 0.25)"),
        ("/ES: {tick_size: 0.000000001}",
         "1:18: /ES.tick_size: '0.000000001' has more than 8 decimal places (write fewer decimals)"),
        ("/ES: {multiplier: 0}", "1:19: /ES.multiplier: is not above 0 (write e.g. 50)"),
        ("SPY: {multiplier: 1}",
         "1:19: SPY.multiplier: SPY has no contract (only futures have a multiplier; remove it)"),
        ("/ES: {plausible: 5}",
         "1:18: /ES.plausible: a range is due here (write [low, high], e.g. [-5000, 5000], or any)"),
        ("/ES: {plausible: [1, 2, 3]}",
         "1:18: /ES.plausible: a range is due here (write [low, high], e.g. [-5000, 5000], or any)"),
        ("/ES: {plausible: [2, 1]}",
         "1:18: /ES.plausible: its lower bound is not below its upper one (write [low, high])"),
        ("/ES: {plausible: [a, 1]}",
         "1:18: /ES.plausible: 'a' is not a number (write plain digits such as 1500 or -0.25)"),
        ("/ES: {market: nyse}", "1:15: /ES.market: unknown market 'nyse' (one of equity_index energy metals rates fx "
                                "grains other)"),
        ("/ES: {market: metal}", "1:15: /ES.market: unknown market 'metal' (did you mean metals?)"),
        ("$SPX: {market: energy}", "1:16: $SPX.market: unknown market 'energy' (one of nyse vix)"),
        ("SPY: {market: nyse}", "1:15: SPY.market: SPY keeps the hours of US stocks by how it is written (remove it)"),
        ("SPY: {class: index}", "1:14: SPY.class: SPY is of class equity by how it is written (remove it)"),
        ("$X: {class: future}", "1:13: $X.class: unknown class 'future' (one of index internal)"),
        ("SPY: {session: globex}", "1:16: SPY.session: SPY has no session 'globex' (it has rth, ext)"),
        ("SPY: {session: always}", "1:16: SPY.session: unknown session 'always' (one of rth ext globex overnight)"),
        ("SPY: {name: ''}", "1:13: SPY.name: has no value (write one, or remove the key)"),
        ("SPY: {name: [a]}", "1:13: SPY.name: text is due here, not a list (write one value)"),
        ("ADDX: {derived: $ADVN - $DECN}", "1:7: ADDX: a derived symbol begins with $ (write $ADDX)"),
        ("/ADD: {derived: $ADVN - $DECN}", "1:7: /ADD: a derived symbol begins with $ (write $ADD)"),
        ("$ADD: {derived: $ADVN - $DECN}",
         "1:7: $ADD: $ADD is a symbol of Schwab's, and cannot be derived (write another name, e.g. $ADDX)"),
        ("$X: {derived: [a]}", "1:15: $X.derived: a formula is due here (write e.g. '$ADVN - $DECN')"),
        ("$X: {derived: $ADVN -}", "1:22: $X.derived: ends too early (a number, a symbol or ( is due)"),
        ("$X: {derived: '$ADVN  ^ 2'}", "1:23: $X.derived: an operator is missing here (one of + - * /)"),
        ("$X: {derived: $X + 1}", "1:15: $X.derived: is made of itself (write what it is made of)"),
        ("$X: {derived: $Y + 1}\n$Y: {derived: $ADD * 2}\n",
         "1:15: $X.derived: $Y is derived itself (write what it is made of)"),
        ("$X: {derived: $ADD * 2, multiplier: 5}",
         "1:37: $X.multiplier: $X has no contract (only futures have a multiplier; remove it)"),
        ("/ES: {tick_size: 1}\n/ES: {tick_size: 2}\n", "2:1: /ES: '/ES' is written twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_place(text: str, problem: str) -> None:
    (said,) = problems(text)
    assert said.startswith(problem)


def test_all_that_is_wrong_comes_together() -> None:
    text = "$A: {derived: $B + 1}\n$B: {derived: $A + 1}\nSPY: {tick: 1, class: x}\nspy: {name: x}\n"
    assert [one.split(": ")[0] for one in problems(text)] == ["1:15", "2:15", "3:7", "3:23", "4:1"]


def fingerprints(text: str, rules: str, symbol: str = "/ES") -> str:
    return loaded(text, rules).rule_set.rules[0].fingerprint(symbol)


ES = "version: 1\nrules:\n  - {id: a, symbols: [/ES, /ESZ26], when: price > 5}\n"
SYM = ES.replace("price > 5", "price > sym($NEW).price")
TOLD = ES.replace("price > 5", "price > 5, message: '{sym($NEW).price}'")
NOTHING = "/NQ: {tick_size: 5}\n"


@pytest.mark.parametrize(
    ("text", "rules", "rearms"),
    [
        ("/ES: {tick_size: 0.5}\n", ES, True),
        ("/ES: {market: energy}\n", ES, True),
        ("/ES: {session: rth}\n", ES, True),
        ("/ES: {tick_size: 0.25}\n", ES, False),  # as it is built in
        ("/ES: {name: Spoos, multiplier: 5, plausible: [1, 2]}\n", ES, False),
        ("/ESZ26: {tick_size: 0.5}\n", ES, False),  # the other symbol of the rule
        ("$NEW: {class: internal}\n", ES, False),
        ("$NEW: {class: internal}\n", SYM, True),
        ("$NEW: {derived: $ADD * 2}\n", SYM, True),
        ("$NEW: {derived: $ADD * 2}\n", TOLD, False),
    ],
)
def test_a_rule_is_armed_anew_when_its_condition_means_something_else(text: str, rules: str, rearms: bool) -> None:
    assert (fingerprints(text, rules) != fingerprints(NOTHING, rules)) is rearms


def test_another_formula_arms_anew_and_the_same_does_not() -> None:
    one, other = "$NEW: {derived: $ADD * 2}\n", "$NEW: {derived: $ADD * 3}\n"
    assert fingerprints(one, SYM) != fingerprints(other, SYM)
    assert fingerprints(one, SYM) == fingerprints(one.replace("2}", "2, name: Twice, plausible: [-9, 9]}"), SYM)


def test_a_clear_condition_and_each_level_counts() -> None:
    rules = ES.replace("price > 5", "price > 5, clear_when: sym($NEW).price < 1")
    assert fingerprints("$NEW: {class: internal}\n", rules) != fingerprints(NOTHING, rules)
    ladder = ES.replace(
        "when: price > 5", "levels: [{severity: info, when: price > 5}, {severity: warning, when: sym($NEW).price > 6}]"
    )
    plain, changed = (loaded(text, ladder).rule_set.rules[0] for text in (NOTHING, "$NEW: {class: internal}\n"))
    assert plain.fingerprint("/ES", 1) == changed.fingerprint("/ES", 1)
    assert plain.fingerprint("/ES", 2) != changed.fingerprint("/ES", 2)


LIVE = {NAME: ADDX, "a.yaml": RULES}


def reloaded(changed: dict[str, str | None], live: dict[str, str] = LIVE) -> Loaded:
    texts = {name: text for name, text in (live | changed).items() if text is not None}
    return accept(Found(texts, "rules.d/"), live)


def test_a_broken_file_keeps_its_last_good_version() -> None:
    found = reloaded({NAME: "$ADDX: {derived: '$ADVN -'}\n"})
    assert [str(problem) for problem in found.problems] == [
        f"rules.d/{NAME}:1:26: $ADDX.derived: ends too early (a number, a symbol or ( is due)"
    ]
    assert (found.rejected, dict(found.rule_set.texts)) == ((NAME,), LIVE)
    assert [one.formula for one in found.rule_set.derived] == ["$ADVN - $DECN"]


def test_a_change_that_would_make_a_live_rule_invalid_is_rejected() -> None:
    """A rule that is only watched in the regular hours of a future cannot follow it to a market... of an index."""
    rules = "version: 1\nrules:\n  - {id: a, symbols: [SPY], session: ext, when: price > 1}\n"
    assert reloaded({NAME: "SPY: {session: rth}\n"}, {"a.yaml": rules}).rejected == ()


def test_without_a_good_version_the_built_in_facts_hold_and_that_is_said() -> None:
    found = loaded("$ADDX: {derived: '$ADVN -'}\n", lint=True)
    assert found.rejected == (NAME,) and [rule.id for rule in found.rule_set.rules] == ["a"]
    assert "no-instruments" in [warning.code for warning in found.warnings]
    assert (found.rule_set.instruments, found.rule_set.derived) == ({}, ())


def test_a_file_that_goes_takes_its_facts_along() -> None:
    found = reloaded({NAME: None})
    assert (found.problems, found.rule_set.instruments, found.rule_set.derived) == ((), {}, ())


def test_unit_tests_of_rules_make_derived_symbols_too(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(ADDX + "$NEW: {plausible: [-9, 9], class: internal}\n", "utf-8")
    rules = RULES + "  - {id: b, symbols: [$NEW], when: price > 5}\n"
    text = f"""\
rules: ../rules.yaml
tests:
  - name: breadth falls apart
    start: {START}
    input:
      - {{symbol: $ADVN, field: price, every: 1m, values: '1500 700 _ 900'}}
      - {{symbol: $DECN, field: price, at: 10s, every: 1m, values: '1400 1600 1600 1600'}}
      - {{symbol: $NEW, field: price, every: 1m, values: '1 10000 1 6'}}
      - {{at: 5m, event: gap, for: 10s, symbol: $DECN}}
    expect:
      - {{rule: a, fired_at: 1m10s, cleared_at: 3m}}
      - {{rule: b, fires: 1, fired_at: 3m}}
"""
    (result,) = run_text(tmp_path, text, rules=rules).tests
    assert result.failures == ()


def test_bars_of_components_are_the_history_of_what_is_made_of_them(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(ADDX, "utf-8")
    rules = RULES.replace("price < -800", "'price > avg(close, 3, 1m) * 2', at_load: fire")
    text = f"""\
rules: ../rules.yaml
tests:
  - name: against its own average
    start: {START}
    input:
      - {{symbol: $DECN, bars: 1m, end: 0s, close: '1000x5'}}
      - {{symbol: $ADVN, bars: 1m, end: 0s, close: '1100 1101 1100 1101 1100'}}
      - {{symbol: $ADVN, field: price, at: 5s, every: 10s, values: '1150 1199 1201'}}
    expect:
      - {{rule: a, fired_at: 25s}}
"""
    (result,) = run_text(tmp_path, text, rules=rules).tests
    assert result.failures == ()


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("$ADVN - $DECM", "1:26: $X.derived: no index $DECM is known here (did you mean $DECN?)"),
        ("$ADVN - $ADV", "1:26: $X.derived: no index $ADV is known here (did you mean $ADVN?)"),
        ("/ES / ES", "1:24: $X.derived: ES is Eversource Energy; the future is /ES "
                     "(write /ES, or name ES in _instruments.yaml if the stock is meant)"),
        ("/ESZ20 / 2", "1:18: $X.derived: /ESZ20 is over: its month was 2020-12 (write /ES for the front contract)"),
        ("SPY / $SPX", ""),
    ],
)  # fmt: skip
def test_what_a_derived_symbol_is_made_of_is_looked_up(formula: str, said: str) -> None:
    text = f"$X: {{derived:    {formula}}}\n"
    found = load_texts({"_instruments.yaml": text}, now_us=NOVEMBER_US, lint=True).warnings
    assert [str(one) for one in found] == ([f"rules.d/_instruments.yaml:{said}"] if said else [])
    assert not load_texts({"_instruments.yaml": text}).warnings, "the daemon says nothing of it"
