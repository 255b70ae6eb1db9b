"""Made-up snapshots for the tests of the view."""

from __future__ import annotations

from dataclasses import replace

from tradeassistd.cli.view.snapshot import Alert, Channel, Distance, Feed, Quote, Rule, Sent, Snapshot
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.price import price_from_float

MONDAY_US = 1_794_841_777_000_000
"""2026-11-16 10:09:37 New York."""
MINUTE_US = 60_000_000


def a_quote(symbol: str, last: float, reference: float | None = None, volume: int | None = None) -> Quote:
    scaled = price_from_float(last)
    unit = instrument_of(symbol).tick_size
    wave = tuple(scaled + unit * ((step * 7) % 11 - 5) for step in range(30))
    sided = not symbol.startswith("$")
    return Quote(
        symbol, unit, scaled, scaled - unit if sided else None, scaled if sided else None, volume,
        None if reference is None else price_from_float(reference), wave,
    )  # fmt: skip


def an_alert(number: int, rule: str, symbol: str, price: str, severity: str, *states: str) -> Alert:
    channels = ("desktop", "slack", "sound")
    return Alert(
        MONDAY_US - number * MINUTE_US, severity, symbol, rule, price,
        "pct_change(price, 5m) <= -0.3% (now -0.31%)", "", "Fell 0.3 percent within five minutes.",
        tuple(Sent(*pair) for pair in zip(channels, states, strict=False)),
    )  # fmt: skip


QUOTES = (
    a_quote("/CL", 59.57, 59.42, 109_923), a_quote("/ES", 6882.25, 6887.0, 507_804),
    a_quote("/GC", 4108.1, 4104.4, 62_168), a_quote("/NQ", 25210.5, 25246.0, 202_337),
    a_quote("/YM", 47912, 47900, 31_020), a_quote("$ADD", 812), a_quote("$NDX", 25101.33, 25100),
    a_quote("$RUT", 2508.01, 2510), a_quote("$SPX", 6849.12, 6850.0), a_quote("$TICK", -921), a_quote("$TRIN", 1.31),
    a_quote("$VIX", 16.94, 16.86), a_quote("QQQ", 612.4, 612.2, 9_402_113), a_quote("SPY", 685.96, 685.0, 14_202_332),
)  # fmt: skip


def a_rule(rule_id: str, symbols: str, state: str = "ok", closeness: float | None = None, distance: str = "",
           told: int = 0, severity: str = "warning", description: str = "", shadow: bool = False) -> Rule:  # fmt: skip
    names = tuple(symbols.split())
    return Rule(
        rule_id, names, state, names[0], severity, description,
        None if closeness is None else Distance(closeness, distance), told, MONDAY_US - 9 * MINUTE_US if told else 0,
        shadow,
    )  # fmt: skip


RULES = (
    a_rule(
        "commodity-fast-move", "/CL /GC", "ok", 0.4, "0.30%", description="Moved half a percent within ten minutes."
    ),
    a_rule("oil-hourly-drop", "/CL", "warming"),
    a_rule("gold-trend", "/GC", "warming", description="Gold closed on the other side of its slow average."),
    a_rule("spy-average", "SPY QQQ", "ok", 0.92, "0.04%", 2),
    a_rule("volume-spike", "QQQ SPY", "ok", 0.31, "63K", 2, "notice"),
    a_rule("wide-spread", "SPY QQQ", "ok", 0.1, "0.04%", 0, "info", shadow=True),
    a_rule("es-levels", "/ES", "ok", 0.85, "7.25", 1),
    a_rule("futures-ema-cross-up", "/NQ /ES", "ok", 0.75, "2.50", 2, "notice"),
    a_rule("futures-ema-cross-down", "/ES /NQ", "ok", 0.55, "4.00", 0, "notice"),
    a_rule("futures-fast-drop", "/NQ /ES /YM", "firing", 1.0, "", 3, "critical", "Fell 0.3 percent in five minutes."),
    a_rule("futures-breakout", "/ES /NQ", "unknown"),
    a_rule("tick-extreme", "$TICK", "firing", 1.0, "", 1),
    a_rule("breadth-turn", "$ADD", "ok", 0.2, "812"),
    a_rule("selling-pressure", "$TRIN", "pending", 0.95, "0.19"),
    a_rule("index-drop", "$NDX $SPX $RUT", "ok", 0.66, "0.10%", 1),
    a_rule("vix-jump", "$VIX", "ok", 0.2, "2.50%", 1),
    a_rule("risk-off", "/ES", "ok", 0.5, "3.25", 0, "critical"),
)
ALERTS = (
    an_alert(0, "tick-extreme", "$TICK", "-921.00", "warning", "sent", "sending", "retrying"),
    an_alert(2, "futures-fast-drop", "/NQ", "25,210.50", "critical", "sent", "sent", "failed"),
    an_alert(4, "index-drop", "$NDX", "25,101.33", "warning", "sent", "sent", "sent"),
    an_alert(5, "volume-spike", "SPY", "685.96", "notice", "sent", "sent", "sent"),
    replace(an_alert(6, "futures-ema-cross-up", "/NQ", "25,156.50", "notice", "sent", "sent", "sent"), remark="late"),
    an_alert(9, "spy-average", "QQQ", "611.12", "warning", "sent", "expired", "sent"),
    an_alert(13, "vix-jump", "$VIX", "17.56", "warning", "sent", "sent", "sent"),
    an_alert(22, "es-levels", "/ES", "6,900.25", "warning", "sent", "sent", "sent"),
)
CHANNELS = (
    Channel("desktop", 8, p50_ms=7.0, p99_ms=31.0), Channel("slack", 7, 1, 0, "", 9.1, 412.0),
    Channel("sound", 6, 1, 1, "no answer within 30 s", 0.4, 1_900.0),
)  # fmt: skip
FULL = Snapshot(
    program="tradeassist", hint="p pause  q quit", daemon="running", now_us=MONDAY_US,
    feed=Feed("live", "", 0.21, 412.4),
    quotes=QUOTES, rules=RULES, alerts=ALERTS, channels=CHANNELS, ticks=124_812, told=8, tape_rows=131_204,
    stored_bytes=14_200_000, free_bytes=220_000_000_000,
)  # fmt: skip
EMPTY = Snapshot()
