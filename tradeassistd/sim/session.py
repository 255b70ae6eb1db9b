"""One streamer connection as Schwab runs it: login, subscriptions, images and changes. No I/O, no clock.

Text and market time go in, frames appear in `outbox`, and `ending` says when and how the connection is over. What the
rules are is in the protocol notes (3): login first, one connection per user, an image after every SUBS, ADD and VIEW,
then only what changed among the fields asked for, every data frame marked SUBS.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum, IntEnum
from functools import partial
from typing import NamedTuple

from tradeassistd.base.instant import US_PER_S
from tradeassistd.sim import wire
from tradeassistd.sim.candles import Candle
from tradeassistd.sim.charts import candle_item, chart_of
from tradeassistd.sim.faults.board import Faults, Running
from tradeassistd.sim.faults.distort import about, concerns
from tradeassistd.sim.faults.kinds import Fault
from tradeassistd.sim.faults.lens import Lens
from tradeassistd.sim.fields import CHARTS, LAYOUTS, Chart, Layout
from tradeassistd.sim.market import Batch, LevelOne

KEYS_MAX = 500
Service = Layout | Chart
SERVICES: dict[str, Service] = {**LAYOUTS, **CHARTS}


class Code(IntEnum):
    """Schwab's answer codes, as far as the simulator gives them by itself."""

    SUCCESS = 0
    LOGIN_DENIED = 3
    SERVICE_NOT_AVAILABLE = 11
    CLOSE_CONNECTION = 12
    REACHED_SYMBOL_LIMIT = 19
    STREAM_CONN_NOT_FOUND = 20
    BAD_COMMAND_FORMAT = 21
    STOP_STREAMING = 30


class Ending(Enum):
    """How a connection ends once its outbox is empty."""

    CLOSE = "with a close frame"
    DROP = "without one: the client sees 1006"
    RESET = "with a TCP reset, which loses what is under way"


ENDING_CODES = {
    Code.LOGIN_DENIED: Ending.CLOSE,
    Code.CLOSE_CONNECTION: Ending.CLOSE,
    Code.STOP_STREAMING: Ending.DROP,
}
"""Codes after which the connection is severed, and how."""
CODE_WORDS = {
    3: "Login Denied.: token is invalid or has expired.",
    9: "Unknown failure",
    11: "Service not available",
    12: "Connection replaced by a newer login",
    19: "Reached symbol limit",
    20: "Stream connection not found",
    21: "Bad command formatting",
    22: "Failed command SUBS",
    23: "Failed command UNSUBS",
    24: "Failed command ADD",
    25: "Failed command VIEW",
    30: "Stop streaming due to inactivity",
}


class Subscription(NamedTuple):
    """What one key gets: `opening` is the start of its items, `fields` the numbers asked for."""

    opening: str
    fields: frozenset[int]


