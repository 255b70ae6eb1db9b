"""docs/doctor.md says what the programs do."""

from __future__ import annotations

from pathlib import Path

from tradeassistd.cli.doctor import network
from tradeassistd.cli.status import QUIET_FRAMES_S
from tradeassistd.feed.connection import FRAME_WITHIN_S
from tradeassistd.feed.ring import BYTES_MAX, KEPT_S

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "doctor.md").read_text("utf-8")
STATES = ("connecting", "logging_in", "subscribing", "live", "degraded", "backoff", "replaced", "auth_needed")


def test_every_state_of_the_feed_is_explained() -> None:
    (table,) = [part for part in PAGE.split("\n\n") if part.startswith("| feed |")]
    assert all(f"`{state}`" in table for state in STATES)


def test_its_numbers_are_those_of_the_programs() -> None:
    assert f"older than {FRAME_WITHIN_S:.0f} s" in PAGE and 10 < QUIET_FRAMES_S < FRAME_WITHIN_S
    assert f"{network.OFFSET_WARNING_S:.0f} s is a warning, {network.OFFSET_PROBLEM_S:.0f} s a problem" in PAGE
    assert (KEPT_S, BYTES_MAX) == (600.0, 16 * 2**20) and "last ten minutes (16 MB at most" in PAGE
