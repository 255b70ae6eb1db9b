"""The candles of what was streamed are the bars of its trades; those from before it are made up, and hold together."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import sqrt
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recorded import recorded
from tests.sim.clients import record
from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.price import PRICE_SCALE, price_from_text
from tradeassistd.market.recorded import read_bars, read_ticks
from tradeassistd.market.session import NEW_YORK
from tradeassistd.sim.candles import LATE_S, MINUTE_US, Candle, Minutes, merged, published_us, whole
from tradeassistd.sim.catalogue import character_of
from tradeassistd.sim.market import Market
from tradeassistd.sim.past import Opening, Past, day_under_way, main_window
from tradeassistd.sim.pricehistory import History
from tradeassistd.sim.recorded import RecordedMarket
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.sim.truth import TruthLog

NEVER = 2**62


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * US_PER_S


def played(market: Market, until_us: int = NEVER, truth: Path | None = None) -> Minutes:
    """The minutes of a market that has been played to then; what it made is in `truth`."""
    minutes = Minutes(market)
    with TruthLog(truth) if truth is not None else TruthLog(Path("/dev/null")) as log:
        while (next_us := market.next_us()) is not None and next_us < until_us:
            batch = market.step(NEVER)
            minutes.take(batch)
            log.see(batch)
    return minutes


def bars_of(trades: Iterable[tuple[int, int, int]]) -> list[Candle]:
    """One-minute bars of trades (time in nanoseconds, price, size), made the plain way."""
    by_minute: dict[int, list[tuple[int, int]]] = {}
    for ts_ns, price, size in trades:
        by_minute.setdefault(ts_ns // 60_000_000_000, []).append((price, size))
    return [
        Candle(minute * MINUTE_US, group[0][0], max(group)[0], min(group)[0], group[-1][0], sum(s for _, s in group))
        for minute, group in by_minute.items()
    ]


def of_file(path: Path, symbol: str) -> list[Candle]:
    """The bars of a tick file's trades of one symbol."""
    rows = [row for row in read_ticks(path) if row.symbol == symbol and row.price is not None]
    return bars_of((row.ts_ns, row.price or 0, row.size or 0) for row in rows)


@pytest.mark.parametrize("seed", [1, 2])
def test_candles_of_the_made_up_market_are_the_bars_of_its_trades(seed: int, tmp_path: Path) -> None:
    market = SyntheticMarket(seed, us("2026-11-16T09:24:30"), ("SPY", "/ES", "$SPX", "TSLA"), ticks_per_s=2)
    minutes = played(market, us("2026-11-16T09:35:20"), tmp_path / "truth.csv")
    contract = market.find("/ES")
    assert contract is not None
    for key, code in (("SPY", "SPY"), ("TSLA", "TSLA"), ("/ES", contract.listing.symbol), ("$SPX", "$SPX")):
        bars = of_file(tmp_path / "truth.csv", code)
        assert minutes.candles(key, 0, NEVER) == bars
        assert len(bars) > 5, key
    assert minutes.candles(contract.listing.symbol, 0, NEVER) == minutes.candles("/ES", 0, NEVER)


@pytest.mark.parametrize(
    ("symbol", "begin", "end"),
    [("SPY", "2026-11-16T07:26:20", "2026-11-16T07:30:00"), ("/ES", "2026-11-16T16:58:30", "2026-11-16T18:02:30")],
)
def test_a_volume_that_starts_over_is_no_trade(symbol: str, begin: str, end: str, tmp_path: Path) -> None:
    market = SyntheticMarket(2, us(begin), (symbol,), ticks_per_s=3)
    minutes = played(market, us(end), tmp_path / "truth.csv")
    level_one = market.find(symbol)
    assert level_one is not None
    layout = level_one.listing.layout
    found = minutes.candles(symbol, 0, NEVER)
    assert found == of_file(tmp_path / "truth.csv", level_one.listing.symbol)
    assert 0 < int(level_one.values[layout.volume]) < sum(one.volume for one in found)  # it has started over


