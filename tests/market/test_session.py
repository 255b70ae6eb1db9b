"""Trading sessions: when each opens and closes, a table of instants and laws over any instant."""

from __future__ import annotations

from datetime import date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.market.instants import ALL_SYMBOLS, ANY_INSTANTS, INSTANTS, NEW_YORK, SYMBOLS, at
from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.instrument import Market, instrument_of
from tradeassistd.market.session import (
    EVER,
    SESSION_WORDS,
    Window,
    next_open,
    next_trading_open,
    series_session,
    session_words,
    trading_window_at,
    window_at,
)


@pytest.mark.parametrize(
    ("symbol", "session", "instant", "opens", "closes"),
    [
        # an ordinary Monday in winter
        ("SPY", "rth", "2026-11-16 09:29:59.999999", "", ""),
        ("SPY", "rth", "2026-11-16 09:30", "2026-11-16 09:30", "2026-11-16 16:00"),
        ("SPY", "rth", "2026-11-16 15:59:59.999999", "2026-11-16 09:30", "2026-11-16 16:00"),
        ("SPY", "rth", "2026-11-16 16:00", "", ""),
        ("SPY", "ext", "2026-11-16 03:59", "", ""),
        ("SPY", "ext", "2026-11-16 04:00", "2026-11-16 04:00", "2026-11-16 20:00"),
        ("SPY", "ext", "2026-11-16 20:00", "", ""),
        ("$SPX", "rth", "2026-11-16 12:00", "2026-11-16 09:30", "2026-11-16 16:00"),
        ("$TICK", "rth", "2026-11-16 16:00", "", ""),
        # futures: the evening before belongs to the day, the break does not
        ("/ES", "globex", "2026-11-16 16:59:59.999999", "2026-11-15 18:00", "2026-11-16 17:00"),
        ("/ES", "globex", "2026-11-16 17:00", "", ""),
        ("/ES", "globex", "2026-11-16 17:59:59", "", ""),
        ("/ES", "globex", "2026-11-16 18:00", "2026-11-16 18:00", "2026-11-17 17:00"),
        ("/ES", "globex", "2026-11-17 00:00", "2026-11-16 18:00", "2026-11-17 17:00"),
        ("/ES", "overnight", "2026-11-17 09:29", "2026-11-16 18:00", "2026-11-17 09:30"),
        ("/ES", "overnight", "2026-11-17 09:30", "", ""),
        ("/ES", "rth", "2026-11-17 09:30", "2026-11-17 09:30", "2026-11-17 16:00"),
        # the weekend
        ("/ES", "globex", "2026-11-13 17:00", "", ""),
        ("/ES", "globex", "2026-11-13 18:00", "", ""),
        ("/ES", "globex", "2026-11-15 17:59", "", ""),
        ("/ES", "globex", "2026-11-15 18:00", "2026-11-15 18:00", "2026-11-16 17:00"),
        ("/ES", "overnight", "2026-11-13 20:00", "", ""),
        ("SPY", "ext", "2026-11-14 12:00", "", ""),
        ("SPY", "rth", "2026-11-15 12:00", "", ""),
        # the week the clocks go forward (Sunday 2026-03-08): 09:30 is an hour of UTC earlier
        ("SPY", "rth", "2026-03-06 09:30", "2026-03-06 09:30", "2026-03-06 16:00"),
        ("SPY", "rth", "2026-03-09 09:30", "2026-03-09 09:30", "2026-03-09 16:00"),
        ("/ES", "globex", "2026-03-08 17:59", "", ""),
        ("/ES", "globex", "2026-03-08 18:00", "2026-03-08 18:00", "2026-03-09 17:00"),
        # and back (Sunday 2026-11-01)
        ("SPY", "rth", "2026-10-30 15:59", "2026-10-30 09:30", "2026-10-30 16:00"),
        ("SPY", "rth", "2026-11-02 09:30", "2026-11-02 09:30", "2026-11-02 16:00"),
        ("/ES", "globex", "2026-11-01 18:00", "2026-11-01 18:00", "2026-11-02 17:00"),
        ("/ES", "globex", "2026-11-01 17:30", "", ""),
    ],
)
def test_sessions_hold_their_opening_and_not_their_close(
    symbol: str, session: str, instant: str, opens: str, closes: str
) -> None:
    expected = Window(at(opens), at(closes)) if opens else None
    assert window_at(instrument_of(symbol), session, at(instant)) == expected


