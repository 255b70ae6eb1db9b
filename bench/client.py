"""One client of the feed in a process of its own: stock schwab-py, our feed alone, or the whole daemon.

    python -m bench.client stock|feed|daemon URL --ticks N --items N --folder DIR

Prints one JSON document: CPU of this process (all its threads) per tick, and ticks a second, from the first `warm`
ticks to the last one (`daemon`: until that is on the tape), so that importing, connecting and the images are left out.
`daemon --times` also writes down when each tick was decided, and when each alert was decided and handed to its channel.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from array import array
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from bench.market import SYMBOLS, by_service
from bench.measure import rss_mb
from bench.rules import mixed
from tradeassistd.alerts.channels import Channel
from tradeassistd.alerts.message import Message
from tradeassistd.app import Daemon
from tradeassistd.base.clock import MarketClock
from tradeassistd.base.config import Settings, load_settings
from tradeassistd.base.log import set_up
from tradeassistd.engine.events import Event, Start
from tradeassistd.engine.transition import Transition
from tradeassistd.feed.connection import ConnectionLoop
from tradeassistd.feed.frames import FUTURES, Frame
from tradeassistd.feed.intake import Intake
from tradeassistd.feed.queue import FrameQueue
from tradeassistd.feed.schwab import Stream
from tradeassistd.live.path import ENTRIES_PER_TURN, Live
from tradeassistd.market.tick import Field, Tick
from tradeassistd.sim.preference import user_preference
from tradeassistd.store.writer import Store

RULES = 100
IMAGE = int(Field.IMAGE)
IMAGE_FRAMES = 2
"""One per service, before the ticks."""


class Login:
    """What a stream asks of its HTTP client: where to connect, and a token."""

    def __init__(self, url: str) -> None:
        self.token_metadata = SimpleNamespace(token={"access_token": "any"})
        self._url = url

    async def get_user_preferences(self) -> Login:
        return self

    status_code = 200

    def json(self) -> dict[str, object]:
        return user_preference(self._url)

    def raise_for_status(self) -> None:
        """It is always a 200."""

    async def close_async_session(self) -> None:
        """There is none."""


class Meter:
    """CPU and wall time between the ticks that warm up and the last one."""

    def __init__(self, warm: int, ticks: int) -> None:
        self.over = asyncio.Event()
        self._warm, self._ticks = warm, ticks
        self._seen = 0
        self._cpu_s = self._wall_s = 0.0

    def count(self, ticks: int = 1) -> None:
        before, self._seen = self._seen, self._seen + ticks
        if before < self._warm <= self._seen:
            self._cpu_s, self._wall_s = time.process_time(), time.perf_counter()
            self._warm = self._seen
        elif self._seen >= self._ticks and not self.over.is_set():
            self.over.set()

    def stop(self) -> None:
        """Everything that the ticks cause is done."""
        self._cpu_s, self._wall_s = time.process_time() - self._cpu_s, time.perf_counter() - self._wall_s

    def result(self) -> dict[str, Any]:
        ticks = self._seen - self._warm
        return {"ticks": ticks, "cpu_us": self._cpu_s / ticks * 1e6, "ticks_per_s": ticks / self._wall_s,
                "rss_mb": rss_mb()}  # fmt: skip


async def stock(url: str, meter: Meter, items: int) -> None:
    """schwab-py as its documentation has it, with handlers that do nothing."""
    from schwab.streaming import StreamClient  # after feed.schwab, which keeps its warnings quiet

    stream = StreamClient(Login(url))
    await stream.login()
    stream.add_level_one_equity_handler(_nothing)
    stream.add_level_one_futures_handler(_nothing)
    for service, symbols in by_service().items():
        if service == FUTURES:
            await stream.level_one_futures_subs(symbols)
        else:
            await stream.level_one_equity_subs(symbols)
    for _ in range(IMAGE_FRAMES):
        await stream.handle_message()
    while not meter.over.is_set():
        await stream.handle_message()
        meter.count(items)
    meter.stop()
    await stream._socket.close()  # it has no public way to part; without a good-bye the end takes ten seconds


def _nothing(message: object) -> None:
    """The handler."""


async def feed(url: str, meter: Meter, items: int) -> None:
    """Our connection, decoder, queue and intake, as in the daemon; what comes out is dropped."""
    clock, queue = MarketClock(), FrameQueue()
    intake = Intake(clock, Start(0, ""), last_us=0, last_known_us=0)
    connection = ConnectionLoop(lambda put: Stream(Login(url), put), queue, lambda: SYMBOLS, clock)

    async def consume() -> None:
        while not meter.over.is_set():
            await queue.filled()
            for entry in queue.take(ENTRIES_PER_TURN):
                is_frame = isinstance(entry, Frame)
                for event in intake.frame(entry) if isinstance(entry, Frame) else intake.connection(entry):
                    if is_frame and isinstance(event, Tick) and not event.changed & IMAGE:
                        meter.count()
            await asyncio.sleep(0)

    receiving = asyncio.create_task(connection.run())
    await consume()
    meter.stop()
    receiving.cancel()
    await asyncio.gather(receiving, return_exceptions=True)


class NoChannel:
    """Takes every message at once; knows when."""

    name = "bench"

    def __init__(self) -> None:
        self.handed_ns: dict[str, int] = {}

    async def send(self, message: Message) -> None:
        self.handed_ns[message.key] = time.monotonic_ns()

    async def close(self) -> None:
        """There is nothing to let go of."""


class MeasuredDaemon(Daemon):
    """The daemon with one channel that does nothing. Everything else is what `tradeassistd` runs."""

    task: asyncio.Task[None]
    """In which it runs."""

    def __init__(self, settings: Settings, url: str) -> None:
        super().__init__(settings, open_stream=lambda put: Stream(Login(url), put))
        self.channel = NoChannel()

    async def _open_channels(self, stack: AsyncExitStack) -> list[Channel]:
        return [self.channel]


class Times:
    """When ticks and alerts were decided, in nanoseconds of CLOCK_MONOTONIC."""

    def __init__(self) -> None:
        self.ticks: array[int] = array("q")
        self.alerts: dict[str, int] = {}

    def see(self, event: Event, transitions: list[Transition]) -> None:
        now_ns = time.monotonic_ns()
        if isinstance(event, Tick) and not event.changed & IMAGE:
            self.ticks.append(now_ns)
        for transition in transitions:
            if transition.is_alert and not transition.suppressed:
                self.alerts[transition.alert_id] = now_ns


@asynccontextmanager
async def measured(url: str, folder: Path, log_level: str = "warning") -> AsyncIterator[MeasuredDaemon]:
    """The daemon of that folder, from when it is ready until it has stopped. Raises whatever it ended with."""
    settings = load_settings(folder / "config.yaml")
    set_up(settings.log.format, log_level)
    stop, running = asyncio.Event(), MeasuredDaemon(settings, url)
    task = running.task = asyncio.create_task(running.run(stop))
    ready = asyncio.create_task(running.ready.wait())
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    if task.done():
        await task  # raises what went wrong
    yield running
    stop.set()
    await task


async def warmed(live: Live, ticks: int) -> Times:
    """When ticks and alerts are decided from now on, once that many ticks have been and everything is under way."""
    times, warm = Times(), asyncio.Event()
    live.listeners.append(times.see)
    live.listeners.append(lambda *_: warm.set() if len(times.ticks) >= ticks else None)
    await warm.wait()
    return times


async def daemon(url: str, meter: Meter, folder: Path, times: Times | None) -> dict[str, Any]:
    """The whole path: feed, engine with a hundred rules, tape, store, dispatcher, a channel that does nothing."""
    async with measured(url, folder, "info") as running:
        live = running.live
        assert live is not None  # it is ready
        live.listeners.append(_counter(meter))
        if times is not None:
            live.listeners.append(times.see)
        over = asyncio.create_task(meter.over.wait())
        await asyncio.wait({running.task, over}, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if not running.task.done():
            # A tick is dealt with once it is on the tape; a writer that falls behind must not look quick.
            await cast(Store, live._store).flush()
            meter.stop()
        counters = live.counters
    found: dict[str, Any] = {"alerts": counters.alerts, "told": counters.told}
    if times is not None:
        (folder / "decided").write_bytes(times.ticks.tobytes())
        handed_ns = running.channel.handed_ns
        found["handed_us"] = [(handed - times.alerts[key]) / 1e3 for key, handed in handed_ns.items()]
    return found


def _counter(meter: Meter) -> Callable[[Event, list[Transition]], None]:
    def count(event: Event, _: list[Transition]) -> None:
        if isinstance(event, Tick) and not event.changed & IMAGE:
            meter.count()

    return count


def write_settings(folder: Path, rules: dict[str, str] | None = None) -> None:
    """Settings, rules and an empty state for a `daemon` client in that folder."""
    (folder / "rules.d").mkdir(parents=True)
    for name, text in (rules or mixed(RULES)).items():
        (folder / "rules.d" / name).write_text(text, "utf-8")
    (folder / "config.yaml").write_text(
        f"clock: market\nstore: {{path: '{folder / 'state'}'}}\nrules: {{dir: '{folder / 'rules.d'}'}}\n"
        "channels: {bench: {url: 'json://127.0.0.1'}}\n",
        "utf-8",
    )


def answer(measure: Callable[[str, Path, int], Coroutine[Any, Any, dict[str, Any]]], counted: str) -> None:
    """As a child of the benchmark: measure with its arguments URL, --folder and `counted`, and print what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument(counted, dest="count", type=int, required=True)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(measure(arguments.url, arguments.folder, arguments.count))))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("stock", "feed", "daemon"))
    parser.add_argument("url")
    parser.add_argument("--ticks", type=int, required=True)
    parser.add_argument("--warm", type=int, required=True)
    parser.add_argument("--items", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--times", action="store_true")
    arguments = parser.parse_args()
    found: dict[str, Any] = {}

    async def run() -> dict[str, Any]:
        meter = Meter(arguments.warm, arguments.ticks)
        if arguments.kind == "stock":
            await stock(arguments.url, meter, arguments.items)
        elif arguments.kind == "feed":
            await feed(arguments.url, meter, arguments.items)
        else:
            found.update(await daemon(arguments.url, meter, arguments.folder, Times() if arguments.times else None))
        return {**meter.result(), **found}

    print(json.dumps(asyncio.run(run())))


if __name__ == "__main__":
    main()
