"""What is stored is measured without touching it, and how long the disk lasts follows from that."""

from __future__ import annotations

import os
import sqlite3
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.store.aged import DAY_US, a_day_of_tape, ago, fill
from tests.store.makers import FRIDAY_US
from tradeassistd.base.amounts import DAY_S
from tradeassistd.base.clock import WallClock
from tradeassistd.base.errors import FatalError
from tradeassistd.store import sizes as sizes_module
from tradeassistd.store.directory import MAIN_FILE
from tradeassistd.store.forecast import DAYS_MAX, forecast
from tradeassistd.store.sizes import Sizes, TableSize, TapeSize, newest_event, sizes_of
from tradeassistd.store.writer import Store

MB = 2**20


@pytest.fixture
async def filled(tmp_path: Path) -> Path:
    store = await Store.open(tmp_path, clock=WallClock())
    await fill(store, [20, 5, 1])
    await store.close()
    return tmp_path


def files_in(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


async def test_everything_is_measured_and_nothing_touched(filled: Path) -> None:
    (filled / "main.db.before-0007").write_bytes(b"1234")
    (filled / "tape-20261119.db.damaged-1").write_bytes(b"12345678")
    before = files_in(filled)
    found = sizes_of(filled)
    assert files_in(filled) == before
    assert (found.newest_us, newest_event(filled)) == (ago(1) + 2, ago(1) + 2)
    assert found.main == before["main.db"] and found.main_free == 0
    assert found.others == {"daemon.lock": 1, "main.db.before-0007": 4}
    tables = {one.name: one for one in found.tables}
    bars = tables["bars"]
    assert (bars.rows, bars.oldest_us // DAY_US, bars.newest_us // DAY_US, bars.lately) == (
        6, ago(20) // DAY_US, ago(1) // DAY_US, 4,
    )  # fmt: skip
    assert (tables["meta"].oldest_us, tables["instruments"].rows, tables["alerts"].lately) == (0, 0, 2)
    assert sum(one.size or 0 for one in found.tables) <= found.main
    assert all(one.size for one in found.tables if one.rows)
    assert [(one.day, one.ticks, one.first_us, one.last_us, one.density) for one in found.tapes] == [
        (day, 3, ago(age), ago(age) + 2, "every")
        for day, age in (("20261102", 20), ("20261116", 5), ("20261119", 1))
    ]  # fmt: skip
    assert found.tapes[2].size == before["tape-20261119.db"] + 8
    assert found.tape == sum(one.size for one in found.tapes)


async def test_a_table_that_is_new_is_listed_too(filled: Path) -> None:
    raw = sqlite3.connect(filled / MAIN_FILE)
    raw.execute("CREATE TABLE of_tomorrow (number)")
    raw.commit()
    raw.close()
    assert TableSize("of_tomorrow", 0, 4096, 0, 0, 0) in sizes_of(filled).tables


async def test_without_dbstat_everything_else_is_known(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes_module, "_STAT", sizes_module._STAT.replace("dbstat", "no_dbstat"))
    tables = {one.name: one for one in sizes_of(filled).tables}
    assert (tables["bars"].size, tables["bars"].rows) == (None, 6)


async def test_tapes_that_cannot_be_read_still_count(filled: Path) -> None:
    (filled / "tape-20261102.db").write_bytes(os.urandom(10_000))
    (filled / "tape-20261116.db").rename(filled / "tape-20261116.db.damaged-1")
    (filled / "tape-20261120.db").write_bytes(b"")
    raw = sqlite3.connect(filled / "tape-20261119.db")
    raw.execute("DELETE FROM meta WHERE key = 'ticks'")  # as it was made until schema 6 of main.db
    raw.commit()
    raw.close()
    found = {one.day: one for one in sizes_of(filled).tapes}
    assert found["20261102"].size == 10_000 and "damaged" in found["20261102"].trouble
    assert "copy" in found["20261116"].trouble
    assert (found["20261119"].ticks, found["20261119"].last_us) == (None, ago(1) + 2)
    assert (found["20261120"].ticks, found["20261120"].last_us) == (0, 0)


def test_a_directory_without_a_store_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="there is no"):
        sizes_of(tmp_path)


