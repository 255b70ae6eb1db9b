"""`tradeassist db backup, restore, copies, export, import` as they are typed: what they say, and their exit codes."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tests.store.makers import FRIDAY_US, a_decision, a_tick
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.config import load_settings
from tradeassistd.base.errors import ConfigError, TradeAssistError
from tradeassistd.cli.main import app
from tradeassistd.engine.rule import RuleSet
from tradeassistd.store import queries
from tradeassistd.store.reading import reading
from tradeassistd.store.writer import Store

RULE = "version: 1\nrules:\n  - {id: high, symbols: [/ES], when: price > 100}\n"
SETTINGS = """# ours: hush-hush-key
store: {path: state}
schwab: {app_key: hush-hush-key, app_secret: hush-hush-secret}
channels:
  team: {url: 'slack://T0KEN1234/B0KEN5678/C0KEN90123/#alerts', ttl: 5m}
  bell: {url: sound://bell}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    (folder / "rules.d" / "tests").mkdir(parents=True)
    (folder / "rules.d" / "high.yaml").write_text(RULE)
    (folder / "rules.d" / "tests" / "high.test.yaml").write_text("rules: [../high.yaml]\n")
    (folder / "rules.d" / ".git").mkdir()
    (folder / "rules.d" / ".git" / "config.yaml").write_text("not a rule")
    (folder / "config.yaml").write_text(SETTINGS)

    async def fill() -> None:
        store = await Store.open(folder / "state", clock=ManualClock(FRIDAY_US))
        store.record(a_tick(FRIDAY_US))
        await store.commit(a_decision(FRIDAY_US, "team", "bell"), [])
        await store.save_rules(RuleSet((), "h", (("high.yaml", RULE),)), "", event_us=FRIDAY_US)
        await store.close()

    asyncio.run(fill())
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("TRADEASSIST_")]:
        monkeypatch.delenv(name)
    return Path(shutil.copytree(made, tmp_path / "a"))


