"""What the simulated Schwab lists: per instrument its service, its keys, and the fields that stand still.

Descriptions and the like are there because a client's display shows them; nothing computes with them. The shapes are
those of recorded images (protocol notes, 4).
"""

from __future__ import annotations

from dataclasses import dataclass

from tradeassistd.market.instrument import Instrument, InstrumentClass, instrument_of
from tradeassistd.market.price import price_from_text, price_text
from tradeassistd.sim.contracts import Contract, front_contract
from tradeassistd.sim.fields import EQUITIES, FUTURES, Equity, Future, Layout
from tradeassistd.sim.wire import json_text

_GLOBEX_HOURS = "GLBX(de=1640;0=-17001600;1=r-17001600d-15551640;7=d-16401555)"

# Symbol: description, CUSIP, asset sub-type, exchange id and name.
_KNOWN_EQUITIES = {
    "SPY": ("SPDR S&P 500", "78462F103", "ETF", "P", "NYSE Arca"),
    "QQQ": ("INVSC QQQ TRUST SRS 1 ETF", "46090E103", "ETF", "Q", "NASDAQ"),
    "IWM": ("ISHARES RUSSELL 2000 ETF", "464287655", "ETF", "P", "NYSE Arca"),
    "AAPL": ("Apple Inc", "037833100", "COE", "Q", "NASDAQ"),
    "MSFT": ("Microsoft Corp", "594918104", "COE", "Q", "NASDAQ"),
    "NVDA": ("NVIDIA Corp", "67066G104", "COE", "Q", "NASDAQ"),
    "AMD": ("Advanced Micro Devic", "007903107", "COE", "Q", "NASDAQ"),
    "AMZN": ("Amazon.com Inc", "023135106", "COE", "Q", "NASDAQ"),
    "TSLA": ("Tesla Inc", "88160R101", "COE", "Q", "NASDAQ"),
    "IBM": ("Intl Business Machines Corp", "459200101", "COE", "N", "NYSE"),
}
_INDEX_NAMES = {
    "$SPX": "S&P 500 Index",
    "$NDX": "Nasdaq 100 Index",
    "$RUT": "Russell 2000 Index",
    "$VIX": "CBOE Market Volatility Index",
    "$DJI": "Dow Jones Industrial Average",
    "$TICK": "NYSE Tick",
    "$ADD": "NYSE Advance-Decline",
    "$TRIN": "NYSE Arms Index",
}


@dataclass(frozen=True, slots=True)
class Listing:
    """One instrument as Schwab lists it.

    `keys` are the symbols a client may subscribe it under, each echoed as it was asked for; `head` is the JSON that
    follows the key in an image; `still` holds every field of the image as JSON text before anything happened.
    """

    instrument: Instrument
    layout: Layout
    keys: tuple[str, ...]
    head: str
    still: dict[int, str]
    asset_main_type: str
    description: str
    exchange_id: str
    exchange_name: str
    contract: Contract | None = None

    @property
    def symbol(self) -> str:
        """The symbol REST answers under: of a future the contract, else what it is called."""
        return self.keys[0]


def listing_of(symbol: str, at_us: int, contract: Contract | None = None, *, in_front: bool = True) -> Listing:
    """The listing of a Schwab symbol at an instant.

    A futures root gets its front contract, or `contract` when given; unless `in_front`, a contract is not reachable by
    its root. Raises ValueError when `symbol` is not written as Schwab writes symbols.
    """
    instrument = instrument_of(symbol)
    if instrument.kind is InstrumentClass.FUTURE:
        contract = contract or front_contract(instrument.root, at_us)
        return _future(contract, in_front=in_front)
    return _equity(instrument) if instrument.has_quote else _index(instrument)


