"""Everything the engine consumes, in one order; all of it is on the tape.

`Tick` (market.tick) is an event too. Every event has `event_us`, its unique and increasing position in the log.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from tradeassistd.engine.silences import Silence, SilenceEnd
from tradeassistd.engine.transition import RuleState
from tradeassistd.market.bar import Bar
from tradeassistd.market.tick import Tick


class Start(msgspec.Struct, frozen=True, tag="start"):
    """The daemon began: what was restored from the store, and the text hash of the rule set it runs."""

    event_us: int
    rules_hash: str
    states: tuple[RuleState, ...] = ()
    silences: tuple[Silence, ...] = ()
    """Those that somebody said and that are not over; those of `_silences.yaml` belong to the rule set."""
    relived: Relived | None = None
    """What it goes on from; None: nothing is known of the symbols but what the bars behind it say."""


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """The daemon ended in good order."""

    event_us: int


class ClockTurn(msgspec.Struct, frozen=True, gc=False, tag="clock"):
    """A whole second of market time passed. Its event time is that second exactly."""

    event_us: int


ON_LINE = ("live", "degraded")
"""The states of the stream in which its values are known; in `degraded` some symbols are not, and say so themselves."""


class Connection(msgspec.Struct, frozen=True, tag="connection"):
    """The stream's state changed (design 6). Only in ON_LINE are values of the feed known."""

    event_us: int
    state: str
    reason: str = ""
    known_us: int = 0
    """Until when the market was known, while a gap is open that nothing has told the end of yet; 0: there is none."""


class Gap(msgspec.Struct, frozen=True, tag="gap"):
    """Nothing is known of `symbols` (none named: of every symbol) between `from_us` and `to_us`, UTC microseconds."""

    event_us: int
    from_us: int
    to_us: int
    reason: str
    symbols: tuple[str, ...] = ()


class Facts(msgspec.Struct, frozen=True, tag="facts"):
    """Slow values of a symbol's day, merged; prices are scaled integers, None is unknown."""

    event_us: int
    symbol: str
    open: int | None = None
    high: int | None = None
    low: int | None = None
    prev_close: int | None = None
    """Schwab's CLOSE_PRICE: the previous day's close, for futures the settlement."""
    status: str = ""
    """Normal, Halted, Closed, Unknown; empty while Schwab has not said."""
    contract: str = ""
    """The contract a futures root stands for now, e.g. /ESZ26."""
    year_high: int | None = None
    year_low: int | None = None
    """Extremes of the last 52 weeks."""


class RulesSwap(msgspec.Struct, frozen=True, tag="rules"):
    """The rule set was replaced by the one whose text has this hash (the store keeps the text)."""

    event_us: int
    rules_hash: str


class Ack(msgspec.Struct, frozen=True, tag="ack"):
    """A person has seen it: no more reminders of the present firings of that rule (symbol empty: of all symbols)."""

    event_us: int
    rule_id: str
    symbol: str = ""
    by: str = ""


class BarRow(NamedTuple):
    """One bar of `Bars`: what of market.bar.Bar is its own. Short on the tape, for there may be thousands."""

    start_us: int
    end_us: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    trades: int


FILLS = ("rest", "chart")
"""Sources of bars that fill a hole in the midst of a life: minutes over all trades as Schwab tells them."""


class Bars(msgspec.Struct, frozen=True, tag="bars"):
    """Closed bars from before what the engine has seen itself, oldest first, to begin windows and day values with.

    They come right behind a start, or right before a swap of rules, and never take the place of a bar that a rule has
    seen. Those from before `whole_from_us` lie behind a hole in their session: no window reaches across it. After the
    last one nothing was traded in the session until `until_us`; what came then the engine has to see itself.
    Those of FILLS come at any time: the minutes of a hole, all of them, from `whole_from_us` to `until_us`.
    """

    event_us: int
    symbol: str
    interval: str
    session: str
    rows: tuple[BarRow, ...]
    whole_from_us: int
    until_us: int
    source: str = "store"
    contract: str = ""
    """The contract behind a futures root that they are of; empty where Schwab names none."""

    @property
    def bars(self) -> list[Bar]:
        """The bars, oldest first."""
        return [Bar(self.symbol, self.interval, self.session, *row) for row in self.rows]

    @property
    def run(self) -> int:
        """How many of the bars lie behind a hole."""
        return sum(row.start_us < self.whole_from_us for row in self.rows)


class Relived(msgspec.Struct, frozen=True):
    """What a start goes on from: the tape from `from_us` on, and what stood at that instant (engine.reliving)."""

    from_us: int
    """A whole minute, UTC microseconds."""
    first_us: int
    """Event time of the first event that is relived: a replay needs the tape from there."""
    judged_from_us: int
    """From here on rules are judged, so that they know by `saved_until_us` what is not stored with their states."""
    saved_until_us: int
    """The states of the start are as of this event time; what was decided after it was not stored."""
    rules_hash: str = ""
    """The rule set in force at `from_us`; empty where that is not known."""
    ticks: tuple[Tick, ...] = ()
    """The last tick before `from_us` of each symbol that was live then, oldest first."""
    facts: tuple[Facts, ...] = ()
    """The facts before `from_us` that still count, oldest first."""
    past: tuple[Bars, ...] = ()
    """Closed bars from before `from_us`, whole days before others."""


Note = Start | Stop | ClockTurn | Connection | Gap | Facts | RulesSwap | Ack | Silence | SilenceEnd | Bars
"""Every event that is not a tick."""
Event = Tick | Note
