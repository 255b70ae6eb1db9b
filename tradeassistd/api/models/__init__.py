"""What the API answers, field by field: the OpenAPI document and docs/api.md are made from these."""

from __future__ import annotations

from tradeassistd.api.models.alerts import Acked, AckedFiring, Alert, AlertsPage, Delivery, Operand
from tradeassistd.api.models.backfills import Backfill, BackfilledDay
from tradeassistd.api.models.document import Document, Failure, Open
from tradeassistd.api.models.health import DetailedHealth, EventsHealth, FeedChange, FeedHealth, Health, RulesHealth
from tradeassistd.api.models.rules import (
    Condition,
    Quote,
    Reloaded,
    Rule,
    RuleDetail,
    RuleLevel,
    RuleStanding,
    RuleState,
    Silence,
)

__all__ = [
    "Acked",
    "AckedFiring",
    "Alert",
    "AlertsPage",
    "Backfill",
    "BackfilledDay",
    "Condition",
    "Delivery",
    "DetailedHealth",
    "Document",
    "EventsHealth",
    "Failure",
    "FeedChange",
    "FeedHealth",
    "Health",
    "Open",
    "Operand",
    "Quote",
    "Reloaded",
    "Rule",
    "RuleDetail",
    "RuleLevel",
    "RuleStanding",
    "RuleState",
    "RulesHealth",
    "Silence",
]
