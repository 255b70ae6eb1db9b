"""A backfill without a daemon: with the store's lock, and the login of the token file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tradeassistd.api.backfill_documents import backfill_document, day_document
from tradeassistd.base.clock import Clock, MarketClock, WallClock
from tradeassistd.base.config import load_settings
from tradeassistd.base.errors import ConfigError, TransientError
from tradeassistd.base.instant import US_PER_MS
from tradeassistd.base.log import set_up
from tradeassistd.feed.feed import no_keys
from tradeassistd.feed.history import History
from tradeassistd.feed.rest import Rest
from tradeassistd.history.backfill import Backfill, Progress
from tradeassistd.history.trading_days import request_of
from tradeassistd.market.instrument import Instrument, instrument_in
from tradeassistd.store.writer import Store

if TYPE_CHECKING:
    from tradeassistd.cli.backfill import Watched

TIME_OF = "SPY"
"""The symbol whose last trade says what time it is, where the feed sets the time and nothing was stored yet."""


class Here(NamedTuple):
    """What a command of its own needs of the past, while no daemon runs."""

    store: Store
    history: History
    clock: Clock
    instrument_of: Callable[[str], Instrument]


@asynccontextmanager
async def here(config: Path | None) -> AsyncIterator[Here]:
    """The store, with its lock, and Schwab's history with the login of the token file. Raises TradeAssistError."""
    from tradeassistd.cli.instruments import in_force
    from tradeassistd.feed.client import open_client
    from tradeassistd.feed.token import TokenFile

    set_up(level="error")  # what waits is shown by whoever watches
    settings = load_settings(config)
    schwab, state = settings.schwab, settings.store.path
    assert schwab.token_file is not None and state is not None  # load_settings completes them
    key, secret, file = schwab.app_key.get_secret_value(), schwab.app_secret.get_secret_value(), schwab.token_file
    if not key or not secret:
        raise no_keys()
    if not file.exists():
        raise ConfigError(f"there is no token file {file}", hint="run `tradeassist auth login`")
    overrides = in_force(state, config).overrides
    clock = WallClock() if settings.clock == "wall" else MarketClock()
    rest = Rest(lambda: open_client(key, secret, TokenFile(file), schwab.base_url), clock,
                schwab.calls_per_s)  # fmt: skip
    store = await Store.open(state, clock=clock)
    try:
        await _set_time(clock, store, rest)
        yield Here(store, History(rest, clock), clock, lambda symbol: instrument_in(overrides, symbol))
    finally:
        await rest.close()
        await store.close()


async def fetching(
    config: Path | None, symbols: Sequence[str], interval: str, begin: date | None, end: date | None, *, again: bool,
    watch: Callable[[Watched], Awaitable[None]],
) -> None:  # fmt: skip
    """Fetch while `watch` watches it. Raises TradeAssistError; what is stored stays, however this ends."""
    from tradeassistd.cli.login import login_name

    async with here(config) as parts:
        now_us = parts.clock.now_us()
        request = request_of(symbols, interval, begin, end, again=again, by=login_name(), now_us=now_us)
        backfill = Backfill(request, parts.history, parts.store, parts.clock, parts.instrument_of)
        job = asyncio.create_task(backfill.run(), name="backfill.job")
        try:
            await watch(_Here(backfill.progress))
            await job
        finally:
            if not job.done():
                job.cancel()
                await asyncio.wait({job})
                await backfill.note("stopped")


async def _set_time(clock: Clock, store: Store, rest: Rest) -> None:
    """Where the feed sets the time: that of the last trade, or the last that was stored. Raises TransientError."""
    if not isinstance(clock, MarketClock):
        return
    traded = (await rest.traded([TIME_OF])).get(TIME_OF)
    clock.advance(max(await store.last_event_us(), traded.trade_ms * US_PER_MS if traded else 0))
    if not clock.now_us():
        raise TransientError("the time of the market is not known", hint="start the daemon, and try again")


class _Here:
    """A backfill of this process, in the API's documents."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    async def now(self) -> dict[str, Any]:
        return backfill_document(self._progress).model_dump()

    async def days(self, after: int) -> list[dict[str, Any]]:
        return [day_document(one).model_dump() for one in self._progress.answers[after:]]
