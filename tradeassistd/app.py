"""Builds the daemon's parts, starts them in order and stops them in reverse, each step within a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from tradeassistd import __version__
from tradeassistd.alerts.channels import Channel, open_channel
from tradeassistd.api.control import Control
from tradeassistd.api.hub import Hub
from tradeassistd.base.clock import Clock, MarketClock
from tradeassistd.base.config import Settings, loopback_address
from tradeassistd.base.errors import FatalError, TransientError
from tradeassistd.base.sdnotify import Notifier
from tradeassistd.base.steady import SteadyClock
from tradeassistd.base.supervise import Supervisor
from tradeassistd.base.turns import Turns
from tradeassistd.feed.feed import Feed, OpenStream
from tradeassistd.live.path import Live
from tradeassistd.parts import Parts
from tradeassistd.reload import Reloader
from tradeassistd.store.density import Density
from tradeassistd.store.writer import Store

if TYPE_CHECKING:
    from tradeassistd.api.server import ApiServer

SEND_ON_STOP_S = 1.5
"""How long a stop waits for deliveries under way; what is left stays in the outbox for the next start."""
STEP_WITHIN_S = 2.0
STORE_WITHIN_S = 240.0
"""How long a start waits for a disk without room; less than the unit's TimeoutStartSec."""
STORE_AGAIN_S = 1.0

log = structlog.get_logger(__name__)


class Daemon:
    """One running daemon. `run` returns after a clean stop; it raises FatalError or ConfigError otherwise."""

    def __init__(self, settings: Settings, *, open_stream: OpenStream | None = None) -> None:
        self._settings = settings
        self.clock: Clock = MarketClock() if settings.clock == "market" else SteadyClock()
        self._open_stream = open_stream
        self.live: Live | None = None
        self.reloader: Reloader | None = None
        self.notifier = Notifier()
        self.ready = asyncio.Event()
        """Set once every loop runs; `live` is there then."""

    async def run(self, stop: asyncio.Event) -> None:
        """Start in order, live until `stop` is set or a loop ends, stop in reverse."""
        async with AsyncExitStack() as stack:
            turns = Turns(self.clock)
            store = await self._open_store(stack, turns, stop)
            parts = Parts(self._settings, self.clock, turns, self.notifier, store, stack, self._limited)
            await parts.build(await self._open_channels(stack), self._open_stream)
            self.live, self.reloader = parts.live, parts.reloader
            api = self._open_api(stack, parts.control(), parts.hub)
            supervisor, loops = Supervisor(), parts.loops()
            if api is not None:
                loops["api"] = api.run()
            supervisor.start(loops)
            stack.push_async_callback(self._wind_down, supervisor, parts)
            self.notifier.ready()
            self.ready.set()
            engine = parts.engine
            log.info("daemon.ready", version=__version__, rules=len(engine.rule_set.rules), symbols=len(engine.wanted))
            try:
                await supervisor.until(stop)
            except FatalError as error:
                await parts.unstored.last_words(str(error), self._settings.default_channels)
                raise

    def request_reload(self) -> None:
        """Look at the rules directory now (SIGHUP)."""
        if self.reloader is not None:
            self.reloader.request()

    async def _wind_down(self, supervisor: Supervisor, parts: Parts) -> None:
        """No more frames, then no more events, then no more sending; the store closes after all of them."""
        log.info("daemon.stopping")
        live, dispatcher, status = parts.live, parts.dispatcher, parts.status
        self.notifier.stopping()
        asking = ("watchdog", "timekeeping", "api", "backfill", "history", "rules.watch", "rules")
        for name in (*asking, *Feed.LOOPS, "clock", "engine"):
            await self._limited(name, lambda name=name: supervisor.cancel(name))  # type: ignore[misc]
        await self._limited("engine", live.finish)
        await self._limited("house", lambda: live.house.save({**status(), "state": "stopped"}))
        await self._limited("dispatcher", lambda: dispatcher.drain(SEND_ON_STOP_S))
        for name in ("retention", "room", "house", "ledger", "unstored", "audit", "dispatcher", "store"):
            await self._limited(name, lambda name=name: supervisor.cancel(name))  # type: ignore[misc]

    async def _limited(self, name: str, step: Callable[[], Awaitable[object]]) -> None:
        """One step of the stop; a step that hangs must not keep the others from happening."""
        try:
            async with self.clock.deadline(STEP_WITHIN_S):
                await step()
        except TimeoutError:
            log.error("stop.hangs", step=name, after_s=STEP_WITHIN_S)

    async def _open_store(self, stack: AsyncExitStack, turns: Turns, stop: asyncio.Event) -> Store:
        """Open the store, waiting a while for a disk that is full or a file that is locked; `stop` ends the wait.

        Raises FatalError when the store cannot be used, or not in time.
        """
        path, began_s, reason = self._settings.store.path, self.clock.elapsed_s(), ""
        assert path is not None  # load_settings completes it
        while True:
            try:
                density = Density.of(self._settings.store.tape)
                store = await Store.open(path, clock=self.clock, turns=turns, density=density)
                break
            except TransientError as error:
                if stop.is_set() or self.clock.elapsed_s() - began_s > STORE_WITHIN_S:
                    raise FatalError(f"the store cannot be opened: {error.message}", hint=error.hint) from error
                if str(error) != reason:
                    reason = str(error)
                    log.error("store.waiting", reason=error.message, hint=error.hint, for_s=STORE_WITHIN_S)
            await self.clock.pause(STORE_AGAIN_S)

        async def close(kind: type[BaseException] | None, *_: object) -> None:
            await self._limited("store", lambda: store.close(clean=kind is None))

        stack.push_async_exit(close)
        return store

    async def _open_channels(self, stack: AsyncExitStack) -> list[Channel]:
        channels = []
        for name, settings in self._settings.channels.items():
            # Loading a notification plugin reads files: not on the event loop.
            channel = await asyncio.to_thread(open_channel, name, settings.url.get_secret_value(), clock=self.clock)
            stack.push_async_callback(self._limited, f"channel {name}", channel.close)
            channels.append(channel)
        return channels

    def _open_api(self, stack: AsyncExitStack, control: Control, hub: Hub) -> ApiServer | None:
        """The local API, listening where the settings say; None when they say nowhere."""
        socket, listen = self._settings.api.socket, self._settings.api.listen
        path = socket if isinstance(socket, Path) else None
        if path is None and listen is None:
            return None
        from tradeassistd.api.server import ApiServer  # brings fastapi and uvicorn

        api = ApiServer(control, hub, self.clock)
        stack.callback(api.close)
        api.open(path, loopback_address(listen) if listen else None)
        return api
