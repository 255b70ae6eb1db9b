"""CHART_EQUITY and CHART_FUTURES over sockets: the streamed minutes, when they come, and what `seq` says."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.sim.clients import record, streaming
from tests.sim.playing import drink
from tests.sim.test_candles import of_file
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.market.session import NEW_YORK
from tradeassistd.sim.candles import LATE_S, MINUTE_US, Candle, published_us
from tradeassistd.sim.faults.scenario import read_entry
from tradeassistd.sim.local import TOKEN, LocalSimulator, LocalSocket
from tradeassistd.sim.recorded import RecordedMarket
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.sim.truth import TruthLog

Row = dict[str, Any]
EQUITY, FUTURES = "CHART_EQUITY", "CHART_FUTURES"


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * US_PER_S


START = us("2026-11-16T10:00:00")


class Floor:
    """A client in the simulator's process, logged in; `rows` gives what came of a service since it was last asked."""

    def __init__(self, simulator: LocalSimulator, socket: LocalSocket) -> None:
        self.simulator = simulator
        self.socket = socket
        self.frames: list[Row] = []

    async def ask(self, service: str, command: str, keys: str, fields: str = "0,1,2,3,4,5,6,7,8") -> None:
        parameters = {"keys": keys, "fields": fields, "Authorization": TOKEN}
        one = {"service": service, "command": command, "requestid": "1", "parameters": parameters}
        await self.socket.send(json.dumps({"requests": [one]}))

    async def rows(self, service: str) -> list[Row]:
        return [row for _, row in await self.told(service)]

    async def told(self, service: str) -> list[tuple[int, Row]]:
        """The rows with the stamp of their frame, UTC milliseconds."""
        while self.socket.waiting():
            self.frames.append(json.loads(await self.socket.recv()))
        parts = [part for frame in self.frames for part in frame.get("data", ())]
        self.frames.clear()
        return [(part["timestamp"], row) for part in parts if part["service"] == service for row in part["content"]]


async def enter(simulator: LocalSimulator) -> Floor:
    floor = Floor(simulator, await simulator.connect())
    await floor.ask("ADMIN", "LOGIN", "")
    return floor


def a_market(*symbols: str, start_us: int = START) -> SyntheticMarket:
    return SyntheticMarket(3, start_us, symbols, ticks_per_s=1, slot_us=US_PER_S)


def candle_of(row: Row, service: str) -> Candle:
    """A row as a candle."""
    start = row["7"] if service == EQUITY else row["1"]
    prices = [round(row[number] * PRICE_SCALE) for number in ("2", "3", "4", "5")]
    opened, high, low, close = prices
    return Candle(start * US_PER_MS, opened, high, low, close, row["6"])


