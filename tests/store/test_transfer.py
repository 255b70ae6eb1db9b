"""Export and import: the same rows back from every format, exact; what is there stays; nothing is told again."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.makers import DAY, FRIDAY_US, a_decision, a_tick
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import PermanentError
from tradeassistd.engine.events import ClockTurn
from tradeassistd.engine.rule import RuleSet
from tradeassistd.market.bar import Bar
from tradeassistd.market.tick import Tick
from tradeassistd.store import official, queries
from tradeassistd.store.offline import writing
from tradeassistd.store.transfer.files import Row, format_of, read_rows, write_rows
from tradeassistd.store.transfer.incoming import Taken, checked, put_rows, put_ticks
from tradeassistd.store.transfer.outgoing import rows_of
from tradeassistd.store.transfer.tables import ALERTS, BARS, RULES, SETTINGS, TABLES, TICKS, Selection, Table, Type
from tradeassistd.store.writer import Store

DAY_US, MINUTE_US = 86_400_000_000, 60_000_000
EVERYTHING = Selection()


def has_pyarrow() -> bool:
    """With CI set its absence is a failure: it is in the lock."""
    try:
        import pyarrow
    except ImportError:
        if os.environ.get("CI"):
            raise
        return False
    return pyarrow is not None


ENDINGS = [
    "csv", "csv.gz", "json", "json.gz", "jsonl", "ndjson.gz",
    pytest.param("parquet", marks=pytest.mark.skipif(not has_pyarrow(), reason="pyarrow is not installed")),
]  # fmt: skip


def bar(
    number: int, symbol: str = "/ES", interval: str = "1m", session: str = "always", close: int = 3_00390625
) -> Bar:
    start_us = FRIDAY_US + number * MINUTE_US
    return Bar(symbol, interval, session, start_us, start_us + MINUTE_US, 2_00000001, 4_00000000, 1, close, 10, 3)


@pytest.fixture
def directory(made: Path, tmp_path: Path) -> Path:
    """A store with some of everything, to do with as one likes."""
    return Path(shutil.copytree(made, tmp_path / "state"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")

    async def fill() -> None:
        store = await Store.open(folder, clock=ManualClock(FRIDAY_US))
        for number in range(50):
            store.record(a_tick(FRIDAY_US - DAY_US + number * 1_000, last=-37.63))
            store.record(
                Tick(FRIDAY_US + number * 1_000, "$TICK", -1, None, None, None, None, None, None, None, None, 0)
            )
        store.record(ClockTurn(FRIDAY_US + 60_000))
        for number in range(3):
            await store.commit(a_decision(FRIDAY_US + number * 1_000_000, "slack", "phone"), [])
        await store.save_bars([bar(0), bar(1), bar(0, "SPY", "5m", "rth")])
        told = [bar(2), bar(3), bar(3, "SPY")]
        await store.transaction(lambda raw: official.insert_official(raw, told, "rest", FRIDAY_US))
        for number, text in enumerate(("version: 1\nrules: []\n", 'version: 1 # "new", and\nrules: []\n')):
            rule_set = RuleSet((), f"hash{number}", (("a.yaml", text), ("b.yaml", "x: 'y'\r\n")))
            await store.save_rules(rule_set, "", event_us=FRIDAY_US + number)
        await store.close()

    asyncio.run(fill())
    return folder


def exported(directory: Path, table: Table, selection: Selection = EVERYTHING) -> list[Row]:
    return [*rows_of(directory, table, selection)]


def imported(directory: Path, table: Table, path: Path) -> Taken:
    rows = [one.row for one in checked(table, read_rows(path, table))]
    directory.mkdir(exist_ok=True)
    with writing(directory, FRIDAY_US) as transaction:
        taken: Taken = transaction(lambda raw: put_rows(raw, table, rows, FRIDAY_US))
    return taken


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("table", [ALERTS, BARS, TICKS, RULES], ids=lambda table: table.name)
def test_rows_come_back_exactly_from_every_format(table: Table, ending: str, directory: Path, tmp_path: Path) -> None:
    path, rows = tmp_path / f"x.{ending}", exported(directory, table)
    assert rows
    assert write_rows(path, table, rows) == len(rows)
    assert [one.row for one in read_rows(path, table)] == [tuple(plain(cell) for cell in row) for row in rows]
    assert path.stat().st_mode & 0o777 == 0o600


def plain(value: object) -> object:
    return json.loads(json.dumps(value)) if isinstance(value, list | tuple) else value


def test_prices_are_written_as_decimals_and_read_by_any_program(directory: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "bars.csv", BARS, exported(directory, BARS))
    first = (tmp_path / "bars.csv").read_text().splitlines()[1]
    assert first == (
        "/ES,1m,always,2026-11-20T14:30:00.000000Z,2026-11-20T14:31:00.000000Z,2.00000001,4,0.00000001,3.00390625,"
        "10,3,trades"
    )
    write_rows(tmp_path / "bars.json", BARS, exported(directory, BARS))
    assert json.loads((tmp_path / "bars.json").read_text())[0]["close"] == 3.00390625


@pytest.mark.skipif(not has_pyarrow(), reason="pyarrow is not installed")
def test_parquet_has_types_that_other_programs_know(directory: Path, tmp_path: Path) -> None:
    import pyarrow.parquet

    write_rows(tmp_path / "bars.parquet", BARS, exported(directory, BARS))
    table = pyarrow.parquet.read_table(tmp_path / "bars.parquet")
    types = {field.name: str(field.type) for field in table.schema}
    assert (types["close"], types["start"], types["volume"]) == ("decimal128(26, 8)", "timestamp[us, tz=UTC]", "int64")
    # What a program that knows only floats makes of it comes back as well, to eight decimals; its NaN is nothing.
    columns = {name: table.column(name) for name in ("symbol", "interval", "start")}
    prices = {name: [float(one) for one in table.column(name).to_pylist()] for name in ("open", "high", "low", "close")}
    made = pyarrow.table({**columns, **prices, "volume": [float("nan")] * table.num_rows})
    pyarrow.parquet.write_table(made, tmp_path / "floats.parquet")
    back = [one.row for one in read_rows(tmp_path / "floats.parquet", BARS)]
    assert [row[5:9] for row in back] == [row[5:9] for row in exported(directory, BARS)]
    assert {row[9] for row in back} == {0}


@pytest.mark.parametrize(
    ("table", "selection", "count"),
    [
        (BARS, Selection(symbols=frozenset({"SPY"})), 2), (BARS, Selection(interval="5m"), 1),
        (BARS, Selection(from_us=FRIDAY_US + MINUTE_US, until_us=FRIDAY_US + 3 * MINUTE_US), 2),
        (TICKS, Selection(symbols=frozenset({"$TICK"})), 50), (TICKS, Selection(from_us=FRIDAY_US), 50),
        (TICKS, Selection(until_us=FRIDAY_US - DAY_US + 10_000), 10),
        (ALERTS, Selection(from_us=FRIDAY_US + 1), 2), (ALERTS, Selection(symbols=frozenset({"SPY"})), 0),
        (RULES, Selection(), 2), (RULES, Selection(every_version=True), 4),
    ],
)  # fmt: skip
def test_only_what_is_asked_for(table: Table, selection: Selection, count: int, directory: Path) -> None:
    assert len(exported(directory, table, selection)) == count


@pytest.mark.parametrize("table", [ALERTS, BARS], ids=lambda table: table.name)
def test_an_import_adds_what_is_new_and_changes_nothing(table: Table, directory: Path, tmp_path: Path) -> None:
    path, rows = tmp_path / "x.jsonl", exported(directory, table)
    write_rows(path, table, rows)
    before = dump(directory)
    assert imported(directory, table, path) == Taken(0, len(rows))
    assert dump(directory) == before
    assert imported(tmp_path / "other", table, path) == Taken(len(rows), 0)
    assert imported(tmp_path / "other", table, path) == Taken(0, len(rows))


def dump(directory: Path) -> list[str]:
    raw = sqlite3.connect(directory / "main.db")
    try:
        return [*raw.iterdump()]
    finally:
        raw.close()


def test_a_bar_that_was_seen_is_not_rewritten_by_an_import(directory: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "x.csv", BARS, [
        ("/ES", "1m", "always", bar(n).start_us, bar(n).end_us, 9, 9, 9, 9, 1, 1, source)
        for n, source in ((0, "trades"), (2, "rest"), (3, "chart"), (9, "rest"))
    ])  # fmt: skip
    assert imported(directory, BARS, tmp_path / "x.csv") == Taken(1, 3)
    closes = {(row[0], row[3]): row[8] for row in exported(directory, BARS, Selection(interval="1m"))}
    assert closes[("/ES", bar(0).start_us)] == closes[("/ES", bar(2).start_us)] == 3_00390625
    assert closes[("/ES", bar(9).start_us)] == 9


def test_imported_alerts_are_told_to_nobody(directory: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "x.json", ALERTS, exported(directory, ALERTS))
    imported(tmp_path / "other", ALERTS, tmp_path / "x.json")

    async def still_open() -> int:
        store = await Store.open(tmp_path / "other", clock=ManualClock(FRIDAY_US))
        count = len(await store.open_deliveries())
        await store.close()
        return count

    assert asyncio.run(still_open()) == 0
    alerts = queries.alerts(tmp_path / "other")
    assert [one.alert for one in alerts] == [one.alert for one in queries.alerts(directory)]
    assert {(one.state.value, one.error) for alert in alerts for one in alert.deliveries} == {
        ("withdrawn", "imported while it was pending")
    }


def test_an_alert_at_an_event_time_that_is_taken_gets_a_place_behind(directory: Path, tmp_path: Path) -> None:
    rows = exported(directory, ALERTS)
    other = a_decision(FRIDAY_US, "slack").transitions[0]
    changed = dict(zip(ALERTS.names, rows[0], strict=True)) | {"rule": "another", "position": 0}
    changed["id"] = type(other)(**{name: getattr(other, name) for name in other.__struct_fields__} | {
        "rule_id": "another"}).alert_id  # fmt: skip
    write_rows(tmp_path / "x.jsonl", ALERTS, [tuple(changed.values())])
    assert imported(directory, ALERTS, tmp_path / "x.jsonl") == Taken(1, 0)
    assert [row[2:4] for row in exported(directory, ALERTS)][:2] == [(0, "es-levels"), (1, "another")]


GOOD = "symbol,interval,start,open,high,low,close"
ROW = "/ES,1m,2026-11-20T14:30:00Z,1,2,0.5,1.5"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("x.csv", "symbol,interval,start,open,high,low\n", "bars need a column close"),
        ("x.csv", f"{GOOD}\n{ROW}\n/ES,1m,2026-11-20T14:31:00Z,1,2,0.5\n", "x.csv:3: not as many cells"),
        ("x.csv", f"{GOOD}\n{ROW.replace('1.5', '1,5')}\n", "x.csv:2: not as many cells"),
        ("x.csv", f"{GOOD}\n{ROW.replace('1.5', 'NaN')}\n", "x.csv:2: close: 'NaN' is no price"),
        ("x.csv", f"{GOOD}\n{ROW.replace('1.5', '1.000000001')}\n", "x.csv:2: close"),
        ("x.csv", f"{GOOD}\n{ROW.replace('1.5', '')}\n", "x.csv:2: close is missing"),
        ("x.csv", f"{GOOD}\n{ROW.replace('1.5', '2.5')}\n", "x.csv:2: low, open, close and high"),
        ("x.csv", f"{GOOD}\n{ROW.replace('14:30:00Z', '14:30:00')}\n", "x.csv:2: start: .* is no instant"),
        ("x.csv", f"{GOOD}\n{ROW.replace('1m', '7m')}\n", "x.csv:2: interval: '7m' is none of"),
        ("x.csv", f"{GOOD},source\n{ROW},trades\n{ROW},mine\n", "x.csv:3: .*source one of"),
        ("x.json", '{"symbol": "/ES"}', "no JSON array"), ("x.json", "[1]", "x.json: row 1 is no JSON object"),
        ("x.jsonl", '{"symbol": "/ES"}\n', "x.jsonl:1: bars need"), ("x.jsonl", "{\n", "x.jsonl:1"),
        ("x.csv.gz", "not gzip", "cannot be read"), ("x.txt", "", "ending"), ("x.parquet.gz", "", "ending"),
        ("x.parquet", "not parquet", "no Parquet file|needs pyarrow"), ("nothing.csv", None, "cannot be read"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_named_with_its_row(
    name: str, text: str | None, says: str, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(PermanentError, match=says):
        imported(tmp_path / "state", BARS, tmp_path / name)
    assert not (tmp_path / "state" / "main.db").exists()


def test_an_alert_that_does_not_fit_its_id_is_refused(directory: Path, tmp_path: Path) -> None:
    cells = dict(zip(ALERTS.names, exported(directory, ALERTS)[0], strict=True))
    for change, says in (
        ({"symbol": "/NQ"}, "id: .* is not that of"), ({"kind": "oops"}, "oops"), ({"severity": "huge"}, "severity"),
        ({"deliveries": [{"channel": "x"}]}, "alert_id"),
    ):  # fmt: skip
        write_rows(tmp_path / "x.jsonl", ALERTS, [tuple((cells | change).values())])
        with pytest.raises(PermanentError, match=says):
            imported(directory, ALERTS, tmp_path / "x.jsonl")


def ticks_of(rows: list[Row], directory: Path, before_us: int = 0) -> list[tuple[str, str, int]]:
    directory.mkdir(exist_ok=True)
    found = put_ticks(directory, iter(rows), source="x.csv", before_us=before_us, now_us=FRIDAY_US + DAY_US)
    return [(one.day, one.outcome, one.ticks) for one in found]


def test_ticks_make_tapes_of_days_that_have_none(directory: Path, tmp_path: Path) -> None:
    rows, other = exported(directory, TICKS), tmp_path / "other"
    thursday = queries.tape_paths(directory)[1].name[5:13]
    assert ticks_of(rows, other) == [(thursday, "stored", 50), (DAY, "stored", 50)]
    assert ticks_of(rows, other) == [(thursday, "there", 50), (DAY, "there", 50)]
    assert exported(other, TICKS) == rows
    assert sorted(path.name for path in other.iterdir()) == [f"tape-{thursday}.db", f"tape-{DAY}.db"]
    assert {path.stat().st_mode & 0o777 for path in other.iterdir()} == {0o600}
    assert queries.last_quotes(other)["$TICK"].last == -1


def test_what_the_daemon_recorded_is_not_added_to(directory: Path) -> None:
    rows = exported(directory, TICKS)
    before = queries.tape_paths(directory)[1].read_bytes()
    extra = [(rows[0][0] - 1, *rows[0][1:]), *rows[:50]]
    assert [one[1] for one in ticks_of(extra, directory)] == ["refused"]
    assert [one[1] for one in ticks_of([(*rows[0][:2], 5, *rows[0][3:])], directory)] == ["refused"]
    assert queries.tape_paths(directory)[1].read_bytes() == before


def test_a_day_that_is_not_over_is_refused_and_leaves_nothing(directory: Path, tmp_path: Path) -> None:
    rows, other = exported(directory, TICKS), tmp_path / "other"
    assert [one[1] for one in ticks_of(rows, other, before_us=FRIDAY_US)] == ["stored", "refused"]
    assert len([*other.iterdir()]) == 1
    with pytest.raises(PermanentError, match="row 2: its time is not after"):
        ticks_of([rows[1], rows[0]], tmp_path / "third")
    assert [*(tmp_path / "third").iterdir()] == []


def test_a_file_that_cannot_be_finished_is_not_there(tmp_path: Path) -> None:
    def some() -> Iterator[Row]:
        yield ("a", 1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_rows(tmp_path / "x.csv", SETTINGS, some())
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(PermanentError, match="cannot be written"):
        write_rows(tmp_path / "nowhere" / "x.csv", SETTINGS, [])


def test_formats_are_known_by_their_endings() -> None:
    assert format_of(Path("a.CSV")) == (".csv", False) and format_of(Path("a.jsonl.gz")) == (".jsonl", True)
    assert format_of(Path("-"), "csv") == (".csv", False)
    for name, ending in (("-", ""), ("-", "parquet"), ("a", ""), ("a.gz", "")):
        with pytest.raises(PermanentError, match="ending"):
            format_of(Path(name), ending)
    assert [*TABLES] == ["alerts", "bars", "ticks", "rules", "settings"]


CELLS = {
    Type.TEXT: st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
    Type.WHOLE: st.integers(-(2**63), 2**63 - 1), Type.REAL: st.floats(allow_nan=False, allow_infinity=False),
    Type.BOOLEAN: st.booleans(), Type.PRICE: st.integers(-(2**63), 2**63 - 1),
    Type.INSTANT: st.integers(1, 4_000_000_000_000_000), Type.TREE: st.lists(st.text(st.characters(codec="utf-8"))),
}  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("table", [ALERTS, TICKS], ids=lambda table: table.name)
@settings(max_examples=12)
@given(st.data())
def test_any_row_comes_back(table: Table, ending: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
                            ) -> None:  # fmt: skip
    row = tuple(data.draw(CELLS[column.type]) for column in table.columns)
    path = tmp_path_factory.mktemp("x") / f"x.{ending}"
    write_rows(path, table, [row, row])
    assert [one.row for one in read_rows(path, table)] == [row, row]
