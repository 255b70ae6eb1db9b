"""What `rules check` warns of: each kind of finding at its place, and what is close to it and gets none."""

from __future__ import annotations

import pytest

from tests.rules.rule_texts import LISTS
from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.yaml12 import Problem
from tradeassistd.rules.lint import INFO, LINTS, severity_of
from tradeassistd.rules.load import Loaded, load_texts

NOVEMBER_US = 1_795_270_000 * US_PER_S
"""2026-11-21."""


def load(*rules: str, top: str = "", channels: frozenset[str] | None = None, **shared: str) -> Loaded:
    """Rules `a`, `b`, ... with these lines each, `symbols: [/ES]` where they name none."""
    text = f"version: 1\n{top}rules:\n"
    for name, keys in zip("abc", rules, strict=False):
        symbols = "" if "symbols:" in keys else "symbols: [/ES]\n"
        lines = f"{symbols}{keys}".splitlines()
        text += f"  - id: {name}\n" + "".join(f"    {line}\n" for line in lines)
    texts = {"_watchlists.yaml": LISTS} | {f"_{name}.yaml": one for name, one in shared.items()}
    return load_texts({**texts, "es.yaml": text}, lint=True, channels=channels)


def found(*rules: str, top: str = "", channels: frozenset[str] | None = None, **shared: str) -> list[Problem]:
    loaded = load(*rules, top=top, channels=channels, **shared)
    assert loaded.problems == ()
    return [*loaded.warnings]


def codes(*rules: str, top: str = "", channels: frozenset[str] | None = None) -> list[str]:
    return [problem.code for problem in found(*rules, top=top, channels=channels)]


def test_codes_are_short_words_that_never_change() -> None:
    known = [
        "never-true", "always-true", "contradiction", "reversed", "units", "own-window", "long-window",
        "unknown-value", "no-cooldown", "outside-session", "inherited-for", "inherited-rth", "bare-symbol", "no-end",
        "expired", "unknown-channel", "unused-name", "was-in-use", "ignored-file", "no-defaults", "duplicate",
        "true-at-rest", "skipped-bars", "clears-at-once", "ladder-order", "implausible",
        "unknown-symbol", "spent", "text-only", "partly-spent",
    ]  # fmt: skip
    assert set(known) <= set(LINTS)
    infos = {code for code, lint in LINTS.items() if lint.severity == INFO}
    assert infos == {"duplicate", "text-only", "partly-spent", "unchecked-channels"}
    assert [severity_of(code) for code in ("", "units", "duplicate")] == ["error", "warning", "info"]


@pytest.mark.parametrize(("code", "when"), [(code, lint.example) for code, lint in LINTS.items() if lint.example])
def test_the_example_of_the_table_is_one(code: str, when: str) -> None:
    assert codes(f"when: {when}") == [code]


def test_without_being_asked_only_what_loading_always_told_is_told() -> None:
    text = "version: 1\nrules:\n  - {id: a, symbols: [/ES], when: price < 0, cooldown: 0s}\n"
    assert load_texts({"a.yaml": text}).warnings == ()
    assert len(load_texts({"a.yaml": text}, lint=True).warnings) == 2


def test_the_place_is_that_of_the_comparison_or_of_the_name_it_stands_in() -> None:
    (problem,) = found(
        "when:\n  all:\n    - price > 5\n    - any:\n        - price < 4\n        - price < 3 and bid > 8"
    )
    assert (problem.code, problem.place.line, problem.place.column) == ("contradiction", 9, 15)
    assert problem.path == "rules[0].when.all[1].any[0]"
    (problem,) = found("let:\n  calm: 'price > 1 and rsi(close, 14, 5m) > 100'\nwhen: calm")
    assert (problem.code, problem.path) == ("never-true", "rules[0].let.calm")
    assert (problem.place.line, problem.place.column) == (6, 28)