async def test_every_streamed_minute_comes_once_as_the_bar_of_its_trades(tmp_path: Path) -> None:
    with TruthLog(tmp_path / "truth.csv") as truth:
        market = a_market("SPY", "/ES", "$SPX")
        simulator = LocalSimulator(market, see=truth.see)
        floor = await enter(simulator)
        await floor.ask("LEVELONE_EQUITIES", "SUBS", "SPY")
        await floor.ask(EQUITY, "SUBS", "SPY,$SPX")
        await floor.ask(FUTURES, "SUBS", "/ES")
        images = {row["key"] for service in (EQUITY,) for row in await floor.rows(service)}
        assert images == {"SPY", "$SPX"}
        simulator.advance_to(START + 6 * MINUTE_US)
        said = await floor.told(EQUITY)
    for key in ("SPY", "$SPX"):
        rows = [(stamp, row) for stamp, row in said if row["key"] == key]
        assert [candle_of(row, EQUITY) for _, row in rows] == of_file(tmp_path / "truth.csv", key)[:5]
        assert [row["seq"] for _, row in rows] == [1, 2, 3, 4, 5]  # 0 was the one from before
        for stamp, row in rows:
            late_s = (stamp - row["7"]) / 1000 - 60
            assert LATE_S[0] <= late_s <= LATE_S[1]
        assert (rows[0][1]["1"], rows[0][1]["8"]) == (180, START // US_PER_S // 86_400)


async def test_futures_come_under_the_key_that_was_asked_for(tmp_path: Path) -> None:
    with TruthLog(tmp_path / "truth.csv") as truth:
        simulator = LocalSimulator(a_market("/ES"), see=truth.see)
        floor = await enter(simulator)
        await floor.ask(FUTURES, "SUBS", "/ES")
        image = await floor.rows(FUTURES)
        simulator.advance_to(START + 4 * MINUTE_US)
        rows = await floor.rows(FUTURES)
    assert [row["key"] for row in (*image, *rows)] == ["/ES"] * 4
    assert set(rows[0]) == {"1", "2", "3", "4", "5", "6", "seq", "key"}
    assert [candle_of(row, FUTURES) for row in rows] == of_file(tmp_path / "truth.csv", "/ESZ26")[:3]
    assert image[0]["1"] == (START - 2 * MINUTE_US) // US_PER_MS  # 09:59 is not to be had before 10:00:05


async def test_the_first_row_is_the_last_finished_bar_however_old() -> None:
    simulator = LocalSimulator(a_market("SPY", start_us=us("2026-11-16T03:00:00")))
    floor = await enter(simulator)
    await floor.ask(EQUITY, "SUBS", "SPY")
    (row,) = await floor.rows(EQUITY)
    assert row["7"] == us("2026-11-13T19:59:00") // US_PER_MS
    assert row["seq"] == 0


async def test_only_what_is_subscribed_is_sent_and_only_the_fields_that_were_asked_for() -> None:
    simulator = LocalSimulator(a_market("SPY", "QQQ"))
    floor = await enter(simulator)
    await floor.ask(EQUITY, "SUBS", "SPY,QQQ", fields="0,5,7")
    await floor.rows(EQUITY)
    await floor.ask(EQUITY, "UNSUBS", "QQQ")
    simulator.advance_to(START + 3 * MINUTE_US)
    rows = await floor.rows(EQUITY)
    assert {row["key"] for row in rows} == {"SPY"}
    assert {name for row in rows for name in row} == {"5", "7", "seq", "key"}
    await floor.ask(EQUITY, "UNSUBS", "SPY")
    simulator.advance_to(START + 6 * MINUTE_US)
    assert await floor.rows(EQUITY) == []
    await floor.ask(EQUITY, "ADD", "SPY")
    (again,) = await floor.rows(EQUITY)
    assert again["seq"] == 0
    assert again["7"] * US_PER_MS >= START + 4 * MINUTE_US  # and none of those that nobody wanted
    simulator.advance_to(START + 7 * MINUTE_US)
    starts = [row["7"] for row in await floor.rows(EQUITY)]
    assert starts and all(start > again["7"] for start in starts)


async def test_a_minute_that_was_due_before_the_subscription_comes_as_its_first_row_only() -> None:
    simulator = LocalSimulator(a_market("SPY", start_us=us("2026-11-16T19:58:00")))
    floor = await enter(simulator)
    await floor.ask("LEVELONE_EQUITIES", "SUBS", "SPY")
    last_us = us("2026-11-16T19:59:00")
    simulator.advance_to(published_us("SPY", last_us) + 1_000)
    assert simulator.now_us == published_us("SPY", last_us) + 1_000
    await floor.ask(EQUITY, "SUBS", "SPY")
    simulator.advance_to(us("2026-11-16T20:05:00"))
    rows = await floor.rows(EQUITY)
    assert [(row["7"], row["seq"]) for row in rows] == [(last_us // US_PER_MS, 0)]


async def test_the_other_service_has_nothing_for_a_key() -> None:
    simulator = LocalSimulator(a_market("SPY", "/ES"))
    floor = await enter(simulator)
    await floor.ask(EQUITY, "SUBS", "/ES,NOPE")
    await floor.ask(FUTURES, "SUBS", "SPY")
    await floor.ask("LEVELONE_EQUITIES", "SUBS", "SPY")
    simulator.advance_to(START + 3 * MINUTE_US)
    assert await floor.rows("LEVELONE_EQUITIES")
    assert await floor.rows(EQUITY) == []
    assert not await floor.rows(FUTURES)


async def test_the_last_minute_before_a_market_closes_comes_too() -> None:
    simulator = LocalSimulator(a_market("SPY", start_us=us("2026-11-16T19:58:00")))
    floor = await enter(simulator)
    await floor.ask(EQUITY, "SUBS", "SPY")
    await floor.rows(EQUITY)
    simulator.advance_to(us("2026-11-16T20:02:00"))
    assert (await floor.rows(EQUITY))[-1]["7"] == us("2026-11-16T19:59:00") // US_PER_MS


async def test_lost_and_muted_candles_leave_a_hole_in_seq_and_duplicates_come_twice() -> None:
    simulator = LocalSimulator(a_market("SPY", "QQQ"))
    floor = await enter(simulator)
    await floor.ask(EQUITY, "SUBS", "SPY")
    await floor.rows(EQUITY)
    simulator.inject("chart_lost")
    simulator.advance_to(published_us("SPY", START + MINUTE_US))
    assert [row["seq"] for row in await floor.rows(EQUITY)] == [2]
    mute = simulator.inject("mute, heartbeats: true")
    simulator.advance_to(published_us("SPY", START + 2 * MINUTE_US))
    assert await floor.rows(EQUITY) == []
    simulator.end_fault(mute)
    simulator.inject("chart_lost, symbols: QQQ")
    simulator.inject("duplicates")
    simulator.advance_to(published_us("SPY", START + 3 * MINUTE_US))
    assert [row["seq"] for row in await floor.rows(EQUITY)] == [4, 4]


async def test_a_silent_symbol_has_no_candles_either() -> None:
    simulator = LocalSimulator(a_market("SPY", "QQQ"))
    floor = await enter(simulator)
    await floor.ask(EQUITY, "SUBS", "SPY,QQQ")
    await floor.rows(EQUITY)
    simulator.inject("silent, symbols: SPY")
    simulator.advance_to(START + 3 * MINUTE_US)
    rows = await floor.rows(EQUITY)
    assert rows and {row["key"] for row in rows} == {"QQQ"}


async def test_schwab_py_subscribes_and_reads_them_over_sockets(tmp_path: Path) -> None:
    ms = START // US_PER_MS
    rows = [f"{ms + number * 15_000}000000,SPY,{number + 1},1,,,," for number in range(13)]
    market = RecordedMarket(record(tmp_path / "spy.csv", *rows))
    # The clock stands still: the last candle comes although the recording is over before it is due.
    async with Simulator(market, speed=None, clock=ManualClock()) as sim, streaming(sim) as (stream, tap):
        got: list[Row] = []
        stream.add_chart_equity_handler(got.append)
        await stream.chart_equity_subs(["SPY"])
        await drink(stream, tap, 5)
        await sim.wait_finished()
    contents = [row for message in got for row in message["content"]]
    assert [row["CHART_TIME_MILLIS"] for row in contents[1:]] == [ms + number * 60_000 for number in range(4)]
    assert [row["CLOSE_PRICE"] for row in contents[1:]] == [4, 8, 12, 13]
    assert [(row["OPEN_PRICE"], row["HIGH_PRICE"], row["LOW_PRICE"], row["VOLUME"]) for row in contents[1:3]] == [
        (1, 4, 1, 4),
        (5, 8, 5, 4),
    ]
    assert [row["seq"] for row in contents] == list(range(len(contents)))
    assert contents[1]["SEQUENCE"] == 180 and contents[0]["key"] == "SPY"


def test_chart_lost_can_be_written_in_a_scenario() -> None:
    assert read_entry("chart_lost, symbols: [SPY, /ES], times: 3", "x").fault.times == 3
