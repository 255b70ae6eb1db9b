"""The oracle against recorded bars, reference indicators, plain counts, and its own README."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from tests.oracle.expression import Cross, Quote, number
from tests.oracle.indicators import exponential_means, mean, rate_of_change, rounded, weighted_mean
from tests.oracle.oracle import OracleAlert, OracleLast, OracleRule, expected_alerts, expected_bars, expected_last
from tests.oracle.rules import ES, SPY, Pair, rule_file
from tests.recorded import WHOLE, recorded

README = Path(__file__).with_name("README.md")
SPY_TICKS = "ticks/SPY_20131007_trades_session.csv.gz"
ES_TICKS = "ticks/ES_ESH4_20231225_globex_reopen_1h.csv.gz"
ES_FOUR_MINUTES = "ticks/ES_ESU4_20240701_mbp1_4min.csv.gz"
TOLERANCE = Fraction(1, 10**9)


def table(name: str) -> list[dict[str, str]]:
    """The rows of a recorded CSV file."""
    with gzip.open(recorded(name), "rt", newline="") as text:
        return list(csv.DictReader(text))


# --- bars -----------------------------------------------------------------------------------------------------------


def test_bars_are_the_exchanges_own() -> None:
    made = expected_bars(recorded(ES_FOUR_MINUTES), "/ES", "1m")
    first_ms, end_ms = made[0].open_us // 1000, made[-1].end_us // 1000
    official = [
        (int(row["ts"]), *(Fraction(row[name]) for name in ("open", "high", "low", "close", "volume")))
        for row in table("bars/ES_NQ_databento_snippets_1m.csv.gz")
        if row["symbol"] == "ESU4" and first_ms <= int(row["ts"]) < end_ms
    ]
    assert len(official) == 4
    assert [(bar.open_us // 1000, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in made] == official


@pytest.mark.parametrize(("ticks", "symbol", "session"), [(SPY_TICKS, "SPY", "ext"), (ES_TICKS, "/ES", None)])
def test_bars_hold_every_trade_of_the_session(ticks: str, symbol: str, session: str | None) -> None:
    path = recorded(ticks)
    last = expected_last(path)
    for interval in ("1m", "5m", "1h", "1d"):
        bars = expected_bars(path, symbol, interval, session)
        assert sum(bar.volume for bar in bars) == last.total_volume
        assert bars[-1].close == last.price
        assert all(bar.low <= bar.open <= bar.high and bar.low <= bar.close <= bar.high for bar in bars)
        assert all(before.end_us <= bar.open_us for before, bar in pairwise(bars))


def test_what_a_file_ends_with() -> None:
    es_last = OracleLast(Fraction(4810), Fraction(4810), Fraction("4810.25"), 9892, 28_411)
    assert expected_last(recorded(ES_TICKS)) == es_last
    assert expected_last(recorded(SPY_TICKS)) == OracleLast(Fraction("167.3"), None, None, 97_062_721, 250_601)


# --- indicators -----------------------------------------------------------------------------------------------------

EXCEL, SKENDER = "reference/spy502_excel.csv.gz", "reference/spy502_skender_baseline.csv.gz"
TALIB = (
    "reference/talib_ES_20200413_20200414_tda_chart_history_1m.csv.gz",
    "reference/talib_ES_ESZ13_20131006_20131011_1m.csv.gz",
)
Whole = Callable[[Sequence[Fraction], int], list[Fraction | None]]


def over_time(window: Callable[[Sequence[Fraction], int], Fraction | None]) -> Whole:
    """A window's value after each bar; a window reads at most n + 1 values."""
    return lambda values, n: [window(values[max(0, k - n - 1) : k], n) for k in range(1, len(values) + 1)]