def test_a_root_goes_on_over_a_roll_and_the_first_word_of_a_contract_is_no_trade(tmp_path: Path) -> None:
    market = SyntheticMarket(3, us("2026-11-16T10:00:00"), ("/ES",), ticks_per_s=2)
    minutes = Minutes(market)
    old = market.find("/ES")
    assert old is not None
    while (market.next_us() or 0) < us("2026-11-16T10:01:30"):
        minutes.take(market.step(NEVER))
    before = minutes.candles("/ES", 0, NEVER)
    assert minutes.take(market.roll("/ES", us("2026-11-16T10:01:30"), None)) == []
    assert minutes.candles("/ES", 0, NEVER) == before
    while (market.next_us() or 0) < us("2026-11-16T10:03:00"):
        minutes.take(market.step(NEVER))
    new = market.find("/ES")
    assert new is not None
    root, first, second = (minutes.candles(key, 0, NEVER) for key in ("/ES", old.listing.symbol, new.listing.symbol))
    assert (root[0], root[-1]) == (first[0], second[-1])
    assert second[0].start_us == us("2026-11-16T10:01:00")
    assert root[1].high >= second[0].high > first[0].high  # the later contract trades higher
    assert root[1].volume < 20_000


def test_what_is_no_trade_makes_no_candle(tmp_path: Path) -> None:
    start = us("2026-11-16T10:00:00") * 1000
    rows = [
        f"{start + second * 10**9},SPY,{what}"
        for second, what in (
            (0, ",,10.00,10.02,1,1"), (1, "10.01,0,,,,"), (2, "10.02,5,,,,"), (61, ",,10.01,10.02,1,1"),
            (125, "10.00,2,,,,"),
        )
    ]  # fmt: skip
    found = played(RecordedMarket(record(tmp_path / "x.csv", *rows))).candles("SPY", 0, NEVER)
    high, low = price_from_text("10.02"), price_from_text("10")
    assert found == [
        Candle(start // 1000, high, high, high, high, 5),
        Candle(start // 1000 + 2 * MINUTE_US, low, low, low, low, 2),
    ]


def test_candles_of_a_recorded_minute_are_the_exchanges_own_bars() -> None:
    market = RecordedMarket(recorded("ticks/ES_ESU4_20240701_mbp1_4min.csv.gz"))
    bars = [bar for bar in read_bars(recorded("bars/ES_NQ_databento_snippets_1m.csv.gz")) if bar.symbol == "ESU4"]
    found = {candle.start_us: candle for candle in played(market).candles("/ES", 0, NEVER)}
    shared = [bar for bar in bars if bar.ts_ms * 1000 in found]
    assert len(shared) >= 4
    for bar in shared:
        assert found[bar.ts_ms * 1000] == Candle(bar.ts_ms * 1000, *bar[2:])


def test_candles_of_a_recorded_day_are_the_bars_of_its_trades() -> None:
    path = recorded("ticks/GC_GCZ13_20131007_trades_session.csv.gz")
    found = played(RecordedMarket(path)).candles("/GC", 0, NEVER)
    assert found == of_file(path, "GCZ13")
    assert len(found) > 1_000


def test_a_minute_can_be_had_some_seconds_after_it_is_over() -> None:
    late = [published_us("SPY", n * MINUTE_US) - (n + 1) * MINUTE_US for n in range(500)]
    assert min(late) >= LATE_S[0] * US_PER_S and max(late) <= LATE_S[1] * US_PER_S
    assert max(late) - min(late) > 20 * US_PER_S


OPENINGS = {
    "SPY": Opening(0, price_from_text("687.2"), price_from_text("685")),
    "/ES": Opening(0, price_from_text("6883.75"), price_from_text("6866.5")),
    "/CL": Opening(0, price_from_text("59.43"), price_from_text("59.4")),
    "$SPX": Opening(0, price_from_text("6867.26"), price_from_text("6850")),
    "$VIX": Opening(0, price_from_text("16.9"), price_from_text("17.2")),
    "$TICK": Opening(0, price_from_text("-120"), 0),
    "PENNY": Opening(0, price_from_text("0.11"), price_from_text("0.1")),
}
INSTANTS = st.integers(us("2025-01-02T00:00:00"), us("2027-12-30T00:00:00"))


def past(symbol: str, at_us: int, seed: int = 5) -> Past:
    return Past(seed, instrument_of(symbol), character_of(symbol), OPENINGS[symbol]._replace(at_us=at_us))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(OPENINGS)), INSTANTS, st.integers(0, 30))
