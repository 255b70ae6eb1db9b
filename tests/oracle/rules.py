"""Rules for the recorded SPY and /ES sessions in two spellings: the oracle's tree, and the YAML of a rule file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import indent

from tests.oracle.expression import (
    Arithmetic,
    Compare,
    Cross,
    Either,
    Every,
    Not,
    Quote,
    Within,
    bar,
    earlier,
    number,
    of_bars,
    pct_change,
)
from tests.oracle.rule import OracleRule

PRICE, BID, ASK, MID, SPREAD = (Quote(name) for name in ("price", "bid", "ask", "mid", "spread"))


@dataclass(frozen=True, slots=True)
class Pair:
    """One rule of one symbol in both spellings; `condition` is the YAML from `when:` on."""

    symbol: str
    rule: OracleRule
    condition: str

    @property
    def yaml(self) -> str:
        """The rule as an item of `rules:`."""
        rule = self.rule
        head = [f"id: {rule.id}", f"symbols: [{self.symbol}]", f"evaluate: {rule.evaluate}"]
        head += [f"cooldown: {rule.cooldown_s}s", f"at_load: {rule.at_load}", *self.condition.strip().splitlines()]
        return indent("\n".join(head), "    ").replace("    ", "  - ", 1) + "\n"


def rule_file(pairs: Sequence[Pair]) -> str:
    """A whole rule file."""
    return "version: 1\nrules:\n" + "".join(pair.yaml for pair in pairs)


_SMA, _EMA = of_bars("sma", "close", 20, "1m"), of_bars("ema", "close", 21, "1m")
_VOLUME = bar("volume", "1m")
_USUAL_VOLUME = earlier(of_bars("avg", "volume", 20, "1m"), 1)

SPY = [
    Pair(
        "SPY",
        OracleRule(
            "spy-levels", Cross(PRICE, "crosses", (number("167.5"), number("168"), number("168.5"))), "tick", 300
        ),
        "when: price crosses any [167.5, 168, 168.5]",
    ),
    Pair(
        "SPY",
        OracleRule("spy-sma-above", Cross(PRICE, "crosses_above", (_SMA,)), "tick", 120),
        "when: price crosses_above sma(close, 20, 1m)",
    ),
    Pair(
        "SPY",
        OracleRule("spy-ema-close", Cross(bar("close", "1m"), "crosses", (_EMA,)), "close(1m)", 1),
        "when: close(1m) crosses ema(close, 21, 1m)",
    ),
    Pair(
        "SPY",
        OracleRule("spy-fast-drop", Compare(pct_change(300), "<=", number("-0.2%")), "tick", 600),
        "when: pct_change(price, 5m) <= -0.2%",
    ),
    Pair(
        "SPY",
        OracleRule("spy-jump", Cross(pct_change(60), "crosses_above", (number("0.1%"),)), "tick", 60),
        "when: pct_change(price, 1m) crosses_above 0.1%",
    ),
    Pair(
        "SPY",
        OracleRule(
            "spy-volume-spike",
            Every(
                (
                    Compare(_VOLUME, ">", Arithmetic("*", number("2x"), _USUAL_VOLUME)),
                    Compare(_VOLUME, ">", number("50k")),
                )
            ),
            "close(1m)",
            60,
        ),
        """
when:
  all:
    - volume(1m) > 2x * avg(volume, 20, 1m)[1]
    - volume(1m) > 50k
""",
    ),
    Pair(
        "SPY",
        OracleRule(
            "spy-trend-turn",
            Every(
                (
                    Cross(PRICE, "crosses_below", (of_bars("lowest", "low", 10, "1m"),)),
                    Either(
                        (
                            Compare(of_bars("roc", "close", 10, "1m"), "<", number("-0.1%")),
                            Compare(of_bars("wma", "close", 14, "5m", "ext"), ">", number("168.2")),
                        )
                    ),
                    Not(Compare(PRICE, ">", _SMA)),
                )
            ),
            "tick",
            30,
        ),
        """
when:
  all:
    - price crosses_below lowest(low, 10, 1m)
    - any:
        - roc(close, 10, 1m) < -0.1%
        - wma(close, 14, 5m, ext) > 168.2
    - not: price > sma(close, 20, 1m)
""",
    ),
    Pair(
        "SPY",
        OracleRule("spy-over", Compare(PRICE, ">", number("168.2")), "tick", 300),
        "when: price > 168.2",
    ),
    Pair(
        "SPY",
        OracleRule("spy-range", Within(PRICE, number("167.3"), number("167.6")), "tick", 60),
        "when: price inside [167.3, 167.6]",
    ),
]

ES = [
    Pair(
        "/ES",
        OracleRule("es-levels", Cross(PRICE, "crosses", (number("4806"), number("4808"), number("4810"))), "tick", 60),
        "when: price crosses any [4806, 4808, 4810]",
    ),
    Pair(
        "/ES",
        OracleRule("es-sma-above", Cross(PRICE, "crosses_above", (_SMA,)), "tick", 60),
        "when: price crosses_above sma(close, 20, 1m)",
    ),
    Pair(
        "/ES",
        OracleRule("es-ema-close", Cross(bar("close", "1m"), "crosses", (_EMA,)), "close(1m)", 1),
        "when: close(1m) crosses ema(close, 21, 1m)",
    ),
    Pair(
        "/ES",
        OracleRule("es-slip", Compare(pct_change(60), "<=", number("-0.01%")), "tick", 120),
        "when: pct_change(price, 1m) <= -0.01%",
    ),
    Pair(
        "/ES",
        OracleRule("es-climb", Cross(pct_change(300), "crosses_above", (number("0.02%"),)), "tick", 30),
        "when: pct_change(price, 5m) crosses_above 0.02%",
    ),
    Pair(
        "/ES",
        OracleRule(
            "es-volume-spike", Compare(_VOLUME, ">", Arithmetic("*", number("1.5x"), _USUAL_VOLUME)), "close(1m)"
        ),
        "when: volume(1m) > 1.5x * avg(volume, 20, 1m)[1]",
    ),
    Pair(
        "/ES",
        OracleRule(
            "es-wide",
            Every((Compare(SPREAD, ">=", number("0.75")), Not(Compare(BID, ">", PRICE)))),
            "tick",
            60,
        ),
        "when: spread >= 0.75 and not (bid > price)",
    ),
    Pair(
        "/ES",
        OracleRule("es-bid-lifts", Cross(BID, "crosses_above", (number("4809"), number("4810.5"))), "tick", 60),
        "when: bid crosses_above any [4809, 4810.5]",
    ),
    Pair(
        "/ES",
        OracleRule("es-over", Compare(PRICE, ">", number("4810")), "tick", 120),
        "when: price > 4810",
    ),
    Pair(
        "/ES",
        OracleRule("es-under", Compare(PRICE, "<", number("4808.25")), "tick", 300),
        "when: price < 4808.25",
    ),
    Pair(
        "/ES",
        OracleRule(
            "es-mid-state",
            Either((Compare(MID, "<", number("4807")), Compare(ASK, ">=", number("4811.5")))),
            "tick",
            60,
            "fire",
        ),
        """
when:
  any:
    - mid < 4807
    - ask >= 4811.5
""",
    ),
]
