"""The parts of one daemon, built in the order in which each needs the ones before it, and joined to each other."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import structlog

from tradeassistd.alerts.channels import Channel, default_ttl_s
from tradeassistd.alerts.dispatcher import Dispatcher
from tradeassistd.alerts.recipients import Recipients
from tradeassistd.alerts.routing import Routing
from tradeassistd.alerts.unstored import Unstored
from tradeassistd.api.answers import control_over, health_of
from tradeassistd.api.control import Control
from tradeassistd.api.hub import Hub
from tradeassistd.api.rule_documents import warming_documents
from tradeassistd.base.clock import Clock
from tradeassistd.base.config import ChannelSettings, Settings
from tradeassistd.base.errors import ConfigError
from tradeassistd.base.instant import iso
from tradeassistd.base.sdnotify import Notifier
from tradeassistd.base.steady import SteadyClock
from tradeassistd.base.turns import Turns
from tradeassistd.base.watchdog import Watchdog
from tradeassistd.engine.events import Start
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.transition import RuleState
from tradeassistd.feed.feed import Feed, OpenStream, open_login
from tradeassistd.feed.intake import Intake
from tradeassistd.feed.queue import FrameQueue
from tradeassistd.feed.timekeeping import Timekeeping
from tradeassistd.history.backfills import Backfiller, into_windows
from tradeassistd.history.fill import Filler
from tradeassistd.history.reliving import GoneOn, go_on
from tradeassistd.history.verify import Verifier
from tradeassistd.history.warm import load_past
from tradeassistd.live.acknowledging import Acknowledging
from tradeassistd.live.path import Live
from tradeassistd.live.silencing import Silencing
from tradeassistd.reload import Reloader
from tradeassistd.rules.keep import accept
from tradeassistd.rules.load import Loaded, git_commit, read_directory
from tradeassistd.rules.own_functions import use_installed
from tradeassistd.rules.readings import Readings
from tradeassistd.status import status_document, status_line
from tradeassistd.store.audit import AuditLog
from tradeassistd.store.damage import SetAside
from tradeassistd.store.keeping import Keeping
from tradeassistd.store.records import Decided
from tradeassistd.store.retention import Retention
from tradeassistd.store.room import Room
from tradeassistd.store.writer import Store

Limited = Callable[[str, Callable[[], Awaitable[object]]], Awaitable[None]]
"""Takes one step of the stop, within a limit."""

log = structlog.get_logger(__name__)


class Parts:
    """`build` makes them all; what has to be let go of again is left with `stack`, in reverse order."""

    engine_start: GoneOn
    live: Live
    reloader: Reloader
    dispatcher: Dispatcher
    unstored: Unstored

    def __init__(
        self, settings: Settings, clock: Clock, turns: Turns, notifier: Notifier, store: Store, stack: AsyncExitStack,
        limited: Limited,
    ) -> None:  # fmt: skip
        self._settings, self._clock, self._turns, self._notifier = settings, clock, turns, notifier
        self._store, self._stack, self._limited = store, stack, limited
        self._ttls_s = {name: _ttl_s(channel) for name, channel in settings.channels.items()}

    async def build(self, channels: list[Channel], open_stream: OpenStream | None) -> None:
        """Raises ConfigError, FatalError or TransientError when it cannot be done."""
        store = self._store
        last_us = await store.last_event_us()
        if isinstance(self._clock, SteadyClock):
            self._clock.begin_after(last_us)
        await store.end_stretches()
        loaded, readings = await self._load_rules(last_us)
        states = await store.load_states()
        await self._go_on(loaded.rule_set, states, last_us)
        self._open_outbox(channels, last_us)
        await self._open_live(loaded, states, last_us)
        await self._open_feed(open_stream)
        self._open_reloader(loaded, readings)
        await self._open_history(last_us)
        self._silencing = Silencing(self.engine, self.live.hear, await store.last_silence())
        self._retention = Retention(store, self._settings.store.keep, self._clock)
        self._room = Room(store.tape, store.directory, self._clock, self.live.say, self._settings.store.min_free)

    def status(self) -> Mapping[str, Any]:
        """What the daemon says of itself."""
        document = status_document(
            self._settings, self.reloader.loaded, self.engine, self.live, self.feed, self._store, self.dispatcher
        )
        now_us = self._clock.now_us()
        return {
            **document, "as_of": iso(now_us) if now_us else "", "start": self.engine_start.document(),
            "warming": warming_documents(self.engine),
            "unstored": self.unstored.status(), "disk": self._room.status(), "history": self._filler.status(),
            "backfill": self._backfiller.status(),
        }  # fmt: skip

    def control(self) -> Control:
        """What the API may ask for."""
        live, engine, directory = self.live, self.engine, self._store.directory
        return control_over(
            engine, directory, self.status, self.reloader.reload, self._acknowledging.acknowledge,
            self.feed.connection.wake, frames=self.feed.frames, backfills=self._backfiller,
            verify=Verifier(
                self.feed.history, directory, self._clock, lambda symbol: engine.rule_set.instrument_of(symbol)
            ).verify,
            silencing=self._silencing,
            prune=self._retention.prune_given,
            note=self._audit.note,
            keeping=Keeping(self._store, lambda: live.house.save(self.status()), lambda: live.last_us),
        )  # fmt: skip

    def loops(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What has to run, by name."""
        live, line = self.live, lambda: status_line(self.engine, self.live, self.feed)
        return {
            "store": self._store.run(),
            "dispatcher": self.dispatcher.run(),
            "ledger": live.ledger.keep(),
            "unstored": self.unstored.run(),
            "audit": self._audit.run(),
            "timekeeping": Timekeeping(self._clock, live.say, self._audit.note, self._turns).run(),
            "house": live.house.keep(self.status),
            "room": self._room.run(),
            "retention": self._retention.run(),
            "engine": live.run(),
            "clock": live.tick_seconds(),
            **self.feed.loops(),
            "watchdog": Watchdog(self._notifier, self._turns, self._clock, line).run(),
            "rules.watch": self.reloader.listen(),
            "rules": self.reloader.run(),
            "backfill": self._backfiller.run(),
            "history": self._filler.run(),
        }

    async def _load_rules(self, last_us: int) -> tuple[Loaded, Readings]:
        readings, channels = Readings(), frozenset(self._settings.channels)
        loaded = await load_rules(self._rules_dir, self._store, self._clock.now_us(), channels, readings)
        await self._store.save_rules(loaded.rule_set, git_commit(self._rules_dir), event_us=last_us)
        return loaded, readings

    async def _go_on(self, rule_set: RuleSet, states: tuple[RuleState, ...], last_us: int) -> None:
        """The engine as it was when the last daemon ended, and what was not decided then; the log says how long."""
        began_s, store = self._clock.elapsed_s(), self._store
        decided_us = await store.decided_until_us()
        # One that has ended since still lies over what is decided late.
        start = Start(0, rule_set.hash, states, await store.load_silences(min(decided_us, last_us)))
        gone_on = await asyncio.to_thread(go_on, store.directory, rule_set, start, decided_us)
        self.engine_start = gone_on._replace(took_s=self._clock.elapsed_s() - began_s)
        self.engine = gone_on.engine
        gc.collect()  # garbage that is frozen stays for ever
        gc.freeze()  # the rules live long: keep them out of every later collection pause
        log.info("engine.gone_on", **self.engine_start.document())

    def _open_outbox(self, channels: list[Channel], last_us: int) -> None:
        """Who tells people, and the programs that listen."""
        self.dispatcher = Dispatcher(
            self._store, channels, clock=self._clock, random=Random(), turns=self._turns,
            routing=Routing(ttls_s=self._ttls_s), fell_back=lambda made: self.live.note_fallbacks(made),
        )  # fmt: skip
        self._audit = AuditLog(self._store, self._clock, last_us, self._turns)
        self._stack.push_async_callback(self._limited, "audit", self._audit.flush)
        self.unstored = Unstored(self.dispatcher.send_unstored, self._clock)
        self.hub = Hub(self._clock, lambda: health_of(self.status()))

    async def _open_live(self, loaded: Loaded, states: tuple[RuleState, ...], last_us: int) -> None:
        store, gone_on = self._store, self.engine_start
        known = await store.known_until()
        self._queue = FrameQueue()
        self._intake = Intake(
            self._clock, gone_on.start, last_us=last_us, last_known_us=known.until_us or last_us, lost=known.lost,
            rule_set=loaded.rule_set, contracts=await store.last_contracts(),
            delayed_is_unknown=self._settings.schwab.delayed == "unknown",
        )  # fmt: skip
        recipients = Recipients(await store.recipients(states))
        self.live = Live(
            self.engine, self._intake, self._queue, store, self._tell, self._clock, self._ttls_s,
            self._settings.default_channels, self._turns, recipients, loaded.routes,
            self.unstored, gone_on.late,
        )  # fmt: skip
        self._acknowledging = Acknowledging(self.live, self.engine, recipients, store)
        self.live.listeners.append(self.hub.listen)
        store.tape.listen(self._tell_set_aside)
        relived = gone_on.start.relived is not None
        self.live.warm_up(gone_on.fills if relived else await load_past(store.directory, loaded.rule_set))

    def _tell(self, decided: Decided) -> None:
        self.dispatcher.wake(decided)
        self.hub.told(decided)

    def _tell_set_aside(self, aside: SetAside) -> None:
        self.live.say("A damaged tape was put aside", aside.text)
        self._audit.note("tape.damaged", {"tape": aside.name, "kept": aside.kept, "why": aside.why})

    async def _open_feed(self, open_stream: OpenStream | None) -> None:
        """Where ticks come from: Schwab, or what this daemon was given in its place. Raises ConfigError."""
        schwab, live, login = self._settings.schwab, self.live, None
        if open_stream is None:
            is_market_time = self._settings.clock == "market"
            login = await open_login(
                schwab, live.say, self._store, self._clock, self._turns, market_time=is_market_time
            )
        self.feed = Feed(schwab, self.engine, self._intake, self._queue, live.say, self._clock, self._turns, login,
                         open_stream, self._audit.note)  # fmt: skip
        self._stack.push_async_callback(self._limited, "feed", self.feed.close)

    def _open_reloader(self, loaded: Loaded, readings: Readings) -> None:
        async def prepare(rule_set: RuleSet) -> None:
            self.live.warm_up(await load_past(self._store.directory, rule_set, self.reloader.loaded.rule_set))

        self.reloader = Reloader(
            self._rules_dir, self._clock, self._store, self.live.swap, self.live.say, loaded,
            frozenset(self._settings.channels), readings=readings, prepare=prepare, begun=self._notifier.reloading,
            ended=self._notifier.ready,
        )  # fmt: skip

    async def _open_history(self, last_us: int) -> None:
        """Who fills holes by itself and keeps the minutes that Schwab tells on the stream, and who fetches days."""
        store, live, engine, settings = self._store, self.live, self.engine, self._settings.history
        self._filler = Filler(
            store, self.feed.history if settings.fill_days else None, lambda: engine.streamed,
            lambda: engine.rule_set, live.fill, self._clock, self._turns, days=settings.fill_days,
        )  # fmt: skip
        live.house.watch_listeners.append(self._filler.note)
        if settings.charts:
            self.feed.chart(self._filler.take)
        self._backfiller = Backfiller(
            self.feed.history, store, self._clock, lambda: engine.rule_set,
            into_windows(store.directory, lambda: engine.symbols, lambda: engine.rule_set, live.fill, last_us),
        )  # fmt: skip
        await self._backfiller.begin()

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
