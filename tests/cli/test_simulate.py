"""`tradeassist simulate` with options that cannot be meant."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tradeassistd.cli import exit_codes
from tradeassistd.cli.main import main


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--speed", "fast"), "'fast' is not a speed"),
        (("--speed", "0"), "'0' is not a speed"),
        (("--start", "noon"), "'noon' is not a time"),
        (("--cut", "45"), "'45' is not a cut"),
        (("--fault", "mutte"), "did you mean mute?"),
        (("--file", "/absent.csv"), "'/absent.csv' does not exist"),
        (("--scenario", "/absent.yaml"), "'/absent.yaml' does not exist"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    option: tuple[str, str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, "simulate", *option) == exit_codes.USAGE
    assert said in capsys.readouterr().err


def test_a_scenario_that_is_wrong_is_a_wrong_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.yaml").write_text("version: 2\n")
    assert _run(monkeypatch, "simulate", "--scenario", str(tmp_path / "bad.yaml")) == exit_codes.CONFIGURATION


def _run(monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    monkeypatch.setattr(sys, "argv", ["tradeassist", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code
