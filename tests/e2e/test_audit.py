"""What the real daemon did, and who asked it to, is in the audit, and `tradeassist audit` finds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.e2e.hardship import Running
from tests.e2e.harness import put, settings_for
from tests.e2e.test_process import AT_ONCE, ended, market, start
from tests.e2e.webhook import webhook
from tradeassistd.cli.login import login_name
from tradeassistd.sim.tokens import APP_KEY, APP_SECRET
from tradeassistd.store import queries


async def tradeassist(folder: Path, *words: str) -> tuple[int, str, str]:
    arguments = [*words, "--config", str(folder / "config.yaml")]
    return await ended(await start("-m", "tradeassistd.cli.main", *arguments))


async def noted(folder: Path, *words: str) -> list[dict[str, Any]]:
    """What `tradeassist audit --json` prints; nothing fits: an empty list and exit code 1."""
    code, output, errors = await tradeassist(folder, "audit", "--json", "--limit", "1000", *words)
    found: list[dict[str, Any]] = json.loads(output)
    assert (code, errors) == (0 if found else 1, "")
    return found


async def test_what_was_asked_of_schwab_and_of_the_daemon_is_noted(tmp_path: Path) -> None:
    async with market() as simulator, webhook() as hook:
        settings_for(tmp_path, simulator, AT_ONCE, f"{{hook: {{url: '{hook.url}'}}}}")
        running = await Running.start(tmp_path)
        await hook.until(1)
        for words in (("rules", "list"), ("rules", "show", "at-once"), ("rules", "list")):
            assert (await tradeassist(tmp_path, *words))[0] == 0
        assert (await tradeassist(tmp_path, "ack", "at-once"))[0] == 0
        rules = tmp_path / "rules.d" / "rules.yaml"
        put(rules, rules.read_text("utf-8").replace("[/ES]", "[/NQ, $VIX]"))
        assert (await tradeassist(tmp_path, "rules", "reload"))[0] == 0
        await running.said("stream.resubscribed")
        await running.stop()

    me = login_name()
    rest = await noted(tmp_path, "--kind", "rest")
    (preference,) = [one for one in rest if one["path"] == "/trader/v1/userPreference"]
    assert (preference["method"], preference["status"]) == ("GET", 200) and preference["ms"] >= 0
    begun, changed, *_ = await noted(tmp_path, "--kind", "subscribe")
    assert set(begun["added"]) == {"/ES", "SPY"} and begun["refused"] == {}
    assert set(changed["added"]) == {"/NQ", "$VIX"} and changed["dropped"] == ["/ES"]
    reads = await noted(tmp_path, "--kind", "api.read")
    assert [(one["by"], one["with"], one["path"]) for one in reads] == [
        (me, "tradeassist rules list", "/rules"), (me, "tradeassist rules show", "/rules/at-once"),
    ]  # fmt: skip
    assert [one["by"] for one in await noted(tmp_path, "--kind", "ack")] == [me]
    (change,) = await noted(tmp_path, "--kind", "api.*", "--kind", "none", "--limit", "1")
    assert (change["method"], change["path"], change["by"], change["status"]) == ("POST", "/rules/reload", me, 200)
    (reload,) = await noted(tmp_path, "--kind", "rules.reload")
    assert reload["changed"] == ["at-once"]
    everything = await noted(tmp_path)
    assert everything == sorted(everything, key=lambda one: one["event_us"])
    for secret in (APP_KEY, APP_SECRET, "Bearer", "refresh_token", hook.url):
        assert secret not in json.dumps(everything)

    last = everything[-1]["time"]
    assert [one["time"] for one in await noted(tmp_path, "--since", last)][-1] == last
    assert await noted(tmp_path, "--since", "2h") == everything  # of market time, which stands still now
    assert await noted(tmp_path, "--until", "2026-11-15") == []
    code, output, _ = await tradeassist(tmp_path, "audit", "--kind", "rest")
    assert code == 0 and "GET /trader/v1/userPreference 200 in" in output
    code, _, errors = await tradeassist(tmp_path, "audit", "--since", "yesterdayish")
    assert code == 2 and "--since" in errors


async def test_a_disk_that_takes_nothing_for_a_while_loses_no_note(tmp_path: Path) -> None:
    from tests.e2e.hardship import no_room

    async with market() as simulator, webhook() as hook:
        settings_for(tmp_path, simulator, AT_ONCE, f"{{hook: {{url: '{hook.url}'}}}}")
        running = await Running.start(tmp_path)
        await hook.until(1)
        with no_room(running.program.pid):
            await tradeassist(tmp_path, "rules", "list")
        await running.stop()
    assert [one for _, kind, one in queries.audit(tmp_path / "state") if kind == "api.read"]
