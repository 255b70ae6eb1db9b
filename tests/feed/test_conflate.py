"""A backlog is merged so that nothing a rule can see changes: laws over made-up rows."""

from __future__ import annotations

from collections import defaultdict
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Event, Start
from tradeassistd.feed.conflate import conflate
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.states import ConnectionChange
from tradeassistd.market.bar import Bar
from tradeassistd.market.quote import Change, Quote
from tradeassistd.market.tick import Field, Tick
from tradeassistd.rules.load import load_texts

BEGIN_US = 1_793_977_200_000_000  # in the regular session of Friday, 2026-11-06
MS_PER_MINUTE = 60_000
PRICE_LEVELS = range(97 * 10**8, 104 * 10**8, 10**8 // 2)
RULES = load_texts(
    {
        "r.yaml": """version: 1
rules:
  - {id: a, symbols: [SPY, QQQ], when: price > vwap(), cooldown: 1s}
  - {id: b, symbols: [SPY, QQQ], when: close(1m) > avg(volume, 2, 1m) * price / 1, mode: shadow}
"""
    }
).rule_set


def row(symbol: str, volume: float | None, price: int | None, bid: int | None, ask: int | None, at_ms: int) -> Change:
    return Change(symbol, last=price, bid=bid, ask=ask, volume=volume, trade_ms=at_ms if volume else None)


PRICE = st.none() | st.integers(98, 102)
ROW = st.tuples(st.sampled_from(["SPY", "QQQ"]), st.integers(0, 2), PRICE, PRICE, PRICE, st.sampled_from([0, 1, 30]))


@st.composite
def backlog(draw: st.DrawFn) -> list[Frame]:
    volumes, at_ms = {"SPY": 1000, "QQQ": 1000}, BEGIN_US // 1000
    first = [Change(symbol, last=100, bid=99, ask=101, volume=1000, trade_ms=at_ms) for symbol in volumes]
    frames = [Frame(at_ms, first)]
    for symbol, traded, price, bid, ask, wait_s in draw(st.lists(ROW, max_size=30)):
        at_ms += wait_s * 1000
        volumes[symbol] += traded
        change = row(symbol, volumes[symbol] if traded else None, price, bid, ask, at_ms)
        if draw(st.booleans()):
            frames.append(Frame(at_ms, [change]))
        else:
            frames[-1].changes.append(change)
            frames[-1].header_ms = at_ms
    return frames


def seen(frames: list[Frame]) -> list[Tick]:
    quotes: dict[str, Quote] = {}
    ticks, number = [], BEGIN_US
    for frame in frames:
        number = max(number, frame.header_ms * 1000)
        for change in frame.changes:
            number += 1
            ticks.append(quotes.setdefault(change.symbol, Quote(change.symbol)).merge(number, change))
    return ticks


def turns(ticks: list[Tick]) -> dict[tuple[str, str, int], list[bool]]:
    """Per symbol, value and level: the sides the value was on, one after the other."""
    found: dict[tuple[str, str, int], list[bool]] = defaultdict(list)
    for tick in ticks:
        values = {"last": tick.last, "bid": tick.bid, "ask": tick.ask}
        if tick.bid is not None and tick.ask is not None:
            values |= {"spread": tick.ask - tick.bid, "middle": (tick.ask + tick.bid) // 2}
        for name, value in values.items():
            for level in range(-5 * 10**8, 6 * 10**8, 10**8 // 2) if name == "spread" else PRICE_LEVELS:
                if value is not None and value != level:
                    sides = found[tick.symbol, name, level]
                    if not sides or sides[-1] != (value > level):
                        sides.append(value > level)
    return found


def traded(ticks: list[Tick]) -> dict[tuple[str, int, int], int]:
    """Per symbol, minute and price: how much was traded."""
    found: dict[tuple[str, int, int], int] = defaultdict(int)
    for tick in ticks:
        if tick.changed & Field.TRADE and tick.size:
            assert tick.last is not None and tick.trade_ms is not None
            found[tick.symbol, tick.trade_ms // MS_PER_MINUTE, tick.last] += tick.size
    return found


def bars(ticks: list[Tick]) -> list[Bar]:
    """The bars that come of it, without how many trades made each."""
    engine = Engine(RULES)
    events: list[Event] = [Start(BEGIN_US - 1, RULES.hash), *ticks]
    for event in events:
        engine.on_event(event)
    found = [replace(bar, trades=0) for bar in engine.take_bars()]
    return sorted(found, key=lambda bar: (bar.symbol, bar.start_us))


@given(backlog())
@settings(max_examples=60)
def test_law_every_crossing_stays_and_no_trade_moves(frames: list[Frame]) -> None:
    before = seen(deepcopy(frames))
    merged = conflate(frames)
    after = seen(frames)
    assert len(after) == len(before) - merged
    assert turns(after) == turns(before)
    assert traded(after) == traded(before)
    assert bars(after) == bars(before)
    ends = [{tick.symbol: (tick.last, tick.bid, tick.ask, tick.volume) for tick in ticks} for ticks in (before, after)]
    assert ends[0] == ends[1]


def walked(*prices: int) -> list[Frame]:
    return [Frame(number, [Change("SPY", bid=price)]) for number, price in enumerate(prices)]


def test_a_walk_becomes_its_ends_and_its_turns() -> None:
    frames = walked(1, 2, 3, 4, 5, 4, 3, 4, 4, 4)
    assert conflate(frames) == 6
    assert [change.bid for frame in frames for change in frame.changes] == [1, 5, 3, 4]


@pytest.mark.parametrize("fields", [{"status": "Halted"}, {"contract": "/ESZ26"}, {"delayed": True}])
def test_what_is_said_of_a_symbol_is_never_merged_away(fields: dict[str, object]) -> None:
    frames = walked(1, 2, 3, 4)
    for name, value in fields.items():
        setattr(frames[2].changes[0], name, value)
    conflate(frames)
    assert frames[2].changes


def test_nothing_is_merged_across_a_change_of_the_connection() -> None:
    frames: list[Frame | ConnectionChange] = [*walked(1, 2, 3), ConnectionChange("backoff"), *walked(4, 5, 6)]
    assert conflate(frames) == 2
    assert [change.bid for frame in frames if isinstance(frame, Frame) for change in frame.changes] == [1, 3, 4, 6]


def test_what_only_the_merged_row_said_is_kept() -> None:
    frames = walked(1, 2, 3)
    frames[1].changes[0].high = 9.0
    assert conflate(frames) == 1
    assert frames[2].changes[0].high == 9.0
