"""A rule, and the alerts that are made of its transitions."""

from __future__ import annotations

from tests.store.makers import FRIDAY_US, a_transition
from tradeassistd.alerts.compose import decide
from tradeassistd.alerts.routing import Routing
from tradeassistd.engine.language.expression import Name, Number
from tradeassistd.engine.rule import Level, Rule, RuleSet
from tradeassistd.engine.transition import Transition
from tradeassistd.store.records import Alert, Decided

CONDITION = Name("halted")
MINUTE_US = 60_000_000


def rules(**changes: object) -> RuleSet:
    fields: dict[str, object] = {"id": "es-levels", "symbols": ("/ES",), "when": CONDITION}
    return RuleSet((Rule("other", ("SPY",), Number(1)), Rule(**(fields | changes))), "sethash")  # type: ignore[arg-type]


def decided(*transitions: Transition, rule_set: RuleSet | None = None, ttl_s: float = 600) -> Decided:
    return decide(FRIDAY_US, transitions, rule_set or rules(), Routing(("slack", "phone"), ttl_s=ttl_s))


def the_alert(transition: Transition, rule_set: RuleSet | None = None) -> Alert:
    (alert,) = decided(transition, rule_set=rule_set).alerts
    return alert


LADDER = rules(
    ladder=tuple(Level(CONDITION, severity=severity) for severity in ("notice", "warning", "critical")),
    description="down on the day",
)
SETUP = (("type", "mean-reversion"), ("entry", 5200.25), ("stop", 5190.0), ("target", None), ("confidence", 0.625))


def lines_of(rule_set: RuleSet | None = None, **changes: object) -> list[str]:
    return the_alert(a_transition(FRIDAY_US, **changes), rule_set).text.splitlines()  # type: ignore[arg-type]