def test_two_items_with_one_text_are_told_apart() -> None:
    problems = found("when:\n  all:\n    - price > -1\n    - bid > 3\n    - price > -1")
    assert [(problem.path, problem.place.line) for problem in problems] == [
        ("rules[0].when.all[0]", 7), ("rules[0].when.all[2]", 9)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "code", "path"),
    [
        ("when: price < 1\nclear_when: price > -1", "always-true", "rules[0].clear_when"),
        ("levels:\n  - {severity: info, when: price < 0}\n  - {severity: warning, when: price < 5}", "never-true",
         "rules[0].levels[0].when"),
        ("symbols: [/ES, /NQ]\nvalues: {/ES: {a: 5, b: 6}, /NQ: {a: 8, b: 7}}\nwhen: 'price inside [a, b]'", "reversed",
         "rules[0].when"),
        ("symbols: [/CL, SPY]\nwhen: price < 0", "never-true", "rules[0].when"),
    ],
)  # fmt: skip
def test_every_condition_is_looked_at_for_every_symbol(keys: str, code: str, path: str) -> None:
    assert [(problem.code, problem.path) for problem in found(keys)] == [(code, path)]


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ("when: price > 1\nmessage: 'high {year.high}'", "rules[0].message"),
        ("when: price > 1\nmessage: 'level {level}'", "rules[0].message"),
        ("when: price > 1\nsetup: {type: fade, target: year.low}", "rules[0].setup.target"),
    ],
)
def test_values_that_are_never_known_in_texts(keys: str, path: str) -> None:
    assert [(problem.code, problem.path) for problem in found(keys)] == [("unknown-value", path)]


def test_what_a_rule_inherits_is_told_at_the_rule() -> None:
    (problem,) = found("when: price > 1", defaults="message: 'level {level}'\n")
    assert (problem.code, problem.path, problem.place.line) == ("unknown-value", "rules[0]", 3)
    (problem,) = found("when: price crosses 5", top="defaults: {for: 30s}\n")
    assert (problem.code, problem.path) == ("inherited-for", "rules[0]")
    assert codes("when: price > 5", top="defaults: {for: 30s}\n") == []


def test_levels_have_a_level_and_a_stock_has_a_year() -> None:
    ladder = "levels:\n  - {severity: info, when: price > 5}\nmessage: 'level {level} {year.high}'\nsymbols: [SPY]"
    assert codes(ladder) == []


@pytest.mark.parametrize(
    ("keys", "flagged"),
    [
        ("when: price > 5", True),
        ("when: price crosses 5", True),
        ("when: price > 5\nfor: 30s", False),
        ("when: price > 5\nclear_when: price < 4", False),
        ("when: price > 5\nrearm: move 8t", False),
        ("when: price > 5\nmax_per_session: 3", False),
        ("when: price > 5\nfire: once", False),
        ("when: price > 5\nevaluate: close(5m)", False),
        ("when: price > 5\nmode: shadow", False),
        ("when: close(5m) > 5", False),
    ],
)
def test_no_cooldown(keys: str, flagged: bool) -> None:
    assert codes(f"{keys}\ncooldown: 0s") == ["no-cooldown"] * flagged
    assert codes(f"{keys}\ncooldown: 1s") == []


@pytest.mark.parametrize(
    ("keys", "flagged"),
    [
        ("evaluate: at(15:50)\nsession: rth", False),
        ("evaluate: at(16:00)\nsession: rth", False),
        ("evaluate: at(16:01)\nsession: rth", True),
        ("evaluate: at(09:29)\nsession: rth", True),
        ("evaluate: at(03:00)", False),
        ("evaluate: at(17:30)", True),
        ("evaluate: at(17:30)\nsession: always", False),
        ("evaluate: at(03:00)\nsymbols: [/ES, SPY]", True),
        ("active: ['mon-fri 09:45-11:30']\nsession: rth", False),
        ("active: ['mon-fri 08:45-11:30 America/Chicago']\nsession: rth", False),
        ("active: ['mon-fri 20:00-21:00 Asia/Tokyo']\nsession: rth", True),
        ("active: ['sat 09:45-11:30']", True),
        ("active: ['sun 17:00-20:00']", False),
        ("active: ['sun 17:00-18:00']", True),
        ("active: ['fri 16:00-18:00']\nsession: rth\nsymbols: [SPY]", True),
    ],
)
def test_times_outside_of_the_session(keys: str, flagged: bool) -> None:
    assert codes(f"{keys}\nwhen: price > 1") == ["outside-session"] * flagged


