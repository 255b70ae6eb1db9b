"""Prices as exact integers: one unit is 10^-8 of the quoted currency or index point.

Every price Schwab quotes is a decimal with at most eight places (the finest is a 256th of a point, 0.00390625), so a
scaled integer holds it exactly, and sums of prices stay exact too.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

PRICE_DECIMALS = 8
PRICE_SCALE: int = 10**PRICE_DECIMALS


def price_from_float(value: float) -> int:
    """The scaled price nearest to a JSON number. Exact for every price below 10^7."""
    return round(value * PRICE_SCALE)


def price_from_text(text: str) -> int:
    """The scaled price that `text`, a plain decimal, says exactly.

    Raises ValueError when it is no decimal or has more than eight places.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a decimal number")
    scaled = value.scaleb(PRICE_DECIMALS)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{text!r} has more than {PRICE_DECIMALS} decimal places")
    return int(scaled)


def price_text(price: int, places: int = 0) -> str:
    """`price` as a plain decimal without trailing zeros, but with at least `places` decimals."""
    sign = "-" if price < 0 else ""
    whole, part = divmod(abs(price), PRICE_SCALE)
    digits = f"{part:0{PRICE_DECIMALS}d}".rstrip("0").ljust(places, "0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"
