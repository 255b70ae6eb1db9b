"""The WebSocket with real clients: what comes to whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.service import received, rule, serving
from tests.api.websocket import TICKS, answered, closed, drained, kinds_of
from tradeassistd.api import events, hub
from tradeassistd.api.hub import HEALTH_EVERY_S
from tradeassistd.engine.events import Connection, Gap
from tradeassistd.market.tick import Tick

# --- what comes to whom ----------------------------------------------------------------------------------------------


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
