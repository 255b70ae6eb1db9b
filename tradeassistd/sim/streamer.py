"""The streamer as a whole: a market, the sessions on it, heartbeats and cuts, moved in market time. No I/O, no clock.

Faults begin and end here too, in market time; those of tokens are handed to the shell, which keeps the tokens.
A shell (server.py over sockets, local.py in one process) calls `step` when the time of the next event has come, and
carries each session's outbox away. Everything that appears in an outbox appears there in the order it must be sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol, runtime_checkable

from tradeassistd.base.errors import ConfigError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.sim.candles import Candle, Minutes
from tradeassistd.sim.charts import Charts, chart_of
from tradeassistd.sim.counters import REQUESTS_KEPT_MAX, Counters
from tradeassistd.sim.faults import frames
from tradeassistd.sim.faults.board import Faults, Running
from tradeassistd.sim.faults.kinds import Fault, Span, Stage
from tradeassistd.sim.faults.plan import Scenario
from tradeassistd.sim.market import Batch, Market
from tradeassistd.sim.pricehistory import History
from tradeassistd.sim.session import Ending, Session

HEARTBEAT_US = 10 * US_PER_S
_NEVER = 2**63


class Cut(NamedTuple):
    """An outage: at market time `at_us` every connection breaks, for `for_s` seconds of market time none is taken."""

    at_us: int
    for_s: float

    @property
    def until_us(self) -> int:
        return self.at_us + round(self.for_s * US_PER_S)


@runtime_checkable
class Rolling(Protocol):
    """A market whose futures can roll."""

    def roll(self, symbol: str, at_us: int, by: Decimal | None) -> Batch:
        """Put the next contract in front; gives what changes. Raises ConfigError when `symbol` is no root of it."""
        ...


class Streamer:
    """Moves a market and tells the sessions.

    `see` is shown every batch as it really is, before any fault; `on_token_fault` carries out faults of tokens. Raises
    ConfigError for cuts that overlap or lie before the start, and for faults the market has no use for.
    """

    def __init__(
        self,
        market: Market,
        token_is_good: Callable[[str], bool],
        *,
        cuts: Sequence[Cut] = (),
        start_symbols: Sequence[str] = (),
        scenario: Scenario | None = None,
        see: Callable[[Batch], None] | None = None,
        on_token_fault: Callable[[Fault], None] | None = None,
        futures_history: bool = True,
    ) -> None:
        self.faults = Faults(scenario, market.start_us)
        self._see = see
        self._on_token_fault = on_token_fault
        self._activities = 0
        self._market = market
        self._token_is_good = token_is_good
        self._cuts = sorted(cuts)
        self._cut: Cut | None = None
        self._start_symbols = tuple(start_symbols)
        self._sessions: list[Session] = []
        self._live: Session | None = None
        self._next_beat_us = _NEVER
        self.is_wanted = False
        """Whether somebody is there to move for: the start symbols are subscribed; without them, any listed symbol."""
        self.now_us = market.start_us
        self.counters = Counters()
        self._minutes = Minutes(market)
        self.history = History(market, self._minutes, futures=futures_history)
        self._charts = Charts(self.history)
        _check_cuts(self._cuts, market.start_us)
        for key in self._start_symbols:
            if market.find(key) is None:
                raise ConfigError(f"the market has no {key}", hint="wait only for symbols that the market lists")
        for fault in scenario.faults() if scenario else ():
            self.check(fault)
        if self.faults.next_us() < market.start_us:
            raise ConfigError("a fault lies before the market's start", hint="write a later time, or 0s for the start")
        self._turn_faults(market.start_us)

    def check(self, fault: Fault) -> None:
        """Raises ConfigError when this market or shell has no use for the fault."""
        if fault.kind.stage is Stage.TOKEN and fault.kind.span is Span.MOMENT and self._on_token_fault is None:
            raise ConfigError(f"{fault.name}: there are no tokens here", hint="use the simulator on sockets")
        if fault.kind.stage is Stage.MARKET and not isinstance(self._market, Rolling):
            raise ConfigError(f"{fault.name}: a recording takes its course", hint="use the made-up market")
        symbol = fault.options.get("symbol")
        for key in [symbol] if symbol else fault.options.get("symbols", ()):
            if self._market.find(key) is None and fault.name != "internals":
                raise ConfigError(f"{fault.name}: the market has no {key}", hint="name symbols that the market lists")

    def begin_fault(self, fault: Fault) -> Running:
        """Let a fault begin now. Raises ConfigError as `check`."""
        self.check(fault)
        one = self.faults.begin(fault, self.now_us)
        self._carry_out(one)
        return one

    def end_fault(self, one: Running) -> None:
        """End a fault that is at work."""
        self.faults.end(one, self.now_us)
        self._catch_up()

    @property
    def is_cut(self) -> bool:
        """Whether a planned cut is under way, which has an end."""
        return self._cut is not None

    @property
    def in_cut(self) -> bool:
        """Whether the service is out: no connection is taken."""
        return self._cut is not None or self.faults.find("outage") is not None

    def held_until_us(self) -> int | None:
        """The soonest market time that somebody who is kept waiting waits for: a fault's end or a late answer."""
        late = [session.late[0][0] for session in self._sessions if session.late]
        kept = self.faults.kept_away_until_us()
        return min([*late, *([] if kept is None else [kept])], default=None)

    @property
    def is_over(self) -> bool:
        """Whether the market's last change has passed and no cut is under way."""
        return not self.in_cut and self._market.next_us() is None and self._candle_due_us() == _NEVER

    @property
    def live(self) -> Session | None:
        """The session that is logged in, if any; Schwab allows a user one."""
        return self._live

    def connect(self) -> Session:
        """A new connection, not logged in. The shell must not call it during a cut."""
        for _ in self.faults.reconnected(self.now_us):
            self._catch_up()
        session = Session(self._market.find, self._token_is_good, self.faults, self.last_candle)
        self._sessions.append(session)
        self.counters.connections += 1
        return session

    def last_candle(self, key: str) -> Candle | None:
        """The latest minute of `key` that has been told, or would have been; None when there is none of late."""
        return self.history.last_minute(key, self.now_us)

    def disconnect(self, session: Session) -> None:
        """The connection is gone, whoever ended it; a second call does nothing."""
        if session in self._sessions:
            self._sessions.remove(session)
        if session is self._live:
            self._live = None
            self._next_beat_us = _NEVER
            self.is_wanted = False

    def receive(self, session: Session, text: str | bytes) -> None:
        """Take a client's frame; a login ends the connection that was there before."""
        was_in = session.logged_in
        self._candle_due_us()  # what was due until now is not for who subscribes now
        session.receive(text, self.now_us)
        self.counters.requests += session.commands
        session.commands.clear()
        del self.counters.requests[:-REQUESTS_KEPT_MAX]
        if session.logged_in and not was_in:
            self.counters.logins += 1
            self._take_over(session)
        if session.ending is not None:
            self.disconnect(session)
        self.is_wanted = self._has_listener()

    def stop_idle(self, session: Session) -> None:
        """End a session that stayed empty for too long."""
        session.stop_idle(self.now_us)
        self.disconnect(session)

    def drop_all(self, ending: Ending = Ending.DROP) -> None:
        """Break every connection without a close frame; what was not yet carried away is lost."""
        for session in list(self._sessions):
            session.outbox.clear()
            session.late.clear()
            session.ending = ending
            self.disconnect(session)

    def beat(self) -> None:
        """Send a heartbeat now, out of turn: the shell's sign of life while market time stands still."""
        if self._live is not None:
            self._live.beat(self.now_us)
            self.counters.heartbeats += 1
            self._next_beat_us = self.now_us + HEARTBEAT_US

    def pass_time(self, to_us: int) -> None:
        """Let market time go on to `to_us`, but not past the next event."""
        next_us = self.next_us()
        self.now_us = max(self.now_us, to_us if next_us is None else min(to_us, next_us))

    def next_us(self) -> int | None:
        """Market time of the next event, or None when nothing is ahead."""
        batch_us = self._market.next_us()
        late_us = min((session.late[0][0] for session in self._sessions if session.late), default=_NEVER)
        soonest = min(
            _NEVER if batch_us is None else batch_us, self._next_beat_us, self._cut_edge_us(), self.faults.next_us(),
            late_us, self._candle_due_us(),
        )  # fmt: skip
        return None if soonest == _NEVER else soonest

    def step(self) -> None:
        """Let the next event happen: the begin or end of a cut or fault, else late answers, else a heartbeat, else
        candles, else a batch. Of one instant in that order, so a row at the very time of a cut is the first one not
        sent."""
        at_us = self.next_us()
        if at_us is None:
            return
        self.now_us = max(self.now_us, at_us)
        if at_us == self._cut_edge_us():
            self._turn_cut()
        elif at_us >= self.faults.next_us():
            self._turn_faults(at_us)
        elif any(session.late and session.late[0][0] <= at_us for session in self._sessions):
            for session in self._sessions:
                session.release_late(at_us)
        elif at_us == self._next_beat_us:
            self.beat()
        elif self._live is not None and at_us >= self._candle_due_us():
            self._live.publish_candles(self._charts.take(at_us), at_us)
        else:
            self._move_market()

    def _move_market(self) -> None:
        self._publish(self._market.step(min(self._cut_edge_us(), self.faults.next_us())))

    def _publish(self, batch: Batch) -> None:
        self.counters.batches += 1
        self.counters.rows += len(batch.changes)
        self._charts.begin(self._minutes.take(batch))
        if self._see is not None:
            self._see(batch)
        if self._live is not None:
            self._live.publish(batch)

    def _candle_due_us(self) -> int:
        """When the next candle is due for somebody; what is due for nobody is passed over."""
        if self._live is not None and self._live.wants_candles:
            return self._charts.next_us()
        self._charts.pass_over(self.now_us)
        return _NEVER

    def _cut_edge_us(self) -> int:
        if self._cut is not None:
            return self._cut.until_us
        return self._cuts[0].at_us if self._cuts else _NEVER

    def _turn_cut(self) -> None:
        if self._cut is not None:
            self._cut = None
        else:
            self._cut = self._cuts.pop(0)
            self.drop_all()

    def _turn_faults(self, at_us: int) -> None:
        """Begin and end the faults that are due."""
        for one, begins in self.faults.turn(at_us):
            if begins:
                self._carry_out(one)
            else:
                self._catch_up()

    def _catch_up(self) -> None:
        if self._live is not None:
            self._live.catch_up(self.now_us)

    def _carry_out(self, one: Running) -> None:
        """What a fault does as it begins; what it does while it lasts, session and lens see to."""
        stage = one.fault.kind.stage
        if stage is Stage.CONNECTION:
            self._break(one)
        elif stage is Stage.TOKEN and one.fault.kind.span is Span.MOMENT and self._on_token_fault is not None:
            one.hits += 1
            self._on_token_fault(one.fault)
        elif stage is Stage.MARKET and isinstance(self._market, Rolling):
            one.hits += 1
            self._publish(self._market.roll(one.fault["symbol"], self.now_us, one.fault["by"]))
        elif self._live is not None and stage is Stage.FRAME:
            one.hits += 1
            for frame in self._odd_frames(one.fault, self._live):
                self._live.say(frame)
        elif self._live is not None and stage is Stage.DATA:
            self._live.begin_fault(one, self.now_us)

    def _break(self, one: Running) -> None:
        if one.fault.name == "outage":
            one.hits += len(self._sessions)
            self.drop_all()
        elif one.fault.name in ("reset", "drop"):
            one.hits += len(self._sessions)
            self.drop_all(Ending.RESET if one.fault.name == "reset" else Ending.DROP)
        elif one.fault.name in ("close", "second_login", "stop") and (live := self._live) is not None:
            one.hits += 1
            if one.fault.name == "close":
                live.ending = Ending.CLOSE
            elif one.fault.name == "stop":
                live.stop(self.now_us, one.fault["message"])
            else:
                live.replace(self.now_us)
            self.disconnect(live)

    def _odd_frames(self, fault: Fault, live: Session) -> Sequence[str]:
        at_us = self.now_us + self.faults.skew_us
        match fault.name:
            case "big_image":
                return [live.big_image(self.now_us, fault["bytes"])]
            case "malformed":
                return [frames.malformed(fault["form"], at_us, live.big_image(self.now_us, 1))]
            case "unknown_service":
                return [frames.unknown_service(fault["service"], at_us)]
            case "feature_not_supported":
                self._activities += 1
                return [frames.feature_not_supported(self._activities, at_us)]
            case _:
                frames_of_file: Sequence[str] = fault["file"]
                return frames_of_file

    def _take_over(self, session: Session) -> None:
        older, self._live = self._live, session
        if older is not None:
            older.replace(self.now_us)
            self.disconnect(older)
        self._next_beat_us = self.now_us + HEARTBEAT_US

    def _has_listener(self) -> bool:
        if self._live is None:
            return False
        listed = {key for service, key in self._live.subscribed() if self._lists(service, key)}
        return listed.issuperset(self._start_symbols) if self._start_symbols else bool(listed)

    def _lists(self, service: str, key: str) -> bool:
        level_one = self._market.find(key)
        return level_one is not None and service in (
            level_one.listing.layout.service,
            chart_of(level_one.listing).service,
        )


def _check_cuts(cuts: Sequence[Cut], start_us: int) -> None:
    free_us = start_us
    for cut in cuts:
        if cut.for_s <= 0 or cut.at_us < free_us:
            raise ConfigError(
                f"the cut at {cut.at_us} lies before the start, overlaps another, or has no length",
                hint="cuts must be longer than 0 s, come after the market's start and not overlap",
            )
        free_us = cut.until_us
