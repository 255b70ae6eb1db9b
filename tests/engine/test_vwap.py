"""vwap and the opening range: against plain sums over the trades of a session, and what makes them unknown."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.day_model import MINUTE_US, STEPS, Life, Plain, at, step
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.symbol.symbols import DAY_TURNED, exchange_us

STARTS = st.sampled_from(["16 08:00", "16 09:30", "16 10:00", "16 17:59:59.9", "20 15:00"])


def average(plain: Plain, word: str, made_us: int) -> Fraction | None:
    found = plain.sessions(word)
    if not plain.watching()[0] or not found or plain.had_begun(found[-1], word, made_us):
        return None
    if not plain.whole(found[-1]):
        return None
    trades = [(tick.last or 0, tick.size or 0) for tick in plain.of(found[-1])]
    size = sum(one for _, one in trades)
    return Fraction(sum(price * one for price, one in trades), size) if size else None


def opening_range(plain: Plain, word: str, seconds: int, made_us: int) -> tuple[int | None, int | None]:
    """High and low of the trades in the range that came before it was over, known from then on."""
    found = plain.sessions(word)
    if not plain.watching()[0] or not found or plain.had_begun(found[-1], word, made_us):
        return None, None
    window = found[-1]
    end_us = min(window.open_us + seconds * US_PER_S, window.close_us)
    over_us = min((tick.event_us for tick in plain.of(window) if exchange_us(tick) >= end_us), default=2**62)
    clock_us = end_us + 2 * US_PER_S
    known_us = min(over_us, clock_us)
    if plain.now_us < known_us:
        return None, None
    earlier = plain.upto(known_us + (known_us == over_us))
    if not earlier.whole(window):
        return None, None
    prices = [tick.last for tick in plain.of(window)
              if tick.last is not None and exchange_us(tick) < end_us and tick.event_us < known_us]  # fmt: skip
    return (max(prices), min(prices)) if prices else (None, None)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["SPY", "/ES"]), STARTS, st.integers(0, 6), st.lists(STEPS, min_size=1, max_size=25))
def test_vwap_and_opening_range_are_what_the_trades_of_the_session_say(
    symbol: str, start: str, asked_after: int, steps: list[tuple[object, ...]]
) -> None:
    life = Life(symbol, at(start))
    made_us = 0
    words = ("globex", "rth", "overnight") if symbol == "/ES" else ("rth", "ext")
    for count, what in enumerate(steps):
        if count >= asked_after:
            made_us = made_us or life.now_us
            for word in words:
                life.state.vwap(word), life.state.opening_range(900, word)
        step(life, what)
        if not made_us:
            continue
        plain = Plain(symbol, life.first_us, life.log, life.now_us)
        for word in words:
            assert life.state.vwap(word).value() == average(plain, word, made_us), word
            expected = opening_range(plain, word, 900, made_us)
            ranged = life.state.opening_range(900, word)
            assert (ranged.value("high"), ranged.value("low")) == expected, word


def before_the_open() -> Life:
    life = Life("SPY", at("16 09:00"))
    life.state.vwap(), life.state.opening_range(900)
    life.image(100, at("13 15:00") // 1000)
    return life


def test_the_average_is_exact_and_stays_after_the_close() -> None:
    life = before_the_open()
    life.wait(at("16 09:30"))
    assert life.state.vwap().value() is None
    life.trade(100, 1)
    life.trade(101, 2)
    assert life.state.vwap() is life.state.vwap("rth")
    assert life.state.vwap().value() == Fraction(302, 3)
    life.wait(at("16 17:00"))
    life.trade(500, 9)
    assert life.state.vwap().value() == Fraction(302, 3)
    life.wait(at("17 09:30"))
    assert life.state.vwap().value() is None


def test_a_gap_or_a_late_start_is_unknown_until_the_next_session() -> None:
    life = before_the_open()
    life.wait(at("16 10:00"))
    late = life.state.vwap("ext")
    life.trade(100)
    life.cut()
    life.image(100, life.now_us // 1000)
    life.trade(101)
    assert life.state.vwap().value() is None and late.value() is None
    life.wait(at("17 04:00"))
    life.trade(102)
    assert late.value() == 102
    life.wait(at("17 09:30"))
    life.trade(103)
    assert life.state.vwap().value() == 103


def test_the_opening_range_is_known_when_it_is_over_and_a_late_trade_leaves_it_alone() -> None:
    life = before_the_open()
    life.wait(at("16 09:44:59"))
    life.trade(100)
    life.trade(104)
    ranged = life.state.opening_range(900)
    life.wait(at("16 09:45:01"))
    assert ranged.value("high") is None
    assert life.wait(at("16 09:45:02")) == DAY_TURNED
    assert (ranged.value("high"), ranged.value("low")) == (104, 100)
    life.trade(110, late_us=5 * US_PER_S)
    assert ranged.value("high") == 104
    life.cut()
    assert ranged.value("high") is None
    life.image(100, life.now_us // 1000)
    assert ranged.value("high") == 104
    assert life.state.anchor("opening_range") == at("16 09:30")
    with pytest.raises(ValueError, match="open"):
        ranged.value("open")


def test_a_trade_past_the_range_ends_it() -> None:
    life = before_the_open()
    life.wait(at("16 09:40"))
    life.trade(100)
    life.wait(at("16 09:45"))
    life.trade(105)
    assert life.state.opening_range(900).value("high") == 100
    life.cut()  # too late to take anything from it
    life.wait(at("16 09:46"))
    life.image(100, life.now_us // 1000)
    assert life.state.opening_range(900).value("high") == 100


def test_another_contract_voids_the_average_and_the_range() -> None:
    life = Life("/ES", at("16 17:59"))
    life.facts(contract="/ESZ26")  # type: ignore[arg-type]
    life.image(100, at("16 16:59") // 1000)
    ranged = life.state.opening_range(900, "globex")
    vwap = life.state.vwap()
    life.wait(at("16 18:05"))
    life.trade(100)
    assert vwap.value() == 100
    life.facts(contract="/ESH27")  # type: ignore[arg-type]
    life.trade(200)
    life.wait(life.now_us + 20 * MINUTE_US)
    assert vwap.value() is None and ranged.value("high") is None


def test_what_no_rule_reads_any_more_is_dropped() -> None:
    life = before_the_open()
    kept, dropped = life.state.vwap(), life.state.opening_range(900)
    highest = life.state.extreme("price", 60, 1)
    life.state.retain_watched({kept})
    assert life.state.vwap() is kept
    assert life.state.opening_range(900) is not dropped
    assert life.state.extreme("price", 60, 1) is not highest
