"""Silences over the API and the command line: said, listed, ended, and what is refused in which words."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.service import Service, rule, serving
from tradeassistd.base.errors import PermanentError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.cli import silence as commands
from tradeassistd.cli.rules_live import show_list, show_rule
from tradeassistd.engine.silences import Silence

RULES = (rule("price > 100", "es-high", tags=("levels",)), rule("price > 100", "spy-high", symbols=("SPY", "QQQ")))


async def said(service: Service, *, rules: tuple[str, ...] = (), symbols: tuple[str, ...] = (), for_s: int = 0,
               until: str = "", reason: str = "", as_json: bool = False) -> int:  # fmt: skip
    return await asyncio.to_thread(
        commands.silence, service.path, rules, symbols, (), for_s=for_s, until=until, reason=reason, as_json=as_json
    )


async def listed_of(service: Service) -> list[dict[str, Any]]:
    document: list[dict[str, Any]] = (await service.ask("/silences")).document
    return document


async def test_a_silence_is_said_listed_shown_and_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(tmp_path, *RULES) as service:
        market = service.market
        market.image("SPY", "99")
        market.reload(*RULES, silences=(Silence(0, market.now_us + 3600 * US_PER_S, tags=("lev*",), reason="roll"),))
        assert await said(service, rules=("spy-*",), symbols=("SPY",), for_s=1800, reason="lunch") == 0
        assert capsys.readouterr().out.startswith("1: nobody is told of spy-high on SPY until Mon 2026-11-16 10:30:00")
        market.trade("SPY", "101")
        assert {one.suppressed for one in market.fired()} == {"silence"}

        (file, operator) = await listed_of(service)
        assert (file["number"], file["since"], file["tag"], file["rules"]) == (None, None, ["lev*"], ["es-high"])
        assert (operator["number"], operator["rule"], operator["symbol"]) == (1, ["spy-*"], ["SPY"])
        assert (operator["reason"], operator["rules"], operator["by"] != "") == ("lunch", ["spy-high"], True)
        assert await asyncio.to_thread(commands.show, service.path, as_json=False) == 0
        shown = capsys.readouterr().out.splitlines()
        assert shown[0].startswith("-   tag lev*  until Mon 2026-11-16 11:00:00, in _silences.yaml: roll")
        assert shown[2].startswith("1   rule spy-*, symbol SPY  until Mon 2026-11-16 10:30:00, by ")

        await asyncio.to_thread(show_rule, service.path, "spy-high", as_json=False)
        assert "silenced until Mon 2026-11-16 10:30:00 (lunch)" in capsys.readouterr().out
        await asyncio.to_thread(show_list, service.path, as_json=False)
        listed = capsys.readouterr().out
        assert "(silenced)" in listed and "(silenced: SPY)" in listed

        assert await asyncio.to_thread(commands.end, service.path, 1, as_json=True) == 0
        assert json.loads(capsys.readouterr().out)["number"] == 1
        market.wait(1)
        assert [one.rule_id for one in market.all if one.kind == "told"] == ["spy-high"]
        with pytest.raises(PermanentError, match="no silence in force has the number 1"):
            await asyncio.to_thread(commands.end, service.path, 1, as_json=False)


async def test_until_is_a_time_of_the_day_a_date_or_a_time_with_its_zone(tmp_path: Path) -> None:
    async with serving(tmp_path, *RULES) as service:
        service.market.image("SPY", "99")
        for until, wanted in (("15:30", "2026-11-16T20:30:00"), ("2026-11-18", "2026-11-19T01:00:00"),
                              ("2026-11-17 09:30 America/New_York", "2026-11-17T14:30:00")):  # fmt: skip
            assert await said(service, rules=("*",), until=until) == 0
            assert (await listed_of(service))[-1]["until"].startswith(wanted)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"for_s": 60}, "name a rule, a symbol or a tag"),
        ({"rules": ("x",), "for_s": 60}, "rule x fits no rule in force"),
        ({"rules": ("es-hihg",), "for_s": 60}, "did you mean es-high"),
        ({"symbols": ("spy",), "for_s": 60}, "symbol spy fits no rule"),
        ({"rules": ("es-*",)}, "name for_s or until"),
        ({"rules": ("es-*",), "for_s": 60, "until": "15:30"}, "name for_s or until"),
        ({"rules": ("es-*",), "until": "never"}, "a silence has an end"),
        ({"rules": ("es-*",), "until": "2026-11-16 15:00"}, "a time needs its zone"),
        ({"rules": ("es-*",), "until": "2020-01-01"}, "that time has passed"),
        ({"rules": ("es- *",), "for_s": 60}, "has a blank in it"),
        ({"rules": ("@core",), "for_s": 60}, "is a watchlist"),
    ],
)
async def test_what_cannot_be_is_refused_in_words(
    tmp_path: Path, query: dict[str, tuple[str, ...] | str | int], words: str
) -> None:
    async with serving(tmp_path, *RULES) as service:
        service.market.image("SPY", "99")
        with pytest.raises(PermanentError, match=words):
            await said(service, **query)  # type: ignore[arg-type]
        assert await listed_of(service) == []
