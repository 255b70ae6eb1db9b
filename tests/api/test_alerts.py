"""Alerts over HTTP: pages, filters, a store that is busy, and acknowledging."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.api.service import Acknowledged, Firing, Service, is_all_of, serving
from tests.store.makers import FRIDAY_US, a_transition
from tradeassistd.api import models
from tradeassistd.base.errors import PermanentError, TransientError
from tradeassistd.base.instant import iso
from tradeassistd.store.records import Alert, Decided


async def stored(service: Service, count: int) -> list[str]:
    """Alerts of two rules, two symbols and two severities, some suppressed; ids, oldest first."""
    ids = []
    for number in range(count):
        one = a_transition(
            FRIDAY_US + number * 1_000_000, "ab"[number % 2], ("SPY", "/ES", "$VIX")[number % 3],
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
        both = (a_transition(FRIDAY_US, "a"), a_transition(FRIDAY_US, "b"))
        alerts = tuple(Alert(one.alert_id, one, "warning", "title", "text", "hash") for one in both)
        await service.store.commit(Decided(FRIDAY_US, both, alerts), [])
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
        ({"since": iso(FRIDAY_US + 6_000_000)}, [6, 7, 8]),
        ({"until": iso(FRIDAY_US + 2_000_000), "since": "2026-11-20T09:30:01-05:00"}, [1, 2]),
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
            assert leave.wait(60)
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


async def test_an_acknowledgement_says_what_it_acknowledged(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.acked = Acknowledged(FRIDAY_US + 1, (Firing("/ES", 2, FRIDAY_US), Firing("/NQ", 0, FRIDAY_US - 5)))
        answer = await service.ask("/ack", method="POST", rule="r", symbol="/ES", by="ann")
        assert service.acks == [("r", "/ES", "ann")]
        assert is_all_of(models.Acked, answer.document)
        assert answer.document == {
            "rule": "r", "event_time": iso(FRIDAY_US + 1),
            "firings": [{"symbol": "/ES", "level": 2, "since": iso(FRIDAY_US)},
                        {"symbol": "/NQ", "level": 0, "since": iso(FRIDAY_US - 5)}],
        }  # fmt: skip
        service.acked = Acknowledged(FRIDAY_US, ())
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