def test_channels_are_checked_when_they_are_known() -> None:
    keys = "when: price > 1\nnotify: [slack, fone]"
    assert codes(keys) == []
    (problem,) = found(keys, channels=frozenset({"slack", "phone"}))
    assert (problem.code, problem.path) == ("unknown-channel", "rules[0].notify[1]")
    assert (problem.message, problem.hint) == ("there is no channel 'fone'", "the settings have phone, slack")
    assert codes(keys, channels=frozenset()) == ["unknown-channel"] * 2


def test_names_that_nothing_uses() -> None:
    problems = found("let: {c: bid}\nvalues: {/ES: {a: 5, b: 6}}\nwhen: price > a")
    assert [(problem.code, problem.path) for problem in problems] == [
        ("unused-name", "rules[0].let.c"), ("unused-name", "rules[0].values./ES.b"),
    ]  # fmt: skip
    assert codes("values: {/ES: {a: 5, b: 6}}\nwhen: price > a\nmessage: '{b}'") == []


def test_was_of_a_rule_that_is_still_there() -> None:
    (problem,) = found("when: price > 1", "was: a\nwhen: price > 2")
    assert (problem.code, problem.path, problem.place.line) == ("was-in-use", "rules[1].was", 8)
    assert codes("was: gone\nwhen: price > 1") == []


def test_two_rules_with_one_condition_on_one_symbol() -> None:
    twin = "symbols: [SPY, /ES]\nwhen: 'price  >  1'\nseverity: critical"
    (problem,) = found("when: price > 1", twin)
    assert (problem.code, problem.path, problem.place.line) == ("duplicate", "rules[1].id", 6)
    assert problem.message == "has the condition of a on /ES"
    assert problem.hint == "it is rules.d/es.yaml:3:9"
    assert codes("when: price > 1", "symbols: [SPY]\nwhen: price > 1") == []
    assert codes("when: price > 1", "when: price > 1\nsession: rth") == []
    assert codes("when: price > a\nvalues: {/ES: {a: 1}}", "when: price > a\nvalues: {/ES: {a: 2}}") == []
    assert codes("when: price > a\nvalues: {/ES: {a: 1}}", "when: price > 1") == ["duplicate"]


def test_what_was_told_before_has_a_code_too() -> None:
    text = "version: 1\ndefaults: {session: rth}\nrules:\n"
    text += "  - {id: a, symbols: [ES, /NQ], when: price crosses 5, on_clear: tell, expires: 2020-01-02}\n"
    loaded = load_texts({"a.yaml": text, "_defaults.yaml": "nonsense: 1\n"}, lint=True, now_us=2**50 * 2 * US_PER_S)
    assert {problem.code for problem in loaded.warnings} == {
        "bare-symbol", "inherited-rth", "no-end", "expired", "no-defaults"
    }  # fmt: skip


