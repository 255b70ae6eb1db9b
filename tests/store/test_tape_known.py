"""Until when the tapes know the market, from events written to real files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.store.makers import FRIDAY_US, a_tick
from tradeassistd.base.clock import MarketClock
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.events import ClockTurn, Connection, Event, Gap, Start, Stop
from tradeassistd.store.directory import make_directory, tape_paths
from tradeassistd.store.tape import Tape
from tradeassistd.store.tape_known import Known, known_until

S = US_PER_S
T0 = FRIDAY_US // S * S
DAY_US = 86_400 * S


def live(at_s: int, known_s: int | None = None) -> Connection:
    return Connection(T0 + at_s * S, "live", "", 0 if known_s is None else T0 + known_s * S)


def down(at_s: int, known_s: int) -> Connection:
    return Connection(T0 + at_s * S, "backoff", "no answer", T0 + known_s * S)


def gap(at_s: int, from_s: int, *symbols: str) -> Gap:
    return Gap(T0 + at_s * S + 1, T0 + from_s * S, T0 + at_s * S, "no answer", symbols)


def start(at_s: int) -> Start:
    return Start(T0 + at_s * S, "hash")


def turn(at_s: int) -> ClockTurn:
    return ClockTurn(T0 + at_s * S)


def row(at_s: int) -> Event:
    return a_tick(T0 + at_s * S + 5)


ES = "/ES"


@pytest.mark.parametrize(
    ("events", "until_us", "lost"),
    [
        ([], 0, {}),
        ([start(0), live(1), row(2), turn(9)], T0 + 9 * S, {}),
        ([start(0), live(1), row(2), Stop(T0 + 4 * S)], T0 + 4 * S, {}),
        # The line was lost: seconds that pass say nothing of the market.
        ([start(0), live(1), row(2), down(40, 3), turn(90)], T0 + 3 * S, {}),
        ([start(0), live(1), row(2), down(40, 3), down(50, 3), Stop(T0 + 90 * S)], T0 + 3 * S, {}),
        # It is back only with the gap's end, which comes with the first rows.
        ([start(0), row(2), down(40, 3), live(60, 3), turn(90)], T0 + 3 * S, {}),
        ([start(0), row(2), down(40, 3), gap(60, 3), row(61), live(62), turn(90)], T0 + 90 * S, {}),
        ([start(0), row(2), down(40, 3), gap(60, 3), row(61), turn(90)], T0 + 90 * S, {}),
        # A computer's clock set forth ends nothing.
        ([start(0), row(2), down(40, 3), gap(50, 45), turn(90)], T0 + 3 * S, {}),
        # A life that has not come to a connection knows no more than the one before.
        ([start(0), live(1), row(2), turn(5), start(30), turn(90)], T0 + 5 * S, {}),
        ([start(0), row(2), down(40, 3), start(60), turn(90)], T0 + 3 * S, {}),
        ([start(0), live(1), row(2), turn(5), start(30), start(50), turn(90)], T0 + 5 * S, {}),
        # One symbol.
        ([start(0), live(1), row(2), gap(40, 3, ES), turn(90)], T0 + 90 * S, {ES: T0 + 40 * S}),
        ([start(0), live(1), row(2), gap(40, 3, ES), gap(60, 40, ES), row(61), turn(90)], T0 + 90 * S, {}),
        ([start(0), row(2), gap(20, 3, ES), down(40, 30), turn(90)], T0 + 30 * S, {ES: T0 + 20 * S}),
        ([start(0), row(2), gap(20, 3, ES), start(50), live(51, 25), turn(90)], T0 + 25 * S, {ES: T0 + 20 * S}),
    ],
)
async def test_known_until(events: Sequence[Event], until_us: int, lost: dict[str, int], tmp_path: Path) -> None:
    await written(tmp_path, events)
    assert known_until(tape_paths(tmp_path)) == Known(until_us, lost)


async def test_what_another_day_says_counts_too(tmp_path: Path) -> None:
    later = DAY_US // S
    await written(tmp_path, [start(0), live(1), row(2), turn(5)])
    await written(tmp_path, [start(later), turn(later + 9)])
    assert len(tape_paths(tmp_path)) == 2
    assert known_until(tape_paths(tmp_path)) == Known(T0 + 5 * S, {})


async def test_a_damaged_day_before_is_left_out(tmp_path: Path) -> None:
    later = DAY_US // S
    await written(tmp_path, [start(0), live(1), gap(5, 2, ES)])
    await written(tmp_path, [start(later), live(later + 1), turn(later + 9)])
    tape_paths(tmp_path)[1].write_bytes(b"not a database at all" * 1_000)
    assert known_until(tape_paths(tmp_path)) == Known(T0 + (later + 9) * S, {})


async def written(folder: Path, events: Sequence[Event]) -> None:
    if not events:
        return
    make_directory(folder)
    clock = MarketClock(events[-1].event_us)
    tape = await Tape.open(folder, events[0].event_us, clock=clock)
    await tape.write(list(events))
    await tape.close()
