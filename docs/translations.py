"""What TradingView and thinkorswim call a thing, and what a rule says in its place. A test loads every line of it."""

from __future__ import annotations

from typing import NamedTuple


class Translation(NamedTuple):
    """One line of the table: `theirs` as written there, here a condition with what else the rule needs."""

    theirs: str
    when: str
    keys: str = ""
    """Further keys of the rule, `key: value`, one a line."""
    remark: str = ""
    also: str = ""
    """Another condition that may be meant."""


TRADINGVIEW = (
    Translation("Crossing", "price crosses 6900"),
    Translation("Crossing Up", "price crosses_above 6900"),
    Translation("Crossing Down", "price crosses_below 6900"),
    Translation("Greater Than", "price > 6900", remark="a state: alerts when it becomes true"),
    Translation("Less Than", "price < 6900", remark="a state"),
    Translation("Entering Channel", "price enters [6880, 6900]"),
    Translation("Exiting Channel", "price exits [6880, 6900]"),
    Translation("Inside Channel", "price inside [6880, 6900]", remark="a state, bounds included"),
    Translation("Outside Channel", "price outside [6880, 6900]", remark="a state"),
    Translation(
        "Moving Up, 10 within 5 bars", "price - lowest(low, 5, 5m) >= 10",
        remark="from the lowest of five bars", also="change(price, 25m) >= 10",
    ),
    Translation(
        "Moving Down, 10 within 5 bars", "price - highest(high, 5, 5m) <= -10",
        remark="from the highest of five bars", also="change(price, 25m) <= -10",
    ),
    Translation(
        "Moving Up %, 1 within 5 bars", "pct_from(price, lowest(low, 5, 5m)) >= 1%",
        remark="from the lowest of five bars", also="pct_change(price, 25m) >= 1%",
    ),
    Translation(
        "Moving Down %, 1 within 5 bars", "pct_from(price, highest(high, 5, 5m)) <= -1%",
        remark="from the highest of five bars", also="pct_change(price, 25m) <= -1%",
    ),
    Translation("Only Once", "price crosses 6900", "fire: once", "once for good; another `rev` arms it anew"),
    Translation(
        "Once Per Bar", "price > 6900", "fire: once_per_bar(5m)",
        "the first rise in a bar; a second one is told in the next bar, if it is still true by then",
    ),
    Translation(
        "Once Per Bar Close", "close(5m) > 6900", "evaluate: close(5m)\nfire: each_bar(5m)",
        "at every close that finds it true; without `fire`, when it becomes true",
    ),
    Translation(
        "Once Per Minute", "price > 6900", "fire: each_bar(1m)\ncooldown: 30s",
        "at each minute's close while it stays true; for a crossing `cooldown: 1m` is enough",
    ),
)  # fmt: skip
"""Its 13 operators, then its 4 frequencies."""

THINKORSWIM = (
    Translation("Alert.ONCE", "price > 6900", "fire: once", "once for good"),
    Translation("Alert.BAR", "price > 6900", "fire: once_per_bar(5m)",
                "in every bar while it stays true: `each_bar(5m)`"),
    Translation(
        "Alert.TICK", "price > 6900", "evaluate: tick\ncooldown: 0s",
        "judged on every tick and told at every rise; nothing repeats with each tick: see `repeat`, `fire: each_bar`",
    ),
    Translation("close crosses above Average(close, 20)", "close(5m) crosses_above sma(close, 20, 5m)",
                "evaluate: close(5m)", "at the close"),
    Translation("close crosses below ExpAverage(close, 21)", "close(5m) crosses_below ema(close, 21, 5m)",
                "evaluate: close(5m)"),
    Translation("close crosses 6900", "price crosses 6900", remark="on every tick"),
    Translation("WMA(close, 20)", "price > wma(close, 20, 5m)"),
    Translation("close > Highest(high, 20)[1]", "price > highest(high, 20, 5m)",
                remark="the last 20 closed bars against the present price"),
    Translation("close < Lowest(low, 20)[1]", "close(5m) < lowest(low, 20, 5m)[1]", "evaluate: close(5m)",
                "at the close: `[1]` keeps the bar out of its own window"),
    Translation("volume > 3 * Average(volume, 20)[1]", "volume(5m) > 3x * avg(volume, 20, 5m)[1]",
                "evaluate: close(5m)"),
    Translation("RSI(14) crosses above 70", "rsi(close, 14, 5m) crosses_above 70", "evaluate: close(5m)"),
    Translation("ATR(14)", "high(5m) - low(5m) > 2 * atr(14, 5m)[1]", "evaluate: close(5m)"),
    Translation("MACD().Diff crosses above 0", "macd(close, 12, 26, 9, 5m).hist crosses_above 0",
                "evaluate: close(5m)"),
    Translation("BollingerBands().UpperBand", "price crosses_above bollinger(close, 20, 2, 5m).upper"),
    Translation("StDev(close, 20)", "price - sma(close, 20, 5m) > 2 * stdev(close, 20, 5m)"),
    Translation("reference VWAP()", "price crosses vwap()"),
    Translation('high(period = AggregationPeriod.DAY)', "price crosses_above day.high", remark="a new high of the day"),
    Translation('close(period = AggregationPeriod.DAY)[1]', "price crosses prev_day.close"),
    Translation('close("VIX")', "sym($VIX).price > 20"),
    Translation("close, still forming", "close(5m, live) crosses ema(close, 21, 5m, live)",
                remark="thinkScript's last bar is the forming one; here `live` says so"),
)  # fmt: skip
"""thinkScript's Alert modes, then conditions and studies."""