# What a stranger writes: each kind of finding with files of its own, and what is close to it.
@pytest.mark.parametrize(
    ("keys", "code", "path"),
    [
        ("when: price > 6900\nclear_when: price > 6890", "clears-at-once", "clear_when"),
        ("when: price crosses_above 6900\nclear_when: price > 6895", "clears-at-once", "clear_when"),
        ("let: {d: 'pct_change(price, 5m)'}\nwhen: d <= -1%\nclear_when: d < -0.4%", "clears-at-once", "clear_when"),
        ("when: price > 6900\nclear_when: price < 6890", "", ""),
        ("when: price > 6900\nclear_when: price < 6890 or bid > 1", "", ""),
        ("when: price > 6900\nclear_when: price > 6890\nkeep_firing_for: 2m", "", ""),
        ("levels:\n  - {severity: notice, when: price < 6800}\n  - {severity: critical, when: price < 6850}",
         "ladder-order", "levels[1].when"),
        ("levels:\n  - {severity: notice, when: net_pct < -2%}\n  - {severity: critical, when: net_pct < -0.4%}",
         "ladder-order", "levels[1].when"),
        ("levels:\n  - {severity: notice, when: price < 6800}\n  - {severity: critical, when: price < 6700}", "", ""),
        ("levels:\n  - {severity: notice, when: price < 6800}\n  - {severity: critical, when: bid < 6850}", "", ""),
        ("when: pct_change(price, 5m) <= 0.3%", "true-at-rest", "when"),
        ("when: pct_change(price, 5m) >= -0.3%", "true-at-rest", "when"),
        ("when: -1% < net_pct", "true-at-rest", "when"),
        ("when: zscore(close, 20, 5m) < 2", "true-at-rest", "when"),
        ("values: {/ES: {most: 8}}\nwhen: change(price, 5m) < most", "true-at-rest", "when"),
        ("when: pct_change(price, 5m) <= 0%", "", ""),
        ("when: pct_change(price, 5m) >= 0.3%", "", ""),
        ("when: abs(pct_change(price, 5m)) <= 0.1%", "", ""),
        ("when: pct_change(price, 5m) <= 0.3% and price > 6900", "", ""),
        ("when: pct_change(price, 5m) <= -1%\nclear_when: pct_change(price, 5m) >= -0.4%", "", ""),
        ("evaluate: close(5m)\nwhen: ema(close, 9, 1m) crosses_above ema(close, 21, 1m)", "skipped-bars", "when"),
        ("evaluate: close(15m)\nwhen: volume(1m) > 50k and close(5m) > 6900", "skipped-bars", "when"),
        ("evaluate: close(5m)\nwhen: price > ema(close, 21, 1m)", "", ""),
        ("evaluate: close(1m)\nwhen: close(5m) > 6900", "", ""),
        ("evaluate: close(5m)\nwhen: volume(1m) > 50k and close(5m) > 6900", "", ""),
        ("when: price > 6900\nfor: 24h", "never-true", "for"),
        ("symbols: [SPY]\nsession: rth\nwhen: price > 500\nfor: 7h", "never-true", "for"),
        ("symbols: [SPY]\nsession: rth\nwhen: price > 500\nfor: 6h", "", ""),
        ("symbols: [SPY]\nwhen: price > 500\nfor: 8h", "", ""),
        ("session: always\nwhen: price > 6900\nfor: 48h", "", ""),
        ("symbols: [/EX]\nwhen: price > 500", "unknown-symbol", "symbols[0]"),
        ("symbols: [SPY, $SPY]\nwhen: price > 500", "unknown-symbol", "symbols[1]"),
        ("symbols: ['@core', /SPX]\nwhen: price > 500", "unknown-symbol", "symbols[1]"),
        ("symbols: [/EMD, $VVIX, SYP, $ABCDE, /ESZ39]\nwhen: price > 500", "", ""),
        ("when: price > 6900\nmessage: 'VIX {sym($VIX).price}'", "text-only", "message"),
        ("when: price > 6900\ntitle: '{symbol} {rsi(close, 14, 5m)}'", "text-only", "title"),
        ("when: price > sma(close, 20, 5m)\nmessage: '{sma(close, 20, 5m)} {pct_from(price, 6900)}'", "", ""),
        ("when: price > 6900\nmessage: '{day.high}'", "", ""),
        ("when: price > 6900\nclear_when: sym($VIX).price < 20\nmessage: '{sym($VIX).price}'", "", ""),
        ("when: net_pct > 1%\ncooldown: 0s", "no-cooldown", "cooldown"),
        ("when: spread > 2t\ncooldown: 0s", "no-cooldown", "cooldown"),
        ("when: ema(close, 9, 5m, live) crosses 6900\ncooldown: 0s", "no-cooldown", "cooldown"),
        ("when: vwap() crosses 6900\ncooldown: 0s", "no-cooldown", "cooldown"),
        ("when: ema(close, 9, 5m) crosses 6900\ncooldown: 0s", "", ""),
        ("when: day.high > 6900\ncooldown: 0s", "", ""),
    ],
)  # fmt: skip
def test_what_a_stranger_writes(keys: str, code: str, path: str) -> None:
    assert [(problem.code, problem.path) for problem in found(keys)] == [(code, f"rules[0].{path}")] * bool(code)


