"""What is kept for a while only goes in time, in short steps, and nothing else does."""

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

from tests.store.aged import (
    DAY_US,
    a_bar,
    a_change,
    a_day_of_tape,
    a_rule_set,
    a_silence,
    ago,
    an_alert,
    check_whole,
    counts,
    fill,
)
from tests.store.makers import FRIDAY_US, a_decision, a_tick
from tests.store.waiting import until
from tradeassistd.base.clock import ManualClock, WallClock
from tradeassistd.base.config import KeepSettings, kept_instead
from tradeassistd.base.errors import TransientError
from tradeassistd.base.instant import iso
from tradeassistd.engine.transition import Kind, RuleState, State
from tradeassistd.market.bar import Stretch
from tradeassistd.market.session import trading_day
from tradeassistd.store import database, official, pruning, queries, retention
from tradeassistd.store.bars import select_stretches
from tradeassistd.store.directory import MAIN_FILE, tape_paths
from tradeassistd.store.official import Span, select_spans
from tradeassistd.store.records import Delivery, DeliveryState
from tradeassistd.store.retention import EVERY_S, FIRST_AFTER_S, Pruned, Retention, cutoffs_of, outlook
from tradeassistd.store.tape_files import old_tapes, unlink
from tradeassistd.store.tape_reading import read_tape
from tradeassistd.store.writer import Store

FOREVER = kept_instead(KeepSettings(), [f"{name}=forever" for name in KeepSettings.model_fields])
TEN_DAYS = kept_instead(KeepSettings(), [f"{name}=10d" for name in KeepSettings.model_fields])


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "state", clock=WallClock())
    yield opened
    await opened.close()


async def pruned(store: Store, keep: KeepSettings = TEN_DAYS, now_us: int = FRIDAY_US) -> Pruned:
    return await Retention(store, keep, WallClock()).prune(now_us=now_us)


async def test_everything_older_goes_and_nothing_that_is_younger(store: Store) -> None:
    await fill(store, [40, 20, 5, 1])
    for number, age in enumerate((40, 20), start=1):
        await a_silence(store, number, age)
    before, expected = counts(store.directory), outlook(store.directory, TEN_DAYS, FRIDAY_US)
    done = await pruned(store)
    after = counts(store.directory)
    assert done.tapes == ("20261012", "20261102")
    assert [path.name for path in tape_paths(store.directory)] == ["tape-20261119.db", "tape-20261116.db"]
    assert done.rows == {
        "spans": 12, "bars": 4, "official_bars": 6, "transitions": 4, "rules": 2, "audit": 4, "silences": 1,
    }  # fmt: skip
    assert {name: before[name] - after[name] for name in before if before[name] != after[name]} == {
        "watched": 2, "filled": 2, "gaps": 2, "backfilled": 6, "bars": 4, "official_bars": 6, "transitions": 4,
        "alerts": 2, "deliveries": 2, "rules": 2, "rule_texts": 1, "rule_sets": 1, "silences": 1,
        "audit": 4 - 1,  # and one that says what was removed
        "meta": -1,  # where the bars begin
    }  # fmt: skip
    check_whole(store.directory)
    # What `--dry-run` counts is what goes; spans and silences it leaves out.
    assert (expected.tapes, expected.tape_bytes, expected.before) == (done.tapes, done.tape_bytes, done.before)
    assert expected.rows == {name: count for name, count in done.rows.items() if name not in ("spans", "silences")}
    ((_, kind, body), *_) = queries.audit(store.directory, 1)
    assert (kind, body["rows"], body["tapes"]) == ("prune", done.rows, list(done.tapes))
    again = await pruned(store)
    assert (again.rows, again.tapes, counts(store.directory)) == ({}, (), after)  # and that is not noted


async def test_what_is_kept_for_ever_stays(store: Store) -> None:
    await fill(store, [4_000, 400, 1])
    before = counts(store.directory)
    done = await pruned(store, FOREVER)
    assert (done.rows, done.tapes, done.before, counts(store.directory)) == ({}, (), {}, before)
    assert len(tape_paths(store.directory)) == 3


@pytest.mark.parametrize(
    ("keep", "tables"),
    [
        ("tape=1d", set()),
        ("bars=1d", {"watched", "filled", "gaps", "bars", "official_bars", "backfilled"}),
        ("daily_bars=1d", {"official_bars", "backfilled"}),
        ("alerts=1d", {"alerts", "deliveries", "transitions"}),
        ("transitions=1d", {"transitions"}),
        ("audit=1d", {"audit"}),
        ("rules=1d", set()),  # tapes that are kept need them
    ],
)
async def test_each_span_is_about_its_own_tables(store: Store, keep: str, tables: set[str]) -> None:
    await fill(store, [20, 0])
    before = counts(store.directory)
    done = await pruned(store, kept_instead(FOREVER, [keep]))
    after = counts(store.directory)
    assert {name for name in before if after[name] < before[name]} == tables - {"audit"}
    assert bool(done.tapes) is (keep == "tape=1d")
    if keep == "audit=1d":
        assert done.rows == {"audit": 1}
    check_whole(store.directory)


