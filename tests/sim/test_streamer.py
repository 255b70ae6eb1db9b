"""The streamer as a whole: heartbeats, one connection per user, cuts, and for whom the market moves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sim.clients import record
from tests.sim.test_session import equities, login
from tradeassistd.base.errors import ConfigError
from tradeassistd.sim.recorded import RecordedMarket
from tradeassistd.sim.session import Ending, Session
from tradeassistd.sim.streamer import Cut, Streamer

START_MS = 1_381_132_800_000
START_US = START_MS * 1000


def market(folder: Path, *seconds: float) -> RecordedMarket:
    """A trade of SPY at each of these seconds after the start; its price is the number of the trade."""
    rows = [f"{START_MS + round(at * 1000)}000000,SPY,{number},1,,,," for number, at in enumerate(seconds, 1)]
    return RecordedMarket(record(folder / "spy.csv", *rows))


def streamer(made: RecordedMarket, *cuts: Cut, start_symbols: tuple[str, ...] = ()) -> Streamer:
    return Streamer(made, lambda token: token == "good-token", cuts=cuts, start_symbols=start_symbols)


def enter(one: Streamer, keys: str = "SPY", fields: str = "3") -> Session:
    """A connection that is logged in and subscribed."""
    session = one.connect()
    for request in (login(), equities("SUBS", keys, fields)):
        one.receive(session, json.dumps({"requests": [request]}))
    return session


def read(session: Session) -> list[dict[str, Any]]:
    frames = [json.loads(frame) for frame in session.outbox]
    session.outbox.clear()
    return frames


def run(one: Streamer, until_s: float) -> None:
    until_us = START_US + round(until_s * 1_000_000)
    while (next_us := one.next_us()) is not None and next_us <= until_us:
        one.step()


def story(session: Session) -> list[str]:
    """What was sent, short: `t12` a trade at that price, `h10` a heartbeat at that second, `r0` a response's code."""
    told = []
    for frame in read(session):
        if "data" in frame:
            told.append(f"t{frame['data'][0]['content'][0]['3']}")
        elif "notify" in frame:
            told.append(f"h{(int(frame['notify'][0]['heartbeat']) - START_MS) // 1000}")
        else:
            told.append(f"r{frame['response'][0]['content']['code']}")
    return told


def test_heartbeats_come_every_ten_seconds_of_market_time_between_the_rows(tmp_path: Path) -> None:
    one = streamer(market(tmp_path, 0, 9, 10, 31))
    session = enter(one)
    run(one, 45)
    assert story(session) == ["r0", "r0", "t0", "t1", "t2", "h10", "t3", "h20", "h30", "t4", "h40"]
    assert one.counters.heartbeats == 4
    assert one.is_over


def test_nobody_hears_a_heartbeat_before_the_login(tmp_path: Path) -> None:
    one = streamer(market(tmp_path, 0, 60))
    session = one.connect()
    run(one, 60)
    assert story(session) == []


def test_a_second_login_takes_over(tmp_path: Path) -> None:
    one = streamer(market(tmp_path, 0, 1, 2))
    first = enter(one)
    run(one, 0)
    second = enter(one)
    assert story(first) == ["r0", "r0", "t0", "t1", "r12"]
    assert first.ending is Ending.CLOSE
    run(one, 2)
    assert (story(first), story(second)) == ([], ["r0", "r0", "t1", "t2", "t3"])
    assert one.live is second
    assert one.counters.logins == 2


def test_the_market_is_wanted_only_for_what_it_lists(tmp_path: Path) -> None:
    one = streamer(market(tmp_path, 0))
    assert not one.is_wanted
    session = enter(one, "NOPE,/ES")
    assert not one.is_wanted
    one.receive(session, json.dumps(equities("ADD", "SPY", "3")))
    assert one.is_wanted
    one.receive(session, json.dumps(equities("UNSUBS", "SPY")))
    assert not one.is_wanted
    one.receive(session, json.dumps(equities("SUBS", "SPY", "3")))
    one.disconnect(session)
    assert not one.is_wanted