def test_the_minutes_of_a_made_up_day_add_up_to_it(symbol: str, at_us: int, back: int) -> None:
    instrument, made = instrument_of(symbol), past(symbol, at_us)
    start = datetime.fromtimestamp(at_us // US_PER_S, NEW_YORK).date()
    day = start - timedelta(days=back)
    minutes, window = made.minutes(day), main_window(instrument, day)
    starts = [one.start_us for one in minutes]
    assert starts == sorted(set(starts)) and all(one % MINUTE_US == 0 for one in starts)
    assert all(one.low <= min(one.open, one.close) <= max(one.open, one.close) <= one.high for one in minutes)
    assert symbol == "$TICK" or all(one.low > 0 for one in minutes)
    assert all(one.start_us + MINUTE_US <= at_us for one in minutes)
    assert not any(price % instrument.tick_size for one in minutes for price in one[1:5])
    assert all((one.volume > 0) == instrument.has_volume for one in minutes)
    candle = made.candle(day)
    if candle is None:
        under_way = day_under_way(instrument, at_us) == day
        assert window is None or window.close_us > at_us or under_way
    else:
        assert window is not None
        inside = [one for one in minutes if window.open_us <= one.start_us < window.close_us]
        assert candle == whole(window.open_us, inside)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(["SPY", "/ES", "/CL", "$SPX", "$VIX"]), INSTANTS)
