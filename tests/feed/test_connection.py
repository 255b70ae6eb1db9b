"""The connection's state machine against a stream that breaks in every way, on a clock moved by hand."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.feed.streams import FakeStream, SteppedClock, settle, until
from tradeassistd.base.errors import PermanentError, TransientError
from tradeassistd.feed.connection import (
    BACKOFF_MAX_S,
    CHARTS_AGAIN_S,
    CLOSE_WITHIN_S,
    FRAME_WITHIN_S,
    LOGIN_NEEDED_WAIT_S,
    LOGIN_WITHIN_S,
    REPLACED_WAITS_S,
    STEADY_AFTER_S,
    SUBSCRIBE_WITHIN_S,
    ConnectionLoop,
)
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.queue import FRAMES_QUEUED_MAX, FrameQueue
from tradeassistd.feed.refusals import LoginNeeded, Replaced
from tradeassistd.feed.states import ConnectionChange


class NoLuck(random.Random):
    """Full jitter that always waits to the limit, so that the limits can be seen."""

    def __init__(self) -> None:
        super().__init__()
        self.limits: list[float] = []

    def uniform(self, a: float, b: float) -> float:
        assert a == 0.0
        self.limits.append(b)
        return b


class Line:
    """A connection loop over streams made to order: `plans` says how each breaks, the last one again and again."""

    def __init__(self, *plans: dict[str, Any], wanted: tuple[str, ...] = ("/ES", "QQQ")) -> None:
        self.clock = SteppedClock()
        self.queue = FrameQueue()
        self.chance = NoLuck()
        self.streams: list[FakeStream] = []
        self.wanted = wanted
        self._plans = plans
        self.loop = ConnectionLoop(self._open, self.queue, lambda: self.wanted, self.clock, chance=self.chance)

    def _open(self, put: Callable[[Frame], None]) -> FakeStream:
        plan = self._plans[min(len(self.streams), len(self._plans) - 1)]
        if "open" in plan:
            raise plan["open"]
        self.streams.append(FakeStream(put, **plan))
        return self.streams[-1]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.loop.run())
        await settle()
        yield task
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    @property
    def waits_s(self) -> float:
        """How long the pause under way still lasts."""
        (end_s,) = self.clock.pauses_s
        return end_s - self.clock.elapsed_s()

    def story(self) -> list[str]:
        """States and frames in the order the engine sees them, taken off the queue."""
        entries = self.queue.take(len(self.queue))
        return [
            f"{entry.state}: {entry.reason}".rstrip(": ") if isinstance(entry, ConnectionChange) else "frame"
            for entry in entries
        ]


BEGIN = ["connecting", "logging_in", "subscribing", "live"]


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
        await line.clock.step(SUBSCRIBE_WITHIN_S * (fault == "hangs"))
        assert (line.loop.state, line.loop.reason) == ("backoff", reason)
        await line.clock.step(1)
        assert line.streams[1].subscribed == ("/ES", "QQQ", "$VIX", "SPY")


@pytest.mark.parametrize(
    ("plan", "states"),
    [
        ({"open": TransientError("no route")}, ["connecting", "backoff: no route"]),
        ({"login": TransientError("503")}, ["connecting", "logging_in", "backoff: 503"]),
        ({"subscribe": TransientError("code 21")}, [*BEGIN[:3], "backoff: code 21"]),
        ({"login": Replaced("taken", hint="one stream per user")},
         ["connecting", "logging_in", "replaced: taken (one stream per user)"]),
        ({"login": LoginNeeded("token dead")}, ["connecting", "logging_in", "auth_needed: token dead"]),
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


@pytest.mark.parametrize("error", [OSError("already closed"), TimeoutError()])
async def test_a_goodbye_that_fails_is_no_news(error: Exception) -> None:
    line = Line({"frames": 0, "close": error}, {})
    async with line.running():
        await line.clock.step(1)
        assert line.loop.state == "live"


# --- back-off --------------------------------------------------------------------------------------------------------


async def test_the_limit_doubles_with_each_failure_up_to_a_minute() -> None:
    line = Line({"login": TransientError("503")})
    async with line.running():
        for expected_s in (1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60, 60):
            assert line.waits_s == expected_s
            await line.clock.step(expected_s)
    assert max(line.chance.limits) == BACKOFF_MAX_S


@given(st.integers())
def test_the_wait_lies_anywhere_below_the_limit_and_the_same_chance_waits_the_same(seed: int) -> None:
    async def waits(chance: random.Random) -> list[float]:
        line = Line({"login": TransientError("503")})
        line.loop._chance = chance
        found = []
        async with line.running():
            for _ in range(8):
                found.append(line.waits_s)
                await line.clock.step(line.waits_s)
        return found

    first, again = (asyncio.run(waits(random.Random(seed))) for _ in range(2))
    assert first == again
    assert len(set(first)) > 1
    assert all(0 <= wait_s <= limit_s for wait_s, limit_s in zip(first, (1, 2, 4, 8, 16, 32, 60, 60), strict=True))


@pytest.mark.parametrize(("live_s", "next_limit_s"), [(STEADY_AFTER_S - 0.5, 16), (STEADY_AFTER_S, 1)])
async def test_only_a_connection_that_lived_a_minute_starts_the_back_off_anew(
    live_s: float, next_limit_s: float
) -> None:
    line = Line(*[{"login": TransientError("503")}] * 4, {})
    async with line.running():
        for wait_s in (1, 2, 4, 8):
            await line.clock.step(wait_s)
        assert line.loop.state == "live"
        lived_s = 0.0
        while lived_s < live_s:  # frames keep coming
            part_s = min(30.0, live_s - lived_s)
            await line.clock.step(part_s)
            lived_s += part_s
            line.streams[-1].send(Frame(1))
            await settle()
        line.streams[-1].send(TransientError("reset"))
        await settle()
        assert line.waits_s == next_limit_s


async def test_time_spent_logging_in_is_not_time_spent_live() -> None:
    line = Line({"login": "hangs"})
    async with line.running():
        await line.clock.step(LOGIN_WITHIN_S)
        await line.clock.step(1)
        await line.clock.step(LOGIN_WITHIN_S)
        await line.clock.step(2)
        await line.clock.step(LOGIN_WITHIN_S)
        assert line.waits_s == 4


@pytest.mark.parametrize(
    ("error", "state", "wait_s"),
    [(Replaced("taken"), "replaced", REPLACED_WAITS_S[0]), (LoginNeeded("dead"), "auth_needed", LOGIN_NEEDED_WAIT_S)],
)
async def test_another_program_s_stream_and_a_dead_token_wait_minutes_and_count_as_no_failure(
    error: Exception, state: str, wait_s: float
) -> None:
    line = Line({}, {"login": error}, {"login": TransientError("503")})
    async with line.running():
        line.streams[0].send(TransientError("reset"))
        await settle()
        await line.clock.step(1)
        assert line.loop.state == state
        assert line.waits_s == wait_s
        await line.clock.step(wait_s - 1)
        assert line.loop.state == state
        await line.clock.step(1)
        assert line.waits_s == 2, "the back-off goes on where it was"


async def test_who_is_replaced_again_and_again_waits_longer_and_does_not_fight() -> None:
    line = Line({"login": Replaced("taken")})
    async with line.running():
        for wait_s in (300, 600, 900, 900):
            assert line.waits_s == wait_s
            await line.clock.step(wait_s)


@pytest.mark.parametrize("error", [Replaced("taken"), LoginNeeded("dead"), TransientError("503")])
async def test_who_waits_can_be_woken(error: Exception) -> None:
    line = Line({"login": error}, {})
    async with line.running():
        line.loop.wake()
        await settle()
        assert line.loop.state == "live"
        assert not line.clock.pauses_s, "the rest of the wait is given up"


# --- what Schwab refuses ---------------------------------------------------------------------------------------------


async def test_a_refused_symbol_is_named_and_the_others_go_on() -> None:
    line = Line({"refuses": {"QQQ": "code 19"}})
    async with line.running():
        assert line.story() == [*BEGIN[:3], "degraded: not watched: QQQ (code 19)"]
        assert line.loop.refused == {"QQQ": "code 19"}
        assert line.loop.is_on_line and line.loop.connections == 1


async def test_refused_symbols_are_asked_for_again_ever_more_seldom_until_they_come() -> None:
    line = Line({"refuses": {"QQQ": "code 11"}})
    async with line.running():
        line.story()
        stream = line.streams[0]
        for wait_s in (60, 120, 240):
            for _ in range(wait_s // 20 - 1):
                await line.clock.step(20)
                stream.send(Frame(1))
                await settle()
            asked = len(stream.changes)
            await line.clock.step(20)
            stream.send(Frame(1))
            await settle()
            assert stream.changes[asked:] == [("add", ("QQQ",))]
        stream.refuses = {}
        for _ in range(480 // 20):
            await line.clock.step(20)
            stream.send(Frame(1))
            await settle()
        assert [entry for entry in line.story() if entry != "frame"] == ["live"]
        assert line.loop.refused == {}


async def test_a_refused_symbol_that_nobody_wants_any_more_is_forgotten_and_not_dropped() -> None:
    line = Line({"refuses": {"QQQ": "code 19"}})
    async with line.running():
        line.wanted = ("/ES",)
        line.streams[0].send(Frame(1))
        await settle()
        assert line.streams[0].changes == []
        assert (line.loop.state, line.loop.refused) == ("live", {})


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


# --- the queue -------------------------------------------------------------------------------------------------------


async def test_the_reader_stops_reading_while_the_engine_is_far_behind() -> None:
    line = Line({"frames": 3 * FRAMES_QUEUED_MAX})
    async with line.running():
        await until(lambda: line.queue.held_back == 1)
        full = len(line.queue)
        assert full == FRAMES_QUEUED_MAX
        await line.clock.step(10 * FRAME_WITHIN_S)
        assert len(line.queue) == full, "held back is not mute"
        assert line.loop.state == "live"
        line.queue.take(FRAMES_QUEUED_MAX // 2)
        await settle()
        assert len(line.queue) == full - FRAMES_QUEUED_MAX // 2, "still too much to read on"
        line.queue.take(1)
        await until(lambda: line.queue.held_back == 2)
        assert len(line.queue) == FRAMES_QUEUED_MAX


async def test_a_queue_gives_in_order_and_says_when_there_is_something() -> None:
    queue = FrameQueue()
    waiting = asyncio.create_task(queue.filled())
    await settle()
    assert not waiting.done()
    for number in range(5):
        queue.put(Frame(number))
    await waiting
    assert [entry.header_ms for entry in queue.take(3) if isinstance(entry, Frame)] == [0, 1, 2]
    await queue.filled()
    assert len(queue.take(99)) == 2
    assert queue.take(99) == []
    again = asyncio.create_task(queue.filled())
    await settle()
    assert not again.done()
    queue.put(Frame(9))
    await again


async def test_putting_never_waits_even_when_there_is_no_room() -> None:
    queue = FrameQueue()
    for number in range(FRAMES_QUEUED_MAX + 10):
        queue.put(Frame(number))
    assert len(queue) == FRAMES_QUEUED_MAX + 10
    room = asyncio.create_task(queue.room())
    await settle()
    assert not room.done() and queue.held_back == 1
    queue.take(FRAMES_QUEUED_MAX)
    await room
    await queue.room()
    assert queue.held_back == 1


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


async def test_a_line_that_is_given_up_while_the_queue_is_full_goes_before_the_next_frame() -> None:
    line = Line({}, {})
    async with line.running():
        for number in range(FRAMES_QUEUED_MAX):
            line.queue.put(Frame(number + 1))
        line.streams[0].send(Frame(1))
        await settle()
        line.loop.give_up("mute")
        line.story()
        await settle()
        assert (line.loop.state, line.loop.reason) == ("backoff", "mute")


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