def test_a_contract_that_is_over_has_expired() -> None:
    text = "version: 1\nrules:\n  - {id: a, symbols: [/ESZ25, /ESZ26, SPY], when: price > 6900}\n"
    told = load_texts({"a.yaml": text}, lint=True, now_us=NOVEMBER_US).warnings
    assert [(one.code, one.path, one.hint) for one in told] == [
        ("expired", "rules[0].symbols[0]", "write /ES for the front contract")
    ]
    assert load_texts({"a.yaml": text}, lint=True).warnings == ()


@pytest.mark.parametrize("symbol", ["/EX", "ES"])
def test_whoever_says_what_a_symbol_is_means_it(symbol: str) -> None:
    assert len(found(f"symbols: [{symbol}]\nwhen: price > 5")) == 1
    assert found(f"symbols: [{symbol}]\nwhen: price > 5", instruments=f"{symbol}: {{name: mine}}\n") == []


@pytest.mark.parametrize(
    ("entry", "stop", "target", "side"),
    [
        ("price", "price - 8t", "price - 16t", "below"),
        ("price", "price + 2 * atr(14, 5m)", "price + 3 * atr(14, 5m)", "above"),
        ("price", "price * 0.99", "price * 0.97", "below"),
        ("5200", "5190", "5180.5", "below"),
        ("high(5m) + 1t", "high(5m) - 2", "high(5m) - 4t - atr(14, 5m)", "below"),
        ("price", "price - 8t", "price + 16t", ""),
        ("price", "price + 8t", "price - 3 * atr(14, 5m)", ""),
        ("price", "price - 2 * atr(14, 5m)", "vwap()", ""),
        ("price", "price - 2 * atr(14, 5m)", "price - 2", "below"),
        ("price", "price + 1.5 * atr(14, 5m)", "day.low", ""),
        ("price", "price", "price - 2", ""),
        ("5200", "price - 2", "price - 4", ""),
        ("price - 2 * atr(14, 5m)", "price - 3", "price - 4", ""),
    ],
)
def test_a_stop_and_a_target_lie_on_two_sides_of_the_entry(entry: str, stop: str, target: str, side: str) -> None:
    lines = f"when: price crosses 5200\nsetup: {{entry: '{entry}', stop: '{stop}', target: '{target}'}}"
    problems = [one for one in found(lines) if one.code != "text-only"]
    assert [(one.path, one.message) for one in problems] == (
        [("rules[0].setup.target", f"stop and target both lie {side} the entry")] if side else []
    )


def test_the_sides_are_those_of_each_symbols_values() -> None:
    lines = "symbols: [/ES, SPY]\nvalues: {/ES: {goal: 8}, SPY: {goal: -1}}\nwhen: price crosses 5200\n"
    setup = "setup: {entry: price, stop: 'price - 2', target: 'price + goal'}"
    assert codes(lines + setup) == ["one-sided"]
