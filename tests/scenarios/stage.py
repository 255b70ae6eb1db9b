"""A daemon before a simulated Schwab in a world of its own, and what a scenario asks of them."""

from __future__ import annotations

import asyncio
import gc
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

from tests.e2e.harness import Watcher
from tests.e2e.webhook import Webhook, webhook
from tests.scenarios.world import World
from tradeassistd.app import Daemon
from tradeassistd.base import watchdog
from tradeassistd.base.config import Settings, load_settings
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.events import Connection, Event, Gap
from tradeassistd.engine.transition import Transition
from tradeassistd.feed import connection
from tradeassistd.feed.token import TokenFile
from tradeassistd.history.replay import replay
from tradeassistd.live import house
from tradeassistd.rules import watch as rules_watch
from tradeassistd.rules.load import load_texts
from tradeassistd.sim.faults.plan import Scenario
from tradeassistd.sim.market import Market
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.tokens import APP_KEY, APP_SECRET
from tradeassistd.store import queries, room, tape_writer

MONDAY_10 = "2026-11-16T10:00:00-05:00"


def instant_us(text: str) -> int:
    """An ISO time with its offset, as UTC microseconds."""
    return int(datetime.fromisoformat(text).timestamp()) * US_PER_S


class Stage:
    """`watcher` sees the daemon's events, `hook` gets what it says; both over all of its lives."""

    def __init__(
        self, folder: Path, world: World, simulator: Simulator, hook: Webhook, settings: Settings,
        watch: Callable[[Daemon], Watcher],
    ) -> None:  # fmt: skip
        self.folder = folder
        self.world = world
        self.simulator = simulator
        self.hook = hook
        self.settings = settings
        self._make_watcher = watch
        self.watcher: Watcher
        self.daemon: Daemon
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    @property
    def now_us(self) -> int:
        return self.world.clock.now_us()

    async def start(self) -> None:
        """Start the daemon; returns when it is ready."""
        self._stop = asyncio.Event()
        daemon = self.daemon = Daemon(self.settings)
        daemon.clock = self.world.clock
        running = self._running = asyncio.create_task(daemon.run(self._stop), name="daemon")
        watching = asyncio.create_task(self._watch(daemon), name="watcher")
        await self.world.until(lambda: watching.done() or running.done(), 30)
        if running.done():
            watching.cancel()
            await running

    async def _watch(self, daemon: Daemon) -> None:
        """See the daemon's events from the first on."""
        await daemon.ready.wait()
        self.watcher = self._make_watcher(daemon)

    async def stop(self) -> None:
        """Stop the daemon in good order. Raises what ended it, if anything did."""
        if self._running is not None:
            running, self._running = self._running, None
            self._stop.set()
            await self.world.until(running.done, 60)
            await running
            gc.unfreeze()  # its process would be gone, and with it what is kept from every collection

    def strike(self) -> None:
        """The instant of a kill -9: what is on disk now is all that is left, and what the daemon still says is not
        heard. Call it while the world does not write; `bury` it then, and start anew."""
        assert not self.world.writes
        shutil.copytree(self.folder / "state", self.folder / "left")
        self.hook.deaf = True

    async def bury(self) -> None:
        """After `strike`: the daemon is gone, and its files are as they were then."""
        await self.stop()
        shutil.rmtree(self.folder / "state")
        (self.folder / "left").rename(self.folder / "state")
        self.hook.deaf = False

    async def live(self, within_s: float = 120.0) -> None:
        """Return when the feed is on line and market data come."""
        await self.world.until(lambda: self.state in ("live", "degraded") and self.watcher.ticks, within_s)

    @property
    def states(self) -> list[str]:
        """The connection's states so far, in order."""
        return [event.state for event in self.watcher.events if isinstance(event, Connection)]

    @property
    def state(self) -> str:
        return self.states[-1] if self.states else ""

    @property
    def reasons(self) -> list[str]:
        """Why the connection went into its states, where it says why."""
        return [event.reason for event in self.watcher.events if isinstance(event, Connection) and event.reason]

    @property
    def gaps(self) -> list[Gap]:
        return [event for event in self.watcher.events if isinstance(event, Gap)]

    @property
    def said(self) -> list[str]:
        """Titles of what reached the webhook, in order."""
        return [post["title"] for post in self.hook.posts]

    @property
    def texts(self) -> str:
        """Everything that reached the webhook."""
        return "\n".join(f"{post['title']}: {post['message']}" for post in self.hook.posts)

    def status(self) -> dict[str, Any]:
        """What `status` says, as last saved (once a second)."""
        return queries.status(self.folder / "state")

    def taped(self) -> list[Event]:
        """Every event on the tapes, in order."""
        return [
            event for tape in sorted(queries.tape_paths(self.folder / "state")) for event in queries.read_tape(tape)
        ]

    def replayed(self) -> list[Transition]:
        """The transitions of a replay of the tapes."""
        state = self.folder / "state"
        return list(replay(self.taped(), lambda digest: load_texts(dict(queries.rule_texts(state, digest))).rule_set))


