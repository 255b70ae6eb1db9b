"""What is kept for a while only goes in short steps: others get between, and any step may be the last."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.store.aged import DAY_US, TEN_DAYS, a_bar, a_day_of_tape, ago, check_whole, counts, fill, pruned
from tests.store.makers import FRIDAY_US, a_decision
from tests.store.waiting import until
from tradeassistd.base.clock import ManualClock, WallClock
from tradeassistd.base.config import KeepSettings
from tradeassistd.base.errors import TransientError
from tradeassistd.store import database, pruning, retention
from tradeassistd.store.directory import MAIN_FILE, tape_paths
from tradeassistd.store.retention import EVERY_S, FIRST_AFTER_S, Retention
from tradeassistd.store.writer import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "state", clock=WallClock())
    yield opened
    await opened.close()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 25), st.integers(1, 4))
async def test_a_removal_that_breaks_off_leaves_a_whole_store_and_the_next_one_ends_it(
    tmp_path_factory: pytest.TempPathFactory, steps: int, rows: int
) -> None:
    """Killed between any two steps: each step is a transaction, so this is what is found."""
    store = await Store.open(await _filled(tmp_path_factory), clock=WallClock())
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("ROWS_FIRST", "ROWS_LEAST", "ROWS_MOST"):
                patch.setattr(retention, name, rows)
            breaking = _Breaking(store, steps)
            with suppress(TransientError):  # broken off
                await Retention(breaking, TEN_DAYS, WallClock()).prune(now_us=FRIDAY_US)  # type: ignore[arg-type]
            check_whole(store.directory)
            await pruned(store)
        assert counts(store.directory)["bars"] == 2
        assert counts(store.directory)["alerts"] == 1
        check_whole(store.directory)
    finally:
        await store.close()


async def _filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a store of three ages, which is made once."""
    if not _made:
        store = await Store.open(tmp_path_factory.mktemp("made"), clock=WallClock())
        await fill(store, [30, 20, 5])
        await store.close()
        _made.append(store.directory)
    return shutil.copytree(_made[0], tmp_path_factory.mktemp("store"), dirs_exist_ok=True)


_made: list[Path] = []


class _Breaking:
    """A store whose disk is gone after some transactions."""

    def __init__(self, store: Store, left: int) -> None:
        self._store = store
        self._left = left

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def transaction(self, work: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise TransientError("the disk is gone")
        return await self._store.transaction(work)


async def test_an_alert_is_committed_between_two_steps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """No step is long, and whoever wants to commit comes next."""
    await store.save_bars([a_bar(ago(50) + 60_000_000 * number) for number in range(3_000)])
    monkeypatch.setattr(retention, "ROWS_MOST", 200)
    seen: list[int] = []

    def counted(raw: sqlite3.Connection, *arguments: Any) -> pruning.Step:
        step = pruning.bars(raw, *arguments)
        seen.append(step.removed)
        return step

    monkeypatch.setattr(pruning, "STEPS", {"bars": counted})
    task = asyncio.create_task(pruned(store))
    await until(lambda: seen)
    await store.commit(a_decision(FRIDAY_US, "slack"), [])
    assert not task.done() and len(seen) < 5
    assert (await task).rows == {"bars": 3_000}
    assert max(seen) <= 200


async def test_pages_are_given_back_to_the_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SLACK_PAGES", 16)
    await store.save_bars([a_bar(ago(50) + 60_000_000 * number) for number in range(15_000)])
    await _checkpointed(store)
    before = (store.directory / MAIN_FILE).stat().st_size
    await pruned(store)
    await _checkpointed(store)
    after = (store.directory / MAIN_FILE).stat().st_size
    assert after < before / 2
    check_whole(store.directory)


async def _checkpointed(store: Store) -> None:
    await store.read(lambda raw: raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())


@pytest.mark.parametrize("pages_max", [0, 50_000])
async def test_a_file_of_before_is_made_to_give_pages_back_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages_max: int
) -> None:
    """As it was made until schema 6; one that is large waits for a `db prune` without a daemon."""
    raw = sqlite3.connect(tmp_path / MAIN_FILE)
    raw.execute("CREATE TABLE other (number)")
    raw.commit()
    assert raw.execute("PRAGMA auto_vacuum").fetchone() == (0,)
    raw.close()
    monkeypatch.setattr(database, "MADE_ANEW_PAGES_MAX", pages_max)
    store = await Store.open(tmp_path, clock=WallClock())
    assert await store.read(lambda raw: raw.execute("PRAGMA auto_vacuum").fetchone()) == ((2,) if pages_max else (0,))
    assert not await store.transaction(retention._vacuum)
    await store.read(retention.make_anew)
    assert await store.read(lambda raw: raw.execute("PRAGMA auto_vacuum").fetchone()) == (2,)
    await store.close()


