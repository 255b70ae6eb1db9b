"""Snapshots from the store: works beside any daemon, also one whose API is off, and after it has ended."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import TransientError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.cli.quality import NOTE, PROBLEM, Remark, remarks
from tradeassistd.cli.view import snapshot as view
from tradeassistd.cli.view.rows import alert_row, channel_rows, quote_row, rule_rows
from tradeassistd.cli.view.snapshot import Feed, Snapshot
from tradeassistd.cli.view.source import Age, Fresh, Pace
from tradeassistd.cli.view.tally import Tally
from tradeassistd.engine.events import Facts
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.silences import Silence, Silences
from tradeassistd.market.bar import ARCHIVE_INTERVAL
from tradeassistd.market.instrument import Instrument, instrument_in
from tradeassistd.market.session import ALWAYS
from tradeassistd.market.tick import Tick
from tradeassistd.store import queries
from tradeassistd.store.tape_facts import newest_facts

ALERTS_SHOWN_MAX = 60
MINUTES_SHOWN = 30
FRESH_FOR_S = 5.0
SLOW_EVERY_S = 1.0
"""Bars, day facts, disk and whether the daemon runs change slowly and cost a little to read."""


@dataclass(slots=True)
class _Slow:
    """What is read once a second."""

    read_s: float | None = None
    pid: int | None = None
    facts: dict[str, Facts] = field(default_factory=dict)
    facts_us: int = 0
    minutes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    stored_bytes: int = 0
    free_bytes: int = 0


class StoreSource:
    """Reads the daemon's state directory. `frame` has the program's name, the notes and the speed."""

    def __init__(self, directory: Path, clock: Clock, frame: Snapshot) -> None:
        self._directory = directory
        self._clock = clock
        self._frame = frame
        self._slow = _Slow()
        self._pace = Pace()
        self._age = Age()
        self._fresh = Fresh(FRESH_FOR_S)
        self._tally = Tally(directory)
        self._rules: tuple[Rule, ...] = ()
        self._written: tuple[Silence, ...] = ()
        self._instruments: Mapping[str, Instrument] = {}
        self._rules_hash: str | None = None

    def look(self) -> Snapshot:
        """The picture now. Raises FatalError where there is no store, TransientError while it is busy."""
        directory, elapsed_s = self._directory, self._clock.elapsed_s()
        status = queries.status(directory)
        ticks = queries.last_quotes(directory)
        states = queries.rule_states(directory)
        alerts = queries.alerts(directory, limit=ALERTS_SHOWN_MAX, include_suppressed=False)
        fresh = self._fresh.of(elapsed_s, (one.alert.id for one in alerts))
        newest_us = max((tick.event_us for tick in ticks.values()), default=0)
        self._read_slow(elapsed_s, ticks)
        self._read_rules(status)
        market_clock = status.get("clock", "market") == "market"  # until the daemon has said: as late as its last tick
        now_us = newest_us if market_clock else self._clock.now_us()
        self._tally.read(now_us)
        running = self._slow.pid is not None
        age_s = self._age.seconds(
            elapsed_s, newest_us, at_first_s=0.0 if market_clock else (now_us - newest_us) / US_PER_S
        )
        counters, store = _part(status, "counters"), _part(status, "store")
        count = int(counters.get("ticks", 0))
        pace = self._pace.per_s(elapsed_s, count)
        feed = _part(status, "feed")
        frame = self._frame
        found = remarks(status) if running else []
        wrong = {one.symbol: one.word for one in reversed(found) if one.weight != NOTE}  # the worst one stays
        return Snapshot(
            program=frame.program, note=frame.note, hint=frame.hint, speed=frame.speed, now_us=now_us,
            daemon=view.RUNNING if running else view.STOPPED,
            feed=Feed(str(feed.get("state", "")), str(feed.get("reason", "")), age_s, pace if running else None,
                      _seconds(feed.get("in_state_s")), _seconds(feed.get("frame_age_s"))),
            quotes=tuple(quote_row(tick, self._slow.facts.get(symbol), self._slow.minutes.get(symbol, ()),
                                   instrument_in(self._instruments, symbol), wrong.get(symbol, ""))
                         for symbol, tick in sorted(ticks.items(), key=_shelf)),
            rules=rule_rows(self._rules, states, self._tally, now_us, self._silences(now_us)),
            alerts=tuple(alert_row(one, fresh=one.alert.id in fresh) for one in alerts),
            channels=channel_rows(_part(status, "channels")),
            ticks=count, told=self._tally.total, tape_rows=int(store.get("tape_written", 0)),
            stored_bytes=self._slow.stored_bytes, free_bytes=self._slow.free_bytes,
            troubles=_troubles(status, store, found),
        )  # fmt: skip

    def _read_slow(self, elapsed_s: float, ticks: Mapping[str, Tick]) -> None:
        slow, directory = self._slow, self._directory
        if slow.read_s is not None and elapsed_s - slow.read_s < SLOW_EVERY_S:
            return
        slow.read_s = elapsed_s
        slow.pid = queries.daemon_running(directory)
        for path in queries.tape_paths(directory)[:1]:
            try:
                fresh = newest_facts(path, since_us=slow.facts_us)
            except TransientError:
                break  # the new day's tape is just being made
            slow.facts |= fresh
            slow.facts_us = max((one.event_us for one in fresh.values()), default=slow.facts_us)
        for symbol, tick in ticks.items():
            bars = queries.bars(directory, symbol, ARCHIVE_INTERVAL, ALWAYS, limit=MINUTES_SHOWN - 1)
            closes = [bar.close for bar in bars]
            slow.minutes[symbol] = tuple(closes if tick.last is None else [*closes, tick.last])
        slow.stored_bytes = sum(_size(path) for path in directory.iterdir())
        slow.free_bytes = shutil.disk_usage(directory).free

    def _silences(self, now_us: int) -> Silences:
        """Those of the file and those that were said."""
        silences = Silences(self._written)
        silences.restore(queries.silences(self._directory, now_us))
        return silences

    def _read_rules(self, status: Mapping[str, Any]) -> None:
        """The rules in force, parsed anew when the daemon took others."""
        rules_hash = str(_part(status, "rules").get("hash", ""))
        if rules_hash == self._rules_hash:
            return
        from tradeassistd.rules.load import load_texts  # the grammar takes a moment to import

        rule_set = load_texts(dict(queries.rule_texts(self._directory))).rule_set
        self._rules, self._instruments = rule_set.rules, rule_set.instruments
        self._written = rule_set.silences
        self._rules_hash = rules_hash


def _shelf(item: tuple[str, Tick]) -> tuple[int, str]:
    """Futures, then indices, then stocks."""
    symbol = item[0]
    return ("/$".find(symbol[0]) if symbol[0] in "/$" else 2, symbol)


def _part(status: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = status.get(name)
    return part if isinstance(part, dict) else {}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # SQLite made and removed it between two looks


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _troubles(status: Mapping[str, Any], store: Mapping[str, Any], data: Sequence[Remark]) -> tuple[str, ...]:
    """What somebody should look at, worst first."""
    found = []
    feed = _part(status, "feed")
    if feed.get("state") not in (None, "live") and feed.get("reason"):
        found.append(str(feed["reason"]))
    found += [f"{one.symbol} {one.text}" for one in data if one.weight == PROBLEM]
    if error := store.get("tape_error"):
        found.append(f"tape: {error}")
    if limited := store.get("tape_limited"):
        found.append(f"{limited}: the tape is thinned")
    problems: Sequence[object] = _part(status, "rules").get("problems") or ()
    if problems:
        found.append(f"{len(problems)} rule problem{'s' * (len(problems) > 1)}: {problems[0]}")
    if faults := _part(status, "counters").get("rule_faults"):
        found.append(f"{faults} rule faults")
    return tuple(found)
