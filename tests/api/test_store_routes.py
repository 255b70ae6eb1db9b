"""What a backup, an export and an import ask of the running daemon."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.api.service import Service, serving
from tests.store.makers import FRIDAY_US, a_tick
from tradeassistd.base.errors import PermanentError
from tradeassistd.cli.client import Answer, ask
from tradeassistd.store import queries

BAR = {"symbol": "SPY", "interval": "1m", "start": "2026-11-19T15:00:00Z", "open": "1.5", "high": "2", "low": "1",
       "close": "1.25"}  # fmt: skip


async def asked(service: Service, target: str, query: dict[str, Any] | None = None, body: Any = None) -> Answer:
    return await asyncio.to_thread(ask, service.path, target, query, method="POST", body=body)


async def test_what_is_on_its_way_is_on_the_disk_once_it_is_settled(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.store.record(a_tick(FRIDAY_US))
        assert not queries.tape_paths(service.store.directory)
        await asked(service, "/db/settle", {"what": "backup", "file": "b.tar", "by": "anna"})
        assert len(queries.last_quotes(service.store.directory)) == 1
        assert queries.audit(service.store.directory)[0][1:] == ("db.backup", {"file": "b.tar", "by": "anna"})


async def test_rows_are_taken_once_and_noted_at_the_end(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        later = BAR | {"start": "2026-11-19T15:01:00Z"}
        assert (await asked(service, "/db/import/bars", body=[BAR, later])).document == {"new": 2, "there": 0}
        assert (await asked(service, "/db/import/bars", body=[BAR])).document == {"new": 0, "there": 1}
        span = {"symbol": "SPY", "from_us": 1, "to_us": 2}
        await asked(service, "/db/import", {"what": "bars", "new": 2, "by": "anna"}, [span])
        body = {"what": "bars", "new": 2, "file": "", "by": "anna", "complete": 1}
        assert queries.audit(service.store.directory)[0][1:] == ("db.import", body)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([BAR, BAR | {"close": "9"}], "not in their order"),
        ([BAR | {"open": "much"}], "row 1: open: 'much' is no price"),
        ([BAR | {"symbol": None}], "symbol is missing"), ([BAR] * 251, "250"), (["x"], "dict"), ({"a": 1}, "list"),
    ],
)  # fmt: skip
async def test_rows_that_are_unfit_are_refused_and_none_is_stored(rows: Any, says: str, tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        with pytest.raises(PermanentError, match=says):
            await asked(service, "/db/import/bars", body=rows)
        assert (await asked(service, "/db/import/bars", body=[BAR])).document == {"new": 1, "there": 0}


async def test_unknown_kinds_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        for target, query in (("/db/settle", {"what": "fun"}), ("/db/import/ticks", {})):
            with pytest.raises(PermanentError):
                await asked(service, target, query, [])
