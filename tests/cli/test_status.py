"""`tradeassist status`: in 80 columns what somebody who worries has to see, and little when all is well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.api.service import a_status
from tradeassistd.base.clock import ManualClock
from tradeassistd.cli import quality
from tradeassistd.cli.main import app
from tradeassistd.cli.status import status_text
from tradeassistd.cli.wording import span
from tradeassistd.store.writer import Store


def a_running(**parts: Any) -> dict[str, Any]:
    status = a_status() | {"pid": 7, "directory": "/state", "symbols": {"watched": ["/ES", "SPY"]}}
    status["feed"] |= {"frame_age_s": 0.4, "in_state_s": 7512.0}
    return status | parts


def text(status: dict[str, Any]) -> str:
    """As one line, so that a wrapped text is found."""
    return " ".join(" ".join(status_text(status)).split())


def test_a_daemon_that_is_well_takes_a_line_for_each_thing_and_marks_none() -> None:
    lines = status_text(a_running())
    assert lines == [
        "daemon    running, pid 7",
        "state in  /state",
        "feed      live for 2 h 5 min",
        "          last frame 0.4 s ago, connection 1, http://127.0.0.1",
        "rules     1 loaded (0123456789ab), from rules.d",
        "counted   0 ticks, 0 alerts, 0 told",
        "symbols   /ES SPY",
        "channel   slack: 3 sent",
    ]


def test_a_feed_that_is_down_says_why_how_long_and_when_it_was_last_heard() -> None:
    status = a_running()
    status["feed"] |= {"state": "backoff", "reason": "no answer while live", "in_state_s": 125.0, "frame_age_s": 161.0,
                       "connections": 3, "spent_s": {"live": 7000.0, "backoff": 125.0, "connecting": 5.0}}  # fmt: skip
    said = status_text(status)
    assert said[2] == "feed    ! backoff for 2 min 5 s: no answer while live"
    assert said[3].startswith("        ! last frame 2 min 41 s ago (one is due every 10 s)")
    assert "down 2 min 10 s of 1 h 58 min since the start" in text(status)


def test_a_daemon_that_died_is_not_said_to_be_live() -> None:
    said = text(a_running(state="stopped", pid=None))
    assert "daemon stopped" in said and "was live when last heard of" in said and "ago" not in said


@pytest.mark.parametrize(
    ("last_said", "line"),
    [
        ({"state": "stopped", "as_of": "2026-11-20T16:05:03Z"}, "stopped since Fri 2026-11-20 11:05:03 New York"),
        ({"as_of": "2026-11-20T16:05:03Z"}, "stopped without a word: last heard of Fri 2026-11-20 11:05:03 New York"),
        ({"state": "stopped"}, "stopped"),
    ],
)
async def test_a_daemon_that_does_not_run_says_since_when(
    tmp_path: Path, last_said: dict[str, Any], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await Store.open(tmp_path, clock=ManualClock(1))
    await store.save_status(a_status() | last_said)
    await store.close()
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TRADEASSIST_STORE__PATH", str(tmp_path))
    result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == 69
    assert result.output.splitlines()[0].lstrip("daemon !") == line


def test_symbols_with_the_same_trouble_share_a_line_and_the_worst_come_first() -> None:
    status = a_running()
    status["feed"]["refused"] = {"/GOOG": "code 19", "NOPE": "code 19"}
    status["symbols"]["quality"] = {
        "$ADD": {"delayed": True}, "$TICK": {"delayed": True}, "$TRIN": {"mute_since": "2026-11-20T15:02:11Z"},
        "NOPE": {"invalid": True}, "SPYY": {"invalid": True}, "SPY": {"bad_prints": 2, "unknown": ["open"]},
    }  # fmt: skip
    lines = [line for line in status_text(status, 120) if line.startswith(("data", "        !"))]
    assert lines == [
        "data    ! /GOOG NOPE: not watched: code 19",
        "        ! $TRIN: mute since Fri 2026-11-20 10:02:11 New York: it trades, and no rows come",
        "        ! SPYY: Schwab sends nothing for it: is it written right?",
        "        ! $ADD $TICK: delayed: Schwab says so of its data",
    ]


def test_rejected_files_held_deliveries_warming_rules_and_failing_channels_are_there() -> None:
    status = a_running(
        warming=[{"symbol": "/ES", "interval": "5m", "text": "warming until 10:35", "seen": 3, "needed": 20}] * 7,
        silences=[{"number": None, "over": "tag fed", "until": "2026-11-20T22:00:00Z", "reason": "CPI"}],
        login={"needed": "the refresh token is dead"},
        channels={"slack": {"sent": 12, "held": 3, "next_held": "2026-11-23T11:00:00Z", "failures_in_a_row": 2,
                            "last_error": "HTTP 500"}},
    )  # fmt: skip
    status["rules"]["problems"] = ["rules.d/bad.yaml:12:9: rules[3].when: " + "unknown " * 20]
    status["store"] |= {"tape_error": "disk full", "tape_limited": "0.9 GB free on the disk", "tape_density": "bars"}
    said = text(status)
    for part in (
        "! rejected: rules.d/bad.yaml:12:9:", "/ES 5m: warming until 10:35 (3 of 20 bars)", "and 2 more: --json",
        "silenced _silences.yaml: tag fed until Fri 2026-11-20 17:00:00 (CPI)", "tape ! cannot be written: disk full",
        "disk ! 0.9 GB free on the disk: the tape has stopped; alerts go on",
        "login ! needed: the refresh token is dead. Run: tradeassist auth login",
        "channel ! slack: 12 sent, 3 held until Mon 2026-11-23 06:00:00; failing: HTTP 500",
    ):  # fmt: skip
        assert part in said


@given(st.integers(60, 120), st.integers(1, 30), st.text("abc def", max_size=300))
def test_no_line_is_wider_than_the_terminal(width: int, symbols: int, reason: str) -> None:
    status = a_running(symbols={"watched": [f"SYM{number}" for number in range(symbols)]})
    status["feed"] |= {"state": "backoff", "reason": " ".join(word[:20] for word in reason.split())}
    assert max(map(len, status_text(status, width))) <= width


@pytest.mark.parametrize(
    "status",
    [{}, {"feed": {}}, {"state": "running", "pid": 1}, {"state": "running", "feed": {"state": "connecting"}},
     {"state": "running", "feed": {"frame_age_s": None}, "symbols": {"quality": {"SPY": {}}}, "channels": {"a": {}}}],
)  # fmt: skip
def test_a_status_of_another_version_is_shown_as_far_as_it_goes(status: dict[str, Any]) -> None:
    assert any(line.startswith("feed") for line in status_text(status))


def test_remarks_are_sorted_by_weight_and_fall_back_to_the_older_count() -> None:
    assert quality.remarks({"symbols": {"not_plausible": {"$VOLD": 3}}}) == [
        quality.Remark("$VOLD", quality.NOTE, "implausible", "3 values left out, not plausible")
    ]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1, "0.0 s"), (4.26, "4.3 s"), (9.99, "10.0 s"), (48, "48 s"), (60, "1 min"), (125, "2 min 5 s"),
     (3600, "1 h"), (11_045, "3 h 4 min"), (183_600, "2 d 3 h")],
)  # fmt: skip
def test_spans_have_two_units_at_most(seconds: float, said: str) -> None:
    assert span(seconds) == said


async def test_the_command_reads_the_store_of_a_stopped_daemon(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"store: {{path: '{tmp_path / 'state'}'}}\n", "utf-8")
    store = await Store.open(tmp_path / "state", clock=ManualClock())
    await store.save_status(a_status())
    await store.close()
    done = CliRunner().invoke(app, ["status", "--config", str(tmp_path / "config.yaml")])
    assert done.exit_code == 69 and "was live when last heard of" in done.output
