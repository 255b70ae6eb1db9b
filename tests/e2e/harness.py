"""Daemon and simulator joined over real sockets, in one process, for tests that look inside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tradeassistd.app import Daemon
from tradeassistd.base.config import Settings, load_settings
from tradeassistd.engine.events import ClockTurn, Event
from tradeassistd.engine.transition import Transition
from tradeassistd.feed.token import TokenFile
from tradeassistd.market.tick import Tick
from tradeassistd.reload import ReloadResult
from tradeassistd.sim.recorded import RecordedMarket
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.streamer import Cut
from tradeassistd.sim.tokens import APP_KEY, APP_SECRET
from tradeassistd.store import queries
from tradeassistd.store.records import OPEN_STATES

PATIENCE_S = 120.0
"""A test that waits longer than this for an event has failed."""


def settings_for(
    folder: Path, simulator: Simulator, rules: str, channels: str = "{}", *, fills: bool = False
) -> Settings:
    """Settings of a daemon whose state, rules and token live in `folder`.

    Unless it `fills` holes, it knows only what was streamed to it: what the simulator makes up of the days before
    would come sooner or later, and with it windows that a cold oracle does not have.
    """
    (folder / "rules.d").mkdir(parents=True, exist_ok=True)
    (folder / "rules.d" / "rules.yaml").write_text(rules, "utf-8")
    TokenFile(folder / "token.json").write(simulator.tokens())
    (folder / "config.yaml").write_text(
        f"clock: market\n"
        f"store: {{path: '{folder / 'state'}'}}\n"
        f"schwab: {{base_url: '{simulator.base_url}', app_key: '{APP_KEY}', app_secret: '{APP_SECRET}',"
        f" token_file: '{folder / 'token.json'}'}}\n"
        f"history: {{fill_days: {10 if fills else 0}, charts: {str(fills).lower()}}}\n"
        f"channels: {channels}\n",
        "utf-8",
    )
    return load_settings(folder / "config.yaml")


def put(path: Path, text: str) -> None:
    """Write a file in one step: a daemon that looks meanwhile finds the old text or the new one, whole."""
    made = path.with_name(f".{path.name}.new")
    made.write_text(text, "utf-8")
    made.replace(path)


class Watcher:
    """Sees every event of a running daemon, and lets a test wait for one."""

    def __init__(self, daemon: Daemon) -> None:
        assert daemon.live is not None and daemon.reloader is not None  # it is ready
        self.daemon = daemon
        self.reloads: asyncio.Queue[ReloadResult] = asyncio.Queue()
        daemon.reloader.listeners.append(self.reloads.put_nowait)
        self.events: list[Event] = []
        self.transitions: list[Transition] = []
        self._waiting: list[tuple[Callable[[Event], bool], asyncio.Event]] = []
        daemon.live.listeners.append(self._see)

    async def until(self, condition: Callable[[Event], bool]) -> None:
        """Return when an event for which `condition` holds has gone through the engine."""
        happened = asyncio.Event()
        waiting = (condition, happened)
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await happened.wait()
        finally:
            self._waiting.remove(waiting)

    async def reloaded(self) -> ReloadResult:
        """The next reload's result."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reloads.get()

    async def until_clock(self, at_us: int) -> None:
        """Return when market time has passed `at_us`."""
        await self.until(lambda event: isinstance(event, ClockTurn) and event.event_us >= at_us)

    @property
    def ticks(self) -> list[Tick]:
        return [event for event in self.events if isinstance(event, Tick)]

    def _see(self, event: Event, transitions: list[Transition]) -> None:
        self.events.append(event)
        self.transitions += transitions
        for condition, happened in self._waiting:
            if condition(event):
                happened.set()


async def until_stored(holds: Callable[[], object]) -> None:
    """Return when the store says so: what another program writes there tells nobody here."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)


def all_settled(state: Path) -> bool:
    """Whether every delivery is noted as settled; a daemon logs that it was sent right before."""
    deliveries = [delivery for one in queries.alerts(state) for delivery in one.deliveries]
    return bool(deliveries) and not any(delivery.state in OPEN_STATES for delivery in deliveries)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Watcher]:
    """A daemon from its start to its clean stop; what it raises comes out here."""
    daemon, stop = Daemon(settings), asyncio.Event()
    task = asyncio.create_task(daemon.run(stop))
    ready = asyncio.create_task(daemon.ready.wait())
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    if task.done():
        await task
    try:
        yield Watcher(daemon)
    finally:
        stop.set()
        await task


async def played(simulator: Simulator) -> None:
    """Return when the market is at its end. Raises TimeoutError when it stands still for too long: nobody listens."""
    finished = asyncio.ensure_future(simulator.wait_finished())
    try:
        while not finished.done():
            at_us = simulator.now_us
            await asyncio.wait({finished}, timeout=PATIENCE_S)
            if not finished.done() and simulator.now_us == at_us:
                raise TimeoutError(f"the market stands still at {at_us}")
        await finished
    finally:
        finished.cancel()


async def play(folder: Path, path: Path, rules: str, *, cuts: Sequence[Cut] = (), channels: str = "{}",
               as_symbol: str | None = None) -> Watcher:  # fmt: skip
    """Play a recorded file through a daemon, as fast as it is taken, until its last bars have closed."""
    market = RecordedMarket(path, as_symbol)
    async with (
        Simulator(market, speed=None, cuts=cuts) as simulator,
        running(settings_for(folder, simulator, rules, channels)) as watcher,
    ):
        await played(simulator)
        await watcher.until_clock(simulator.now_us + 3_000_000)
        live = watcher.daemon.live
        assert live is not None
        async with asyncio.timeout(PATIENCE_S):
            await live.ledger.settle()  # a stop waits for two seconds only, whatever a slow disk has not taken yet
    return watcher
