"""What the tapes know of an instant and of the time since: for a start that goes on from them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from tradeassistd.engine.events import ON_LINE, Connection, Event, Facts, Gap, RulesSwap, Start
from tradeassistd.market.tick import Tick
from tradeassistd.store.density import Density, stored_density
from tradeassistd.store.reading import EmptyFileError, reading
from tradeassistd.store.tape_ends import day_begin_us, first_at, last_at
from tradeassistd.store.tape_reading import read_tape
from tradeassistd.store.tape_rows import AT_MASK, KEY_BITS, ODD_TICK, entries_of, event_of, tick_of

_TELLING = ("facts", "gap", "connection", "start", "rules", ODD_TICK)
"""The kinds of events that say what stands, or that nothing does any more."""
_by_time = attrgetter("event_us")


class TapeSpan(NamedTuple):
    """A tape: from when on it is, and between which event times it has something (0: nothing)."""

    path: Path
    begin_us: int
    first_us: int
    last_us: int
    whole: bool
    """Every event is on it: it was not thinned to save room."""


class Standing(NamedTuple):
    """What stood at an instant, each oldest first."""

    ticks: tuple[Tick, ...]
    """The last tick of each symbol that was live."""
    facts: tuple[Facts, ...]
    """Of each symbol its last facts, and those with which another close of the day before was told."""
    rules_hash: str
    """The rule set that was in force; empty where no tape says it."""


def tape_span(path: Path) -> TapeSpan:
    """Raises like `reading`."""
    try:
        with reading(path, "tape") as raw:
            begin_us, first, last = day_begin_us(raw), first_at(raw), last_at(raw)
            return TapeSpan(
                path, begin_us, begin_us + first if first >= 0 else 0, begin_us + last if last >= 0 else 0,
                stored_density(raw) is Density.EVERY,
            )  # fmt: skip
    except EmptyFileError:
        return TapeSpan(path, 0, 0, 0, True)


def count_back(path: Path, from_us: int, to_us: int, step_us: int, limit: int) -> tuple[int, int]:
    """How far back from `to_us` (not included), in whole steps but not before `from_us`, no more than `limit` events
    are on the tape, and how many those are.

    Raises like `reading`.
    """
    with reading(path, "tape") as raw:
        begin_us, ids, total = day_begin_us(raw), [entry.id for entry in entries_of(raw)], 0
        until_us = to_us
        while until_us > from_us:
            since_us = max((until_us - 1) // step_us * step_us, from_us)
            ends = (max(since_us - begin_us, 0), until_us - begin_us - 1)
            count = sum(
                raw.execute(f"SELECT count(*) FROM {table} WHERE at BETWEEN ? AND ?", ends).fetchone()[0]
                for table in ("clock", "events")
            )
            for one in ids:
                base = one << KEY_BITS
                keys = (base | ends[0], base + ends[1])
                count += raw.execute("SELECT count(*) FROM ticks WHERE key BETWEEN ? AND ?", keys).fetchone()[0]
            if total + count > limit:
                break
            until_us, total = since_us, total + count
        return until_us, total


def standing_at(paths: Sequence[Path], at_us: int, symbols: Collection[str]) -> Standing:
    """What stood right before an instant of these symbols, as far as these tapes know. Raises like `reading`."""
    ticks: dict[str, Tick] = {}
    told: list[Event] = []
    for path in paths:
        with reading(path, "tape") as raw:
            begin_us = day_begin_us(raw)
            found = [*_ticks_before(raw, begin_us, at_us, symbols), *_told_before(raw, begin_us, at_us)]
            told += [event for event in found if not isinstance(event, Tick)]
            for tick in (event for event in found if isinstance(event, Tick) and event.symbol in symbols):
                if tick.event_us > ticks.get(tick.symbol, tick).event_us or tick.symbol not in ticks:
                    ticks[tick.symbol] = tick
    told.sort(key=_by_time)
    return stood(ticks.values(), [one for one in told if not isinstance(one, Facts) or one.symbol in symbols])


def stood(ticks: Iterable[Tick], told: Sequence[Event]) -> Standing:
    """What stands after these events: the last tick of each symbol, and all that is no tick, oldest first."""
    lost_us = _lost(told)
    live = [tick for tick in ticks if tick.event_us > max(lost_us.get(tick.symbol, 0), lost_us.get("", 0))]
    facts = [event for event in told if isinstance(event, Facts)]
    hashes = [event.rules_hash for event in told if isinstance(event, Start | RulesSwap)]
    return Standing(tuple(sorted(live, key=_by_time)), tuple(_counting(facts)), hashes[-1] if hashes else "")


def read_tapes(paths: Sequence[Path], from_us: int) -> Iterator[Event]:
    """The events of these tapes from an instant on, in their order; `paths` oldest day first. Raises like `reading`."""
    for path in paths:
        try:
            yield from read_tape(path, from_us=from_us)
        except EmptyFileError:
            continue


def _ticks_before(raw: sqlite3.Connection, begin_us: int, at_us: int, symbols: Collection[str]) -> Iterator[Tick]:
    """The last tick of each entry of the tape before an instant."""
    query = "SELECT * FROM ticks WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 1"
    for entry in entries_of(raw) if at_us > begin_us else ():
        base = entry.id << KEY_BITS
        last = base | min(at_us - begin_us - 1, AT_MASK)
        if entry.symbol in symbols and (row := raw.execute(query, (base, last)).fetchone()):
            yield tick_of(entry.symbol, entry.unit, begin_us, row)


def _told_before(raw: sqlite3.Connection, begin_us: int, at_us: int) -> Iterator[Event]:
    kinds = ", ".join("?" * len(_TELLING))
    rows = raw.execute(
        f"SELECT kind, body FROM events WHERE at < ? AND kind IN ({kinds}) ORDER BY at", (at_us - begin_us, *_TELLING)
    )
    return (event_of(kind, body) for kind, body in rows)


def _lost(told: Sequence[Event]) -> dict[str, int]:
    """By symbol ("" for all of them) when it was last said that nothing is known any more."""
    lost_us: dict[str, int] = {}
    for event in told:
        match event:
            case Start():
                lost_us[""] = event.event_us
            case Connection(state=state) if state not in ON_LINE:
                lost_us[""] = event.event_us
            case Gap():
                lost_us |= dict.fromkeys(event.symbols or ("",), event.event_us)
    return lost_us


def _counting(facts: Sequence[Facts]) -> list[Facts]:
    """Those facts that still count, of the last contract of each symbol."""
    last = {one.symbol: one for one in facts}
    close: dict[str, int | None] = {}
    kept = []
    for one in facts:
        if one.contract and one.contract != last[one.symbol].contract:
            continue
        if one is last[one.symbol] or (one.prev_close is not None and one.prev_close != close.get(one.symbol)):
            kept.append(one)
        close[one.symbol] = one.prev_close if one.prev_close is not None else close.get(one.symbol)
    return kept
