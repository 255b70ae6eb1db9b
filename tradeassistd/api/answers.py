"""Answers from the engine and the store in the API's words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from tradeassistd.api.control import AlertsQuery, Control, Reload
from tradeassistd.api.documents import alert_document, instant, points
from tradeassistd.api.models import (
    Alert,
    AlertsPage,
    Condition,
    Health,
    Quote,
    Rule,
    RuleDetail,
    RuleStanding,
    RuleState,
)
from tradeassistd.base.instant import US_PER_MS, iso
from tradeassistd.engine import rule as engine_rule
from tradeassistd.engine import transition
from tradeassistd.engine.describe import Leg, Standing, describe
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.expression import render
from tradeassistd.engine.machine import Machine
from tradeassistd.store import queries

READERS_MAX = 2
"""Questions to the store that run at the same time, each in a thread; the others wait their turn."""


def control_over(engine: Engine, directory: Path, status: Callable[[], Mapping[str, Any]], reload: Reload) -> Control:
    """The daemon's own Control. `directory` is the store's."""
    readers = ThreadPoolExecutor(READERS_MAX, thread_name_prefix="api-store")

    async def alerts(query: AlertsQuery) -> AlertsPage:
        return await asyncio.get_running_loop().run_in_executor(readers, alerts_page, directory, query)

    return Control(
        status=status,
        quotes=lambda: quotes_of(engine),
        rules=lambda: rules_of(engine),
        rule=lambda rule_id: detail_of(engine, rule_id),
        alerts=alerts,
        reload=reload,
    )


def health_of(status: Mapping[str, Any]) -> Health:
    """Whether a status is that of a daemon that does its work, and what is wrong if not."""
    feed, rules, counters = status["feed"], status["rules"], status["counters"]
    problems = []
    if status["state"] != "running":
        problems.append(f"the daemon is {status['state']}")
    if feed["state"] != "live":
        problems.append(f"feed {feed['state']}" + (f": {feed['reason']}" if feed["reason"] else ""))
    if rules["problems"]:
        problems.append(f"rule files rejected: {rules['problems'][0]}")
    problems += [f"channel {name}: {one['last_error']}" for name, one in status["channels"].items()
                 if one["failures_in_a_row"]]  # fmt: skip
    if status["store"]["tape_error"]:
        problems.append(f"tape: {status['store']['tape_error']}")
    return Health(
        healthy=not problems, problems=problems, feed=feed["state"], rules=rules["loaded"], ticks=counters["ticks"],
        alerts=counters["alerts"], told=counters["told"],
    )  # fmt: skip


def quotes_of(engine: Engine) -> list[Quote]:
    """The present quote of every symbol that has one, by symbol."""
    return [
        Quote(
            symbol=symbol, live=state.live, last=points(tick.last), bid=points(tick.bid), ask=points(tick.ask),
            bid_size=tick.bid_size, ask_size=tick.ask_size, volume=tick.volume,
            trade_time=instant((tick.trade_ms or 0) * US_PER_MS), quote_time=instant((tick.quote_ms or 0) * US_PER_MS),
            event_time=iso(tick.event_us), event_us=tick.event_us,
        )
        for symbol, state in sorted(engine.symbols.items())
        if (tick := state.tick) is not None
    ]  # fmt: skip


def rules_of(engine: Engine) -> list[Rule]:
    """Every rule in force, in the order they are judged."""
    machines: dict[str, list[Machine]] = {}
    for machine in engine.machines:
        machines.setdefault(machine.rule.id, []).append(machine)
    return [Rule(**_rule(rule, machines.get(rule.id, []))) for rule in engine.rule_set.rules]


def detail_of(engine: Engine, rule_id: str) -> RuleDetail | None:
    """One rule down to its values; None when there is no such rule."""
    rule = engine.rule_set.by_id.get(rule_id)
    if rule is None:
        return None
    machines = [machine for machine in engine.machines if machine.rule.id == rule_id]
    states = {machine.symbol: machine.state for machine in machines}
    standings = [_standing(one, states[one.symbol]) for one in describe(engine, rule_id)]
    return RuleDetail(**_rule(rule, machines), standings=standings)


def alerts_page(directory: Path, query: AlertsQuery) -> AlertsPage:
    """One page of stored alerts; runs in a thread."""
    found = queries.alerts(
        directory, limit=query.limit + 1, rule=query.rule, symbol=query.symbol, severity=query.severity,
        since_us=query.since_us, until_us=query.until_us, include_suppressed=query.suppressed, before=query.before,
    )  # fmt: skip
    shown = found[: query.limit]
    more = len(found) > query.limit
    return AlertsPage(
        alerts=[Alert(**alert_document(one.alert, one.deliveries)) for one in shown],
        next=shown[-1].alert.id if more else None,
    )


def _rule(rule: engine_rule.Rule, machines: list[Machine]) -> dict[str, Any]:
    interval = rule.evaluate.interval
    return {
        "id": rule.id, "description": rule.description, "tags": list(rule.tags), "when": render(rule.when),
        "evaluate": f"close({interval})" if interval else "tick", "severity": rule.severity, "mode": rule.mode,
        "session": rule.session, "for_s": rule.for_s, "cooldown_s": rule.cooldown_s, "notify": list(rule.notify),
        "file": rule.file, "line": rule.line, "symbols": list(rule.symbols),
        "states": [RuleState(**_state(machine.state)) for machine in machines],
    }  # fmt: skip


def _state(state: transition.RuleState) -> dict[str, Any]:
    return {
        "symbol": state.symbol, "state": state.state.value, "since": instant(state.since_us),
        "judged": instant(state.judged_us), "told": instant(state.told_us), "untold": state.untold,
    }  # fmt: skip


def _standing(one: Standing, state: transition.RuleState) -> RuleStanding:
    return RuleStanding(**_state(state), due=instant(one.due_us), why=one.why, condition=_condition(one.condition))


def _condition(leg: Leg) -> Condition:
    return Condition(**{**asdict(leg), "items": [_condition(item) for item in leg.items]})
