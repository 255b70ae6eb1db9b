"""What a thinned tape keeps, that it says so, and that a span thinned for want of room is a gap on it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.makers import FRIDAY_US, a_tick
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.events import ClockTurn, Connection, Event, Gap, Start, Stop
from tradeassistd.market.tick import Tick
from tradeassistd.store.density import Density, Thinner, note_density, stored_density
from tradeassistd.store.reading import reading
from tradeassistd.store.tape_reading import read_tape
from tradeassistd.store.tape_rows import TICKS
from tradeassistd.store.tape_writer import TapeWriter

SYMBOLS = ("/ES", "SPY", "$TICK")
TAPE = "tape-20261120.db"


@st.composite
def days(draw: st.DrawFn) -> list[Event]:
    """Ticks of some symbols within some seconds, with the clock's turns between them."""
    at_us, events = FRIDAY_US, list[Event]()
    for step_us in draw(st.lists(st.sampled_from([1, 1_000, 200_000, 450_000, 999_999]), max_size=60)):
        before_s, at_us = at_us // US_PER_S, at_us + step_us
        for second in range(before_s + 1, at_us // US_PER_S + 1):
            events.append(ClockTurn(second * US_PER_S))
        if at_us % US_PER_S:
            events.append(a_tick(at_us, draw(st.sampled_from(SYMBOLS))))
    return events


def thinned(thinner: Thinner, events: list[Event]) -> list[Event]:
    kept = [one for event in events for one in thinner.take(event)]
    return [*kept, *thinner.rest()]


@given(days())
def test_one_tick_a_second_is_the_last_one_of_each_symbol_and_everything_else_stays(events: list[Event]) -> None:
    thinner = Thinner(Density.SECOND)
    kept = thinned(thinner, events)
    last = {(tick.symbol, tick.event_us // US_PER_S): tick for tick in events if isinstance(tick, Tick)}
    assert [one for one in kept if isinstance(one, Tick)] == sorted(last.values(), key=lambda tick: tick.event_us)
    assert [one for one in kept if not isinstance(one, Tick)] == [one for one in events if not isinstance(one, Tick)]
    assert all(one.event_us < other.event_us for one, other in pairwise(kept))  # no tick waits past the next turn
    left_out = [one.event_us for one in events if one not in kept]
    assert (thinner.left_out, thinner.first_us, thinner.last_us) == (
        len(left_out), min(left_out, default=0), max(left_out, default=0),
    )  # fmt: skip


@given(days())
def test_every_keeps_everything_and_bars_keeps_neither_ticks_nor_turns(events: list[Event]) -> None:
    notes: list[Event] = [Start(FRIDAY_US - 1, "hash"), Connection(FRIDAY_US - 2, "live")]
    assert thinned(Thinner(Density.EVERY), [*notes, *events]) == [*notes, *events]
    thinner = Thinner(Density.BARS)
    assert thinned(thinner, [*notes, *events]) == notes
    assert thinner.left_out == len(events)


async def test_a_tape_says_how_much_it_keeps_and_counts_its_ticks(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path, clock=ManualClock(), density=Density.SECOND)
    for event in (
        a_tick(FRIDAY_US + 1),
        a_tick(FRIDAY_US + 2),
        a_tick(FRIDAY_US + US_PER_S + 1),
        Stop(FRIDAY_US + 2 * US_PER_S),
    ):
        writer.record(event)
    await writer.close()
    assert [event.event_us - FRIDAY_US for event in read_tape(tmp_path / TAPE)] == [2, US_PER_S + 1, 2 * US_PER_S]
    with reading(tmp_path / TAPE, "tape") as raw:
        assert stored_density(raw) is Density.SECOND
        assert raw.execute("SELECT value FROM meta WHERE key = ?", (TICKS,)).fetchone() == (2,)


async def test_a_tape_is_as_exact_as_the_least_exact_part_of_its_day(tmp_path: Path) -> None:
    for density in (Density.EVERY, Density.SECOND, Density.EVERY):
        writer = TapeWriter(tmp_path, clock=ManualClock(), density=density)
        writer.record(ClockTurn(FRIDAY_US))
        await writer.close()
    with reading(tmp_path / TAPE, "tape") as raw:
        assert stored_density(raw) is Density.SECOND


async def test_what_made_an_alert_is_on_the_tape_when_it_is_committed(tmp_path: Path) -> None:
    """The flush before a commit does not leave the last tick waiting for the end of its second."""
    writer = TapeWriter(tmp_path, clock=ManualClock(), density=Density.SECOND)
    ticks = [a_tick(FRIDAY_US + number) for number in (1, 2, 3)]
    writer.record(ticks[0])
    writer.record(ticks[1])
    await writer.flush()
    assert list(read_tape(tmp_path / TAPE)) == [ticks[1]]
    writer.record(ticks[2])
    await writer.close()
    assert list(read_tape(tmp_path / TAPE)) == ticks[1:]


async def test_a_span_that_was_thinned_for_want_of_room_is_a_gap(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path, clock=ManualClock())
    whole = [a_tick(FRIDAY_US + number) for number in (1, 2)]
    for tick in whole:
        writer.record(tick)
    writer.limit(Density.SECOND, "1 MB free")
    assert (writer.density, writer.limited) == (Density.SECOND, "1 MB free")
    for number in (11, 12, 13):
        writer.record(a_tick(FRIDAY_US + number))
    writer.limit(Density.BARS, "0 MB free")  # it gets worse: what waited is written
    for number in (21, 22):
        writer.record(a_tick(FRIDAY_US + number))
    writer.record(ClockTurn(FRIDAY_US + 23))
    writer.limit(Density.BARS, "0 MB free")  # the next look
    writer.record(Connection(FRIDAY_US + 30, "live"))
    writer.limit(Density.EVERY, "")
    assert (writer.density, writer.limited) == (Density.EVERY, "")
    after = a_tick(FRIDAY_US + 31)
    writer.record(after)
    await writer.close()
    assert list(read_tape(tmp_path / TAPE)) == [
        *whole,
        Gap(FRIDAY_US + 12, FRIDAY_US + 11, FRIDAY_US + 12, "the tape was thinned: 1 MB free"),
        a_tick(FRIDAY_US + 13),
        Gap(FRIDAY_US + 23, FRIDAY_US + 21, FRIDAY_US + 23, "the tape was thinned: 0 MB free"),
        Connection(FRIDAY_US + 30, "live"),
        after,
    ]  # fmt: skip


async def test_a_daemon_that_stops_while_it_is_thinned_leaves_the_gap_too(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path, clock=ManualClock())
    writer.limit(Density.BARS, "nothing free")
    writer.record(a_tick(FRIDAY_US + 1))
    writer.record(Stop(FRIDAY_US + 2))
    await writer.close()
    gap = Gap(FRIDAY_US + 1, FRIDAY_US + 1, FRIDAY_US + 1, "the tape was thinned: nothing free")
    assert list(read_tape(tmp_path / TAPE)) == [gap, Stop(FRIDAY_US + 2)]


async def test_what_the_settings_leave_out_is_no_gap_and_room_does_not_bring_it_back(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path, clock=ManualClock(), density=Density.SECOND)
    writer.limit(Density.SECOND, "full")
    assert not writer.limited
    for number in (1, 2):
        writer.record(a_tick(FRIDAY_US + number))
    writer.limit(Density.EVERY, "")
    assert writer.density is Density.SECOND
    await writer.close()
    assert list(read_tape(tmp_path / TAPE)) == [a_tick(FRIDAY_US + 2)]


@pytest.mark.parametrize("density", Density)
def test_words_are_those_of_the_settings(density: Density) -> None:
    assert Density.of(density.word) is density


def test_note_density_never_makes_a_tape_more_exact() -> None:
    import sqlite3

    raw = sqlite3.connect(":memory:")
    raw.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID")
    for noted, stored in ((Density.EVERY, 0), (Density.BARS, 2), (Density.SECOND, 2)):
        note_density(raw, noted)
        assert stored_density(raw) == stored
    raw.close()
