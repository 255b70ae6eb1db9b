"""The tape file: exact round trips, packed keys, order, day bounds, size."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.recorded import recorded
from tests.store.makers import DAY_BEGIN_US, FRIDAY_US, a_tick
from tradeassistd.base.clock import ManualClock
from tradeassistd.engine.events import Ack, ClockTurn, Connection, Event, Facts, Gap, RulesSwap, Start, Stop
from tradeassistd.engine.transition import RuleState, State
from tradeassistd.market.price import PRICE_SCALE, price_from_text
from tradeassistd.market.session import trading_day
from tradeassistd.market.tick import Field, Tick
from tradeassistd.store import tape_reading
from tradeassistd.store.tape import Tape
from tradeassistd.store.tape_reading import newest_event_us, newest_ticks, read_tape
from tradeassistd.store.tape_rows import AT_MASK, KEY_BITS, Entry, SymbolTable, event_of, fits_columns, tick_of

CLOCK = ManualClock(FRIDAY_US)

wide = st.integers(-(2**62), 2**62)
beyond = st.integers(-(2**80), 2**80)
prices = st.one_of(
    st.integers(-100_000, 100_000).map(lambda cents: cents * PRICE_SCALE // 100),
    st.builds(lambda number, places: number * 10 ** (8 - places), st.integers(-9_999, 9_999), st.integers(0, 8)),
    wide,
    st.sampled_from([0, 1, -1, PRICE_SCALE]),
)


def ticks(numbers: st.SearchStrategy[int], levels: st.SearchStrategy[int] = prices) -> st.SearchStrategy[Tick]:
    number, level = st.none() | numbers, st.none() | levels
    return st.builds(
        Tick, st.integers(DAY_BEGIN_US, DAY_BEGIN_US + 23 * 3_600_000_000), st.sampled_from(["/ES", "SPY", "$TICK"]),
        level, level, level, number, number, number, number, number, number, st.integers(0, 511),
    )  # fmt: skip


async def written(directory: Path, events: Sequence[Event]) -> Path:
    tape = await Tape.open(directory, events[0].event_us if events else FRIDAY_US, clock=CLOCK)
    assert await tape.write(events) == 0
    await tape.close()
    return tape.path


@given(st.lists(ticks(wide), max_size=20))
def test_rows_give_every_tick_back_exactly(sent: list[Tick]) -> None:
    table = SymbolTable()
    for tick in sent:
        row = table.row(tick, DAY_BEGIN_US)
        key = row[0]
        assert key is not None
        entry = next(entry for entry in table.unsaved if entry.id == key >> KEY_BITS)
        assert entry.symbol == tick.symbol
        assert key & AT_MASK == tick.event_us - DAY_BEGIN_US
        assert tick_of(entry.symbol, entry.unit, DAY_BEGIN_US, row) == tick


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(ticks(beyond, prices | beyond), unique_by=lambda tick: tick.event_us, max_size=30))
async def test_a_file_gives_every_tick_back_in_order_whatever_its_numbers(
    tmp_path_factory: pytest.TempPathFactory, sent: list[Tick]
) -> None:
    path = await written(tmp_path_factory.mktemp("tape"), sent)
    assert list(read_tape(path)) == sorted(sent, key=lambda tick: tick.event_us)


@given(beyond, wide)
def test_what_sqlite_cannot_hold_is_known_before(odd: int, even: int) -> None:
    raw = sqlite3.connect(":memory:")
    try:
        raw.execute("SELECT ?, ?", (odd, even))
        held = True
    except OverflowError:
        held = False
    finally:
        raw.close()
    assert fits_columns((odd, even, None)) is held


def test_a_price_with_more_decimals_opens_an_entry_and_the_symbol_stays_there() -> None:
    table = SymbolTable()
    for last in (5200.25, 5200.125, 5200.25, 5200.00390625):
        table.row(a_tick(FRIDAY_US, last=last), DAY_BEGIN_US)
    assert table.unsaved == [Entry(1, "/ES", 2), Entry(2, "/ES", 3), Entry(3, "/ES", 8)]


@pytest.mark.parametrize("field", ["last", "bid", "ask"])
def test_a_finer_price_in_one_field_alone_is_kept_exactly(field: str) -> None:
    table = SymbolTable()
    coarse = a_tick(FRIDAY_US)
    finer = msgspec.structs.replace(coarse, **{field: price_from_text("5200.125")})
    table.row(coarse, DAY_BEGIN_US)
    row = table.row(finer, DAY_BEGIN_US)
    assert tick_of("/ES", table.unsaved[-1].unit, DAY_BEGIN_US, row) == finer


async def test_a_tape_taken_up_again_goes_on_with_its_symbols(tmp_path: Path) -> None:
    first = [a_tick(FRIDAY_US, last=5200.125), a_tick(FRIDAY_US + 1, "SPY")]
    second = [a_tick(FRIDAY_US + 2, last=5200.25), a_tick(FRIDAY_US + 3, "QQQ")]
    path = await written(tmp_path, first)
    assert await written(tmp_path, second) == path
    assert list(read_tape(path)) == [*first, *second]
    raw = sqlite3.connect(path)
    assert raw.execute("SELECT id, symbol, decimals FROM symbols").fetchall() == [
        (1, "/ES", 3), (2, "SPY", 2), (3, "QQQ", 2),
    ]  # fmt: skip
    raw.close()


NOTES = [
    lambda at: Start(at, "hash", (RuleState("r", "/ES", 0, "f", State.FIRING, sides=[-1, 1]),)),
    lambda at: Connection(at, "live", "logged in"),
    lambda at: Gap(at, at - 5, at - 1, "the wire dropped", ("/ES", "SPY")),
    lambda at: Facts(at, "/ES", open=2**70, status="Normal", contract="/ESZ26"),
    lambda at: RulesSwap(at, "other"),
    lambda at: ClockTurn(at),
    lambda at: Facts(at, "SPY", year_high=2**70, year_low=-1),
    lambda at: Ack(at, "es-levels", "/ES", "ann"),
    lambda at: Ack(at, "es-levels"),
    lambda at: Stop(at),
    lambda at: a_tick(at),
    lambda at: a_tick(at, "SPY"),
]


def test_events_of_an_older_tape_are_read_with_what_they_lack_unknown() -> None:
    facts = '{"type":"facts","event_us":5,"symbol":"SPY","open":null,"high":7,"low":null,"prev_close":9,"status":""}'
    assert event_of("facts", facts) == Facts(5, "SPY", high=7, prev_close=9)
    state = '{"rule_id":"r","symbol":"/ES","level":0,"fingerprint":"f","state":"firing","told_us":3,"sides":[1]}'
    start = f'{{"type":"start","event_us":5,"rules_hash":"h","states":[{state}]}}'
    assert event_of("start", start) == Start(
        5, "h", (RuleState("r", "/ES", 0, "f", State.FIRING, told_us=3, sides=[1]),)
    )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 71 * 3_600_000_000), st.sampled_from(NOTES)), unique_by=lambda pair: pair[0]),
    st.data(),
)
async def test_all_events_come_back_merged_by_event_time(
    tmp_path_factory: pytest.TempPathFactory, plan: list[tuple[int, object]], data: st.DataObject
) -> None:
    monday, begin_us = trading_day(FRIDAY_US + 86_400_000_000)  # the longest: Friday evening to Monday evening
    sent: list[Event] = [make(begin_us + at) for at, make in plan]  # type: ignore[operator]
    ordered = sorted(sent, key=lambda event: event.event_us)
    tape = await Tape.open(tmp_path_factory.mktemp("tape"), begin_us, clock=CLOCK)
    assert tape.path.name == f"tape-{monday}.db"
    await tape.write(sent)
    await tape.close()
    assert list(read_tape(tape.path)) == ordered
    assert newest_event_us(tape.path) == max((event.event_us for event in sent), default=0)

    from_us = data.draw(st.integers(begin_us, begin_us + 10**11))
    until_us = data.draw(st.integers(begin_us, begin_us + 2 * 10**11))
    kept = [event for event in ordered if from_us <= event.event_us <= until_us]
    assert list(read_tape(tape.path, from_us=from_us, until_us=until_us)) == kept


async def test_reading_in_small_spans_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape_reading, "FIRST_SPAN_US", 64_000_000)
    monkeypatch.setattr(tape_reading, "SPAN_EVENTS_FEW", 3)
    monkeypatch.setattr(tape_reading, "SPAN_EVENTS_MANY", 20)
    sent = [a_tick(FRIDAY_US + step * step * 777, ("/ES", "SPY")[step % 2]) for step in range(2_000)]
    path = await written(tmp_path, sent)
    assert list(read_tape(path)) == sent


async def test_writing_the_same_batch_again_changes_nothing_and_is_counted(tmp_path: Path) -> None:
    sent: list[Event] = [a_tick(FRIDAY_US), ClockTurn(FRIDAY_US + 1), Stop(FRIDAY_US + 2)]
    tape = await Tape.open(tmp_path, FRIDAY_US, clock=CLOCK)
    assert await tape.write(sent) == 0
    assert await tape.write([*sent, a_tick(FRIDAY_US + 3)]) == 3
    await tape.close()
    assert list(read_tape(tape.path)) == [*sent, a_tick(FRIDAY_US + 3)]


async def test_a_tape_knows_where_its_day_ends(tmp_path: Path) -> None:
    for at_us in (FRIDAY_US, FRIDAY_US + 86_400_000_000, 1_772_900_000_000_000, 1_793_400_000_000_000):
        tape = await Tape.open(tmp_path, at_us, clock=CLOCK)
        day, begin_us = trading_day(at_us)
        assert (trading_day(tape.begin_us)[0], tape.begin_us) == (day, begin_us)
        assert trading_day(tape.end_us - 1)[0] == day
        assert trading_day(tape.end_us)[0] != day
        assert tape.holds(a_tick(at_us))
        assert not tape.holds(a_tick(tape.end_us))
        assert tape.end_us - tape.begin_us < 1 << KEY_BITS
        await tape.close()


async def test_the_newest_tick_is_found_over_all_entries_of_a_symbol(tmp_path: Path) -> None:
    sent = [a_tick(FRIDAY_US, last=1.5), a_tick(FRIDAY_US + 1, last=1.125), a_tick(FRIDAY_US + 2, "SPY")]
    path = await written(tmp_path, sent)
    assert newest_ticks(path) == {"/ES": sent[1], "SPY": sent[2]}
    assert newest_ticks(path, frozenset({"SPY", "QQQ"})) == {"SPY": sent[2]}


async def test_bytes_per_tick_of_a_recorded_session(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twelve symbols interleaved as they are live, each with a recorded day's trades and quotes around them."""
    sent = _twelve_symbols(recorded("ticks/SPY_20131007_trades_session.csv.gz"), 100_000)
    tape = await Tape.open(tmp_path, sent[0].event_us, clock=CLOCK)
    for start in range(0, len(sent), 1_000):
        await tape.write(sent[start : start + 1_000])
    await tape.close()
    assert list(read_tape(tape.path)) == sent
    per_tick, naive = tape.path.stat().st_size / len(sent), _naive_bytes(tmp_path / "naive.db", sent)
    with capsys.disabled():
        print(f"\ntape: {per_tick:.1f} bytes per tick, {per_tick / naive:.2f} of a plain text schema ({naive:.0f})")
    assert per_tick < 40
    assert per_tick < 0.27 * naive


