"""The instruments of the made-up market: where each one starts, how it moves, and how busy it is.

Figures are orders of magnitude of late 2025, so that a screen full of them looks right; nothing is fitted to data.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

from tradeassistd.base.errors import ConfigError
from tradeassistd.market.instrument import InstrumentClass, instrument_of


@dataclass(frozen=True, slots=True)
class Character:
    """How one instrument behaves.

    `previous_close` is in points. `beta` and `tech` are its shares in the market's and the technology factor; `own_vol`
    is its own wandering, as a fraction per square root of a second. `daily_volume` counts a regular session;
    `busyness` scales the changes per second. `spread_ticks` and `quote_size` shape its quote.
    """

    symbol: str
    previous_close: float
    beta: float = 1.0
    tech: float = 0.0
    own_vol: float = 0.0
    daily_volume: int = 0
    busyness: float = 1.0
    spread_ticks: int = 1
    quote_size: int = 10


_SPX, _NDX, _RUT, _DOW = 6850.0, 25_100.0, 2_510.0, 47_900.0
_BASIS = 1.0024
"""Futures over their index: roughly a quarter's carry."""

_FUTURES = (
    Character("/ES", _SPX * _BASIS, 1.0, 0.0, 2e-6, 1_200_000, 1.6, 1, 60),
    Character("/NQ", _NDX * _BASIS, 1.2, 1.0, 2e-6, 480_000, 1.6, 2, 6),
    Character("/YM", _DOW * _BASIS, 0.85, -0.3, 8e-6, 90_000, 0.8, 1, 8),
    Character("/CL", 59.40, 0.2, 0.0, 9e-5, 260_000, 1.0, 1, 25),
    Character("/GC", 4_105.0, -0.1, 0.0, 6e-5, 150_000, 1.0, 1, 8),
)
_INDICES = (
    Character("$SPX", _SPX, 1.0, busyness=0.5),
    Character("$NDX", _NDX, 1.2, 1.0, busyness=0.4),
    Character("$RUT", _RUT, 1.15, -0.4, 2e-5, busyness=0.3),
    Character("$VIX", 17.20, -7.0, 0.0, 2e-4, busyness=0.12),
    Character("$TICK", 0.0, busyness=0.35),
    Character("$ADD", 0.0, busyness=0.25),
    Character("$TRIN", 1.0, busyness=0.2),
)
_EQUITIES = (
    Character("SPY", _SPX / 10, 1.0, 0.0, 1e-6, 70_000_000, 1.5, 1, 900),
    Character("QQQ", _NDX / 41, 1.2, 1.0, 1e-6, 50_000_000, 1.4, 1, 700),
    Character("IWM", _RUT / 10, 1.15, -0.4, 2e-5, 30_000_000, 0.9, 1, 800),
    Character("AAPL", 270.4, 1.1, 0.5, 6e-5, 45_000_000, 1.0, 1, 300),
    Character("MSFT", 507.5, 1.0, 0.6, 5e-5, 20_000_000, 0.8, 3, 120),
    Character("NVDA", 188.2, 1.7, 1.6, 8e-5, 170_000_000, 1.4, 1, 900),
    Character("AMZN", 232.0, 1.2, 0.7, 7e-5, 40_000_000, 0.9, 2, 200),
    Character("TSLA", 425.0, 1.8, 0.8, 1.2e-4, 75_000_000, 1.1, 3, 150),
)
_KNOWN = {one.symbol: one for one in (*_FUTURES, *_INDICES, *_EQUITIES)}

THE_TWELVE = ("/ES", "/NQ", "/YM", "/CL", "/GC", "$SPX", "$NDX", "$RUT", "$VIX", "$TICK", "$ADD", "$TRIN")
DEFAULT_SYMBOLS = (*THE_TWELVE, *(one.symbol for one in _EQUITIES))


def character_of(symbol: str) -> Character:
    """How `symbol` behaves; an equity that is not in the catalogue gets a price and a beta derived from its name.

    Raises ConfigError for a future or index that is not in the catalogue, and for what is no symbol.
    """
    if symbol in _KNOWN:
        return _KNOWN[symbol]
    try:
        kind = instrument_of(symbol).kind
    except ValueError as error:
        raise ConfigError(str(error), hint="write symbols as Schwab does, for example SPY or /ES") from None
    if kind is not InstrumentClass.EQUITY:
        raise ConfigError(
            f"the made-up market has no {symbol}", hint=f"of futures and indices it has {', '.join(THE_TWELVE)}"
        )
    seed = zlib.crc32(symbol.encode())
    shape = Character(symbol, 0.0, 1.0, 0.2, 8e-5, 4_000_000, 0.6, 2, 150)
    return replace(shape, previous_close=20 + seed % 38_000 / 100, beta=0.7 + seed // 38_000 % 80 / 100)
