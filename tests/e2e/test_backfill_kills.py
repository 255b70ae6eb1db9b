"""kill -9 of whoever fetches history, again and again: it ends complete, nothing twice, and within its rate limit."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.harness import PATIENCE_S, settings_for
from tests.e2e.test_process import AT_ONCE, daemon, ended, said, start
from tradeassistd.base.clock import ManualClock
from tradeassistd.feed.rest import BURST_CALLS
from tradeassistd.history.trading_days import plan, request_of
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import ALWAYS, NEW_YORK
from tradeassistd.sim.counters import RestCall
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.store import queries
from tradeassistd.store.official import select_official
from tradeassistd.store.writer import Store

NOW_US = round(datetime(2026, 12, 1, 10, 0, tzinfo=NEW_YORK).timestamp()) * 1_000_000
SYMBOLS = ("/ES", "/NQ", "/CL", "/GC", "$SPX", "$VIX", "SPY", "QQQ", "IWM", "AAPL", "NVDA", "TSLA")
COMPARED = ("/ES", "$VIX", "SPY", "QQQ")
"""Of which every minute is compared with the simulator's; it takes its time to make them up once more."""
FIRST, LAST = date(2026, 10, 19), date(2026, 11, 30)
"""31 weekdays: of stocks 30 trading days and Thanksgiving; the clocks go back between them, and one day is short."""
CALLS_PER_S = 20.0
RETRY_AFTER_S = 1.0
HISTORY = "/marketdata/v1/pricehistory"


def backfill(folder: Path, *arguments: str) -> tuple[str, ...]:
    return ("-m", "tradeassistd.cli.main", "backfill", "--config", str(folder / "config.yaml"), *arguments)


def asked(simulator: Simulator) -> list[RestCall]:
    return [call for call in simulator.counters.calls if call.path == HISTORY]


