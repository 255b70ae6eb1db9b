"""Closed bars from the store for rules that begin: windows and past days are known again after a start or a reload.

One-minute bars over all trades are stored, and since when and until when each symbol was watched. Everything else is
put together from them here, by the same code that makes bars from trades, so it is what an uninterrupted run would
hold. What is not exact is not made: an average price by volume needs every trade.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from tradeassistd.base.errors import TransientError
from tradeassistd.engine.bars.past import past_of
from tradeassistd.engine.events import Bars
from tradeassistd.engine.needs import SeriesKey, needs_of
from tradeassistd.engine.rule import RuleSet
from tradeassistd.market.instrument import Instrument
from tradeassistd.store.bars import select_minutes, select_stretches
from tradeassistd.store.directory import MAIN_FILE
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
    directory: Path, needs: Mapping[SeriesKey, int], instrument_of: Callable[[str], Instrument]
) -> list[Bars]:
    """What the store of that directory has of these series; to be called in a thread. Raises like `reading`."""
    if not needs:
        return []
    with reading(directory / MAIN_FILE, "main") as raw:
        stretches = {symbol: select_stretches(raw, symbol) for symbol in {key.symbol for key in needs}}
        return past_of(
            needs, stretches, lambda symbol, from_us, to_us: select_minutes(raw, symbol, from_us, to_us), instrument_of
        )
