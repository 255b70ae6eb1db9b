"""What is kept for a while only goes in time, and nothing else does."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.store.aged import (
    DAY_US,
    FOREVER,
    TEN_DAYS,
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
    pruned,
)
from tests.store.makers import FRIDAY_US, a_tick
from tradeassistd.base.clock import WallClock
from tradeassistd.base.config import KeepSettings, kept_instead
from tradeassistd.base.instant import iso
from tradeassistd.engine.transition import Kind, RuleState, State
from tradeassistd.market.bar import Stretch
from tradeassistd.market.session import trading_day
from tradeassistd.store import official, queries
from tradeassistd.store.bars import select_stretches
from tradeassistd.store.directory import MAIN_FILE, tape_paths
from tradeassistd.store.official import Span, select_spans
from tradeassistd.store.records import Delivery, DeliveryState
from tradeassistd.store.retention import cutoffs_of, outlook
from tradeassistd.store.tape_files import old_tapes, unlink
from tradeassistd.store.tape_reading import read_tape
from tradeassistd.store.writer import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "state", clock=WallClock())
    yield opened
    await opened.close()


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
