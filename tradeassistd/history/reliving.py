"""What a start goes on from: chooses how much of the tapes is relived, and takes it into a new engine.

As much as the sessions under way need, a trading day at most and what of the last one still counts, but no more than
some seconds' worth of events (more where a rule reads what a whole session has made): of a longer day the last ones.
What began before them is unknown then as after a gap, and the log and the status say since when the tape was relived.
A tape that was thinned (`store.tape`) is not relived: what is known of the symbols begins anew, and windows of bars
come from the store as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from msgspec.structs import replace

from tradeassistd.base.errors import TradeAssistError
from tradeassistd.base.instant import US_PER_S, iso
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Bars, Relived, Start
from tradeassistd.engine.needs import needs_of, needs_whole_session
from tradeassistd.engine.reliving import (
    JUDGED_EVENTS_MAX,
    PRACTICE_S,
    RELIVED_EVENTS_MAX,
    WHOLE_EVENTS_MAX,
    Late,
    practice_us,
    relive,
)
from tradeassistd.engine.rule import RuleSet
from tradeassistd.history.warm import read_days, read_fills, read_past
from tradeassistd.market.session import trading_day
from tradeassistd.store.directory import tape_paths
from tradeassistd.store.faults import DamagedError
from tradeassistd.store.tape_past import TapeSpan, count_back, read_tapes, standing_at, tape_span

TAPES_MAX = 3
"""How many trading days are looked at; more are never under way."""
STEP_US = 60 * US_PER_S
"""What is relived begins on a whole one of these, so that no one-minute bar is cut in two."""

log = structlog.get_logger(__name__)


class GoneOn(NamedTuple):
    """A new engine that has relived the tape, and the start that comes next."""

    engine: Engine
    start: Start
    late: list[Late] | None
    """What was not decided yet; None when nothing was relived."""
    events: int = 0
    """How many events were relived."""
    fills: Sequence[Bars] = ()
    """What Schwab has told of holes in what was relived, and of the time since, minutes and whole days: to go in behind
    the start."""
    took_s: float = 0.0

    def document(self) -> dict[str, Any]:
        """For the log and `status`: since when the tape was relived (empty: it was not), and how long that took."""
        relived = self.start.relived
        return {
            "relived_from": iso(relived.from_us) if relived else "", "relived_events": self.events,
            "late": len(self.late or ()), "took_s": round(self.took_s, 3),
        }  # fmt: skip


def go_on(directory: Path, rule_set: RuleSet, start: Start, saved_until_us: int) -> GoneOn:
    """An engine as it was at the end of the tapes of that directory; to be called in a thread.

    `start` has the stored states, which are as of `saved_until_us` (NEVER_US: all is stored, nothing is decided late).
    What is older than a damaged tape is left out; when the newest cannot be read the engine is as new. The log says so.
    """
    paths = tape_paths(directory)[:TAPES_MAX]
    while True:
        try:
            return _gone_on(directory, paths, rule_set, start, saved_until_us)
        except TradeAssistError as error:
            log.error("tape.not_relived", reason=str(error))
            if not isinstance(error, DamagedError) or error.path not in paths[1:]:
                return GoneOn(Engine(rule_set), start, None)
            paths = paths[: paths.index(error.path)]


def _gone_on(directory: Path, paths: Sequence[Path], rule_set: RuleSet, start: Start, saved_until_us: int) -> GoneOn:
    engine = Engine(rule_set)
    relived, used, events = _chosen(directory, paths, engine, saved_until_us)
    if relived is None:
        return GoneOn(engine, start, None)
    start = replace(start, relived=relived)
    late = relive(engine, start, read_tapes(used, relived.from_us))
    needs = needs_of(rule_set.rules, rule_set.instrument_of)
    days = read_days(directory, needs, rule_set.instrument_of, relived.from_us)
    fills = read_fills(directory, engine.symbols, relived.from_us)
    return GoneOn(engine, start, late, events, [*days, *fills])


def _chosen(
    directory: Path, paths: Sequence[Path], engine: Engine, saved_until_us: int
) -> tuple[Relived | None, list[Path], int]:
    """What is relived, from which of the tapes (newest first; given oldest first), and how many events those are."""
    tapes = [span for path in paths if (span := tape_span(path)).last_us]
    if not tapes or not tapes[0].whole:
        return None, [], 0
    last_us = tapes[0].last_us
    opened_us = min((us for one in engine.symbols.values() for us in one.sessions_began_us(last_us)), default=last_us)
    used = _reaching(tapes, trading_day(opened_us)[1])
    needed_us = (min(saved_until_us, last_us) - PRACTICE_S * US_PER_S) // STEP_US * STEP_US
    rule_set = engine.rule_set
    limit = WHOLE_EVENTS_MAX if needs_whole_session(rule_set.rules, rule_set.instrument_of) else RELIVED_EVENTS_MAX
    from_us, events = _back(used, last_us + 1, STEP_US, limit)
    if events > RELIVED_EVENTS_MAX:
        log.info("tape.reliving", since=iso(from_us), events=events)
    from_us = min(from_us, max(needed_us, used[-1].begin_us))
    used = [tape for tape in used if tape.last_us >= from_us]
    judged_us, _ = _back(used, saved_until_us + 1, US_PER_S, JUDGED_EVENTS_MAX, saved_until_us - practice_us(engine))
    standing = standing_at([tape.path for tape in tapes if tape.begin_us < from_us], from_us, engine.symbols.keys())
    past = read_past(directory, needs_of(rule_set.rules, rule_set.instrument_of), rule_set.instrument_of, from_us)
    relived = Relived(
        from_us, max(used[-1].first_us, from_us), max(judged_us, from_us), saved_until_us, standing.rules_hash,
        standing.ticks, standing.facts,
        past=tuple(replace(one, event_us=from_us) for one in past),
    )  # fmt: skip
    return relived, [tape.path for tape in reversed(used)], events


def _reaching(tapes: Sequence[TapeSpan], from_us: int) -> list[TapeSpan]:
    """The newest tapes, newest first, that reach back to an instant, as far as every event is on them."""
    used: list[TapeSpan] = []
    for tape in tapes:
        if not tape.whole or (used and used[-1].begin_us <= from_us):
            break
        used.append(tape)
    return used


def _back(tapes: Sequence[TapeSpan], to_us: int, step_us: int, limit: int, from_us: int = 0) -> tuple[int, int]:
    """How far back from `to_us` there are no more than `limit` events, and how many there are."""
    since_us, events = to_us, 0
    for tape in tapes:
        begin_us = max(tape.begin_us, from_us)
        until_us = min(since_us, tape.last_us + 1)
        if until_us <= begin_us:
            continue
        since_us, count = count_back(tape.path, begin_us, until_us, step_us, limit - events)
        events += count
        if since_us > begin_us:
            break
    return since_us, events
