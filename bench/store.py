"""The store: bytes and CPU per tick against a plain schema, queries at one and at ten million ticks, alert commits."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median

from bench.latency import bare_commits
from bench.market import START_US, SYMBOLS, start_price
from bench.measure import alternating, percentile, ratio
from bench.result import Goal, Row, Run, judged, shown
from tradeassistd.base.clock import MarketClock, WallClock
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.transition import Kind, Operand, RuleState, State, Transition
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.market.session import trading_day
from tradeassistd.market.tick import Field, Tick
from tradeassistd.store import queries
from tradeassistd.store.directory import make_directory
from tradeassistd.store.reading import reading
from tradeassistd.store.records import Alert, Decided, Delivery
from tradeassistd.store.tape import Tape
from tradeassistd.store.tape_rows import AT_MASK, KEY_BITS
from tradeassistd.store.writer import Store

PART = "store"
BATCH = 1_000
TICKS_PER_S = 120
"""Over all symbols, so that ten million fill a trading day of 23 hours."""
DAY, DAY_BEGIN_US = trading_day(START_US)
FIVE_MINUTES_US = 300 * US_PER_S
QUERY_WITHIN_MS = 50.0
CHANNELS = ("slack", "desktop", "sound")
SEED = 7

# What one would write first: names and times as text, a number for each row, an index over symbol and time.
_NAIVE = """
    CREATE TABLE ticks (
        id INTEGER PRIMARY KEY AUTOINCREMENT, symbol TEXT, event_time TEXT, last REAL, bid REAL, ask REAL,
        bid_size INTEGER, ask_size INTEGER, volume INTEGER, trade_time TEXT, quote_time TEXT, size INTEGER,
        changed INTEGER
    );
    CREATE INDEX ticks_by_symbol ON ticks (symbol, event_time);