async def test_daily_bars_outlive_the_minutes(store: Store) -> None:
    await fill(store, [800, 1])
    await pruned(store, KeepSettings())
    raw = sqlite3.connect(store.directory / MAIN_FILE)
    kept = raw.execute("SELECT interval, count(*) FROM official_bars GROUP BY 1 ORDER BY 1").fetchall()
    days = raw.execute("SELECT interval, count(*) FROM backfilled GROUP BY 1 ORDER BY 1").fetchall()
    raw.close()
    assert kept == days == [("1d", 2), ("1m", 1), ("5m", 1)]


async def test_a_span_that_goes_on_begins_where_the_bars_do(store: Store) -> None:
    """The engine will say again when it began; what was watched before the oldest bar is not known any more."""
    await store.save_bars([a_bar(ago(30)), a_bar(ago(2))], [Stretch("SPY", ago(30), 0)], FRIDAY_US)
    await pruned(store)
    begin_us = trading_day(ago(10))[1]
    expected = [Stretch("SPY", begin_us, FRIDAY_US)]
    assert await store.read(lambda raw: select_stretches(raw, "SPY")) == expected
    await store.save_bars([], [Stretch("SPY", ago(30), FRIDAY_US)], FRIDAY_US)
    assert await store.read(lambda raw: select_stretches(raw, "SPY")) == expected
    check_whole(store.directory)


async def test_a_span_that_schwab_has_told_begins_where_its_bars_do(store: Store) -> None:
    begin_us = trading_day(ago(10))[1]

    def tell(raw: sqlite3.Connection) -> None:
        official.insert_official(raw, [a_bar(ago(30)), a_bar(ago(2))], "rest", FRIDAY_US)
        official.insert_span(raw, Span("SPY", ago(30), ago(1)), "rest", FRIDAY_US)

    await store.transaction(tell)
    await pruned(store)
    assert await store.read(lambda raw: select_spans(raw, "SPY")) == [Span("SPY", begin_us, ago(1))]
    await store.transaction(tell)  # asked for again: it is whole again
    assert await store.read(lambda raw: select_spans(raw, "SPY")) == [Span("SPY", ago(30), ago(1))]
    check_whole(store.directory)


async def test_what_goes_on_stays_however_old(store: Store) -> None:
    old = ago(50)
    pending, carried = Delivery("", "slack"), Delivery("", "phone", DeliveryState.FOLDED)
    carrier = an_alert(old + 1, Delivery("", "phone", DeliveryState.RETRYING))
    carried.folded_into = carrier.alerts[0].id
    for decided in (
        an_alert(old, pending, Delivery("", "phone", DeliveryState.SENT)), carrier, an_alert(old + 2, carried),
        an_alert(old + 3, symbol="/NQ"), an_alert(old + 4, symbol="/YM"), an_alert(old + 5, symbol="/NQ"),
    ):  # fmt: skip
        await store.commit(decided, [])
    firing = RuleState("es-levels", "/NQ", 0, "f" * 16, State.FIRING, FRIDAY_US, since_us=old + 5, was_told=True)
    over = RuleState("es-levels", "/YM", 0, "f" * 16, State.OK, FRIDAY_US)
    await store.save_states([firing, over])
    await pruned(store)
    kept = [one.alert.transition.event_us - old for one in queries.alerts(store.directory)]
    assert sorted(kept) == [0, 1, 2, 5]
    assert await store.recipients([firing]) == {("es-levels", "/NQ", 0): {"slack": 0}}
    check_whole(store.directory)

    delivery = (await store.open_deliveries("slack"))[0][0]
    delivery.state = DeliveryState.SENT
    assert await store.mark(delivery)
    await pruned(store)
    assert sorted(one.alert.transition.event_us - old for one in queries.alerts(store.directory)) == [1, 2, 5]


async def test_rules_stay_while_a_tape_that_was_recorded_with_them_does(store: Store) -> None:
    for age in (100, 80, 40, 30):
        await store.save_rules(a_rule_set(f"of-{age}"), "", event_us=ago(age))
    await a_day_of_tape(store.directory, ago(35))  # of-40 was in force
    await a_day_of_tape(store.directory, ago(1))
    keep = kept_instead(KeepSettings(), ["tape=36d", "rules=1d"])
    await pruned(store, keep)
    assert await _sets(store) == ["of-30", "of-40"]
    await pruned(store, kept_instead(keep, ["tape=2d"]))
    assert await _sets(store) == ["of-30"]  # the accepted one is the oldest, too
    await store.save_rules(a_rule_set("newest"), "", event_us=ago(0.1))
    await pruned(store, kept_instead(keep, ["tape=1d"]))
    assert await _sets(store) == ["newest", "of-30"]  # for the day before
    check_whole(store.directory)


