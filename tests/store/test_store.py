"""The store as the daemon uses it: decisions, states, bars, rules; one daemon per directory; kill -9."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.makers import FRIDAY_US, a_decision, a_tick, a_transition
from tests.store.test_tape_writer import impatient, locked
from tests.store.waiting import until
from tradeassistd.base.clock import ManualClock, WallClock
from tradeassistd.base.errors import FatalError
from tradeassistd.engine.events import ClockTurn, Gap
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.transition import STATE_KEPT_US, Kind, Operand, RuleState, State, Transition
from tradeassistd.market.bar import Bar
from tradeassistd.store import queries
from tradeassistd.store.directory import LOCK_FILE, MAIN_FILE, DirectoryLock
from tradeassistd.store.records import Alert, Decided, Delivery, DeliveryState
from tradeassistd.store.tape_reading import read_tape
from tradeassistd.store.writer import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "state", clock=ManualClock(FRIDAY_US))
    yield opened
    await opened.close()


async def reopened(store: Store) -> Store:
    await store.close()
    return await Store.open(store.directory, clock=ManualClock(FRIDAY_US))


async def test_a_decision_is_whole_after_a_restart(tmp_path: Path) -> None:
    store = await Store.open(tmp_path, clock=ManualClock())
    cleared = a_transition(FRIDAY_US, "other", kind=Kind.CLEARED, state=State.OK, value=None, price=None, operands=())
    told = a_decision(FRIDAY_US, "slack", "phone")
    decided = Decided(FRIDAY_US, (cleared, *told.transitions), told.alerts, told.deliveries)
    state = RuleState("es-levels", "/ES", 0, "f", State.FIRING, 1, 2, 3, True, [-1, 0, 1], told_price=520025000000)
    await store.commit(decided, [state])

    store = await reopened(store)
    assert await store.load_states() == (state,)
    assert [pair[0] for pair in await store.open_deliveries()] == sorted(told.deliveries, key=lambda d: d.channel)
    assert {alert for _, alert in await store.open_deliveries()} == set(told.alerts)
    assert queries.transitions(store.directory) == list(decided.transitions)
    await store.close()


texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
int64 = st.integers(-(2**63), 2**63 - 1)
transitions = st.builds(
    Transition, st.just(FRIDAY_US), texts, texts, st.integers(0, 9), texts, st.sampled_from(Kind),
    st.sampled_from(State), texts, st.none() | st.floats(allow_nan=False), texts, st.none() | int64, int64,
    st.booleans(),
    st.lists(st.builds(Operand, texts, *[st.none() | st.floats(allow_nan=False, allow_infinity=False)] * 2)).map(tuple),
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(transitions, unique=True, min_size=1, max_size=5), texts)
async def test_every_alert_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, told: list[Transition], text: str
) -> None:
    directory = tmp_path_factory.mktemp("store")
    store = await Store.open(directory, clock=ManualClock())
    alerts = tuple(Alert(f"id{number}", each, "notice", text, text, text, text) for number, each in enumerate(told))
    await store.commit(Decided(FRIDAY_US, tuple(told), alerts), [])
    assert queries.transitions(directory) == told
    assert {item.alert for item in queries.alerts(directory)} == set(alerts)
    await store.close()


async def test_committing_the_same_decision_again_changes_nothing(store: Store) -> None:
    decided = a_decision(FRIDAY_US, "slack")
    await store.commit(decided, [])
    ((delivery, _),) = await store.open_deliveries()
    assert await store.mark(msgspec.structs.replace(delivery, state=DeliveryState.SENT))
    await store.commit(decided, [])
    assert await store.open_deliveries() == []


async def test_a_settled_delivery_stays_settled(store: Store) -> None:
    await store.commit(a_decision(FRIDAY_US, "slack"), [])
    ((old_copy, _),) = await store.open_deliveries()
    sent = msgspec.structs.replace(old_copy, state=DeliveryState.SENT, attempts=1, settled_us=9)
    assert await store.mark(sent)
    assert not await store.mark(msgspec.structs.replace(old_copy, state=DeliveryState.SENDING))
    ((stored),) = queries.alerts(store.directory)
    assert stored.deliveries == (sent,)
    assert not await store.mark(Delivery("nobody", "slack"))


async def test_open_deliveries_come_most_severe_first_then_oldest(store: Store) -> None:
    for number, severity in enumerate(("info", "critical", "warning", "critical", "notice")):
        await store.commit(a_decision(FRIDAY_US + number, "slack", "phone", severity=severity), [])
    of_slack = await store.open_deliveries("slack")
    assert [(alert.severity, delivery.created_us - FRIDAY_US) for delivery, alert in of_slack] == [
        ("critical", 1), ("critical", 3), ("warning", 2), ("notice", 4), ("info", 0),
    ]  # fmt: skip
    assert [delivery.channel for delivery, _ in await store.open_deliveries(limit=3)] == ["phone", "slack", "phone"]


async def test_the_tape_up_to_the_event_is_there_when_commit_returns(store: Store) -> None:
    sent = [a_tick(FRIDAY_US + number) for number in range(3)]
    for tick in sent:
        store.record(tick)
    await store.commit(a_decision(FRIDAY_US + 2), [])
    assert store.tape.path is not None
    assert list(read_tape(store.tape.path)) == sent


async def test_a_tape_that_cannot_be_written_does_not_hold_up_an_alert(store: Store) -> None:
    path = await impatient(store.tape)
    with locked(path):
        store.record(a_tick(FRIDAY_US + 1))
        await store.commit(a_decision(FRIDAY_US + 1, "slack"), [])
        assert len(await store.open_deliveries()) == 1
        assert "locked" in store.status()["tape_error"]
    await store.flush()
    assert store.status()["tape_error"] == ""


async def test_commit_waits_for_a_flush_under_way(store: Store) -> None:
    for number in range(5_000):
        store.record(a_tick(FRIDAY_US + number))
    flushing = asyncio.create_task(store.flush())
    await asyncio.sleep(0)
    await store.commit(a_decision(FRIDAY_US + 5_000), [])
    assert store.tape.written == 5_000
    await flushing


async def test_bars_are_not_replaced(store: Store) -> None:
    bars = [Bar("/ES", "1m", "globex", minute * 60, minute * 60 + 60, 1, 3, 1, 2, 10, 4) for minute in range(5)]
    assert await store.save_bars(bars) == 5
    assert await store.save_bars([msgspec.structs.replace(bars[1], close=99), *bars]) == 0
    assert await store.load_bars("/ES", "1m", "globex", before_us=240, limit=3) == bars[1:4]
    assert queries.bars(store.directory, "/ES", "1m", "globex") == bars
    assert await store.load_bars("/ES", "5m", "globex", before_us=240, limit=3) == []


async def test_gaps_are_kept_by_symbol_and_only_grow(store: Store) -> None:
    await store.save_gaps([Gap(9, 1, 5, "wire", ("/ES", "SPY")), Gap(9, 2, 3, "all")])
    await store.save_gaps([Gap(12, 1, 8, "wire", ("/ES",)), Gap(12, 1, 2, "wire", ("SPY",))])
    assert await store.load_gaps(since_us=4) == [Gap(9, 1, 8, "wire", ("/ES",)), Gap(9, 1, 5, "wire", ("SPY",))]
    assert len(await store.load_gaps(since_us=0)) == 3


async def test_the_rules_accepted_last_are_the_ones_loaded(store: Store) -> None:
    one = RuleSet((), "hash1", (("a.yaml", "rules: [1]"), ("b.yaml", "")))
    two = RuleSet((), "hash2", (("a.yaml", "rules: [2]"),))
    assert await store.load_rule_texts() == ()
    for number, rule_set in enumerate((one, two, one)):
        await store.save_rules(rule_set, "commit", event_us=FRIDAY_US + number)
    assert await store.load_rule_texts() == one.texts
    assert await store.load_rule_texts("hash2") == queries.rule_texts(store.directory, "hash2") == two.texts
    await store.save_rules(RuleSet((), "empty"), "", event_us=FRIDAY_US + 3)
    assert await store.load_rule_texts() == ()


async def test_rule_sets_share_the_texts_they_have_in_common(store: Store) -> None:
    files = {f"{number:03}.yaml": f"rules: [{number}]" for number in range(200)}
    for edit in range(20):  # one file edited again and again, in turns with a text it had before
        files["007.yaml"] = f"rules: [edited {edit % 10}]"
        files[f"renamed-{edit}.yaml"] = "rules: [under many names]"
        await store.save_rules(RuleSet((), f"hash{edit}", tuple(sorted(files.items()))), "", event_us=edit)
        assert dict(await store.load_rule_texts()) == files
    assert dict(await store.load_rule_texts("hash3"))["007.yaml"] == "rules: [edited 3]"
    with sqlite3.connect(store.directory / MAIN_FILE) as raw:
        assert raw.execute("SELECT count(*), count(DISTINCT text) FROM rule_texts").fetchone() == (210, 210)
    raw.close()


async def test_states_are_replaced_and_one_of_another_condition_stays_beside(store: Store) -> None:
    first, second = RuleState("r", "/ES", 0, "f"), RuleState("r", "/ES", 1, "f")
    await store.save_states([first, second])
    firing, other = RuleState("r", "/ES", 1, "f", State.FIRING), RuleState("r", "/ES", 1, "g")
    await store.save_states([firing, other])
    assert await store.load_states() == (first, firing, other)


@pytest.mark.parametrize("what", ["states", "gaps"])
async def test_nothing_is_stored_of_an_event_that_is_not_on_the_tape(store: Store, what: str) -> None:
    """A start takes the last event stored for the last one seen: a row between that and the tape's end would be lost
    without a gap."""
    store.record(a_tick(FRIDAY_US))
    store.record(ClockTurn(FRIDAY_US + 5))
    if what == "states":
        await store.save_states([RuleState("r", "/ES", 0, "f", judged_us=FRIDAY_US + 5)], FRIDAY_US + 5)
    else:
        await store.save_gaps([Gap(FRIDAY_US + 5, FRIDAY_US - 9, FRIDAY_US + 5, "reset")])
    (tape,) = queries.tape_paths(store.directory)
    assert [event.event_us for event in queries.read_tape(tape)] == [FRIDAY_US, FRIDAY_US + 5]
    assert await store.last_event_us() == FRIDAY_US + 5


async def test_the_tape_ends_where_it_ends_whatever_else_is_stored(store: Store) -> None:
    assert await store.known_until() == (0, {})
    store.record(a_tick(FRIDAY_US))
    await store.flush()
    await store.note_audit(FRIDAY_US + 9, "note", {})
    assert (await store.known_until(), await store.last_event_us()) == ((FRIDAY_US, {}), FRIDAY_US + 9)


async def test_a_state_not_judged_for_ninety_days_is_not_taken_up_again(store: Store) -> None:
    old = RuleState("old", "/ES", 0, "f", judged_us=1)
    kept = RuleState("kept", "/ES", 0, "f", judged_us=2)
    new = RuleState("new", "/ES", 0, "f", judged_us=STATE_KEPT_US + 2)
    await store.save_states([old, kept, new])
    assert await store.load_states() == (kept, new)
    with sqlite3.connect(store.directory / MAIN_FILE) as raw:  # and it is gone from the file
        assert [name for (name,) in raw.execute("SELECT rule_id FROM rule_states ORDER BY 1")] == ["kept", "new"]
    raw.close()
    assert queries.rule_states(store.directory) == await store.load_states()


async def test_the_last_event_time_is_the_greatest_anywhere(tmp_path: Path) -> None:
    store = await Store.open(tmp_path, clock=ManualClock())
    assert await store.last_event_us() == 0
    await store.commit(a_decision(FRIDAY_US), [])
    assert await store.last_event_us() == FRIDAY_US
    store.record(a_tick(FRIDAY_US + 5, "SPY"))
    store.record(ClockTurn(FRIDAY_US + 3))
    store = await reopened(store)
    assert await store.last_event_us() == FRIDAY_US + 5
    await store.note_audit(FRIDAY_US + 7, "login", {"by": "operator"})
    assert await store.last_event_us() == FRIDAY_US + 7
    (tmp_path / "tape-20270101.db").touch()  # the daemon died while it created the next file
    assert await store.last_event_us() == FRIDAY_US + 7
    await store.close()


async def test_a_second_daemon_is_refused_and_told_who_holds_it(store: Store) -> None:
    with pytest.raises(FatalError, match=rf"process id {os.getpid()}.*kill"):
        await Store.open(store.directory, clock=WallClock())
    assert queries.daemon_running(store.directory) == os.getpid()


async def test_a_closed_store_lets_the_next_one_in(tmp_path: Path) -> None:
    store = await Store.open(tmp_path, clock=ManualClock())
    await store.close()
    assert queries.daemon_running(tmp_path) is None
    await (await Store.open(tmp_path, clock=ManualClock())).close()


async def test_somebody_asking_for_an_instant_does_not_refuse_a_daemon(tmp_path: Path) -> None:
    clock = ManualClock()
    asking = DirectoryLock(tmp_path)
    assert asking.take()
    opening = asyncio.create_task(Store.open(tmp_path, clock=clock))
    await until(lambda: clock.pauses_s)
    asking.release()
    clock.pass_time(1)
    await (await opening).close()


async def test_a_failed_open_leaves_no_lock(tmp_path: Path) -> None:
    (tmp_path / "main.db").write_bytes(b"no database" * 500)
    with pytest.raises(FatalError):
        await Store.open(tmp_path, clock=ManualClock())
    assert queries.daemon_running(tmp_path) is None


async def test_a_decision_is_synced_to_the_disk(store: Store) -> None:
    assert await store._main.read(lambda raw: raw.execute("PRAGMA synchronous").fetchone()) == (2,)  # FULL


async def test_the_directory_and_every_file_are_private(store: Store) -> None:
    store.record(a_tick(FRIDAY_US))
    await store.flush()
    assert _modes(store.directory) == {0o600}
    assert store.directory.stat().st_mode & 0o777 == 0o700


def _modes(directory: Path) -> set[int]:
    assert (directory / LOCK_FILE).exists()
    return {file.stat().st_mode & 0o777 for file in directory.iterdir()}


_COMMITS_UNTIL_KILLED = """
import asyncio, sys
from pathlib import Path
from tests.store.makers import FRIDAY_US, a_decision, a_tick
from tradeassistd.base.clock import WallClock
from tradeassistd.store.writer import Store

