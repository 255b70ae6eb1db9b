"""Whole weeks of the made-up market: sessions, breaks, holidays, half days, changes of clocks, rolls; and the truth."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import pytest

from tests.sim.test_session import equities, login, request
from tradeassistd.market.price import price_from_text
from tradeassistd.market.recorded import read_ticks
from tradeassistd.market.session import NEW_YORK, trading_window_at
from tradeassistd.sim.daytime import instant_us
from tradeassistd.sim.faults.scenario import read_scenario
from tradeassistd.sim.market import Batch, LevelOne
from tradeassistd.sim.recorded import RecordedMarket
from tradeassistd.sim.streamer import Streamer
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.sim.truth import TruthLog

DAY_US = 24 * 3600 * 1_000_000
COARSE_US = 20_000_000
SYMBOLS = ("/ES", "/CL", "SPY", "$SPX", "$TICK", "$VIX")
Spans = dict[str, dict[str, tuple[str, str]]]


def market(sunday: date, symbols: tuple[str, ...] = SYMBOLS) -> SyntheticMarket:
    """A market from a Sunday noon on, coarse enough for a week in a second or two."""
    return SyntheticMarket(3, instant_us(sunday, 720), symbols, ticks_per_s=0.05, slot_us=COARSE_US)


@cache
def week(sunday: date) -> Spans:
    """By symbol and New York day: from when until when it traded, HH:MM."""
    made = market(sunday)
    spans: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    until_us = instant_us(sunday, 720) + 7 * DAY_US
    while (next_us := made.next_us()) is not None and next_us < until_us:
        batch = made.step(until_us)
        at = datetime.fromtimestamp(batch.at_us / 1e6, NEW_YORK)
        for level_one, fields in batch.changes:
            layout = level_one.listing.layout
            if any(number in (layout.trade_ms, layout.quote_ms) for number, _ in fields):
                assert trading_window_at(level_one.listing.instrument, batch.at_us) is not None
                spans[level_one.listing.instrument.root][f"{at:%a}"].append(f"{at:%H:%M}")
    return {symbol: {day: (min(at), max(at)) for day, at in days.items()} for symbol, days in spans.items()}


def near(found: tuple[str, str] | None, opens: str, closes: str) -> bool:
    """Whether it traded from shortly after `opens` until shortly before `closes`."""

    def minutes(text: str) -> int:
        return int(text[:2]) * 60 + int(text[3:])

    if found is None:
        return False
    return 0 <= minutes(found[0]) - minutes(opens) <= 15 and 0 <= minutes(closes) - minutes(found[1]) <= 15


def test_a_plain_week_has_its_sessions_and_breaks() -> None:
    spans = week(date(2026, 11, 8))
    assert near(spans["/ES"]["Sun"], "18:00", "24:00")
    assert near(spans["/ES"]["Fri"], "00:00", "17:00")
    for day in ("Mon", "Tue", "Wed", "Thu", "Fri"):
        assert near(spans["SPY"][day], "04:00", "20:00")
        assert near(spans["$SPX"][day], "09:30", "16:15")
        assert near(spans["$TICK"][day], "09:30", "16:00")
        assert near(spans["$VIX"][day], "03:15", "16:15")
    assert {"Sat", "Sun"}.isdisjoint(spans["SPY"])
    assert "Sat" not in spans["/ES"]


def test_the_daily_break_of_futures_is_silent() -> None:
    made = market(date(2026, 11, 8), ("/ES",))
    minutes = set()
    until_us = instant_us(date(2026, 11, 11), 0)
    while (next_us := made.next_us()) is not None and next_us < until_us:
        batch = made.step(until_us)
        if any(number == 10 for _, fields in batch.changes for number, _ in fields):
            minutes.add(datetime.fromtimestamp(batch.at_us / 1e6, NEW_YORK).hour)
    assert minutes == set(range(24)) - {17}


def test_thanksgiving_is_closed_for_stocks_and_short_for_futures_and_friday_is_half() -> None:
    spans = week(date(2026, 11, 22))
    assert "Thu" not in spans["SPY"] and "Thu" not in spans["$SPX"]
    assert near(spans["SPY"]["Fri"], "04:00", "17:00")
    assert near(spans["$SPX"]["Fri"], "09:30", "13:15")
    assert near(spans["/ES"]["Fri"], "00:00", "13:15")
    assert near(spans["SPY"]["Wed"], "04:00", "20:00")
    made = market(date(2026, 11, 22), ("/ES",))
    until_us = instant_us(date(2026, 11, 26), 1439)
    hours = set()
    while (next_us := made.next_us()) is not None and next_us < until_us:
        batch = made.step(until_us)
        if batch.at_us >= instant_us(date(2026, 11, 26), 0):
            hours.add(datetime.fromtimestamp(batch.at_us / 1e6, NEW_YORK).hour)
    assert hours == {*range(13), *range(18, 24)}


@pytest.mark.parametrize(("sunday", "offset"), [(date(2026, 11, 1), 14), (date(2027, 3, 14), 13)])
def test_sessions_keep_new_yorks_clock_when_the_clocks_change(sunday: date, offset: int) -> None:
    spans = week(sunday)
    assert near(spans["/ES"]["Sun"], "18:00", "24:00")
    assert near(spans["$TICK"]["Mon"], "09:30", "16:00")
    assert datetime.fromtimestamp(instant_us(sunday, 570) / 1e6, UTC).hour == offset


def day_values(made: SyntheticMarket, key: str, until_us: int) -> tuple[float, float, float]:
    """Open, high and volume of a record once everything before that instant has passed."""
    while (next_us := made.next_us()) is not None and next_us < until_us:
        made.step(until_us)
    found = record_of(made, key)
    layout = found.listing.layout
    return tuple(float(found.values[number]) for number in (layout.open, layout.high, layout.volume))  # type: ignore[return-value]


def record_of(made: SyntheticMarket, key: str) -> LevelOne:
    found = made.find(key)
    assert found is not None
    return found


def test_a_holiday_does_not_start_the_day_over() -> None:
    """On Thanksgiving the stock of Wednesday still stands; Friday starts over. A future's day begins each evening."""
    made = market(date(2026, 11, 22), ("/ES", "SPY"))
    wednesday = day_values(made, "SPY", instant_us(date(2026, 11, 25), 1300))
    assert min(wednesday) > 0
    assert day_values(made, "SPY", instant_us(date(2026, 11, 26), 600)) == wednesday
    before = day_values(made, "/ES", instant_us(date(2026, 11, 26), 1000))
    after = day_values(made, "/ES", instant_us(date(2026, 11, 26), 1085))
    assert 0 < after[2] < before[2] / 5
    assert day_values(made, "SPY", instant_us(date(2026, 11, 27), 300))[:2] == (0, 0)
    assert day_values(made, "SPY", instant_us(date(2026, 11, 27), 448))[2] >= wednesday[2]
    assert day_values(made, "SPY", instant_us(date(2026, 11, 27), 449))[2] < wednesday[2] / 100


