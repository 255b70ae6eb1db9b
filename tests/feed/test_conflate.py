"""A backlog is merged so that nothing a rule can see changes: laws over made-up rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace as replace_fact

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Event, Start
from tradeassistd.engine.transition import Kind
from tradeassistd.feed.conflate import conflate
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.states import ConnectionChange
from tradeassistd.market.bar import Bar
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.quote import Change, Quote
from tradeassistd.market.tick import Field, Tick
from tradeassistd.rules.load import load_texts

BEGIN_US = 1_793_977_200_000_000  # in the regular session of Friday, 2026-11-06
MS_PER_MINUTE = 60_000
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


def quote_of(symbol: str, small: bool) -> Quote:
    instrument = instrument_of(symbol)
    return Quote(symbol, replace_fact(instrument, plausible=None) if small else instrument)


def seen(frames: list[Frame], *, small: bool = False) -> list[Tick]:
    """The ticks that come of it; `small`: of prices so small that they would not be plausible."""
    quotes: dict[str, Quote] = {}
    ticks, number = [], BEGIN_US
    for frame in frames:
        number = max(number, frame.header_ms * 1000)
        for change in frame.changes:
            number += 1
            ticks.append(quotes.setdefault(change.symbol, quote_of(change.symbol, small)).merge(number, change))
    return ticks


def prices(ticks: list[Tick]) -> list[tuple[str, int | None, int | None, int | None]]:
    """Every new price of any symbol, in order: all that a level may lie between, whoever reads which symbols."""
    held: dict[str, tuple[int | None, int | None, int | None]] = {}
    found = []
    for tick in ticks:
        now = (tick.last, tick.bid, tick.ask)
        if held.get(tick.symbol) != now:
            held[tick.symbol] = now
            found.append((tick.symbol, *now))
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
def test_law_every_price_stays_in_its_place_and_no_trade_moves(frames: list[Frame]) -> None:
    before = seen(deepcopy(frames))
    merged = conflate(frames)
    after = seen(frames)
    assert len(after) == len(before) - merged
    assert prices(after) == prices(before)
    assert traded(after) == traded(before)
    assert bars(after) == bars(before)
    ends = [{tick.symbol: (tick.last, tick.bid, tick.ask, tick.volume) for tick in ticks} for ticks in (before, after)]
    assert ends[0] == ends[1]


def walked(*bids: int) -> list[Frame]:
    """A bid, and in every row another size."""
    return [Frame(number, [Change("SPY", bid=bid, bid_size=number)]) for number, bid in enumerate(bids)]


def left(frames: Sequence[Frame | ConnectionChange]) -> list[tuple[float | None, float | None]]:
    return [(row.bid, row.bid_size) for frame in frames if isinstance(frame, Frame) for row in frame.changes]


def test_what_flickers_at_a_price_becomes_one_row_and_every_price_stays() -> None:
    frames = walked(1, 2, 2, 2, 3, 4, 4, 3, 3, 3)
    assert conflate(frames) == 4
    assert left(frames) == [(1, 0), (2, 1), (3, 4), (4, 5), (3, 7), (3, 9)]


@pytest.mark.parametrize("when", ["mid enters [2, 4]", "mid inside [2, 4]", "sym($TICK).price < 0 and mid > 3.5"])
def test_what_a_fast_market_only_passes_through_is_told_however_far_behind_the_engine_is(when: str) -> None:
    rules = load_texts({"r.yaml": f"version: 1\nrules:\n  - {{id: a, symbols: [SPY], when: '{when}'}}\n"}).rule_set
    frames = [Frame(0, [Change("$TICK", last=-100.0), Change("SPY", bid=1, ask=1)]), Frame(0, [Change("SPY", bid=1)])]
    frames += [Frame(0, [Change("SPY", bid=mid, ask=mid)]) for mid in (3, 5, 7)]
    frames += [Frame(0, [Change("$TICK", last=100.0)]), Frame(0, [Change("SPY", bid=9, ask=9)])]
    conflate(frames)
    engine = Engine(rules)
    events: list[Event] = [Start(BEGIN_US - 1, rules.hash), *seen(frames, small=True)]
    fired = [one for event in events for one in engine.on_event(event) if one.kind is Kind.FIRED]
    assert len(fired) == 1


@pytest.mark.parametrize("fields", [{"status": "Halted"}, {"contract": "/ESZ26"}, {"delayed": True}, {"high": 9.0}])
def test_what_is_said_of_a_symbol_is_never_merged_away(fields: dict[str, object]) -> None:
    frames = walked(1, 2, 2, 2)
    for name, value in fields.items():
        setattr(frames[2].changes[0], name, value)
    conflate(frames)
    assert frames[2].changes


def test_nothing_is_merged_across_a_change_of_the_connection() -> None:
    frames: list[Frame | ConnectionChange] = [*walked(1, 1, 1), ConnectionChange("backoff"), *walked(1, 1, 1)]
    assert conflate(frames) == 2
    assert left(frames) == [(1, 0), (1, 2)] * 2


def test_what_only_the_merged_row_said_is_kept() -> None:
    frames = walked(1, 1, 1)
    frames[1].changes[0].ask_size = 9.0
    assert conflate(frames) == 1
    assert frames[2].changes[0].ask_size == 9.0