async def until(condition: Callable[[], bool], program: asyncio.subprocess.Process) -> None:
    """Return when it holds; the simulator counts what comes, and tells nobody."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            assert program.returncode is None, await program.communicate()
            await asyncio.sleep(0.01)


async def killed(program: asyncio.subprocess.Process) -> None:
    program.kill()
    code, _, errors = await ended(program)
    assert code == -signal.SIGKILL, errors


async def test_a_backfill_that_is_killed_three_times_ends_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEASSIST_SCHWAB__CALLS_PER_S", str(CALLS_PER_S))
    monkeypatch.setenv("TRADEASSIST_HISTORY__FILL_DAYS", "0")  # what the daemon fetches by itself is not counted here
    wanted = backfill(tmp_path, *SYMBOLS, "--from", str(FIRST), "--to", str(LAST), "--json")
    lives: list[int] = []
    """How many calls there had been when a program began."""

    async def begin(simulator: Simulator, *arguments: str) -> asyncio.subprocess.Process:
        lives.append(len(asked(simulator)))
        return await start(*arguments)

    def more(simulator: Simulator, calls: int) -> Callable[[], bool]:
        return lambda: sum(call.status == 200 for call in asked(simulator)[lives[-1] :]) >= calls

    async with Simulator(SyntheticMarket(5, NOW_US, SYMBOLS), speed=1.0) as simulator:
        settings_for(tmp_path, simulator, AT_ONCE.replace("/ES", "SPY"))
        # In the terminal, while no daemon runs; for two of its questions Schwab says that no market was open.
        simulator.inject("history, symbols: [QQQ], answer: inverted_date, times: 2")
        program = await begin(simulator, *wanted)
        await until(more(simulator, 15), program)
        await killed(program)
        # In the daemon, asked for in a terminal that sees it die; a storm of 429 on the way.
        program = await begin(simulator, *daemon(tmp_path))
        await said(program, "daemon.ready")
        simulator.inject(f"rest_status, path: history, status: 429, retry_after: {RETRY_AFTER_S:.0f}s, times: 4")
        terminal = await start(*wanted)
        await until(more(simulator, 20), program)
        await killed(program)
        code, _, errors = await ended(terminal)
        assert code == 69 and "takes the backfill up again" in errors, errors
        # In the daemon that takes its place: nobody has to ask again.
        program = await begin(simulator, *daemon(tmp_path))
        await until(more(simulator, 15), program)
        await killed(program)
        # And to its end.
        simulator.inject(f"rest_status, path: history, status: 429, retry_after: {RETRY_AFTER_S:.0f}s, times: 2")
        program = await begin(simulator, *wanted)
        code, output, errors = await ended(program)
        assert code == 0, errors
        calls, told = asked(simulator), {symbol: official(simulator, symbol) for symbol in COMPARED}

    answers = json.loads(output)
    assert (answers["state"], answers["days"], answers["done"]) == ("done", 12 * 31, 12 * 31)
    assert (answers["empty"], answers["refused"]) == (7, 0)  # Thanksgiving: futures and $VIX trade on it
    assert {one["detail"] for one in answers["answers"] if one["outcome"] == "empty"} == {"closed: Thanksgiving"}
    assert {one["whole"] for one in answers["answers"]} == {True}
    for symbol in SYMBOLS:
        bars = stored(tmp_path / "state", symbol)
        assert len(bars) == sum(one["bars"] for one in answers["answers"] if one["symbol"] == symbol), symbol
        assert bars == told.get(symbol, bars), symbol
    check_pace(calls, lives)
    statuses = [call.status for call in calls]
    assert (statuses.count(429), statuses.count(400)) == (6, 2)
    # Seven weeks of twelve symbols, the storm, a week in halves; and whoever is killed loses the answer under way.
    assert 12 * 7 + 6 + 4 <= len(calls) <= 12 * 7 + 6 + 4 + 3
    assert [body["state"] for _, kind, body in queries.audit(tmp_path / "state", 100) if kind == "backfill"] == [
        "done", "begun", "begun", "begun", "begun",
    ]  # fmt: skip
    store = await Store.open(tmp_path / "state", clock=ManualClock(NOW_US))  # what is left is in order
    await store.close()


def official(simulator: Simulator, symbol: str) -> list[tuple[int, ...]]:
    """What the simulator says of the trading hours of those days."""
    request = request_of((symbol,), "1m", FIRST, LAST, now_us=NOW_US)
    windows = [(day.from_us, day.to_us) for day in plan(request, instrument_of, NOW_US) if not day.why_not]
    days = [FIRST + timedelta(days=count) for count in range(-1, (LAST - FIRST).days + 1)]
    candles = [candle for day in days for candle in simulator.history.minutes(symbol, day, simulator.now_us)]
    return [
        (one.start_us, one.open, one.high, one.low, one.close, one.volume)
        for one in candles
        if any(from_us <= one.start_us < to_us for from_us, to_us in windows)
    ]


def stored(state: Path, symbol: str) -> list[tuple[int, ...]]:
    raw = sqlite3.connect(state / "main.db")
    try:
        until_us = round(datetime(2026, 11, 30, 20, 0, tzinfo=NEW_YORK).timestamp()) * 1_000_000
        bars = list(select_official(raw, symbol, "1m", 0, until_us))
    finally:
        raw.close()
    assert {(bar.end_us - bar.start_us, bar.session) for bar in bars} == {(60_000_000, ALWAYS)}
    first_us = round(datetime(2026, 10, 18, 18, 0, tzinfo=NEW_YORK).timestamp()) * 1_000_000
    return [
        (bar.start_us, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars if bar.start_us >= first_us
    ]


def check_pace(calls: Sequence[RestCall], lives: Sequence[int]) -> None:
    """Within each life never more than its rate and its burst allow, and nothing before a Retry-After is over."""
    for begin, end in zip(lives, [*lives[1:], len(calls)], strict=True):
        life = calls[begin:end]
        for first, call in enumerate(life):
            for count, later in enumerate(life[first:], 1):
                # A call is seen some time after its turn, so a window may seem shorter than it was.
                assert count <= BURST_CALLS + CALLS_PER_S * (later.elapsed_s - call.elapsed_s + 0.25), (count, call)
        for before, after in pairwise(life):
            if before.status == 429:
                assert after.elapsed_s - before.elapsed_s >= RETRY_AFTER_S * 0.98