def test_the_contract_in_front_rolls_at_a_globex_opening_and_the_old_one_trades_on() -> None:
    """/ESZ26 expires on 18 December; eight days before it /ESH27 trades most."""
    made = market(date(2026, 12, 6), ("/ES", "SPY"))
    one = Streamer(made, lambda _: True)
    session = one.connect()
    fields = request("LEVELONE_FUTURES", "SUBS", "2", keys="/ES,/ESZ26,/ESH27", fields="1,2,3,8,11,14,34")
    for asked in (login(), fields, equities("ADD", "SPY", "3")):
        one.receive(session, json.dumps({"requests": [asked]}))
    session.outbox.clear()
    rolled: list[tuple[int, dict[str, object]]] = []
    last: dict[str, float] = {}
    until_us = instant_us(date(2026, 12, 11), 1000)
    while (next_us := one.next_us()) is not None and next_us < until_us:
        one.step()
        for part in [part for frame in session.outbox for part in json.loads(frame).get("data", ())]:
            for item in part["content"]:
                rolled += [(part["timestamp"] * 1000, item)] if item["key"] == "/ES" and "34" in item else []
                if "3" in item:
                    last[item["key"]] = item["3"]
        session.outbox.clear()
    ((at_us, item),) = rolled
    assert (at_us, item["34"]) == (instant_us(date(2026, 12, 10), 1080), "/ESH27")
    assert last["/ES"] == last["/ESH27"]
    assert last["/ES"] / last["/ESZ26"] == pytest.approx(1.009, abs=0.001)
    quoted = record_of(made, "/ES")
    assert float(quoted.values[1]) < float(quoted.values[2])


