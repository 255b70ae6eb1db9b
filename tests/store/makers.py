"""Small valid records for the tests of the store and of alerts."""

from __future__ import annotations

from tradeassistd.engine.transition import Kind, Operand, State, Transition
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.market.session import trading_day
from tradeassistd.market.tick import Field, Tick
from tradeassistd.store.records import Alert, Decided, Delivery

FRIDAY_US = 1_795_185_000_000_000
"""2026-11-20 14:30:00 UTC, 09:30 New York."""
DAY, DAY_BEGIN_US = trading_day(FRIDAY_US)


def a_tick(event_us: int, symbol: str = "/ES", last: float = 5200.25, size: int | None = 1) -> Tick:
    price = round(last * PRICE_SCALE)
    return Tick(
        event_us, symbol, price, price - PRICE_SCALE // 4, price, 12, 9, 1_234_567,
        event_us // 1_000 - 60, event_us // 1_000 - 60, size, Field.LAST | Field.VOLUME,
    )  # fmt: skip


def a_transition(event_us: int, rule_id: str = "es-levels", symbol: str = "/ES", **changes: object) -> Transition:
    fields: dict[str, object] = {
        "event_us": event_us, "rule_id": rule_id, "symbol": symbol, "level": 0, "fingerprint": "f" * 16,
        "kind": Kind.FIRED, "state": State.FIRING, "value": 5200.25, "unit": "price", "price": 5200_25000000,
        "since_us": event_us, "operands": (Operand("price crosses_above 5200", 5200.25, 5200.0),),
    }  # fmt: skip
    return Transition(**(fields | changes))  # type: ignore[arg-type]


def a_decision(event_us: int, *channels: str, severity: str = "warning", ttl_us: int = 0) -> Decided:
    transition = a_transition(event_us)
    alert = Alert(transition.alert_id, transition, severity, "/ES 5,200.25 - es-levels", "text", "hash")
    expires_us = event_us + ttl_us if ttl_us else 0
    deliveries = tuple(Delivery(alert.id, channel, created_us=event_us, expires_us=expires_us) for channel in channels)
    return Decided(event_us, (transition,), (alert,), deliveries)
