"""Turns what the store holds into rows of the view: quotes, rules, alerts, channels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tradeassistd.alerts.message import scaled_price_text
from tradeassistd.alerts.text import remark_of
from tradeassistd.api.rule_documents import is_spent
from tradeassistd.cli.view import snapshot as view
from tradeassistd.cli.view import words
from tradeassistd.cli.view.snapshot import Alert, Channel, Quote, Rule, Sent
from tradeassistd.cli.view.tally import Tally
from tradeassistd.engine import rule as engine_rule
from tradeassistd.engine.events import Facts
from tradeassistd.engine.silences import Silences
from tradeassistd.engine.transition import Kind, RuleState
from tradeassistd.market.instrument import Instrument, InstrumentClass, instrument_of
from tradeassistd.market.tick import Tick
from tradeassistd.store.outbox import StoredAlert

_RANKS = {view.FIRING: 0, view.PENDING: 1, view.OK: 2}
NO_SILENCES = Silences()
_NOW = re.compile(r"(.*) \(now (.*)\)$")


def quote_row(
    tick: Tick, facts: Facts | None, recent: tuple[int, ...], instrument: Instrument | None = None, remark: str = ""
) -> Quote:
    """One symbol; its change is counted from the previous close, or else from the day's open."""
    instrument = instrument or instrument_of(tick.symbol)
    reference = None
    if facts is not None and instrument.kind is not InstrumentClass.INTERNAL:  # a breadth figure has no day before
        reference = facts.open if facts.prev_close is None else facts.prev_close
    return Quote(tick.symbol, instrument.tick_size, tick.last, tick.bid, tick.ask, tick.volume, reference, recent,
                 remark)  # fmt: skip


def rule_rows(
    rules: Sequence[engine_rule.Rule], states: Sequence[RuleState], tally: Tally, now_us: int,
    silences: Silences = NO_SILENCES,
) -> tuple[Rule, ...]:  # fmt: skip
    """The rules in file order, each with the state of the symbol and level where most is going on at `now_us`."""
    of_rule: dict[str, list[RuleState]] = {}
    for state in states:
        of_rule.setdefault(state.rule_id, []).append(state)
    return tuple(_rule_row(rule, of_rule.get(rule.id, []), tally, now_us, silences) for rule in rules)


def _rule_row(
    rule: engine_rule.Rule, states: Sequence[RuleState], tally: Tally, now_us: int, silences: Silences
) -> Rule:
    valid = [one for one in states if _is_of(rule, one)]
    judged = [one for one in valid if one.judged_us]
    foremost = min(judged, key=lambda one: (_RANKS[one.state], -one.level, -one.since_us), default=None)
    state = foremost.state.value if foremost else view.UNKNOWN
    if rule.mode == "off" or 0 < rule.expires_us <= now_us:
        state = view.OFF if rule.mode == "off" else view.EXPIRED
    busy = foremost if state in (view.FIRING, view.PENDING) else None
    level = busy.level if busy is not None and state == view.FIRING else 0
    named = (busy.symbol,) if busy else rule.symbols
    silenced = all(silences.over(rule.id, rule.tags, symbol, now_us) for symbol in named)
    spent = {one.symbol for one in valid if is_spent(rule, one)}
    return Rule(
        rule.id, rule.symbols, state, busy.symbol if busy else "", rule.severity_of(level or rule.numbers[0]),
        rule.description, None, tally.told[rule.id], tally.told_us.get(rule.id, 0), rule.mode == "shadow", level,
        len(rule.ladder), spent == set(rule.symbols), silenced,
    )  # fmt: skip


def _is_of(rule: engine_rule.Rule, state: RuleState) -> bool:
    """Whether it is a state of the condition that the rule has now."""
    named = state.symbol in rule.symbols and state.level in rule.numbers
    return named and state.fingerprint == rule.fingerprint(state.symbol, state.level)


def alert_row(stored: StoredAlert, *, fresh: bool = False) -> Alert:
    """One alert with what became of its deliveries."""
    alert, transition = stored.alert, stored.alert.transition
    tick_size = instrument_of(transition.symbol).tick_size
    price = "" if transition.price is None else words.price(transition.price, tick_size)
    return Alert(
        transition.event_us, alert.severity, transition.symbol, transition.rule_id, price, _words(stored),
        remark_of(transition), alert.description,
        tuple(Sent(one.channel, one.state.value) for one in stored.deliveries), fresh,
    )  # fmt: skip


def _words(stored: StoredAlert) -> str:
    """The rule's own message, or the comparison that held, its values first; without the price, which is beside it."""
    transition = stored.alert.transition
    if transition.message:
        return transition.message.splitlines()[0]
    held = (number for number, one in enumerate(transition.operands) if one.left == transition.value)
    # An end begins with when it was; the comparisons stand below that.
    lines = stored.alert.text.splitlines()[1 + transition.late if transition.kind is Kind.CLEARED else 0 :]
    line = next((lines[number] for number in held if number < len(lines)), lines[0] if lines else "")
    if (match := _NOW.match(line)) is None:
        return line
    said, values = match.groups()
    if transition.price is not None:
        price = scaled_price_text(transition.price)
        level = values.removeprefix(f"{price} against ")
        if level != values:
            values = f"at {level}" if " any [" in said else ""
        elif values == price:
            values = ""
    return f"{values}: {said}" if values else said


def channel_rows(status: Mapping[str, Any]) -> tuple[Channel, ...]:
    """The channels as the dispatcher's status has them."""
    return tuple(
        Channel(
            name, int(one.get("sent", 0)), int(one.get("waiting", 0)),
            int(one.get("failed", 0)) + int(one.get("expired", 0)), str(one.get("last_error", "")),
            one.get("latency_ms_p50"), one.get("latency_ms_p99"),
        )
        for name, one in status.items()
    )  # fmt: skip
