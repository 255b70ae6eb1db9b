"""Where bars begin and end: at the opening of their session, and never beyond it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.market.instants import ALL_SYMBOLS, ANY_INSTANTS, at
from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.bar import INTERVALS_S
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import SESSION_WORDS, bar_bounds, session_words, window_at


@given(ALL_SYMBOLS, st.sampled_from(SESSION_WORDS), st.sampled_from(list(INTERVALS_S)), ANY_INSTANTS)
def test_a_bar_lies_in_its_window_and_the_next_one_begins_at_its_end(
    symbol: str, session: str, interval: str, at_us: int
) -> None:
    instrument = instrument_of(symbol)
    if session not in session_words(instrument):
        return
    bounds = bar_bounds(instrument, session, interval, at_us)
    window = window_at(instrument, session, at_us)
    assert (bounds is None) is (window is None)
    if bounds is None or window is None:
        return
    start_us, end_us = bounds
    assert window.open_us <= start_us <= at_us < end_us <= window.close_us
    assert end_us - start_us <= INTERVALS_S[interval] * US_PER_S
    assert bar_bounds(instrument, session, interval, start_us) == bounds
    assert bar_bounds(instrument, session, interval, end_us - 1) == bounds
    if end_us < window.close_us:
        assert end_us - start_us == INTERVALS_S[interval] * US_PER_S
        following = bar_bounds(instrument, session, interval, end_us)
        assert following is not None
        assert following[0] == end_us


@pytest.mark.parametrize(
    ("symbol", "session", "interval", "instant", "start", "end"),
    [
        ("SPY", "rth", "5m", "2026-11-16 09:34:59", "2026-11-16 09:30", "2026-11-16 09:35"),
        ("SPY", "rth", "1h", "2026-11-16 15:45", "2026-11-16 15:30", "2026-11-16 16:00"),  # the last one is short
        ("SPY", "rth", "1h", "2026-11-27 12:45", "2026-11-27 12:30", "2026-11-27 13:00"),  # and on a half day
        ("SPY", "rth", "1d", "2026-11-27 12:45", "2026-11-27 09:30", "2026-11-27 13:00"),
        ("/ES", "globex", "4h", "2026-11-16 16:30", "2026-11-16 14:00", "2026-11-16 17:00"),
        ("/ES", "globex", "1d", "2026-11-16 16:30", "2026-11-15 18:00", "2026-11-16 17:00"),
        ("/ES", "globex", "4h", "2026-11-26 12:30", "2026-11-26 10:00", "2026-11-26 13:00"),
        ("/GC", "rth", "30m", "2026-11-16 08:30", "2026-11-16 08:20", "2026-11-16 08:50"),
    ],
)
def test_bars_are_anchored_at_the_opening(
    symbol: str, session: str, interval: str, instant: str, start: str, end: str
) -> None:
    assert bar_bounds(instrument_of(symbol), session, interval, at(instant)) == (at(start), at(end))


def test_bars_of_always_are_anchored_at_the_epoch_and_outside_a_session_there_is_none() -> None:
    day_us = 86_400 * US_PER_S
    assert bar_bounds(instrument_of("SPY"), "always", "1d", 3 * day_us + 5) == (3 * day_us, 4 * day_us)
    assert bar_bounds(instrument_of("/ES"), "always", "2m", 3 * day_us - 1) == (3 * day_us - 120_000_000, 3 * day_us)
    assert bar_bounds(instrument_of("SPY"), "rth", "1m", at("2026-11-26 12:00")) is None
    with pytest.raises(ValueError, match="has no session 'globex'"):
        bar_bounds(instrument_of("SPY"), "globex", "1m", at("2026-11-16 12:00"))
