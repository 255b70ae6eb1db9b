"""Compares what is stored with what Schwab tells now, day by day. Nothing is changed by it.

Three things can be wrong: bars made of trades differ from Schwab's (`tally`), Schwab tells a minute otherwise than when
it was stored (`restated`), and Schwab has minutes of which nothing is stored (`not_stored`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from msgspec.structs import replace

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import TransientError
from tradeassistd.feed.history import Answer
from tradeassistd.history.fill import Asks
from tradeassistd.history.gaps import joined
from tradeassistd.history.reconcile import Tally, compare, watched_minutes
from tradeassistd.history.trading_days import Day, calls, plan, request_of
from tradeassistd.market.bar import ARCHIVE_INTERVAL, Bar
from tradeassistd.market.instrument import Instrument
from tradeassistd.store.bars import select_minutes, select_stretches
from tradeassistd.store.directory import MAIN_FILE
from tradeassistd.store.official import select_official
from tradeassistd.store.reading import reading

DEFAULT_DAYS = 6
"""How many calendar days before the last one are compared when nobody says since when."""
Outcome = Literal["agrees", "differs", "nothing", "empty", "refused"]


@dataclass(slots=True)
class Verdict:
    """What came of one trading day of one symbol."""

    symbol: str
    day: str
    outcome: Outcome = "nothing"
    """agrees, differs; nothing: nothing is stored of it; empty, refused: Schwab has nothing of it, or does not tell."""
    detail: str = ""
    bars: int = 0
    """How many minutes Schwab has."""
    not_stored: int = 0
    """Minutes that Schwab has and the store has not, neither of trades nor Schwab's own."""
    restated: int = 0
    """Minutes that Schwab tells otherwise now than what is stored as Schwab's."""
    tally: Tally = field(default_factory=Tally)

    def document(self) -> dict[str, Any]:
        """For the API and `--json`."""
        return {"symbol": self.symbol, "day": self.day, "outcome": self.outcome, "detail": self.detail,
                "bars": self.bars, "not_stored": self.not_stored, "restated": self.restated,
                **self.tally.document()}  # fmt: skip


async def verify(asks: Asks, directory: Path, days: Sequence[Day]) -> list[Verdict]:
    """Ask for some days of one symbol at once, a week at most, and compare them with the store of that directory.

    Raises TransientError when Schwab may be asked again or the store is busy, FatalError when it is damaged.
    """
    open_days = [day for day in days if not day.why_not]
    if not open_days:
        return []
    answer = await asks.minutes(open_days[0].symbol, open_days[0].from_us, open_days[-1].to_us)
    if answer.outcome == "given":
        return await asyncio.to_thread(_compare, directory, open_days, answer)
    return [Verdict(day.symbol, day.day, answer.outcome, answer.detail) for day in open_days]


def _compare(directory: Path, days: Sequence[Day], answer: Answer) -> list[Verdict]:
    with reading(directory / MAIN_FILE, "main") as raw:
        stretches = joined((one.from_us, one.to_us) for one in select_stretches(raw, days[0].symbol))
        verdicts = []
        for day in days:
            until_us = min(day.to_us, answer.until_us)
            ours = _by_start(select_minutes(raw, day.symbol, day.from_us, until_us))
            stored = _by_start(select_official(raw, day.symbol, ARCHIVE_INTERVAL, day.from_us, until_us))
            told = _by_start(bar for bar in answer.bars if day.from_us <= bar.start_us and bar.end_us <= until_us)
            watched = watched_minutes((max(a, day.from_us), min(b, until_us)) for a, b in stretches)
            verdicts.append(_verdict(day, ours, stored, told, list(watched)))
        return verdicts


def _verdict(
    day: Day, ours: dict[int, Bar], stored: dict[int, Bar], told: dict[int, Bar], watched: Sequence[tuple[int, int]]
) -> Verdict:
    verdict = Verdict(day.symbol, day.day, bars=len(told))
    if not told:
        verdict.outcome, verdict.detail = "empty", "Schwab has candles of other days only"
    compare(verdict.tally, ours, told, watched)
    seen = {at for at in told if any(from_us <= at < to_us for from_us, to_us in watched)}
    verdict.not_stored = len(told.keys() - ours.keys() - stored.keys() - seen)
    verdict.restated = sum(_numbers(told[at]) != _numbers(bar) for at, bar in stored.items() if at in told)
    if ours or stored:
        fine = verdict.tally.agrees and not verdict.not_stored and not verdict.restated
        verdict.outcome = "agrees" if fine else "differs"
    return verdict


def _numbers(bar: Bar) -> tuple[int, ...]:
    return (bar.open, bar.high, bar.low, bar.close, bar.volume)


def _by_start(bars: Iterable[Bar]) -> dict[int, Bar]:
    return {bar.start_us: bar for bar in bars}


class Verifier:
    """Verifies for whoever asks the daemon."""

    def __init__(
        self, asks: Asks | None, directory: Path, clock: Clock, instrument_of: Callable[[str], Instrument]
    ) -> None:
        """`asks` is None where there is no Schwab to ask."""
        self._asks = asks
        self._directory = directory
        self._clock = clock
        self._instrument_of = instrument_of

    async def verify(self, symbol: str, from_day: date | None, to_day: date | None) -> list[Verdict]:
        """Trading days of one symbol, oldest first, with as few questions as can be. Days with no trading are left out.

        Without a first day the last DEFAULT_DAYS. Raises UnfitError, TransientError, FatalError.
        """
        if self._asks is None:
            raise TransientError("there is no history where the data come from elsewhere than Schwab")
        now_us = self._clock.now_us()
        if not now_us:
            raise TransientError("the time of the market is not known yet", hint="try again once the feed is live")
        request = request_of([symbol], ARCHIVE_INTERVAL, from_day, to_day, now_us=now_us)
        if from_day is None:
            request = replace(request, from_day=max(request.from_day, request.to_day - timedelta(days=DEFAULT_DAYS)))
        days = [day for day in plan(request, self._instrument_of, now_us) if not day.why_not]
        groups = calls(days, ARCHIVE_INTERVAL)
        return [one for group in reversed(groups) for one in await verify(self._asks, self._directory, group)]
