"""What each data fault makes of the fields of one symbol: pure functions of the fault and the true values."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from tradeassistd.base.instant import US_PER_MS, US_PER_S
from tradeassistd.market.instrument import InstrumentClass
from tradeassistd.market.price import price_from_text, price_text
from tradeassistd.sim.faults.board import Running
from tradeassistd.sim.faults.kinds import Fault
from tradeassistd.sim.fields import Equity, Layout
from tradeassistd.sim.listing import Listing
from tradeassistd.sim.market import Fields, LevelOne

Distortion = Callable[[Running, LevelOne, Fields, bool], Fields | None]
"""Fault, record, true fields, whether they are an image; gives the fields that are shown, or None: nothing is."""

_INTERNALS_SCALE = 1000


def about(fault: Fault, listing: Listing) -> bool:
    """Whether a fault is about that instrument; one that names no symbols is about all."""
    symbols = fault.options.get("symbols", ())
    return not symbols or any(key in symbols for key in listing.keys)


def concerns(one: Running, listing: Listing) -> bool:
    """Whether a fault at work is about that instrument."""
    return about(one.fault, listing)


def distorted(one: Running, level_one: LevelOne, fields: Fields, image: bool) -> Fields | None:
    """What a fault makes of some fields of a record; the same fields when it is not about them."""
    make = DISTORTIONS.get(one.fault.name)
    return make(one, level_one, fields, image) if make and concerns(one, level_one.listing) else fields


def far_away(level_one: LevelOne, number: int, off: Decimal) -> str:
    """The value of a price field moved by a share of itself, on the instrument's grid."""
    tick = level_one.listing.instrument.tick_size
    price = price_from_text(level_one.values[number])
    return price_text(round(price * (1 + off) / tick) * tick)


def price_numbers(layout: Layout) -> frozenset[int]:
    """The fields that hold a price."""
    prices = {layout.bid, layout.ask, layout.last, layout.mark, layout.open, layout.high, layout.low, layout.close}
    return frozenset(prices if layout.service == "LEVELONE_FUTURES" else prices | {Equity.REGULAR_LAST})


def time_numbers(layout: Layout) -> frozenset[int]:
    """The fields that hold an exchange time."""
    return frozenset({layout.quote_ms, layout.trade_ms, layout.bid_ms, layout.ask_ms})


def _hide(one: Running, _: LevelOne, fields: Fields, image: bool) -> Fields | None:
    return fields if image and one.fault.options.get("image") else None


def _zero_prices(one: Running, level_one: LevelOne, fields: Fields, _: bool) -> Fields:
    layout, which = level_one.listing.layout, one.fault["fields"]
    zero = {layout.last, layout.mark} if which != "quote" else set()
    if which != "last":
        zero |= {layout.bid, layout.ask}
    return _with(fields, zero, lambda _: "0")


def _reset_prices(_: Running, level_one: LevelOne, fields: Fields, __: bool) -> Fields:
    layout = level_one.listing.layout
    return _with(fields, {layout.open, layout.high, layout.low}, lambda _: "0")


def _reset_volume(one: Running, level_one: LevelOne, fields: Fields, _: bool) -> Fields:
    number, symbol = level_one.listing.layout.volume, level_one.listing.symbol
    if number not in level_one.values:
        return fields
    before = one.memory.setdefault(symbol, int(level_one.values[number]))
    return _with(fields, {number}, lambda text: str(max(0, int(text) - before)))


def _shift_times(one: Running, level_one: LevelOne, fields: Fields, _: bool) -> Fields:
    by_ms = one.fault["by"] * US_PER_S // US_PER_MS
    return _with(fields, time_numbers(level_one.listing.layout), lambda text: str(max(0, int(text) - by_ms)))


def _times_back(one: Running, level_one: LevelOne, fields: Fields, image: bool) -> Fields:
    if image:
        return fields
    symbol = level_one.listing.symbol
    turn = one.memory[symbol] = one.memory.get(symbol, 0) + 1
    return _shift_times(one, level_one, fields, image) if turn % 2 == 0 else fields


def _internals(one: Running, level_one: LevelOne, fields: Fields, image: bool) -> Fields | None:
    if level_one.listing.instrument.kind is not InstrumentClass.INTERNAL:
        return fields
    how, numbers = one.fault["how"], price_numbers(level_one.listing.layout)
    if how == "empty":
        return [] if image else None
    if how == "floored":
        return _with(fields, numbers, lambda text: "0" if text.startswith("-") else text)
    return _with(fields, numbers, lambda text: price_text(price_from_text(text) * _INTERNALS_SCALE))


def _with(fields: Fields, numbers: set[int] | frozenset[int], change: Callable[[str], str]) -> Fields:
    return [(number, change(value)) if number in numbers else (number, value) for number, value in fields]


DISTORTIONS: dict[str, Distortion] = {
    "mute": _hide,
    "silent": _hide,
    "zero_prices": _zero_prices,
    "reset_prices": _reset_prices,
    "reset_volume": _reset_volume,
    "delayed": _shift_times,
    "times_back": _times_back,
    "internals": _internals,
}
SHOWN_AT_ONCE = ("zero_prices", "reset_prices", "reset_volume", "internals")
"""These are seen as soon as they begin, not only with the next change."""