async def test_a_tape_of_a_day_before_is_no_newer_than_what_main_db_has(filled: Path) -> None:
    await a_day_of_tape(filled, ago(0))
    assert newest_event(filled) == FRIDAY_US + 2


def a_tape(age_days: int, size: int, hours: float = 23) -> TapeSize:
    day = date(2026, 11, 20) - timedelta(days=age_days)
    last_us = ago(age_days)
    return TapeSize(f"{day:%Y%m%d}", size, 1, last_us - round(hours * 3_600_000_000), last_us, "every")


def some(*tapes: TapeSize, tables: tuple[TableSize, ...] = ()) -> Sizes:
    return Sizes("/state", FRIDAY_US, 0, 0, tables, tapes, {})


def test_growth_is_the_mean_of_the_finished_days() -> None:
    tapes = [a_tape(age, age * MB) for age in (9, 8, 7, 4, 3, 2, 1)]
    found = forecast(some(*tapes), 10**12, 30 * DAY_S)
    assert found.tape_a_day == (8 + 7 + 4 + 3 + 2) / 5 * MB  # today is not over
    assert found.tapes_level == pytest.approx(found.tape_a_day * 30 * 5 / 7)
    assert found.full_in_days is None


def test_the_first_day_is_projected_once_an_hour_of_it_is_there() -> None:
    assert forecast(some(a_tape(0, MB, hours=0.9)), 10**12, None).tape_a_day is None
    assert forecast(some(a_tape(0, MB, hours=2)), 10**12, None).tape_a_day == pytest.approx(MB * 23 / 2)
    assert forecast(some(), 10**12, None).tape_a_day is None


def test_kept_for_ever_the_disk_is_full_one_day() -> None:
    tapes = (a_tape(2, 7 * MB), a_tape(1, 7 * MB))
    found = forecast(some(*tapes), 100 * MB, None)  # 5 MB a day
    assert (found.full_in_days, found.tapes_level) == (21, None)


def test_what_goes_in_time_makes_room() -> None:
    tapes = (a_tape(2, 7 * MB), a_tape(1, 7 * MB))
    assert forecast(some(*tapes), 100 * MB, 10 * DAY_S).full_in_days is None
    assert forecast(some(*tapes), 34 * MB, 10 * DAY_S).full_in_days == 7  # 5 MB a day, and nothing goes before day 8
    assert forecast(some(*tapes), 36 * MB, 10 * DAY_S).full_in_days is None
    # A lot of old tapes leave soon: what is there counts as of its own age.
    week = [a_tape(age, 7 * MB) for age in (6, 5, 4, 3, 2, 1)]
    assert forecast(some(*week), 10 * MB, 10 * DAY_S).full_in_days == 3
    assert forecast(some(a_tape(9, 70 * MB), *week), 10 * MB, 10 * DAY_S).full_in_days is None


def test_main_db_grows_by_what_its_rows_take() -> None:
    lately = TableSize("bars", 1_000, 100_000, ago(100), FRIDAY_US, 70)
    young = TableSize("audit", 10, 10_000, ago(0.1), FRIDAY_US, 10)
    unknown = TableSize("alerts", 10, None, ago(5), FRIDAY_US, 10)
    found = forecast(some(a_tape(1, 0), a_tape(0, 0), tables=(lately, young, unknown)), 10**9, None)
    assert found.main_a_day == pytest.approx(100 * 10 + 10_000)
    assert found.full_in_days is None
    assert forecast(some(a_tape(1, 0), tables=(young,)), 10_000 * DAYS_MAX - 1, None).full_in_days == DAYS_MAX
