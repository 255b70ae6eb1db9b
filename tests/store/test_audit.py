"""Notes for the audit: stored in batches, held while the disk is full, counted when there are too many."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.alerts.fakes import HastyClock
from tests.store.makers import FRIDAY_US
from tests.store.waiting import until
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import TransientError
from tradeassistd.store import audit, queries
from tradeassistd.store.audit import AuditLog
from tradeassistd.store.writer import Store

T = TypeVar("T")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path, clock=ManualClock(FRIDAY_US))
    yield opened
    await opened.close()


class Full:
    """A store whose disk is full for so many transactions."""

    def __init__(self, store: Store, failures: int) -> None:
        self.failures, self.transactions = failures, 0
        self._store = store

    async def transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        self.transactions += 1
        if self.transactions <= self.failures:
            raise TransientError("main.db: database or disk is full")
        return await self._store.transaction(work)


async def test_notes_are_stored_together_oldest_first_and_found_by_kind_and_time(store: Store, tmp_path: Path) -> None:
    clock, counted = ManualClock(FRIDAY_US), Full(store, 0)
    log = AuditLog(counted, clock, 0)
    for number in range(audit.NOTES_AT_ONCE_MAX + 5):
        clock.advance(FRIDAY_US + number)
        log.note("rest" if number % 2 else "db.export", {"number": number})
    await log.flush()
    assert counted.transactions == 2
    newest = queries.audit(tmp_path, 2)
    assert [(at_us - FRIDAY_US, kind, body) for at_us, kind, body in newest] == [
        (1004, "db.export", {"number": 1004}), (1003, "rest", {"number": 1003}),
    ]  # fmt: skip
    found = queries.audit(tmp_path, 10, kinds=["db.*"], since_us=FRIDAY_US + 3, until_us=FRIDAY_US + 8)
    assert [body["number"] for _, _, body in found] == [8, 6, 4]
    assert queries.audit(tmp_path, 10, kinds=["db"]) == []
    await log.flush()
    assert counted.transactions == 2, "nothing new: no transaction"


async def test_a_full_disk_delays_notes_and_loses_none(store: Store, tmp_path: Path) -> None:
    full, clock = Full(store, 3), HastyClock(FRIDAY_US)
    log = AuditLog(full, clock, 0)
    running = asyncio.create_task(log.run())
    log.note("rest", {"path": "/quotes"})
    await until(lambda: queries.audit(tmp_path))
    log.note("rest", {"path": "/later"})
    await until(lambda: len(queries.audit(tmp_path)) == 2)
    running.cancel()
    assert full.transactions == 5
    assert clock.elapsed_s() >= 3 * audit.RETRY_AFTER_S


async def test_what_there_is_no_room_for_is_counted(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "NOTES_WAITING_MAX", 3)
    log = AuditLog(store, ManualClock(FRIDAY_US), 0)
    for number in range(5):
        log.note("rest", {"number": number})
    await log.flush()
    assert [(kind, body) for _, kind, body in queries.audit(tmp_path)] == [
        (audit.LEFT_OUT, {"notes": 2}), *(("rest", {"number": number}) for number in (2, 1, 0)),
    ]  # fmt: skip


async def test_a_note_from_before_the_markets_time_is_known_gets_it_when_it_is_stored(
    store: Store, tmp_path: Path
) -> None:
    clock = ManualClock(0)
    log = AuditLog(store, clock, 0)
    log.note("rest", {})
    clock.advance(FRIDAY_US)
    await log.flush()
    later = AuditLog(store, ManualClock(0), FRIDAY_US + 7)
    later.note("rest", {})
    await later.flush()
    assert [at_us - FRIDAY_US for at_us, _, _ in queries.audit(tmp_path)] == [7, 0]
