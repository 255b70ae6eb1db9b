"""A backfill over a real store: what is kept, what is asked for again and what is not."""

from __future__ import annotations

import sqlite3
from datetime import date
from pathlib import Path

from tests.history.backfilled import NOW_US, WEEKS, at, desk, outcomes
from tradeassistd.feed.history import NOT_PROVIDED, Answer
from tradeassistd.history.trading_days import Request
from tradeassistd.store.official import Span, insert_official, insert_span


async def test_every_day_is_stored_and_its_span_is_known(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        progress = await at_desk.run()
        assert outcomes(progress) == {("SPY", "stored"): 10, ("/ES", "stored"): 10}
        assert (progress.state, progress.days, progress.asked) == ("done", 20, 4)
        assert progress.counts == {"stored": 20, "there": 0, "empty": 0, "refused": 0, "bars": 10 * 16 + 10 * 23}
        bars = await at_desk.bars()
        assert len(bars) == 160 and bars[0].start_us == at("2026-11-09 04:00")
        spans = await at_desk.spans()
        assert spans[0] == Span("SPY", at("2026-11-09 04:00"), at("2026-11-09 20:00")) and len(spans) == 10
        assert (await at_desk.spans("/ES"))[0].from_us == at("2026-11-08 18:00")
        assert at_desk.audit() == ["begun", "done"]


async def test_what_is_there_is_not_asked_for_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        await at_desk.run()
        before = await at_desk.bars("/ES")
        progress = await at_desk.run()
        assert outcomes(progress) == {("SPY", "there"): 10, ("/ES", "there"): 10}
        assert at_desk.schwab.questions == []
        assert {(one.bars, one.whole) for one in progress.answers if one.symbol == "SPY"} == {(16, True)}
        assert await at_desk.bars("/ES") == before


async def test_again_asks_for_everything_and_takes_over_corrections(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        await at_desk.run()
        again = Request(("SPY",), "1m", WEEKS.from_day, WEEKS.to_day, again=True)
        assert outcomes(await at_desk.run(again)) == {("SPY", "there"): 10}
        assert len(at_desk.schwab.questions) == 2
        at_desk.schwab.price += 100
        assert outcomes(await at_desk.run(again)) == {("SPY", "stored"): 10}
        bars = await at_desk.bars()
        assert len(bars) == 160 and {bar.open for bar in bars} == {at_desk.schwab.price}


async def test_a_day_that_is_not_over_is_asked_for_again_and_grows(tmp_path: Path) -> None:
    today = Request(("SPY",), "1m", date(2026, 11, 19), date(2026, 11, 20))
    async with desk(tmp_path, at("2026-11-20 12:00")) as at_desk:
        progress = await at_desk.run(today)
        assert [(one.day, one.bars, one.whole, one.detail) for one in progress.answers] == [
            ("2026-11-19", 16, True, ""), ("2026-11-20", 8, False, "the day is not over"),
        ]  # fmt: skip
        assert (await at_desk.spans())[-1].to_us == at("2026-11-20 12:00")
        at_desk.clock.advance(NOW_US)
        progress = await at_desk.run(today)
        assert [(one.day, one.outcome, one.bars, one.whole) for one in progress.answers] == [
            ("2026-11-19", "there", 16, True), ("2026-11-20", "stored", 16, True),
        ]  # fmt: skip
        assert (await at_desk.spans())[-1] == Span("SPY", at("2026-11-20 04:00"), at("2026-11-20 20:00"))


async def test_days_that_were_filled_otherwise_are_there(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        told = (await at_desk.schwab.bars("SPY", "1m", at("2026-11-12 00:00"), at("2026-11-13 00:00"))).bars
        span = Span("SPY", at("2026-11-12 04:00"), at("2026-11-12 20:00"))

        def fill(raw: sqlite3.Connection) -> None:
            insert_official(raw, told, "chart", 1)
            insert_span(raw, span, "chart", 1)

        await at_desk.store.transaction(fill)
        progress = await at_desk.run(Request(("SPY",), "1m", date(2026, 11, 12), date(2026, 11, 13)))
        assert [(one.day, one.outcome) for one in progress.answers] == [
            ("2026-11-12", "there"),
            ("2026-11-13", "stored"),
        ]
        # The spans say nothing of other intervals.
        assert outcomes(await at_desk.run(Request(("SPY",), "5m", date(2026, 11, 12), date(2026, 11, 12)))) == {
            ("SPY", "stored"): 1
        }


async def test_days_whose_bars_were_pruned_are_asked_for_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        await at_desk.run()
        cut_us = at("2026-11-11 00:00")
        await at_desk.store.transaction(
            lambda raw: raw.execute("DELETE FROM official_bars WHERE symbol = 'SPY' AND start_us < ?", (cut_us,))
        )
        assert outcomes(await at_desk.run()) == {("SPY", "stored"): 2, ("SPY", "there"): 8, ("/ES", "there"): 10}
        assert len(await at_desk.bars()) == 160


async def test_closed_and_too_old_days_are_empty_and_nobody_is_asked(tmp_path: Path) -> None:
    async with desk(tmp_path, at("2026-12-01 22:00")) as at_desk:
        progress = await at_desk.run(Request(("SPY",), "1m", date(2026, 11, 26), date(2026, 11, 26)))
        assert [(one.outcome, one.detail) for one in progress.answers] == [("empty", "closed: Thanksgiving")]
        progress = await at_desk.run(Request(("SPY",), "1m", date(2026, 6, 1), date(2026, 6, 5)))
        assert {(one.outcome, one.detail) for one in progress.answers} == {
            ("empty", "Schwab keeps candles of 1m for 48 days")
        }
        assert at_desk.schwab.questions == [] and progress.state == "done"


async def test_a_future_that_is_not_provided_is_refused_and_said(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        at_desk.schwab.refuses = lambda symbol, from_us, to_us: (
            Answer("refused", (), NOT_PROVIDED, to_us) if symbol == "/ES" else None
        )
        progress = await at_desk.run()
        assert outcomes(progress) == {("SPY", "stored"): 10, ("/ES", "refused"): 10}
        assert {one.detail for one in progress.answers if one.symbol == "/ES"} == {NOT_PROVIDED}
        assert progress.state == "done" and await at_desk.spans("/ES") == []
        at_desk.schwab.refuses = lambda symbol, from_us, to_us: None
        assert outcomes(await at_desk.run()) == {("SPY", "there"): 10, ("/ES", "stored"): 10}


async def test_a_week_that_is_refused_for_one_of_its_days_is_asked_for_in_parts(tmp_path: Path) -> None:
    wednesday_us = at("2026-11-11 12:00")

    def refuse(symbol: str, from_us: int, to_us: int) -> Answer | None:
        said = Answer("empty", (), "Schwab says that no market was open", to_us, is_refusal=True)
        return said if from_us < wednesday_us < to_us else None

    async with desk(tmp_path) as at_desk:
        at_desk.schwab.refuses = refuse
        progress = await at_desk.run(Request(("SPY",), "1m", date(2026, 11, 9), date(2026, 11, 13)))
        assert {one.day: one.outcome for one in progress.answers} == {
            "2026-11-09": "stored", "2026-11-10": "stored", "2026-11-11": "empty", "2026-11-12": "stored",
            "2026-11-13": "stored",
        }  # fmt: skip
        assert len(at_desk.schwab.questions) == 5  # the week, its newer half, that one's halves, the older half


async def test_a_symbol_that_is_refused_is_not_asked_about_day_by_day_again_and_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        at_desk.schwab.refuses = lambda symbol, from_us, to_us: Answer(
            "refused", (), "Schwab answered HTTP 404: Not Found", to_us, is_refusal=True
        )
        progress = await at_desk.run(Request(("NOPE",), "1m", date(2026, 10, 5), date(2026, 11, 20)))
        assert outcomes(progress) == {("NOPE", "refused"): 35}
        assert len(at_desk.schwab.questions) <= 7 + 6  # a call a week, and the first week in parts
        assert len(await at_desk.bars("NOPE")) == 0


async def test_a_day_with_odd_candles_is_kept_but_not_taken_for_whole(tmp_path: Path) -> None:
    async with desk(tmp_path) as at_desk:
        at_desk.schwab.odd_us = (at("2026-11-11 09:00"),)
        request = Request(("SPY",), "1m", date(2026, 11, 10), date(2026, 11, 11))
        progress = await at_desk.run(request)
        assert [(one.outcome, one.bars, one.whole, one.detail) for one in progress.answers] == [
            ("stored", 16, True, ""), ("stored", 15, False, "candles that made no sense: 1"),
        ]  # fmt: skip
        assert len(await at_desk.spans()) == 1
        at_desk.schwab.odd_us = ()
        assert outcomes(await at_desk.run(request)) == {("SPY", "there"): 1, ("SPY", "stored"): 1}
        assert len(await at_desk.spans()) == 2


async def test_what_schwab_repairs_overnight_is_asked_for_again_on_the_next_day(tmp_path: Path) -> None:
    request = Request(("$TICK",), "1m", date(2026, 11, 19), date(2026, 11, 20))
    async with desk(tmp_path, at("2026-11-20 18:00")) as at_desk:
        progress = await at_desk.run(request)
        assert [(one.day, one.whole) for one in progress.answers] == [("2026-11-19", True), ("2026-11-20", False)]
        at_desk.clock.advance(at("2026-11-21 18:00"))
        at_desk.schwab.price += 1
        progress = await at_desk.run(request)
        assert [(one.day, one.outcome, one.whole) for one in progress.answers] == [
            ("2026-11-19", "there", True), ("2026-11-20", "stored", True),
        ]  # fmt: skip