def test_nowhere_does_the_price_jump_and_it_ends_at_the_first_one(symbol: str, at_us: int) -> None:
    made, last = past(symbol, at_us), datetime.fromtimestamp(at_us // US_PER_S, NEW_YORK).date()
    days = [made.minutes(last + timedelta(days=number)) for number in range(-6, 2)]
    minutes = [one for day in days for one in day]
    if not minutes:
        return
    step = 0.10 if symbol == "$VIX" else 0.03
    assert all(abs(after.open / before.close - 1) < step for before, after in pairwise(minutes))
    assert all((one.high - one.low) / one.close < step for one in minutes)
    opening = OPENINGS[symbol]
    assert abs(minutes[-1].close / opening.price - 1) < step
    if at_us - minutes[-1].start_us < 2 * MINUTE_US:  # it trades at that instant
        assert minutes[-1].close == opening.price


def test_the_past_depends_on_seed_symbol_and_day_and_not_on_what_was_asked_before() -> None:
    at_us = us("2026-11-16T10:07:00")
    days = [date(2026, 11, number) for number in (9, 10, 11, 12, 13, 16)]
    first, second = past("SPY", at_us), past("SPY", at_us)
    forth = {day: first.minutes(day) for day in days}
    back = {day: second.minutes(day) for day in reversed(days)}
    assert forth == back
    assert past("SPY", at_us, seed=6).minutes(days[0]) != forth[days[0]]
    assert len({tuple(one.volume for one in forth[day][:20]) for day in days}) == len(days)


def test_symbols_that_move_together_did_so_before() -> None:
    spy, vix = (past(symbol, us("2026-11-16T10:07:00")) for symbol in ("SPY", "$VIX"))
    both = [(spy.candle(day), vix.candle(day)) for day in (date(2026, 1, 2) + timedelta(n) for n in range(300))]
    closes = [(one.close, other.close) for one, other in both if one is not None and other is not None]
    moves = [(spy_now / spy_then - 1, vix_now / vix_then - 1)
             for (spy_then, vix_then), (spy_now, vix_now) in pairwise(closes)]  # fmt: skip
    together = sum(a * b for a, b in moves) / sqrt(sum(a * a for a, _ in moves) * sum(b * b for _, b in moves))
    assert len(moves) > 180
    assert together < -0.6
    assert 0.004 < sqrt(sum(a * a for a, _ in moves) / len(moves)) < 0.02


def test_closes_of_decades_stay_plausible() -> None:
    for symbol, opening in OPENINGS.items():
        made = past(symbol, us("2026-11-16T10:07:00"))
        years = [made.candle(date(year, 6, day)) for year in range(1990, 2026) for day in (10, 11, 12)]
        closes = [one.close / PRICE_SCALE for one in years if one is not None]
        assert len(closes) > 60
        bound = 1500 if symbol == "$TICK" else 12 * opening.price / PRICE_SCALE
        assert all(-1500 <= close <= bound for close in closes)
        assert max(closes) > min(closes)


def test_made_up_and_streamed_minutes_meet_within_one_day() -> None:
    market = SyntheticMarket(4, us("2026-11-16T15:56:20"), ("SPY",), ticks_per_s=2)
    minutes = Minutes(market)
    history = History(market, minutes)
    while (market.next_us() or 0) < us("2026-11-16T16:01:00"):
        minutes.take(market.step(NEVER))
    now_us, day = us("2026-11-16T16:01:00"), date(2026, 11, 16)
    found = [one for one in history.minutes("SPY", day, now_us) if one.start_us >= us("2026-11-16T09:30:00")]
    session = [one for one in found if one.start_us < us("2026-11-16T16:00:00")]
    assert [one.start_us for one in session] == [us("2026-11-16T09:30:00") + n * MINUTE_US for n in range(390)]
    assert session[-4:] == minutes.candles("SPY", us("2026-11-16T15:56:00"), us("2026-11-16T16:00:00"))
    candle = history.day("SPY", day, now_us)
    assert candle is not None and candle == whole(us("2026-11-16T09:30:00"), session)


@given(st.lists(st.integers(0, 200), unique=True, min_size=1), st.sampled_from([5, 10, 15, 30]), st.integers(0, 99))
def test_merging_keeps_volume_and_extremes(minutes: list[int], length: int, seed: int) -> None:
    chance = Random(seed)
    parts = [
        Candle(n * MINUTE_US, 5, 5 + chance.randint(0, 9), 5 - chance.randint(0, 4), 5, n) for n in sorted(minutes)
    ]
    longer = list(merged(parts, length * MINUTE_US))
    assert sum(one.volume for one in longer) == sum(minutes)
    assert max(one.high for one in longer) == max(one.high for one in parts)
    assert [one.start_us for one in longer] == sorted({n // length * length * MINUTE_US for n in minutes})


def test_the_truth_that_was_written_is_read_as_candles_again(tmp_path: Path) -> None:
    market = SyntheticMarket(9, us("2026-11-16T10:00:00"), ("SPY",), ticks_per_s=3)
    minutes = played(market, us("2026-11-16T10:04:00"), tmp_path / "truth.csv")
    with (tmp_path / "truth.csv").open() as file:
        assert next(csv.reader(file))[0] == "ts_ns"
    again = played(RecordedMarket(tmp_path / "truth.csv"))
    assert again.candles("SPY", 0, NEVER) == minutes.candles("SPY", 0, NEVER)
    assert datetime.fromtimestamp(minutes.candles("SPY", 0, NEVER)[0].start_us / US_PER_S, UTC).minute == 0
