"""Times of a rule file: active windows of the week, the moment a rule expires, the minute `at(15:50)` names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.yaml12 import ValueProblem, did_you_mean
from tradeassistd.market.active import ActiveWindow
from tradeassistd.market.instrument import Instrument, InstrumentClass
from tradeassistd.market.session import NEW_YORK

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ACTIVE_EXAMPLE = "mon-fri 09:45-11:30 America/New_York"
_DAY_END = {InstrumentClass.EQUITY: 20}
"""Hour of the New York day at which the trading day ends; 17 for everything else."""
_MINUTES = 24 * 60
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?) ?(\S*)")
_OFFSET = re.compile(r"([+-])([0-9]{2}):([0-9]{2})")
_EXPIRES_HINT = "write a date such as 2026-12-18, or 2026-12-18 15:00 America/New_York"
# What people call the zones of the exchanges; EST and MST are zones of their own, without summer time.
_SPOKEN = {
    **dict.fromkeys(("ET", "EST", "EDT", "NY", "NYC", "Eastern"), "America/New_York"),
    **dict.fromkeys(("CT", "CST", "CDT", "Chicago", "Central"), "America/Chicago"),
    **dict.fromkeys(("MT", "MST", "MDT"), "America/Denver"),
    **dict.fromkeys(("PT", "PST", "PDT"), "America/Los_Angeles"),
    **dict.fromkeys(("GMT", "Z", "utc"), "UTC"),
}


@dataclass(frozen=True, slots=True)
class Expires:
    """A day, at whose end a rule expires, or an instant."""

    day: date | None = None
    at_us: int = 0

    def instant_us(self, instruments: Iterable[Instrument]) -> int:
        """From when on the rule is not judged, UTC microseconds.

        A trading day ends at 20:00 New York for equities and at 17:00 for everything else; the latest of them counts.
        """
        if self.day is None:
            return self.at_us
        hour = max((_DAY_END.get(instrument.kind, 17) for instrument in instruments), default=17)
        return _instant_us(datetime.combine(self.day, time(hour), NEW_YORK))


def minute_of_day(text: str) -> int:
    """The minute of the day that `HH:MM` names, 24:00 included. Raises ValueProblem."""
    match = _CLOCK.fullmatch(text)
    minute = int(match[1]) * 60 + int(match[2]) if match else -1
    if not match or int(match[2]) > 59 or minute > _MINUTES:
        raise ValueProblem(f"{text!r} is not a time of the day", hint="write it from 00:00 to 23:59, e.g. 15:50")
    return minute


def active_window(text: str) -> ActiveWindow:
    """`mon-fri 09:45-11:30 America/New_York`; days may be listed (`sat,sun`), no zone is New York.

    Raises ValueProblem.
    """
    words = text.split()
    if len(words) not in (2, 3):
        raise ValueProblem(f"{text!r} is not a time of the week", hint=f"write e.g. '{ACTIVE_EXAMPLE}'")
    begin, dash, end = words[1].partition("-")
    if not dash:
        raise ValueProblem(f"{words[1]!r} has no end", hint="write from and to, e.g. 09:45-11:30")
    zone = _zone_name(words[2]) if len(words) == 3 else str(NEW_YORK)
    from_minute = minute_of_day(begin)
    if from_minute == _MINUTES:
        raise ValueProblem("24:00 begins no window", hint="write 00:00 and the day after")
    return ActiveWindow(_weekdays(words[0]), from_minute, minute_of_day(end), zone)


def expires(text: str) -> Expires:
    """A date, or a time with its zone: `2026-12-18 15:00 America/New_York`, `2026-12-18T15:00-05:00`, `…T20:00Z`.

    Raises ValueProblem.
    """
    if _DATE.fullmatch(text):
        return Expires(_date(text))
    match = _INSTANT.fullmatch(text)
    if not match:
        raise ValueProblem(f"{text!r} is not a date or time", hint=_EXPIRES_HINT)
    if not match[3]:
        raise ValueProblem("a time needs its zone", hint=f"write {match[1]} {match[2]} America/New_York")
    try:
        moment = time.fromisoformat(match[2])
    except ValueError:
        raise ValueProblem(f"{match[2]!r} is not a time of the day", hint=_EXPIRES_HINT) from None
    return Expires(at_us=_instant_us(datetime.combine(_date(match[1]), moment, _zone(match[3]))))


def _date(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueProblem(f"there is no day {text}", hint=_EXPIRES_HINT) from None
    if not 2000 <= day.year <= 2999:
        raise ValueProblem(f"{text} is not between the years 2000 and 2999", hint=_EXPIRES_HINT)
    return day


def _zone(text: str) -> tzinfo:
    if text == "Z":
        return UTC
    if match := _OFFSET.fullmatch(text):
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        if offset >= timedelta(hours=24):
            raise ValueProblem(f"{text!r} is not an offset", hint="write e.g. -05:00")
        return timezone(-offset if match[1] == "-" else offset)
    return ZoneInfo(_zone_name(text))


def _zone_name(text: str) -> str:
    if text in _SPOKEN:
        raise ValueProblem(f"{text!r} is not a time zone", hint=f"write {_SPOKEN[text]}")
    if text not in _zones():
        hint = did_you_mean(text, _zones()) or f"write e.g. {NEW_YORK}"
        raise ValueProblem(f"unknown time zone {text!r}", hint=hint)
    return text


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    """Zones named after a place, which know their summer time, and UTC."""
    return frozenset(zone for zone in available_timezones() if "/" in zone or zone == "UTC")


def _weekdays(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        begin = _weekday(first)
        end = _weekday(last) if dash else begin
        days |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return frozenset(days)


def _weekday(text: str) -> int:
    if text not in WEEKDAYS:
        short = text[:3].lower()
        hint = f"write {short}" if short in WEEKDAYS else did_you_mean(text, WEEKDAYS) or f"one of {' '.join(WEEKDAYS)}"
        raise ValueProblem(f"unknown weekday {text!r}", hint=hint)
    return WEEKDAYS.index(text)


def _instant_us(moment: datetime) -> int:
    return int(moment.timestamp()) * US_PER_S
