"""Slices of other sessions, disturbed as the hour of /ES is: a stock fund, an index without volume, market breadth.

The fund's trades are recorded ones, the index goes through the four prices of recorded minutes, and breadth, of which
there is no recording, is made up.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

import pytest

from tests.e2e.test_disturbed_sessions import play_disturbed
from tests.e2e.test_recorded_sessions import MINUTE_US, SPY_FILE
from tests.oracle.expression import Compare, Cross, Within, bar, number, of_bars
from tests.oracle.rule import OracleRule
from tests.oracle.rules import PRICE, SPY, Pair
from tests.recorded import recorded
from tradeassistd.market.recorded import read_bars
from tradeassistd.sim.streamer import Cut

HEADER = "ts_ns,symbol,price,size,bid,ask,bid_size,ask_size\n"
SPX_FILE = "bars/SPX_2021_2023_5days_1m.csv.gz"
SPY_OPEN_US = 1_381_152_600_000_000
TICK_OPEN_US = 1_605_191_400_000_000
"""2020-11-12 09:30 New York."""
SLICE_MINUTES = 10
DISTURBED = """
version: 1
seed: {seed}
faults:
  - {{fault: duplicates, at: 1m, for: 3m}}
  - {{fault: burst, at: 4m, for: 30s, factor: 3}}
random:
  - every: 30s-90s
    until: 9m
    one_of:
      - {{fault: times_back, for: 30s}}
      - {{fault: malformed, form: cut_off}}
      - unknown_service
      - feature_not_supported
"""


class Slice(NamedTuple):
    """Some minutes of one symbol in a tick file, and its rules."""

    symbol: str
    path: Path
    begin_us: int
    pairs: Sequence[Pair]
    alerts_least: int


def spy(folder: Path, seed: int) -> Slice:
    """Recorded trades from the opening of the stock exchange on, every seventh of the busy minutes."""
    end_ns = (SPY_OPEN_US + SLICE_MINUTES * MINUTE_US) * 1_000
    with gzip.open(recorded(SPY_FILE), "rt") as file:
        next(file)
        of_slice = [row for row in file if SPY_OPEN_US * 1_000 <= int(row.partition(",")[0]) < end_ns]
    prices = [float(row.split(",")[2]) for row in of_slice]
    pairs = [*(pair for pair in SPY if pair.rule.id in ("spy-jump", "spy-ema-close")), *rules("SPY", prices, "0.01")]
    return Slice("SPY", _written(folder, of_slice[seed % 7 :: 7]), SPY_OPEN_US, pairs, 10)


def spx(folder: Path, seed: int) -> Slice:
    """Recorded minutes of a day, each as its four prices in an order that its direction makes likely."""
    bars = list(read_bars(recorded(SPX_FILE)))
    first = 30 * (seed % 10)
    made, prices = [], []
    for one in bars[first : first + SLICE_MINUTES]:
        inner = (one.low, one.high) if one.close >= one.open else (one.high, one.low)
        for step, price in enumerate((one.open, *inner, one.close)):
            prices.append(price / 10**8)
            made.append(_row(one.ts_ms * 1_000 + step * 15_000_000, "$SPX", f"{price / 10**8:.2f}"))
    return Slice("$SPX", _written(folder, made), bars[first].ts_ms * 1_000, rules("$SPX", prices, "0.01"), 5)


def breadth(folder: Path, seed: int) -> Slice:
    """Made up: it swings around zero every few seconds, stands still now and then, and is often 0.

    Its image from before the first value says 0, which is a value of breadth: the rules take it for one below, as the
    first value is.
    """
    chance = Random(seed)
    times = accumulate([chance.choice((1, 2, 3, 7)) * 1_000 + chance.randrange(999) for _ in range(SLICE_MINUTES * 20)])
    values = [-200, *(chance.choice((0, *range(-800, 850, 50))) for _ in range(SLICE_MINUTES * 20 - 1))]
    made = [
        _row(TICK_OPEN_US + after_ms * 1_000, "$TICK", str(value))
        for after_ms, value in zip(times, values, strict=True)
        if after_ms < SLICE_MINUTES * 60_000
    ]
    return Slice("$TICK", _written(folder, made), TICK_OPEN_US, rules("$TICK", [300.0, 700.0, -100.0], "1"), 30)


def rules(symbol: str, prices: Sequence[float], tick: str) -> list[Pair]:
    """Rules around the middle of the slice."""
    places = len(tick.partition(".")[2])
    middle, spread = median(prices), max(prices) - min(prices)
    level, low, high = (f"{price:.{places}f}" for price in (middle, middle - spread / 4, middle + spread / 4))
    mean = of_bars("sma", "close", 3, "1m")
    return [
        _pair(symbol, "level", Cross(PRICE, "crosses", (number(level),)), f"price crosses {level}", 30),
        _pair(symbol, "over", Compare(PRICE, ">", number(high)), f"price > {high}", 45),
        _pair(symbol, "range", Within(PRICE, number(low), number(high)), f"price inside [{low}, {high}]", 20),
        _pair(symbol, "average", Cross(PRICE, "crosses_above", (mean,)), "price crosses_above sma(close, 3, 1m)", 30),
        _pair(symbol, "close", Cross(bar("close", "1m"), "crosses", (mean,)), "close(1m) crosses sma(close, 3, 1m)", 1),
    ]  # fmt: skip


def _pair(symbol: str, name: str, condition: Compare | Cross | Within, text: str, cooldown_s: int) -> Pair:
    evaluate = "close(1m)" if text.startswith("close") else "tick"
    rule_id = f"{symbol.strip('$/').lower()}-slice-{name}"
    return Pair(symbol, OracleRule(rule_id, condition, evaluate, cooldown_s), f'when: "{text}"')


def _row(at_us: int, symbol: str, price: str) -> str:
    return f"{at_us * 1_000},{symbol},{price},1,,,,\n"


def _written(folder: Path, rows: Sequence[str]) -> Path:
    path = folder / "slice.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(HEADER)
        file.writelines(rows)
    return path


def cuts(begin_us: int, chance: Random) -> Iterator[Cut]:
    """Two lost connections, of seconds and of more than a minute."""
    for minute, for_s in (
        (chance.randint(2, 3), chance.randint(3, 30)),
        (chance.randint(5, 6), chance.randint(60, 90)),
    ):
        yield Cut(begin_us + minute * MINUTE_US + chance.randrange(60) * 1_000_000, for_s)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("make", [spy, spx, breadth])
async def test_a_disturbed_slice_gives_the_alerts_of_a_clean_one_outside_its_gaps(
    make: Callable[[Path, int], Slice], seed: int, tmp_path: Path
) -> None:
    chosen = make(tmp_path, seed)
    lost = [*cuts(chosen.begin_us, Random(seed))]
    stored, expected = await play_disturbed(
        tmp_path, chosen.path, chosen.pairs, lost, DISTURBED.format(seed=seed), chosen.symbol
    )
    assert len(expected) >= chosen.alerts_least
    assert stored == expected
