"""Schwab's level-one field numbers, as the simulator encodes them.

The feed has its own copy on purpose: were there only one, a wrong number would agree with itself. The numbers are those
of the Streamer Guide as corrected by recorded frames (protocol notes, 4.1 and 4.2); field 0, the symbol, is never sent.
"""

from __future__ import annotations

from dataclasses import dataclass

LEVELONE_EQUITIES = "LEVELONE_EQUITIES"
LEVELONE_FUTURES = "LEVELONE_FUTURES"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where one service keeps what both services have; each attribute is a field number."""

    service: str
    highest: int
    bid: int
    ask: int
    last: int
    bid_size: int
    ask_size: int
    volume: int
    last_size: int
    quote_ms: int
    trade_ms: int
    bid_ms: int
    ask_ms: int
    high: int
    low: int
    open: int
    close: int
    net_change: int
    net_percent: int
    mark: int


EQUITIES = Layout(
    LEVELONE_EQUITIES, highest=51,
    bid=1, ask=2, last=3, bid_size=4, ask_size=5, volume=8, last_size=9,
    quote_ms=34, trade_ms=35, bid_ms=37, ask_ms=38,
    high=10, low=11, open=17, close=12, net_change=18, net_percent=42, mark=33,
)  # fmt: skip

FUTURES = Layout(
    LEVELONE_FUTURES, highest=40,
    bid=1, ask=2, last=3, bid_size=4, ask_size=5, volume=8, last_size=9,
    quote_ms=10, trade_ms=11, bid_ms=38, ask_ms=37,
    high=12, low=13, open=18, close=14, net_change=19, net_percent=20, mark=24,
)  # fmt: skip

LAYOUTS = {layout.service: layout for layout in (EQUITIES, FUTURES)}


@dataclass(frozen=True, slots=True)
class Chart:
    """Where a service of candles keeps what it has; `minute` and `day` are 0 where it does not have them."""

    service: str
    highest: int
    start_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    minute: int = 0
    day: int = 0


# CHART_EQUITY is numbered otherwise in the official guide; these are the numbers of recorded frames.
CHART_EQUITY = Chart("CHART_EQUITY", 8, start_ms=7, open=2, high=3, low=4, close=5, volume=6, minute=1, day=8)
CHART_FUTURES = Chart("CHART_FUTURES", 6, start_ms=1, open=2, high=3, low=4, close=5, volume=6)
CHARTS = {chart.service: chart for chart in (CHART_EQUITY, CHART_FUTURES)}


class Equity:
    """Numbers of LEVELONE_EQUITIES beyond the common ones: also indices and market internals."""

    ASK_ID = 6
    BID_ID = 7
    EXCHANGE_ID = 13
    MARGINABLE = 14
    DESCRIPTION = 15
    LAST_ID = 16
    HIGH_52_WEEK = 19
    LOW_52_WEEK = 20
    PE_RATIO = 21
    DIVIDEND_AMOUNT = 22
    DIVIDEND_YIELD = 23
    NAV = 24
    EXCHANGE_NAME = 25
    DIVIDEND_DATE = 26
    REGULAR_QUOTE = 27
    REGULAR_TRADE = 28
    REGULAR_LAST = 29
    REGULAR_LAST_SIZE = 30
    REGULAR_NET_CHANGE = 31
    SECURITY_STATUS = 32
    REGULAR_TRADE_MS = 36
    ASK_MIC = 39
    BID_MIC = 40
    LAST_MIC = 41
    REGULAR_NET_PERCENT = 43
    MARK_CHANGE = 44
    MARK_CHANGE_PERCENT = 45
    HTB_QUANTITY = 46
    HTB_RATE = 47
    HARD_TO_BORROW = 48
    SHORTABLE = 49
    POST_MARKET_NET_CHANGE = 50
    POST_MARKET_NET_PERCENT = 51


class Future:
    """Numbers of LEVELONE_FUTURES beyond the common ones."""

    BID_ID = 6
    ASK_ID = 7
    EXCHANGE_ID = 15
    DESCRIPTION = 16
    LAST_ID = 17
    EXCHANGE_NAME = 21
    SECURITY_STATUS = 22
    OPEN_INTEREST = 23
    TICK = 25
    TICK_AMOUNT = 26
    PRODUCT = 27
    PRICE_FORMAT = 28
    TRADING_HOURS = 29
    TRADABLE = 30
    MULTIPLIER = 31
    ACTIVE = 32
    SETTLEMENT_PRICE = 33
    ACTIVE_SYMBOL = 34
    EXPIRATION_DATE = 35
    EXPIRATION_STYLE = 36
    QUOTED_IN_SESSION = 39
    SETTLEMENT_DATE = 40
