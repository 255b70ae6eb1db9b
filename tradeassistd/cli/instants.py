"""`--from` and `--to`: instants as traders write them on the command line."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import typer

from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.yaml12 import ValueProblem
from tradeassistd.market.session import NEW_YORK


def from_us(text: str, otherwise_us: int, option: str = "--from") -> int:
    """Where a span begins, UTC microseconds: the beginning of a date, or a time. Raises typer.BadParameter."""
    return _instant_us(text, option, end=False) if text else otherwise_us


def to_us(text: str, otherwise_us: int, option: str = "--to") -> int:
    """Where a span ends, UTC microseconds: the end of a date, or a time. Raises typer.BadParameter."""
    return _instant_us(text, option, end=True) if text else otherwise_us


def _instant_us(text: str, option: str, *, end: bool) -> int:
    """`2026-11-20` is that day in New York, `2026-11-20 09:30` a time there; others name their zone or offset."""
    from tradeassistd.rules.times import expires

    try:
        day = date.fromisoformat(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None:
            try:
                return expires(text).at_us
            except ValueProblem as error:
                raise typer.BadParameter(str(error), param_hint=option) from None
        return int((moment if moment.tzinfo else moment.replace(tzinfo=NEW_YORK)).timestamp()) * US_PER_S
    day += timedelta(days=int(end))
    return int(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).timestamp()) * US_PER_S
