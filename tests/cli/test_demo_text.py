"""The demo's plain lines: each alert once, with where it went, and what is said at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.store.makers import FRIDAY_US, a_decision
from tradeassistd.base.clock import ManualClock
from tradeassistd.cli import exit_codes
from tradeassistd.cli.demo_text import LOOKS_MAX, AlertLines, summary
from tradeassistd.cli.main import app
from tradeassistd.store.records import Decided, Delivery, DeliveryState
from tradeassistd.store.writer import Store


async def settle(store: Store, decided: Decided, channel: str, state: DeliveryState) -> None:
    delivery = Delivery(decided.alerts[0].id, channel, state, 1, decided.event_us, decided.event_us)
    assert await store.mark(delivery)


async def test_an_alert_is_shown_once_when_it_is_known_where_it_went(tmp_path: Path) -> None:
    lines = AlertLines(tmp_path)
    assert lines.fresh() == []  # there is no store yet
    store = await Store.open(tmp_path, clock=ManualClock())
    first, second = a_decision(FRIDAY_US, "desktop", "slack"), a_decision(FRIDAY_US + 1_000, "slack")
    await store.commit(first, [])
    await store.commit(second, [])
    assert lines.fresh() == []
    await settle(store, second, "slack", DeliveryState.SENT)
    await settle(store, first, "slack", DeliveryState.SENT)
    assert lines.fresh() == []  # the first one holds the second: lines come in order
    await settle(store, first, "desktop", DeliveryState.FAILED)
    assert lines.fresh() == [
        "2026-11-20 09:30:00.000  warning   /ES 5,200.25 - es-levels  [desktop failed, slack sent]",
        "2026-11-20 09:30:00.001  warning   /ES 5,200.25 - es-levels  [slack sent]",
    ]
    assert lines.fresh() == []
    await store.close()


async def test_a_delivery_that_hangs_does_not_hide_its_alert(tmp_path: Path) -> None:
    store = await Store.open(tmp_path, clock=ManualClock())
    await store.commit(a_decision(FRIDAY_US, "slack"), [])
    lines = AlertLines(tmp_path)
    shown = [lines.fresh() for _ in range(LOOKS_MAX + 3)]
    assert shown[: LOOKS_MAX - 1] == [[]] * (LOOKS_MAX - 1)
    assert shown[LOOKS_MAX - 1][0].endswith("[slack pending]")
    assert shown[LOOKS_MAX:] == [[]] * 3
    await store.close()


async def test_the_end_says_what_was_told_and_what_arrived(tmp_path: Path) -> None:
    assert summary(tmp_path, {}) == ["The demo ended before the daemon had stored anything."]
    store = await Store.open(tmp_path, clock=ManualClock())
    for number in range(2):
        await store.commit(a_decision(FRIDAY_US + number, "slack"), [])
    await store.close()
    said = "\n".join(summary(tmp_path, {"slack": 2}))
    assert "2 alerts told by 1 rule: es-levels 2" in said
    assert "arrived at the demo's receiver: slack 2." in said


@pytest.mark.parametrize("words", ["demo --speed 0", "demo --for -3", "simulate --port 99999"])
def test_a_number_that_cannot_be_is_a_usage_error(words: str) -> None:
    done = CliRunner().invoke(app, words.split())
    assert (done.exit_code, "is not in the range" in done.output) == (exit_codes.USAGE, True)


def test_where_there_is_room_the_list_says_wholly_what_each_command_is_for() -> None:
    command = [sys.executable, "-m", "tradeassistd.cli.main", "--help"]  # the runner of tests is 80 columns wide
    said = subprocess.run(command, env={**os.environ, "COLUMNS": "120"}, capture_output=True, text=True).stdout
    assert "Check everything an alert needs: settings, login, Schwab, disk, data, channels" in said
    assert [line for line in said.splitlines()[1:] if line.endswith("...")] == []
