"""The connection's state machine against a stream that breaks in every way, on a clock moved by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.feed.line import BEGIN, Line
from tests.feed.streams import settle, until
from tradeassistd.base.errors import PermanentError, TransientError
from tradeassistd.feed.connection import (
    CHARTS_AGAIN_S,
    CLOSE_WITHIN_S,
    FRAME_WITHIN_S,
    LOGIN_WITHIN_S,
    SUBSCRIBE_WITHIN_S,
)
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.refusals import LoginDenied, LoginNeeded, Replaced


async def test_states_come_in_order_and_frames_between_them() -> None:
    line = Line({"frames": 2}, {})
    assert line.loop.state == "stopped"
    async with line.running():
        assert line.story() == [*BEGIN, "frame", "frame", "backoff: the line dropped"]
        assert (line.loop.state, line.loop.reason) == ("backoff", "the line dropped")
        assert line.streams[0].closed == 1
        await line.clock.step(1)
        assert line.story() == BEGIN
        assert (line.loop.state, line.loop.reason, line.loop.connections) == ("live", "", 2)
    assert len(line.streams) == 2, "a fresh stream for each connection"
    assert line.streams[1].closed == 1, "a stop closes the stream too"


async def test_what_is_wanted_now_is_subscribed_and_the_sentinel_with_it() -> None:
    line = Line({"frames": 0})
    async with line.running():
        line.wanted = ("SPY", "$VIX", "SPY")
        await line.clock.step(60)
        line.wanted = ()
        await line.clock.step(60)
    assert [stream.subscribed for stream in line.streams] == [("/ES", "QQQ", "SPY"), ("SPY", "$VIX"), ("SPY",)]


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (("/ES",), ("/ES", "QQQ"), [("add", ("QQQ",))]),
        (("/ES", "QQQ"), ("/ES",), [("drop", ("QQQ",))]),
        (("/ES", "QQQ"), ("$VIX", "/ES"), [("add", ("$VIX",)), ("drop", ("QQQ",))]),
        (("/ES", "SPY"), (), [("drop", ("/ES",))]),
        (("/ES",), ("/ES",), []),
    ],
)
async def test_new_symbols_are_added_before_old_ones_are_dropped_and_the_sentinel_stays(
    before: tuple[str, ...], after: tuple[str, ...], changes: list[tuple[str, tuple[str, ...]]]
) -> None:
    line = Line({}, wanted=before)
    async with line.running():
        line.wanted = after
        for _ in range(2):
            line.streams[0].send(Frame(1))
            await settle()
        assert line.streams[0].changes == changes
        assert not line.loop.unanswered
        assert line.loop.state == "live"


@pytest.mark.parametrize(
    ("fault", "reason"), [("hangs", "no answer while live"), (TransientError("code 19"), "code 19")]
)
async def test_an_add_that_fails_costs_the_connection_and_the_next_one_wants_it_all(
    fault: Exception | str, reason: str
) -> None:
    line = Line({"add": fault}, {})
    async with line.running():
        line.wanted = ("/ES", "QQQ", "$VIX")
        line.streams[0].send(Frame(1))
        await settle()
        assert line.loop.unanswered == {"$VIX"}
        await line.clock.step(SUBSCRIBE_WITHIN_S * (fault == "hangs"))
        assert (line.loop.state, line.loop.reason) == ("backoff", reason)
        await line.clock.step(1)
        assert line.streams[1].subscribed == ("/ES", "QQQ", "$VIX", "SPY")
        assert line.loop.unanswered == frozenset()


@pytest.mark.parametrize(
    ("plan", "states"),
    [
        ({"open": TransientError("no route")}, ["connecting", "backoff: no route"]),
        ({"login": TransientError("503")}, ["connecting", "logging_in", "backoff: 503"]),
        ({"subscribe": TransientError("code 21")}, [*BEGIN[:3], "backoff: code 21"]),
        ({"login": Replaced("taken", hint="one stream per user")},
         ["connecting", "logging_in", "replaced: taken (one stream per user)"]),
        ({"login": LoginNeeded("token dead")}, ["connecting", "logging_in", "auth_needed: token dead"]),
        ({"login": LoginDenied("code 3")}, ["connecting", "logging_in", "auth_needed: code 3"]),
        ({"subscribe": LoginDenied("code 3", hint="log in")}, [*BEGIN[:3], "backoff: code 3"]),
        ({"login": TimeoutError()}, ["connecting", "logging_in", "backoff: no answer while logging_in"]),
    ],
)  # fmt: skip
async def test_each_way_to_fail_has_its_state(plan: dict[str, Any], states: list[str]) -> None:
    line = Line(plan)
    async with line.running():
        assert line.story() == states
        assert line.loop.connections == 0


@pytest.mark.parametrize(
    ("plan", "within_s", "reason"),
    [
        ({"login": "hangs"}, LOGIN_WITHIN_S, "no answer while logging_in"),
        ({"subscribe": "hangs"}, SUBSCRIBE_WITHIN_S, "no answer while subscribing"),
        ({}, FRAME_WITHIN_S, "no answer while live"),
    ],
)
async def test_every_step_has_a_deadline(plan: dict[str, Any], within_s: float, reason: str) -> None:
    line = Line(plan)
    async with line.running():
        await line.clock.step(within_s - 0.001)
        assert line.loop.state != "backoff"
        await line.clock.step(0.001)
        assert (line.loop.state, line.loop.reason) == ("backoff", reason)
        assert line.streams[0].closed == 1


async def test_any_frame_starts_the_deadline_of_a_mute_line_anew() -> None:
    line = Line({})
    async with line.running():
        for _ in range(5):
            await line.clock.step(FRAME_WITHIN_S - 1)
            assert line.loop.state == "live"
            line.streams[0].send(Frame(1))
            await settle()
        await line.clock.step(FRAME_WITHIN_S)
        assert line.loop.reason == "no answer while live"


async def test_a_peer_that_does_not_say_goodbye_holds_nobody_up() -> None:
    line = Line({"frames": 0, "close": "hangs"}, {})
    async with line.running():
        await line.clock.step(CLOSE_WITHIN_S)
        await line.clock.step(1)
        assert line.loop.state == "live"


@pytest.mark.parametrize("error", [OSError("already closed"), TimeoutError(), TransientError("no close frame")])
async def test_a_goodbye_that_fails_is_no_news(error: Exception) -> None:
    line = Line({"frames": 0, "close": error}, {})
    async with line.running():
        await line.clock.step(1)
        assert line.loop.state == "live"


async def test_a_stream_that_sends_nothing_at_all_is_no_connection() -> None:
    line = Line({"refuses": dict.fromkeys(("/ES", "QQQ", "SPY"), "code 9")})
    async with line.running():
        assert line.loop.reason == "Schwab refused every symbol: code 9"
        assert line.loop.connections == 0


# --- what it says of itself ------------------------------------------------------------------------------------------


async def test_the_history_knows_how_long_each_state_took() -> None:
    line = Line({"login": TransientError("503")}, {})
    async with line.running():
        await line.clock.step(1)
        line.streams[1].send(Frame(1))
        await settle()
        await line.clock.step(30)
        status = line.loop.history.status()
        assert status["spent_s"] == {"stopped": 0, "connecting": 0, "logging_in": 0, "backoff": 1, "subscribing": 0,
                                     "live": 30}  # fmt: skip
        assert (status["state"], status["in_state_s"]) == ("live", 30)
        assert [change["state"] for change in status["changes"]] == [*BEGIN[:2], "backoff", *BEGIN]


async def test_a_complaint_makes_it_degraded_until_it_is_taken_back() -> None:
    line = Line({})
    heard: list[str] = []
    line.loop.listeners.append(lambda state, reason: heard.append(state))
    async with line.running():
        line.loop.complain("mute", "$TICK is mute")
        line.loop.complain("mute", "$TICK is mute")
        line.loop.complain("delayed", "SPY is delayed")
        line.loop.complain("mute", "")
        line.loop.complain("delayed", "")
        assert line.story()[3:] == ["live", "degraded: $TICK is mute", "degraded: $TICK is mute; SPY is delayed",
                                    "degraded: SPY is delayed", "live"]  # fmt: skip
        assert heard[3:] == ["live", "degraded", "degraded", "degraded", "live"]


async def test_being_replaced_while_live_is_said_as_such() -> None:
    line = Line({})
    async with line.running():
        line.story()
        line.streams[0].send(Replaced("another program took the stream"))
        await settle()
        assert line.story() == ["replaced: another program took the stream"]


async def test_what_the_loop_does_not_know_ends_it_with_the_stream_closed() -> None:
    line = Line({})
    async with line.running() as task:
        line.streams[0].send(PermanentError("a defect"))
        await settle()
        with pytest.raises(PermanentError):
            await task
        assert line.streams[0].closed == 1


# --- what others notice ----------------------------------------------------------------------------------------------


async def test_a_line_that_is_of_no_use_is_given_up_at_once_with_its_reason() -> None:
    line = Line({}, {})
    async with line.running():
        line.loop.give_up("mute: no row since 09:41:12")
        line.loop.give_up("said twice")
        await settle()
        assert (line.loop.state, line.loop.reason) == ("backoff", "mute: no row since 09:41:12")
        line.loop.give_up("it is not on line")
        await line.clock.step(1)
        assert line.loop.state == "live"
        await line.clock.step(FRAME_WITHIN_S)
        assert line.loop.reason == "no answer while live"


async def test_a_symbol_is_subscribed_once_more_with_the_next_frame_and_only_once() -> None:
    line = Line({})
    async with line.running():
        line.loop.add_again(("QQQ", "NOT WANTED"))
        for _ in range(3):
            line.streams[0].send(Frame(1))
            await settle()
        assert line.streams[0].changes == [("add", ("QQQ",))]


# --- charts ----------------------------------------------------------------------------------------------------------


async def test_charts_are_asked_for_once_it_is_live_and_follow_what_is_wanted() -> None:
    line = Line({"refuses": {"QQQ": "unknown"}})
    async with line.running():
        (stream,) = line.streams
        assert stream.charted == ("/ES", "SPY")
        line.wanted = ("/NQ",)
        stream.send(Frame(1))
        await until(lambda: stream.charted == ("/NQ", "SPY"))


@pytest.mark.parametrize("breaks", ["hangs", TransientError("closed over it")])
async def test_a_connection_that_breaks_over_charts_was_live_and_the_next_ones_go_without(breaks: Any) -> None:
    line = Line({"chart": breaks}, {"frames": 1}, {})
    async with line.running():
        assert line.loop.connections == 1 and "live" in line.story()
        if breaks == "hangs":
            await line.clock.step(SUBSCRIBE_WITHIN_S)
        assert line.loop.state == "backoff"
        await line.clock.step(line.waits_s)
        await line.clock.step(line.waits_s)
        assert [stream.charted for stream in line.streams[1:]] == [(), ()]
        line.streams[-1].send(TransientError("an hour later"))
        await settle()
        await line.clock.step(max(line.waits_s, CHARTS_AGAIN_S))
        await until(lambda: line.streams[-1].charted)
