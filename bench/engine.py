"""The engine alone: what a tick costs by how many rules its symbol has, and how fast a stored day replays."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench import rules
from bench.market import START_US, SYMBOLS, make_feed, start_price
from bench.measure import alternating, ratio
from bench.result import Goal, Row, Run, judged, shown
from tradeassistd.base.clock import MarketClock
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Event, Start
from tradeassistd.engine.rule import RuleSet
from tradeassistd.feed.frames import FrameDecoder
from tradeassistd.feed.intake import Intake
from tradeassistd.history.replay import replay
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.tick import Field, Tick
from tradeassistd.store.tape import Tape
from tradeassistd.store.tape_reading import read_tape

PART = "engine"
SYMBOL = "/ES"
COUNTS = (1, 10, 100, 1_000)
DAY_TICKS, DAY_TICKS_PER_S, DAY_WITHIN_S = 8_300_000, 100.0, 11.0
"""A 23-hour day at 100 ticks a second, and how long its replay may take."""


def run(run: Run) -> list[Row]:
    """The rows."""
    return [*_quiet(run), *_replay(run)]


def _quiet(run: Run) -> list[Row]:
    """Ticks that cross no level."""
    ticks = {count: (300 if run.quick else 3_000) * 10 // min(max(count, 10), 1_000) * 10 for count in COUNTS}
    run.say("quiet ticks with " + ", ".join(f"{count:,}" for count in COUNTS) + " rules on the symbol")
    sets = {count: rules.load(rules.quiet(count, SYMBOL)) for count in COUNTS}
    found = alternating(1 if run.quick else 5, {
        str(count): lambda count=count: _tick_ns(sets[count], ticks[count]) for count in COUNTS  # type: ignore[misc]
    })  # fmt: skip
    rows = [Row(PART, f"quiet tick, {count:,} price level{'s' * (count > 1)} on its symbol",
                shown(median(found[str(count)]), "ns")) for count in COUNTS]  # fmt: skip
    last = COUNTS[-1]
    what = f"quiet tick, {last:,} levels against 10 (goal: 1,000,000 against 10)"
    return [*rows, judged(PART, what, ratio(found[str(last)], found["10"]), Goal(1.5, "x"))]


def _tick_ns(rule_set: RuleSet, count: int) -> float:
    """CPU nanoseconds of one tick in an engine of its own."""
    engine = Engine(rule_set)
    engine.on_event(Start(START_US, ""))
    first, *ticks = _ticks(count + 1)
    engine.on_event(first)
    gc.collect()
    gc.freeze()
    begin_ns = time.process_time_ns()
    for tick in ticks:
        engine.on_event(tick)
    spent_ns = time.process_time_ns() - begin_ns
    gc.unfreeze()
    return spent_ns / count


def _ticks(count: int) -> list[Tick]:
    """An image and then trades that go up and down by a tick, a thousand a second."""
    price, step = start_price(SYMBOL), instrument_of(SYMBOL).tick_size
    trade, begin_ms = int(Field.LAST | Field.VOLUME | Field.TRADE), START_US // 1_000
    return [
        Tick(START_US + number * 1_000 + 1, SYMBOL, price + number % 3 * step, price, price + step, 10, 10,
             1_000 + number, begin_ms + number, begin_ms + number, 1 if number else None,
             trade if number else int(Field.IMAGE | trade))
        for number in range(count)
    ]  # fmt: skip


def _replay(run: Run) -> list[Row]:
    """A tape of the synthetic market with a hundred rules, from memory and from the disk."""
    count = 2_000 if run.quick else 100_000
    run.say(f"replay of {count:,} ticks with 100 rules on {len(SYMBOLS)} symbols")
    rule_set = rules.load(rules.mixed(100))
    events = list(_events(count, rule_set.hash))
    path = asyncio.run(_write(run.folder, events))
    found = alternating(1 if run.quick else 3, {
        "memory": lambda: _replayed(events, rule_set), "tape": lambda: _replayed(read_tape(path), rule_set)
    })  # fmt: skip
    if len({transitions for results in found.values() for _, transitions in results}) != 1:
        raise RuntimeError("two replays of one tape differ")
    rows = []
    for name, what in (("memory", "events in memory"), ("tape", "read from the tape")):
        day_s = median(seconds for seconds, _ in found[name]) / count * DAY_TICKS
        speed = f"{DAY_TICKS / day_s:,.0f} ticks/s"
        what = f"replay of a 23-hour day, 8.3 M ticks, 100 rules, {what}"
        rows.append(judged(PART, what, day_s, Goal(DAY_WITHIN_S, "s of one core"), speed))
    return rows


def _replayed(events: list[Event] | Iterator[Event], rule_set: RuleSet) -> tuple[float, int]:
    """CPU seconds, and how many transitions there were."""
    begin_s = time.process_time()
    transitions = sum(1 for _ in replay(events, lambda _: rule_set))
    return time.process_time() - begin_s, transitions


def _events(ticks: int, rules_hash: str) -> Iterator[Event]:
    """What the daemon's intake makes of the market's frames."""
    clock, decoder = MarketClock(START_US), FrameDecoder()
    intake = Intake(clock, Start(0, rules_hash), last_us=0, last_known_us=0)
    yield from intake.seconds()
    for text in make_feed(ticks, 1, DAY_TICKS_PER_S).frames:
        yield from intake.frame(decoder.decode(text).frame)


async def _write(folder: Path, events: list[Event]) -> Path:
    tape = await Tape.open(folder, START_US + US_PER_S, clock=MarketClock(START_US))
    await tape.write(events)
    await tape.close()
    return tape.path