@pytest.mark.parametrize(
    ("file", "column", "indicator", "n", "scale"),
    [
        (EXCEL, "sma20", over_time(mean), 20, 1),
        (EXCEL, "ema20", exponential_means, 20, 1),
        (EXCEL, "ema12", exponential_means, 12, 1),
        (EXCEL, "roc20", over_time(rate_of_change), 20, 100),
        (SKENDER, "wma14", over_time(weighted_mean), 14, 1),
        (SKENDER, "ema26", exponential_means, 26, 1),
        (SKENDER, "roc14", over_time(rate_of_change), 14, 100),
        *((file, "sma20", over_time(mean), 20, 1) for file in TALIB),
        *((file, "ema20", exponential_means, 20, 1) for file in TALIB),
        *((file, "roc10", over_time(rate_of_change), 10, 100) for file in TALIB),
    ],
)
def test_indicators_are_the_references_row_by_row(file: str, column: str, indicator: Whole, n: int, scale: int) -> None:
    rows = table(file)
    compared = 0
    for row, value in zip(rows, indicator([Fraction(row["close"]) for row in rows], n), strict=True):
        assert (value is None) == (row[column] == ""), row
        if value is not None:
            expected = Fraction(row[column])
            allowed = TOLERANCE * (abs(expected) if scale == 1 else 100)  # a change is a difference: of the whole
            assert abs(value * scale - expected) <= allowed, row
            compared += 1
    assert compared >= len(rows) - n


def test_rounding_is_to_ten_digits_half_to_even() -> None:
    assert rounded(Fraction(0)) == 0
    assert rounded(Fraction("167.41")) == Fraction("167.41")
    assert rounded(Fraction(500, 3)) == Fraction("166.6666667")
    assert rounded(Fraction(-500, 3)) == Fraction("-166.6666667")
    assert rounded(Fraction("1.0000000005")) == 1
    assert rounded(Fraction("1.0000000015")) == Fraction("1.000000002")
    assert rounded(Fraction("9.9999999995")) == 10
    assert rounded(Fraction("0.00012345678905")) == Fraction("0.0001234567890")
    assert rounded(Fraction(10**12)) == 10**12


# --- recorded sessions ----------------------------------------------------------------------------------------------


def test_level_crossings_of_a_whole_session_counted_with_plain_integers() -> None:
    """A second way to the same number: walk the file's cents, keep one side."""
    side, crossings = 0, []
    for row in table(SPY_TICKS):
        cents_over = round(float(row["price"]) * 10_000) - 1_680_000
        now = (cents_over > 0) - (cents_over < 0)
        if now and side and now != side:
            crossings.append(int(row["ts_ns"]) // 1_000_000)
        side = now or side
    rule = OracleRule("r", Cross(Quote("price"), "crosses", (number("168"),)), cooldown_s=0)
    alerts = expected_alerts(recorded(SPY_TICKS), "SPY", [rule])
    assert len(crossings) > 50
    assert [alert.event_us // 1000 for alert in alerts] == crossings
    assert {(alert.kind, alert.suppressed) for alert in alerts} == {("fired", None)}


SESSIONS = [(ES_TICKS, "/ES", ES), (SPY_TICKS, "SPY", SPY)]


@pytest.mark.parametrize(("ticks", "symbol", "pairs"), SESSIONS if WHOLE else SESSIONS[:1])
def test_the_rules_give_the_counts_of_the_readme(ticks: str, symbol: str, pairs: list[Pair]) -> None:
    alerts = expected_alerts(recorded(ticks), symbol, [pair.rule for pair in pairs])
    written = README.read_text(encoding="utf-8").splitlines()
    assert [row for row in counts(alerts, pairs) if row not in written] == []
    assert all(any(alert.rule == pair.rule.id and alert.suppressed is None for alert in alerts) for pair in pairs)
    assert [alert.event_us for alert in alerts] == sorted(alert.event_us for alert in alerts)


def counts(alerts: Sequence[OracleAlert], pairs: Sequence[Pair]) -> list[str]:
    """The README's table rows: fired and told, fired in the cooldown, fired at load, told later."""
    found = Counter((alert.rule, alert.kind, alert.suppressed) for alert in alerts)
    kinds = (("fired", None), ("fired", "cooldown"), ("fired", "at_load"), ("told", None))
    return [f"| {p.rule.id} | {' | '.join(str(found[p.rule.id, *kind]) for kind in kinds)} |" for p in pairs]


def test_a_rule_file_holds_each_rule_once_under_its_id() -> None:
    for pairs in (SPY, ES):
        text = rule_file(pairs)
        assert text.startswith("version: 1\nrules:\n  - id: ")
        assert [line.split()[-1] for line in text.splitlines() if "- id: " in line] == [p.rule.id for p in pairs]
        assert len({pair.rule.id for pair in pairs}) == len(pairs)
        assert all(" when:" in pair.yaml for pair in pairs)
