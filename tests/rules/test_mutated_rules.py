"""The shipped rules with one slip each, as a trader's hand makes it: every slip is found, where it is, and only it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from tests.rules.test_lint import NOVEMBER_US
from tradeassistd.base.yaml12 import Problem
from tradeassistd.cli.main import app
from tradeassistd.rules.lint import INVALID
from tradeassistd.rules.load import load_texts

TEXTS = {path.name: path.read_text("utf-8") for path in (Path(__file__).parents[2] / "rules.d").glob("*.yaml")}
DEFAULTS = "_defaults.yaml"
FUTURES, STOCKS, INTERNALS, GOODS = "index-futures.yaml", "equities.yaml", "internals.yaml", "commodities.yaml"


class Slip(NamedTuple):
    """The first `right` of a file becomes `wrong`; the finding has this code and says this."""

    file: str
    right: str
    wrong: str
    code: str
    at: str
    """Line and column of the finding."""
    says: str


SLIPS = (
    # Misspelt
    Slip(FUTURES, "ema(close, 9, 1m) crosses_above",
         "emma(close, 9, 1m) crosses_above", INVALID, "26:11", "did you mean ema?"),
    Slip(FUTURES, "crosses_above", "cross_above", INVALID, "26:29", "did you mean crosses_above?"),
    Slip(FUTURES, "evaluate: close(1m)", "evalute: close(1m)", INVALID, "24:5", "did you mean evaluate?"),
    Slip(FUTURES, "severity: critical", "severity: crtical", INVALID, "39:15", "did you mean critical?"),
    Slip(INTERNALS, "sym($ADD).price", "sym($ADD).prise", INVALID, "31:21", "did you mean price?"),
    Slip(STOCKS, "session: rth", "session: rht", INVALID, "6:12", "did you mean rth?"),
    Slip(GOODS, "roc(close, 12, 5m)", "roc(close, 12, 7m)", INVALID, "17:26", "7m"),
    Slip(STOCKS, "sma(close, 20, 5m)", "sma(close, 20)", INVALID, "13:25", "sma"),
    Slip(STOCKS, "mode: shadow\n", "mode: shadwo\n", INVALID, "31:11", "did you mean shadow?"),
    Slip(FUTURES, "symbols: [/ES]\n    when", "symbols: [ES=F]\n    when", INVALID, "16:15", "write /ES"),
    Slip(FUTURES, "id: futures-ema-cross-down", "id: futures-ema-cross-up", INVALID, "28:9", "is used twice"),
    Slip(FUTURES, "symbols: [/ES]\n    when", "symbol: [/ES]\n    when", INVALID, "16:5", "did you mean symbols?"),
    Slip(FUTURES, "price crosses any [", "prise crosses any [", INVALID, "17:11", "did you mean price?"),
    Slip(FUTURES, "price crosses any [", "price crosses [", INVALID, "17:25", "write crosses any [a, b]"),
    Slip(FUTURES, "when: ema(close, 9, 1m) crosses_above",
         "when: ema(close, 9, 1m) crosses above", INVALID, "26:37", "write crosses_above"),
    Slip(FUTURES, "when: ema(close, 9, 1m)", "when: EMA(close, 9, 1m)", INVALID, "26:11", "EMA"),
    Slip(FUTURES, "when: ema(close, 9, 1m)", "when: ema(closes, 9, 1m)", INVALID, "26:15", "close"),
    Slip(FUTURES, "when: ema(close, 9, 1m)", "when: ema(9, close, 1m)", INVALID, "26:15", "9"),
    Slip(STOCKS, "session: rth", "session: RTH", INVALID, "6:12", "did you mean rth?"),
    Slip(FUTURES, "severity: critical", "severity: high", INVALID, "39:15", "one of info notice warning critical"),
    # In the wrong unit
    Slip(FUTURES, "<= -0.3%", "<= -0.3", "units", "41:11", "write -0.3% for 0.3 percent"),
    Slip(GOODS, ">= 0.5%", ">= 0.5", "units", "10:11", "0.5 is 50 % of pct_change"),
    Slip(INTERNALS, ">= 3%", ">= 3", "units", "42:11", "write 3%"),
    Slip(GOODS, "<= -1%", "<= -1", "units", "17:11", "-1 is -100 % of roc"),
    Slip(STOCKS, "> 20k", "> 20K", INVALID, "25:24", "20k"),
    Slip(STOCKS, "volume(1m) > 20k", "volume(1m) > 20m", INVALID, "25:22", "`5M`"),
    Slip(FUTURES, "<= -0.3%", "<= -30%", "units", "41:11", "halted long before"),
    Slip(FUTURES, "<= -0.3%", "<= -0,3%", INVALID, "41:38", "write 0.3%"),
    Slip(FUTURES, "<= -0.3%", "<= -30bp", INVALID, "41:37", "write 0.3%"),
    Slip(STOCKS, "> 0.05%", "> 0.05", "units", "33:11", "write 0.05% for 0.05 percent"),
    Slip(GOODS, "inside [-0.1%, 0.1%]", "inside [-0.1, 0.1]", "units", "28:16", "write -0.1% for 0.1 percent"),
    Slip(STOCKS, "> 20k", ">= 20,000", INVALID, "25:25", "write 20000"),
    Slip(STOCKS, "> 3x * avg", "> 3 x * avg", INVALID, "24:26", "write 3x"),
    # The wrong operator, or none that can be true
    Slip(STOCKS, "spread_pct > 0.05%", "spread_pct >= 0%", "always-true", "33:11", "is always true"),
    Slip(STOCKS, "volume(1m) > 20k", "volume(1m) < -20k", "never-true", "25:11", "can never be true"),
    Slip(GOODS, "abs(pct_change(price, 10m)) >= 0.5%",
         "abs(pct_change(price, 10m)) <= -0.5%", "never-true", "10:11", "never"),
    Slip(INTERNALS, "sym($VIX).price > 20", "sym($VIX).price < -20", "never-true", "56:15", "never"),
    Slip(INTERNALS, "symbols: [$ADD]", "symbols: [$SPX]", "never-true", "21:11", "always on one side"),
    Slip(FUTURES, "highest(high, 20, 5m)[1]", "highest(high, 20, 5m)", "never-true", "49:11", "[1]"),
    Slip(INTERNALS, "- sym($ADD).price < 0", "- price < 1.2", "contradiction", "31:11", "`price > 1.5`"),
    Slip(STOCKS, "- volume(1m) > 3x * avg(volume, 20, 1m)[1]",
         "- volume(1m) < 10k", "contradiction", "25:11", "`volume(1m) < 10k`"),
    Slip(INTERNALS, "- sym($VIX).price > 20",
         "- sym($TICK).price > -700", "always-true", "56:15", "whatever the value is"),
    Slip(FUTURES, "<= -0.3%", ">= -0.3%", "true-at-rest", "41:11", "holds as long as nothing moves"),
    Slip(FUTURES, "<= -0.3%", "<= 0.3%", "true-at-rest", "41:11", "holds as long as nothing moves"),
    Slip(GOODS, "<= -1%", ">= -1%", "true-at-rest", "17:11", "holds as long as nothing moves"),
    Slip(INTERNALS, ">= 3%", "<= 3%", "true-at-rest", "42:11", "holds as long as nothing moves"),
    Slip(FUTURES, "<= -0.3%", "=< -0.3%", INVALID, "41:33", "write <="),
    Slip(FUTURES, "<= -0.3%", "= -0.3%", INVALID, "41:33", "write =="),
    Slip(FUTURES, "<= -0.3%", ">= -100%", "always-true", "41:11", "is always true"),
    Slip(INTERNALS, "price > 1.5", "price => 1.5", INVALID, "30:17", "write >="),
    Slip(INTERNALS, "outside [-900, 900]", "outside -900, 900", INVALID, "14:25", "write outside [low, high]"),
    Slip(INTERNALS, "- sym($TICK).price < -600",
         "- sym($TICK).price crosses_below -600", INVALID, "55:15", "`any` mixes events and states"),
    Slip(INTERNALS, "all:\n        - price crosses_below",
         "any:\n        - price crosses_below", INVALID, "53:11", "`any` mixes events and states"),
    Slip(INTERNALS, "sym($VIX).price > 20", "$VIX > 20", INVALID, "56:15", "write sym($VIX).price"),
    Slip(INTERNALS, "sym($VIX).price > 20", "sym(VIX).price > 20", "bare-symbol", "56:15", "the index is $VIX"),
    Slip(FUTURES, "highest(high, 20, 5m)[1]",
         "highest(high, 20, 5m)[0]", "never-true", "49:11", "write highest(high, 20, 5m)[1]"),
    Slip(FUTURES, "> highest(high, 20, 5m)[1]",
         "> highest(high, 20, 5m) + 4t", "never-true", "49:11", "write highest(high, 20, 5m)[1]"),
    Slip(FUTURES, "when: pct_change(price, 5m) <= -0.3%",
         "when: pct_change(price, 5m) <= -0.3%\n    clear_when: pct_change(price, 5m) <= -0.1%",
         "clears-at-once", "42:17", "over at once"),
    # True nearly always
    Slip(STOCKS, "> 3x * avg", "> 3% * avg", "units", "24:11", "write 3x for 3 times"),
    Slip(GOODS, ">= 0.5%", "<= 0.5%", "true-at-rest", "10:11", "holds as long as nothing moves"),
    Slip(FUTURES, "close(5m) > highest", "close(5m) < highest", "true-at-rest", "49:11", "holds nearly always"),
    Slip(INTERNALS, "[-900, 900]", "[900, 900]", "reversed", "14:11", "both bounds of"),
    # What the symbol never is, and what says nothing of it
    Slip(INTERNALS, "outside [-900, 900]",
         "outside [-90000, 900]", "implausible", "14:11", "write a price from -10000 on"),
    Slip(INTERNALS, "outside [-900, 900]",
         "outside [-900, 90000]", "implausible", "14:11", "write a price up to 10000"),
    Slip(INTERNALS, "symbols: [$SPX, $NDX, $RUT]",
         "symbols: [$ADD]", "units", "37:11", "pct_change of $ADD means nothing: it goes through zero"),
    Slip(STOCKS, "spread_pct > 0.05%", "minutes_to_close > 600", "never-true", "33:11", "can never be true"),
    # Bounds the wrong way round
    Slip(INTERNALS, "[-900, 900]", "[900, -900]", "reversed", "14:11", "write [-900, 900]"),
    Slip(GOODS, "inside [-0.1%, 0.1%]", "inside [0.1%, -0.1%]", "reversed", "28:16", "write [-0.1%, 0.1%]"),
    # The wrong window, symbol, session, time
    Slip(STOCKS, "avg(volume, 20, 1m)[1]",
         "avg(volume, 20, 1m)", "own-window", "24:11", "write avg(volume, 20, 1m)[1]"),
    Slip(STOCKS, "sma(close, 20, 5m)", "sma(close, 200, 1d)", "long-window", "13:11", "78,000 minutes"),
    Slip(FUTURES, "symbols: [/ES]\n    when",
         "symbols: [ES]\n    when", "bare-symbol", "16:15", "the future is /ES"),
    Slip(INTERNALS, "symbols: [$VIX]", "symbols: [/VX]", "inherited-rth", "39:5", "write session: rth"),
    Slip(GOODS, "evaluate: close(5m)", "evaluate: at(17:30)", "outside-session", "16:15", "17:30 New York"),
    Slip(STOCKS, "when: price crosses sma",
         "active: [sat 09:30-16:00]\n    when: price crosses sma", "outside-session", "13:14", "session rth of SPY"),
    Slip(FUTURES, "cooldown: 10m\n    when: pct_change",
         "cooldown: 0s\n    when: pct_change", "no-cooldown", "40:15", "to and fro"),
    Slip(GOODS, "symbols: [/CL]", "symbols: [CL]", "bare-symbol", "15:15", "the future is /CL"),
    Slip(FUTURES, "symbols: [/ES, /NQ, /YM]",
         "symbols: [/ES, /NQ, /YN]", "unknown-symbol", "38:25", "no future /YN is known"),
    Slip(INTERNALS, "symbols: [$VIX]", "symbols: [$VIXX]", "unknown-symbol", "41:15", "did you mean $VIX?"),
    Slip(INTERNALS, "symbols: [$SPX, $NDX, $RUT]", "symbols: [$SPX, $NDX, $SPX]", INVALID, "35:27", "listed twice"),
    Slip(INTERNALS, "symbols: [$TICK]", "symbols: [^TICK]", INVALID, "12:15", "write $TICK"),
    Slip(FUTURES, "symbols: [/ES, /NQ, /YM]",
         "symbols: [/ESZ25, /NQ, /YM]", "expired", "38:15", "its month was 2025-12"),
    Slip(FUTURES, "when: price crosses any",
         "message: '{level} {price}'\n    when: price crosses any", "unknown-value", "17:14", "the rule has no levels"),
    Slip(FUTURES, "when: price crosses any",
         "message: '{pirce}'\n    when: price crosses any", INVALID, "17:16", "did you mean price?"),
    Slip(FUTURES, "when: price crosses any",
         "on_clear: tell\n    when: price crosses any", "no-end", "17:15", "no end to tell of"),
    Slip(FUTURES, "when: price crosses any",
         "expires: 2026-11-18\n    when: price crosses any", "expired", "17:14", "has expired"),
    Slip(FUTURES, "[6800, 6825,", "[680000, 6825,", "implausible", "17:11", "write a price up to 200000"),
    # A duration that is none, or not the right one
    Slip(FUTURES, "cooldown: 10m", "cooldown: 10", INVALID, "40:15", "a duration needs a unit"),
    Slip(FUTURES, "cooldown: 10m", "cooldown: 10M", INVALID, "40:15", "is not a duration"),
    Slip(FUTURES, "when: pct_change(price, 5m) <= -0.3%",
         "when: pct_change(price, 5M) <= -0.3%", INVALID, "41:29", "minutes are `5m`"),
    Slip(FUTURES, "when: pct_change(price, 5m) <= -0.3%",
         "when: pct_change(price, 5) <= -0.3%", INVALID, "41:29", "5 is not a duration"),
    Slip(FUTURES, "when: pct_change(price, 5m) <= -0.3%",
         "when: pct_change(price, 1d) <= -0.3%", INVALID, "41:29", "compare with prev_day.close"),
    Slip(FUTURES, "when: pct_change(price, 5m) <= -0.3%",
         "for: 24h\n    when: pct_change(price, 5m) <= -0.3%", "never-true", "41:10", "lasts 23 hours"),
    Slip(FUTURES, "when: price crosses any",
         "for: 30s\n    when: price crosses any", INVALID, "17:10", "an event is over at once"),
    Slip(FUTURES, "evaluate: close(5m)", "evaluate: close(6m)", INVALID, "48:15", "'6m' is not a bar interval"),
    Slip(FUTURES, "evaluate: close(5m)", "evaluate: 5m", INVALID, "48:15", "write tick, close(5m)"),
    Slip(FUTURES, "evaluate: close(1m)", "evaluate: close(5m)", "skipped-bars", "26:11", "write close(1m)"),
    Slip(FUTURES, "when: price crosses any",
         "expires: 2026-13-18\n    when: price crosses any", INVALID, "17:14", "there is no day"),
    # Indented wrongly, or no YAML
    Slip(FUTURES, "    severity: critical",
         "   severity: critical", INVALID, "39:4", "does not fit the lines above"),
    Slip(FUTURES, "    severity: critical",
         "      severity: critical", INVALID, "39:7", "does not fit the lines above"),
    Slip(FUTURES, "    severity: critical",
         "\tseverity: critical", INVALID, "39:1", "indent and align with spaces"),
    Slip(FUTURES, "severity: critical", "severity:critical", INVALID, "39:5", "write key: value"),
    Slip(INTERNALS, "        - sym($ADD).price < 0",
         "      - sym($ADD).price < 0", INVALID, "31:7", "does not fit the lines above"),
    Slip(INTERNALS, "        - sym($ADD).price < 0",
         "          - sym($ADD).price < 0", INVALID, "31:11", "indent a list item like its neighbours"),
    Slip(GOODS, "symbols: [/CL, /GC]", "symbols: [/CL, /GC", INVALID, "9:14", "is not closed"),
    Slip(FUTURES, "description: /ES went", "description: /ES: went", INVALID, "15:21", "quote the value"),
    Slip(FUTURES, "when: price crosses any",
         "message: level #3\n    when: price crosses any", INVALID, "17:20", "quote the whole text"),
)  # fmt: skip


def findings(slip: Slip) -> list[Problem]:
    text = TEXTS[slip.file]
    assert slip.right in text, "the shipped rules have changed: choose another slip"
    changed = TEXTS | {slip.file: text.replace(slip.right, slip.wrong, 1)}
    loaded = load_texts(changed, lint=True, now_us=NOVEMBER_US)
    return [*loaded.problems, *loaded.warnings]


def test_without_a_slip_there_is_nothing_to_find() -> None:
    loaded = load_texts(TEXTS, lint=True, now_us=NOVEMBER_US)
    assert (loaded.problems, loaded.warnings) == ((), ())


def test_there_are_thirty_slips_at_least() -> None:
    assert len(set(SLIPS)) == len(SLIPS) >= 30


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: f"{slip.file}:{slip.wrong.splitlines()[0]}")
def test_the_slip_is_found(slip: Slip) -> None:
    (found,) = findings(slip)
    assert (found.code or INVALID, found.place.file) == (slip.code, f"rules.d/{slip.file}")
    assert f"{found.place.line}:{found.place.column}" == slip.at
    assert slip.says in f"{found.message} ({found.hint})"


@pytest.mark.parametrize("slip", SLIPS[::12], ids=lambda slip: f"{slip.file}:{slip.at}")
def test_the_command_says_it_too(slip: Slip, tmp_path: Path) -> None:
    for name, text in TEXTS.items():
        wrong = text.replace(slip.right, slip.wrong, 1) if name == slip.file else text
        (tmp_path / name).write_text(wrong, "utf-8")
    result = CliRunner().invoke(app, ["rules", "check", str(tmp_path), "--strict"])
    assert result.exit_code == 1
    assert f"/{slip.file}:{slip.at}: " in result.output and f"[{slip.code}]\n" in result.output


def test_a_slip_in_the_defaults_is_told_there_and_not_in_each_rule() -> None:
    for right, wrong, at in (
        ("severity: warning", "severity: warnings", "4:11"),
        ("cooldown: 5m", "cooldown: 5 min", "5:11"),
        ("cooldown: 5m", "cool_down: 5m", "5:1"),
        ("cooldown: 5m", "when: price > 5", "5:1"),
    ):
        loaded = load_texts(TEXTS | {DEFAULTS: TEXTS[DEFAULTS].replace(right, wrong)}, lint=True)
        (found,) = loaded.problems
        assert (found.place.file, f"{found.place.line}:{found.place.column}") == (f"rules.d/{DEFAULTS}", at)
        assert [warning.code for warning in loaded.warnings] == ["no-defaults"]