class Refusal(Exception):
    """A request the server answers with a code other than 0; never leaves this module."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Session:
    """The server's side of one connection.

    `token_is_good` judges the access token of a LOGIN; `find` names the record a key means, or None; `faults` may come
    between. `last_candle` gives the latest candle of a key, which a subscription to candles begins with.
    """

    def __init__(
        self,
        find: Callable[[str], LevelOne | None],
        token_is_good: Callable[[str], bool],
        faults: Faults | None = None,
        last_candle: Callable[[str], Candle | None] = lambda _: None,
    ) -> None:
        self._faults = faults or Faults()
        self._lens = Lens(self._faults)
        self._find = find
        self._token_is_good = token_is_good
        self._login: wire.Request | None = None
        self._subscriptions: dict[str, dict[str, Subscription]] = {service: {} for service in SERVICES}
        self._last_candle = last_candle
        self._sent: dict[tuple[str, str], int] = {}  # how many candles went out under a subscription
        self.outbox: deque[str] = deque()
        self.late: deque[tuple[int, str]] = deque()
        """Answers that are held back, with the market time they are due."""
        self.ending: Ending | None = None
        self.commands: list[tuple[str, str, tuple[str, ...]]] = []
        """Service, command and keys of each request that was carried out since the owner last emptied the list."""

    @property
    def logged_in(self) -> bool:
        return self._login is not None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is subscribed, which Schwab does not suffer for long."""
        return not any(self._subscriptions.values())

    def subscribed(self) -> list[tuple[str, str]]:
        """Every subscription as service and key."""
        return [(service, key) for service, keys in self._subscriptions.items() for key in keys]

    def receive(self, text: str | bytes, now_us: int) -> None:
        """Take one frame of the client, which may hold several requests; the answers are in `outbox`."""
        for request in wire.read_requests(text):
            if self.ending is None:
                self._answer(request, now_us)

    def publish(self, batch: Batch) -> None:
        """Send what changed, as far as it is subscribed: one frame for the batch, one item per change and key."""
        for seen in self._lens.see(batch):
            self._send(seen)

    def _send(self, batch: Batch) -> None:
        contents: dict[str, list[str]] = {}
        for level_one, fields in batch.changes:
            listing = level_one.listing
            service = listing.layout.service
            subscriptions = self._subscriptions[service]
            for key in listing.keys:
                subscription = subscriptions.get(key)
                if subscription is not None:
                    wanted = subscription.fields
                    parts = [f'"{number}":{value}' for number, value in fields if number in wanted]
                    if parts:
                        contents.setdefault(service, []).append(f"{subscription.opening}{','.join(parts)}}}")
        if contents:
            self.outbox.append(wire.data(self._stamp(batch.at_us), contents))

    @property
    def wants_candles(self) -> bool:
        """Whether any are subscribed."""
        return any(self._subscriptions[service] for service in CHARTS)

    def publish_candles(self, candles: Iterable[tuple[str, Candle]], now_us: int) -> None:
        """Send candles of keys, as far as they are subscribed; `seq` goes on also for one that is not sent."""
        contents: dict[str, list[str]] = {}
        for key, candle in candles:
            level_one = self._find(key)
            if level_one is None or self._is_silent(level_one):
                continue
            chart = chart_of(level_one.listing)
            if key in self._subscriptions[chart.service]:
                item = self._candle_item(chart, key, candle)
                if not self._faults.strike("chart_lost", now_us, partial(about, listing=level_one.listing)):
                    contents.setdefault(chart.service, []).append(item)
        if contents:
            frame = wire.data(self._stamp(now_us), contents)
            for _ in range(2 if self._faults.find("duplicates") else 1):
                self.say(frame)

    def _is_silent(self, level_one: LevelOne) -> bool:
        return any(one.fault.name == "silent" and concerns(one, level_one.listing) for one in self._faults.data)

    def _candle_item(self, chart: Chart, key: str, candle: Candle) -> str:
        number = self._sent[chart.service, key] = self._sent.get((chart.service, key), -1) + 1
        return candle_item(chart, key, candle, number, self._subscriptions[chart.service][key].fields)

    def beat(self, now_us: int) -> None:
        """Send a heartbeat."""
        if not self._faults.stops_heartbeats:
            self.outbox.append(wire.heartbeat(self._stamp(now_us)))

    def begin_fault(self, one: Running, now_us: int) -> None:
        """Show what a fault shows as soon as it begins."""
        shown = self._lens.begin(one, self._records(), now_us)
        if not self._faults.is_mute:
            self._send(shown)

    def catch_up(self, now_us: int) -> None:
        """A fault is over: send what it kept back or showed wrongly."""
        for seen in self._lens.catch_up(now_us):
            self._send(seen)

    def say(self, frame: str) -> None:
        """Send a frame as it is."""
        if not self._faults.is_mute:
            self.outbox.append(frame)

    def release_late(self, now_us: int) -> None:
        """Send the answers that were held back until now."""
        while self.late and self.late[0][0] <= now_us:
            self.say(self.late.popleft()[1])

    def big_image(self, now_us: int, bytes_least: int) -> str:
        """A frame with the image of everything subscribed, again and again until it is large enough."""
        items = {service: self._image_items(service, list(keys)) for service, keys in self._subscriptions.items()}
        round_bytes = sum(len(item) for held in items.values() for item in held)
        repeats = -(-bytes_least // round_bytes) if round_bytes else 1
        contents = {service: held * repeats for service, held in items.items() if held}
        return wire.data(self._stamp(now_us), contents)

    def replace(self, now_us: int) -> None:
        """Tell this connection that the same user logged in elsewhere, and end it."""
        login = self._login or wire.Malformed(command="LOGIN")
        self.say(wire.response(login, self._stamp(now_us), Code.CLOSE_CONNECTION, CODE_WORDS[12]))
        self.ending = Ending.CLOSE

    def stop_idle(self, now_us: int) -> None:
        """End a connection that has subscribed nothing for too long; before the login not a word is said."""
        self.stop(now_us, "Stop streaming due to empty subscription")

    def stop(self, now_us: int, message: str) -> None:
        """End a connection the way Schwab stops one: a notify with code 30, and then no close frame."""
        if self.logged_in:
            self.say(wire.notify(self._stamp(now_us), Code.STOP_STREAMING, message))
        self.ending = Ending.DROP

    def _answer(self, request: wire.Request | wire.Malformed, now_us: int) -> None:
        if not self._faults.running or not self._answer_wrongly(request, now_us):
            answer, image = self._answer_well(request, now_us)
            self.outbox += [answer, *image]

    def _answer_well(self, request: wire.Request | wire.Malformed, now_us: int) -> tuple[str, list[str]]:
        """Do what is asked; gives the answer, and the frames with the image behind it."""
        stamp_us = self._stamp(now_us)
        try:
            wanted = self._carry_out(request)
        except Refusal as refusal:
            return wire.response(request, stamp_us, refusal.code, refusal.message), []
        items = self._image_items(*wanted) if wanted is not None else []
        image = [wire.data(stamp_us, {wanted[0]: items})] if wanted is not None and items else []
        return wire.response(request, stamp_us, Code.SUCCESS, self._success(request)), image

    def _answer_wrongly(self, request: wire.Request | wire.Malformed, now_us: int) -> bool:
        """Whether a fault has seen to the request."""

        def fits(fault: Fault) -> bool:
            return fault["service"] in ("", request.service) and fault["command"] in ("", request.command)

        if self._faults.is_mute:
            return True
        if fault := self._faults.strike("unanswered", now_us, fits):
            if fault["carried_out"]:
                self.outbox += self._answer_well(request, now_us)[1]
            return True
        if fault := self._faults.strike("refuse", now_us, fits):
            code = fault["code"]
            self.outbox.append(wire.response(request, self._stamp(now_us), code, CODE_WORDS[code]))
            self.ending = next((ending for one, ending in ENDING_CODES.items() if one == code), self.ending)
            return True
        if fault := self._faults.strike("late_answer", now_us, fits):
            answer, image = self._answer_well(request, now_us)
            self.outbox += image
            self.late.append((now_us + fault["by"] * US_PER_S, answer))
            return True
        return False

    def _carry_out(self, request: wire.Request | wire.Malformed) -> tuple[str, list[str]] | None:
        """Do what is asked; returns the service and keys whose image is due, if any. Raises Refusal."""
        if isinstance(request, wire.Malformed):
            raise Refusal(Code.BAD_COMMAND_FORMAT, "Bad command formatting")
        try:
            if (request.service, request.command) == ("ADMIN", "LOGIN"):
                self._log_in(request)
                return None
            if not self.logged_in:
                raise Refusal(Code.STREAM_CONN_NOT_FOUND, "Stream connection not found; log in first")
            if request.service == "ADMIN":
                self._administer(request)
                return None
            return self._subscribe(request)
        except ValueError as error:
            raise Refusal(Code.BAD_COMMAND_FORMAT, f"Bad command formatting: {error}") from None

    def _log_in(self, request: wire.Request) -> None:
        if not self._token_is_good(request.parameter("Authorization")):
            self.ending = Ending.CLOSE
            raise Refusal(Code.LOGIN_DENIED, "Login Denied.: token is invalid or has expired.")
        self._login = request
        self.commands.append(("ADMIN", "LOGIN", ()))

    def _administer(self, request: wire.Request) -> None:
        if request.command != "LOGOUT":
            raise ValueError(f"ADMIN has no command {request.command}")
        self.ending = Ending.CLOSE
        self.commands.append(("ADMIN", "LOGOUT", ()))

    def _subscribe(self, request: wire.Request) -> tuple[str, list[str]] | None:
        layout = SERVICES.get(request.service)
        if layout is None:
            raise Refusal(Code.SERVICE_NOT_AVAILABLE, f"Service {request.service} is not available")
        held = self._subscriptions[layout.service]
        if request.command == "VIEW":
            fields = _fields(request, layout)
            after = {key: one._replace(fields=fields) for key, one in held.items()}
            keys = list(held)
        else:
            keys = _keys(request)
            after = self._after(request, layout, held, keys)
        others = sum(len(one) for service, one in self._subscriptions.items() if service != layout.service)
        if others + len(after) > KEYS_MAX:
            raise Refusal(Code.REACHED_SYMBOL_LIMIT, f"{request.command} would exceed {KEYS_MAX} symbols")
        self._subscriptions[layout.service] = after
        self._sent = {one: sent for one, sent in self._sent.items() if one[0] != layout.service or one[1] in after}
        self.commands.append((layout.service, request.command, tuple(keys)))
        return None if request.command == "UNSUBS" else (layout.service, keys)

    @staticmethod
    def _after(
        request: wire.Request, layout: Service, held: dict[str, Subscription], keys: list[str]
    ) -> dict[str, Subscription]:
        """The service's subscriptions once SUBS, ADD or UNSUBS of `keys` is done."""
        if request.command == "UNSUBS":
            return {key: one for key, one in held.items() if key not in set(keys)}
        if request.command not in ("SUBS", "ADD"):
            raise ValueError(f"no command {request.command}")
        fields = _fields(request, layout)
        asked = {key: Subscription(f'{{"key":{wire.json_text(key)},', fields) for key in keys}
        return held | asked if request.command == "ADD" else asked

    def _image_items(self, service: str, keys: list[str]) -> list[str]:
        """Every asked field of the keys that are listed on this service, or the latest candle; an unknown key gets
        nothing."""
        items = []
        for key in keys:
            level_one = self._find(key)
            if service in CHARTS:
                candle = self._last_candle(key)
                if candle is not None and level_one is not None and chart_of(level_one.listing).service == service:
                    items.append(self._candle_item(CHARTS[service], key, candle))
            elif level_one is not None and level_one.listing.layout.service == service:
                wanted = self._subscriptions[service][key].fields
                image = self._lens.image(level_one)
                if image is not None:
                    head, fields = image
                    items.append(wire.item(key, [field for field in fields if field[0] in wanted], head))
        return items

    def _records(self) -> list[LevelOne]:
        """The records that are subscribed, each once."""
        found = (self._find(key) for _, key in self.subscribed())
        return list(dict.fromkeys(record for record in found if record is not None))

    def _stamp(self, at_us: int) -> int:
        """What the server's clock shows at that market time."""
        return at_us + self._faults.skew_us

    @staticmethod
    def _success(request: wire.Request | wire.Malformed) -> str:
        if request.service != "ADMIN":
            return f"{request.command} command succeeded"
        return "server=simulator-1;status=NP" if request.command == "LOGIN" else "SUCCESS"


def _keys(request: wire.Request) -> list[str]:
    keys = [key.strip() for key in request.parameter("keys").split(",")]
    if not all(keys):
        raise ValueError("keys are missing or one is blank")
    return list(dict.fromkeys(keys))


def _fields(request: wire.Request, layout: Service) -> frozenset[int]:
    """The field numbers asked for; the symbol (0) travels as `key`, and numbers Schwab lacks are passed over."""
    texts = [text.strip() for text in request.parameter("fields").split(",")]
    if not all(text.isascii() and text.isdecimal() for text in texts):
        raise ValueError("fields must be numbers")
    return frozenset(number for number in map(int, texts) if 0 < number <= layout.highest)
