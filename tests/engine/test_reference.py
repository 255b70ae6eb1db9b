"""Every indicator against every recorded sheet that has it, row by row (rules.md 5).

Excel and Stock.Indicators seed both averages of the MACD line with their own simple mean, as this engine does: equal
from the first row on. TA-Lib starts both where the slow one is first known (bar 26), so that its EMA 12 is seeded with
bars 15 to 26: its MACD columns are compared from where the difference of the seeds has faded below a billionth.
"""

from __future__ import annotations

import csv
import gzip
import math
from fractions import Fraction
from typing import NamedTuple

import pytest

from tests.recorded import recorded
from tradeassistd.engine.bars.indicators import INDICATORS, Output
from tradeassistd.engine.bars.own_windows import Pending
from tradeassistd.engine.language.functions import Value
from tradeassistd.market.bar import Bar
from tradeassistd.market.price import PRICE_SCALE, price_from_text

TOLERANCE = Fraction(1, 10**9)
PRICE, NUMBER, PERCENT = Fraction(1, PRICE_SCALE), Fraction(1), Fraction(100)
TALIB_SEEDS_FADED = 300
TALIB_MACD_ULPS = 4
"""Near zero a MACD is the difference of two float64 of the size of the price, in TA-Lib as here."""

EXCEL, SKENDER = "spy502_excel", "spy502_skender_baseline"
TALIB = ("talib_ES_ESZ13_20131006_20131011_1m", "talib_ES_20200413_20200414_tda_chart_history_1m")


class Column(NamedTuple):
    """A column of a sheet, and what computes it here: `unit` brings our value to that of the sheet."""

    name: str
    function: str
    counts: tuple[int, ...]
    unit: Fraction
    part: str = ""


BANDS = [Column(f"bb20_{part}", "bollinger", (20, 2), PRICE, part) for part in ("upper", "mid", "lower")]
COMMON = [
    Column("sma20", "sma", (20,), PRICE),
    Column("sma20", "avg", (20,), PRICE),
    Column("ema20", "ema", (20,), PRICE),
    Column("ema12", "ema", (12,), PRICE),
    Column("ema26", "ema", (26,), PRICE),
    Column("rsi14", "rsi", (14,), NUMBER),
    Column("atr14", "atr", (14,), PRICE),
    *BANDS,
]
MACD = {"macd": "line", "macd_signal": "signal", "macd_hist": "hist"}
OWN_SEEDS = [Column(name, "macd", (12, 26, 9), PRICE, part) for name, part in MACD.items()]
SHEETS = {
    EXCEL: [*COMMON, *OWN_SEEDS, Column("roc20", "roc", (20,), PERCENT), Column("stdev10", "stdev", (10,), PRICE)],
    SKENDER: [
        *COMMON,
        *OWN_SEEDS,
        Column("roc14", "roc", (14,), PERCENT),
        Column("wma14", "wma", (14,), PRICE),
        Column("stdev14", "stdev", (14,), PRICE),
        Column("stdev14_z", "zscore", (14,), NUMBER),
    ],
    **{
        sheet: [*COMMON, Column("roc10", "roc", (10,), PERCENT), Column("stdev20_pop", "stdev", (20,), PRICE)]
        for sheet in TALIB
    },
}
READ_THE_BAR_BEFORE = {"rsi", "atr", "roc"}
"""Functions of n bars that need one bar more than n."""


def rows(name: str) -> list[dict[str, str]]:
    with gzip.open(recorded(name), "rt", newline="") as text:
        return list(csv.DictReader(text))


def bars_of(sheet: str) -> list[Bar]:
    """The bars that a sheet was computed from."""
    source = f"bars/{sheet.removeprefix('talib_')}" if sheet in TALIB else "reference/spy502_bars"
    return [
        Bar("", "", "", 0, 0, price_from_text(row["open"]), price_from_text(row["high"]), price_from_text(row["low"]),
            price_from_text(row["close"]), 0, 0)
        for row in rows(f"{source}.csv.gz")
    ]  # fmt: skip


def run(column: Column, bars: list[Bar]) -> list[Value | None]:
    indicator = INDICATORS[column.function](*column.counts)
    whole = column.function == "atr"
    return [part_of(indicator.step(bar if whole else bar.close), column.part) for bar in bars]


