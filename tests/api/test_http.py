"""HTTP over the real Unix socket: every route, its filters, its failures."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.api.service import Acknowledged, Firing, Reloaded, Service, a_status, rule, serving
from tests.store.makers import a_transition
from tradeassistd.api import models
from tradeassistd.api.answers import health_of
from tradeassistd.base.errors import PermanentError, TransientError
from tradeassistd.base.instant import iso
from tradeassistd.cli.client import ask
from tradeassistd.cli.not_running import NotRunningError
from tradeassistd.engine.rule import RuleSet
from tradeassistd.store.records import Alert, Decided

T0_US = 1_795_185_000_000_000


def is_all_of(model: type[models.Document], document: dict[str, Any]) -> bool:
    """Whether the model says every field of a document, and nothing else."""
    return model(**document).model_dump(mode="json") == document and set(document) == set(model.model_fields)


# --- health ----------------------------------------------------------------------------------------------------------


async def test_health_is_200_when_all_is_well_and_503_with_the_reasons_when_not(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        well = await service.ask("/health")
        assert (well.status, well.document["healthy"], well.document["problems"]) == (200, True, [])
        assert is_all_of(models.Health, well.document)
        service.status["feed"] |= {"state": "backoff", "reason": "no answer while live"}
        service.status["channels"]["slack"] |= {"failures_in_a_row": 4, "last_error": "HTTP 500"}
        service.status["rules"]["problems"] = ["rules.d/a.yaml:1:1: no"]
        service.status["store"]["tape_error"] = "disk full"
        ill = await service.ask("/health")
        assert (ill.status, ill.document["healthy"]) == (503, False)
        assert ill.document["problems"] == [
            "feed backoff: no answer while live", "rule files rejected: rules.d/a.yaml:1:1: no",
            "channel slack: HTTP 500", "tape: disk full",
        ]  # fmt: skip


def test_a_stopped_daemon_is_not_healthy() -> None:
    assert health_of(a_status() | {"state": "stopped"}).problems == ["the daemon is stopped"]


async def test_detailed_health_is_the_status_with_the_clients_of_the_websocket(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.connect() as client:
        await client.recv()
        detailed = (await service.ask("/health/detailed")).document
        assert detailed["events"] == {"clients": 1, "refused": 0, "cut": 0, "events": 0}
        assert detailed["feed"] == service.status["feed"]
        assert set(models.DetailedHealth.model_fields) == set(detailed)


# --- quotes and rules -------------------------------------------------------------------------------------------------


async def test_quotes_are_the_engines_present_ones(tmp_path: Path) -> None:
    async with serving(tmp_path, rule("price > 100", symbols=("SPY", "/ES"))) as service:
        assert (await service.ask("/quotes")).document == []
        service.market.image("SPY", "100.25", bid="100.24", ask="100.26")
        service.market.trade("/ES", "5200.25", 3)
        found = (await service.ask("/quotes")).document
        assert [(one["symbol"], one["last"], one["bid"], one["live"]) for one in found] == [
            ("/ES", 5200.25, None, True), ("SPY", 100.25, 100.24, True),
        ]  # fmt: skip
        assert all(is_all_of(models.Quote, one) for one in found)
        assert found[0]["trade_time"] == iso(service.market.engine.symbols["/ES"].tick.trade_ms * 1000)  # type: ignore[union-attr, operator]
        only = (await service.ask("/quotes", symbols="/ES")).document
        assert [one["symbol"] for one in only] == ["/ES"]
        assert [one["symbol"] for one in (await service.ask("/quotes?symbols=SPY&symbols=/ES")).document] == [
            "/ES", "SPY",
        ]  # fmt: skip
        with pytest.raises(PermanentError, match="no quote of QQQ"):
            await service.ask("/quotes", symbols="SPY,QQQ")


async def test_rules_come_with_their_states_in_the_order_of_the_files(tmp_path: Path) -> None:
    rules = (
        rule("price > 100", "b"),
        rule("price crosses 100", "a", symbols=("SPY", "QQQ")),
        rule("bid > 1", mode="off"),
    )
    async with serving(tmp_path, *rules) as service:
        fired = service.market.image("SPY", "101")
        found = (await service.ask("/rules")).document
        assert [one["id"] for one in found] == ["b", "a", "r"]
        assert [(state["symbol"], state["state"]) for state in found[0]["states"]] == [("SPY", "firing")]
        assert found[0]["states"][0]["since"] == iso(fired[0].event_us)
        assert [(state["symbol"], state["judged"] is None) for state in found[1]["states"]] == [
            ("SPY", False), ("QQQ", True),
        ]  # fmt: skip
        assert (found[2]["mode"], found[2]["states"]) == ("off", [])
        assert all(is_all_of(models.Rule, one) for one in found)


async def test_a_rule_shows_its_condition_as_a_tree_with_values(tmp_path: Path) -> None:
    async with serving(tmp_path, rule("price > 100 and (bid > 1 or not sma(close, 3, 1m) > 5)", "deep")) as service:
        service.market.image("SPY", "99")
        found = (await service.ask("/rules/deep")).document
        assert is_all_of(models.RuleDetail, found)
        (one,) = found["standings"]
        top = one["condition"]
        assert (top["kind"], top["outcome"]) == ("and", False)
        price, either = top["items"]
        assert (price["left"], price["right"], price["distance"], price["outcome"]) == (99.0, 100.0, 1.0, False)
        assert [item["why"] for item in either["items"]] == ["no bid yet", ""]
        assert either["items"][1]["items"][0]["why"] == "warming until 10:03: 0 of 3 bars of 1m"
        with pytest.raises(PermanentError, match="no rule is called 'nobody'"):
            await service.ask("/rules/nobody")


# --- alerts ----------------------------------------------------------------------------------------------------------


async def stored(service: Service, count: int) -> list[str]:
    """Alerts of two rules, two symbols and two severities, some suppressed; ids, oldest first."""
    ids = []
    for number in range(count):
        one = a_transition(
            T0_US + number * 1_000_000, "ab"[number % 2], ("SPY", "/ES", "$VIX")[number % 3],
            suppressed="cooldown" if number % 5 == 4 else "",
        )  # fmt: skip
        alert = Alert(one.alert_id, one, "critical" if number % 4 == 0 else "warning", "title", "text", "hash")
        await service.store.commit(Decided(one.event_us, (one,), (alert,)), [])
        ids.append(alert.id)
    return ids


async def test_alerts_are_paged_newest_first_without_loss_or_repeat(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        ids = await stored(service, 23)
        seen: list[str] = []
        before, pages = "", 0
        while before is not None:
            page = (await service.ask("/alerts", limit=5, suppressed=True, before=before)).document
            assert is_all_of(models.AlertsPage, page)
            assert all(is_all_of(models.Alert, alert) for alert in page["alerts"])
            seen += [alert["id"] for alert in page["alerts"]]
            before, pages = page["next"], pages + 1
            if pages == 1:
                await stored(service, 24)  # a new one does not move the pages behind
        assert (seen, pages) == (ids[::-1], 5)
        exact = (await service.ask("/alerts", limit=24, suppressed=True)).document
        assert (len(exact["alerts"]), exact["next"]) == (24, None)


async def test_two_alerts_of_one_event_stand_on_two_pages(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        both = (a_transition(T0_US, "a"), a_transition(T0_US, "b"))
        alerts = tuple(Alert(one.alert_id, one, "warning", "title", "text", "hash") for one in both)
        await service.store.commit(Decided(T0_US, both, alerts), [])
        first = (await service.ask("/alerts", limit=1)).document
        second = (await service.ask("/alerts", limit=1, before=first["next"])).document
        assert [page["alerts"][0]["rule"] for page in (first, second)] == ["b", "a"]
        assert second["next"] is None


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({}, [0, 1, 2, 3, 5, 6, 7, 8]),
        ({"suppressed": True}, list(range(10))),
        ({"rule": "a", "suppressed": True}, [0, 2, 4, 6, 8]),
        ({"symbol": "/ES"}, [1, 7]),
        ({"severity": "critical", "suppressed": True}, [0, 4, 8]),
        ({"rule": "b", "symbol": "SPY", "severity": "warning"}, [3]),
        ({"since": iso(T0_US + 6_000_000)}, [6, 7, 8]),
        ({"until": iso(T0_US + 2_000_000), "since": "2026-11-20T09:30:01-05:00"}, [1, 2]),
        ({"rule": "nobody"}, []),
    ],
)
async def test_alerts_are_filtered(query: dict[str, Any], numbers: list[int], tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        ids = await stored(service, 10)
        found = (await service.ask("/alerts", **query)).document
        assert [alert["id"] for alert in found["alerts"]] == [ids[number] for number in reversed(numbers)]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/alerts?limit=0", "greater than or equal to 1"),
        ("/alerts?limit=1001", "less than or equal to 1000"),
        ("/alerts?severity=loud", "should match pattern"),
        ("/alerts?since=yesterday", "datetime"),
        ("/alerts?since=2026-11-20T09:30:00", "timezone"),
        ("/alerts?before=nobody", "there is no alert 'nobody'"),
        ("/nothing", "Not Found"),
        ("/events", "connect with a WebSocket client"),
    ],
)
async def test_what_does_not_fit_is_refused_in_words(target: str, said: str, tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        with pytest.raises(PermanentError, match=said):
            await service.ask(target)


async def test_questions_to_the_store_do_not_hold_up_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path) as service:
        entered, leave = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def slow(*_: object, **__: object) -> list[object]:
            loop.call_soon_threadsafe(entered.set)
            assert leave.wait(30)
            return []

        monkeypatch.setattr("tradeassistd.store.queries.alerts", slow)
        waiting = asyncio.create_task(service.ask("/alerts"))
        await entered.wait()
        assert (await service.ask("/health")).status == 200
        assert not waiting.done()
        leave.set()
        assert (await waiting).document["alerts"] == []


async def test_a_store_that_is_busy_is_a_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> None:
        raise TransientError("main.db is locked")

    async with serving(tmp_path) as service:
        monkeypatch.setattr("tradeassistd.store.queries.alerts", busy)
        with pytest.raises(PermanentError, match="is locked"):
            await service.ask("/alerts")


# --- reload ----------------------------------------------------------------------------------------------------------


async def test_a_reload_says_what_it_did_and_422_when_a_file_was_rejected(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        good = await service.ask("/rules/reload", method="POST")
        assert (good.status, good.document["accepted"], good.document["added"]) == (200, True, ["new"])
        assert is_all_of(models.Reloaded, good.document)
        service.result = Reloaded(accepted=False, problems=("rules.d/a.yaml:3:1: no",), rejected=("a.yaml",))
        bad = await service.ask("/rules/reload", method="POST", allow_empty=True)
        assert (bad.status, bad.document["accepted"]) == (422, False)
        assert (bad.document["problems"], bad.document["rejected"]) == (["rules.d/a.yaml:3:1: no"], ["a.yaml"])
        assert service.reloads == [False, True]
        service.result = TransientError("the disk is busy")
        with pytest.raises(PermanentError, match="the disk is busy"):
            await service.ask("/rules/reload", method="POST")


async def test_a_reload_that_is_not_waited_for_is_answered_at_once_and_happens(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        for service.result in (Reloaded(), TransientError("the disk is busy")):
            service.reloaded.clear()
            answer = await service.ask("/rules/reload", method="POST", wait=False)
            assert (answer.status, answer.document["accepted"]) == (202, None)
            await service.reloaded.wait()
        assert (await service.ask("/health")).status == 200


async def test_the_next_connection_can_be_tried_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.status["feed"] |= {"state": "replaced", "reason": "code 12"}
        answer = await service.ask("/reconnect", method="POST")
        assert (answer.status, answer.document["feed"], service.woken) == (200, "replaced", ["now"])


# --- ack -------------------------------------------------------------------------------------------------------------


async def test_an_acknowledgement_says_what_it_acknowledged(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.acked = Acknowledged(T0_US + 1, (Firing("/ES", 2, T0_US), Firing("/NQ", 0, T0_US - 5)))
        answer = await service.ask("/ack", method="POST", rule="r", symbol="/ES", by="ann")
        assert service.acks == [("r", "/ES", "ann")]
        assert is_all_of(models.Acked, answer.document)
        assert answer.document == {
            "rule": "r", "event_time": iso(T0_US + 1),
            "firings": [{"symbol": "/ES", "level": 2, "since": iso(T0_US)},
                        {"symbol": "/NQ", "level": 0, "since": iso(T0_US - 5)}],
        }  # fmt: skip
        service.acked = Acknowledged(T0_US, ())
        assert (await service.ask("/ack", method="POST", rule="r")).document["firings"] == []
        assert service.acks[-1] == ("r", "", "")


@pytest.mark.parametrize(
    ("error", "query", "said"),
    [
        (PermanentError("no rule is called 'x'"), {"rule": "x"}, "no rule is called 'x'"),
        (TransientError("the disk is busy"), {"rule": "r"}, "the disk is busy"),
        (None, {}, "Field required"),
        (None, {"rule": "r", "by": "x" * 101}, "at most 100 characters"),
    ],
)
async def test_an_acknowledgement_that_fails_says_why(
    error: Exception | None, query: dict[str, Any], said: str, tmp_path: Path
) -> None:
    async with serving(tmp_path) as service:
        if error is not None:
            service.acked = error
        with pytest.raises(PermanentError, match=said):
            await service.ask("/ack", method="POST", **query)


# --- the document, and who may ask ------------------------------------------------------------------------------------


async def test_the_openapi_document_is_served_and_describes_the_events_too(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        document = (await service.ask("/openapi.json")).document
        assert set(document["paths"]) == {
            "/health", "/health/detailed", "/quotes", "/alerts", "/rules", "/rules/{rule_id}", "/rules/reload",
            "/ack", "/silences", "/silences/{number}", "/reconnect", "/events",
            "/diagnostics/frames", "/diagnostics/log", "/history/verify",
            "/backfill", "/backfill/days", "/db/prune", "/db/settle", "/db/import", "/db/import/{what}",
        }  # fmt: skip
        assert set(document["webhooks"]) == {
            "tick_update", "alert_fired", "rule_triggered", "health_status", "connection_events",
        }  # fmt: skip
        schemas = document["components"]["schemas"]
        assert schemas["TickUpdate"]["properties"]["symbol"] == {"type": "string", "title": "Symbol"}
        assert "Conditions" not in schemas and "Condition" in schemas


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:{port}"}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "attacker.example"}, 403),
        ({"Host": "127.0.0.1:{port}", "Origin": "https://attacker.example"}, 403),
        ({}, 400),
    ],
)
async def test_over_tcp_web_pages_are_refused(headers: dict[str, str], status: int, tmp_path: Path) -> None:
    async with serving(tmp_path, address=("127.0.0.1", 0)) as service:
        ((host, port),) = service.server.addresses
        lines = [f"{name}: {value.format(port=port)}\r\n" for name, value in headers.items()]
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"GET /health HTTP/1.1\r\n{''.join(lines)}Connection: close\r\n\r\n".encode())
        first = await reader.readline()
        await reader.read()
        writer.close()
        await writer.wait_closed()
        assert first.split()[1] == str(status).encode()


# --- the client ------------------------------------------------------------------------------------------------------


def test_without_a_daemon_the_client_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotRunningError, match="nobody serves"):
        ask(tmp_path / "api.sock", "/health")
    with pytest.raises(NotRunningError, match="turn the local API off"):
        ask(None, "/health")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "api.sock"))
    with pytest.raises(NotRunningError, match="nobody serves"):
        ask(tmp_path / "api.sock", "/health")


def test_a_daemon_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "api.sock"))
        mute.listen()
        with pytest.raises(PermanentError, match=r"did not answer within 0\.05 s"):
            ask(tmp_path / "api.sock", "/health", within_s=0.05)


@pytest.mark.parametrize(
    "said", [b"", b"220 mail.example ESMTP\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"]
)
def test_something_else_on_the_socket_is_named(said: bytes, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "api.sock"))
        other.listen()

        def answer() -> None:
            peer, _ = other.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(PermanentError, match=r"did not answer|no tradeassist daemon"):
            ask(tmp_path / "api.sock", "/health")
        thread.join()


def test_an_engine_without_rules_has_no_rules_to_show() -> None:
    from tradeassistd.api.answers import detail_of, rules_of
    from tradeassistd.engine.engine import Engine

    engine = Engine(RuleSet())
    assert (rules_of(engine), detail_of(engine, "r")) == ([], None)
