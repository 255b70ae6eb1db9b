"""The WebSocket with real clients: how many there may be, and what becomes of those who do not keep up."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.frames import Frame, Opcode

from tests.api.service import received, serving
from tests.api.websocket import TICKS, closed, drained, flood, kinds_of, stuck, until_gone
from tradeassistd.api import hub
from tradeassistd.api.event_socket import FRAMES_WAITING_MAX, UNREAD_BYTES_MAX
from tradeassistd.api.hub import CLOSE_WITHIN_S, PING_EVERY_S


async def test_an_eleventh_client_is_refused_and_counted_until_one_leaves(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(service.connect(TICKS)) for _ in range(10)]
        for _ in range(2):
            with pytest.raises(InvalidStatus) as refused:
                await service.connect(TICKS)
            assert refused.value.response.status_code == 503
            assert refused.value.response.body == b"10 clients are connected already\n"
        assert service.hub.status().refused == 2
        service.market.image("SPY", "99")
        for client in clients:
            assert kinds_of(await drained(client)) == ["subscribed", "tick_update"]
        assert service.hub.status().events == 1  # made once for all
        await clients[3].close()
        async with service.connect(TICKS) as late:
            assert kinds_of(await received(late, 1)) == ["subscribed"]


async def test_a_client_that_does_not_read_is_cut_and_the_others_miss_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.connect(TICKS) as keen:
        await received(keen, 1)
        raw = await stuck(service)
        with raw:
            sent = await flood(service, keen, 1)
            assert sent > FRAMES_WAITING_MAX
            assert service.hub.status().clients == 1  # its place is free at once
            async with service.connect(TICKS) as late:
                await received(late, 1)
                service.market.trade("SPY", "99")
                assert kinds_of(await received(late, 1)) == kinds_of(await received(keen, 1)) == ["tick_update"]
            # It does not answer the good-bye either: in the end its socket is taken away.
            await service.look(CLOSE_WITHIN_S)
            raw.settimeout(60)
            read = await asyncio.to_thread(lambda: sum(map(len, iter(lambda: raw.recv(65_536), b""))))
            assert 0 < read < sent * 230


async def test_a_slow_client_that_reads_again_finds_out_why_it_was_cut(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.connect(TICKS) as keen:
        await received(keen, 1)
        # It takes in two messages and then nothing until it is asked for them.
        async with service.connect(TICKS, max_queue=2, ping_interval=None) as slow:
            sent = await flood(service, keen, 1)
            got: list[dict[str, Any]] = []
            with pytest.raises(ConnectionClosedError) as ended:
                while True:
                    got += await received(slow, 1)
            assert ended.value.rcvd is not None
            assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (1013, hub.TOO_SLOW)
            ticks = [one["event_us"] for one in got[1:]]
            assert ticks == sorted(ticks) and 0 < len(ticks) < sent
        assert service.hub.status().clients == 1


async def test_a_client_that_asks_and_does_not_read_is_cut(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        with await stuck(service) as raw:
            ping = Frame(Opcode.PING, b"x" * 125).serialize(mask=True)
            loop = asyncio.get_running_loop()
            sent = 0
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                while service.hub.status().clients:
                    await loop.sock_sendall(raw, ping * 100)
                    sent += 100 * 127
                    assert sent < 20 * UNREAD_BYTES_MAX
            await until_gone(service)
            assert service.hub.status().cut == 1


async def test_a_client_that_does_not_answer_a_ping_is_cut(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.connect(TICKS) as alive:
        with await stuck(service):
            await service.look(PING_EVERY_S)
            await drained(alive)  # its pong comes before the answer to this
            assert service.hub.status().clients == 2
            await service.look(PING_EVERY_S)
            assert (service.hub.status().clients, service.hub.status().cut) == (1, 1)
            await drained(alive)


async def test_a_client_that_vanishes_leaves_nothing_behind(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        for _ in range(3):
            (await stuck(service)).close()
        await until_gone(service)
        service.market.image("SPY", "99")
        assert (service.hub.status().cut, service.hub.status().events) == (0, 0)


async def test_at_the_stop_clients_are_told_and_stuck_ones_hold_nothing_up(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        client = await service.connect(TICKS)
        raw = await stuck(service)
        reading = asyncio.create_task(closed(client))
        for _ in range(3_000):
            service.market.trade("SPY", "99")
    # The service has stopped here.
    assert await reading == (1001, "the daemon stops", 3_001)
    raw.close()
    assert not service.path.exists()