def part_of(output: Output, part: str) -> Value | None:
    if not isinstance(output, tuple):
        assert not isinstance(output, Pending)  # only functions of one's own are worked out later
        return output
    picked: Value | None = getattr(output, part)
    return picked


@pytest.mark.parametrize(
    ("sheet", "column"),
    [(sheet, column) for sheet, columns in SHEETS.items() for column in columns],
    ids=lambda one: one if isinstance(one, str) else f"{one.name}-{one.function}",
)
def test_every_row_of_the_sheet_is_met_within_a_billionth(sheet: str, column: Column) -> None:
    table, bars = rows(f"reference/{sheet}.csv.gz"), bars_of(sheet)
    assert [price_from_text(row["close"]) for row in table] == [bar.close for bar in bars]
    for row, found in zip(table, run(column, bars), strict=True):
        assert (found is None) == (row[column.name] == "")
        if found is not None:
            expected = Fraction(row[column.name])
            assert abs(found * column.unit - expected) <= TOLERANCE * abs(expected)
    first = next(index for index, row in enumerate(table) if row[column.name])
    if column.function != "macd":
        assert first == column.counts[0] - 1 + (column.function in READ_THE_BAR_BEFORE)


@pytest.mark.parametrize("sheet", TALIB)
@pytest.mark.parametrize("name", MACD)
def test_macd_meets_the_one_of_talib_once_its_other_seeding_has_faded(sheet: str, name: str) -> None:
    table, bars = rows(f"reference/{sheet}.csv.gz"), bars_of(sheet)
    found = run(Column(name, "macd", (12, 26, 9), PRICE, MACD[name]), bars)
    beyond, apart = 0, False
    for index, (row, mine, bar) in enumerate(zip(table, found, bars, strict=True)):
        text = row[f"{name}_talib"]
        if text == "" or mine is None:
            assert text == "" and index < 33
            continue
        expected = Fraction(text)
        off = abs(mine * PRICE - expected)
        if index < TALIB_SEEDS_FADED:
            apart = apart or off > TOLERANCE * abs(expected) * 1000
            continue
        assert off <= max(TOLERANCE * abs(expected), Fraction(TALIB_MACD_ULPS * math.ulp(bar.close / PRICE_SCALE)))
        beyond += off > TOLERANCE * abs(expected)
    assert apart, "the seeding is not the same: the first rows differ"
    assert beyond <= len(table) // 500, "float64 matters next to zero only"


@pytest.mark.parametrize(
    ("column", "function", "field"), [("donch20_upper", "highest", "high"), ("donch20_lower", "lowest", "low")]
)
def test_channels_of_the_sheet_are_the_extremes_of_the_twenty_bars_before(
    column: str, function: str, field: str
) -> None:
    indicator = INDICATORS[function](20)
    found = [indicator.step(price_from_text(row[field])) for row in rows("reference/spy502_bars.csv.gz")]
    expected = [row[column] for row in rows(f"reference/{SKENDER}.csv.gz")]
    assert expected[20]
    for before, text in zip(found[:-1], expected[1:], strict=True):
        assert (part_of(before, "") or 0) * PRICE == Fraction(text or 0)


@pytest.mark.parametrize(
    ("name", "function", "count", "unit"),
    [
        ("nt_sma_15", "sma", 15, PRICE),
        ("sc_sma_10", "sma", 10, PRICE),
        ("sc_ema_10", "ema", 10, PRICE),
        ("rsi_test", "rsi", 14, NUMBER),
    ],
)
def test_short_vectors_of_other_platforms_agree_to_their_last_place(
    name: str, function: str, count: int, unit: Fraction
) -> None:
    table = rows(f"reference/pyalgotrade_{name}.csv.gz")
    indicator = INDICATORS[function](count)
    compared = 0
    for row in table:
        value = part_of(indicator.step(price_from_text(row["input"])), "")
        if row["expected"]:
            assert value is not None
            last_place = Fraction(1, 10 ** len(row["expected"].partition(".")[2]))  # one platform rounds, one cuts
            assert abs(value * unit - Fraction(row["expected"])) <= max(last_place, TOLERANCE)
            compared += 1
    assert compared == len(table) - count + (function != "rsi")
