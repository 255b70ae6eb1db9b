"""Windows of days and of five minutes are warm from bars that Schwab made itself: the real store, the real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.engine.market import Market
from tests.engine.test_describe_values import leg
from tests.engine.test_machine import rule, story
from tests.engine.test_series import MINUTE_US
from tests.history.backfilled import at
from tradeassistd.base.clock import ManualClock
from tradeassistd.engine.events import Bars
from tradeassistd.engine.needs import SeriesKey, needs_of
from tradeassistd.engine.rule import Rule, RuleSet
from tradeassistd.history.backfills import into_windows
from tradeassistd.history.longer import sources
from tradeassistd.history.replay import replay
from tradeassistd.history.warm import read_past
from tradeassistd.market.bar import Bar, Stretch
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.price import price_from_text
from tradeassistd.store.official import DayAnswer, insert_official, upsert_day
from tradeassistd.store.writer import Store

TODAY = date(2026, 11, 17)
HOLIDAYS = {date(2026, 9, 7)}
MORNING_US = at("2026-11-17 08:00")
DAY = SeriesKey("SPY", "1d", "rth")
FIVE = SeriesKey("SPY", "5m", "rth")
SMA = rule("sma(close, 50, 1d) > 0", at_load="fire")


def days_back(count: int) -> list[date]:
    """So many days on which stocks trade, before today, oldest first."""
    found: list[date] = []
    day = TODAY
    while len(found) < count:
        day -= timedelta(days=1)
        if day.weekday() < 5 and day not in HOLIDAYS:
            found.append(day)
    return found[::-1]


def price(number: int) -> int:
    return price_from_text(f"{100 + number}.25")


def daily(day: date, number: int, symbol: str = "SPY") -> Bar:
    start_us, close = at(f"{day} 00:00"), price(number)
    return Bar(symbol, "1d", "always", start_us, at(f"{day + timedelta(days=1)} 00:00"), close - 5, close + 9,
               close - 9, close, 1_000, 0)  # fmt: skip


def five(start_us: int, close: int) -> Bar:
    return Bar("SPY", "5m", "always", start_us, start_us + 5 * MINUTE_US, close, close + 2, close - 1, close, 10, 0)


def minutes_of(day: date, close: int) -> list[Bar]:
    open_us = at(f"{day} 09:30")
    return [
        Bar("SPY", "1m", "always", start_us, start_us + MINUTE_US, close, close, close, close, 1, 1)
        for start_us in range(open_us, open_us + 390 * MINUTE_US, MINUTE_US)
    ]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path, clock=ManualClock(MORNING_US))
    try:
        yield store
    finally:
        await store.close()


async def keep(store: Store, bars: Sequence[Bar], *answers: DayAnswer) -> None:
    def work(raw: object) -> None:
        insert_official(raw, bars, "rest", 1)  # type: ignore[arg-type]
        for answer in answers:
            upsert_day(raw, answer, 1)  # type: ignore[arg-type]

    await store.transaction(work)


def past_of_rules(store: Store, *rules: Rule) -> list[Bars]:
    return read_past(store.directory, needs_of(rules, instrument_of), instrument_of)


def begun(rules: tuple[Rule, ...], past: Sequence[Bars]) -> Market:
    market = Market(rules, now_us=MORNING_US)
    for one in past:
        market._take(event(market, one))
    return market


def event(market: Market, one: Bars) -> Bars:
    return Bars(market._next(), *[getattr(one, name) for name in one.__struct_fields__[1:]])


def average(market: Market) -> object:
    (track,) = market.engine.symbols["SPY"].series["1d", "rth"].tracks
    return track.value()


# --- days ------------------------------------------------------------------------------------------------------------


async def test_sixty_days_that_were_backfilled_are_known_at_the_first_judging_and_replay_says_the_same(
    store: Store,
) -> None:
    days = days_back(60)
    await keep(store, [daily(day, number) for number, day in enumerate(days)])
    (past,) = past_of_rules(store, SMA)
    assert (past.run, past.until_us) == (0, at(f"{days[-1]} 16:00"))
    market = begun((SMA,), [past])
    market.image("SPY", "200")
    assert average(market) == sum(price(number) for number in range(10, 60)) / 50
    assert story(market) == [("fired", "", False)]
    assert list(replay(market.events, lambda _: RuleSet((SMA,), ""))) == market.all


async def test_a_day_that_is_missing_is_a_hole_and_the_rule_says_since_when_days_are_whole(store: Store) -> None:
    days = days_back(60)
    await keep(store, [daily(day, number) for number, day in enumerate(days) if number != 40])
    (past,) = past_of_rules(store, SMA)
    assert len(past.rows) - past.run == 19
    assert past.whole_from_us == at(f"{days[41]} 09:30")
    market = begun((SMA,), [past])
    market.image("SPY", "200")
    assert story(market) == [] and average(market) is None
    assert leg(market).why.endswith(f": 19 of 50 bars of 1d, without a hole since {days[41]}")
    assert list(replay(market.events, lambda _: RuleSet((SMA,), ""))) == []


async def test_a_backfill_that_ends_in_the_midst_of_a_life_makes_the_window_known(store: Store) -> None:
    days = days_back(60)
    above = rule("price > sma(close, 50, 1d)", at_load="fire")
    market = begun((above,), past_of_rules(store, above))
    market.image("SPY", "200")
    assert average(market) is None
    await keep(store, [daily(day, number) for number, day in enumerate(days)])

    def fill(past: Sequence[Bars]) -> None:
        for one in past:
            market._take(event(market, one))

    stored = into_windows(store.directory, lambda: ["SPY"], lambda: RuleSet((above,), ""), fill, 0)
    await stored(["SPY", "QQQ"], "1d")
    market.trade("SPY", "201")
    assert average(market) == sum(price(number) for number in range(10, 60)) / 50
    assert story(market) == [("fired", "", False)]
    assert list(replay(market.events, lambda _: RuleSet((above,), ""))) == market.all


async def test_a_day_of_minutes_is_not_replaced_and_one_half_watched_is_schwabs(store: Store) -> None:
    days = days_back(5)
    await keep(store, [daily(day, number) for number, day in enumerate(days)])
    watched = [
        Stretch("SPY", at(f"{days[3]} 09:00"), at(f"{days[3]} 17:00")),
        Stretch("SPY", at(f"{days[4]} 11:00"), at(f"{days[4]} 17:00")),
    ]
    bars = [bar for day, close in ((days[3], 7), (days[4], 8)) for bar in minutes_of(day, close)]
    await store.save_bars(bars, watched, at(f"{days[4]} 17:00"))
    (past,) = read_past(store.directory, {DAY: 9}, instrument_of)
    assert [row.close for row in past.rows] == [price(0), price(1), price(2), 7, price(4)]
    assert [row.trades for row in past.rows] == [0, 0, 0, 390, 0]
    assert (past.run, past.until_us) == (0, at(f"{days[4]} 17:00"))
    early = read_past(store.directory, {DAY: 9}, instrument_of, at(f"{days[2]} 12:00"))
    assert [row.close for row in early[0].rows] == [price(0), price(1)]


async def test_volumes_are_not_taken_from_schwabs_days(store: Store) -> None:
    volume = rule("avg(volume, 3, 1d) > 0", at_load="fire")
    days = days_back(5)
    await keep(store, [daily(day, number) for number, day in enumerate(days)])
    market = begun((volume,), past_of_rules(store, volume))
    market.image("SPY", "200")
    assert average(market) is None and story(market) == []


@pytest.mark.parametrize(
    ("symbol", "interval", "session", "found"),
    [
        ("SPY", "1d", "rth", ("5m", "1d")),
        ("$SPX", "1d", "rth", ("5m", "1d")),
        ("SPY", "1d", "ext", ("5m",)),
        ("/ES", "1d", "globex", ("5m",)),
        ("/ES", "1d", "rth", ("5m",)),
        ("SPY", "1h", "rth", ("5m",)),
        ("SPY", "3m", "rth", ()),
        ("SPY", "5m", "always", ()),
    ],
)
def test_what_schwabs_bars_stand_for(symbol: str, interval: str, session: str, found: tuple[str, ...]) -> None:
    assert sources(SeriesKey(symbol, interval, session), instrument_of(symbol)) == found


# --- five minutes ----------------------------------------------------------------------------------------------------


async def test_five_minutes_stand_beneath_minutes_and_no_bar_is_of_both(store: Store) -> None:
    day = days_back(1)[0]
    open_us = at(f"{day} 09:30")
    fives = [five(open_us + number * 5 * MINUTE_US, 500 + number) for number in range(78) if number != 3]
    await keep(store, fives, DayAnswer("SPY", "5m", f"{day}", "stored", "", 77, whole=True))
    begin_us = open_us + 57 * MINUTE_US
    await store.save_bars(minutes_of(day, 9)[57:], [Stretch("SPY", begin_us, at(f"{day} 17:00"))], at(f"{day} 17:00"))
    (past,) = read_past(store.directory, {FIVE: 100}, instrument_of)
    # 10:25 was watched from 10:27 on; Schwab knows it whole.
    assert [row.close for row in past.rows] == [*(500 + one for one in range(12) if one != 3), *[9] * 66]
    assert (past.run, past.rows[0].start_us) == (0, open_us)
    (longer,) = read_past(store.directory, {FIVE._replace(interval="15m"): 100}, instrument_of)
    assert [row.close for row in longer.rows][:5] == [502, 505, 508, 511, 9]


async def test_a_bar_whose_begin_one_source_knows_and_whose_end_another_is_a_hole(store: Store) -> None:
    first, second = days_back(2)
    open_us = at(f"{first} 09:30")
    fives = [five(open_us + number * 5 * MINUTE_US, 500) for number in range(78)]
    answers = [DayAnswer("SPY", "5m", f"{day}", "stored", "", 78, whole=day == first) for day in (first, second)]
    await keep(store, [*fives, five(at(f"{second} 09:30"), 1)], *answers)
    begin_us = at(f"{second} 09:32")
    await store.save_bars(
        minutes_of(second, 9)[2:], [Stretch("SPY", begin_us, at(f"{second} 17:00"))], at(f"{second} 17:00")
    )
    (past,) = read_past(store.directory, {FIVE: 500}, instrument_of)
    assert (len(past.rows), past.run, past.whole_from_us) == (78 + 77, 78, begin_us), "a day not told whole is none"
