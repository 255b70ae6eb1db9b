"""The oracle: what the daemon must store for a recorded tick file and rules; README.md is the contract."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from tests.oracle.bars import OracleBar
from tests.oracle.rule import OracleRule
from tests.oracle.run import Run
from tests.oracle.tape import UNKNOWN, Cut, after, read_rows, recorded_events
from tests.oracle.world import World

__all__ = ["OracleAlert", "OracleBar", "OracleLast", "OracleRule", "expected_alerts", "expected_bars", "expected_last"]


@dataclass(frozen=True, slots=True)
class OracleAlert:
    """An alert the daemon must store.

    `kind` is fired, told or missed. `suppressed` is None for one that is told. `value`: points, shares, or a fraction
    for percent. `late`: it is the first known result after a cut.
    """

    rule: str
    symbol: str
    event_us: int
    kind: str
    suppressed: str | None
    value: float | None
    late: bool = False


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
    world = _world(path, symbol, tuple(cuts), path.stat().st_mtime_ns)
    here = [replace(rule, symbols=(symbol,)) for rule in rules]
    order = {rule.id: place for place, rule in enumerate(rules)}
    alerts = [
        OracleAlert(one.rule, symbol, one.event_us, one.kind, one.suppressed or None, one.value, one.late)
        for one in Run(world, here)
        if one.kind in ("fired", "told", "missed")
    ]
    return sorted(alerts, key=lambda alert: (alert.event_us, order[alert.rule]))


def expected_bars(
    path: Path, symbol: str, interval: str, session: str | None = None, cuts: Iterable[Cut] = ()
) -> list[OracleBar]:
    """Every bar in order; the last one has `closed_us` None when nothing closed it before the file ended."""
    series = _world(path, symbol, tuple(cuts), path.stat().st_mtime_ns).series(symbol, interval, session)
    bars = [closing.bar for closing in series.closings]
    return bars if series.forming is None else [*bars, series.forming]


@lru_cache(maxsize=2)
def _world(path: Path, symbol: str, cuts: tuple[Cut, ...], written_ns: int) -> World:
    """The events of a file; `written_ns` tells two files of one name apart."""
    return World(recorded_events(read_rows(path), symbol, cuts))


def expected_last(path: Path) -> OracleLast:
    """The state after the last row."""
    rows = read_rows(path)
    held = UNKNOWN
    for row in rows:
        held = after(held, row)
    return OracleLast(*held, total_volume=sum(row.size for row in rows), rows=len(rows))
