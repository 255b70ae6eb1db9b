"""`tradeassist instruments`: what is found, in which order, where it is from, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tradeassistd.base.clock import ManualClock
from tradeassistd.cli.main import app
from tradeassistd.engine.rule import RuleSet
from tradeassistd.rules.load import load_texts
from tradeassistd.store.writer import Store

FILE = """\
/ES: {tick_size: 0.5, session: rth}
$ADDX: {derived: '$ADVN - $DECN', name: My A/D, tick_size: 1}
/NQ: {tick_size: 0.25}
"""


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "rules.d").mkdir()
    text = f"rules: {{dir: '{tmp_path / 'rules.d'}'}}\nstore: {{path: '{tmp_path / 'state'}'}}\n"
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    return tmp_path


def ask(desk: Path, *arguments: str) -> tuple[int, list[str]]:
    result = CliRunner().invoke(app, ["instruments", *arguments, "--config", str(desk / "config.yaml")])
    return result.exit_code, result.output.splitlines()


def found(desk: Path, text: str) -> list[str]:
    code, lines = ask(desk, text)
    assert code == 0
    return [line.split()[0] for line in lines[1:]]


def test_a_symbol_is_shown_with_its_facts(desk: Path) -> None:
    code, lines = ask(desk, "/CL")
    assert code == 0
    assert lines[0].split() == ["symbol", "name", "class", "market", "tick", "point", "plausible"]
    assert " ".join(lines[1].split()) == "/CL Crude oil (WTI) future energy 0.01 1000 -500 to 2000"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/ESZ26", ["/ESZ26"]),
        ("es", ["/ES", "/MES"]),
        ("vix", ["$VIX", "$VIX1D"]),
        ("crude oil", ["/CL", "/MCL", "/QM", "/BZ"]),
        ("OIL CRUDE", ["/CL", "/MCL", "/QM", "/BZ"]),
        ("$tick", ["$TICK"]),
        ("aapl", ["AAPL"]),
        ("Apple", ["AAPL"]),
        ("brk/b", ["BRK/B"]),
        ("berkshire", ["BRK/B", "BRK/A"]),
    ],
)
def test_it_finds_by_symbol_root_and_words_of_the_name(desk: Path, text: str, expected: list[str]) -> None:
    assert found(desk, text)[: len(expected)] == expected


def test_everything_is_shown_without_a_text(desk: Path) -> None:
    symbols = found(desk, "")
    assert {"/ES", "$SPX", "$TICK", "SPY", "AAPL"} <= set(symbols) and len(symbols) > 200
    assert len(symbols) == len(set(symbols))


@pytest.mark.parametrize(("text", "kind"), [("ZZZZ", "equity"), ("/ZZZZ", "future"), ("$ZZZZ", "index")])
def test_what_is_not_known_is_shown_with_what_is_assumed_and_the_answer_is_no(desk: Path, text: str, kind: str) -> None:
    code, lines = ask(desk, text)
    assert code == 1 and len(lines) == 2
    assert kind in lines[1] and lines[1].endswith("not in the catalogue: this is assumed")


def test_a_text_that_fits_nothing_is_said(desk: Path) -> None:
    assert ask(desk, "no such thing") == (1, ["nothing is known of 'no such thing'"])
    assert ask(desk, "no such thing", "--json") == (1, ["[]"])


def test_a_tick_size_that_nobody_is_sure_of_is_said_to_be_assumed(desk: Path) -> None:
    assert ask(desk, "/PAH27")[1][1].endswith("tick size not known: 0.01 is assumed")


def test_overrides_of_the_directory_are_shown_as_such(desk: Path) -> None:
    (desk / "rules.d" / "_instruments.yaml").write_text(FILE, "utf-8")
    assert ask(desk, "/ESZ26")[1][1].endswith("10 to 200000  session rth; tick, session from _instruments.yaml")
    assert ask(desk, "/NQZ26")[1][1].endswith("as listed from _instruments.yaml")
    assert ask(desk, "my a/d")[1][1].endswith("= $ADVN - $DECN; from _instruments.yaml")
    assert "_instruments" not in ask(desk, "SPY")[1][1]


def test_json_holds_every_fact(desk: Path) -> None:
    (desk / "rules.d" / "_instruments.yaml").write_text(FILE, "utf-8")
    _, lines = ask(desk, "/ESZ26", "--json")
    assert json.loads("\n".join(lines)) == [
        {
            "symbol": "/ESZ26", "root": "/ES", "name": "E-mini S&P 500", "class": "future", "market": "equity_index",
            "tick_size": "0.5", "multiplier": "50", "plausible": ["10", "200000"], "session": "rth", "derived": None,
            "overridden": True, "known": True,
        }
    ]  # fmt: skip
    (made,) = json.loads("\n".join(ask(desk, "$ADDX", "--json")[1]))
    assert (made["derived"], made["class"], made["multiplier"]) == ("$ADVN - $DECN", "internal", None)
    (lean,) = json.loads("\n".join(ask(desk, "VXX", "--json")[1]))
    assert lean["plausible"] is None


async def test_what_the_daemon_accepted_last_is_in_force_not_what_lies_there(desk: Path) -> None:
    rules = load_texts({"_instruments.yaml": FILE.replace("0.5", "0.75")}).rule_set
    assert isinstance(rules, RuleSet) and rules.texts
    store = await Store.open(desk / "state", clock=ManualClock(1))
    await store.save_rules(rules, "", event_us=1)
    await store.close()
    (desk / "rules.d" / "_instruments.yaml").write_text("/ES: {tick_size: broken}\n", "utf-8")
    (shown,) = json.loads("\n".join(ask(desk, "/ESZ26", "--json")[1]))
    assert shown["tick_size"] == "0.75"


@pytest.mark.parametrize("text", ["/ES: {tick_size: broken}\n", "a: [", "\ufeff"])
def test_a_broken_file_is_an_error_with_its_place(desk: Path, text: str) -> None:
    (desk / "rules.d" / "_instruments.yaml").write_text(text, "utf-8")
    result = CliRunner().invoke(app, ["instruments", "/ES", "--config", str(desk / "config.yaml")])
    assert result.exit_code != 0
    assert "_instruments.yaml" in str(result.exception)
