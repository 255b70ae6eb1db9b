"""Instants of New York, and symbols of every market, the days that are not plain as often as the others."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.calendar import built_in

NEW_YORK = ZoneInfo("America/New_York")
SYMBOLS = st.sampled_from(["SPY", "/ES", "$SPX", "$VIX", "$TICK"])
# Two years around the daylight saving changes of 2026, to the second and a microsecond.
INSTANTS = st.integers(
    int(datetime(2025, 6, 1, tzinfo=UTC).timestamp()) * US_PER_S,
    int(datetime(2027, 6, 1, tzinfo=UTC).timestamp()) * US_PER_S,
)


def at(text: str) -> int:
    """`2026-11-16 09:30` or `…:59.999999`, New York wall time, in microseconds."""
    wall = datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)
    return int(wall.replace(microsecond=0).timestamp()) * US_PER_S + wall.microsecond


# Laws over all the years of the table, every market, and the days that are not plain as often as the others.
ALL_SYMBOLS = st.sampled_from(["SPY", "$SPX", "$VIX", "$TICK", "/ES", "/CL", "/GC", "/ZN", "/6E", "/ZC", "/XYZ"])
DAYS = st.dates(date(1990, 1, 2), date(2035, 12, 30))
HOLIDAYS = DAYS.map(lambda day: _near_a_holiday(day))
CLOCK_CHANGES = st.sampled_from(
    [date(2012, 3, 11), date(2012, 11, 4), date(2024, 3, 10), date(2024, 11, 3), date(2026, 3, 8), date(2026, 11, 1)]
)
TIMES = st.times().map(lambda clock: clock.replace(tzinfo=None))
ANY_INSTANTS = st.builds(
    lambda day, clock: int(datetime.combine(day, clock, NEW_YORK).timestamp()) * US_PER_S + clock.microsecond,
    st.one_of(DAYS, HOLIDAYS, CLOCK_CHANGES),
    TIMES,
)


def _near_a_holiday(day: date) -> date:
    while not built_in().why(day) and day < date(2035, 12, 26):
        day += timedelta(days=1)
    return day
