"""The last ticks of a symbol, over as many days of tape as it takes."""

from __future__ import annotations

from pathlib import Path

from tests.store.aged import ago
from tests.store.makers import FRIDAY_US, a_tick
from tradeassistd.base.clock import ManualClock
from tradeassistd.market.tick import Tick
from tradeassistd.store.queries import TAPES_SEARCHED_MAX, last_ticks
from tradeassistd.store.tape import Tape


async def written(folder: Path, ticks: list[Tick]) -> None:
    for tick in ticks:
        tape = await Tape.open(folder, tick.event_us, clock=ManualClock())
        await tape.write([tick])
        await tape.close()


async def test_they_come_from_the_newest_days_oldest_first(tmp_path: Path) -> None:
    days = [8, 7, 4, 3, 2, 1, 0]
    own = [a_tick(ago(age) + number, last=5000.25 + age) for age in days for number in (1, 2)]
    finer = a_tick(FRIDAY_US + 3, last=5000.125)  # it opens an entry of its own on the tape
    after = a_tick(FRIDAY_US + 4)
    await written(tmp_path, [*own, finer, after, a_tick(FRIDAY_US + 5, "SPY")])
    (tmp_path / "tape-20261123.db").write_bytes(b"")  # just being made
    newest = [*own, finer, after]
    assert last_ticks(tmp_path, "/ES", limit=3) == newest[-3:]
    assert last_ticks(tmp_path, "/ES", limit=7) == newest[-7:]
    assert last_ticks(tmp_path, "SPY") == [a_tick(FRIDAY_US + 5, "SPY")]
    assert last_ticks(tmp_path, "QQQ") == []
    assert last_ticks(tmp_path, "/ES", before_us=FRIDAY_US + 4, limit=2) == [own[-1], finer]
    assert last_ticks(tmp_path, "/ES", before_us=FRIDAY_US + 1, limit=3) == own[-5:-2]
    assert last_ticks(tmp_path, "/ES", before_us=ago(8)) == []
    (tmp_path / "tape-20261123.db").unlink()
    assert last_ticks(tmp_path, "/ES") == newest[-2 * TAPES_SEARCHED_MAX - 2 :]  # no further back than five days
