"""Silences in main.db: written once, ended once, taken up while they last; files from before have none."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.store.makers import FRIDAY_US
from tradeassistd.base.clock import ManualClock
from tradeassistd.engine.silences import Silence, SilenceEnd
from tradeassistd.store import queries
from tradeassistd.store.migrations import SQL
from tradeassistd.store.records import Decided
from tradeassistd.store.silences import last_number, select_silences, write_silences
from tradeassistd.store.writer import Store

HOUR_US = 3_600_000_000
ONE = Silence(FRIDAY_US, FRIDAY_US + HOUR_US, ("es-*",), ("/ES", "/NQ"), (), "lunch", "ann", 1)
TWO = Silence(FRIDAY_US + 5, FRIDAY_US + 2 * HOUR_US, tags=("night",), number=2)

texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
globs = st.lists(texts, max_size=3).map(tuple)


def database(path: Path) -> sqlite3.Connection:
    raw = sqlite3.connect(path, isolation_level=None)
    for file in sorted((SQL / "main").glob("*.sql")):
        raw.executescript(file.read_text("utf-8"))
    return raw


def kinds(raw: sqlite3.Connection) -> list[str]:
    return [kind for (kind,) in raw.execute("SELECT kind FROM audit ORDER BY id")]


@given(globs, globs, globs, texts, texts)
def test_every_silence_comes_back_exactly(
    rules: tuple[str, ...], symbols: tuple[str, ...], tags: tuple[str, ...], reason: str, by: str
) -> None:
    raw = database(Path(":memory:"))
    silence = Silence(FRIDAY_US, FRIDAY_US + 1, rules, symbols, tags, reason, by, 7)
    write_silences(raw, [silence])
    assert select_silences(raw, FRIDAY_US) == (silence,)
    assert select_silences(raw, FRIDAY_US + 1) == ()
    raw.close()


def test_writing_again_changes_nothing_and_notes_nothing(tmp_path: Path) -> None:
    raw = database(tmp_path / "main.db")
    ended = SilenceEnd(FRIDAY_US + 9, 1, "bob")
    for _ in range(2):
        write_silences(raw, [ONE, TWO, ended])
        assert select_silences(raw, FRIDAY_US + 10) == (TWO,)
        assert kinds(raw) == ["silence", "silence", "silence.end"]
    write_silences(raw, [SilenceEnd(FRIDAY_US + 99, 1, "eve"), SilenceEnd(FRIDAY_US + 99, 8, "eve")])
    assert kinds(raw) == ["silence", "silence", "silence.end"]
    assert raw.execute("SELECT ended_us, ended_by FROM silences WHERE number = 1").fetchone() == (FRIDAY_US + 9, "bob")
    assert last_number(raw) == 2
    raw.close()


async def test_a_store_gives_what_is_in_force_and_the_last_number_after_a_restart(tmp_path: Path) -> None:
    clock = ManualClock(FRIDAY_US)
    store = await Store.open(tmp_path, clock=clock)
    assert (await store.load_silences(0), await store.last_silence()) == ((), 0)
    await store.commit(Decided(ONE.event_us, (), silences=(ONE,)), [])
    await store.commit(Decided(TWO.event_us, (), silences=(TWO,)), [])
    await store.close()
    store = await Store.open(tmp_path, clock=clock)
    assert await store.load_silences(FRIDAY_US + 6) == (ONE, TWO)
    assert await store.load_silences(ONE.until_us) == (TWO,)
    assert await store.last_silence() == 2
    assert await store.last_event_us() >= TWO.event_us
    await store.close()
    assert queries.silences(tmp_path, ONE.until_us) == (TWO,)
