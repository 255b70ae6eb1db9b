"""Values of the days before: closes, weeks and the year, and when nobody saw them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest

from tests.engine.day_model import Life, at, live_from


def test_prev_close_is_schwabs_and_else_the_last_trade_of_a_day_seen_to_its_end() -> None:
    life = live_from("SPY", "16 15:00", "16 14:59")
    assert life.state.day_value("prev_day", "close") is None
    life.facts(prev_close=95)
    life.trade(100)
    assert life.state.day_value("prev_day", "close") == 95
    assert (life.state.value("net_change"), life.state.value("net_pct")) == (5, Fraction(5, 95))
    assert life.state.value("settle") is None
    life.facts(status="Normal")  # type: ignore[arg-type]
    life.wait(at("17 10:00"))
    assert life.state.day_value("prev_day", "close") == 100
    assert life.state.day_value("prev_day", "high") is None
    life.cut()
    assert life.state.day_value("prev_day", "close") == 100  # the past stays known
    assert life.state.value("net_change") is None


@pytest.mark.parametrize(("back_at", "told_ms"), [("16 15:58", None), ("16 16:01", at("16 15:59") // 1000)])
def test_a_close_is_unknown_when_its_session_ended_unseen(back_at: str, told_ms: int | None) -> None:
    life = live_from("SPY", "16 09:00")
    life.wait(at("16 15:57"))
    life.trade(100)
    life.cut()
    life.wait(at(back_at))
    life.image(101, told_ms)
    life.wait(at("17 10:00"))
    assert life.state.day_value("prev_day", "close") is None


def test_what_schwab_said_of_yesterday_is_void_when_a_day_opens_unseen() -> None:
    life = live_from("/ES", "16 15:00", "16 14:59")
    life.facts(prev_close=95)
    assert life.state.value("settle") == 95
    life.cut()
    assert life.state.value("settle") == 95
    life.wait(at("17 10:00"))
    assert life.state.value("settle") is None
    assert life.state.day_value("prev_day", "close") is None


def test_a_restated_close_moves_the_anchor_of_the_previous_day_alone() -> None:
    life = live_from("SPY", "16 15:00")
    life.facts(prev_close=95)
    anchor = life.state.anchor("prev_day")
    assert anchor == life.state.anchor("day") == at("16 09:30")
    life.wait(at("17 03:30"))
    life.facts(prev_close=100)
    assert life.state.anchor("prev_day") == life.now_us > anchor == life.state.anchor("day")
    life.wait(at("17 09:30"))
    assert life.state.anchor("prev_day") == at("17 09:30")


def test_the_year_is_schwabs_raised_by_what_was_traded() -> None:
    life = live_from("SPY", "16 11:00", "16 10:59")
    life.trade(100)
    assert life.state.day_value("year", "high") is None
    life.facts(year_high=110, year_low=90)
    life.trade(111)
    assert (life.state.day_value("year", "high"), life.state.day_value("year", "high", before=True)) == (111, 110)
    assert life.state.day_value("year", "low") == 90
    assert life.state.anchor("year") == 0
    life.cut()
    assert life.state.day_value("year", "high") is None


def run_week(life: Life, days: range, prices: Callable[[int], int] = lambda date: date) -> None:
    for date in days:
        life.wait(at(f"{date} 09:30"))
        life.trade(100 + prices(date))
        life.trade(100 - prices(date))
        life.wait(at(f"{date} 16:00"))


def test_a_week_is_known_when_each_of_its_days_was_seen() -> None:
    life = live_from("SPY", "16 08:00")
    run_week(life, range(16, 21))
    assert life.state.day_value("prev_week", "high") is None
    life.wait(at("23 09:30"))
    assert [life.state.day_value("prev_week", part) for part in ("open", "high", "low", "close")] == [116, 120, 80, 80]
    assert life.state.anchor("prev_week") == at("23 09:30")
    run_week(life, range(23, 26))  # Thanksgiving has no session, the day after is a short one
    run_week(life, range(27, 28))
    life.now_us = at("29 12:00")
    life.wait(at("30 09:30"))
    assert life.state.day_value("prev_week", "high") == 127


@pytest.mark.parametrize("start", ["17 08:00", "16 10:00"])
def test_a_week_joined_late_is_unknown(start: str) -> None:
    life = live_from("SPY", start, start)
    run_week(life, range(17, 21))
    life.wait(at("23 09:30"))
    assert life.state.day_value("prev_week", "high") is None


def test_a_day_nobody_saw_is_not_passed_over() -> None:
    life = live_from("SPY", "16 08:00")
    run_week(life, range(16, 17))
    life.now_us = at("18 08:00")  # no turn of the clock for more than a day
    life.wait(at("18 09:30"))
    assert life.state.day_value("prev_day", "high") is None
