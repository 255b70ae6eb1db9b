"""Laws of the made-up market: the same seed is the same market, and whatever it makes is possible."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradeassistd.base.errors import ConfigError
from tradeassistd.market.instrument import InstrumentClass
from tradeassistd.market.price import price_from_float
from tradeassistd.market.session import trading_window_at
from tradeassistd.sim.catalogue import DEFAULT_SYMBOLS, THE_TWELVE
from tradeassistd.sim.daytime import instant_us
from tradeassistd.sim.internals import ADD_BOUND, TICK_BOUND, TRIN_BOUNDS
from tradeassistd.sim.local import TOKEN, LocalSimulator
from tradeassistd.sim.market import LevelOne
from tradeassistd.sim.synthetic import SyntheticMarket

MONDAY = date(2026, 11, 23)
OPEN_US = instant_us(MONDAY, 570)
MINUTE_US = 60_000_000

Row = tuple[int, str, dict[int, str]]


def rows(market: SyntheticMarket, until_us: int) -> list[Row]:
    """Every change up to an instant: time, symbol, fields."""
    made: list[Row] = []
    while (next_us := market.next_us()) is not None and next_us < until_us:
        batch = market.step(until_us)
        made += [(batch.at_us, change.level_one.listing.symbol, dict(change.fields)) for change in batch.changes]
    return made


def begin() -> SyntheticMarket:
    """The market of most laws, before its first change."""
    return SyntheticMarket(1, OPEN_US, (*THE_TWELVE, "SPY", "QQQ", "MSFT"), ticks_per_s=1.5)


@cache
def first_hour() -> tuple[SyntheticMarket, list[Row]]:
    """The hour after the open, made once for all laws."""
    market = begin()
    return market, rows(market, OPEN_US + 60 * MINUTE_US)


def record_of(market: SyntheticMarket, key: str) -> LevelOne:
    record = market.find(key)
    assert record is not None
    return record


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 7 * 24 * 60))
def test_the_same_seed_is_the_same_market_to_the_byte(seed: int, minute: int) -> None:
    start_us = OPEN_US + minute * MINUTE_US
    one, two = SyntheticMarket(seed, start_us), SyntheticMarket(seed, start_us)
    assert [record_of(one, key).values for key in one.symbols] == [record_of(two, key).values for key in two.symbols]
    first_us = one.next_us()
    assert first_us is not None
    assert rows(one, first_us + 5_000_000) == rows(two, first_us + 5_000_000)


def test_another_seed_is_another_market() -> None:
    one, two = (rows(SyntheticMarket(seed, OPEN_US), OPEN_US + MINUTE_US) for seed in (1, 2))
    assert one != two


def test_frames_do_not_depend_on_how_the_market_is_driven() -> None:
    """Step by step or in leaps, the frames a client would get are the same bytes."""
    logs = []
    for leap_us in (40_000, 7_000_000):
        local = LocalSimulator(SyntheticMarket(3, OPEN_US))
        session = local.streamer.connect()
        parameters = {"keys": ",".join(THE_TWELVE), "fields": ",".join(map(str, range(52)))}
        authorization = {"Authorization": TOKEN}
        requests = [
            {"service": "ADMIN", "command": "LOGIN", "requestid": 0, "parameters": authorization},
            {"service": "LEVELONE_EQUITIES", "command": "SUBS", "requestid": 1, "parameters": parameters},
            {"service": "LEVELONE_FUTURES", "command": "SUBS", "requestid": 2, "parameters": parameters},
        ]
        local.streamer.receive(session, json.dumps({"requests": requests}))
        for at_us in range(OPEN_US, OPEN_US + 28_000_001, leap_us):
            local.advance_to(at_us)
        logs.append(list(session.outbox))
    assert logs[0] == logs[1]
    assert len(logs[0]) > 250


def test_times_never_fall_and_are_whole_milliseconds() -> None:
    _, made = first_hour()
    assert all(first[0] <= second[0] for first, second in pairwise(made))
    assert all(at_us % 1000 == 0 for at_us, _, _ in made)


def test_prices_lie_on_the_grid_and_bids_below_asks() -> None:
    start = begin()
    held = {record_of(start, key).listing.symbol: record_of(start, key).values for key in start.symbols}
    market, made = first_hour()
    for _, symbol, fields in made:
        listing = record_of(market, symbol).listing
        layout, instrument = listing.layout, listing.instrument
        held[symbol].update(fields)
        for number in (layout.bid, layout.ask, layout.last, layout.open, layout.high, layout.low):
            if number in fields:
                assert price_from_float(float(fields[number])) % instrument.tick_size == 0
        assert (layout.bid in held[symbol]) == instrument.has_quote
        if instrument.has_quote:
            assert float(held[symbol][layout.bid]) < float(held[symbol][layout.ask])
        if layout.high in fields:
            low, last, high = (float(held[symbol][number]) for number in (layout.low, layout.last, layout.high))
            assert low <= last <= high


def test_volume_only_grows_by_the_size_of_each_trade() -> None:
    start = begin()
    volumes = {symbol: int(record_of(start, symbol).values[8]) for symbol in start.symbols}
    market, made = first_hour()
    trades = 0
    for _, symbol, fields in made:
        if record_of(market, symbol).listing.instrument.has_volume and 8 in fields:
            grown = int(fields[8]) - volumes[symbol]
            volumes[symbol] = int(fields[8])
            assert grown > 0
            assert 9 not in fields or int(fields[9]) == grown
            trades += 1
    assert trades > 20_000


def test_internals_stay_within_their_bounds_and_move() -> None:
    _, made = first_hour()
    values: dict[str, list[float]] = defaultdict(list)
    for _, symbol, fields in made:
        if 3 in fields:
            values[symbol].append(float(fields[3]))
    ticks, adds, trins = values["$TICK"], values["$ADD"], values["$TRIN"]
    assert -TICK_BOUND <= min(ticks) < -300 < 300 < max(ticks) <= TICK_BOUND
    assert -ADD_BOUND <= min(adds) < max(adds) <= ADD_BOUND
    assert TRIN_BOUNDS[0] <= min(trins) < max(trins) <= TRIN_BOUNDS[1]
    assert 10 <= min(values["$VIX"]) < max(values["$VIX"]) < 30


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_first_hour_has_a_fast_move_a_reversal_and_a_spike_of_volume(seed: int) -> None:
    minutes: dict[int, float] = {}
    volumes: dict[int, int] = {}
    market = SyntheticMarket(seed, OPEN_US, ["SPY"], ticks_per_s=2)
    for at_us, _, fields in rows(market, OPEN_US + 60 * MINUTE_US):
        if 3 in fields:
            minutes[(at_us - OPEN_US) // MINUTE_US] = float(fields[3])
        if 8 in fields:
            volumes[(at_us - OPEN_US) // MINUTE_US] = int(fields[8])
    assert len(minutes) == 60
    moves = [minutes[n + 5] / minutes[n] - 1 for n in range(55)]
    assert max(map(abs, moves)) > 0.005
    assert min(moves) < -0.002 < 0.002 < max(moves)
    per_minute = [volumes[n + 1] - volumes[n] for n in range(59)]
    assert any(per_minute[n] > 4 * sum(per_minute[n - 20 : n]) / 20 for n in range(22, 59))


def test_what_belongs_together_moves_together() -> None:
    market, made = first_hour()
    last = {key: float(record_of(market, key).values[3]) for key in ("$SPX", "SPY", "/ES", "$NDX", "QQQ", "/NQ")}
    assert last["SPY"] * 10 == pytest.approx(last["$SPX"], rel=5e-4)
    assert last["/ES"] == pytest.approx(last["$SPX"] * 1.0024, rel=5e-4)
    assert last["QQQ"] * 41 == pytest.approx(last["$NDX"], rel=5e-4)
    path = {symbol: [float(f[3]) for _, at, f in made if at == symbol and 3 in f] for symbol in ("$SPX", "$VIX")}
    down = path["$SPX"][-1] < path["$SPX"][0]
    assert (path["$VIX"][-1] > path["$VIX"][0]) == down


def test_liquid_symbols_change_two_to_ten_times_a_second() -> None:
    liquid = ("/ES", "/NQ", "/CL", "/GC", "SPY", "QQQ", "AAPL", "NVDA")
    market = SyntheticMarket(1, OPEN_US + 60 * MINUTE_US, liquid)
    counted: dict[str, int] = defaultdict(int)
    for _, symbol, _ in rows(market, OPEN_US + 65 * MINUTE_US):
        counted[symbol] += 1
    assert len(counted) == len(liquid)
    assert all(2 <= count / 300 <= 10 for count in counted.values())


def test_the_rate_can_be_chosen() -> None:
    until_us = OPEN_US + 2 * MINUTE_US
    slow = len(rows(SyntheticMarket(1, OPEN_US, ["SPY"], ticks_per_s=2), until_us))
    fast = len(rows(SyntheticMarket(1, OPEN_US, ["SPY"], ticks_per_s=200), until_us))
    assert fast == pytest.approx(100 * slow, rel=0.2)


def test_closed_markets_are_silent_and_open_ones_are_not() -> None:
    """From Friday's close to Monday's open nothing trades outside its hours, and everything within them does."""
    friday_us = instant_us(date(2026, 11, 20), 955)
    market = SyntheticMarket(5, friday_us, ["/ES", "SPY", "$SPX", "$TICK"], ticks_per_s=0.02)
    heard: dict[str, int] = defaultdict(int)
    for at_us, symbol, fields in rows(market, OPEN_US + 10 * MINUTE_US):
        listing = record_of(market, symbol).listing
        if fields.keys() & {listing.layout.trade_ms, listing.layout.quote_ms}:
            assert trading_window_at(listing.instrument, at_us) is not None, (symbol, at_us)
            heard[listing.instrument.kind] += 1
    assert heard[InstrumentClass.FUTURE] > heard[InstrumentClass.EQUITY] > 0
    assert heard[InstrumentClass.INDEX] > 0


def test_a_night_starts_the_days_values_over() -> None:
    """High, low and open are 0 from 03:30 to the open, volume from 07:28, and a future's day begins at 18:00."""
    market = SyntheticMarket(6, instant_us(MONDAY, 950), ["/ES", "SPY", "$SPX"], ticks_per_s=0.05)
    spy, spx, es = (record_of(market, key) for key in ("SPY", "$SPX", "/ES"))
    night = date(2026, 11, 24)

    rows(market, instant_us(MONDAY, 1081))
    assert int(es.values[8]) < 30_000
    rows(market, instant_us(night, 209))
    regular_close, high = spy.values[29], spy.values[10]
    assert float(high) > 0
    rows(market, instant_us(night, 211))
    assert (spy.values[10], spy.values[11], spy.values[17]) == ("0", "0", "0")
    assert spy.values[12] == regular_close
    assert (spx.values[10], spx.values[12]) == ("0", spx.values[3])
    assert int(spy.values[8]) > 1_000_000
    rows(market, instant_us(night, 449))
    assert int(spy.values[8]) < 100_000
    rows(market, instant_us(night, 572))
    assert float(spy.values[10]) >= float(spy.values[17]) >= float(spy.values[11]) > 0


