"""Removes what the settings do not keep: days of tape by unlinking files, rows of main.db in short steps, then pages.

The writer of main.db commits alerts, so no step holds it for more than some milliseconds, and between two steps it is
free for at least as long. By itself the daemon looks once an hour. A clock that leaps ahead must not cost what is
stored: what counts as now goes on by a day at most from one look to the next.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from tradeassistd.base.amounts import DAY_S
from tradeassistd.base.clock import Clock
from tradeassistd.base.config import KeepSettings, kept_instead
from tradeassistd.base.errors import TransientError
from tradeassistd.base.instant import US_PER_S, iso
from tradeassistd.market.session import trading_day
from tradeassistd.store import pruning
from tradeassistd.store.directory import MAIN_FILE
from tradeassistd.store.journal import get_meta, put_meta
from tradeassistd.store.pruning import Cutoffs
from tradeassistd.store.reading import reading
from tradeassistd.store.tape_files import TapeFiles, old_tapes, tape_files, unlink
from tradeassistd.store.writer import Store

FIRST_AFTER_S = 60.0
"""A start has more urgent things to do."""
EVERY_S = 3_600.0
WALK_US = DAY_S * US_PER_S
"""What counts as now goes on by this at most from one look to the next."""
ROWS_FIRST, ROWS_LEAST, ROWS_MOST = 100, 20, 2_000
"""Rows of one step; it grows while steps are quick, and shrinks when one is not."""
QUICK_S, SLOW_S = 0.003, 0.008
PAUSE_LEAST_S = 0.001
VACUUM_PAGES = 64
SLACK_PAGES = 256
"""Free pages that stay in the file: the next rows need them anyway."""
_NOW = "retention_us"

_log = structlog.get_logger(__name__)


class Pruned(msgspec.Struct, frozen=True):
    """What was removed, or would be."""

    rows: dict[str, int]
    """By kind, those of which there were any."""
    tapes: tuple[str, ...]
    """Trading days (YYYYMMDD), oldest first."""
    tape_bytes: int
    before: dict[str, str]
    """By setting of `store.keep` the instant before which things go, ISO 8601; what is kept forever is left out."""


class Retention:
    """The one who removes; one pass at a time."""

    def __init__(self, store: Store, keep: KeepSettings, clock: Clock) -> None:
        self.keep = keep
        self._store = store
        self._clock = clock
        self._lock = asyncio.Lock()

    async def run(self) -> None:
        """Look every hour, until cancelled. Raises FatalError."""
        await self._clock.pause(FIRST_AFTER_S)
        while True:
            try:
                if self._clock.now_us():  # a market's time begins with its first frame
                    now_us = await self._store.transaction(self._walked)
                    await self.prune(now_us=now_us, noted_us=self._clock.now_us())
            except TransientError as error:
                _log.warning("retention.put_off", reason=str(error))
            await self._clock.pause(EVERY_S)

    async def prune(
        self, keep: KeepSettings | None = None, *, now_us: int = 0, noted_us: int = 0, by: str = ""
    ) -> Pruned:
        """Remove what `keep` (else the settings) does not keep, as of `now_us` or of now.

        `noted_us` (else the same) and `by`, who asked, are for the audit. What was removed before an error stays
        removed. Raises TransientError or FatalError.
        """
        keep, now_us = keep or self.keep, now_us or self._clock.now_us()
        async with self._lock:
            cutoffs = cutoffs_of(keep, now_us)
            tapes = await self._unlink_tapes(cutoffs)
            cutoffs = needed_by(await asyncio.to_thread(tape_files, self._store.directory), cutoffs)
            rows = {name: count for name, take in pruning.STEPS.items() if (count := await self._take(take, cutoffs))}
            await self._give_back()
            pruned = _pruned(rows, tapes, keep, now_us)
            if rows or tapes:
                _log.info("store.pruned", tapes=list(pruned.tapes), tape_bytes=pruned.tape_bytes, **rows)
                body = {**msgspec.structs.asdict(pruned), "by": by}
                await self._store.note_audit(noted_us or now_us, "prune", body)
            return pruned

    def _walked(self, raw: sqlite3.Connection) -> int:
        """What counts as now: the clock, but by a day at most more than at the last look."""
        now_us, before_us = self._clock.now_us(), get_meta(raw, _NOW)
        counted_us = now_us if before_us is None else min(now_us, before_us + WALK_US)
        put_meta(raw, _NOW, counted_us)
        return counted_us

    async def prune_given(self, keep: Sequence[str], by: str) -> Pruned:
        """`prune` with spans in place of the settings, each `tape=10d`. Raises ValueError when one says nothing."""
        return await self.prune(kept_instead(self.keep, keep), by=by)

    async def _unlink_tapes(self, cutoffs: Cutoffs) -> list[TapeFiles]:
        """Each day in a hop of its own: to free the blocks of a large file takes the kernel some milliseconds."""
        open_now = self._store.tape.path
        try:
            old = await asyncio.to_thread(old_tapes, self._store.directory, cutoffs.tape_day)
            old = [one for one in old if open_now not in one.paths]
            for one in old:
                await asyncio.to_thread(unlink, one)
        except OSError as error:
            hint = "Give the daemon's user the right to write in its directory"
            raise TransientError(f"{error.filename} cannot be removed: {error.strerror}", hint=hint) from error
        return old

    async def _take(self, take: pruning.Take, cutoffs: Cutoffs) -> int:
        """All steps of one kind; gives how many rows went."""
        after: tuple[Any, ...] | None = ()
        removed, limit = 0, ROWS_FIRST
        while after is not None:
            begin_s = self._clock.elapsed_s()
            step, worked_s = await self._store.transaction(
                lambda raw, limit=limit, after=after: self._timed(take, raw, cutoffs, limit, after)  # type: ignore[misc]
            )
            removed, after = removed + step.removed, step.after
            limit = min(limit * 2, ROWS_MOST) if worked_s < QUICK_S else limit
            limit = max(limit // 2, ROWS_LEAST) if worked_s > SLOW_S else limit
            if after is not None:
                await self._clock.pause(max(self._clock.elapsed_s() - begin_s, PAUSE_LEAST_S))
        return removed

    def _timed(
        self, take: pruning.Take, raw: sqlite3.Connection, cutoffs: Cutoffs, limit: int, after: tuple[Any, ...]
    ) -> tuple[pruning.Step, float]:
        """A step, and how long its work took: the wait for the disk after it is there however few rows it has."""
        begin_s = self._clock.elapsed_s()
        step = take(raw, cutoffs, limit, after)
        return step, self._clock.elapsed_s() - begin_s

    async def _give_back(self) -> None:
        """Return free pages to the disk. A main.db from before this was possible keeps them, and uses them again."""
        while await self._store.transaction(_vacuum):
            await self._clock.pause(PAUSE_LEAST_S)


def cutoffs_of(keep: KeepSettings, now_us: int) -> Cutoffs:
    """What is from before begins of trading days goes, so that no day is kept by half."""

    def begin(seconds: int | None) -> tuple[str, int]:
        return ("", 0) if seconds is None else trading_day(max(now_us - seconds * US_PER_S, 2 * WALK_US))

    spans = {name: begin(getattr(keep, name)) for name in KeepSettings.model_fields}
    return Cutoffs(
        **{name: begin_us for name, (_, begin_us) in spans.items()},
        tape_day=spans["tape"][0], bars_day=_dashed(spans["bars"][0]), daily_bars_day=_dashed(spans["daily_bars"][0]),
    )  # fmt: skip


def outlook(directory: Path, keep: KeepSettings, now_us: int) -> Pruned:
    """What `Retention.prune` would remove, from read-only files; rows are counted, which may take seconds.

    Raises like `reading`, or OSError.
    """
    cutoffs = cutoffs_of(keep, now_us)
    tapes = old_tapes(directory, cutoffs.tape_day)
    cutoffs = needed_by([one for one in tape_files(directory) if one not in tapes], cutoffs)
    with reading(directory / MAIN_FILE, "main") as raw:
        rows = {name: count for name, count in pruning.outlook(raw, cutoffs).items() if count}
    return _pruned(rows, tapes, keep, now_us)


def needed_by(left: Sequence[TapeFiles], cutoffs: Cutoffs) -> Cutoffs:
    """The same, and no rules go while a tape from before its cutoff is left: the newest, or the one being written."""
    return cutoffs._replace(tape=0) if any(one.day < cutoffs.tape_day for one in left) else cutoffs


def make_anew(raw: sqlite3.Connection) -> None:
    """Write a main.db of before, that cannot give pages back, anew; it takes a while, and nobody else may write."""
    (mode,) = raw.execute("PRAGMA auto_vacuum").fetchone()
    if not mode:
        raw.execute("VACUUM")


def _vacuum(raw: sqlite3.Connection) -> bool:
    """Give some free pages back; whether there are more to give."""
    (free,) = raw.execute("PRAGMA freelist_count").fetchone()
    (mode,) = raw.execute("PRAGMA auto_vacuum").fetchone()
    if not mode or free <= SLACK_PAGES:
        return False
    raw.execute(f"PRAGMA incremental_vacuum({min(VACUUM_PAGES, free - SLACK_PAGES)})").fetchall()
    return True


def _pruned(rows: Mapping[str, int], tapes: Sequence[TapeFiles], keep: KeepSettings, now_us: int) -> Pruned:
    begins = {name: getattr(cutoffs_of(keep, now_us), name) for name in KeepSettings.model_fields}
    return Pruned(
        dict(rows), tuple(one.day for one in tapes), sum(one.size for one in tapes),
        {name: iso(begin_us) for name, begin_us in begins.items() if begin_us},
    )  # fmt: skip


def _dashed(day: str) -> str:
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if day else ""
