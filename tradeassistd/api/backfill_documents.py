"""Backfills in the API's words."""

from __future__ import annotations

from tradeassistd.api.models import Backfill, BackfilledDay
from tradeassistd.base.instant import iso
from tradeassistd.history.backfill import Progress
from tradeassistd.store.official import DayAnswer


def backfill_document(progress: Progress) -> Backfill:
    """How far it is."""
    request = progress.request
    return Backfill(
        state=progress.state, symbols=list(request.symbols), interval=request.interval,
        from_day=request.from_day.isoformat(), to_day=request.to_day.isoformat(), again=request.again, by=request.by,
        since=iso(progress.begun_us), days=progress.days, done=len(progress.answers), asked=progress.asked,
        waiting=progress.waiting, error=progress.error, **progress.counts,
    )  # fmt: skip


def day_document(answer: DayAnswer) -> BackfilledDay:
    """What came of a day."""
    return BackfilledDay(
        symbol=answer.symbol, day=answer.day, outcome=answer.outcome, detail=answer.detail, bars=answer.bars,
        whole=answer.whole,
    )  # fmt: skip
