"""The shipped rules with one slip each, as a trader's hand makes it: every slip is found, where it is, and only it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tradeassistd.base.yaml12 import Problem
from tradeassistd.rules.lint import INVALID
from tradeassistd.rules.load import load_texts

TEXTS = {path.name: path.read_text("utf-8") for path in (Path(__file__).parents[2] / "rules.d").glob("*.yaml")}
FUTURES, STOCKS, INTERNALS, GOODS = "index-futures.yaml", "equities.yaml", "internals.yaml", "commodities.yaml"


class Slip(NamedTuple):
    """The first `right` of a file becomes `wrong`; the finding has this code and says this."""

    file: str
    right: str
    wrong: str
    code: str
    says: str
    rows_below: int = 0
    """How many lines below the slip it is told."""


SLIPS = (
    # Misspelt
    Slip(FUTURES, "ema(close, 9, 1m) crosses_above", "emma(close, 9, 1m) crosses_above", INVALID, "did you mean ema?"),
    Slip(FUTURES, "crosses_above", "cross_above", INVALID, "did you mean crosses_above?"),
    Slip(FUTURES, "evaluate: close(1m)", "evalute: close(1m)", INVALID, "did you mean evaluate?"),
    Slip(FUTURES, "severity: critical", "severity: crtical", INVALID, "did you mean critical?"),
    Slip(INTERNALS, "sym($ADD).price", "sym($ADD).prise", INVALID, "did you mean price?"),
    Slip(STOCKS, "session: rth", "session: rht", INVALID, "did you mean rth?"),
    Slip(GOODS, "roc(close, 12, 5m)", "roc(close, 12, 7m)", INVALID, "7m"),
    Slip(STOCKS, "sma(close, 20, 5m)", "sma(close, 20)", INVALID, "sma"),
    Slip(STOCKS, "mode: shadow\n", "mode: shadwo\n", INVALID, "did you mean shadow?"),
    Slip(FUTURES, "symbols: [/ES]\n    when", "symbols: [ES=F]\n    when", INVALID, "write /ES"),
    Slip(FUTURES, "id: futures-ema-cross-down", "id: futures-ema-cross-up", INVALID, "is used twice"),
    # In the wrong unit
    Slip(FUTURES, "<= -0.3%", "<= -0.3", "units", "write -0.3% for 0.3 percent"),
    Slip(GOODS, ">= 0.5%", ">= 0.5", "units", "0.5 is 50 % of pct_change"),
    Slip(INTERNALS, ">= 3%", ">= 3", "units", "write 3%"),
    Slip(GOODS, "<= -1%", "<= -1", "units", "-1 is -100 % of roc"),
    Slip(STOCKS, "> 20k", "> 20K", INVALID, "20k"),
    Slip(STOCKS, "volume(1m) > 20k", "volume(1m) > 20m", INVALID, "`5M`"),
    # The wrong operator, or none that can be true
    Slip(STOCKS, "spread_pct > 0.05%", "spread_pct >= 0%", "always-true", "is always true"),
    Slip(STOCKS, "volume(1m) > 20k", "volume(1m) < -20k", "never-true", "can never be true"),
    Slip(GOODS, "abs(pct_change(price, 10m)) >= 0.5%", "abs(pct_change(price, 10m)) <= -0.5%", "never-true", "never"),
    Slip(INTERNALS, "sym($VIX).price > 20", "sym($VIX).price < -20", "never-true", "never"),
    Slip(INTERNALS, "symbols: [$ADD]", "symbols: [$SPX]", "never-true", "always on one side", 2),
    Slip(FUTURES, "highest(high, 20, 5m)[1]", "highest(high, 20, 5m)", "never-true", "[1]"),
    Slip(INTERNALS, "- sym($ADD).price < 0", "- price < 1.2", "contradiction", "`price > 1.5`"),
    Slip(STOCKS, "- volume(1m) > 3x * avg(volume, 20, 1m)[1]", "- volume(1m) < 10k", "contradiction",
         "`volume(1m) < 10k`", 1),
    Slip(INTERNALS, "- sym($VIX).price > 20", "- sym($TICK).price > -700", "always-true", "whatever the value is"),
    # Bounds the wrong way round
    Slip(INTERNALS, "[-900, 900]", "[900, -900]", "reversed", "write [-900, 900]"),
    Slip(GOODS, "inside [-0.1%, 0.1%]", "inside [0.1%, -0.1%]", "reversed", "write [-0.1%, 0.1%]"),
    # The wrong window, symbol, session, time
    Slip(STOCKS, "avg(volume, 20, 1m)[1]", "avg(volume, 20, 1m)", "own-window", "write avg(volume, 20, 1m)[1]"),
    Slip(STOCKS, "sma(close, 20, 5m)", "sma(close, 200, 1d)", "long-window", "78,000 minutes"),
    Slip(FUTURES, "symbols: [/ES]\n    when", "symbols: [ES]\n    when", "bare-symbol", "the future is /ES"),
    Slip(INTERNALS, "symbols: [$VIX]", "symbols: [/VX]", "inherited-rth", "write session: rth", -2),
    Slip(GOODS, "evaluate: close(5m)", "evaluate: at(17:30)", "outside-session", "17:30 New York"),
    Slip(STOCKS, "when: price crosses sma", "active: [sat 09:30-16:00]\n    when: price crosses sma", "outside-session",
         "session rth of SPY"),
    Slip(FUTURES, "cooldown: 10m\n    when: pct_change", "cooldown: 0s\n    when: pct_change", "no-cooldown",
         "to and fro"),
)  # fmt: skip


def findings(slip: Slip) -> list[Problem]:
    text = TEXTS[slip.file]
    assert slip.right in text, "the shipped rules have changed: choose another slip"
    loaded = load_texts(TEXTS | {slip.file: text.replace(slip.right, slip.wrong, 1)}, lint=True)
    return [*loaded.problems, *loaded.warnings]


def test_without_a_slip_there_is_nothing_to_find() -> None:
    loaded = load_texts(TEXTS, lint=True)
    assert (loaded.problems, loaded.warnings) == ((), ())


def test_there_are_thirty_slips_at_least() -> None:
    assert len(set(SLIPS)) == len(SLIPS) >= 30


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: f"{slip.file}:{slip.wrong.splitlines()[0]}")
def test_the_slip_is_found(slip: Slip) -> None:
    (found,) = findings(slip)
    line = TEXTS[slip.file].partition(slip.right)[0].count("\n") + 1
    assert (found.code or INVALID, found.place.file) == (slip.code, f"rules.d/{slip.file}")
    assert slip.says in f"{found.message} ({found.hint})"
    assert found.place.line == line + slip.rows_below