def _twelve_symbols(path: Path, count: int) -> list[Tick]:
    with gzip.open(path, "rt") as lines:
        header = next(lines).strip().split(",")
        rows = [
            dict(zip(header, line.strip().split(","), strict=False))
            for line, _ in zip(lines, range(count), strict=False)
        ]
    price_column = next(name for name in header if "price" in name.lower())
    size_column = next(name for name in header if "size" in name.lower() or "vol" in name.lower())
    made, volume = [], dict.fromkeys(range(12), 1_000_000)
    for number in range(count):
        row, symbol = rows[number // 12 % len(rows)], number * 7 % 12
        price, size = price_from_text(row[price_column]), round(float(row[size_column]))
        event_us = FRIDAY_US + number * 10_007
        trade = number % 3 == 0
        volume[symbol] += size if trade else 0
        cent = PRICE_SCALE // 100
        made.append(
            Tick(
                event_us, f"SYM{symbol}", price, price - cent, price + cent * (number % 2), 3 + number % 20,
                2 + number % 30, volume[symbol], event_us // 1_000 - (55 if trade else 55 + number % 3_000),
                event_us // 1_000 - 48, size if trade else None,
                int(Field.LAST | Field.VOLUME | Field.TRADE if trade else Field.BID),
            )
        )  # fmt: skip
    return made


def _naive_bytes(path: Path, sent: list[Tick]) -> float:
    raw = sqlite3.connect(path)
    names = Tick.__struct_fields__
    raw.execute(f"CREATE TABLE ticks (id INTEGER PRIMARY KEY AUTOINCREMENT, {', '.join(names)})")
    raw.execute("CREATE INDEX by_symbol ON ticks (symbol, event_us)")
    rows = []
    for tick in sent:
        row = list(msgspec.structs.astuple(tick))
        for at in (0, 8, 9):
            unit = 1_000_000 if at == 0 else 1_000
            row[at] = f"2026-11-20T14:30:{row[at] / unit % 60:09.6f}+00:00" if row[at] is not None else None
        for at in (2, 3, 4):
            row[at] = None if row[at] is None else row[at] / PRICE_SCALE
        rows.append(row)
    raw.executemany(f"INSERT INTO ticks ({', '.join(names)}) VALUES (?{', ?' * 11})", rows)
    raw.commit()
    raw.close()
    return path.stat().st_size / len(sent)
