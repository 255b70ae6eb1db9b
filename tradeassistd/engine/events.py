"""Everything the engine consumes, in one order; all of it is on the tape.

`Tick` (market.tick) is an event too. Every event has `event_us`, its unique and increasing position in the log.
"""

from __future__ import annotations

import msgspec

from tradeassistd.engine.transition import RuleState
from tradeassistd.market.tick import Tick


class Start(msgspec.Struct, frozen=True, tag="start"):
    """The daemon began: the rule states restored from the store, and the text hash of the rule set it runs."""

    event_us: int
    rules_hash: str
    states: tuple[RuleState, ...] = ()


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """The daemon ended in good order."""

    event_us: int


class ClockTurn(msgspec.Struct, frozen=True, gc=False, tag="clock"):
    """A whole second of market time passed. Its event time is that second exactly."""

    event_us: int


class Connection(msgspec.Struct, frozen=True, tag="connection"):
    """The stream's state changed (design 6). Only in `live` are values of the feed known."""

    event_us: int
    state: str
    reason: str = ""


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


Note = Start | Stop | ClockTurn | Connection | Gap | Facts | RulesSwap | Ack
"""Every event that is not a tick."""
Event = Tick | Note
