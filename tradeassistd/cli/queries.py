"""`status`, `quotes`, `alerts`: answers from the store, whether or not the daemon runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from tradeassistd.api.documents import alert_document
from tradeassistd.base.errors import TradeAssistError
from tradeassistd.base.instant import US_PER_MS, US_PER_S, iso
from tradeassistd.cli import exit_codes
from tradeassistd.market.price import PRICE_SCALE, price_text
from tradeassistd.market.session import NEW_YORK
from tradeassistd.store import queries
from tradeassistd.store.outbox import StoredAlert

DASH = "-"


def show_status(directory: Path, *, as_json: bool) -> int:
    """Print what the daemon last said of itself; exit code 69 when it does not run."""
    pid = queries.daemon_running(directory)
    try:
        status = queries.status(directory)
    except TradeAssistError as error:
        typer.echo(f"tradeassist: {error}", err=True)
        return exit_codes.NOT_RUNNING
    status = {**status, "state": "running" if pid else "stopped", "pid": pid, "directory": str(directory)}
    if as_json:
        typer.echo(json.dumps(status, indent=2))
    else:
        typer.echo("\n".join(_status_lines(status)))
    return exit_codes.YES if pid else exit_codes.NOT_RUNNING


def show_quotes(directory: Path, symbols: Sequence[str], *, as_json: bool) -> int:
    """Print the last stored quote of each symbol; exit code 1 when one of those asked for has none."""
    ticks = queries.last_quotes(directory, list(symbols) or None)
    rows = [
        {
            "symbol": symbol, "last": _price(tick.last), "bid": _price(tick.bid), "ask": _price(tick.ask),
            "volume": tick.volume, "trade_time": iso(tick.trade_ms * US_PER_MS) if tick.trade_ms else None,
            "event_time": iso(tick.event_us),
        }
        for symbol, tick in ticks.items()
    ]  # fmt: skip
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        lines = [f"{'symbol':<8} {'last':>12} {'bid':>12} {'ask':>12} {'volume':>14}  as of (New York)"]
        for tick in ticks.values():
            prices = " ".join(f"{DASH if p is None else price_text(p, 2):>12}" for p in (tick.last, tick.bid, tick.ask))
            volume = DASH if tick.volume is None else f"{tick.volume:,}"
            lines.append(f"{tick.symbol:<8} {prices} {volume:>14}  {new_york(tick.event_us)}")
        typer.echo("\n".join(lines))
    missing = [symbol for symbol in symbols if symbol not in ticks]
    if missing:
        typer.echo(f"tradeassist: nothing stored for {', '.join(missing)}", err=True)
    return exit_codes.NO if missing or not ticks else exit_codes.YES


def show_alerts(directory: Path, *, limit: int, rule: str, symbol: str, suppressed: bool, as_json: bool) -> int:
    """Print stored alerts, newest first."""
    found = queries.alerts(directory, limit=limit, rule=rule, symbol=symbol, include_suppressed=suppressed)
    if as_json:
        typer.echo(json.dumps([alert_document(stored.alert, stored.deliveries) for stored in found], indent=2))
    else:
        typer.echo("\n".join(map(alert_line, found)) if found else "no alerts")
    return exit_codes.YES


def alert_line(stored: StoredAlert) -> str:
    """One alert on one line: when, how bad, what, and where it went; on a second one what the rule would trade."""
    alert = stored.alert
    if alert.suppressed:
        fate = f"not told: {alert.suppressed}"
    else:
        fate = ", ".join(f"{one.channel} {one.state.value}" for one in stored.deliveries) or "no channel"
    line = f"{new_york(alert.transition.event_us)}  {alert.severity:<8}  {alert.title}  [{fate}]"
    if alert.transition.setup:
        from tradeassistd.alerts.text import setup_text

        line += f"\n{'':35}{setup_text(alert.transition.setup)}"
    return line


def new_york(us: int) -> str:
    """An instant as traders read it: New York wall time to the millisecond, with the date."""
    return f"{datetime.fromtimestamp(us // US_PER_S, NEW_YORK):%Y-%m-%d %H:%M:%S}.{us % US_PER_S // 1000:03d}"


def _price(price: int | None) -> float | None:
    return None if price is None else price / PRICE_SCALE


def _status_lines(status: dict[str, Any]) -> list[str]:
    feed, rules, counters = status.get("feed", {}), status.get("rules", {}), status.get("counters", {})
    lines = [
        f"daemon    {status['state']}" + (f", pid {status['pid']}" if status["pid"] else ""),
        f"state in  {status['directory']}",
        f"feed      {feed.get('state', DASH)}" + (f": {feed['reason']}" if feed.get("reason") else "")
        + f", connection {feed.get('connections', 0)}, {feed.get('base_url', DASH)}",
        f"rules     {rules.get('loaded', 0)} loaded ({rules.get('hash', DASH)}), "
        f"{len(rules.get('problems', []))} files' problems, from {rules.get('directory', DASH)}",
        *(f"          rejected: {problem}" for problem in rules.get("problems", [])),
        f"counted   {counters.get('ticks', 0):,} ticks, {counters.get('alerts', 0):,} alerts, "
        f"{counters.get('told', 0):,} told, {counters.get('rule_faults', 0)} rule faults",
    ]  # fmt: skip
    for name, channel in status.get("channels", {}).items():
        lines.append(f"channel   {name}: " + ", ".join(f"{key} {value}" for key, value in channel.items()))
    return lines