"""
_NAIVE_INSERT = (
    "INSERT INTO ticks (symbol, event_time, last, bid, ask, bid_size, ask_size, volume, trade_time, quote_time, size, "
    f"changed) VALUES (?{', ?' * 11})"
)


def run(run: Run) -> list[Row]:
    """The rows."""
    return [*_writing(run), *asyncio.run(_queries(run)), *asyncio.run(_commits(run))]


def made_ticks(count: int, first: int = 0) -> Iterator[Tick]:
    """Ticks of the twelve symbols in turn, prices wandering by their tick size."""
    chance = Random(SEED + first)
    steps = [chance.choice((-1, 0, 0, 1)) for _ in range(4_096)]
    makers = [(symbol, instrument_of(symbol), start_price(symbol)) for symbol in SYMBOLS]  # fmt: skip
    trade, quote = int(Field.LAST | Field.VOLUME | Field.TRADE), int(Field.BID | Field.ASK)
    walks = [0] * len(makers)
    for number in range(first, first + count):
        turn = number % len(makers)
        symbol, instrument, start = makers[turn]
        step = steps[number * 7 % 4_096]
        walks[turn] += step
        last, at_us = start + walks[turn] * instrument.tick_size, DAY_BEGIN_US + number * US_PER_S // TICKS_PER_S
        at_ms, size = at_us // 1_000 - 40 - number % 13, number % 5 + 1 if step else None
        if instrument.has_quote:
            yield Tick(at_us, symbol, last, last - instrument.tick_size, last, 10 + number % 90, 5 + number % 70,
                       100_000 + number // 4, at_ms, at_ms - 1, size, trade if step else quote)  # fmt: skip
        else:
            yield Tick(at_us, symbol, last, None, None, None, None, None, at_ms, None, 0, trade)


def _writing(run: Run) -> list[Row]:
    count = 20_000 if run.quick else 200_000
    run.say(f"writing {count:,} ticks, our tape and a plain schema in turn")
    ticks = list(made_ticks(count))
    folders = iter(range(1_000))
    candidates: dict[str, Callable[[], tuple[float, float]]] = {
        "tape": lambda: asyncio.run(_write_tape(run.folder / f"tape-{next(folders)}", ticks)),
        "naive": lambda: _write_naive(run.folder / f"naive-{next(folders)}.db", ticks),
    }
    found = alternating(1 if run.quick else 3, candidates)
    cpu = {name: [one[0] for one in results] for name, results in found.items()}
    size = {name: [one[1] for one in results] for name, results in found.items()}
    what = "ticks in batches of 1,000 against a TEXT schema with index"
    return [
        judged(PART, f"CPU of writing {what}", ratio(cpu["tape"], cpu["naive"]), Goal(0.5, "x"),
               f"{median(cpu['tape']):.2f} against {median(cpu['naive']):.2f} us per tick"),
        judged(PART, f"bytes of {what}", ratio(size["tape"], size["naive"]), Goal(0.27, "x"),
               f"{median(size['tape']):.1f} against {median(size['naive']):.1f} bytes per tick"),
    ]  # fmt: skip


async def _write_tape(folder: Path, ticks: list[Tick]) -> tuple[float, float]:
    """CPU microseconds and bytes of one tick."""
    make_directory(folder)
    tape = await Tape.open(folder, DAY_BEGIN_US, clock=MarketClock(DAY_BEGIN_US))
    begin_s = time.process_time()
    for first in range(0, len(ticks), BATCH):
        await tape.write(ticks[first : first + BATCH])
    spent_s = time.process_time() - begin_s
    await tape.close()
    return spent_s / len(ticks) * 1e6, tape.path.stat().st_size / len(ticks)


def _write_naive(path: Path, ticks: list[Tick]) -> tuple[float, float]:
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute("PRAGMA synchronous = NORMAL")
    raw.executescript(_NAIVE)
    begin_s = time.process_time()
    for first in range(0, len(ticks), BATCH):
        raw.execute("BEGIN")
        raw.executemany(_NAIVE_INSERT, map(_naive_row, ticks[first : first + BATCH]))
        raw.execute("COMMIT")
    spent_s = time.process_time() - begin_s
    raw.close()
    return spent_s / len(ticks) * 1e6, path.stat().st_size / len(ticks)


def _naive_row(tick: Tick) -> tuple[object, ...]:
    return (
        tick.symbol, _text(tick.event_us), _points(tick.last), _points(tick.bid), _points(tick.ask), tick.bid_size,
        tick.ask_size, tick.volume, None if tick.trade_ms is None else _text(tick.trade_ms * 1_000),
        None if tick.quote_ms is None else _text(tick.quote_ms * 1_000), tick.size, tick.changed,
    )  # fmt: skip


def _text(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat()


def _points(price: int | None) -> float | None:
    return None if price is None else price / PRICE_SCALE


async def _queries(run: Run) -> list[Row]:
    """One tape that grows; the same questions at every size, at random times of it."""
    sizes = (100_000,) if run.quick else (1_000_000, 10_000_000)
    folder = run.folder / "queried"
    make_directory(folder)
    rows: list[Row] = []
    found: dict[str, list[tuple[float, float]]] = {}
    tape, count = await Tape.open(folder, DAY_BEGIN_US, clock=MarketClock(DAY_BEGIN_US)), 0
    for size in sizes:
        run.say(f"a tape of {size:,} ticks")
        await _grow(tape, count, size)
        count = size
        run.say(f"queries at {size:,} ticks")
        for name, ask in _questions(folder, tape.path, size).items():
            waits_ms = _asked(ask, 20 if run.quick else 500)
            p50, p99 = percentile(waits_ms, 50), percentile(waits_ms, 99)
            found.setdefault(name, []).append((p50, p99))
            what, measured = f"{name} at {size:,} ticks, p50 / p99", f"{p50:.2f} / {p99:.2f} ms"
            goal = Goal(QUERY_WITHIN_MS, "ms")
            is_judged = size == sizes[-1] and not run.quick
            rows.append(Row(PART, what, measured, str(goal), goal.met_by(p99)) if is_judged
                        else Row(PART, what, measured))  # fmt: skip
    await tape.close()
    for name, values in found.items() if len(sizes) > 1 else ():
        grown = " / ".join(shown(last / first, "x") for first, last in zip(*values, strict=True))
        rows.append(Row(PART, f"{name}: {sizes[-1]:,} against {sizes[0]:,} ticks, p50 / p99", grown))
    return rows


async def _grow(tape: Tape, first: int, last: int) -> None:
    batch: list[Tick] = []
    for tick in made_ticks(last - first, first):
        batch.append(tick)
        if len(batch) == 5 * BATCH:
            await tape.write(batch)
            batch = []
    await tape.write(batch)


def _questions(folder: Path, path: Path, ticks: int) -> dict[str, Callable[[], object]]:
    """Each opens the files anew, as a command of the CLI does."""
    chance = Random(SEED)
    span_us = ticks * US_PER_S // TICKS_PER_S
    with reading(path, "tape") as raw:
        ids = [row[0] for row in raw.execute("SELECT id FROM symbols")]

    def last_hundred() -> object:
        base, at = chance.choice(ids) << KEY_BITS, chance.randrange(span_us // 10, span_us)
        query = "SELECT * FROM ticks WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 100"
        with reading(path, "tape") as raw:
            rows = raw.execute(query, (base, base | at)).fetchall()
        assert len(rows) == 100
        return rows

    def five_minutes() -> object:
        base, at = chance.choice(ids) << KEY_BITS, chance.randrange(span_us - FIVE_MINUTES_US)
        query = "SELECT * FROM ticks WHERE key BETWEEN ? AND ? ORDER BY key"
        with reading(path, "tape") as raw:
            rows = raw.execute(query, (base | at, base | min(at + FIVE_MINUTES_US, AT_MASK))).fetchall()
        assert rows
        return rows

    def last_quotes() -> object:
        quotes = queries.last_quotes(folder)
        assert len(quotes) == len(SYMBOLS)
        return quotes

    return {
        "last 100 ticks of a symbol before a time": last_hundred,
        "5 minutes of a symbol's ticks": five_minutes,
        "last quote of every symbol": last_quotes,
    }


def _asked(ask: Callable[[], object], times: int) -> list[float]:
    waits_ms = []
    for _ in range(times):
        begin_s = time.perf_counter()
        ask()
        waits_ms.append((time.perf_counter() - begin_s) * 1e3)
    return waits_ms


async def _commits(run: Run) -> list[Row]:
    """What makes an alert with three deliveries durable, the tape before it flushed, against a bare transaction."""
    rounds, each = (2, 10) if run.quick else (10, 50)
    run.say("committing alerts")
    store = await Store.open(run.folder / "alerts", clock=WallClock())
    ticks = made_ticks(rounds * each)
    ours_ms: list[float] = []
    bare_ms: list[float] = []
    try:
        for _ in range(rounds):
            bare_ms += bare_commits(run.folder, each)
            for _ in range(each):
                tick = next(ticks)
                store.record(tick)
                decided, states = _decision(tick.event_us)
                begin_s = time.perf_counter()
                await store.commit(decided, states)
                ours_ms.append((time.perf_counter() - begin_s) * 1e3)
    finally:
        await store.close()
    p50, p99, bare = percentile(ours_ms, 50), percentile(ours_ms, 99), percentile(bare_ms, 50)
    return [
        judged(PART, "committing an alert with 3 deliveries against a bare COMMIT (FULL), p50", p50 / bare,
               Goal(2.5, "x"), f"p50 {p50:.2f}, p99 {p99:.2f} ms; bare p50 {bare:.2f}, "
               f"p99 {percentile(bare_ms, 99):.2f} ms"),
    ]  # fmt: skip


def _decision(event_us: int) -> tuple[Decided, list[RuleState]]:
    transition = Transition(
        event_us, "es-levels", "/ES", 0, "f" * 16, Kind.FIRED, State.FIRING, value=6_850.25, unit="price",
        price=6_850_25000000, since_us=event_us, operands=(Operand("price crosses_above 6850", 6_850.25, 6_850.0),),
    )  # fmt: skip
    alert = Alert(transition.alert_id, transition, "warning", "/ES 6,850.25 - es-levels", "crossed", "hash")
    deliveries = tuple(Delivery(alert.id, channel, created_us=event_us) for channel in CHANNELS)
    state = RuleState("es-levels", "/ES", 0, "f" * 16, State.FIRING, event_us, event_us, event_us)
    return Decided(event_us, (transition,), (alert,), deliveries), [state]
