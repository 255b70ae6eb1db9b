"""Closed bars from the store for rules that begin: windows and past days are known again after a start or a reload.

One-minute bars over all trades are stored, and since when and until when each symbol was watched; Schwab's own bars
stand where nobody watched, as far as somebody asked for them, and his longer ones where minutes are not known
(`longer`). Everything else is put together from them here, by the same code that makes bars from trades, so it is what
an uninterrupted run would hold. What is not exact is not made: an average price by volume needs every trade.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path

import structlog

from tradeassistd.base.errors import TransientError
from tradeassistd.engine.bars.holes import NEVER_US
from tradeassistd.engine.bars.past import past_of
from tradeassistd.engine.events import FILLS, BarRow, Bars
from tradeassistd.engine.needs import SeriesKey, needs_of
from tradeassistd.engine.rule import RuleSet
from tradeassistd.history.gaps import DAY_US, MINUTE_US, joined
from tradeassistd.history.longer import DAILY, sources, told_by
from tradeassistd.history.minutes import select_known_minutes
from tradeassistd.market.bar import ARCHIVE_INTERVAL, Stretch
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import ALWAYS
from tradeassistd.store.bars import select_contracts, select_stretches
from tradeassistd.store.directory import MAIN_FILE
from tradeassistd.store.official import newest_official_us, select_official, select_spans
from tradeassistd.store.reading import reading

log = structlog.get_logger(__name__)


async def load_past(directory: Path, after: RuleSet, before: RuleSet | None = None) -> list[Bars]:
    """What the rules of `after` read that those of `before` do not, as far as the store in that directory has it.

    When the store is busy there is nothing: windows then warm up by themselves, which the log says. Raises FatalError
    when the store is damaged.
    """
    known = {id(rule) for rule in before.rules} if before else set()
    rules = [rule for rule in after.rules if id(rule) not in known]

    def read() -> list[Bars]:
        return read_past(directory, needs_of(rules, after.instrument_of), after.instrument_of)

    try:
        past = await asyncio.to_thread(read) if rules else []
    except TransientError as error:
        log.warning("rules.not_warm", reason=str(error))
        return []
    if past:
        log.info("rules.warmed", series=len(past), bars=sum(len(one.rows) for one in past))
    return past


def read_past(
    directory: Path, needs: Mapping[SeriesKey, int], instrument_of: Callable[[str], Instrument],
    before_us: int = NEVER_US,
) -> list[Bars]:  # fmt: skip
    """What the store of that directory has of these series from before an instant; to be called in a thread.

    Raises like `reading`.
    """
    if not needs:
        return []
    with reading(directory / MAIN_FILE, "main") as raw:
        watched = {symbol: select_stretches(raw, symbol) for symbol in {key.symbol for key in needs}}
        return past_of(
            needs, {symbol: _known(raw, symbol, spans) for symbol, spans in watched.items()},
            lambda symbol, from_us, to_us: select_known_minutes(raw, symbol, from_us, to_us), instrument_of, before_us,
            told_by(raw, instrument_of, watched),
        )  # fmt: skip


def read_days(
    directory: Path, needs: Mapping[SeriesKey, int], instrument_of: Callable[[str], Instrument], from_us: int
) -> list[Bars]:
    """As `read_past`, of those series alone of which Schwab has told a whole day since an instant."""
    with reading(directory / MAIN_FILE, "main") as raw:
        told = {
            key: count
            for key, count in needs.items()
            if DAILY in sources(key, instrument_of(key.symbol))
            and newest_official_us(raw, key.symbol, DAILY, NEVER_US) + DAY_US > from_us
        }
    return read_past(directory, told, instrument_of)


def read_fills(directory: Path, symbols: Iterable[str], from_us: int) -> list[Bars]:
    """What Schwab has told of the time in which nobody watched these symbols, from an instant on: fills of holes.

    To be called in a thread. Raises like `reading`.
    """
    found = []
    with reading(directory / MAIN_FILE, "main") as raw:
        contracts = select_contracts(raw)
        for symbol in symbols:
            watched = joined((one.from_us, one.to_us) for one in select_stretches(raw, symbol))
            contract = contracts.get(symbol, "")
            for span in select_spans(raw, symbol):
                for hole_us, end_us in _between(watched, max(span.from_us, from_us), span.to_us):
                    begin_us = hole_us // MINUTE_US * MINUTE_US
                    until_us = min(-(-end_us // MINUTE_US) * MINUTE_US, span.to_us)
                    rows = tuple(
                        BarRow(bar.start_us, bar.end_us, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trades)
                        for bar in select_official(raw, symbol, ARCHIVE_INTERVAL, begin_us, until_us)
                    )
                    found.append(
                        Bars(0, symbol, ARCHIVE_INTERVAL, ALWAYS, rows, begin_us, until_us, FILLS[0], contract)
                    )
    return found


def _between(watched: Sequence[tuple[int, int]], from_us: int, to_us: int) -> Iterator[tuple[int, int]]:
    """What of a span lies in none of those watched, which are joined."""
    for begin_us, end_us in watched:
        if from_us < min(begin_us, to_us):
            yield from_us, min(begin_us, to_us)
        from_us = max(from_us, end_us)
    if from_us < to_us:
        yield from_us, to_us


def _known(raw: sqlite3.Connection, symbol: str, watched: Sequence[Stretch]) -> list[Stretch]:
    """The spans whose minutes are known, oldest first: watched, or told by Schwab.

    Schwab's bars of a futures root are of the contract of their time, so they count from when the last contract was
    first watched.
    """
    contract = watched[-1].contract if watched else ""
    first_us = 0
    for one in reversed(watched) if contract else ():
        if one.contract != contract:
            break
        first_us = one.from_us
    told = [
        Stretch(symbol, max(span.from_us, first_us), span.to_us, contract)
        for span in select_spans(raw, symbol)
        if span.to_us > first_us
    ]
    return sorted([*watched, *told], key=attrgetter("from_us"))