async def test_it_looks_by_itself_and_a_leap_of_the_clock_costs_days_not_years(store: Store) -> None:
    clock = ManualClock(FRIDAY_US)
    for age in (40, 30, 29, 20, 1):
        await a_day_of_tape(store.directory, ago(age))

    def left() -> int:
        return len(tape_paths(store.directory))

    task = asyncio.create_task(Retention(store, KeepSettings(), _Hasty(clock)).run())
    await until(lambda: clock.pauses_s)
    assert left() == 5  # a start has more urgent things to do
    clock.pass_time(FIRST_AFTER_S)
    await until(lambda: clock.pauses_s)
    assert left() == 4
    clock.advance(FRIDAY_US + 3_650 * DAY_US)  # somebody set the clock ten years ahead
    await _next_look(clock)
    assert left() == 3  # a day went by, as far as this knows
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    # Set right again, with the store taken up: what counts as now is what the clock says.
    task = asyncio.create_task(Retention(store, KeepSettings(), _Hasty(back := ManualClock(FRIDAY_US))).run())
    await until(lambda: back.pauses_s)
    back.pass_time(FIRST_AFTER_S)
    await _next_look(back)
    assert left() == 3
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class _Hasty(WallClock):
    """The times of another clock; only the waits of an hour and of the start are real, those between steps are not."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def now_us(self) -> int:
        return self._clock.now_us()

    async def pause(self, seconds: float) -> None:
        if seconds >= FIRST_AFTER_S:
            await self._clock.pause(seconds)


async def _next_look(clock: ManualClock) -> None:
    """Let the hour to the next look pass, and wait until it is over."""
    await until(lambda: clock.pauses_s)
    clock.pass_time(EVERY_S)
    await until(lambda: clock.pauses_s)


async def test_a_market_without_a_time_yet_prunes_nothing(store: Store) -> None:
    await a_day_of_tape(store.directory, ago(4_000))
    await a_day_of_tape(store.directory, ago(3_999))
    clock = ManualClock()
    task = asyncio.create_task(Retention(store, KeepSettings(), clock).run())
    await until(lambda: clock.pauses_s)
    clock.pass_time(FIRST_AFTER_S)
    await until(lambda: clock.pauses_s and clock.pauses_s[0] > FIRST_AFTER_S)
    assert len(tape_paths(store.directory)) == 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await Retention(store, KeepSettings(), clock).prune()).tapes == ()


async def test_a_busy_disk_puts_it_off_until_the_next_look(store: Store) -> None:
    clock = ManualClock(FRIDAY_US)
    await fill(store, [20, 1])
    task = asyncio.create_task(Retention(_Breaking(store, 0), TEN_DAYS, _Hasty(clock)).run())  # type: ignore[arg-type]
    await until(lambda: clock.pauses_s)
    with capture_logs() as logs:
        clock.pass_time(FIRST_AFTER_S)
        await until(lambda: clock.pauses_s and clock.pauses_s[0] > FIRST_AFTER_S)
    assert not task.done()
    assert "retention.put_off" in [line["event"] for line in logs]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
