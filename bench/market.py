"""The feed every client gets: frames of the simulator's synthetic market, encoded before any clock runs.

The market's own density is some fifty ticks a second. To get a busier one with the same contents (fields per tick, size
of the moves) market time is pressed together until `ticks_per_s` of them fall into a second.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.feed.frames import EQUITIES, FUTURES
from tradeassistd.market.price import price_from_text
from tradeassistd.sim.catalogue import THE_TWELVE
from tradeassistd.sim.fields import LAYOUTS
from tradeassistd.sim.market import Batch, Change
from tradeassistd.sim.session import Session
from tradeassistd.sim.synthetic import SyntheticMarket

SYMBOLS = THE_TWELVE
START_US = 1_794_841_200 * US_PER_S
"""A Monday, 2026-11-16 10:00 New York: every instrument trades."""
SEED = 1
NEVER_US = 2**62

_STAMPS = {
    service: {layout.trade_ms, layout.quote_ms, layout.bid_ms, layout.ask_ms} for service, layout in LAYOUTS.items()
}


@dataclass(frozen=True, slots=True)
class Feed:
    """Frames as text, in order, each of `items` ticks."""

    frames: list[str]
    items: int
    fields_per_tick: float

    @property
    def bytes_per_tick(self) -> float:
        return sum(map(len, self.frames)) / len(self.frames) / self.items


def by_service(symbols: tuple[str, ...] = SYMBOLS) -> dict[str, list[str]]:
    """Symbols by the service that streams them."""
    futures = [symbol for symbol in symbols if symbol.startswith("/")]
    others = [symbol for symbol in symbols if not symbol.startswith("/")]
    return {EQUITIES: others, FUTURES: futures}


@cache
def start_price(symbol: str) -> int:
    """Last trade at the start, a scaled price."""
    level_one = SyntheticMarket(SEED, START_US, SYMBOLS).find(symbol)
    if level_one is None:
        raise ValueError(f"the market has no {symbol}")
    return price_from_text(level_one.values[level_one.listing.layout.last])


def new_session() -> Session:
    """The server's side of a connection to the market as it stands at the start."""
    return Session(SyntheticMarket(SEED, START_US, SYMBOLS).find, lambda _: True)


def make_feed(ticks: int, items: int, ticks_per_s: float) -> Feed:
    """`ticks` ticks, `items` in each frame, with every field there is: what schwab-py subscribes to when not told
    otherwise. The daemon would ask for fewer; here every client gets the same bytes.
    """
    market = SyntheticMarket(SEED, START_US, SYMBOLS)
    session = Session(market.find, lambda _: True)
    _subscribe(session)
    frames: list[str] = []
    waiting: list[Change] = []
    made = fields = 0
    while made < ticks:
        for change in market.step(NEVER_US).changes:
            at_us = START_US + round(made * US_PER_S / ticks_per_s)
            waiting.append(_at(change, at_us // US_PER_MS))
            made += 1
            if len(waiting) == items:
                session.publish(Batch(at_us, waiting))
                frames.append(session.outbox.pop())
                waiting = []
                fields += _fields_in(frames[-1])
            if made == ticks:
                break
    return Feed(frames, items, fields / made)


def _at(change: Change, at_ms: int) -> Change:
    """The same change at another time, each field once."""
    stamps = _STAMPS[change.level_one.listing.layout.service]
    fields = {number: str(at_ms) if number in stamps else value for number, value in change.fields}
    return change._replace(fields=list(fields.items()))


def _subscribe(session: Session) -> None:
    requests = [_request("ADMIN", "LOGIN", {"Authorization": "any"})]
    for service, keys in by_service().items():
        numbers = ",".join(map(str, range(LAYOUTS[service].highest + 1)))
        requests.append(_request(service, "SUBS", {"keys": ",".join(keys), "fields": numbers}))
    session.receive(json.dumps({"requests": requests}), START_US)
    session.outbox.clear()


def _request(service: str, command: str, parameters: dict[str, str]) -> dict[str, object]:
    return {"service": service, "command": command, "requestid": "0", "parameters": parameters}


def _fields_in(frame: str) -> int:
    items = [item for part in json.loads(frame)["data"] for item in part["content"]]
    return sum(len(item) - 1 for item in items)
