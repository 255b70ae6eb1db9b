"""A rule and where it stands as plain documents: its fields as a rule file writes them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from tradeassistd.api.documents import instant
from tradeassistd.base.instant import iso
from tradeassistd.engine.describing.warming import warming, warming_text
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.language.expression import digits_text, render
from tradeassistd.engine.rule import Evaluate, Fire, Move, Rule, RuleSet, Setup
from tradeassistd.engine.silences import Silence
from tradeassistd.engine.transition import RuleState
from tradeassistd.market.active import ActiveWindow

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def rule_document(rule: Rule, now_us: int) -> dict[str, Any]:
    """Every field of `api.models.Rule` but its states. `now_us` is the engine's time, 0 before it has one."""
    return {
        "id": rule.id, "description": rule.description, "tags": list(rule.tags), "when": render(rule.levels[0].when),
        "levels": [level_document(rule, number) for number in rule.numbers], "evaluate": evaluate_text(rule.evaluate),
        "severity": rule.severity, "mode": rule.mode, "session": rule.session,
        "active": [active_text(window) for window in rule.active], "expires": instant(rule.expires_us),
        "expired": 0 < rule.expires_us <= now_us, "for_s": rule.for_s, "keep_firing_for_s": rule.keep_firing_for_s,
        "cooldown_s": rule.cooldown_s, "fire": fire_text(rule.fire), "max_per_session": rule.max_per_session,
        "rearm": rearm_text(rule.rearm), "repeat_s": list(rule.repeat_s), "on_clear": rule.on_clear,
        "at_load": rule.at_load, "catch_up": rule.catch_up, "stale_after_s": rule.stale_after_s,
        "setup": setup_texts(rule.setup), "rev": rule.rev, "was": rule.was, "notify": list(rule.notify),
        "file": rule.file, "line": rule.line, "symbols": list(rule.symbols),
    }  # fmt: skip


def level_document(rule: Rule, number: int) -> dict[str, Any]:
    """One condition of the rule as written (`api.models.RuleLevel`)."""
    level = rule.level(number)
    return {
        "level": number, "severity": rule.severity_of(number), "when": render(level.when),
        "clear_when": render(level.clear_when) if level.clear_when is not None else "",
    }  # fmt: skip


def state_document(rule: Rule, state: RuleState, silence: Silence | None = None) -> dict[str, Any]:
    """Where the rule stands for one symbol and level (`api.models.RuleState`), and the silence that lies over it."""
    return {
        "symbol": state.symbol, "level": state.level, "severity": rule.severity_of(state.level),
        "state": state.state.value, "since": instant(state.since_us), "judged": instant(state.judged_us),
        "told": instant(state.told_us), "untold": state.untold, "acked": state.acked, "reminded": state.reminded,
        "spent": is_spent(rule, state), "silenced_until": instant(silence.until_us) if silence else None,
        "silence_reason": silence.reason if silence else "",
    }  # fmt: skip


def silence_document(silence: Silence, rule_set: RuleSet) -> dict[str, Any]:
    """One silence and what it lies over (`api.models.Silence`)."""
    over = [rule.id for rule in rule_set.rules
            if any(silence.fits(rule.id, rule.tags, symbol) for symbol in rule.symbols)]  # fmt: skip
    return {
        "number": silence.number or None, "rule": list(silence.rules), "symbol": list(silence.symbols),
        "tag": list(silence.tags), "since": instant(silence.event_us), "until": iso(silence.until_us),
        "reason": silence.reason, "by": silence.by, "rules": over,
    }  # fmt: skip


def warming_documents(engine: Engine) -> list[dict[str, Any]]:
    """The bar windows that are not full yet, for `status`."""
    now_us = engine.now_us
    return [
        {"symbol": one.symbol, "interval": one.interval, "session": one.session, "seen": one.seen,
         "needed": one.needed, "until": instant(one.until_us), "text": warming_text(one.until_us, now_us)}
        for one in (warming(engine.symbols, now_us) if now_us else ())
    ]  # fmt: skip


def is_spent(rule: Rule, state: RuleState) -> bool:
    """Whether it fires `once`, and has told: then nothing but a new `rev` or condition arms it anew."""
    return rule.fire.mode == "once" and state.told_count > 0


def evaluate_text(evaluate: Evaluate) -> str:
    """tick, close(5m) or at(15:50)."""
    if evaluate.at_minute is not None:
        return f"at({_clock_text(evaluate.at_minute)})"
    return f"close({evaluate.interval})" if evaluate.interval else "tick"


def fire_text(fire: Fire) -> str:
    """every, once, once_per_bar(5m) or each_bar(5m)."""
    return f"{fire.mode}({fire.interval})" if fire.interval else fire.mode


def rearm_text(move: Move | None) -> str:
    """clear, or `move 0.5%`, `move 8t`."""
    if move is None:
        return "clear"
    return f"move {digits_text(move.digits)}{move.suffix}"


def setup_texts(setup: Setup | None) -> dict[str, str]:
    """The type and the expressions by name; empty without a setup."""
    if setup is None:
        return {}
    return {**({"type": setup.type} if setup.type else {}), **{name: render(tree) for name, tree in setup.parts}}


def active_text(window: ActiveWindow) -> str:
    """mon-fri 09:45-11:30 America/New_York."""
    clock = f"{_clock_text(window.from_minute)}-{_clock_text(window.to_minute)}"
    return f"{_days_text(sorted(window.weekdays))} {clock} {window.zone}"


def _days_text(days: Sequence[int]) -> str:
    """mon-fri for days in a row, mon,wed,fri for others."""
    in_a_row = len(days) > 2 and all(after == before + 1 for before, after in pairwise(days))
    return f"{_DAYS[days[0]]}-{_DAYS[days[-1]]}" if in_a_row else ",".join(_DAYS[day] for day in days)


def _clock_text(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
