"""The feed's parts, joined: the connection, the login it needs, and those who watch what comes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from tradeassistd.base.clock import Clock
from tradeassistd.base.config import SchwabSettings
from tradeassistd.base.errors import ConfigError
from tradeassistd.base.turns import Turns
from tradeassistd.engine.engine import Engine
from tradeassistd.feed.calls import Calls, Note
from tradeassistd.feed.charts import ChartLine, ChartRow
from tradeassistd.feed.connection import ConnectionLoop, StreamPort
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.history import History
from tradeassistd.feed.intake import Intake
from tradeassistd.feed.mute import MuteWatch
from tradeassistd.feed.outage import OutageWatch
from tradeassistd.feed.queue import FrameQueue
from tradeassistd.feed.rest import Rest
from tradeassistd.feed.ring import FrameRing
from tradeassistd.market.bar import Bar
from tradeassistd.market.session import trading_window_at

if TYPE_CHECKING:
    from tradeassistd.feed.auth import Login
    from tradeassistd.feed.login_told import Memory, Say

OpenStream = Callable[[Callable[[Frame], None]], StreamPort]


class Feed:
    """Everything between Schwab and the frame queue."""

    LOOPS = ("outage", "mute", "login", "login.countdown", "connection")
    """Its loops, in the order they are stopped."""

    def __init__(
        self,
        settings: SchwabSettings,
        engine: Engine,
        intake: Intake,
        queue: FrameQueue,
        say: Say,
        clock: Clock,
        turns: Turns,
        login: Login | None,
        open_stream: OpenStream | None = None,
        note: Note | None = None,
    ) -> None:
        """`say` tells people; `note` takes calls and subscriptions into the audit; `open_stream` makes streams where
        they come from elsewhere than a `login`."""
        opener = open_stream if login is None else login.open_stream
        assert opener is not None
        self._settings = settings
        self._engine, self._intake, self._queue = engine, intake, queue
        self._login = login
        self._ring = FrameRing(clock)
        self._rest = Rest(login.open_client, clock, settings.calls_per_s) if login is not None else None
        self.history = History(self._rest, clock) if self._rest is not None else None
        """What Schwab tells of the past; None where data come from elsewhere."""
        self.charts = ChartLine()
        """The minutes that Schwab tells on the stream; none before `chart`."""
        self.connection = ConnectionLoop(opener, queue, lambda: engine.streamed, clock, turns=turns)
        self._outage = OutageWatch(say, self._is_trading, clock, turns)
        self._mute = MuteWatch(
            intake, self.connection, lambda: engine.streamed, lambda symbol: engine.rule_set.instrument_of(symbol),
            self._rest.traded if self._rest is not None else None, say, clock, turns,
        )  # fmt: skip
        if note is not None:
            self._note_in_audit(note, clock)
        if login is not None:
            login.wake, login.saw = self.connection.wake, self._ring.put
            self.connection.listeners.append(login.entered)
        self.connection.listeners += [self._outage.entered, self._mute.entered]
        self.frames = self._ring.redacted
        """The last raw frames as lines of JSON, without secrets."""

    def chart(self, take: Callable[[list[Bar]], None]) -> None:
        """Have Schwab tell its minutes of what is watched, from the next connection on; `take` gets those that are new.

        Does nothing where data come from elsewhere.
        """
        if self._login is None:
            return

        def told(rows: list[ChartRow]) -> None:
            if bars := self.charts.take(rows):
                take(bars)

        def begin(state: str, _: str) -> None:
            if state == "connecting":
                self.charts.begin()

        self._login.charts = told
        self.connection.listeners.append(begin)

    def loops(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What has to run, by name."""
        loops = {"connection": self.connection.run(), "outage": self._outage.run(), "mute": self._mute.run()}
        if self._login is not None:
            loops |= {"login": self._login.run(), "login.countdown": self._login.told.count_down()}
        return loops

    async def close(self) -> None:
        """Let go of what its loops leave open."""
        if self._rest is not None:
            await self._rest.close()

    def status(self) -> dict[str, Any]:
        """For `status`: the connection and its line."""
        connection, queue, ring = self.connection, self._queue, self._ring
        return {
            **connection.history.status(), "connections": connection.connections,
            "base_url": self._settings.base_url, "frames_queued": len(queue), "held_back": queue.held_back,
            "conflated": queue.conflated, "refused": dict(connection.refused), "frames": ring.frames_seen,
            "charts": self.charts.rows, "charts_lost": self.charts.lost,
            "frame_age_s": None if ring.newest_age_s is None else round(ring.newest_age_s, 1),
        }  # fmt: skip

    def login_status(self) -> Mapping[str, Any]:
        """For `status`: the login, empty where there is none."""
        return self._login.status() if self._login is not None else {}

    def symbols(self) -> dict[str, Any]:
        """For `status`: what is watched, which of it is made of other symbols, and how good its data are."""
        engine, intake = self._engine, self._intake
        wanted = set(engine.wanted)
        derived = {one.symbol: one.formula for one in engine.rule_set.derived if one.symbol in wanted}
        return {"watched": list(engine.wanted), "derived": derived, "not_plausible": dict(intake.doubted),
                "quality": intake.documents(engine.streamed)}  # fmt: skip

    def _note_in_audit(self, note: Note, clock: Clock) -> None:
        calls = Calls(note, clock)
        if self._login is not None and self._rest is not None:
            self._login.calls, self._rest.failed = calls, calls.failed
        self.connection.subscribed.append(
            lambda added, dropped, refused: note(
                "subscribe", {"added": list(added), "dropped": list(dropped), "refused": dict(refused)}
            )
        )

    def _is_trading(self, at_us: int) -> bool:
        """Whether any symbol that the rules read trades at that time."""
        rule_set = self._engine.rule_set
        return any(trading_window_at(rule_set.instrument_of(symbol), at_us) for symbol in self._engine.wanted)


async def open_login(
    settings: SchwabSettings, say: Say, memory: Memory, clock: Clock, turns: Turns, *, market_time: bool
) -> Login:
    """The login to Schwab that the settings describe. Raises ConfigError."""
    from tradeassistd.feed.auth import Login  # brings schwab-py

    if not settings.app_key.get_secret_value() or not settings.app_secret.get_secret_value():
        raise no_keys()
    login = Login(settings, say, memory, clock, turns, market_time=market_time)
    await login.begin()
    return login


def no_keys() -> ConfigError:
    """The settings do not say which app this is."""
    return ConfigError("schwab.app_key and schwab.app_secret are not set",
                       hint="put them in the settings, a credential or SCHWAB_CLIENT_ID/_SECRET")  # fmt: skip