@pytest.mark.parametrize(
    ("symbol", "instant", "trades"),
    [
        ("SPY", "2026-11-16 04:00", True),
        ("SPY", "2026-11-16 19:59", True),
        ("SPY", "2026-11-16 20:00", False),
        ("/ES", "2026-11-16 03:00", True),
        ("/ES", "2026-11-16 17:30", False),
        ("$SPX", "2026-11-16 09:29", False),
        ("$SPX", "2026-11-16 16:14", True),
        ("$SPX", "2026-11-16 16:15", False),
        ("$VIX", "2026-11-16 03:14", False),
        ("$VIX", "2026-11-16 03:15", True),
        ("$VIX", "2026-11-16 04:00", True),
        ("$VIX", "2026-11-16 16:14", True),
        ("$VIX", "2026-11-16 16:15", False),
        ("$VIX", "2026-11-14 12:00", False),
        ("$TICK", "2026-11-16 15:59", True),
        ("$TICK", "2026-11-16 16:00", False),
    ],
)
def test_an_instrument_trades_in_its_widest_session(symbol: str, instant: str, trades: bool) -> None:
    assert (trading_window_at(instrument_of(symbol), at(instant)) is not None) is trades


@pytest.mark.parametrize(
    ("symbol", "words", "series"),
    [
        ("SPY", ("rth", "ext", "always"), "rth"),
        ("/ES", ("rth", "globex", "overnight", "always"), "globex"),
        ("$VIX", ("rth", "always"), "rth"),
        ("$TICK", ("rth", "always"), "rth"),
    ],
)
def test_each_class_has_its_session_words(symbol: str, words: tuple[str, ...], series: str) -> None:
    instrument = instrument_of(symbol)
    assert session_words(instrument) == words
    assert series_session(instrument) == series
    assert set(words) <= set(SESSION_WORDS)
    for word in set(SESSION_WORDS) - set(words):
        with pytest.raises(ValueError, match=f"has no session '{word}'"):
            window_at(instrument, word, 0)


@given(SYMBOLS, st.sampled_from(SESSION_WORDS), INSTANTS)
def test_a_window_holds_the_instant_and_every_instant_of_it_gives_the_same_window(
    symbol: str, session: str, at_us: int
) -> None:
    instrument = instrument_of(symbol)
    if session not in session_words(instrument):
        return
    window = window_at(instrument, session, at_us)
    if session == "always":
        assert window == EVER
        return
    if window is None:
        return
    assert window.open_us <= at_us < window.close_us
    assert window_at(instrument, session, window.open_us) == window
    assert window_at(instrument, session, window.close_us - 1) == window
    assert window_at(instrument, session, window.open_us - 1) != window
    assert window_at(instrument, session, window.close_us) != window
    trading = trading_window_at(instrument, at_us)
    assert trading is not None, "within a session the instrument trades"


@given(ALL_SYMBOLS, st.sampled_from(SESSION_WORDS), ANY_INSTANTS)
def test_a_window_holds_its_instant_lies_in_the_trading_window_and_touches_no_other(
    symbol: str, session: str, at_us: int
) -> None:
    instrument = instrument_of(symbol)
    if session not in session_words(instrument) or session == "always":
        return
    window = window_at(instrument, session, at_us)
    if window is None:
        return
    assert window.open_us <= at_us < window.close_us
    assert {window_at(instrument, session, us) for us in (window.open_us, window.close_us - 1)} == {window}
    assert window_at(instrument, session, window.open_us - 1) is None
    assert window_at(instrument, session, window.close_us) is None
    trading = trading_window_at(instrument, at_us)
    assert trading is not None
    assert trading.open_us <= window.open_us
    assert window.close_us <= trading.close_us
    assert window.close_us - window.open_us <= 24 * 3600 * US_PER_S


