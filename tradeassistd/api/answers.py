"""Answers from the engine and the store in the API's words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from tradeassistd.api.control import (
    Acknowledge,
    Acknowledged,
    AlertsQuery,
    Backfilling,
    Control,
    Keeping,
    Prune,
    Reload,
    Silencing,
    Verify,
)
from tradeassistd.api.documents import alert_document, instant, points
from tradeassistd.api.models import (
    Acked,
    AckedFiring,
    Alert,
    AlertsPage,
    Condition,
    Health,
    Quote,
    Rule,
    RuleDetail,
    RuleStanding,
    RuleState,
    Silence,
)
from tradeassistd.api.rule_documents import rule_document, silence_document, state_document
from tradeassistd.base.instant import US_PER_MS, iso
from tradeassistd.engine import rule as engine_rule
from tradeassistd.engine.describing.describe import Leg, Standing, describe
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.machine import Machine
from tradeassistd.store import queries

READERS_MAX = 2
"""Questions to the store that run at the same time, each in a thread; the others wait their turn."""


def control_over(
    engine: Engine,
    directory: Path,
    status: Callable[[], Mapping[str, Any]],
    reload: Reload,
    acknowledge: Acknowledge,
    reconnect: Callable[[], None] = lambda: None,
    *,
    frames: Callable[[], Iterator[str]] = lambda: iter(()),
    backfills: Backfilling | None = None,
    verify: Verify | None = None,
    silencing: Silencing,
    prune: Prune | None = None,
    keeping: Keeping | None = None,
    note: Callable[[str, Mapping[str, Any]], None] = lambda kind, body: None,
) -> Control:
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
        acknowledge=acknowledge,
        backfills=backfills,
        verify=verify,
        reconnect=reconnect,
        frames=frames,
        silences=lambda: silences_of(engine),
        silence_document=lambda silence: Silence(**silence_document(silence, engine.rule_set)),
        silencing=silencing,
        prune=prune,
        keeping=keeping,
        note=note,
    )


def health_of(status: Mapping[str, Any]) -> Health:
    """Whether a status is that of a daemon that does its work, and what is wrong if not."""
    feed, rules, counters = status["feed"], status["rules"], status["counters"]
    problems = []
    if status["state"] != "running":
        problems.append(f"the daemon is {status['state']}")
    if feed["state"] != "live":
        problems.append(f"feed {feed['state']}" + (f": {feed['reason']}" if feed["reason"] else ""))
    if needed := status.get("login", {}).get("needed"):
        problems.append(f"login needed: {needed}")
    if rules["problems"]:
        problems.append(f"rule files rejected: {rules['problems'][0]}")
    problems += [f"channel {name}: {one['last_error']}" for name, one in status["channels"].items()
                 if one["failures_in_a_row"]]  # fmt: skip
    if reason := status.get("unstored", {}).get("reason"):
        problems.append(f"alerts wait for the disk: {reason}")
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
    now_us = _now_us(engine)
    return [Rule(**_rule(rule, machines.get(rule.id, []), now_us)) for rule in engine.rule_set.rules]


def detail_of(engine: Engine, rule_id: str) -> RuleDetail | None:
    """One rule down to its values; None when there is no such rule."""
    rule = engine.rule_set.by_id.get(rule_id)
    if rule is None:
        return None
    machines = [machine for machine in engine.machines if machine.rule.id == rule_id]
    now_us = _now_us(engine)
    standings = [_standing(*pair, now_us) for pair in zip(describe(engine, rule_id), machines, strict=True)]
    return RuleDetail(**_rule(rule, machines, now_us), standings=standings)


def silences_of(engine: Engine) -> list[Silence]:
    """The silences in force: those of the file, then those that were said."""
    found = engine.silences.in_force(_now_us(engine))
    return [Silence(**silence_document(silence, engine.rule_set)) for silence in found]


def acked_document(rule_id: str, done: Acknowledged) -> Acked:
    """What an acknowledgement did."""
    return Acked(
        rule=rule_id, event_time=iso(done.event_us),
        firings=[AckedFiring(symbol=one.symbol, level=one.level, since=instant(one.since_us)) for one in done.firings],
    )  # fmt: skip


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


def _rule(rule: engine_rule.Rule, machines: list[Machine], now_us: int) -> dict[str, Any]:
    return rule_document(rule, now_us) | {
        "states": [RuleState(**state_document(rule, one.state, one.silence(now_us))) for one in machines]
    }


def _standing(one: Standing, machine: Machine, now_us: int) -> RuleStanding:
    state = state_document(machine.rule, machine.state, machine.silence(now_us))
    return RuleStanding(**state, due=instant(one.due_us), why=one.why, condition=_condition(one.condition))


def _now_us(engine: Engine) -> int:
    """The engine's time, 0 before it has one."""
    return max((state.now_us for state in engine.symbols.values()), default=0)


def _condition(leg: Leg) -> Condition:
    return Condition(**{**asdict(leg), "items": [_condition(item) for item in leg.items]})
