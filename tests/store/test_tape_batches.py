"""Ticks are written many to a statement: whatever the size of a batch and wherever an odd one stands, all are kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.store.makers import FRIDAY_US, a_tick
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.events import ClockTurn, Event, Facts
from tradeassistd.market.tick import Tick
from tradeassistd.store.tape import ROWS_AT_ONCE_MAX, Tape
from tradeassistd.store.tape_reading import read_tape


def some_ticks(count: int) -> list[Tick]:
    return [a_tick(FRIDAY_US + number, ("/ES", "SPY")[number % 2], 5200 + number / 4) for number in range(count)]


async def written(folder: Path, *batches: Sequence[Event]) -> tuple[list[int], list[Event]]:
    """How many of each batch were there already, and what is on the tape."""
    tape = await Tape.open(folder, FRIDAY_US, clock=ManualClock(FRIDAY_US))
    repeated = [await tape.write(batch) for batch in batches]
    await tape.close()
    return repeated, list(read_tape(tape.path))


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, ROWS_AT_ONCE_MAX, 2 * ROWS_AT_ONCE_MAX + 1_023])
async def test_a_batch_of_any_size_is_kept(count: int, tmp_path: Path) -> None:
    ticks = some_ticks(count)
    assert await written(tmp_path, ticks) == ([0], ticks)


async def test_other_events_too_go_many_to_a_statement(tmp_path: Path) -> None:
    second_us = FRIDAY_US // US_PER_S * US_PER_S + US_PER_S
    events: list[Event] = [
        one
        for number in range(700)
        for one in (ClockTurn(second_us + number * US_PER_S), Facts(second_us + number * US_PER_S + 1, "/ES", number))
    ]
    assert await written(tmp_path, events, events) == ([0, len(events)], events)


async def test_a_batch_that_overlaps_one_on_the_tape_adds_only_what_is_new(tmp_path: Path) -> None:
    ticks = some_ticks(900)
    first = ticks[:595]
    assert await written(tmp_path, first, ticks) == ([0, len(first)], ticks)


@pytest.mark.parametrize("place", [0, 100, 127, 128, 140])
async def test_a_number_that_fits_no_column_costs_no_tick_of_its_batch(place: int, tmp_path: Path) -> None:
    ticks = some_ticks(141)
    ticks[place] = replace(ticks[place], volume=2**70)
    assert await written(tmp_path, ticks, ticks) == ([0, len(ticks)], ticks)
