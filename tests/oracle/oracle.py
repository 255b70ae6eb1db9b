"""The oracle: what the daemon must store for a recorded tick file and rules; README.md is the contract."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from tests.oracle.bars import OracleBar, Series
from tests.oracle.hours import series_session
from tests.oracle.judge import Judge, OracleAlert, OracleRule
from tests.oracle.tape import UNKNOWN, Cut, after, events, read_rows
from tests.oracle.world import World

__all__ = ["OracleAlert", "OracleBar", "OracleLast", "OracleRule", "expected_alerts", "expected_bars", "expected_last"]


class OracleLast(NamedTuple):
    """What a tick file ends with: prices in points (None where the file has none), shares or contracts, rows."""

    price: Fraction | None
    bid: Fraction | None
    ask: Fraction | None
    total_volume: int
    rows: int


def expected_alerts(
    path: Path, symbol: str, rules: Sequence[OracleRule], cuts: Iterable[Cut] = ()
) -> list[OracleAlert]:
    """Every alert, told or suppressed, in order of event time, then of the rules.

    `cuts` are (at_us, for_s): the feed is lost at that instant for so long. Raises ValueError for a file, a symbol, a
    rule or cuts that the contract does not cover.
    """
    world = World(path, symbol, cuts)
    alerts = [alert for rule in rules for alert in Judge(world, rule).run()]
    return sorted(alerts, key=lambda alert: alert.event_us)  # stable: rules of one event stay in order


def expected_bars(
    path: Path, symbol: str, interval: str, session: str | None = None, cuts: Iterable[Cut] = ()
) -> list[OracleBar]:
    """Every bar in order; the last one has `closed_us` None when nothing closed it before the file ended."""
    series = Series(events(read_rows(path), cuts), interval, series_session(symbol, session))
    bars = [closing.bar for closing in series.closings]
    return bars if series.forming is None else [*bars, series.forming]


def expected_last(path: Path) -> OracleLast:
    """The state after the last row."""
    rows = read_rows(path)
    held = UNKNOWN
    for row in rows:
        held = after(held, row)
    return OracleLast(*held, total_volume=sum(row.size for row in rows), rows=len(rows))
