"""The real daemon is warm from days that Schwab made, at its first start and after days in which nobody watched."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from tests.e2e.harness import Watcher
from tests.e2e.test_warm_start import Desk, check_replay, fired, ms, said_of
from tests.history.test_longer import daily, days_back, price
from tradeassistd.engine.events import Bars
from tradeassistd.market.bar import Bar
from tradeassistd.market.price import price_from_text
from tradeassistd.store.official import insert_official

RULES = "version: 1\nrules: [{id: long, symbols: [SPY], at_load: fire, when: 'price > sma(close, 50, 1d)'}]\n"


def tell_days(folder: Path, days: Iterable[Bar]) -> None:
    raw = sqlite3.connect(folder / "state" / "main.db")
    with raw:
        insert_official(raw, list(days), "rest", 1)
    raw.close()


async def begun(folder: Path) -> Desk:
    """A daemon has made the store, and has seen nothing."""
    desk = Desk(folder)
    (folder / "rules.d" / "rules.yaml").write_text(RULES, "utf-8")
    async with desk.running():
        pass
    return desk


def average_of(watcher: Watcher) -> object:
    assert watcher.daemon.live is not None
    engine = watcher.daemon.live._engine
    (track,) = engine.symbols["SPY"].series["1d", "rth"].tracks
    return track.value()


async def test_sixty_days_are_known_at_the_first_judging(tmp_path: Path) -> None:
    desk = await begun(tmp_path)
    tell_days(tmp_path, [daily(day, number) for number, day in enumerate(days_back(60))])
    desk.price = 300.0
    async with desk.running() as watcher:
        await desk.image(watcher, "17T08:00:00")
        assert average_of(watcher) == sum(price(number) for number in range(10, 60)) / 50
        assert fired(watcher) == {"long"}
    check_replay(tmp_path / "state")


async def test_days_in_which_nobody_watched_are_schwabs_after_a_restart(tmp_path: Path) -> None:
    desk = await begun(tmp_path)
    days = [daily(day, number) for number, day in enumerate(days_back(60))]
    tell_days(tmp_path, days[:-1])
    async with desk.running() as watcher:
        await desk.image(watcher, "16T09:29:00")
        await desk.trade(watcher, ms("16T09:30:10"), 101)
        await desk.quiet_until(watcher, "16T16:00:30")
    tell_days(tmp_path, [days[-1], *(daily(date(2026, 11, day), 60 + day - 17) for day in (17, 18, 19))])
    desk.price = 300.0
    async with desk.running() as watcher:
        await desk.image(watcher, "20T08:00:00")
        assert [one.interval for one in said_of(watcher, Bars) if isinstance(one, Bars)] == ["1d"]
        # Monday was watched, so it is ours; the three days since are Schwab's.
        closes = (
            [price(number) for number in range(13, 59)]
            + [price_from_text("101")]
            + [price(60 + one) for one in range(3)]
        )
        assert average_of(watcher) == sum(closes) / 50
        assert fired(watcher) == {"long"}
    check_replay(tmp_path / "state")