@pytest.mark.parametrize("minute", [0, 215, 300, 569, 570, 571, 700, 959, 1000, 1050, 1100, 1400])
def test_the_first_image_is_plausible_at_any_time_of_day(minute: int) -> None:
    market = SyntheticMarket(7, instant_us(MONDAY, minute))
    spy, es, spx = (record_of(market, key) for key in ("SPY", "/ES", "$SPX"))
    for record in (spy, es):
        layout = record.listing.layout
        bid, ask, last, close = (float(record.values[n]) for n in (layout.bid, layout.ask, layout.last, layout.close))
        assert 0 < bid < ask
        assert last == pytest.approx(close, rel=0.02)
    assert int(es.values[8]) > 0 or minute == 1080
    before_open = 210 <= minute <= 570
    for record in (spy, spx):
        layout = record.listing.layout
        values = [float(record.values[number]) for number in (layout.open, layout.high, layout.low)]
        assert (values == [0, 0, 0]) == before_open
        if not before_open:
            assert values[2] <= float(record.values[layout.last]) <= values[1]


def test_the_default_holds_the_twelve_and_any_stock_can_be_asked_for() -> None:
    assert set(THE_TWELVE) < set(DEFAULT_SYMBOLS)
    market = SyntheticMarket(1, OPEN_US, ["ZZZT"])
    assert rows(market, OPEN_US + MINUTE_US)
    assert float(record_of(market, "ZZZT").values[3]) > 1


@pytest.mark.parametrize("symbols", [["/ZB"], ["$COMPX"], ["es!"], []])
def test_what_it_cannot_make_is_refused(symbols: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        SyntheticMarket(1, OPEN_US, symbols)
    assert caught.value.hint
