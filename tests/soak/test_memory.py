"""The slope of memory, on rows made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.stage import instant_us
from tests.soak.__main__ import WEEKS
from tests.soak.memory import LEAST_SAMPLES, slope_kb, warm_up_h
from tests.soak.week import Run, Sample

HOURS = 168


def run(rss_kb: list[int], life_h: int = HOURS) -> Run:
    made = Run(Path(), instant_us(WEEKS["thanksgiving"]), HOURS, 1)
    made.samples = [Sample(hour, kb, 0, hour // life_h) for hour, kb in enumerate(rss_kb, 1)]
    return made


@pytest.mark.parametrize(("week", "hours"), [("thanksgiving", 109), ("dst", 123)])
def test_a_stock_s_minutes_are_full_when_its_sessions_had_three_thousand(week: str, hours: int) -> None:
    assert warm_up_h(instant_us(WEEKS[week])) == hours


def test_what_fills_up_before_and_what_is_given_back_is_no_growth() -> None:
    filling = [100_000 + 300 * min(hour, 108) for hour in range(HOURS)]
    assert slope_kb(run(filling)) == 0
    assert slope_kb(run([kb + 4_000 * (hour % 5 == 0) for hour, kb in enumerate(filling)])) == 0


def test_steady_growth_shows_whatever_comes_on_top() -> None:
    growing = [100_000 + 50 * hour + 4_000 * (hour % 7 == 0) for hour in range(HOURS)]
    assert slope_kb(run(growing)) == pytest.approx(1_200, rel=0.02)


def test_what_a_new_life_begins_with_is_no_growth_and_what_each_gathers_is() -> None:
    stepping = [100_000 + 2_000 * (hour // 12) for hour in range(1, HOURS + 1)]
    assert slope_kb(run(stepping, life_h=12)) == 0
    gathering = [100_000 + 60 * (hour % 12) for hour in range(1, HOURS + 1)]
    assert slope_kb(run(gathering, life_h=12)) == pytest.approx(1_440)


def test_a_short_run_has_no_slope() -> None:
    assert slope_kb(run([100_000] * (108 + LEAST_SAMPLES))) is not None
    assert slope_kb(run([100_000] * 24)) is None
