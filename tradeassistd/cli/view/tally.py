"""Counts the alerts told this trading day, rule by rule, without reading one twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tradeassistd.market.session import trading_day
from tradeassistd.store import queries

READ_MAX = 20_000
"""Alerts read at one look; a day with more is counted short."""


class Tally:
    """Alerts told since the trading day began."""

    def __init__(self, directory: Path) -> None:
        self.told: Counter[str] = Counter()
        self.told_us: dict[str, int] = {}
        """When each rule last told."""
        self._directory = directory
        self._day = ""
        self._from_us = 0

    @property
    def total(self) -> int:
        return self.told.total()

    def read(self, now_us: int) -> None:
        """Take what was stored since the last look; a new trading day begins at nothing. Raises like the queries."""
        if not now_us:
            return
        day, begin_us = trading_day(now_us)
        if day != self._day:
            self._day, self._from_us = day, begin_us
            self.told.clear()
            self.told_us.clear()
        found = queries.alerts(self._directory, limit=READ_MAX, since_us=self._from_us, include_suppressed=False)
        for stored in reversed(found):
            transition = stored.alert.transition
            self.told[transition.rule_id] += 1
            self.told_us[transition.rule_id] = transition.event_us
            # Event times are unique to an event, and all alerts of one event are stored at once.
            self._from_us = max(self._from_us, transition.event_us + 1)
