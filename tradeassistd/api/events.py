"""What the WebSocket says and understands: one JSON object a message, told apart by `kind`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator

from tradeassistd.api.documents import alert_document, instant, operand_documents, points
from tradeassistd.api.models import Alert, Document, Health, Operand
from tradeassistd.base.instant import iso
from tradeassistd.engine.events import Connection, Gap
from tradeassistd.engine.transition import Transition
from tradeassistd.market.instrument import is_symbol
from tradeassistd.market.tick import Tick
from tradeassistd.store import records

Kind = Literal["tick_update", "alert_fired", "rule_triggered", "health_status", "connection_events"]
KINDS: tuple[Kind, ...] = ("tick_update", "alert_fired", "rule_triggered", "health_status", "connection_events")
DEFAULT_KINDS: tuple[Kind, ...] = KINDS[1:]
"""Ticks are a flood: they come only when asked for."""
SYMBOLS_MAX = 1_000
PING_CHARACTERS_MAX = 100


class TickUpdate(Document):
    """One change of a level-one quote, with the whole quote after it. Prices in points, null while unknown."""

    kind: Literal["tick_update"] = "tick_update"
    event_us: int
    """When it reached the engine, microseconds since the epoch in UTC; increasing over all events."""
    symbol: str
    last: float | None
    bid: float | None
    ask: float | None
    bid_size: int | None
    ask_size: int | None
    volume: int | None
    """Total volume of the trading day as Schwab counts it."""
    size: int | None
    """Size of the trade this tick is; 0 for a sample of an index; null: no trade."""
    trade_ms: int | None
    """Exchange time of the last trade, milliseconds since the epoch."""
    quote_ms: int | None
    """Exchange time of the last quote, milliseconds since the epoch."""

    @classmethod
    def of(cls, tick: Tick) -> TickUpdate:
        # Built without validation: this runs once per tick, and the fields come from our own types.
        return cls.model_construct(
            event_us=tick.event_us, symbol=tick.symbol, last=points(tick.last), bid=points(tick.bid),
            ask=points(tick.ask), bid_size=tick.bid_size, ask_size=tick.ask_size, volume=tick.volume, size=tick.size,
            trade_ms=tick.trade_ms, quote_ms=tick.quote_ms,
        )  # fmt: skip


class AlertFired(Document):
    """An alert is stored and on its way to its channels. Suppressed alerts do not come here: see rule_triggered."""

    kind: Literal["alert_fired"] = "alert_fired"
    alert: Alert
    """As in /alerts; its deliveries have not been attempted yet."""

    @classmethod
    def of(cls, alert: records.Alert, deliveries: tuple[records.Delivery, ...]) -> AlertFired:
        return cls(alert=Alert(**alert_document(alert, deliveries)))


class RuleTriggered(Document):
    """The state of a rule changed for a symbol, at the moment the engine decides it."""

    kind: Literal["rule_triggered"] = "rule_triggered"
    event_us: int
    """When, microseconds since the epoch in UTC."""
    event_time: str
    """The same as ISO 8601."""
    rule: str
    symbol: str
    level: int
    """Of a ladder, mildest first; 0 without one."""
    change: Literal["pending", "lapsed", "fired", "missed", "told", "reminded", "cleared", "closed"]
    """pending: it holds and `for` counts; lapsed: it stopped before that; fired; missed: a crossing while nobody
    watched; told: an earlier firing is told now; reminded: it still fires, and nobody has acknowledged it; cleared;
    closed: the rule was changed, removed or expired, or its day is over."""
    state: Literal["ok", "pending", "firing"]
    """The state after it."""
    suppressed: str
    """Why nobody is told: at_load, higher_level, mode, spent, rearm, cooldown, log; of closed and lapsed why it ended:
    rule_changed, rule_removed, session_end, expired; empty: somebody is told, or there is nothing to tell."""
    late: bool
    """It may have become true earlier, while nobody watched."""
    since: str | None
    """When this pending or firing began."""
    price: float | None
    """Last trade of the symbol."""
    value: float | None
    """Left side of the first comparison that holds, in `unit` (percent as a fraction)."""
    unit: str
    message: str
    """The rule's own message, filled in, where there is something to tell; else empty."""
    setup: dict[str, float | str | None]
    """What the rule would trade, as it stands; null: unknown."""
    operands: list[Operand]

    @classmethod
    def of(cls, transition: Transition) -> RuleTriggered:
        return cls(
            event_us=transition.event_us, event_time=iso(transition.event_us), rule=transition.rule_id,
            symbol=transition.symbol, level=transition.level, change=transition.kind.value,
            state=transition.state.value, suppressed=transition.suppressed, late=transition.late,
            since=instant(transition.since_us), price=points(transition.price), value=transition.value,
            unit=transition.unit, message=transition.message, setup=dict(transition.setup),
            operands=[Operand(**one) for one in operand_documents(transition)],
        )  # fmt: skip