async def test_the_accepted_rules_stay_whatever_the_clock_said_when_they_were(store: Store) -> None:
    for age, name in ((100, "first"), (80, "second"), (90, "accepted")):  # it was set back before the third
        await store.save_rules(a_rule_set(name), "", event_us=ago(age))
    await pruned(store)
    assert await _sets(store) == ["accepted", "second"]
    assert await store.load_rule_texts() == a_rule_set("accepted").texts


async def _sets(store: Store) -> list[str]:
    return await store.read(lambda raw: [one for (one,) in raw.execute("SELECT hash FROM rule_sets ORDER BY 1")])


async def test_the_newest_tape_stays_however_old_and_so_do_its_rules(store: Store) -> None:
    for age in (90, 80, 70):
        await store.save_rules(a_rule_set(f"of-{age}"), "", event_us=ago(age))
    names = [await a_day_of_tape(store.directory, ago(age)) for age in (88, 75)]
    done = await pruned(store)
    assert [f"tape-{day}.db" for day in done.tapes] == names[:1]
    assert len(await _sets(store)) == 3


async def test_a_day_goes_with_all_that_is_beside_it_and_who_reads_it_reads_on(store: Store) -> None:
    old, new = [await a_day_of_tape(store.directory, ago(age), ticks=500) for age in (20, 1)]
    for beside in ("-wal", "-shm", ".before-0002", ".damaged-1", ".damaged-1-wal"):
        (store.directory / f"{old}{beside}").write_bytes(b"")
    (store.directory / "tape-notes.txt").write_text("mine")
    events = read_tape(store.directory / old)
    next(events)
    await pruned(store)
    assert sorted(path.name for path in store.directory.glob("tape-*")) == [new, "tape-notes.txt"]
    assert len(list(events)) == 499


async def test_the_tape_that_is_being_written_stays(store: Store) -> None:
    """A daemon that has been silent for weeks, and whose newest file is another's (the clock was wrong, say)."""
    store.record(a_tick(ago(30)))
    await store.flush()
    await a_day_of_tape(store.directory, ago(1))
    assert (await pruned(store)).tapes == ()
    store.record(a_tick(ago(30) + 1))
    await store.flush()
    assert store.tape.path is not None
    assert len(list(read_tape(store.tape.path))) == 2


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


async def test_a_busy_disk_puts_it_off_until_the_next_look(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock(FRIDAY_US)
    await fill(store, [20, 1])
    task = asyncio.create_task(Retention(_Breaking(store, 0), TEN_DAYS, _Hasty(clock)).run())  # type: ignore[arg-type]
    await until(lambda: clock.pauses_s)
    clock.pass_time(FIRST_AFTER_S)
    await until(lambda: clock.pauses_s and clock.pauses_s[0] > FIRST_AFTER_S)
    assert not task.done()
    assert "retention.put_off" in capsys.readouterr().out
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_cutoffs_are_begins_of_trading_days() -> None:
    cutoffs = cutoffs_of(kept_instead(KeepSettings(), ["tape=3d", "bars=1d"]), FRIDAY_US)
    assert iso(cutoffs.tape) == "2026-11-16T23:00:00.000000Z"  # 18:00 New York the evening before
    assert (cutoffs.tape_day, cutoffs.bars_day, cutoffs.daily_bars_day) == ("20261117", "2026-11-19", "")
    assert (cutoffs.alerts, cutoffs.daily_bars) == (0, 0)


def test_days_are_files_whatever_stands_beside_them(tmp_path: Path) -> None:
    for name in ("tape-20261119.db", "tape-20261118.db-wal", "tape-20261117.db.damaged-1", "tape-x.db", "main.db"):
        (tmp_path / name).write_bytes(b"12345")
    old = old_tapes(tmp_path, "20261119")
    assert [(one.day, one.size) for one in old] == [("20261117", 5), ("20261118", 5)]
    for one in old:
        unlink(one)
        unlink(one)  # somebody else was quicker
    assert old_tapes(tmp_path, "20991231") == []


async def test_changes_of_state_go_before_the_alerts_beside_them(store: Store) -> None:
    for age in (500, 300):
        await store.commit(an_alert(ago(age)), [])
        await store.commit(a_change(ago(age) + 1), [])
        await store.commit(an_alert(ago(age) + 2, kind=Kind.FIRED), [])
    await pruned(store, KeepSettings())
    left = [one.event_us - FRIDAY_US for one in queries.transitions(store.directory)]
    assert [round(us / DAY_US) for us in left] == [-500, -500, -300, -300, -300]
