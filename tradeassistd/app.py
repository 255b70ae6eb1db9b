"""Builds the daemon's parts, starts them in order and stops them in reverse, each step within a limit."""

from __future__ import annotations

import asyncio
import gc
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
from tradeassistd.alerts.routing import Routing
from tradeassistd.api.answers import control_over, health_of
from tradeassistd.api.control import Control
from tradeassistd.api.hub import Hub
from tradeassistd.api.rule_documents import warming_documents
from tradeassistd.base.clock import Clock, MarketClock, WallClock
from tradeassistd.base.config import ChannelSettings, Settings, loopback_address
from tradeassistd.base.errors import ConfigError
from tradeassistd.base.sdnotify import Notifier
from tradeassistd.base.supervise import Supervisor
from tradeassistd.base.turns import Turns
from tradeassistd.base.watchdog import Watchdog
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Start
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.transition import RuleState
from tradeassistd.feed.feed import Feed, OpenStream, open_login
from tradeassistd.feed.intake import Intake
from tradeassistd.feed.queue import FrameQueue
from tradeassistd.history.warm import load_past
from tradeassistd.live import Live
from tradeassistd.reload import Reloader
from tradeassistd.rules.keep import accept
from tradeassistd.rules.load import Loaded, git_commit, read_directory
from tradeassistd.rules.own_functions import use_installed
from tradeassistd.rules.readings import Readings
from tradeassistd.silencing import Silencing
from tradeassistd.status import status_document, status_line
from tradeassistd.store.records import Decided
from tradeassistd.store.writer import Store

if TYPE_CHECKING:
    from tradeassistd.api.server import ApiServer

SEND_ON_STOP_S = 1.5
"""How long a stop waits for deliveries under way; what is left stays in the outbox for the next start."""
STEP_WITHIN_S = 2.0

