"""Symbols that Schwab does not send: named, asked for again ever more seldom, and no trouble to the others."""

from __future__ import annotations

from tests.feed.line import BEGIN, Line
from tests.feed.streams import settle
from tradeassistd.feed.frames import Frame


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