def test_start_symbols_must_all_be_there(tmp_path: Path) -> None:
    spy = record(tmp_path / "a.csv", f"{START_MS}000000,SPY,1,1,,,,", f"{START_MS}000000,IBM,1,1,,,,")
    one = streamer(RecordedMarket(spy), start_symbols=("SPY", "IBM"))
    session = enter(one)
    assert not one.is_wanted
    one.receive(session, json.dumps(equities("ADD", "IBM", "3")))
    assert one.is_wanted
    with pytest.raises(ConfigError, match="the market has no QQQ"):
        streamer(RecordedMarket(spy), start_symbols=("QQQ",))


def test_a_cut_breaks_everything_and_the_rows_in_it_pass_unsent(tmp_path: Path) -> None:
    one = streamer(market(tmp_path, 0, 4.999, 5, 6, 7, 8), Cut(START_US + 5_000_000, 2.0))
    session = enter(one)
    run(one, 4.999)
    assert story(session) == ["r0", "r0", "t0", "t1", "t2"]
    one.step()
    assert (session.ending, one.live, one.in_cut, one.is_wanted) == (Ending.DROP, None, True, False)
    while one.in_cut:
        one.step()
    assert one.now_us == START_US + 7_000_000
    again = enter(one)
    image = read(again)[2]["data"][0]
    assert (image["timestamp"], image["content"][0]["3"]) == (START_MS + 7000, 4)
    run(one, 8)
    assert story(again) == ["t5", "t6"]
    assert story(session) == []


def test_a_cut_inside_a_millisecond_parts_its_rows(tmp_path: Path) -> None:
    """A row at the very microsecond of the cut is the first that is not sent, its end the first that is."""
    rows = [f"{START_MS}{micro:03d}999,SPY,{micro},1,,,," for micro in (1, 100, 101, 200, 300, 301)]
    made = RecordedMarket(record(tmp_path / "spy.csv", *rows))
    one = streamer(made, Cut(START_US + 101, 200e-6))
    session = enter(one)
    read(session)
    one.step()
    assert [item["3"] for item in read(session)[0]["data"][0]["content"]] == [1, 100]
    one.step()
    assert one.in_cut
    while one.in_cut:
        one.step()
    again = enter(one)
    assert read(again)[2]["data"][0]["content"][0]["3"] == 300
    run(one, 1)
    assert [item["3"] for item in read(again)[0]["data"][0]["content"]] == [301]


@pytest.mark.parametrize(
    "cuts",
    [
        [Cut(START_US - 1, 1.0)],
        [Cut(START_US, 0.0)],
        [Cut(START_US + 5_000_000, 2.0), Cut(START_US + 6_000_000, 2.0)],
    ],
)
def test_cuts_that_make_no_sense_are_refused(tmp_path: Path, cuts: list[Cut]) -> None:
    with pytest.raises(ConfigError, match="the cut at"):
        streamer(market(tmp_path, 0), *cuts)


def test_time_passes_but_not_past_the_next_event(tmp_path: Path) -> None:
    one = streamer(market(tmp_path, 0, 5))
    run(one, 0)
    one.pass_time(START_US + 3_000_000)
    assert one.now_us == START_US + 3_000_000
    one.pass_time(START_US + 9_000_000)
    assert one.now_us == START_US + 5_000_000
    one.pass_time(START_US)
    assert one.now_us == START_US + 5_000_000


def test_requests_are_counted(tmp_path: Path) -> None:
    one = streamer(market(tmp_path, 0))
    enter(one)
    assert one.counters.requests == [("ADMIN", "LOGIN", ()), ("LEVELONE_EQUITIES", "SUBS", ("SPY",))]
    assert one.counters.subscriptions == [("LEVELONE_EQUITIES", "SUBS", ("SPY",))]
    assert (one.counters.connections, one.counters.logins) == (1, 1)
