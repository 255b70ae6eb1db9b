"""When the end of a login is said: each time once, the most urgent for those that went by, and before the weekend."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.base.instant import US_PER_S
from tradeassistd.feed.countdown import WEEKEND, due_notice, next_due_us, span_text, weekend_notice_us
from tradeassistd.market.session import NEW_YORK

HOUR_US = 3600 * US_PER_S
ALL = {"48h", "24h", "6h", "1h"}


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * US_PER_S


WEDNESDAY_US = at("2026-11-18T10:00")


def told(ends_us: int, from_us: int, said: set[str]) -> list[tuple[int, str, str]]:
    """(hours before the end, title, severity) of what is said from then on, looking only when it asks to be woken."""
    notices, now_us = [], from_us
    while True:
        if (notice := due_notice(ends_us, now_us, said)) is not None:
            said |= set(notice.marks)
            notices.append(((ends_us - now_us) // HOUR_US, notice.title, notice.severity))
            assert due_notice(ends_us, now_us, said) is None
        due_us = next_due_us(ends_us, now_us)
        if due_us is None:
            return notices
        assert due_us > now_us
        now_us = due_us


def test_it_is_said_four_times_the_last_one_critical() -> None:
    assert told(WEDNESDAY_US, WEDNESDAY_US - 7 * 24 * HOUR_US, set()) == [
        (48, "The Schwab login ends in 2 days", "warning"),
        (24, "The Schwab login ends in 1 day", "warning"),
        (6, "The Schwab login ends in 6 hours", "warning"),
        (1, "The Schwab login ends in 1 hour", "critical"),
    ]


def test_what_was_said_before_a_restart_is_not_said_again() -> None:
    assert told(WEDNESDAY_US, WEDNESDAY_US - 23 * HOUR_US, {"48h", "24h"})[0][0] == 6


def test_a_late_start_says_the_most_urgent_one_only() -> None:
    said: set[str] = set()
    assert told(WEDNESDAY_US, WEDNESDAY_US - 5 * HOUR_US - 1, said) == [
        (5, "The Schwab login ends in 5 hours", "warning"), (1, "The Schwab login ends in 1 hour", "critical"),
    ]  # fmt: skip
    assert said == ALL


@pytest.mark.parametrize("after_us", [0, 1, HOUR_US, 1000 * HOUR_US])
def test_after_the_end_the_countdown_is_silent(after_us: int) -> None:
    assert due_notice(WEDNESDAY_US, WEDNESDAY_US + after_us, set()) is None
    assert next_due_us(WEDNESDAY_US, WEDNESDAY_US + after_us) is None


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ("2026-11-20T11:59", None),
        ("2026-11-20T12:00", None),
        ("2026-11-20T12:01", "2026-11-20T12:00"),
        ("2026-11-21T03:00", "2026-11-20T12:00"),
        ("2026-11-22T18:00", "2026-11-20T12:00"),
        ("2026-11-22T18:01", None),
        ("2026-11-23T09:30", None),
        # The clocks go back on Sunday morning: noon and 18:00 stay what the wall shows.
        ("2026-11-01T18:00", "2026-10-30T12:00"),
        ("2026-11-01T18:01", None),
    ],
)
def test_a_weekend_that_would_swallow_it_is_told_on_friday_noon(ends: str, expected: str | None) -> None:
    assert weekend_notice_us(at(ends)) == (at(expected) if expected else 0)


def test_the_friday_notice_says_what_is_at_stake() -> None:
    ends_us = at("2026-11-22T17:00")
    said = {"48h"}
    friday_us = at("2026-11-20T12:00")
    assert due_notice(ends_us, friday_us - 1, said) is None
    notice = due_notice(ends_us, friday_us, said)
    assert notice is not None
    assert (notice.title, notice.marks) == ("The Schwab login ends over the weekend", (WEEKEND,))
    assert "It ends Sun 2026-11-22 17:00 New York, in 2 days 5 hours, before the futures open" in notice.text
    assert "tradeassist auth login" in notice.text


def test_friday_noon_and_an_hour_before_are_one_notice() -> None:
    ends_us = at("2026-11-20T13:00")
    notice = due_notice(ends_us, at("2026-11-20T12:00"), {"48h", "24h", "6h"})
    assert notice is not None
    assert (set(notice.marks), notice.severity) == ({"1h", WEEKEND}, "critical")
    assert notice.title == "The Schwab login ends in 1 hour"


@given(
    ends_us=st.integers(WEDNESDAY_US, WEDNESDAY_US + 14 * 24 * HOUR_US),
    looks=st.lists(st.integers(0, 7 * 24 * 3600), max_size=40),
)
def test_whenever_it_is_looked_at_every_mark_is_said_at_most_once_and_in_its_time(
    ends_us: int, looks: list[int]
) -> None:
    said: list[str] = []
    for before_s in sorted(looks, reverse=True):
        now_us = ends_us - before_s * US_PER_S
        notice = due_notice(ends_us, now_us, set(said))
        if notice is None:
            continue
        assert not set(notice.marks) & set(said)
        said += notice.marks
        for mark in notice.marks:
            due_us = weekend_notice_us(ends_us) if mark == WEEKEND else ends_us - int(mark[:-1]) * HOUR_US
            assert due_us <= now_us < ends_us
    if looks and 0 < min(looks) <= 3600:
        assert set(said) >= ALL


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 seconds"), (1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (3599, "59 minutes"), (3600, "1 hour"),
     (5400, "1 hour 30 minutes"), (86_399, "23 hours 59 minutes"), (86_400, "1 day"), (604_799, "6 days 23 hours"),
     (-5, "0 seconds")],
)  # fmt: skip
def test_spans_in_words(seconds: int, text: str) -> None:
    assert span_text(seconds) == text
