"""`tradeassist snooze` and `silences` as programs against the real daemon, over a file and a restart."""

from __future__ import annotations

import json
from pathlib import Path

from tests.api.test_daemon import RULES, desk
from tradeassistd.cli import exit_codes


async def test_a_person_silences_looks_and_ends_it_from_the_command_line(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        code, out, err = await here.run("snooze", "deep", "SPY", "--for", "31m", "--reason", "noisy")
        assert (code, err) == (exit_codes.YES, "")
        assert out.startswith("1: nobody is told of deep on SPY until ")
        (tmp_path / "rules.d" / "_silences.yaml").write_text("- {match: {rule: cross*}, until: 2029-01-05}\n", "utf-8")
        here.write(RULES)
        assert (await here.run("rules", "reload"))[0] == exit_codes.YES
        code, out, _ = await here.run("silences", "--json")
        assert [(one["number"], one["rules"], one["reason"]) for one in json.loads(out)] == [
            (None, ["crossing"], ""), (1, ["deep"], "noisy"),
        ]  # fmt: skip
        listed = (await here.run("rules", "list"))[1]
        assert "(silenced: SPY)" in listed and "(shadow, silenced)" in listed
        assert (await here.run("snooze", "de*", "--for", "1h"))[0] == exit_codes.USAGE
        for words, told, wanted in (
            (("deep", "--for", "1h", "--until", "15:30"), "not both", exit_codes.USAGE),
            (("deep", "--until", "noon"), "'noon' is not a date or time", exit_codes.USAGE),
            (("deep", "/NQ", "--for", "1h"), "(deep watches", exit_codes.NO),
            (("dep", "--for", "1h"), "(did you mean deep?)", exit_codes.NO),
        ):
            code, _, err = await here.run("snooze", *words)
            assert (code, told in err) == (wanted, True), err
        code, _, err = await here.run("backfill", "SPY", "--interval", "7m")
        assert (code, "write one of 1m, 5m, 1d" in err) == (exit_codes.USAGE, True), err
        assert "(did you mean deep?)" in (await here.run("rules", "show", "depp"))[2]
        code, out, _ = await here.run("silences", "--end", "1")
        assert (code, out.startswith("1: over")) == (exit_codes.YES, True)
    async with desk(tmp_path) as here:
        assert [one["rules"] for one in await here.ask("/silences")] == [["crossing"]]
