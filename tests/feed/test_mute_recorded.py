"""No recorded session is taken for mute, and one that goes mute is noticed within 35 s."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.feed.watched import Feed
from tests.recorded import recorded
from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.recorded import read_ticks

SESSIONS = [
    ("ES_ESH4_20231225_globex_reopen_1h", "/ES", 0),
    ("GC_GCZ13_20131007_trades_session", "/GC", 60),
    ("SPY_20131007_trades_session", "SPY", 70),
]
"""File, symbol, and how many questions a day of it may cost at most."""


def rows_of(name: str) -> list[tuple[int, bool]]:
    """When each row came, UTC microseconds, and whether it is a trade."""
    return [(row.ts_ns // 1000, row.price is not None) for row in read_ticks(recorded(f"ticks/{name}.csv.gz"))]


async def play(feed: Feed, symbol: str, rows: Sequence[tuple[int, bool]], *, muted_from: int | None = None) -> None:
    """A recorded session, looked at each second; from some row on the stream brings nothing more."""
    feed.traded_us[symbol] = [at_us for at_us, is_trade in rows if is_trade]
    row = 0
    second_us = rows[0][0] // US_PER_S * US_PER_S
    while row < len(rows) and feed.is_on_line and not feed.lost:
        second_us += US_PER_S
        while row < len(rows) and rows[row][0] < second_us:
            if muted_from is None or row < muted_from:
                at_us, is_trade = rows[row]
                feed.clock.advance(at_us)
                feed.row(symbol, at_us if is_trade else 0)
            row += 1
        await feed.second(second_us)


@pytest.mark.parametrize(("name", "symbol", "asked_most"), SESSIONS)
async def test_no_recorded_session_is_taken_for_mute(name: str, symbol: str, asked_most: int) -> None:
    rows = rows_of(name)
    feed = Feed(rows[0][0], symbol)
    await play(feed, symbol, rows)
    assert feed.quiet
    assert len(feed.asked) <= asked_most


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
async def test_a_recorded_night_that_goes_mute_is_noticed_within_35_s(share: float) -> None:
    rows = rows_of("ES_ESH4_20231225_globex_reopen_1h")
    cut = int(len(rows) * share)
    feed = Feed(rows[0][0], "/ES")
    await play(feed, "/ES", rows, muted_from=cut)
    ((at_us, reason),) = feed.gave_up
    assert reason.startswith("mute: no row since")
    assert at_us - rows[cut - 1][0] <= 35 * US_PER_S
    assert feed.doubted_us == rows[cut - 1][0]


async def test_a_recorded_gold_day_that_goes_mute_is_noticed() -> None:
    rows = rows_of("GC_GCZ13_20131007_trades_session")
    cut = len(rows) // 2
    feed = Feed(rows[0][0], "/GC")
    await play(feed, "/GC", rows, muted_from=cut)
    at_us = feed.lost[0][0] if feed.lost else feed.gave_up[0][0]
    assert rows[cut][0] < at_us < rows[cut][0] + 300 * US_PER_S
