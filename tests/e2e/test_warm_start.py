"""The real daemon stops and starts: what it reads of bars and past days is known again, or it says since when not."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.e2e.harness import Watcher
from tests.feed.streams import FakeStream
from tradeassistd.app import Daemon
from tradeassistd.base.config import load_settings
from tradeassistd.engine.events import Bars, Event, RulesSwap, Start
from tradeassistd.engine.silences import Silence
from tradeassistd.engine.transition import Kind
from tradeassistd.feed.frames import Frame
from tradeassistd.history.replay import replay
from tradeassistd.market.bar import Bar
from tradeassistd.market.quote import Change
from tradeassistd.market.tick import Tick
from tradeassistd.rules.load import load_texts
from tradeassistd.store import queries
from tradeassistd.store.official import Span, insert_official, insert_span

RULES = """version: 1
defaults: {at_load: fire, cooldown: 0s}
rules:
  - {id: average, symbols: [SPY], when: 'price > sma(close, 20, 1m) * 1.005'}
  - {id: slow, symbols: [SPY], when: 'price > ema(close, 3, 5m) * 1.005'}
  - {id: breakout, symbols: [SPY], when: price > prev_day.high}
  - {id: opening, symbols: [SPY], when: price > opening_range(15m).high}
"""
LATER = """version: 1
rules: [{id: deep, symbols: [SPY], at_load: fire, when: 'price > highest(high, 25, 1m)'}]
"""


def ms(text: str) -> int:
    return int(datetime.fromisoformat(f"2026-11-{text}-05:00").timestamp()) * 1000


class Desk:
    """A state directory, and a daemon on it whose feed is this test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.volume = 1_000
        self.traded_ms = ms("16T09:29:00")
        self.price = 100.0
        self.stream: FakeStream
        (folder / "rules.d").mkdir()
        (folder / "rules.d" / "rules.yaml").write_text(RULES, "utf-8")
        (folder / "config.yaml").write_text(
            f"clock: market\nstore: {{path: '{folder / 'state'}'}}\nrules: {{dir: '{folder / 'rules.d'}'}}\n"
            "channels: {}\napi: {socket: null}\n", "utf-8",
        )  # fmt: skip

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Watcher]:
        opened = asyncio.Event()

        def open_stream(put: Any) -> FakeStream:
            self.stream = FakeStream(put)
            opened.set()
            return self.stream

        daemon, stop = Daemon(load_settings(self.folder / "config.yaml"), open_stream=open_stream), asyncio.Event()
        task = asyncio.create_task(daemon.run(stop))
        ready = asyncio.create_task(daemon.ready.wait())
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        await opened.wait()
        try:
            yield Watcher(daemon)
        finally:
            stop.set()
            await task

    async def image(self, watcher: Watcher, at: str) -> None:
        change = Change("SPY", last=self.price, bid=self.price, ask=self.price, volume=self.volume,
                        trade_ms=self.traded_ms, quote_ms=self.traded_ms, status="Normal")  # fmt: skip
        await self._send(watcher, ms(at), change)

    async def trade(self, watcher: Watcher, at_ms: int, price: float) -> None:
        self.price, self.volume, self.traded_ms = price, self.volume + 10, at_ms
        await self._send(watcher, at_ms, Change("SPY", last=price, volume=self.volume, trade_ms=at_ms))

    async def _send(self, watcher: Watcher, header_ms: int, change: Change) -> None:
        seen = asyncio.create_task(watcher.until(lambda event: isinstance(event, Tick)))
        await asyncio.sleep(0)
        self.stream.send(Frame(header_ms, [change]))
        await seen

    async def quiet_until(self, watcher: Watcher, at: str) -> None:
        """A heartbeat moves the time."""
        seen = asyncio.create_task(watcher.until_clock(ms(at) * 1000))
        await asyncio.sleep(0)
        self.stream.send(Frame(ms(at)))
        await seen

    async def first_day(self, watcher: Watcher, until: str) -> None:
        """Monday from 09:29 on, one trade a minute from 09:30."""
        await self.image(watcher, "16T09:29:00")
        at_ms = ms("16T09:30:10")
        while at_ms < ms(f"16T{until}"):
            await self.trade(watcher, at_ms, 100 + at_ms // 60_000 % 5 / 10)
            at_ms += 60_000


def fired(watcher: Watcher) -> set[str]:
    return {one.rule_id for one in watcher.transitions if one.kind is Kind.FIRED}


def said_of(watcher: Watcher, kind: type[Event]) -> list[Event]:
    return [event for event in watcher.events if isinstance(event, kind)]


async def test_after_a_night_without_the_daemon_averages_and_yesterday_are_known_at_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with desk.running() as watcher:
        await desk.first_day(watcher, "10:05:00")
        # A long quiet afternoon: nothing is traded, and the daemon was there.
        await desk.quiet_until(watcher, "16T16:00:30")
    async with desk.running() as watcher:
        await desk.image(watcher, "17T09:29:00")
        assert [event.relived is not None for event in watcher.events if isinstance(event, Start)] == [True]
        await desk.trade(watcher, ms("17T09:30:05"), 101)
        assert fired(watcher) == {"average", "slow", "breakout"}
        (tmp_path / "rules.d" / "later.yaml").write_text(LATER, "utf-8")
        assert watcher.daemon.reloader is not None
        assert (await watcher.daemon.reloader.reload()).added == ("deep",)
        kinds = [type(event) for event in watcher.events if isinstance(event, Bars | RulesSwap)]
        assert kinds[-2:] == [Bars, RulesSwap]
        await desk.trade(watcher, ms("17T09:30:07"), 101.5)
        assert fired(watcher) == {"average", "slow", "breakout", "deep"}
    check_replay(tmp_path / "state")


async def test_a_stop_inside_the_session_leaves_a_hole_and_status_says_until_when(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with desk.running() as watcher:
        await desk.first_day(watcher, "10:05:00")
    async with desk.running() as watcher:
        await desk.image(watcher, "16T10:06:30")
        await desk.trade(watcher, ms("16T10:07:05"), 101)
        # The opening range was over before the hole; the windows hold it.
        assert fired(watcher) == {"opening"}
    warming = {(one["symbol"], one["interval"]): one for one in queries.status(tmp_path / "state")["warming"]}
    minute = warming["SPY", "1m"]
    assert (minute["seen"], minute["needed"], minute["text"]) == (0, 20, "warming until 10:27")
    assert warming["SPY", "5m"]["text"] == "warming until 10:25"
    check_replay(tmp_path / "state")


async def test_a_hole_that_schwab_has_told_meanwhile_is_whole_from_the_start_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with desk.running() as watcher:
        await desk.first_day(watcher, "10:05:00")
    async with desk.running() as watcher:
        await desk.image(watcher, "16T10:10:30")
        for minute in range(11, 15):
            await desk.trade(watcher, ms(f"16T10:{minute}:20"), 100)
        await desk.quiet_until(watcher, "16T16:00:30")
    tell_minutes(tmp_path / "state" / "main.db", ms("16T10:04:00") * 1000, ms("16T10:11:00") * 1000)
    async with desk.running() as watcher:
        await desk.image(watcher, "17T09:29:00")
        (fill,) = said_of(watcher, Bars)
        assert isinstance(fill, Bars) and (fill.source, fill.whole_from_us) == ("rest", ms("16T10:04:00") * 1000)
        await desk.trade(watcher, ms("17T09:30:05"), 101)
        assert fired(watcher) >= {"average", "slow"}
    check_replay(tmp_path / "state")


def tell_minutes(path: Path, from_us: int, to_us: int) -> None:
    """What Schwab would have told of a span."""
    step_us, price = 60_000_000, 10_000_000_000
    bars = [Bar("SPY", "1m", "always", at, at + step_us, price, price, price, price, 10, 0)
            for at in range(from_us, to_us, step_us)]  # fmt: skip
    raw = sqlite3.connect(path)
    with raw:
        insert_official(raw, bars, "rest", to_us)
        insert_span(raw, Span("SPY", from_us, to_us), "rest", to_us)
    raw.close()


async def test_what_a_kill_left_undecided_is_decided_by_the_next_daemon_and_told_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    level = "version: 1\nrules: [{id: level, symbols: [SPY], cooldown: 0s, when: price crosses 101}]\n"
    (tmp_path / "rules.d" / "level.yaml").write_text(level, "utf-8")
    main = tmp_path / "state" / "main.db"
    async with desk.running() as watcher:
        await desk.image(watcher, "16T09:29:00")
        await desk.trade(watcher, ms("16T09:30:05"), 100)
        assert watcher.daemon.live is not None
        await watcher.daemon.live.house.save({})
        copy(main, tmp_path / "killed.db")
        for second, price in ((50, 102), (52, 100.5), (54, 103)):
            await desk.trade(watcher, ms(f"16T09:30:{second}"), price)
        told = [one for one in watcher.transitions if one.rule_id == "level"]
        assert len(told) == 3
    put_back(tmp_path / "killed.db", main)
    assert not [one for one in queries.transitions(tmp_path / "state") if one.rule_id == "level"]
    for _ in range(2):
        async with desk.running() as watcher:
            await desk.image(watcher, "16T09:31:00")
        assert [one for one in queries.transitions(tmp_path / "state") if one.rule_id == "level"] == told
    assert [one.alert.id for one in queries.alerts(tmp_path / "state", rule="level")] == [
        one.alert_id for one in reversed(told)
    ]
    check_replay(tmp_path / "state")


async def test_what_was_silenced_when_it_happened_is_silenced_when_it_is_decided_late(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    level = "version: 1\nrules: [{id: level, symbols: [SPY], cooldown: 0s, when: price crosses 101}]\n"
    (tmp_path / "rules.d" / "level.yaml").write_text(level, "utf-8")
    main = tmp_path / "state" / "main.db"
    until_us = ms("16T09:30:51") * 1000
    async with desk.running() as watcher:
        await desk.image(watcher, "16T09:29:00")
        await desk.trade(watcher, ms("16T09:30:05"), 100)
        assert watcher.daemon.live is not None
        await watcher.daemon.live.hear(lambda now_us: Silence(now_us, until_us, rules=("level",), number=1))
        await desk.quiet_until(watcher, "16T09:30:45")  # it was said before all that is judged again
        await watcher.daemon.live.house.save({})
        copy(main, tmp_path / "killed.db")
        for second, price in ((50, 102), (52, 100.5)):  # within the silence, and behind its end
            await desk.trade(watcher, ms(f"16T09:30:{second}"), price)
        said = [one for one in watcher.transitions if one.rule_id == "level"]
        assert [one.suppressed for one in said] == ["silence", ""]
    put_back(tmp_path / "killed.db", main)
    async with desk.running() as watcher:
        await desk.image(watcher, "16T09:31:00")
    assert [one for one in queries.transitions(tmp_path / "state") if one.rule_id == "level"] == said
    check_replay(tmp_path / "state")


def put_back(copied: Path, main: Path) -> None:
    """The store is as it was when it was copied; the tape is not."""
    for left in main.parent.glob(f"{main.name}*"):
        left.unlink()
    copied.rename(main)


def copy(main: Path, to: Path) -> None:
    source, target = sqlite3.connect(main), sqlite3.connect(to)
    source.backup(target)
    source.close()
    target.close()


async def test_a_first_start_has_nothing_to_begin_with(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with desk.running() as watcher:
        await desk.image(watcher, "16T10:00:00")
        await desk.trade(watcher, ms("16T10:00:05"), 101)
        assert not said_of(watcher, Bars) and not fired(watcher)


def check_replay(state: Path) -> None:
    events = [event for tape in sorted(queries.tape_paths(state)) for event in queries.read_tape(tape)]
    again = list(replay(events, lambda digest: load_texts(dict(queries.rule_texts(state, digest))).rule_set))
    assert again == [one for one in queries.transitions(state) if not one.rule_id.startswith("!")]