def test_a_week_is_the_same_again() -> None:
    made = [market(date(2026, 12, 6), ("/ES", "SPY")) for _ in range(2)]
    until_us = instant_us(date(2026, 12, 10), 0)
    for one in made:
        while (next_us := one.next_us()) is not None and next_us < until_us:
            one.step(until_us)
    assert record_of(made[0], "/ES").values == record_of(made[1], "/ES").values
    assert record_of(made[0], "SPY").values == record_of(made[1], "SPY").values


# --- what was true ---------------------------------------------------------------------------------------------------


def test_the_truth_is_what_the_market_made_whatever_was_sent(tmp_path: Path) -> None:
    start_us = instant_us(date(2026, 11, 23), 570)
    faults = (
        "[{fault: zero_prices}, {fault: mute, at: 20s, for: 20s}, {fault: bad_print, at: 10s, symbols: SPY, away: 9%}]"
    )
    written = []
    for number, scenario in enumerate((None, read_scenario(f"version: 1\nfaults: {faults}", "x"))):
        path = tmp_path / f"{number}.csv"
        with TruthLog(path) as truth:
            one = Streamer(
                SyntheticMarket(1, start_us, ["SPY", "/ES", "$TICK"]), lambda _: True, scenario=scenario, see=truth.see
            )
            while (next_us := one.next_us()) is not None and next_us < start_us + 60_000_000:
                one.step()
        written.append(path.read_text())
    assert written[0] == written[1]
    seen: list[Batch] = []
    again = Streamer(SyntheticMarket(1, start_us, ["SPY", "/ES", "$TICK"]), lambda _: True, see=seen.append)
    while (next_us := again.next_us()) is not None and next_us < start_us + 60_000_000:
        again.step()
    prices = [
        (batch.at_us * 1000, level_one.listing.symbol, price_from_text(dict(fields)[3]))
        for batch in seen
        for level_one, fields in batch.changes
        if any(number == 3 for number, _ in fields)
    ]
    ticks = [(tick.ts_ns, tick.symbol, tick.price) for tick in read_ticks(tmp_path / "0.csv") if tick.price is not None]
    assert set(prices) <= set(ticks)
    assert {symbol for _, symbol, _ in ticks} == {"SPY", "/ESZ26", "$TICK"}
    quotes = [tick for tick in read_ticks(tmp_path / "0.csv") if tick.bid is not None]
    assert quotes and all(tick.ask is not None and tick.bid is not None and tick.bid < tick.ask for tick in quotes)


def test_the_truth_can_be_played_again(tmp_path: Path) -> None:
    start_us = instant_us(date(2026, 11, 23), 570)
    with TruthLog(tmp_path / "truth.csv") as truth:
        made = SyntheticMarket(1, start_us, ["SPY", "/ES"])
        while (next_us := made.next_us()) is not None and next_us < start_us + 10_000_000:
            truth.see(made.step(next_us + 1_000))
    again = RecordedMarket(tmp_path / "truth.csv")
    assert set(again.symbols) == {"SPY", "/ESZ26", "/ES"}
    while (next_us := again.next_us()) is not None:
        again.step(next_us + 1_000)
    for key in ("SPY", "/ES"):
        found = again.find(key)
        assert found is not None
        assert [found.values[number] for number in (1, 2, 3)] == [record_of(made, key).values[n] for n in (1, 2, 3)]
