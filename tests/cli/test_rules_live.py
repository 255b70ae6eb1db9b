"""`tradeassist rules list` and `rules show` in words: levels, what has expired, what is spent, the rule's terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.store.makers import FRIDAY_US, a_transition
from tradeassistd.api.rule_documents import rule_document, state_document
from tradeassistd.base.instant import US_PER_S
from tradeassistd.cli import acknowledge as ack
from tradeassistd.cli import exit_codes, rules_live
from tradeassistd.cli.client import Answer
from tradeassistd.cli.queries import alert_line
from tradeassistd.engine.transition import RuleState, State
from tradeassistd.rules.load import load_texts
from tradeassistd.store.outbox import StoredAlert
from tradeassistd.store.records import Alert

RULES = """version: 1
rules:
  - id: ladder
    symbols: [/ES, /NQ]
    levels:
      - {severity: warning, when: price < 5200, clear_when: price > 5210}
      - {severity: critical, when: price < 5100}
  - {id: one, symbols: [SPY, QQQ], when: price > 1, fire: once}
  - {id: old, symbols: [SPY], when: price > 1, expires: 2026-01-05}
  - {id: trial, symbols: [SPY], when: price > 1, mode: shadow}
  - {id: asleep, symbols: [SPY], when: price > 1, mode: 'off'}
  - id: full
    symbols: [/ES]
    active: ['mon-fri 09:45-11:30']
    expires: 2026-12-18
    stale_after: 30s
    fire: each_bar(5m)
    max_per_session: 3
    rearm: move 8t
    clear_when: price < 1
    keep_firing_for: 2m
    repeat: [90s, 15m, 1h]
    on_clear: tell
    setup: {type: fade, entry: price, stop: 'price - 8t'}
    when: price > 1
