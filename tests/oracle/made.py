"""Tick files written by hand for the oracle's own tests."""

from __future__ import annotations

from pathlib import Path

from tests.oracle.expression import Condition
from tests.oracle.oracle import OracleRule, expected_alerts
from tests.oracle.tape import Cut

TEN_S = 1_381_154_400  # Monday 2013-10-07 10:00:00 New York
OPEN_S = TEN_S - 1800  # 09:30, regular hours open
EVENING_S = TEN_S - 16 * 3600  # Sunday 18:00, the futures session of that Monday opens
US = 1_000_000

Told = tuple[float, str, str | None, float | None]


def trade(at_s: float, price: float | str, size: int = 100, base_s: int = TEN_S) -> str:
    """A row with a trade and no quote, `at_s` after `base_s`."""
    return f"{_nanoseconds(base_s, at_s)},XYZ,{price},{size},,,,"


def quote(at_s: float, bid: float | str, ask: float | str, base_s: int = TEN_S) -> str:
    """A row that changes only the quote; an empty side is blank in the file."""
    return f"{_nanoseconds(base_s, at_s)},XYZ,,,{bid},{ask},1,1"


def tick_file(folder: Path, *rows: str) -> Path:
    """Writes the rows in the format of data/README.md."""
    path = folder / "made.csv"
    path.write_text("\n".join(["ts_ns,symbol,price,size,bid,ask,bid_size,ask_size", *rows]) + "\n")
    return path


def at_us(at_s: float, base_s: int = TEN_S) -> int:
    """The event time `at_s` after `base_s`."""
    return base_s * US + round(at_s * US)


def _nanoseconds(base_s: int, at_s: float) -> int:
    return base_s * 10**9 + round(at_s * 1000) * 10**6


def judged(
    path: Path,
    when: Condition,
    *cuts: Cut,
    evaluate: str = "tick",
    cooldown_s: int = 0,
    fire_at_load: bool = False,
    symbol: str = "XYZ",
) -> list[Told]:
    """(seconds after 10:00, kind, suppressed, value) of each alert of one rule."""
    rule = OracleRule("r", when, evaluate, cooldown_s, "fire" if fire_at_load else "quiet")
    alerts = expected_alerts(path, symbol, [rule], cuts)
    return [((a.event_us - at_us(0)) / 1e6, a.kind, a.suppressed, a.value) for a in alerts]


def prices(folder: Path, *values: float, start_s: float = 0.5) -> Path:
    """One trade each second from half a second past 10:00."""
    return tick_file(folder, *(trade(start_s + n, value) for n, value in enumerate(values)))
