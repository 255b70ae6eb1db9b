"""The bodies of REST answers that tell of the market: quotes in Schwab's nested shapes for equity, index and future.

A quote is taken from the level-one record as it stands; values stay the JSON text they are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from tradeassistd.market.instrument import InstrumentClass
from tradeassistd.sim.fields import Equity, Future, Layout
from tradeassistd.sim.listing import Listing
from tradeassistd.sim.market import LevelOne, Market

Json = dict[str, object]


def quotes(market: Market, symbols: Iterable[str], told: Callable[[LevelOne], LevelOne] = lambda one: one) -> bytes:
    """The JSON body for `symbols`. What is not listed stands under `errors.invalidSymbols`, in the same 200.

    A futures root is answered under its contract, as Schwab does. `told` gives the record as it is to be told.
    """
    body: Json = {}
    invalid = []
    for symbol in symbols:
        level_one = market.find(symbol)
        if level_one is None:
            invalid.append(symbol)
        else:
            body[level_one.listing.symbol] = _quote(told(level_one))
    if invalid:
        body["errors"] = {"invalidSymbols": invalid}
    return msgspec.json.encode(body)


def _quote(level_one: LevelOne) -> Json:
    kind = level_one.listing.instrument.kind
    if kind is InstrumentClass.FUTURE:
        return _future(level_one)
    return _equity(level_one) if kind is InstrumentClass.EQUITY else _index(level_one)


def _equity(level_one: LevelOne) -> Json:
    listing, values, layout = level_one.listing, level_one.values, level_one.listing.layout
    regular = {
        "regularMarketLastPrice": Equity.REGULAR_LAST,
        "regularMarketLastSize": Equity.REGULAR_LAST_SIZE,
        "regularMarketNetChange": Equity.REGULAR_NET_CHANGE,
        "regularMarketPercentChange": Equity.REGULAR_NET_PERCENT,
        "regularMarketTradeTime": Equity.REGULAR_TRADE_MS,
    }
    names = _prices(layout) | _sides(layout) | {
        "52WeekHigh": Equity.HIGH_52_WEEK,
        "52WeekLow": Equity.LOW_52_WEEK,
        "askMICId": Equity.ASK_MIC,
        "bidMICId": Equity.BID_MIC,
        "lastMICId": Equity.LAST_MIC,
        "lastSize": layout.last_size,
        "mark": layout.mark,
        "netPercentChange": layout.net_percent,
        "securityStatus": Equity.SECURITY_STATUS,
    }  # fmt: skip
    return _top(listing, "NBBO") | {
        "quote": _pick(values, names),
        "reference": _reference(listing),
        "regular": _pick(values, regular),
        "fundamental": {},
    }


def _index(level_one: LevelOne) -> Json:
    listing, values, layout = level_one.listing, level_one.values, level_one.listing.layout
    names = _prices(layout) | {
        "52WeekHigh": Equity.HIGH_52_WEEK,
        "52WeekLow": Equity.LOW_52_WEEK,
        "netPercentChange": layout.net_percent,
        "securityStatus": Equity.SECURITY_STATUS,
    }
    return _top(listing, None) | {"quote": _pick(values, names), "reference": _reference(listing)}


def _future(level_one: LevelOne) -> Json:
    listing, values, layout = level_one.listing, level_one.values, level_one.listing.layout
    names = _prices(layout) | _sides(layout) | {
        "futurePercentChange": layout.net_percent,
        "lastSize": layout.last_size,
        "mark": layout.mark,
        "openInterest": Future.OPEN_INTEREST,
        "quotedInSession": Future.QUOTED_IN_SESSION,
        "securityStatus": Future.SECURITY_STATUS,
        "settleTime": Future.SETTLEMENT_DATE,
        "tick": Future.TICK,
        "tickAmount": Future.TICK_AMOUNT,
    }  # fmt: skip
    reference = _reference(listing) | _pick(
        values,
        {
            "futureActiveSymbol": Future.ACTIVE_SYMBOL,
            "futureExpirationDate": Future.EXPIRATION_DATE,
            "futureIsActive": Future.ACTIVE,
            "futureMultiplier": Future.MULTIPLIER,
            "futurePriceFormat": Future.PRICE_FORMAT,
            "futureSettlementPrice": Future.SETTLEMENT_PRICE,
            "futureTradingHours": Future.TRADING_HOURS,
            "product": Future.PRODUCT,
        },
    )
    return _top(listing, None) | {"quote": _pick(values, names), "reference": reference}


def _top(listing: Listing, quote_type: str | None) -> Json:
    top: Json = {"assetMainType": listing.asset_main_type, "symbol": listing.symbol, "ssid": 0, "realtime": True}
    return top | {"quoteType": quote_type} if quote_type else top


def _reference(listing: Listing) -> Json:
    return {
        "description": listing.description,
        "exchange": listing.exchange_id,
        "exchangeName": listing.exchange_name,
    }


def _prices(layout: Layout) -> dict[str, int]:
    return {
        "closePrice": layout.close,
        "highPrice": layout.high,
        "lastPrice": layout.last,
        "lowPrice": layout.low,
        "netChange": layout.net_change,
        "openPrice": layout.open,
        "totalVolume": layout.volume,
        "tradeTime": layout.trade_ms,
    }


def _sides(layout: Layout) -> dict[str, int]:
    return {
        "askPrice": layout.ask,
        "askSize": layout.ask_size,
        "askTime": layout.ask_ms,
        "bidPrice": layout.bid,
        "bidSize": layout.bid_size,
        "bidTime": layout.bid_ms,
        "quoteTime": layout.quote_ms,
    }


def _pick(values: Mapping[int, str], names: Mapping[str, int]) -> Json:
    return {name: msgspec.Raw(values[number].encode()) for name, number in names.items() if number in values}
