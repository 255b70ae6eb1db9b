"""Builds the daemon's parts, starts them in order and stops them in reverse, each step within a limit."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import structlog

from tradeassistd import __version__
from tradeassistd.alerts.channels import Channel, default_ttl_s, open_channel
from tradeassistd.alerts.dispatcher import Dispatcher
from tradeassistd.alerts.recipients import Recipients
from tradeassistd.api.answers import control_over, health_of
from tradeassistd.api.control import Control
from tradeassistd.api.hub import Hub
from tradeassistd.base.clock import Clock, MarketClock, WallClock
from tradeassistd.base.config import ChannelSettings, Settings, loopback_address
from tradeassistd.base.errors import ConfigError
from tradeassistd.base.sdnotify import Notifier
from tradeassistd.base.supervise import Supervisor
from tradeassistd.base.turns import Turns
from tradeassistd.base.watchdog import Watchdog
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Start
from tradeassistd.feed.connection import ConnectionLoop, StreamPort
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.intake import Intake
from tradeassistd.feed.queue import FrameQueue
from tradeassistd.feed.token import TokenFile
from tradeassistd.live import Live
from tradeassistd.reload import Reloader
from tradeassistd.rules.keep import accept
from tradeassistd.rules.load import Loaded, git_commit, read_directory
from tradeassistd.store.records import Decided
from tradeassistd.store.writer import Store

if TYPE_CHECKING:
    from tradeassistd.api.server import ApiServer

SEND_ON_STOP_S = 1.5
"""How long a stop waits for deliveries under way; what is left stays in the outbox for the next start."""
STEP_WITHIN_S = 2.0

log = structlog.get_logger(__name__)

OpenStream = Callable[[Callable[[Frame], None]], StreamPort]


class Daemon:
    """One running daemon. `run` returns after a clean stop; it raises FatalError or ConfigError otherwise."""

    def __init__(self, settings: Settings, *, open_stream: OpenStream | None = None) -> None:
        self._settings = settings
        self.clock: Clock = MarketClock() if settings.clock == "market" else WallClock()
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
            store = await Store.open(self._settings.store.path, clock=self.clock, turns=turns)  # type: ignore[arg-type]
            stack.push_async_callback(self._limited, "store", store.close)
            channels = await self._open_channels(stack)
            last_us = await store.last_event_us()
            loaded = await load_rules(self._rules_dir, store, self.clock.now_us())
            await store.save_rules(loaded.rule_set, git_commit(self._rules_dir), event_us=last_us)
            engine = Engine(loaded.rule_set)
            gc.freeze()  # the rules live long: keep them out of every later collection pause
            states = await store.load_states()
            recipients = Recipients(await store.recipients(states))
            intake = Intake(
                self.clock,
                Start(0, loaded.rule_set.hash, states),
                last_us=last_us,
                last_known_us=last_us,
            )
            queue = FrameQueue()
            dispatcher = Dispatcher(store, channels, clock=self.clock, random=Random(), turns=turns)
            hub = Hub(self.clock, lambda: health_of(status()))

            def tell(decided: Decided) -> None:
                dispatcher.wake(decided)
                hub.told(decided)

            live = self.live = Live(
                engine, intake, queue, store, tell, self.clock,
                {name: _ttl_s(channel) for name, channel in self._settings.channels.items()},
                self._settings.default_channels, turns, recipients,
            )  # fmt: skip
            connection = ConnectionLoop(self._stream_opener(), queue, lambda: engine.wanted, self.clock, turns=turns)
            reloader = self.reloader = Reloader(
                self._rules_dir,
                self.clock,
                store,
                live.swap,
                live.say,
                loaded,
                begun=self.notifier.reloading,
                ended=self.notifier.ready,
            )

            def status() -> Mapping[str, Any]:
                return _status(self._settings, reloader.loaded, live, connection, queue, store, dispatcher)

            live.listeners.append(hub.listen)
            control = control_over(engine, store.directory, status, reloader.reload, live.acknowledge)
            api = self._open_api(stack, control, hub)
            watchdog = Watchdog(self.notifier, turns, self.clock, lambda: _status_line(engine, live, connection))
            supervisor = Supervisor()
            loops = {
                "store": store.run(),
                "dispatcher": dispatcher.run(),
                "ledger": live.keep_ledger(),
                "house": live.keep_house(status),
                "engine": live.run(),
                "clock": live.tick_seconds(),
                "connection": connection.run(),
                "watchdog": watchdog.run(),
                "rules.watch": reloader.listen(),
                "rules": reloader.run(),
            }
            if api is not None:
                loops["api"] = api.run()
            supervisor.start(loops)
            stack.push_async_callback(self._wind_down, supervisor, live, dispatcher, status)
            self.notifier.ready()
            self.ready.set()
            log.info("daemon.ready", version=__version__, rules=len(loaded.rule_set.rules), symbols=len(engine.wanted))
            await supervisor.until(stop)

    def request_reload(self) -> None:
        """Look at the rules directory now (SIGHUP)."""
        if self.reloader is not None:
            self.reloader.request()

    async def _wind_down(
        self, supervisor: Supervisor, live: Live, dispatcher: Dispatcher, status: Callable[[], Mapping[str, Any]]
    ) -> None:
        """No more frames, then no more events, then no more sending; the store closes after all of them."""
        log.info("daemon.stopping")
        self.notifier.stopping()
        for name in ("watchdog", "api", "rules.watch", "rules", "connection", "clock", "engine"):
            await self._limited(name, lambda name=name: supervisor.cancel(name))  # type: ignore[misc]
        await self._limited("engine", live.finish)
        await self._limited("house", lambda: live.save({**status(), "state": "stopped"}))
        await self._limited("dispatcher", lambda: dispatcher.drain(SEND_ON_STOP_S))
        for name in ("house", "ledger", "dispatcher", "store"):
            await self._limited(name, lambda name=name: supervisor.cancel(name))  # type: ignore[misc]

    async def _limited(self, name: str, step: Callable[[], Awaitable[object]]) -> None:
        """One step of the stop; a step that hangs must not keep the others from happening."""
        try:
            async with self.clock.deadline(STEP_WITHIN_S):
                await step()
        except TimeoutError:
            log.error("stop.hangs", step=name, after_s=STEP_WITHIN_S)

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

    def _stream_opener(self) -> OpenStream:
        if self._open_stream is not None:
            return self._open_stream
        from tradeassistd.feed.schwab import LoginNeeded, Stream, open_client

        schwab = self._settings.schwab
        if not schwab.app_key.get_secret_value() or not schwab.app_secret.get_secret_value():
            raise ConfigError("schwab.app_key and schwab.app_secret are not set",
                              hint="put them in the settings, a credential or SCHWAB_CLIENT_ID/_SECRET")  # fmt: skip
        assert schwab.token_file is not None  # load_settings completes it
        token_file = TokenFile(schwab.token_file)
        token_file.read()

        def open_stream(put: Callable[[Frame], None]) -> StreamPort:
            try:
                client = open_client(schwab.app_key.get_secret_value(), schwab.app_secret.get_secret_value(),
                                     token_file, schwab.base_url)  # fmt: skip
            except ConfigError as error:
                # The file went bad while we run: that takes a human, and the rest of the daemon goes on meanwhile.
                raise LoginNeeded(error.message, hint=error.hint) from error
            return Stream(client, put)

        return open_stream

    @property
    def _rules_dir(self) -> Path:
        assert self._settings.rules.dir is not None  # load_settings completes it
        return self._settings.rules.dir


def _ttl_s(channel: ChannelSettings) -> int:
    return default_ttl_s(channel.url.get_secret_value()) if channel.ttl is None else channel.ttl


async def load_rules(directory: Path, store: Store, now_us: int) -> Loaded:
    """The rules of the directory; a bad file is left as it last was. Raises ConfigError when there are none at all."""
    found = await asyncio.to_thread(read_directory, directory)
    loaded = accept(found, dict(await store.load_rule_texts()), now_us=now_us)
    for warning in loaded.warnings:
        log.warning("rules.warning", problem=str(warning))
    if not loaded.rule_set.rules:
        why = f"all of its files were rejected: {loaded.problems[0]}" if loaded.problems else "it holds no rules"
        raise ConfigError(f"nothing to watch in {directory}: {why}", hint="run `tradeassist rules check`")
    return loaded


def _status_line(engine: Engine, live: Live, connection: ConnectionLoop) -> str:
    """What `systemctl status` shows."""
    counts = ((len(engine.wanted), "symbol"), (len(engine.rule_set.rules), "rule"), (live.counters.alerts, "alert"))
    said = ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)
    return f"{connection.state}, {said} since the start"


def _status(
    settings: Settings, loaded: Loaded, live: Live, connection: ConnectionLoop, queue: FrameQueue, store: Store,
    dispatcher: Dispatcher,
) -> dict[str, Any]:  # fmt: skip
    """What `tradeassist status` shows; no secrets."""
    return {
        "state": "running",
        "version": __version__,
        "pid": os.getpid(),
        "clock": settings.clock,
        "feed": {"state": connection.state, "reason": connection.reason, "connections": connection.connections,
                 "base_url": settings.schwab.base_url, "frames_queued": len(queue), "held_back": queue.held_back},
        "rules": {"directory": str(settings.rules.dir), "loaded": len(loaded.rule_set.rules),
                  "hash": loaded.rule_set.hash[:12], "problems": [str(problem) for problem in loaded.problems]},
        "counters": {"ticks": live.counters.ticks, "alerts": live.counters.alerts, "told": live.counters.told,
                     "rule_faults": live.counters.faults},
        "channels": dispatcher.status(),
        "store": store.status(),
        "api": {"socket": str(settings.api.socket), "listen": settings.api.listen or ""},
    }  # fmt: skip