@contextmanager
def chance_of(seed: int) -> Iterator[None]:
    """How long a connection backs off is left to chance: the same in every run."""
    real, same = vars(connection)["random"], SimpleNamespace(Random=lambda: Random(seed))
    vars(connection)["random"] = same
    try:
        yield
    finally:
        vars(connection)["random"] = real


@contextmanager
def _at_leisure(seconds: float) -> Iterator[None]:
    """Save, write the tape, look at loops, disk and rule files only so often, where that is less than usual."""
    pauses = (
        (house, "EVERY_S"),
        (tape_writer, "FLUSH_EVERY_S"),
        (watchdog, "LOOK_EVERY_S"),
        (room, "LOOK_EVERY_S"),
        (rules_watch, "RESCAN_EVERY_S"),
    )
    usual = [(vars(module), name, vars(module)[name]) for module, name in pauses]
    for names, name, pause_s in usual:
        names[name] = max(seconds, pause_s)
    try:
        yield
    finally:
        for names, name, pause_s in usual:
            names[name] = pause_s


@asynccontextmanager
async def staged(
    folder: Path,
    market: Market,
    rules: str,
    *,
    scenario: Scenario | None = None,
    see: Any = None,
    settings: str = "",
    start_symbols: Sequence[str] = (),
    watch: Callable[[Daemon], Watcher] = Watcher,
    saved_every_s: float = 0.0,
) -> AsyncIterator[Stage]:
    """A simulator with that market and a daemon with these rules, started; both are stopped in good order.

    Over long times most of the work would be saving rule states and status once a second: `saved_every_s`.
    """
    world = World(market.start_us)
    with world.inhabited(), chance_of(1), _at_leisure(saved_every_s):
        simulator = Simulator(market, clock=world.clock, scenario=scenario, see=see, start_symbols=start_symbols)
        async with webhook() as hook, simulator:
            stage = Stage(folder, world, simulator, hook, _settings(folder, simulator, hook, rules, settings), watch)
            try:
                await stage.start()
                yield stage
            finally:
                await stage.stop()


def _settings(folder: Path, simulator: Simulator, hook: Webhook, rules: str, more: str) -> Settings:
    (folder / "rules.d").mkdir(parents=True, exist_ok=True)
    (folder / "rules.d" / "rules.yaml").write_text(rules, "utf-8")
    TokenFile(folder / "token.json").write(simulator.tokens())
    (folder / "config.yaml").write_text(
        f"store: {{path: '{folder / 'state'}'}}\n"
        f"schwab: {{base_url: '{simulator.base_url}', app_key: '{APP_KEY}', app_secret: '{APP_SECRET}',"
        f" token_file: '{folder / 'token.json'}'}}\n"
        f"channels: {{desk: {{url: '{hook.url}'}}}}\napi: {{socket: off}}\n{more}",
        "utf-8",
    )
    return load_settings(folder / "config.yaml")