async def main() -> None:
    store = await Store.open(Path(sys.argv[1]), clock=WallClock())
    for number in range(100_000):
        decided = a_decision(FRIDAY_US + number, "slack")
        store.record(a_tick(FRIDAY_US + number))
        await store.commit(decided, [])
        print(decided.alerts[0].id, flush=True)

asyncio.run(main())
"""


def _promised_before_the_kill(directory: Path) -> set[str]:
    """Ids of alerts whose commit had returned in a daemon that was then killed."""
    command = [sys.executable, "-c", _COMMITS_UNTIL_KILLED, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        promised = {child.stdout.readline().strip() for _ in range(50)}
        child.send_signal(signal.SIGKILL)
        promised |= {line.strip() for line in child.stdout if line.endswith("\n")}
    assert child.returncode == -signal.SIGKILL
    return promised


async def test_what_commit_returned_for_survives_kill_9(tmp_path: Path) -> None:
    promised = await asyncio.to_thread(_promised_before_the_kill, tmp_path)
    assert queries.daemon_running(tmp_path) is None
    store = await Store.open(tmp_path, clock=WallClock())
    stored = {alert.id: delivery.created_us for delivery, alert in await store.open_deliveries(limit=10**6)}
    assert promised <= stored.keys()
    (path,) = queries.tape_paths(tmp_path)
    on_tape = {event.event_us for event in read_tape(path)}
    assert {stored[alert_id] for alert_id in promised} <= on_tape
    await store.close()