@given(ALL_SYMBOLS, st.sampled_from(SESSION_WORDS), ANY_INSTANTS)
def test_the_next_opening_is_the_first_one(symbol: str, session: str, at_us: int) -> None:
    instrument = instrument_of(symbol)
    if session not in session_words(instrument) or session == "always":
        return
    opens_us = next_open(instrument, session, at_us)
    assert opens_us > at_us
    window = window_at(instrument, session, opens_us)
    assert window is not None
    assert window.open_us == opens_us
    present = window_at(instrument, session, at_us)
    looked_at = range(present.close_us if present else at_us, opens_us, 600 * US_PER_S)
    assert all(window_at(instrument, session, us) is None for us in looked_at)


@pytest.mark.parametrize(
    ("symbol", "session", "after", "opens"),
    [
        ("SPY", "rth", "2026-11-16 09:29", "2026-11-16 09:30"),
        ("SPY", "rth", "2026-11-16 09:30", "2026-11-17 09:30"),
        ("SPY", "rth", "2026-11-25 16:00", "2026-11-27 09:30"),  # over Thanksgiving
        ("SPY", "ext", "2026-11-27 17:00", "2026-11-30 04:00"),
        ("/ES", "globex", "2026-11-26 13:00", "2026-11-26 18:00"),
        ("/ES", "rth", "2026-11-26 10:00", "2026-11-27 09:30"),
        ("/ES", "globex", "2026-12-24 13:15", "2026-12-27 18:00"),  # Christmas on a Friday
        ("SPY", "rth", "2001-09-10 16:00", "2001-09-17 09:33"),
    ],
)
def test_when_a_session_opens_next(symbol: str, session: str, after: str, opens: str) -> None:
    assert next_open(instrument_of(symbol), session, at(after)) == at(opens)


def test_when_an_instrument_trades_next() -> None:
    assert next_trading_open(instrument_of("$VIX"), at("2026-11-13 20:00")) == at("2026-11-16 03:15")
    assert next_trading_open(instrument_of("SPY"), at("2026-11-13 20:00")) == at("2026-11-16 04:00")
    assert next_open(instrument_of("SPY"), "always", 7) == 7
    with pytest.raises(ValueError, match="has no session 'overnight'"):
        next_open(instrument_of("SPY"), "overnight", 7)


@pytest.mark.parametrize(
    ("symbol", "market"),
    [
        ("SPY", Market.NYSE), ("$SPX", Market.NYSE), ("$TICK", Market.NYSE), ("$VIX", Market.VIX),
        ("/ESZ26", Market.EQUITY_INDEX), ("/MNQ", Market.EQUITY_INDEX), ("/CLF27", Market.ENERGY),
        ("/NG", Market.ENERGY), ("/GC", Market.METALS), ("/HGH27", Market.METALS), ("/ZN", Market.RATES),
        ("/6E", Market.FX), ("/ZC", Market.GRAINS), ("/XYZ", Market.OTHER), ("CL", Market.NYSE),
    ],
)  # fmt: skip
def test_the_market_of_a_symbol(symbol: str, market: Market) -> None:
    assert instrument_of(symbol).market is market


@pytest.mark.parametrize(
    ("symbol", "opens", "rth", "closes"),
    [("/CL", (18, 0), (9, 0, 14, 30), (17, 0)), ("/GC", (18, 0), (8, 20, 13, 30), (17, 0)),
     ("/ZN", (18, 0), (8, 20, 15, 0), (17, 0)), ("/6E", (18, 0), (8, 20, 15, 0), (17, 0)),
     ("/ZC", (20, 0), (9, 30, 14, 20), (14, 20))],
)  # fmt: skip
def test_the_hours_of_the_other_futures(
    symbol: str, opens: tuple[int, int], rth: tuple[int, int, int, int], closes: tuple[int, int]
) -> None:
    def instant(day: int, hour: int, minute: int) -> int:
        return int(datetime.combine(date(2026, 11, day), time(hour, minute), NEW_YORK).timestamp()) * US_PER_S

    instrument, noon = instrument_of(symbol), instant(17, 12, 0)
    evening, night = instant(16, *opens), instant(17, 2, 0)
    assert window_at(instrument, "globex", noon) == (evening, instant(17, *closes))
    assert window_at(instrument, "rth", noon) == (instant(17, *rth[:2]), instant(17, *rth[2:]))
    assert window_at(instrument, "overnight", night) == (evening, instant(17, *rth[:2]))