log = structlog.get_logger(__name__)


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
            await store.end_stretches()
            loaded, readings = await self._load_rules(store, last_us)
            engine = Engine(loaded.rule_set)
            gc.freeze()  # the rules live long: keep them out of every later collection pause
            ttls_s = {name: _ttl_s(channel) for name, channel in self._settings.channels.items()}
            dispatcher = Dispatcher(
                store, channels, clock=self.clock, random=Random(), turns=turns, routing=Routing(ttls_s=ttls_s),
                fell_back=lambda made: live.note_fallbacks(made),
            )  # fmt: skip
            hub = Hub(self.clock, lambda: health_of(status()))

            def tell(decided: Decided) -> None:
                dispatcher.wake(decided)
                hub.told(decided)

            states = await store.load_states()
            intake, queue = await self._open_intake(store, loaded.rule_set, states, last_us), FrameQueue()
            live = self.live = Live(
                engine, intake, queue, store, tell, self.clock, ttls_s, self._settings.default_channels, turns,
                Recipients(await store.recipients(states)), loaded.routes,
            )  # fmt: skip
            live.listeners.append(hub.listen)
            live.warm_up(await load_past(store.directory, loaded.rule_set))
            feed = await self._open_feed(stack, engine, intake, queue, live, store, turns)
            reloader = self.reloader = self._open_reloader(store, live, loaded, readings)

            def status() -> Mapping[str, Any]:
                document = status_document(self._settings, reloader.loaded, engine, live, feed, store, dispatcher)
                return {**document, "warming": warming_documents(engine)}

            control = control_over(
                engine, store.directory, status, reloader.reload, live.acknowledge, feed.connection.wake,
                frames=feed.frames, silencing=Silencing(engine, live.hear, await store.last_silence()),
            )  # fmt: skip
            api = self._open_api(stack, control, hub)
            watchdog = Watchdog(self.notifier, turns, self.clock, lambda: status_line(engine, live, feed))
            supervisor = Supervisor()
            loops = {
                "store": store.run(),
                "dispatcher": dispatcher.run(),
                "ledger": live.keep_ledger(),
                "house": live.keep_house(status),
                "engine": live.run(),
                "clock": live.tick_seconds(),
                **feed.loops(),
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
        for name in ("watchdog", "api", "rules.watch", "rules", *Feed.LOOPS, "clock", "engine"):
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

    async def _load_rules(self, store: Store, last_us: int) -> tuple[Loaded, Readings]:
        readings = Readings()
        channels = frozenset(self._settings.channels)
        loaded = await load_rules(self._rules_dir, store, self.clock.now_us(), channels, readings)
        await store.save_rules(loaded.rule_set, git_commit(self._rules_dir), event_us=last_us)
        return loaded, readings

    async def _open_intake(
        self, store: Store, rule_set: RuleSet, states: tuple[RuleState, ...], last_us: int
    ) -> Intake:
        return Intake(
            self.clock,
            Start(0, rule_set.hash, states, await store.load_silences(last_us)),
            last_us=last_us,
            last_known_us=last_us,
            rule_set=rule_set,
            contracts=await store.last_contracts(),
            delayed_is_unknown=self._settings.schwab.delayed == "unknown",
        )

    async def _open_feed(
        self, stack: AsyncExitStack, engine: Engine, intake: Intake, queue: FrameQueue, live: Live, store: Store,
        turns: Turns,
    ) -> Feed:  # fmt: skip
        """Where ticks come from: Schwab, or what this daemon was given in its place. Raises ConfigError."""
        schwab, login = self._settings.schwab, None
        if self._open_stream is None:
            is_market_time = self._settings.clock == "market"
            login = await open_login(schwab, live.say, store, self.clock, turns, market_time=is_market_time)
        feed = Feed(schwab, engine, intake, queue, live.say, self.clock, turns, login, self._open_stream)
        stack.push_async_callback(self._limited, "feed", feed.close)
        return feed

    def _open_reloader(self, store: Store, live: Live, loaded: Loaded, readings: Readings) -> Reloader:
        async def prepare(rule_set: RuleSet) -> None:
            live.warm_up(await load_past(store.directory, rule_set, reloader.loaded.rule_set))

        reloader = Reloader(
            self._rules_dir,
            self.clock,
            store,
            live.swap,
            live.say,
            loaded,
            frozenset(self._settings.channels),
            readings=readings,
            prepare=prepare,
            begun=self.notifier.reloading,
            ended=self.notifier.ready,
        )
        return reloader

    @property
    def _rules_dir(self) -> Path:
        assert self._settings.rules.dir is not None  # load_settings completes it
        return self._settings.rules.dir


def _ttl_s(channel: ChannelSettings) -> int:
    return default_ttl_s(channel.url.get_secret_value()) if channel.ttl is None else channel.ttl


async def load_rules(
    directory: Path, store: Store, now_us: int, channels: frozenset[str] | None = None,
    readings: Readings | None = None,
) -> Loaded:  # fmt: skip
    """The rules of the directory; a bad file is left as it last was. Raises ConfigError when there are none at all.

    `channels` are those of the settings, which routes may name; `readings` keep what was read for the next reload.
    """
    installed = await asyncio.to_thread(use_installed)  # a user's modules may take their time to import
    for one in installed.functions.values():
        log.info("function.installed", function=one.function.name, version=one.function.version, package=one.package)
    for problem in installed.problems:
        log.error("function.unusable", problem=str(problem))
    found = await asyncio.to_thread(read_directory, directory)
    loaded = accept(found, dict(await store.load_rule_texts()), now_us=now_us, channels=channels,
                    readings=readings)  # fmt: skip
    for warning in loaded.warnings:
        log.warning("rules.warning", problem=str(warning))
    if not loaded.rule_set.rules:
        why = f"all of its files were rejected: {loaded.problems[0]}" if loaded.problems else "it holds no rules"
        raise ConfigError(f"nothing to watch in {directory}: {why}", hint="run `tradeassist rules check`")
    return loaded