def typed(folder: Path, *words: object, code: int = 0) -> str:
    """Output of `tradeassist db WORDS`, which must end with that code; raised errors come out."""
    result = CliRunner().invoke(app, ["db", *map(str, words), "--config", str(folder / "config.yaml")])
    if isinstance(result.exception, TradeAssistError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def test_there_and_back_on_a_bare_machine(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.tar.gz"
    printed = typed(folder, "backup", target)
    assert "1 alert, 2 deliveries pending, 0 rule states (0 firing), 0 bars" in printed
    assert "1 day, 20261120 to 20261120" in printed
    assert "2 rule files, the settings without schwab.app_key, schwab.app_secret, channels.team.url" in printed
    assert "the login to Schwab and the secrets" in printed
    assert "is whole" in typed(folder, "restore", target, "--dry-run")

    new = tmp_path / "new"
    printed = typed(new, "restore", target)
    assert f"state in  {new / 'state'}" in printed and "2 to be sent when the daemon starts" in printed
    assert "put schwab.app_key, schwab.app_secret, channels.team.url into the settings" in printed
    text = (new / "config.yaml").read_text()
    assert text == SETTINGS.replace("# ours: hush-hush-key", "# ours: ***").replace("hush-hush-key", '""').replace(
        "hush-hush-secret", '""'
    ).replace("'slack://T0KEN1234/B0KEN5678/C0KEN90123/#alerts'", '""')
    assert (new / "rules.d" / "high.yaml").read_text() == RULE
    assert (new / "rules.d" / "tests" / "high.test.yaml").exists() and not (new / "rules.d" / ".git").exists()
    assert queries.alerts(new / "state") == queries.alerts(folder / "state")
    assert load_settings(new / "config.yaml").store.path == new / "state"


def test_the_json_documents(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.tar"
    made = json.loads(typed(folder, "backup", target, "--days", 0, "--json"))
    assert made["counts"]["alerts"] == 1 and made["counts"]["tapes"] == 0 and made["bytes"] == target.stat().st_size
    assert json.loads(typed(folder, "restore", target, "--dry-run", "--json"))["rules_hash"] == "h"
    done = json.loads(typed(tmp_path / "new", "restore", target, "--json"))
    assert done["manifest"]["counts"] == made["counts"] and done["aside"] == ""


def test_a_restore_where_something_is_says_what_to_write(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.tar"
    typed(folder, "backup", target)
    with pytest.raises(TradeAssistError, match="--replace"):
        typed(folder, "restore", target)
    assert "what was there before" in typed(folder, "restore", target, "--replace")
    assert "left as they were" in typed(folder, "restore", target, "--replace", "--keep-rules")
    listed = typed(folder, "copies")
    assert listed.count("what a restore moved aside") == 2
    assert "removed 1 copy" in typed(folder, "copies", "--prune")
    assert typed(folder, "copies").count("what a restore moved aside") == 1
    typed(folder, "copies", "--prune", "--keep", 0)
    assert "no copies are kept" in typed(folder, "copies")


def test_broken_settings_do_not_keep_the_state_from_being_backed_up(folder: Path, tmp_path: Path) -> None:
    (folder / "config.yaml").write_text("store: {path: state}\nschwab: {app_key: hush-hush-key, oops: 1}\n")
    assert "the settings without schwab.app_key" in typed(folder, "backup", tmp_path / "b.tar")
    assert b"hush" not in (tmp_path / "b.tar").read_bytes()


def test_a_copy_from_before_a_migration_is_listed_and_goes_back(folder: Path) -> None:
    copy = folder / "state" / "main.db.before-0002"
    shutil.copy(folder / "state" / "main.db", copy)
    printed = typed(folder, "copies")
    assert "main.db before it was brought to schema 2" in printed and "db restore" in printed
    assert "is that of" in typed(folder, "restore", copy, "--replace")
    (one, *_) = json.loads(typed(folder, "copies", "--json"))["copies"]
    assert one["kind"] == "restore"


@pytest.mark.parametrize("ending", ["csv", "jsonl.gz", "json"])
@pytest.mark.parametrize("what", ["alerts", "ticks", "rules"])
def test_rows_go_out_and_in(what: str, ending: str, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / f"x.{ending}"
    assert f"1 row of {what} in" in typed(folder, "export", what, file)
    new = tmp_path / "new"
    new.mkdir()
    (new / "config.yaml").write_text("store: {path: state}\n")
    stored = {"alerts": "1 new row", "ticks": "1 tick             stored", "rules": "1 rule file written"}[what]
    assert stored in typed(new, "import", what, file)
    again = {"alerts": "0 new rows of alerts, 1 were", "ticks": "1 tick             there", "rules": "0 rule files"}[
        what
    ]
    assert again in typed(new, "import", what, file)


def test_exports_to_standard_output_are_nothing_but_rows(folder: Path) -> None:
    result = CliRunner().invoke(
        app, ["db", "export", "alerts", "-", "--format", "csv", "--config", str(folder / "config.yaml")]
    )
    assert [row["rule"] for row in csv.DictReader(result.stdout.splitlines())] == ["es-levels"]
    assert "1 row of alerts" in result.stderr


def test_nothing_to_export_is_a_no(folder: Path, tmp_path: Path) -> None:
    assert "0 rows of bars" in typed(folder, "export", "bars", tmp_path / "x.csv", code=1)
    for words in (["export", "oops", "x.csv"], ["export", "rules", "x.csv", "--symbol", "/ES"],
                  ["import", "ticks", "x.csv", "--complete"], ["import", "bars", "x.csv", "--replace"]):  # fmt: skip
        typed(folder, *words, code=2)


def test_bars_that_are_complete_are_noted_so_that_rules_may_warm_from_them(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("symbol,interval,start,open,high,low,close\nSPY,1m,2026-11-19T15:00:00Z,1,2,1,2\n"
                    "SPY,1m,2026-11-19T15:05:00Z,1,2,1,2\n")  # fmt: skip
    assert "2 new rows of bars" in typed(folder, "import", "bars", file, "--complete")
    with reading(folder / "state" / "main.db", "main") as raw:
        spans = raw.execute("SELECT symbol, to_us - from_us FROM filled").fetchall()
    assert spans == [("SPY", 360_000_000)]
    assert queries.audit(folder / "state")[0][2] | {"by": ""} == {
        "what": "bars", "new": 2, "file": "x.csv", "by": "", "complete": 1
    }  # fmt: skip
    file.write_text("symbol,interval,start,open,high,low,close\nSPY,5m,2026-11-19T15:00:00Z,1,2,1,2\n")
    with pytest.raises(TradeAssistError, match="--complete takes one-minute bars"):
        typed(folder, "import", "bars", file, "--complete")


def test_settings_go_out_without_secrets_and_come_in_beside_those_that_are_there(folder: Path, tmp_path: Path) -> None:
    file, new = tmp_path / "x.json", tmp_path / "new"
    printed = typed(folder, "export", "settings", file)
    assert "secrets stay here: schwab.app_key, schwab.app_secret, channels.team.url" in printed
    assert "hush" not in file.read_text() and "T0KEN" not in file.read_text()
    assert "settings written" in typed(new, "import", "settings", file)
    values = yaml.safe_load((new / "config.yaml").read_text())
    assert values["channels"] == {"team": {"url": "", "ttl": "5m"}, "bell": {"url": "sound://bell"}}
    assert "these already" in typed(new, "import", "settings", file)

    (folder / "config.yaml").write_text(SETTINGS.replace("ttl: 5m", "ttl: 9m"))
    with pytest.raises(TradeAssistError, match="--replace"):
        typed(folder, "import", "settings", file)
    typed(folder, "import", "settings", file, "--replace")
    settings = load_settings(folder / "config.yaml")
    assert settings.channels["team"].ttl == 300
    assert settings.schwab.app_secret.get_secret_value() == "hush-hush-secret"
    assert (folder / "config.yaml.before-import").read_text() == SETTINGS.replace("ttl: 5m", "ttl: 9m")
    assert (folder / "config.yaml").stat().st_mode & 0o777 == 0o600


def test_wrong_settings_and_wrong_rules_are_not_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('key,value\nlog.level,"""loud"""\n')
    with pytest.raises(ConfigError, match="level"):
        typed(folder, "import", "settings", tmp_path / "x.csv", "--replace")
    assert (folder / "config.yaml").read_text() == SETTINGS
    for name, text, says in (("bad.yaml", "version: 1\nrules: [{id: a}]\n", "nothing was imported"),
                             ("../high.yaml", RULE, "no name of a rule file"),
                             ("high.yaml", RULE.replace("100", "200"), "another text")):  # fmt: skip
        (tmp_path / "x.json").write_text(json.dumps([{"file": name, "text": text}]))
        with pytest.raises(TradeAssistError, match=says):
            typed(folder, "import", "rules", tmp_path / "x.json")
    typed(folder, "import", "rules", tmp_path / "x.json", "--replace")
    assert "200" in (folder / "rules.d" / "high.yaml").read_text()
    assert (folder / "rules.d" / "high.yaml.before-import").read_text() == RULE
    assert sorted(path.name for path in (folder / "rules.d").glob("*.yaml")) == ["high.yaml"]


def test_every_command_explains_itself() -> None:
    for command in ("backup", "restore", "copies", "export", "import"):
        result = CliRunner().invoke(app, ["db", command, "--help"])
        assert result.exit_code == 0 and "--config" in result.output
