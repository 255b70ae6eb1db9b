"""What a start finds in the store: real files, and the ways in which a daemon ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.engine.market import Market
from tests.engine.test_machine import rule, story
from tests.engine.test_series import MINUTE_US, OPEN_US, at
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import FatalError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.bars.past import past_of
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import BarRow, Bars, Facts, Gap, Note, RulesSwap, Start
from tradeassistd.engine.needs import DAYS_NEEDED, NEEDED_BARS_MAX, SeriesKey, needs_of
from tradeassistd.engine.rule import Rule, RuleSet
from tradeassistd.history.warm import load_past, read_past
from tradeassistd.market.bar import Bar, Stretch
from tradeassistd.market.instrument import instrument_of
from tradeassistd.store.writer import Store

FIVE = SeriesKey("SPY", "5m", "rth")
HOUR_US = 60 * MINUTE_US


def minute(start_us: int, price: int = 100, volume: int = 1, symbol: str = "SPY") -> Bar:
    return Bar(
        symbol, "1m", "always", start_us, start_us + MINUTE_US, price, price + 2, price - 1, price + 1, volume, 1
    )


def minutes(count: int, open_us: int = OPEN_US) -> list[Bar]:
    return [minute(open_us + number * MINUTE_US, 100 + number) for number in range(count)]


def made(key: SeriesKey, bars: list[Bar], *stretches: Stretch, count: int = 100) -> Bars:
    def between(symbol: str, from_us: int, to_us: int) -> list[Bar]:
        return [bar for bar in bars if bar.symbol == symbol and from_us <= bar.start_us and bar.end_us <= to_us]

    (past,) = past_of({key: count}, {key.symbol: list(stretches)}, between, instrument_of)
    return past


def watched(from_us: int, to_us: int, contract: str = "", symbol: str = "SPY") -> Stretch:
    return Stretch(symbol, from_us, to_us, contract)


def starts(past: Bars) -> list[int]:
    return [(row.start_us - OPEN_US) // MINUTE_US for row in past.rows]


# --- bars put together -----------------------------------------------------------------------------------------------


def test_five_minutes_are_one_bar_and_what_is_still_forming_is_none() -> None:
    past = made(FIVE, minutes(13), watched(OPEN_US - HOUR_US, OPEN_US + 12 * MINUTE_US))
    assert past.rows == (
        BarRow(OPEN_US, OPEN_US + 5 * MINUTE_US, 100, 106, 99, 105, 5, 5),
        BarRow(OPEN_US + 5 * MINUTE_US, OPEN_US + 10 * MINUTE_US, 105, 111, 104, 110, 5, 5),
    )
    assert (past.run, past.until_us) == (0, OPEN_US + 12 * MINUTE_US)


def test_a_minute_without_a_trade_is_no_hole_where_the_daemon_watched() -> None:
    bars = [bar for bar in minutes(10) if bar.start_us not in (OPEN_US, OPEN_US + 7 * MINUTE_US)]
    past = made(FIVE, bars, watched(OPEN_US - HOUR_US, OPEN_US + HOUR_US))
    assert [row.volume for row in past.rows] == [4, 4]


@pytest.mark.parametrize(
    ("stretches", "found", "behind"),
    [
        # From 09:32 on: the bar that began before is not whole.
        ([(2, 60)], [5, 10, 15], 0),
        # A hole of seconds in the bar of 09:35; the ones before lie behind it.
        ([(-9, 7), (7.1, 60)], [0, 10, 15], 1),
        # Two holes, and one that ends where a bar begins.
        ([(-9, 4), (5, 11), (12, 60)], [5, 15], 1),
        # Overlapping stretches are one.
        ([(-9, 8), (7, 60)], [0, 5, 10, 15], 0),
        # A daemon that began and ended at once saw nothing.
        ([(-9, 60), (70, 70)], [0, 5, 10, 15], 0),
    ],
)
def test_a_bar_that_touches_a_hole_is_not_made(
    stretches: list[tuple[float, float]], found: list[int], behind: int
) -> None:
    spans = [watched(OPEN_US + round(a * MINUTE_US), OPEN_US + round(b * MINUTE_US)) for a, b in stretches]
    past = made(FIVE, minutes(20), *spans)
    assert (starts(past), past.run) == (found, behind)


def test_a_hole_in_the_night_joins_two_days_and_one_in_the_day_parts_them() -> None:
    next_open_us = OPEN_US + 24 * HOUR_US
    bars = minutes(390) + minutes(10, next_open_us)
    close_us = OPEN_US + 390 * MINUTE_US
    night = made(FIVE, bars, watched(OPEN_US, close_us), watched(next_open_us, next_open_us + HOUR_US))
    assert (len(night.rows), night.run) == (80, 0)
    late = made(FIVE, bars, watched(OPEN_US, OPEN_US + 7 * HOUR_US), watched(next_open_us + 1, next_open_us + HOUR_US))
    assert (len(late.rows), late.run) == (79, 78)
    always = made(SeriesKey("SPY", "5m", "always"), bars, watched(OPEN_US, OPEN_US + 7 * HOUR_US),
                  watched(next_open_us, next_open_us + HOUR_US))  # fmt: skip
    assert always.run == 78


def test_only_so_many_bars_as_are_wanted_and_only_of_the_present_contract() -> None:
    assert starts(made(FIVE, minutes(60), watched(OPEN_US, OPEN_US + HOUR_US), count=2)) == [50, 55]
    key = SeriesKey("/ES", "5m", "globex")
    bars = [minute(OPEN_US + number * MINUTE_US, symbol="/ES") for number in range(60)]
    spans = [(0, 20, "/ESZ26"), (20, 40, "/ESH27")]
    rolled = made(key, bars, *(watched(OPEN_US + a * MINUTE_US, OPEN_US + b * MINUTE_US, name, "/ES")
                               for a, b, name in spans))  # fmt: skip
    assert (starts(rolled), rolled.contract, rolled.run) == ([20, 25, 30, 35], "/ESH27", 0)
    assert past_of({key: 5}, {}, lambda *_: [], instrument_of) == []


# --- what rules ask for ----------------------------------------------------------------------------------------------


def wanted(text: str, *symbols: str) -> dict[tuple[str, str, str], int]:
    needs = needs_of([rule(text, symbols=symbols or ("SPY",))], instrument_of)
    return {(key.symbol, key.interval, key.session): count for key, count in needs.items()}


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("price > 1", {}),
        ("close(5m)[3] > 1", {("SPY", "5m", "rth"): 4}),
        ("close(5m, ext) > sma(close, 20, 5m)[2]", {("SPY", "5m", "ext"): 1, ("SPY", "5m", "rth"): 22}),
        ("price > sym(/ES).highest(high, 30, 1h)", {("/ES", "1h", "globex"): 30}),
        ("price > highest(price, 5m)", {}),
        ("ema(close, 9, 1m) > 1", {("SPY", "1m", "rth"): 9 + 20 * 10}),
        ("rsi(close, 14, 1m) > 1", {("SPY", "1m", "rth"): 15 + 40 * 14}),
        ("macd(close, 12, 26, 9, 1m).line > 1", {("SPY", "1m", "rth"): 34 + 20 * 50}),
        ("rvol(5m) > 1", {("SPY", "5m", "rth"): 21 * 288}),
        ("price > prev_day.high", {("SPY", "1d", "rth"): DAYS_NEEDED}),
        ("net_change > 1", {("SPY", "1d", "rth"): DAYS_NEEDED}),
        ("price > year.high", {}),
        ("price > opening_range(45m).low", {("SPY", "15m", "rth"): 96}),
        ("price > opening_range(90s).low", {("SPY", "1m", "rth"): 1440}),
        ("sma(close, 5000, 1d)[5000] > 1", {("SPY", "1d", "rth"): 9_999 + 1}),
        ("rsi(close, 5000, 1m) > 1", {("SPY", "1m", "rth"): NEEDED_BARS_MAX}),
    ],
)  # fmt: skip
def test_a_condition_says_how_many_closed_bars_it_wants(text: str, needs: dict[tuple[str, str, str], int]) -> None:
    assert wanted(text) == needs


def test_futures_have_days_of_several_sessions_and_a_rule_that_is_off_wants_none() -> None:
    assert wanted("price > overnight.high and price > prev_rth.low and price > day.open", "/ES", "/NQ") == {
        (symbol, "1d", session): DAYS_NEEDED for symbol in ("/ES", "/NQ") for session in ("overnight", "rth", "globex")
    }
    assert needs_of([rule("close(5m) > 1", mode="off")], instrument_of) == {}


# --- the files -------------------------------------------------------------------------------------------------------


async def store_with(folder: Path, bars: list[Bar], stretches: list[Stretch], until_us: int) -> Store:
    store = await Store.open(folder, clock=ManualClock())
    await store.save_bars(bars, stretches, until_us)
    return store


async def test_a_stretch_that_went_on_ended_when_the_daemon_last_said_so(tmp_path: Path) -> None:
    store = await store_with(tmp_path, minutes(20), [watched(OPEN_US, 0)], OPEN_US + 15 * MINUTE_US + 1)
    await store.save_bars([], [], OPEN_US + 11 * MINUTE_US)  # what is known is not forgotten
    assert starts(read_past(tmp_path, {FIVE: 9}, instrument_of)[0]) == [0, 5, 10]
    await store.end_stretches()
    await store.save_bars([], [watched(OPEN_US + HOUR_US, 0)], OPEN_US + 2 * HOUR_US)
    (past,) = read_past(tmp_path, {FIVE: 9}, instrument_of)
    # The next life began an hour later: what it has seen lies behind that hole.
    assert (starts(past), past.run, past.until_us) == ([0, 5, 10], 3, OPEN_US + 2 * HOUR_US)
    await store.close()


async def test_an_end_that_is_known_better_later_replaces_the_one_before(tmp_path: Path) -> None:
    store = await store_with(tmp_path, minutes(20), [watched(OPEN_US, OPEN_US + 12 * MINUTE_US)], 0)
    await store.save_bars([], [watched(OPEN_US, OPEN_US + 8 * MINUTE_US)])
    assert starts(read_past(tmp_path, {FIVE: 9}, instrument_of)[0]) == [0]
    await store.close()


async def test_only_what_new_rules_read_is_loaded(tmp_path: Path) -> None:
    store = await store_with(tmp_path, minutes(20), [watched(OPEN_US, 0)], OPEN_US + HOUR_US)
    known, new = rule("close(5m) > 1"), replace(rule("close(15m) > 1"), id="new")
    before, after = RuleSet((known,), "a"), RuleSet((known, new), "b")
    assert [one.interval for one in await load_past(tmp_path, after, before)] == ["15m"]
    assert [one.interval for one in await load_past(tmp_path, after)] == ["15m", "5m"]
    assert await load_past(tmp_path, before, before) == []
    await store.close()


async def test_a_store_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "main.db").write_bytes(b"no database" * 100)
    with pytest.raises(FatalError):
        await load_past(tmp_path, RuleSet((rule("close(5m) > 1"),), "a"))


# --- in the engine ---------------------------------------------------------------------------------------------------

ROWS = tuple(
    BarRow(OPEN_US + number * MINUTE_US, OPEN_US + (number + 1) * MINUTE_US, 10**10, 10**10, 10**10, 10**10, 1, 1)
    for number in range(3)
)


def past(event_us: int, contract: str = "", symbol: str = "SPY", session: str = "rth") -> Bars:
    return Bars(event_us, symbol, "1m", session, ROWS, OPEN_US, OPEN_US + 4 * MINUTE_US, contract=contract)


def test_the_event_is_the_same_after_the_tape() -> None:
    one = past(7, "/ESZ26", "/ES", "globex")
    again = msgspec.json.decode(msgspec.json.encode(one), type=Note)
    assert again == one and isinstance(again, Bars) and again.bars == one.bars
    assert len(msgspec.json.encode(one)) / len(ROWS) < 200


def after_a_start(text: str, *events: Facts | Bars, symbol: str = "SPY", now_us: int) -> Market:
    market = Market((rule(text, symbols=(symbol,), at_load="fire"),), now_us=now_us)
    for event in events:
        market.now_us += 1
        market.engine.on_event(msgspec.structs.replace(event, event_us=market.now_us))
    return market


def test_bars_from_before_a_hole_are_forgotten_at_the_first_row() -> None:
    market = after_a_start("sma(close, 3, 1m) > 99", past(0), now_us=OPEN_US + 24 * HOUR_US - HOUR_US)
    assert market.wait(3) == []
    # Tuesday 08:30: the daemon was away from Monday 09:34 on, and the session went on without it.
    market.image("SPY", "1")
    assert story(market) == []


def test_bars_up_to_the_close_serve_the_next_morning() -> None:
    close_us = at("2026-11-16 16:00")
    rows = tuple(row._replace(start_us=close_us - 3 * MINUTE_US + row.start_us - OPEN_US,
                              end_us=close_us - 3 * MINUTE_US + row.end_us - OPEN_US) for row in ROWS)  # fmt: skip
    one = Bars(0, "SPY", "1m", "rth", rows, OPEN_US, close_us)
    market = after_a_start("sma(close, 3, 1m) > 99", one, now_us=at("2026-11-17 08:30"))
    assert market.wait(3) == [], "nothing is known of a symbol whose feed is not there"
    market.image("SPY", "1")
    assert story(market) == [("fired", "", False)]


@pytest.mark.parametrize(("contract", "known"), [("/ESZ26", True), ("/ESH27", False)])
def test_bars_of_another_contract_are_forgotten_when_schwab_names_it(contract: str, known: bool) -> None:
    close_us = at("2026-11-16 17:00")
    rows = tuple(row._replace(start_us=close_us - 3 * MINUTE_US + row.start_us - OPEN_US,
                              end_us=close_us - 3 * MINUTE_US + row.end_us - OPEN_US) for row in ROWS)  # fmt: skip
    one = Bars(0, "/ES", "1m", "globex", rows, OPEN_US, close_us, contract="/ESZ26")
    market = after_a_start("sma(close, 3, 1m) > 99", one, Facts(0, "/ES", contract=contract), symbol="/ES",
                           now_us=at("2026-11-16 17:30"))  # fmt: skip
    market.image("/ES", "1")
    market.now_us = at("2026-11-16 18:00")
    market.trade("/ES", "1")
    assert [kind for kind, *_ in story(market)] == ["fired"] * known
    assert [roll.before for roll in market.engine.take_rolls()] == ["/ESZ26"] * (not known)


def test_a_symbol_that_nobody_reads_any_more_is_forgotten_and_its_stretch_ends() -> None:
    market = Market((rule("close(1m) > 1"), replace(rule("close(1m) > 1", symbols=("QQQ",)), id="other")))
    market.image("SPY", "100")
    market.image("QQQ", "100")
    (first, second) = market.engine.take_stretches()
    assert (first.symbol, first.to_us, second.symbol) == ("SPY", 0, "QQQ")
    market.reload(replace(rule("close(1m) > 1", symbols=("QQQ",)), id="other"))
    (ended,) = market.engine.take_stretches()
    assert (ended.symbol, ended.from_us) == ("SPY", first.from_us) and ended.to_us >= first.from_us
    assert list(market.engine.symbols) == ["QQQ"]


def test_a_gap_told_late_ends_the_stretch_where_it_began() -> None:
    market = Market((rule("close(1m) > 1"),))
    market.image("SPY", "100")
    market.wait(120)
    market.drop()
    mute_us = market.now_us - 60 * US_PER_S
    market.engine.take_stretches()
    market.engine.on_event(Gap(market.now_us + 1, mute_us, market.now_us, "wire"))
    (ended,) = market.engine.take_stretches()
    assert ended.to_us == mute_us - 2 * US_PER_S


def test_a_start_and_a_swap_take_bars_for_rules_that_are_not_there_yet() -> None:
    rules: tuple[Rule, ...] = (rule("price > 1"),)
    engine = Engine(RuleSet(rules, "a"))
    engine.on_event(Start(at("2026-11-17 08:00"), "a"))
    engine.on_event(past(at("2026-11-17 08:00") + 1))
    engine.offer(RuleSet((rule("sma(close, 3, 1m) > 1"),), "b"))
    engine.on_event(RulesSwap(at("2026-11-17 08:00") + 2, "b"))
    series = engine.symbols["SPY"].series["1m", "rth"]
    assert [track.seen for track in series.tracks] == [3]
