"""Market hours as `GET /marketdata/v1/markets` tells them, from the calendar.

The shape of an open stock exchange and of options is that of Schwab's documentation; of a closed one that of recorded
answers: the product is named after the market and has no hours. Futures stand under their roots without the slash, each
day with the hours that end on it; no such answer of Schwab's is known. Bonds and currencies are not simulated: closed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.instrument import Instrument, InstrumentClass, instrument_of
from tradeassistd.market.session import NEW_YORK, Window, window_at
from tradeassistd.sim.daytime import OPEN_MINUTE, instant_us
from tradeassistd.sim.market import Market
from tradeassistd.sim.past import trading_window

MARKETS = ("equity", "option", "bond", "future", "forex")
DAYS_AHEAD_MAX = 366
_STOCK, _INDEX = instrument_of("SPY"), instrument_of("$SPX")

Json = dict[str, object]


def market_hours(market: Market, wanted: Iterable[str], day: date) -> Json:
    """The body for some of `MARKETS` on a day."""
    hours = {"equity": _equity, "option": _option, "future": lambda one: _future(market, one)}
    return {name: hours.get(name, lambda _, name=name: {name: _closed(name, name, day)})(day) for name in wanted}


def _equity(day: date) -> Json:
    regular, extended = _window(_STOCK, "rth", day), _window(_STOCK, "ext", day)
    if regular is None or extended is None:
        return {"equity": _closed("equity", "equity", day)}
    spans = {
        "preMarket": Window(max(extended.open_us, instant_us(day, _PRE_MARKET)), regular.open_us),
        "regularMarket": regular,
        "postMarket": Window(regular.close_us, extended.close_us),
    }
    return {"EQ": _open("equity", "EQ", "equity", day, spans)}


def _option(day: date) -> Json:
    regular, published = _window(_STOCK, "rth", day), trading_window(_INDEX, day)
    if regular is None or published is None:
        return {"option": _closed("option", "option", day)}
    return {
        "EQO": _open("option", "EQO", "equity option", day, {"regularMarket": regular}),
        "IND": _open("option", "IND", "index option", day, {"regularMarket": published}),
    }


def _future(market: Market, day: date) -> Json:
    listed = (record for key in market.symbols if (record := market.find(key)) is not None)
    futures = {
        record.listing.instrument.root: record.listing
        for record in listed
        if record.listing.instrument.kind is InstrumentClass.FUTURE
    }
    found: Json = {}
    for root, listing in sorted(futures.items()):
        window, product = trading_window(listing.instrument, day), root.removeprefix("/")
        found[product] = (
            _closed("future", product, day)
            if window is None
            else _open("future", product, listing.instrument.name or root, day, {"regularMarket": window})
        )
    return found or {"future": _closed("future", "future", day)}


_PRE_MARKET = 7 * 60
"""Schwab's own pre-market begins later than that of the exchanges."""


def _window(instrument: Instrument, session: str, day: date) -> Window | None:
    return window_at(instrument, session, instant_us(day, OPEN_MINUTE + 60))


def _closed(market: str, product: str, day: date) -> Json:
    return {"date": day.isoformat(), "marketType": market.upper(), "product": product, "isOpen": False}


def _open(market: str, product: str, name: str, day: date, spans: dict[str, Window]) -> Json:
    hours = {word: [{"start": _text(one.open_us), "end": _text(one.close_us)}] for word, one in spans.items()}
    closed = _closed(market, product, day)
    return closed | {"productName": name, "isOpen": True, "sessionHours": hours}


def _text(at_us: int) -> str:
    return datetime.fromtimestamp(at_us // US_PER_S, NEW_YORK).isoformat()
