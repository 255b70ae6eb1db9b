"""How a rule stands: its condition as a tree with the present value of every leaf, and how far it is from firing.

Looking has no effect: leaves are looked at through copies, and nothing is made that is not there already.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import msgspec

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.describing.legs import Leg, Legs, reasons
from tradeassistd.engine.describing.progress import watchers
from tradeassistd.engine.describing.unknown import Unknowns
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.machine import Machine
from tradeassistd.market.active import ActiveWindow
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import NEW_YORK, next_open, next_trading_open

__all__ = ["Leg", "Standing", "describe"]

OPENING_SOUGHT_DAYS = 10
"""How far ahead the next opening is looked for: past any long weekend."""
DAY_US = 86_400 * US_PER_S


class Standing(msgspec.Struct, frozen=True):
    """One level of one rule for one symbol as it stands now. Times are UTC microseconds, 0 for never."""

    rule_id: str
    symbol: str
    level: int
    """0 for a rule without a ladder."""
    severity: str
    state: str
    since_us: int
    judged_us: int
    told_us: int
    due_us: int
    """When the clock next has something to say to it: `for` is over, a firing may be told, a reminder, its end."""
    untold: bool
    why: str
    """Why it is not judged at present, or comes out unknown; empty when it is known."""
    condition: Leg


def describe(engine: Engine, rule_id: str) -> list[Standing]:
    """How the rule stands for each of its symbols and levels, in the order they are judged.

    None for a rule that is off or is not there.
    """
    now_us = max((state.now_us for state in engine.symbols.values()), default=0)
    return [_standing(engine, machine, now_us) for machine in engine.machines if machine.rule.id == rule_id]


def _standing(engine: Engine, machine: Machine, now_us: int) -> Standing:
    state, rule = machine.state, machine.rule
    unknowns = Unknowns(engine.symbols, machine.symbol, watchers(machine), now_us, rule.stale_after_s)
    condition = Legs(now_us, unknowns, rule.rearm).of(machine.when, iter(machine.leaves))
    return Standing(
        rule_id=rule.id, symbol=machine.symbol, level=state.level, severity=machine.severity, state=state.state.value,
        since_us=state.since_us, judged_us=state.judged_us, told_us=state.told_us,
        due_us=machine.due_us if machine.due_us > now_us else 0, untold=state.untold,
        why=_not_judged(engine, machine, now_us) or _why_unknown(condition), condition=condition,
    )  # fmt: skip


def _not_judged(engine: Engine, machine: Machine, now_us: int) -> str:
    if not now_us:
        return "nothing received yet"
    until_us = engine.left_out_until_us(machine)
    if now_us < until_us:
        return f"left out until {_clock_text(until_us)}: it raised too often"
    if machine.is_expired(now_us):
        return f"expired {_clock_text(machine.rule.expires_us)}"
    if machine.window_at(now_us) is None:
        opens_us = _next_opening(engine, machine, now_us)
        return f"session closed until {_clock_text(opens_us)}" if opens_us else "session closed"
    return ""


def _next_opening(engine: Engine, machine: Machine, now_us: int) -> int:
    """When the rule's session and active windows are open next, 0 when not within OPENING_SOUGHT_DAYS."""
    until_us = now_us + OPENING_SOUGHT_DAYS * DAY_US
    sessions = _session_opens(engine.symbols[machine.symbol].instrument, machine.rule.session, now_us)
    opens = [*takewhile(lambda open_us: open_us < until_us, sessions)]
    for window in machine.rule.active:
        opens += _active_opens(window, now_us)
    return next((open_us for open_us in sorted(opens) if machine.window_at(open_us) is not None), 0)


def _session_opens(instrument: Instrument, word: str, after_us: int) -> Iterator[int]:
    """Every opening of a session ("" for trading at all), as far ahead as the calendar knows; `always` has none."""
    while True:
        try:
            open_us = next_open(instrument, word, after_us) if word else next_trading_open(instrument, after_us)
        except LookupError:
            return
        if open_us <= after_us:
            return
        yield open_us
        after_us = open_us


def _active_opens(window: ActiveWindow, now_us: int) -> Iterator[int]:
    """When the window opens, from now on; a time that the clocks skip counts as an hour later."""
    zone = ZoneInfo(window.zone)
    today = datetime.fromtimestamp(now_us // US_PER_S, zone).replace(hour=0, minute=0, second=0)
    for days in range(OPENING_SOUGHT_DAYS):
        day = today + timedelta(days=days)
        if day.weekday() in window.weekdays:
            opens_us = int((day + timedelta(minutes=window.from_minute)).timestamp()) * US_PER_S
            if opens_us > now_us:
                yield opens_us


def _clock_text(us: int) -> str:
    return f"{datetime.fromtimestamp(us // US_PER_S, NEW_YORK):%a %H:%M} New York"


def _why_unknown(condition: Leg) -> str:
    """The reasons of all unknown leaves, each once, when the whole is unknown."""
    return "; ".join(dict.fromkeys(reasons([condition]))) if condition.outcome is None else ""