class HealthStatus(Document):
    """How the daemon is: at once after subscribing, whenever it changes, and every ten seconds."""

    kind: Literal["health_status"] = "health_status"
    health: Health


class ConnectionEvents(Document):
    """The stream's state changed, or it came back after a time that nobody watched (`state` is then `gap`)."""

    kind: Literal["connection_events"] = "connection_events"
    event_us: int
    """When, microseconds since the epoch in UTC."""
    event_time: str
    """The same as ISO 8601."""
    state: str
    """connecting, logging_in, subscribing, live, backoff, replaced, auth_needed, stopped; or gap."""
    reason: str
    gap_from: str | None = None
    """Of a gap: nothing is known from here..."""
    gap_to: str | None = None
    """... to here."""
    symbols: list[str] = Field(default_factory=list)
    """Of a gap: the symbols it concerns; empty: all."""

    @classmethod
    def of(cls, event: Connection | Gap) -> ConnectionEvents:
        at_us = event.event_us
        if isinstance(event, Connection):
            return cls(event_us=at_us, event_time=iso(at_us), state=event.state, reason=event.reason)
        return cls(
            event_us=at_us, event_time=iso(at_us), state="gap", reason=event.reason, gap_from=instant(event.from_us),
            gap_to=instant(event.to_us), symbols=list(event.symbols),
        )  # fmt: skip


class Subscribed(Document):
    """The answer to a subscription, and the first message of every connection: what will come from now on."""

    kind: Literal["subscribed"] = "subscribed"
    kinds: list[Kind]
    symbols: list[str]
    """Empty: all symbols."""


class Pong(Document):
    """The answer to a ping."""

    kind: Literal["pong"] = "pong"
    id: str | int | None
    """That of the ping."""


class Refused(Document):
    """A message that was not understood; the connection and its subscription stay as they are."""

    kind: Literal["error"] = "error"
    message: str


class Subscribe(Document):
    """Replaces the subscription. An answer (`subscribed`) says what is in force."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["subscribe"] = "subscribe"
    kinds: Annotated[list[Kind], Field(max_length=len(KINDS))] = Field(default=list(DEFAULT_KINDS))
    """Which events; default: all but tick_update."""
    symbols: Annotated[list[str], Field(max_length=SYMBOLS_MAX)] = Field(default_factory=list)
    """Only events of these symbols, as Schwab writes them; empty: all. Health and the connection have no symbol."""

    @field_validator("symbols")
    @classmethod
    def _are_symbols(cls, symbols: list[str]) -> list[str]:
        for symbol in symbols:
            if not is_symbol(symbol):
                raise ValueError(f"{symbol!r} is not a symbol; write it as Schwab does: /ES, $SPX, SPY")
        return symbols


class Ping(Document):
    """Asks for a pong. The daemon also sends WebSocket pings every 20 s, which clients answer by themselves."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["ping"]
    id: Annotated[str, Field(max_length=PING_CHARACTERS_MAX)] | int | None = None
    """Anything; the pong has the same."""


Event = TickUpdate | AlertFired | RuleTriggered | HealthStatus | ConnectionEvents
Answer = Subscribed | Pong | Refused
Request = Annotated[Subscribe | Ping, Field(discriminator="kind")]
