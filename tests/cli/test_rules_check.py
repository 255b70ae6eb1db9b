"""`tradeassist rules check`: text, JSON and GitHub's annotations, sorted by place; exit codes; known channels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tradeassistd.cli.main import app
from tradeassistd.rules.lint import LINTS

BROKEN = "version: 1\nrules:\n  - {id: b, symbols: [/ES], when: smaa(close) > 5}\n"
DOUBTFUL = (
    "version: 1\nrules:\n  - id: a\n    symbols: [/ES]\n    when: price inside [10, 5]\n    notify: [slack]\n"
    "  - {id: c, symbols: [/ES], when: price < 10%}\n"
)
SOUND = "version: 1\nrules:\n  - {id: a, symbols: [/ES, SPY], when: price > 5}\n"
TWINS = f"{SOUND}  - {{id: b, symbols: [SPY], when: price > 5}}\n"
WARNED = SOUND.replace("price > 5", "price > -5")


def check(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["rules", "check", *map(str, arguments)])
    return result.exit_code, result.output


@pytest.fixture
def rules_d(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.d").mkdir()
    return tmp_path / "rules.d"


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, "utf-8")


def test_text_is_sorted_by_place_and_shows_the_code(rules_d: Path) -> None:
    write(rules_d, a=WARNED, b=BROKEN, c=SOUND.replace("id: a", "id: c").replace("5", "7"))
    code, output = check(rules_d)
    assert code == 1
    assert output.splitlines() == [
        "warning: rules.d/a.yaml:3:40: rules[0].when: `price > -5` is always true "
        "(compare with a value that it can pass) [always-true]",
        "error: rules.d/b.yaml:3:35: rules[0].when: unknown function 'smaa' (did you mean sma?) [invalid]",
        "2 rules on 2 symbols, 1 error, 1 warning",
    ]


def test_warnings_count_when_they_are_told_to_and_infos_never(rules_d: Path) -> None:
    write(rules_d, a=WARNED)
    assert [check(rules_d)[0], check(rules_d, "--strict")[0]] == [0, 1]
    write(rules_d, a=TWINS)
    assert [check(rules_d)[0], check(rules_d, "--strict")[0]] == [0, 0]
    assert "info: rules.d/a.yaml:4:10: rules[1].id: has the condition of a on SPY" in check(rules_d)[1]
    assert check(rules_d)[1].endswith("2 rules on 2 symbols, 0 errors, 0 warnings, 1 info\n")
    write(rules_d, a=SOUND)
    assert check(rules_d, "--strict") == (0, "1 rule on 2 symbols, 0 errors, 0 warnings\n")


@pytest.mark.parametrize("option", [("--json",), ("--format", "json")])
def test_json_is_a_list_of_findings(rules_d: Path, option: tuple[str, ...]) -> None:
    write(rules_d, a=WARNED, b=BROKEN)
    code, output = check(rules_d, *option)
    assert code == 1
    assert json.loads(output) == [
        {
            "file": "rules.d/a.yaml", "line": 3, "column": 40, "path": "rules[0].when", "severity": "warning",
            "code": "always-true", "message": "`price > -5` is always true",
            "hint": "compare with a value that it can pass",
        },
        {
            "file": "rules.d/b.yaml", "line": 3, "column": 35, "path": "rules[0].when", "severity": "error",
            "code": "invalid", "message": "unknown function 'smaa'", "hint": "did you mean sma?",
        },
    ]  # fmt: skip
    write(rules_d, a=SOUND, b=SOUND.replace("id: a", "id: b").replace("> 5", "> 6"))
    assert check(rules_d, *option) == (0, "[]\n")


def test_github_shows_findings_beside_the_line(rules_d: Path) -> None:
    write(rules_d, a=DOUBTFUL, b=TWINS.replace("id: a", "id: d").replace("id: b", "id: e"))
    for directory in (
        Path("rules.d"),
        rules_d,
    ):  # the file is the path from where the command runs, however it is named
        code, output = check(directory, "--format", "github")
        assert code == 1
        assert output.splitlines() == [
            "::error file=rules.d/a.yaml,line=7,col=41,title=error [invalid]::rules[1].when: compares a price with a "
            "ratio (write pct_change(...) or pct_from(...) for a percentage)",
            "::notice file=rules.d/b.yaml,line=4,col=10,title=info [duplicate]::rules[1].id: has the condition of d on "
            "SPY (it is rules.d/b.yaml:3:10)",
        ]


def test_github_gets_percent_signs_and_commas_escaped(rules_d: Path) -> None:
    odd = rules_d / "a,b%.yaml"
    odd.write_text("version: 1\nrules:\n  - {id: a, symbols: [/ES], when: net_pct > 1}\n", "utf-8")
    _, output = check(rules_d, "--format", "github")
    assert output.startswith("::warning file=rules.d/a%2Cb%25.yaml,line=3,col=35,title=warning [units]::")
    assert "1 is 100 %25 of net_pct (write 1%25 for 1 percent)" in output


def test_channels_are_known_with_the_settings(rules_d: Path) -> None:
    write(rules_d, a=SOUND.replace("when:", "notify: [slack], when:"))
    settings = rules_d.parent / "settings.yaml"
    settings.write_text(f"rules: {{dir: '{rules_d}'}}\nchannels: {{phone: {{url: 'sound://'}}}}\n", "utf-8")
    assert "unknown-channel" not in check(rules_d)[1]
    for arguments in ((rules_d, "--config", settings), ("--config", settings)):
        code, output = check(*arguments)
        assert (code, "there is no channel 'slack' (the settings have phone) [unknown-channel]" in output) == (0, True)


def test_a_format_that_is_unknown_or_said_twice_is_a_usage_error(rules_d: Path) -> None:
    write(rules_d, a=SOUND)
    assert check(rules_d, "--format", "xml")[0] == 2
    assert check(rules_d, "--json", "--format", "github")[0] == 2
    assert check(rules_d, "--json", "--format", "json")[0] == 0


def test_a_file_that_is_ignored_and_a_directory_that_is_not_there(rules_d: Path) -> None:
    write(rules_d, a=SOUND)
    (rules_d / "b.yml").write_text(SOUND, "utf-8")
    assert "[ignored-file]" in check(rules_d)[1]
    assert check(rules_d / "none")[0] != 0


def test_the_examples_of_this_repository_have_nothing_to_warn_of() -> None:
    root = Path(__file__).parents[2]
    assert check(root / "rules.d", "--strict")[0] == 0
    findings = json.loads(check(root / "tests" / "data" / "rules" / "good", "--json")[1])
    # What is there to show how telling goes says too often what it says; its routes and silences fit few rules.
    shown = {"good/_routes.yaml", "good/_silences.yaml", "good/silenced.yaml"}
    (finding,) = [one for one in findings if one["file"] not in shown]
    assert (finding["file"], finding["code"]) == ("good/value-area.yaml", "no-cooldown")
    assert finding["code"] in LINTS
