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
from tradeassistd.alerts.unstored import Unstored
from tradeassistd.api.answers import control_over, health_of
from tradeassistd.api.control import Control
from tradeassistd.api.hub import Hub
from tradeassistd.api.rule_documents import warming_documents
from tradeassistd.base.clock import Clock, MarketClock
from tradeassistd.base.config import ChannelSettings, Settings, loopback_address
from tradeassistd.base.errors import ConfigError, FatalError, TransientError
from tradeassistd.base.sdnotify import Notifier
from tradeassistd.base.steady import SteadyClock
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
from tradeassistd.feed.timekeeping import Timekeeping
from tradeassistd.history.backfills import Backfiller, into_holes
from tradeassistd.history.fill import Filler
from tradeassistd.history.reliving import GoneOn, go_on
from tradeassistd.history.verify import Verifier
from tradeassistd.history.warm import load_past
from tradeassistd.live import Live
from tradeassistd.reload import Reloader
from tradeassistd.rules.keep import accept
from tradeassistd.rules.load import Loaded, git_commit, read_directory
from tradeassistd.rules.own_functions import use_installed
from tradeassistd.rules.readings import Readings
from tradeassistd.silencing import Silencing
from tradeassistd.status import status_document, status_line
from tradeassistd.store.audit import AuditLog
from tradeassistd.store.damage import SetAside
from tradeassistd.store.density import Density
from tradeassistd.store.keeping import Keeping
from tradeassistd.store.records import Decided
from tradeassistd.store.retention import Retention
from tradeassistd.store.room import Room
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
            channels = await self._open_channels(stack)
            last_us = await store.last_event_us()
            if isinstance(self.clock, SteadyClock):
                self.clock.begin_after(last_us)
            await store.end_stretches()
            loaded, readings = await self._load_rules(store, last_us)
            states = await store.load_states()
            gone_on = await self._go_on(store, loaded.rule_set, states, last_us)
            engine = gone_on.engine
            gc.collect()  # garbage that is frozen stays for ever
            gc.freeze()  # the rules live long: keep them out of every later collection pause
            ttls_s = {name: _ttl_s(channel) for name, channel in self._settings.channels.items()}
            dispatcher = Dispatcher(
                store, channels, clock=self.clock, random=Random(), turns=turns, routing=Routing(ttls_s=ttls_s),
                fell_back=lambda made: live.note_fallbacks(made),
            )  # fmt: skip
            audit = AuditLog(store, self.clock, last_us, turns)
            stack.push_async_callback(self._limited, "audit", audit.flush)
            unstored = Unstored(dispatcher.send_unstored, self.clock)
            hub = Hub(self.clock, lambda: health_of(status()))

            def tell(decided: Decided) -> None:
                dispatcher.wake(decided)
                hub.told(decided)

            intake, queue = await self._open_intake(store, loaded.rule_set, gone_on.start, last_us), FrameQueue()
            live = self.live = Live(
                engine, intake, queue, store, tell, self.clock, ttls_s, self._settings.default_channels, turns,
                Recipients(await store.recipients(states)), loaded.routes, unstored, gone_on.late,
            )  # fmt: skip
            live.listeners.append(hub.listen)
            store.tape.listen(lambda aside: self._tell_set_aside(aside, live, audit))
            room = Room(store.tape, store.directory, self.clock, live.say, self._settings.store.min_free)
            retention = Retention(store, self._settings.store.keep, self.clock)
            relived = gone_on.start.relived is not None
            live.warm_up(gone_on.fills if relived else await load_past(store.directory, loaded.rule_set))
            feed = await self._open_feed(stack, engine, intake, queue, live, store, turns, audit)
            reloader = self.reloader = self._open_reloader(store, live, loaded, readings)
            filler = self._open_filler(store, engine, live, feed, turns)
            backfiller = Backfiller(
                feed.history, store, self.clock, lambda: engine.rule_set,
                into_holes(store.directory, lambda: engine.symbols, live.fill, last_us),
            )  # fmt: skip
            await backfiller.begin()

            def status() -> Mapping[str, Any]:
                document = status_document(self._settings, reloader.loaded, engine, live, feed, store, dispatcher)
                return {**document, "start": gone_on.document(), "warming": warming_documents(engine),
                        "unstored": unstored.status(), "disk": room.status(), "history": filler.status(),
                        "backfill": backfiller.status()}  # fmt: skip

            control = control_over(
                engine, store.directory, status, reloader.reload, live.acknowledge, feed.connection.wake,
                frames=feed.frames, backfills=backfiller,
                verify=Verifier(
                    feed.history, store.directory, self.clock, lambda symbol: engine.rule_set.instrument_of(symbol)
                ).verify,
                silencing=Silencing(engine, live.hear, await store.last_silence()),
                prune=retention.prune_given,
                note=audit.note,
                keeping=Keeping(store, lambda: live.save(status()), lambda: live.last_us),
            )  # fmt: skip
            api = self._open_api(stack, control, hub)
            watchdog = Watchdog(self.notifier, turns, self.clock, lambda: status_line(engine, live, feed))
            supervisor = Supervisor()
            loops = {
                "store": store.run(),
                "dispatcher": dispatcher.run(),
                "ledger": live.keep_ledger(),
                "unstored": unstored.run(),
                "audit": audit.run(),
                "timekeeping": Timekeeping(self.clock, live.say, audit.note, turns).run(),
                "house": live.keep_house(status),
                "room": room.run(),
                "retention": retention.run(),
                "engine": live.run(),
                "clock": live.tick_seconds(),
                **feed.loops(),
                "watchdog": watchdog.run(),
                "rules.watch": reloader.listen(),
                "rules": reloader.run(),
                "backfill": backfiller.run(),
                "history": filler.run(),
            }
            if api is not None:
                loops["api"] = api.run()
            supervisor.start(loops)
            stack.push_async_callback(self._wind_down, supervisor, live, dispatcher, status)
            self.notifier.ready()
            self.ready.set()
            log.info("daemon.ready", version=__version__, rules=len(loaded.rule_set.rules), symbols=len(engine.wanted))
            try:
                await supervisor.until(stop)
            except FatalError as error:
                await unstored.last_words(str(error), self._settings.default_channels)
                raise

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
        asking = ("watchdog", "timekeeping", "api", "backfill", "history", "rules.watch", "rules")
        for name in (*asking, *Feed.LOOPS, "clock", "engine"):
            await self._limited(name, lambda name=name: supervisor.cancel(name))  # type: ignore[misc]
        await self._limited("engine", live.finish)
        await self._limited("house", lambda: live.save({**status(), "state": "stopped"}))
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

    @staticmethod
    def _tell_set_aside(aside: SetAside, live: Live, audit: AuditLog) -> None:
        live.say("A damaged tape was put aside", aside.text)
        audit.note("tape.damaged", {"tape": aside.name, "kept": aside.kept, "why": aside.why})

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

    async def _load_rules(self, store: Store, last_us: int) -> tuple[Loaded, Readings]:
        readings = Readings()
        channels = frozenset(self._settings.channels)
        loaded = await load_rules(self._rules_dir, store, self.clock.now_us(), channels, readings)
        await store.save_rules(loaded.rule_set, git_commit(self._rules_dir), event_us=last_us)
        return loaded, readings

    async def _go_on(self, store: Store, rule_set: RuleSet, states: tuple[RuleState, ...], last_us: int) -> GoneOn:
        """The engine as it was when the last daemon ended, and what was not decided then; the log says how long."""
        began_s = self.clock.elapsed_s()
        start = Start(0, rule_set.hash, states, await store.load_silences(last_us))
        saved_until_us = await store.decided_until_us()
        gone_on = await asyncio.to_thread(go_on, store.directory, rule_set, start, saved_until_us)
        gone_on = gone_on._replace(took_s=self.clock.elapsed_s() - began_s)
        log.info("engine.gone_on", **gone_on.document())
        return gone_on

    async def _open_intake(self, store: Store, rule_set: RuleSet, start: Start, last_us: int) -> Intake:
        return Intake(
            self.clock,
            start,
            last_us=last_us,
            last_known_us=await store.taped_until_us() or last_us,
            rule_set=rule_set,
            contracts=await store.last_contracts(),
            delayed_is_unknown=self._settings.schwab.delayed == "unknown",
        )

    async def _open_feed(
        self, stack: AsyncExitStack, engine: Engine, intake: Intake, queue: FrameQueue, live: Live, store: Store,
        turns: Turns, audit: AuditLog,
    ) -> Feed:  # fmt: skip
        """Where ticks come from: Schwab, or what this daemon was given in its place. Raises ConfigError."""
        schwab, login = self._settings.schwab, None
        if self._open_stream is None:
            is_market_time = self._settings.clock == "market"
            login = await open_login(schwab, live.say, store, self.clock, turns, market_time=is_market_time)
        feed = Feed(schwab, engine, intake, queue, live.say, self.clock, turns, login, self._open_stream, audit.note)
        stack.push_async_callback(self._limited, "feed", feed.close)
        return feed

    def _open_filler(self, store: Store, engine: Engine, live: Live, feed: Feed, turns: Turns) -> Filler:
        """Who fills holes by itself, and keeps the minutes that Schwab tells on the stream."""
        history = self._settings.history
        filler = Filler(
            store, feed.history if history.fill_days else None, lambda: engine.streamed, lambda: engine.rule_set,
            live.fill, self.clock, turns, days=history.fill_days,
        )  # fmt: skip
        live.watch_listeners.append(filler.note)
        if history.charts:
            feed.chart(filler.take)
        return filler

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