"""
LEAF = {"kind": "state", "text": "price < 5200", "outcome": False, "why": "", "distance_pct": 0.5, "items": [],
        "left": 5226.0, "right": 5200.0, "unit": "price", "distance": -26.0, "side": ""}  # fmt: skip


def documents(*states: RuleState) -> dict[str, dict[str, Any]]:
    """The rules as the API gives them, with these states; each standing has the same condition."""
    found = load_texts({"rules.yaml": RULES})
    assert not found.problems, found.problems
    made = {}
    for rule in found.rule_set.rules:
        own = [state_document(rule, state) for state in states if state.rule_id == rule.id]
        standings = [{**state, "due": None, "why": "", "condition": LEAF} for state in own]
        made[rule.id] = {**rule_document(rule, FRIDAY_US), "states": own, "standings": standings}
    return made


def state(rule: str, symbol: str, level: int = 0, where: State = State.OK, **changes: Any) -> RuleState:
    return RuleState(rule, symbol, level, "f", where, FRIDAY_US, **changes)


STATES = (
    state("ladder", "/ES", 2, State.FIRING, since_us=FRIDAY_US - 60 * US_PER_S, acked=True, reminded=1),
    state("ladder", "/ES", 1, State.FIRING, since_us=FRIDAY_US - 90 * US_PER_S, reminded=2),
    state("ladder", "/NQ", 2), state("ladder", "/NQ", 1, State.PENDING),
    state("one", "SPY", told_count=1), state("one", "QQQ"),
    state("old", "SPY"), state("trial", "SPY"), state("full", "/ES"),
)  # fmt: skip


def test_the_list_has_one_line_a_rule_and_says_what_is_not_as_usual(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = list(documents(*STATES).values())
    monkeypatch.setattr(rules_live, "ask", lambda *_: Answer(200, rules))
    assert rules_live.show_list(Path("api.sock"), as_json=False) == exit_codes.YES
    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()] == [
        "ladder critical 1 firing (level 2 of 2), 1 pending /ES /NQ",
        "one warning 2 ok SPY QQQ (spent: SPY)",
        "old warning expired SPY",
        "trial warning 1 ok SPY (shadow)",
        "asleep warning off SPY",
        "full warning 1 ok /ES",
        "6 rules",
    ]


def test_a_ladder_that_is_quiet_shows_its_mildest_severity() -> None:
    quiet = documents(state("ladder", "/ES", 2), state("ladder", "/ES", 1))["ladder"]
    assert rules_live._severity_text(quiet) == "warning+"
    assert rules_live._states_text(quiet) == "1 ok"
    mild = documents(state("ladder", "/ES", 2), state("ladder", "/ES", 1, State.FIRING))["ladder"]
    assert (rules_live._severity_text(mild), rules_live._states_text(mild)) == ("warning", "1 firing (level 1 of 2)")
    spent = documents(state("one", "SPY", told_count=1), state("one", "QQQ", told_count=2))["one"]
    assert rules_live._remarks(spent) == " (spent)"


def test_show_has_a_block_for_each_level() -> None:
    lines = list(rules_live.rule_lines(documents(*STATES)["ladder"]))
    assert lines[0] == "ladder  critical, tick, live, rules.yaml:3"
    assert lines[2:9] == [
        "/ES  level 2 of 2, critical: firing since Fri 2026-11-20 09:29:00, acknowledged, reminded once, 0.50% away",
        "false    price < 5200   [5,226 against 5,200; to go -26 (0.50%)]",
        "",
        "/ES  level 1 of 2, warning: firing since Fri 2026-11-20 09:28:30, reminded 2 times, 0.50% away",
        "false    price < 5200   [5,226 against 5,200; to go -26 (0.50%)]",
        "over when price > 5210",
        "",
    ]


def test_show_says_what_the_rule_says_beyond_its_condition() -> None:
    found = documents(*STATES)
    assert list(rules_live.rule_lines(found["full"]))[1:9] == [
        "  watched mon-fri 09:45-11:30 America/New_York",
        "  expires Fri 2026-12-18 17:00:00",
        "  a symbol without a row for 30 s counts as unknown",
        "  fires each_bar(5m), at most 3 told in a session, again only after a move 8t",
        "  over once that has held for 120 s",
        "  reminds after 90s, then 15m, then 1h and so on, until acknowledged",
        "  tells when it is over",
        "  setup fade: entry price, stop price - 8t",
    ]
    assert "  not judged any more: it has expired" in rules_live.rule_lines(found["old"])
    assert "  not judged: it is off" in rules_live.rule_lines(found["asleep"])
    one = list(rules_live.rule_lines(found["one"]))
    assert one[1] == "  fires once"
    assert "spent: it fires once" in one[3] and "spent" not in one[6]
    assert list(rules_live.rule_lines(found["trial"]))[1] == ""  # nothing to say


def test_a_seq_stands_with_its_events_below_it() -> None:
    happened = {**LEAF, "kind": "event", "text": "price crosses 5190", "left": None, "right": None, "distance": None,
                "why": "happened at 09:28:00, counts until 09:43:00 New York"}  # fmt: skip
    seq = {**LEAF, "kind": "event", "text": "seq(price crosses 5190, price crosses 5200, within=15m)",
           "why": "waits for price crosses 5200", "left": 1.0, "right": 2.0, "unit": "number", "distance": 1.0,
           "items": [happened, {**LEAF, "kind": "event", "text": "price crosses 5200", "side": "above"}]}  # fmt: skip
    assert list(rules_live._condition_lines(seq, "", "")) == [
        "false    seq(price crosses 5190, price crosses 5200, within=15m)   "
        "[1 against 2; to go +1 (0.50%); waits for price crosses 5200]",
        "├─ false    price crosses 5190   [happened at 09:28:00, counts until 09:43:00 New York]",
        "└─ false    price crosses 5200   [5,226 against 5,200; to go -26 (0.50%); seen above]",
    ]


# --- ack -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("firings", "code", "output", "errors"),
    [
        ([{"symbol": "/ES", "level": 0, "since": "2026-11-20T14:05:03Z"}], exit_codes.YES,
         "es-levels /ES: no more reminders for the firing since 09:05:03\n", ""),
        ([{"symbol": "/ES", "level": 2, "since": "2026-11-19T14:05:03Z"}], exit_codes.YES,
         "es-levels /ES level 2: no more reminders for the firing since Thu 2026-11-19 09:05:03\n", ""),
        ([], exit_codes.NO, "", "es-levels /ES: nothing fires that anybody was told about\n"),
    ],
)  # fmt: skip
def test_ack_says_what_it_did(
    firings: list[dict[str, Any]], code: int, output: str, errors: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    asked: list[Any] = []
    done = {"rule": "es-levels", "event_time": "2026-11-20T14:30:00Z", "firings": firings}

    def ask(path: Path | None, target: str, query: dict[str, str], *, method: str) -> Answer:
        asked.append((path, target, query["rule"], query["symbol"], method))
        assert query["by"]
        return Answer(200, done)

    monkeypatch.setattr(ack, "ask", ask)
    assert ack.acknowledge(Path("api.sock"), "es-levels", "/ES", as_json=False) == code
    assert capsys.readouterr() == (output, errors)
    assert asked == [(Path("api.sock"), "/ack", "es-levels", "/ES", "POST")]
    assert ack.acknowledge(Path("api.sock"), "es-levels", "/ES", as_json=True) == code
    assert '"rule": "es-levels"' in capsys.readouterr().out


# --- alerts ----------------------------------------------------------------------------------------------------------


def test_an_alert_with_a_setup_has_it_on_a_second_line() -> None:
    setup = (("type", "fade"), ("entry", 5200.25), ("target", None))
    lines = [
        alert_line(StoredAlert(Alert("id", transition, "warning", "title", "text", "hash"), ()))
        for transition in (a_transition(FRIDAY_US), a_transition(FRIDAY_US, setup=setup))
    ]
    assert lines[0] == "2026-11-20 09:30:00.000  warning   title  [no channel]"
    assert lines[1].splitlines() == [lines[0], " " * 35 + "fade: entry 5,200.25, target n/a"]
