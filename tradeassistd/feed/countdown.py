"""Which notices the end of a Schwab login has coming, and when: pure, in whatever time the login is counted.

Schwab ends a login seven days after it, always (protocol notes 1). It is said two days, a day, six hours and an hour
before; and on Friday noon when it would end over the weekend, before the futures open on Sunday 18:00 New York.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, time, timedelta
from typing import NamedTuple

from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.session import NEW_YORK

HOURS_BEFORE = (48, 24, 6, 1)
CRITICAL_FROM_H = 1
"""The last of them is critical: quiet hours do not hold it."""
WEEKEND = "weekend"
FRIDAY = 4
_HOUR_US = 3600 * US_PER_S


class Notice(NamedTuple):
    """What to say, and the marks of all that is said by it."""

    title: str
    text: str
    severity: str
    marks: tuple[str, ...]


def due_notice(ends_us: int, now_us: int, said: Collection[str]) -> Notice | None:
    """The notice that is due and not said yet; after a pause the most urgent one stands for those before it."""
    if now_us >= ends_us:
        return None
    passed = [hours for hours in HOURS_BEFORE if now_us >= ends_us - hours * _HOUR_US]
    weekend_us = weekend_notice_us(ends_us)
    marks = [_mark(hours) for hours in passed] + ([WEEKEND] if weekend_us and now_us >= weekend_us else [])
    fresh = tuple(mark for mark in marks if mark not in said)
    # An older mark that went by unsaid is no news once a more urgent one has been said.
    if not fresh or (WEEKEND not in fresh and _mark(passed[-1]) in said):
        return None
    left = span_text(-((now_us - ends_us) // US_PER_S))  # rounded up: two days are left, not 1 day 23 hours
    text = f"It ends {day_and_minute(ends_us)}, in {left}"
    if weekend_us:
        text += ", before the futures open on Sunday 18:00"
    text += ". Nothing is watched after that until somebody logs in: tradeassist auth login"
    critical = bool(passed) and passed[-1] <= CRITICAL_FROM_H
    when = "over the weekend" if WEEKEND in fresh and not critical else f"in {left}"
    return Notice(f"The Schwab login ends {when}", text, "critical" if critical else "warning", fresh)


def next_due_us(ends_us: int, now_us: int) -> int | None:
    """When to look again; None when nothing is left to say."""
    instants = [ends_us - hours * _HOUR_US for hours in HOURS_BEFORE]
    instants.append(weekend_notice_us(ends_us))
    return min((at_us for at_us in instants if at_us > now_us), default=None)


def weekend_notice_us(ends_us: int) -> int:
    """Friday 12:00 New York before the weekend in which it ends; 0 when it ends at another time."""
    local = datetime.fromtimestamp(ends_us // US_PER_S, NEW_YORK)
    friday = local.date() - timedelta(days=(local.weekday() - FRIDAY) % 7)
    noon = datetime.combine(friday, time(12), NEW_YORK)
    opening = datetime.combine(friday + timedelta(days=2), time(18), NEW_YORK)
    return int(noon.timestamp()) * US_PER_S if noon < local <= opening else 0


def day_and_minute(us: int) -> str:
    """Sat 2026-11-28 10:02 New York."""
    return f"{datetime.fromtimestamp(us // US_PER_S, NEW_YORK):%a %Y-%m-%d %H:%M} New York"


def span_text(seconds: int) -> str:
    """6 days 23 hours; 5 hours 10 minutes; 59 minutes; 40 seconds. What is left over is cut off."""
    for (unit_s, unit), (part_s, part) in (
        ((86_400, "day"), (3600, "hour")), ((3600, "hour"), (60, "minute")), ((60, "minute"), (0, "")),
    ):  # fmt: skip
        if seconds >= unit_s:
            rest = seconds % unit_s // part_s if part_s else 0
            return _counted(seconds // unit_s, unit) + (f" {_counted(rest, part)}" if rest else "")
    return _counted(max(seconds, 0), "second")


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _mark(hours: int) -> str:
    return f"{hours}h"
