"""Opening, migrating, transactions and the errors of a database file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import FatalError, TransientError
from tradeassistd.store.database import Database
from tradeassistd.store.migrations import SQL, migration_files

CLOCK = ManualClock(1_000_000)


async def opened(path: Path, migrations: Path | str = "main") -> Database:
    return await Database.open(path, clock=CLOCK, synchronous="FULL", migrations=migrations)


def steps(folder: Path, *statements: str) -> Path:
    folder.mkdir(exist_ok=True)
    for number, statement in enumerate(statements, start=1):
        (folder / f"{number:04d}_step.sql").write_text(statement)
    return folder


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def modes_in(folder: Path) -> dict[str, int]:
    return {file.name: mode_of(file) for file in folder.iterdir()}


async def test_files_are_private_even_where_the_file_was_not(tmp_path: Path) -> None:
    path = tmp_path / "main.db"
    path.touch(0o644)
    database = await opened(path)
    await database.transaction(lambda raw: raw.execute("INSERT INTO meta VALUES ('a', 'b')").rowcount)
    modes = modes_in(tmp_path)
    await database.close()
    assert modes == {"main.db": 0o600, "main.db-wal": 0o600, "main.db-shm": 0o600}


async def test_wal_full_sync_and_foreign_keys_are_on(tmp_path: Path) -> None:
    database = await opened(tmp_path / "main.db")
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    values = await database.read(lambda raw: [raw.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas])
    await database.close()
    assert values == ["wal", 2, 1, 5000]


async def test_every_table_of_the_design_is_there(tmp_path: Path) -> None:
    database = await opened(tmp_path / "main.db")
    rows = await database.read(
        lambda raw: raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    )
    await database.close()
    tables = "instruments bars gaps rules rule_states transitions alerts deliveries silences audit meta"
    assert set(tables.split()) <= {name for (name,) in rows}


async def test_a_migration_runs_once_and_after_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "main.db"
    folder = steps(tmp_path / "sql", "CREATE TABLE a (x); INSERT INTO a VALUES (1);")
    await (await opened(path, folder)).close()
    steps(folder, "CREATE TABLE a (x); INSERT INTO a VALUES (1);", "UPDATE a SET x = x + 1;")
    await (await opened(path, folder)).close()
    await (await opened(path, folder)).close()

    copy = tmp_path / "main.db.before-0002"
    with sqlite3.connect(path) as now, sqlite3.connect(copy) as before:
        assert now.execute("SELECT x FROM a").fetchall() == [(2,)]
        assert before.execute("SELECT x FROM a").fetchall() == [(1,)]
        assert now.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() == (2,)
    now.close()
    before.close()
    assert mode_of(copy) == 0o600


async def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "main.db"
    folder = steps(tmp_path / "sql", "CREATE TABLE a (x);")
    await (await opened(path, folder)).close()
    steps(folder, "CREATE TABLE a (x);", "CREATE TABLE b (x); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        await opened(path, folder)

    raw = sqlite3.connect(path)
    assert raw.execute("SELECT name FROM sqlite_master WHERE name = 'b'").fetchall() == []
    assert raw.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() == (1,)
    raw.close()


async def test_a_newer_schema_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "main.db"
    folder = steps(tmp_path / "sql", "CREATE TABLE a (x);", "CREATE TABLE b (x);")
    await (await opened(path, folder)).close()
    before = path.read_bytes()
    (folder / "0002_step.sql").unlink()
    with pytest.raises(FatalError, match=r"schema 2.*knows 1.*before-0002"):
        await opened(path, folder)
    assert path.read_bytes() == before


def test_a_missing_step_is_refused(tmp_path: Path) -> None:
    folder = steps(tmp_path / "sql", "SELECT 1;", "SELECT 2;")
    (folder / "0001_step.sql").unlink()
    with pytest.raises(FatalError, match="incomplete"):
        migration_files(folder)


def test_shipped_migrations_are_numbered_without_a_hole() -> None:
    assert migration_files(SQL / "main")
    assert migration_files(SQL / "tape")


async def test_an_exception_rolls_back_all_of_a_transaction(tmp_path: Path) -> None:
    database = await opened(tmp_path / "main.db")

    def half(raw: sqlite3.Connection) -> None:
        raw.execute("INSERT INTO meta VALUES ('half', 1)")
        raise LookupError("in the middle")

    with pytest.raises(LookupError):
        await database.transaction(half)
    rows = await database.read(lambda raw: raw.execute("SELECT * FROM meta WHERE key = 'half'").fetchall())
    await database.close()
    assert rows == []


async def test_a_full_disk_is_passing_and_says_what_to_do(tmp_path: Path) -> None:
    database = await opened(tmp_path / "main.db")
    await database.read(lambda raw: raw.execute("PRAGMA max_page_count = 40").fetchone())
    with pytest.raises(TransientError, match="full") as caught:
        await database.transaction(lambda raw: raw.execute("INSERT INTO meta VALUES ('big', zeroblob(1000000))"))
    assert "space" in caught.value.hint
    # Room again: the same connection goes on.
    await database.read(lambda raw: raw.execute("PRAGMA max_page_count = 100000").fetchone())
    await database.transaction(lambda raw: raw.execute("INSERT INTO meta VALUES ('big', zeroblob(1000000))").rowcount)
    await database.close()


async def test_a_locked_file_is_passing(tmp_path: Path) -> None:
    database = await opened(tmp_path / "main.db")
    await database.read(lambda raw: raw.execute("PRAGMA busy_timeout = 0").fetchone())
    other = sqlite3.connect(tmp_path / "main.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TransientError, match="locked"):
        await database.transaction(lambda raw: None)
    other.close()
    await database.close()


async def test_a_file_that_is_no_database_is_fatal(tmp_path: Path) -> None:
    path = tmp_path / "main.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(FatalError, match="not a database"):
        await opened(path)


async def test_a_mistake_of_the_program_is_not_dressed_up(tmp_path: Path) -> None:
    database = await opened(tmp_path / "main.db")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await database.transaction(lambda raw: raw.execute("SELECT * FROM nowhere"))
    await database.close()
