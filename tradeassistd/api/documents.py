"""Stored things as plain documents for JSON: the same in the API, its events and the command line; quick to import."""

from __future__ import annotations

from typing import Any

from tradeassistd.base.instant import iso
from tradeassistd.engine.transition import Transition
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.store.records import Alert, Delivery


def alert_document(alert: Alert, deliveries: tuple[Delivery, ...]) -> dict[str, Any]:
    """One alert: `value` in its own unit, prices in points, times in UTC."""
    transition = alert.transition
    return {
        "id": alert.id, "rule": transition.rule_id, "symbol": transition.symbol, "kind": transition.kind.value,
        "level": transition.level, "severity": alert.severity, "event_time": iso(transition.event_us),
        "event_us": transition.event_us,
        "value": transition.value, "unit": transition.unit, "price": points(transition.price),
        "suppressed": transition.suppressed, "late": transition.late, "since": iso(transition.since_us),
        "title": alert.title, "text": alert.text, "message": transition.message, "setup": dict(transition.setup),
        "operands": operand_documents(transition),
        "deliveries": [
            {
                "channel": one.channel, "state": one.state.value, "attempts": one.attempts, "error": one.error,
                "not_before": instant(one.not_before_us), "why": one.why.value, "instead_of": one.instead_of,
                "folded_into": one.folded_into, "carries": one.carries,
            }
            for one in deliveries
        ],
    }  # fmt: skip


def operand_documents(transition: Transition) -> list[dict[str, Any]]:
    """Every comparison of the rule at the moment of the transition."""
    return [{"text": one.text, "left": one.left, "right": one.right} for one in transition.operands]


def points(price: int | None) -> float | None:
    """A scaled price in points of the index or in the quoted currency."""
    return None if price is None else price / PRICE_SCALE


def instant(us: int) -> str | None:
    """ISO 8601 in UTC; None for never."""
    return iso(us) if us else None
