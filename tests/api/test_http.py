"""HTTP over the real Unix socket: health, quotes, rules, reloads, the document and who may ask."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.api.service import Reloaded, a_status, is_all_of, rule, serving
from tradeassistd.api import models
from tradeassistd.api.answers import health_of
from tradeassistd.base.errors import PermanentError, TransientError
from tradeassistd.base.instant import iso
from tradeassistd.engine.rule import RuleSet

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


def test_an_engine_without_rules_has_no_rules_to_show() -> None:
    from tradeassistd.api.answers import detail_of, rules_of
    from tradeassistd.engine.engine import Engine

    engine = Engine(RuleSet())
    assert (rules_of(engine), detail_of(engine, "r")) == ([], None)
