"""Every fault there is, in one table: its name, what it does, how long it lasts and what can be said about it.

Reader, JSON schema, documentation and the core all go by this table. What Schwab really does in each case, and how well
that is known, is in the protocol notes (1, 2, 3, 4, 5.3, 8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from tradeassistd.sim.faults.frames import recorded_frames
from tradeassistd.sim.faults.options import (
    BOOLEAN,
    DURATION,
    PERCENT,
    SIGNED,
    SYMBOL,
    SYMBOLS,
    TEXT,
    Form,
    Option,
    between,
    one_number_of,
    word,
)


class Stage(Enum):
    """Who carries a fault out."""

    CONNECTION = "the connection"
    REQUEST = "requests on the stream"
    FRAME = "one frame"
    DATA = "what the data say"
    CHART = "candles on the stream"
    MARKET = "the market itself"
    REST = "REST calls"
    TOKEN = "tokens"


class Span(Enum):
    """How long a fault lasts."""

    MOMENT = "a moment"
    LASTING = "`for`, or until it is ended"
    STREAM = "`for`, `until: reconnect`, or until it is ended"
    COUNTED = "`times` (1), or `for`"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault."""

    name: str
    stage: Stage
    span: Span
    doc: str
    options: tuple[Option, ...] = ()

    def option(self, name: str) -> Option | None:
        """The option of that name."""
        return next((one for one in self.options if one.name == name), None)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault as somebody asked for it; all options have a value."""

    kind: Kind
    options: Mapping[str, Any]
    for_s: int | None = None
    """So long does it last, seconds of market time; None: no end of its own."""
    until_reconnect: bool = False
    times: int | None = None
    """So often does it strike; None: as often as there is occasion."""

    def __getitem__(self, option: str) -> Any:
        return self.options[option]

    @property
    def name(self) -> str:
        return self.kind.name


INTERNALS = ("$TICK", "$ADD", "$ADVN", "$DECN", "$TRIN", "$VOLD", "$UVOL", "$DVOL", "$VOLSPD")
PATHS = ("all", "token", "preference", "quotes", "history", "markets")
REFUSALS = (3, 9, 11, 12, 19, 20, 21, 22, 23, 24, 25, 30)

FRAMES = Form(recorded_frames, {"type": "string", "minLength": 1}, "frames.jsonl")
_STATUS = between(400, 599)
_ON = Option("path", word(*PATHS), "Which calls.", "all")
_EVERY_SYMBOL = Option("symbols", SYMBOLS, "Which symbols; all when not written.", ())
_SOME_CANDLES = Option("every", between(1, 10_000), "Of so many candles one, always the same.", 10)
_SERVICE = Option("service", TEXT, "Only requests to this service.", "")
_COMMAND = Option("command", word("LOGIN", "SUBS", "ADD", "UNSUBS", "VIEW", "LOGOUT"), "Only these requests.", "")


def _moment(name: str, stage: Stage, doc: str, *options: Option) -> Kind:
    return Kind(name, stage, Span.MOMENT, doc, options)


def _lasting(name: str, stage: Stage, doc: str, *options: Option) -> Kind:
    return Kind(name, stage, Span.LASTING, doc, options)


def _stream(name: str, stage: Stage, doc: str, *options: Option) -> Kind:
    return Kind(name, stage, Span.STREAM, doc, options)


def _counted(name: str, stage: Stage, doc: str, *options: Option) -> Kind:
    return Kind(name, stage, Span.COUNTED, doc, options)


_CONNECTION = (
    _moment("reset", Stage.CONNECTION, "TCP reset: no close frame, and what was under way is lost."),
    _moment("drop", Stage.CONNECTION, "The connection ends without a close frame; the client sees 1006."),
    _moment("close", Stage.CONNECTION, "The connection is closed properly, without a word why."),
    _moment("second_login", Stage.CONNECTION, "Another program logs in as the same user: code 12, then closed."),
    _moment(
        "stop", Stage.CONNECTION, "A notify with code 30, then dropped.",
        Option("message", TEXT, "What it says.", "Stop streaming due to empty subscription"),
    ),
    _lasting(
        "outage", Stage.CONNECTION,
        "Every connection breaks, none is taken, and the user preference answers 503; must have `for`.",
    ),
    _counted(
        "handshake", Stage.CONNECTION, "The websocket handshake is answered with an HTTP status.",
        Option("status", _STATUS, "The status.", 503),
    ),
    _stream(
        "mute", Stage.CONNECTION, "Nothing leaves on the stream, answers included; it stays open.",
        Option("heartbeats", BOOLEAN, "Heartbeats still do.", False),
    ),
)  # fmt: skip
_REQUEST = (
    _counted(
        "unanswered", Stage.REQUEST, "A request gets no answer.", _SERVICE, _COMMAND,
        Option("carried_out", BOOLEAN, "It is carried out all the same.", False),
    ),
    _counted(
        "late_answer", Stage.REQUEST, "A request is carried out at once and answered late.", _SERVICE, _COMMAND,
        Option("by", DURATION, "How much later, market time."),
    ),
    _counted(
        "refuse", Stage.REQUEST, "A request is answered with a code; 3, 12 and 30 end the connection.",
        _SERVICE, _COMMAND, Option("code", one_number_of(*REFUSALS), "The code."),
    ),
)  # fmt: skip
_FRAME = (
    _moment(
        "big_image", Stage.FRAME, "The image of all subscribed symbols, repeated in one frame to a great size.",
        Option("bytes", between(1, 32_000_000), "At least so many.", 1_100_000),
    ),
    _moment(
        "malformed", Stage.FRAME, "One frame that is no JSON.",
        Option(
            "form", word("unknown_symbol", "cut_off", "html", "empty"),
            "`unknown_symbol` is how a symbol that does not exist was answered: values that are no JSON.",
            "unknown_symbol",
        ),
    ),
    _moment(
        "unknown_service", Stage.FRAME, "A data frame of a service nobody asked for.",
        Option("service", TEXT, "Which.", "NEWS_HEADLINE"),
    ),
    _moment("feature_not_supported", Stage.FRAME, "The nightly ACCT_ACTIVITY frame: `Feature not supported`."),
    _moment(
        "recorded_frames", Stage.FRAME, "The frames of a file, as recorded, one after the other.",
        Option("file", FRAMES, "A file with a JSON object per line: `frame` an object, or `raw` text."),
    ),
)  # fmt: skip
_DATA = (
    _stream(
        "silent", Stage.DATA, "Some symbols change no more, the others do.",
        Option("symbols", SYMBOLS, "Which symbols."),
        Option("image", BOOLEAN, "A new subscription still gets their image.", True),
    ),
    _lasting("duplicates", Stage.DATA, "Every data frame comes twice."),
    _lasting("swapped_frames", Stage.DATA, "Of two data frames the later one comes first."),
    _lasting(
        "times_back", Stage.DATA, "Every second change of a symbol carries quote and trade times of earlier.",
        _EVERY_SYMBOL, Option("by", DURATION, "How much earlier.", 2),
    ),
    _lasting(
        "delayed", Stage.DATA, "Images say `delayed: true`, and quote and trade times lie back.",
        _EVERY_SYMBOL, Option("by", DURATION, "How far back.", 900),
    ),
    _lasting(
        "skew", Stage.DATA, "The clock of Schwab's server is off: header times, heartbeats, answers.",
        Option("by", SIGNED, "By how much."),
    ),
    _lasting(
        "zero_prices", Stage.DATA, "Bid, ask and last are 0.",
        _EVERY_SYMBOL, Option("fields", word("all", "last", "quote"), "Which of them.", "all"),
    ),
    _lasting("reset_prices", Stage.DATA, "As from 03:30 New York: open, high and low are 0.", _EVERY_SYMBOL),
    _lasting("reset_volume", Stage.DATA, "As at 07:28 New York: the volume starts at 0 again.", _EVERY_SYMBOL),
    _moment(
        "bad_print", Stage.DATA, "For one frame a trade far away; the next change of the symbol puts it right.",
        Option("symbols", SYMBOLS, "Which symbols."),
        Option("away", PERCENT, "How far away."),
        Option("quote", BOOLEAN, "Bid and ask go with it.", False),
    ),
    _lasting(
        "internals", Stage.DATA, "Market internals as Schwab often has them, on the stream and in REST quotes.",
        Option("symbols", SYMBOLS, "Which symbols; the well-known ones when not written.", INTERNALS),
        Option("how", word("floored", "empty", "x1000"), "Not below 0; without values; a thousand times too large."),
    ),
    _lasting(
        "burst", Stage.DATA, "Each change is followed by more frames, in which the sizes flicker.",
        _EVERY_SYMBOL, Option("factor", between(2, 1000), "Frames for each change.", 50),
    ),
)  # fmt: skip
_MARKET = (
    _moment(
        "roll",
        Stage.MARKET,
        "The contract in front changes: field 34, and the price level.",
        Option("symbol", SYMBOL, "The root."),
        Option("by", PERCENT, "The next contract trades so much higher; else a usual carry.", None),
    ),
)
_CHART = (
    _counted(
        "chart_lost", Stage.CHART, "A candle of CHART_EQUITY or CHART_FUTURES is not sent; `seq` counts it.",
        _EVERY_SYMBOL,
    ),
)  # fmt: skip
_REST = (
    _counted("rest_down", Stage.REST, "The connection breaks in the middle of the answer.", _ON),
    _counted(
        "rest_slow", Stage.REST, "Answers take long.", _ON, Option("by", DURATION, "So much longer, machine time.")
    ),
    _counted(
        "rest_status", Stage.REST, "Calls are answered with a status.", _ON,
        Option("status", _STATUS, "The status."),
        Option("retry_after", DURATION, "A Retry-After header.", None),
        Option("html", BOOLEAN, "The body is Akamai's page, not JSON.", False),
    ),
    _counted(
        "user_preference", Stage.REST, "The user preference fails in a way of its own.",
        Option(
            "answer", word("unauthorized", "error", "empty", "missing"),
            "401; 500; an empty `streamerInfo`; none at all.",
        ),
    ),
    _lasting(
        "rate_limit", Stage.REST, "Calls beyond a number are answered 429, with a Retry-After header.", _ON,
        Option("calls", between(1, 100_000), "So many are answered."),
        Option("per", DURATION, "Within this, machine time.", 60),
    ),
    _counted(
        "history", Stage.REST, "Price history fails in a way of its own.", _EVERY_SYMBOL,
        Option("answer", word("inverted_date", "empty"), "400 as for a closed day; no candles."),
    ),
    _lasting(
        "history_late", Stage.REST, "Candles of price history can be had later than usual.",
        _EVERY_SYMBOL, Option("by", DURATION, "So much later, market time."),
    ),
    _lasting("history_holes", Stage.REST, "Candles are missing in price history.", _EVERY_SYMBOL, _SOME_CANDLES),
    _lasting(
        "history_differs", Stage.REST, "Candles of price history are not the true ones.", _EVERY_SYMBOL, _SOME_CANDLES,
        Option("what", word("price", "volume"), "The close, and high or low with it; or the volume.", "price"),
        Option("away", PERCENT, "How far away.", Decimal("0.001")),
    ),
    _lasting(
        "quotes_disagree", Stage.REST, "REST quotes say other prices than the stream.",
        _EVERY_SYMBOL, Option("away", PERCENT, "How far away."),
    ),
)  # fmt: skip
_TOKEN = (
    _counted(
        "token_refused", Stage.TOKEN, "Asking for a token fails.",
        Option(
            "how", word("dead", "invalid_client", "blocked", "unavailable"),
            "400 as for a dead refresh token; its other form; 403 with Akamai's page; 503.",
        ),
    ),
    _moment("access_token_expires", Stage.TOKEN, "Every access token is void from now on; refreshing helps."),
    _moment("refresh_token_dies", Stage.TOKEN, "As seven days after the login: refreshing fails from now on."),
)  # fmt: skip

KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (*_CONNECTION, *_REQUEST, *_FRAME, *_DATA, *_CHART, *_MARKET, *_REST, *_TOKEN)
}
