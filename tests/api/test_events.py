"""The WebSocket with real clients: what comes to whom, and what becomes of those who do not keep up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.frames import Frame, Opcode

from tests.api.service import Service, received, rule, serving
from tradeassistd.api import events, hub
from tradeassistd.api.event_socket import FRAMES_WAITING_MAX, UNREAD_BYTES_MAX
from tradeassistd.api.hub import CLOSE_WITHIN_S, HEALTH_EVERY_S, PING_EVERY_S
from tradeassistd.engine.events import Connection, Gap
from tradeassistd.market.tick import Tick

TICKS = "?kinds=tick_update"


def kinds_of(messages: list[dict[str, Any]]) -> list[str]:
    return [message["kind"] for message in messages]


async def drained(client: ClientConnection) -> list[dict[str, Any]]:
    """Everything sent up to now: a ping is answered after it."""
    await client.send('{"kind": "ping", "id": "drained"}')
    found = []
    while (message := json.loads(await client.recv())) != {"kind": "pong", "id": "drained"}:
        found.append(message)
    return found


async def closed(client: ClientConnection) -> tuple[int, str, int]:
    """Code and reason of the close that ends the connection, and how many messages came before it."""
    count = 0
    try:
        while True:
            await client.recv()
            count += 1
    except ConnectionClosed as error:
        assert error.rcvd is not None, "the connection ended without a word"
        return error.rcvd.code, error.rcvd.reason, count


async def answered(client: ClientConnection, message: object) -> dict[str, Any]:
    await client.send(message if isinstance(message, str) else json.dumps(message))
    (found,) = await received(client, 1)
    return found


# --- what comes to whom -----------------------------------------------------------------------------------------------


async def test_without_asking_a_client_gets_everything_but_ticks(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.connect() as client:
        first, health = await received(client, 2)
        assert first == {"kind": "subscribed", "kinds": list(events.DEFAULT_KINDS), "symbols": []}
        assert (health["kind"], health["health"]["healthy"]) == ("health_status", True)
        service.market.drop()
        service.market.resume(after_s=1)
        fired = service.market.image("SPY", "101")
        await service.tell(fired, "phone", "slack")
        found = await drained(client)
        assert kinds_of(found) == ["connection_events", "connection_events", "rule_triggered", "alert_fired"]
        backoff, gap, triggered, alert = found
        assert (backoff["state"], backoff["reason"], backoff["gap_from"]) == ("backoff", "cut", None)
        assert (gap["state"], gap["gap_from"] < gap["gap_to"] <= gap["event_time"]) == ("gap", True)
        assert (triggered["rule"], triggered["change"], triggered["state"]) == ("r", "fired", "firing")
        assert alert["alert"]["id"] == fired[0].alert_id
        assert [one["channel"] for one in alert["alert"]["deliveries"]] == ["phone", "slack"]
        assert (await service.ask("/alerts")).document["alerts"][0] == alert["alert"]


async def test_ticks_come_in_order_and_whole_to_who_asks(tmp_path: Path) -> None:
    async with serving(tmp_path, rule("price > 1000")) as service, service.connect(TICKS) as client:
        service.market.image("SPY", "100", bid="99.99", ask="100.01")
        for number in range(200):
            service.market.trade("SPY", f"{100 + number % 7}.25", number + 1)
        found = (await drained(client))[1:]
        assert kinds_of(found) == ["tick_update"] * 201
        assert [one["event_us"] for one in found] == sorted({one["event_us"] for one in found})
        assert [one["size"] for one in found] == [None, *range(1, 201)]
        assert (found[0]["last"], found[0]["bid"], found[1]["last"]) == (100.0, 99.99, 100.25)


async def test_kinds_and_symbols_choose(tmp_path: Path) -> None:
    rules = (rule("price > 100", "spy"), rule("price > 5000", "es", symbols=("/ES",)))
    async with (
        serving(tmp_path, *rules) as service,
        service.connect("?kinds=tick_update&symbols=/ES") as es_ticks,
        service.connect("?kinds=rule_triggered,alert_fired&kinds=tick_update&symbols=SPY,QQQ") as spy,
        service.connect("?symbols=/ES") as es,
    ):
        clients = (es_ticks, spy, es)
        for client in clients:
            await drained(client)
        for symbol, price in (("SPY", "101"), ("/ES", "5100"), ("$VIX", "20")):
            fired = service.market.image(symbol, price)
            if fired:
                await service.tell(fired, "slack")
        service.market.drop()
        found = [await drained(client) for client in clients]
        assert [(one["kind"], one["symbol"]) for one in found[0]] == [("tick_update", "/ES")]
        assert kinds_of(found[1]) == ["tick_update", "rule_triggered", "alert_fired"]
        assert {one.get("symbol") or one["alert"]["symbol"] for one in found[1]} == {"SPY"}
        # The connection concerns everybody who asked for it, whatever the symbols.
        assert kinds_of(found[2]) == ["rule_triggered", "alert_fired", "connection_events"]


async def test_a_gap_of_named_symbols_comes_to_who_watches_one_of_them(tmp_path: Path) -> None:
    query = "?kinds=connection_events&symbols="
    async with (
        serving(tmp_path) as service,
        service.connect(query + "SPY") as spy,
        service.connect(query + "/ES") as es,
    ):
        await drained(spy)
        await drained(es)
        service.hub.listen(Gap(5, 1, 4, "backfill failed", ("SPY", "QQQ")), [])
        assert [one["symbols"] for one in await drained(spy)] == [["SPY", "QQQ"]]
        assert await drained(es) == []


async def test_a_suppressed_alert_is_a_triggered_rule_and_no_fired_alert(tmp_path: Path) -> None:
    async with serving(tmp_path, rule("price > 100", at_load="quiet")) as service, service.connect() as client:
        await drained(client)
        await service.tell(service.market.image("SPY", "101"))
        (one,) = await drained(client)
        assert (one["kind"], one["suppressed"]) == ("rule_triggered", "at_load")


async def test_a_subscription_can_be_changed_and_the_answer_says_what_is_in_force(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.connect(TICKS) as client:
        await drained(client)
        said = await answered(client, {"kind": "subscribe", "kinds": ["rule_triggered"], "symbols": ["SPY"]})
        assert said == {"kind": "subscribed", "kinds": ["rule_triggered"], "symbols": ["SPY"]}
        service.market.image("SPY", "101")
        assert kinds_of(await drained(client)) == ["rule_triggered"]
        said = await answered(client, {"kind": "subscribe"})
        assert said["kinds"] == list(events.DEFAULT_KINDS)
        assert kinds_of(await drained(client)) == ["health_status"]
        await answered(client, {"kind": "subscribe", "kinds": []})
        service.market.drop()
        assert await drained(client) == []


async def test_health_comes_when_it_changes_and_as_a_sign_of_life(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.connect("?kinds=health_status") as client:
        assert kinds_of(await drained(client)) == ["subscribed", "health_status"]
        await service.look(1)
        assert await drained(client) == []
        service.status["feed"]["state"] = "backoff"
        await service.look(1)
        assert [one["health"]["healthy"] for one in await drained(client)] == [False]
        await service.look(HEALTH_EVERY_S - 1)
        assert await drained(client) == []
        await service.look(1)
        assert kinds_of(await drained(client)) == ["health_status"]


async def test_health_is_not_worked_out_while_nobody_asks(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.connect(TICKS) as client:
        service.status.clear()  # working it out would raise
        await service.look(HEALTH_EVERY_S)
        assert kinds_of(await drained(client)) == ["subscribed"]


async def test_the_hub_looks_after_its_clients_by_itself(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.connect("?kinds=health_status") as client:
        await drained(client)
        service.status["feed"]["state"] = "backoff"
        assert service.clock.pauses_s == [hub.LOOK_EVERY_S]
        service.clock.pass_time(hub.LOOK_EVERY_S)
        (one,) = await received(client, 1)
        assert one["health"]["problems"] == ["feed backoff"]


# --- messages of a client --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [7, "abc", None])
async def test_a_ping_is_answered_with_its_id(given: object, tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.connect(TICKS) as client:
        await received(client, 1)
        assert await answered(client, {"kind": "ping", "id": given}) == {"kind": "pong", "id": given}
        pong = await client.ping()
        await pong


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("not json", "Invalid JSON"),
        ("[]", "should be an object"),
        ({"kind": "order"}, "'subscribe', 'ping'"),
        ({"kind": "subscribe", "kinds": ["ticks"]}, "tick_update"),
        ({"kind": "subscribe", "symbols": ["ES 500"]}, "'ES 500' is not a symbol; write it as Schwab does"),
        ({"kind": "subscribe", "symbols": ["SPY"] * (events.SYMBOLS_MAX + 1)}, "at most 1000"),
        ({"kind": "ping", "id": "x" * 101}, "at most 100 characters"),
        ({"kind": "ping", "di": 1}, "not permitted"),
    ],
)
async def test_a_message_that_means_nothing_is_answered_and_changes_nothing(
    message: object, says: str, tmp_path: Path
) -> None:
    async with serving(tmp_path) as service, service.connect(TICKS) as client:
        await received(client, 1)
        said = await answered(client, message)
        assert said["kind"] == "error"
        assert says in said["message"]
        service.market.image("SPY", "99")
        assert kinds_of(await received(client, 1)) == ["tick_update"]


async def test_a_message_in_pieces_is_one_message(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.connect(TICKS) as client:
        await received(client, 1)
        await client.send(['{"kind": "pi', 'ng", "id', '": 3}'])
        assert await received(client, 1) == [{"kind": "pong", "id": 3}]


async def test_a_message_that_is_too_long_ends_the_connection(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.connect(TICKS) as client:
        await client.send("x" * 70_000)
        assert (await closed(client))[0] == 1009
        await until_gone(service)


@pytest.mark.parametrize(
    ("target", "options", "status", "says"),
    [
        ("?kinds=ticks", {}, 400, "tick_update"),
        ("?symbols=ES%20500", {}, 400, "is not a symbol"),
        ("?colour=red", {}, 400, "not permitted"),
        ("/more", {}, 404, "events are at /events"),
        ("", {"origin": "https://attacker.example"}, 403, "Origin"),
    ],
)
async def test_a_handshake_that_does_not_fit_is_refused_in_words(
    target: str, options: dict[str, Any], status: int, says: str, tmp_path: Path
) -> None:
    async with serving(tmp_path) as service:
        with pytest.raises(InvalidStatus) as refused:
            await service.connect(target, **options)
        assert refused.value.response.status_code == status
        assert says in (refused.value.response.body or b"").decode()
        assert service.hub.status().clients == 0


# --- limits ----------------------------------------------------------------------------------------------------------


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


async def until_gone(service: Service) -> None:
    """Return when no socket is left."""
    await service.hub.empty.wait()
    assert service.hub.status().clients == 0


async def stuck(service: Service) -> socket.socket:
    """A client that shakes hands, asks for ticks and then never reads again."""
    raw = socket.socket(socket.AF_UNIX)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, str(service.path))
    await loop.sock_sendall(raw, (
        f"GET /events{TICKS} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode())  # fmt: skip
    answer = b""
    while b"subscribed" not in answer:
        answer += await loop.sock_recv(raw, 4096)
    return raw


async def flood(service: Service, keen: ClientConnection, until_cut: int) -> int:
    """Ticks until that many clients were cut; the keen one gets every one of them. Gives how many there were."""
    sent = 0
    while service.hub.status().cut < until_cut:
        for _ in range(500):
            service.market.trade("SPY", "99")
        sent += 500
        assert kinds_of(await received(keen, 500)) == ["tick_update"] * 500
        assert sent < 100_000
    return sent


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
            raw.settimeout(10)
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


# --- the engine's side -----------------------------------------------------------------------------------------------


async def test_an_event_that_nobody_wants_is_not_even_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path) as service, service.connect("?kinds=tick_update&symbols=/ES") as client:
        await drained(client)
        for name in ("TickUpdate", "RuleTriggered", "ConnectionEvents", "AlertFired"):
            monkeypatch.setattr(f"tradeassistd.api.hub.{name}", None)  # to use it would raise
        await service.tell(service.market.image("SPY", "101"), "slack")
        service.market.drop()
        assert await drained(client) == []
        assert service.hub.status().events == 0


@pytest.mark.parametrize("broken", ["TickUpdate", "RuleTriggered", "AlertFired"])
async def test_a_defect_in_an_event_ends_the_clients_and_not_the_engine(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "?kinds=tick_update,rule_triggered,alert_fired"
    async with serving(tmp_path) as service:
        async with service.connect(query) as client:
            await drained(client)
            with monkeypatch.context() as patch:
                patch.setattr(f"tradeassistd.api.hub.{broken}", None)
                await service.tell(service.market.image("SPY", "101"), "slack")
            assert (await closed(client))[0] == 1011
        async with service.connect(query) as client:
            await drained(client)
            service.market.trade("SPY", "99")
            assert kinds_of(await drained(client)) == ["tick_update", "rule_triggered"]


async def test_what_is_sent_is_what_the_models_say(tmp_path: Path) -> None:
    """Every event there is, from real ones, holds exactly the documented fields."""
    rules = (rule("price > 100", "state", for_s=1), rule("price crosses any [99, 101]", "levels"))
    async with serving(tmp_path, *rules) as service, service.connect(f"?kinds={','.join(events.KINDS)}") as client:
        service.market.image("SPY", "98")
        for price in ("100.5", "100", "102"):
            service.market.trade("SPY", price)
            service.market.wait(1)
        for fired in service.market.fired():
            await service.tell([fired], "slack")
        service.hub.listen(Connection(service.market.now_us + 1, "live", ""), [])
        service.market.drop()
        service.market.resume()
        found = await drained(client)
    models = {model.model_fields["kind"].default: model for model in (
        events.TickUpdate, events.AlertFired, events.RuleTriggered, events.HealthStatus, events.ConnectionEvents,
        events.Subscribed,
    )}  # fmt: skip
    assert set(kinds_of(found)) == set(models)
    for one in found:
        model = models[one["kind"]]
        assert model(**one).model_dump(mode="json") == one
        assert set(one) == set(model.model_fields)
    assert {one["change"] for one in found if one["kind"] == "rule_triggered"} >= {"pending", "fired"}


async def test_every_tick_counts_once_however_many_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Tick] = []

    def counted(tick: Tick) -> events.TickUpdate:
        made.append(tick)
        return original(tick)

    original = events.TickUpdate.of
    monkeypatch.setattr(events.TickUpdate, "of", counted)
    async with serving(tmp_path) as service, service.connect(TICKS) as one, service.connect(TICKS) as other:
        service.market.image("SPY", "99")
        assert await drained(one) == await drained(other)
        assert len(made) == 1
