"""What the CLI asks: beside a running daemon, without one, and quick to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.makers import FRIDAY_US, a_decision, a_tick, a_transition
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import FatalError
from tradeassistd.store import queries
from tradeassistd.store.records import Alert, Decided
from tradeassistd.store.writer import Store

DAY_US = 86_400_000_000


async def test_questions_are_answered_while_the_daemon_writes_and_after_it(tmp_path: Path) -> None:
    store = await Store.open(tmp_path, clock=ManualClock())
    decided = a_decision(FRIDAY_US, "slack")
    await store.commit(decided, [])
    await store.save_status({"feed": "live", "ticks": 12})
    await store.note_audit(FRIDAY_US, "rules", {"added": ["a"]})
    store.record(a_tick(FRIDAY_US + 1))
    await store.flush()

    def answers() -> list[object]:
        return [
            queries.status(tmp_path), queries.alerts(tmp_path), queries.last_quotes(tmp_path),
            queries.audit(tmp_path), queries.delivery_counts(tmp_path),
        ]  # fmt: skip

    while_running = answers()
    assert while_running == [
        {"feed": "live", "ticks": 12},
        [queries.StoredAlert(decided.alerts[0], decided.deliveries)],
        {"/ES": a_tick(FRIDAY_US + 1)},
        [(FRIDAY_US, "rules", {"added": ["a"]})],
        {"slack": {"pending": 1}},
    ]
    await store.close()
    assert answers() == while_running


async def test_a_reader_does_not_stop_the_writer_nor_see_half(tmp_path: Path) -> None:
    store = await Store.open(tmp_path, clock=ManualClock())
    sent = [a_tick(FRIDAY_US + number) for number in range(6_000)]
    for tick in sent[:3_000]:
        store.record(tick)
    await store.flush()
    assert store.tape.path is not None
    reading = queries.read_tape(store.tape.path)
    read = [next(reading)]
    for tick in sent[3_000:]:
        store.record(tick)
    await store.flush()
    read += reading
    assert read == sent[:3_000]
    assert list(queries.read_tape(store.tape.path)) == sent
    await store.close()


async def test_the_last_quote_is_looked_for_on_older_tapes(tmp_path: Path) -> None:
    store = await Store.open(tmp_path, clock=ManualClock())
    old, new = a_tick(FRIDAY_US - DAY_US, "SPY"), a_tick(FRIDAY_US)
    for tick in (a_tick(FRIDAY_US - DAY_US), old, new):
        store.record(tick)
    await store.close()
    assert queries.last_quotes(tmp_path) == {"/ES": new, "SPY": old}
    assert queries.last_quotes(tmp_path, ["SPY"]) == {"SPY": old}
    assert queries.last_quotes(tmp_path, ["QQQ"]) == {}


async def test_alerts_are_filtered_and_newest_first(tmp_path: Path) -> None:
    store = await Store.open(tmp_path, clock=ManualClock())
    for number, (rule, symbol, suppressed) in enumerate(
        [("a", "/ES", ""), ("b", "/ES", "cooldown"), ("a", "SPY", ""), ("a", "/ES", "")]
    ):
        told = a_transition(FRIDAY_US + number, rule, symbol, suppressed=suppressed)
        alert = Alert(told.alert_id, told, "warning", "title", "text", "hash")
        await store.commit(Decided(told.event_us, (told,), (alert,)), [])
    await store.close()

    def numbers(**filters: object) -> list[int]:
        found = queries.alerts(tmp_path, **filters)  # type: ignore[arg-type]
        return [item.alert.transition.event_us - FRIDAY_US for item in found]

    assert numbers() == [3, 2, 1, 0]
    assert numbers(limit=2) == [3, 2]
    assert numbers(rule="a", symbol="/ES") == [3, 0]
    assert numbers(include_suppressed=False) == [3, 2, 0]
    assert numbers(since_us=FRIDAY_US + 2) == [3, 2]


def test_without_a_database_the_answer_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="Start tradeassistd once"):
        queries.status(tmp_path)
    assert queries.last_quotes(tmp_path) == {}
    assert queries.daemon_running(tmp_path) is None


async def test_a_reader_cannot_write(tmp_path: Path) -> None:
    await (await Store.open(tmp_path, clock=ManualClock())).close()
    from tradeassistd.store.reading import reading

    with pytest.raises(FatalError, match="readonly"), reading(tmp_path / "main.db", "main") as raw:
        raw.execute("DELETE FROM meta")


def test_importing_the_queries_brings_nothing_heavy() -> None:
    script = "import sys, tradeassistd.store.queries; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"aiosqlite", "asyncio", "structlog", "apprise", "schwab", "pydantic", "fastapi"} & set(loaded)
