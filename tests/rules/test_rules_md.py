"""The examples of the rule language's reference load, and mean what they say."""

from __future__ import annotations

import pytest

from tests.rules.rule_texts import load
from tradeassistd.engine.language.expression import Expression, render
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.template import Slot
from tradeassistd.rules.grammar import parse
from tradeassistd.rules.load import load_texts

EXAMPLES = """\
version: 1
defaults: {severity: warning, cooldown: 5m}
rules:
  - id: es-levels
    symbols: [/ES]
    when: price crosses any [5180, 5200, 5225.5]
    expires: 2026-12-18
  - id: spy-ema-cross
    symbols: ["@core"]
    session: rth
    evaluate: close(5m)
    when: ema(close, 9, 5m) crosses_above ema(close, 21, 5m)
  - id: fast-drop
    symbols: [/ES, /NQ]
    let: {drop: 'pct_change(price, 5m)'}
    when: drop <= -1%
    clear_when: drop > -0.4%
    keep_firing_for: 2m
    severity: critical
  - id: volume-spike
    symbols: [SPY]
    evaluate: close(1m)
    when:
      all:
        - volume(1m) > 4x * avg(volume, 20, 1m)[1]
        - volume(1m) > 50k
  - id: risk-off
    symbols: [/ES]
    when:
      all:
        - price crosses_below vwap()
        - any:
            - sym($TICK).price < -800
            - sym($VIX).price > 20
  - id: day-drawdown
    symbols: [/ES]
    levels:
      - severity: warning
        when: pct_from(price, prev_day.close) <= -2%
        clear_when: pct_from(price, prev_day.close) > -1.5%
      - severity: critical
        when: pct_from(price, prev_day.close) <= -4%
        clear_when: pct_from(price, prev_day.close) > -3.5%
    repeat: [5m, 15m, 1h]
    setup: {type: mean-reversion, entry: price, stop: 'price - 2 * atr(14, 5m)', target: vwap(), confidence: 0.6}
    message: '{symbol} {price:,.2f} is {pct_from(price, prev_day.close):+.2%} on the day'
"""


@pytest.fixture(scope="module")
def rules() -> dict[str, Rule]:
    loaded = load_texts({"_watchlists.yaml": "core: [/ES, /NQ, SPY]\n", "examples.yaml": EXAMPLES})
    assert (loaded.problems, loaded.warnings) == ((), ())
    return loaded.rule_set.by_id


def test_all_of_them_load(rules: dict[str, Rule]) -> None:
    assert list(rules) == ["es-levels", "spy-ema-cross", "fast-drop", "volume-spike", "risk-off", "day-drawdown"]
    assert {rule.cooldown_s for rule in rules.values()} == {300}


def expressions(rule: Rule) -> list[Expression]:
    levels = [tree for level in rule.levels for tree in (level.when, level.clear_when) if tree is not None]
    slots = [part.expression for text in (rule.message, rule.title) if text for part in text.parts
             if isinstance(part, Slot) and part.expression is not None]  # fmt: skip
    return [*levels, *slots, *(tree for _, tree in (rule.setup.parts if rule.setup else ()))]


def test_each_expression_of_a_loaded_rule_can_be_written_out_and_read_again(rules: dict[str, Rule]) -> None:
    trees = [tree for rule in rules.values() for tree in expressions(rule)]
    assert len(trees) > 12
    for tree in trees:
        assert parse(render(tree)) == tree


def test_they_mean_what_they_say(rules: dict[str, Rule]) -> None:
    drop = rules["fast-drop"]
    assert (render(drop.when), drop.severity, drop.keep_firing_for_s) == (
        "pct_change(price, 5m) <= -1%",
        "critical",
        120,
    )
    assert rules["spy-ema-cross"].symbols == ("/ES", "/NQ", "SPY")
    ladder = rules["day-drawdown"]
    assert [(level.severity, render(level.when)) for level in ladder.ladder] == [
        ("warning", "pct_from(price, prev_day.close) <= -2%"),
        ("critical", "pct_from(price, prev_day.close) <= -4%"),
    ]
    assert ladder.repeat_s == (300, 900, 3600)
    assert ladder.setup is not None
    assert [name for name, _ in ladder.setup.parts] == ["entry", "stop", "target", "confidence"]


@pytest.mark.parametrize(
    "when",
    [
        "price crosses_above day.high",
        "price reaches any [prev_day.high, prev_day.low, settle]",
        "price > overnight.high and minutes_to_close < 30",
        "price enters [prev_week.low, prev_week.high]",
        "price outside [year.low, year.high]",
        "close(5m) crosses_above highest(high, 20, 5m)[1]",
        "price >= highest(price, 5m)",
        "macd(close, 12, 26, 9, 5m).line crosses_above macd(close, 12, 26, 9, 5m).signal",
        "macd(close, 12, 26, 9, 5m).hist[1] < 0",
        "price > bollinger(close, 20, 2, 5m).upper",
        "rsi(close, 14, 5m) < 30",
        "zscore(close, 20, 5m) > 2",
        "rvol(5m) > 2x",
        "price > opening_range(15m).high",
        "price crosses vwap(rth)",
        "close(5m, live) > sma(close, 20, 5m, rth, live)",
        "spread > 4t or spread_pct > 0.1%",
        "net_pct <= -1% and net_change < 0",
        "abs(mark - mid) > 2t",
        "not halted and age > 30s",
        "streak(close(5m) > open(5m), 5m) >= 3",
        "count(price crosses 5200, 30m) >= 3",
        "seq(price crosses_above prev_day.high, price crosses_below prev_day.high, within=15m)",
        "price > sym($SPX).day.high * 1.01",
        "max(price, sma(close, 5, 1m), vwap()) > 1M",
        "volume(1m) > 50k and day.volume > 1M",
    ],
)
def test_each_word_of_the_language_loads(when: str) -> None:
    loaded = load("", when=f"'{when}'")
    assert [str(problem) for problem in loaded.problems] == []
    (rule,) = loaded.rule_set.rules
    assert parse(render(rule.when)) == rule.when
