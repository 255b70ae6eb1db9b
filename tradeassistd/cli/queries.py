"""`quotes`, `alerts`: answers from the store, whether or not the daemon runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import typer

from tradeassistd.api.documents import alert_document
from tradeassistd.base.instant import US_PER_MS, US_PER_S, iso
from tradeassistd.cli import exit_codes
from tradeassistd.cli.symbols import meant
from tradeassistd.market.price import PRICE_SCALE, price_text
from tradeassistd.market.session import NEW_YORK
from tradeassistd.store import queries
from tradeassistd.store.directory import MAIN_FILE, refuse_absent
from tradeassistd.store.outbox import StoredAlert
from tradeassistd.store.records import Delivery, DeliveryState, Why

DASH = "-"


def show_quotes(directory: Path, symbols: Sequence[str], *, as_json: bool) -> int:
    """Print the last stored quote of each symbol; exit code 1 when one of those asked for has none."""
    refuse_absent(directory / MAIN_FILE)
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
        typer.echo(f"tradeassist: nothing stored for {', '.join(missing)}{meant(missing)}", err=True)
    return exit_codes.NO if missing or not ticks else exit_codes.YES


def show_alerts(directory: Path, *, limit: int, rule: str, symbol: str, suppressed: bool, as_json: bool) -> int:
    """Print stored alerts, newest first."""
    found = queries.alerts(directory, limit=limit, rule=rule, symbol=symbol, include_suppressed=suppressed)
    if as_json:
        typer.echo(json.dumps([alert_document(stored.alert, stored.deliveries) for stored in found], indent=2))
    else:
        typer.echo("\n".join(map(alert_line, found)) if found else f"no alerts{meant([symbol])}")
    return exit_codes.YES


def alert_line(stored: StoredAlert) -> str:
    """One alert on one line: when, how bad, what, and where it went; on a second one what the rule would trade."""
    alert = stored.alert
    if alert.suppressed:
        fate = f"not told: {alert.suppressed}"
    else:
        fate = ", ".join(map(fate_text, stored.deliveries)) or "no channel"
    line = f"{new_york(alert.transition.event_us)}  {alert.severity:<8}  {alert.title}  [{fate}]"
    if alert.transition.setup:
        from tradeassistd.alerts.text import setup_text

        line += f"\n{'':35}{setup_text(alert.transition.setup)}"
    return line


def fate_text(delivery: Delivery) -> str:
    """What became of a delivery, and why: `slack sent`, `phone held until 06:00:00 (quiet hours)`."""
    name, due = delivery.channel, new_york(delivery.not_before_us).partition(".")[0]
    match delivery.state, delivery.why:
        case DeliveryState.PENDING, Why.QUIET if not delivery.carries:
            return f"{name} held until {due} (quiet hours)"
        case DeliveryState.PENDING, Why.ESCALATION:
            return f"{name} escalates at {due}"
        case DeliveryState.FOLDED, _:
            return f"{name} folded into {delivery.folded_into}"
        case DeliveryState.WITHDRAWN, _:
            return f"{name} withdrawn ({delivery.error})"
        case _:
            said = [f"with {delivery.carries} more"] if delivery.carries else []
            said += ["escalated"] if delivery.why is Why.ESCALATION else []
            said += [f"instead of {delivery.instead_of}"] if delivery.why is Why.FALLBACK else []
            return f"{name} {delivery.state.value}" + (f" ({', '.join(said)})" if said else "")


def new_york(us: int) -> str:
    """An instant as traders read it: New York wall time to the millisecond, with the date."""
    return f"{datetime.fromtimestamp(us // US_PER_S, NEW_YORK):%Y-%m-%d %H:%M:%S}.{us % US_PER_S // 1000:03d}"


def _price(price: int | None) -> float | None:
    return None if price is None else price / PRICE_SCALE