def _future(contract: Contract, *, in_front: bool) -> Listing:
    product = contract.product
    tick = price_from_text(product.tick)
    still = dict.fromkeys(range(1, FUTURES.highest + 1), "0") | {
        Future.BID_ID: '"?"',
        Future.ASK_ID: '"?"',
        Future.EXCHANGE_ID: '"@"',
        Future.DESCRIPTION: json_text(contract.description),
        Future.LAST_ID: '"?"',
        Future.EXCHANGE_NAME: json_text(product.exchange),
        Future.SECURITY_STATUS: '"Normal"',
        Future.TICK: price_text(tick),
        Future.TICK_AMOUNT: price_text(tick * product.multiplier),
        Future.PRODUCT: json_text(product.root),
        Future.PRICE_FORMAT: '"D,D"',
        Future.TRADING_HOURS: json_text(_GLOBEX_HOURS),
        Future.TRADABLE: "false",
        Future.MULTIPLIER: str(product.multiplier),
        Future.ACTIVE: "true" if in_front else "false",
        Future.ACTIVE_SYMBOL: json_text(contract.symbol),
        Future.EXPIRATION_DATE: str(contract.expiry_ms),
        Future.EXPIRATION_STYLE: '"Unknown"',
        Future.QUOTED_IN_SESSION: "true",
    }
    return Listing(
        instrument=instrument_of(contract.symbol),
        layout=FUTURES,
        keys=(contract.symbol, product.root) if in_front else (contract.symbol,),
        head='"delayed":false,"assetMainType":"FUTURE"',
        still=still,
        asset_main_type="FUTURE",
        description=contract.description,
        exchange_id="@",
        exchange_name=product.exchange,
        contract=contract,
    )


def _equity(instrument: Instrument) -> Listing:
    known = _KNOWN_EQUITIES.get(instrument.symbol)
    description, cusip, sub_type, exchange_id, exchange = known or (instrument.symbol, "", "COE", "N", "NYSE")
    still = dict.fromkeys(range(1, EQUITIES.highest + 1), "0") | {
        Equity.ASK_ID: '"P"',
        Equity.BID_ID: '"P"',
        Equity.EXCHANGE_ID: json_text(exchange_id),
        Equity.MARGINABLE: "true",
        Equity.DESCRIPTION: json_text(description),
        Equity.LAST_ID: '"D"',
        Equity.EXCHANGE_NAME: json_text(exchange),
        Equity.DIVIDEND_DATE: '""',
        Equity.REGULAR_QUOTE: "true",
        Equity.REGULAR_TRADE: "true",
        Equity.SECURITY_STATUS: '"Normal"',
        Equity.ASK_MIC: '"ARCX"',
        Equity.BID_MIC: '"ARCX"',
        Equity.LAST_MIC: '"XADF"',
        Equity.SHORTABLE: "1",
    }
    cusip_text = f',"cusip":{json_text(cusip)}' if cusip else ""
    return Listing(
        instrument=instrument,
        layout=EQUITIES,
        keys=(instrument.symbol,),
        head=f'"delayed":false,"assetMainType":"EQUITY","assetSubType":{json_text(sub_type)}{cusip_text}',
        still=still,
        asset_main_type="EQUITY",
        description=description,
        exchange_id=exchange_id,
        exchange_name=exchange,
    )


def _index(instrument: Instrument) -> Listing:
    """An index or market internal: no bid, no ask, no quote time, no sizes."""
    description = _INDEX_NAMES.get(instrument.symbol, instrument.symbol)
    internal = instrument.kind is InstrumentClass.INTERNAL
    main_type, exchange_id = ("INDICATOR", ":") if internal else ("INDEX", "0")
    numbers = (
        EQUITIES.last, EQUITIES.volume, EQUITIES.high, EQUITIES.low, EQUITIES.close, EQUITIES.open, EQUITIES.net_change,
        EQUITIES.trade_ms, EQUITIES.net_percent, Equity.HIGH_52_WEEK, Equity.LOW_52_WEEK,
    )  # fmt: skip
    still = dict.fromkeys(numbers, "0") | {
        Equity.EXCHANGE_ID: json_text(exchange_id),
        Equity.DESCRIPTION: json_text(description),
        Equity.EXCHANGE_NAME: '"Index"',
        Equity.SECURITY_STATUS: '"Unknown"',
    }
    return Listing(
        instrument=instrument,
        layout=EQUITIES,
        keys=(instrument.symbol,),
        head=f'"delayed":false,"assetMainType":{json_text(main_type)}',
        still=dict(sorted(still.items())),
        asset_main_type=main_type,
        description=description,
        exchange_id=exchange_id,
        exchange_name="Index",
    )
