"""The benchmarks run and fill their table; what the numbers are is for a quiet machine to say, not for a test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.measure import alternating, percentile, ratio
from bench.result import Goal, Row, judged, shown, table

ROOT = Path(__file__).resolve().parents[1]
WITHIN_S = 120


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S
    )


def cells(text: str) -> list[list[str]]:
    """The lines of a Markdown table after its head."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"][2:]


def test_the_cheap_parts_fill_the_table(tmp_path: Path) -> None:
    done = bench("--quick", "cli", "engine", "--out", str(tmp_path / "table.md"))
    assert done.returncode == 0, done.stderr
    rows = cells(done.stdout)
    assert cells((tmp_path / "table.md").read_text("utf-8")) == rows
    whats = [what for _, what, *_ in rows]
    assert [part for part, *_ in rows] == ["cli"] * 3 + ["engine"] * 7
    for wanted in ("tradeassist --help", "tradeassist status", "quiet tick, 1 price level on its symbol",
                   "quiet tick, 1,000 price levels on its symbol", "replay of a 23-hour day"):  # fmt: skip
        assert any(what.startswith(wanted) for what in whats), wanted
    assert all(measured[0].isdigit() for _, _, measured, _, _ in rows)
    # A quick run says that the goals are there and judges none of them.
    assert {(bool(goal), met) for *_, goal, met in rows} == {(True, "not judged"), (False, "")}


def test_checking_rules_is_measured_against_a_goal_in_cpu_seconds() -> None:
    done = bench("--quick", "check")
    assert done.returncode == 0, done.stderr
    found = [(part, what, goal) for part, what, _, goal, _ in cells(done.stdout)]
    assert found == [("check", f"rules check, CPU for {count} rules", "≤ 1 s") for count in (1, 500)]


def test_an_unknown_part_is_a_usage_error() -> None:
    done = bench("speed")
    assert done.returncode == 2
    assert "no part speed" in done.stderr


def test_a_goal_is_met_on_its_own_side() -> None:
    assert judged("a", "b", 0.5, Goal(0.5, "x")).met
    assert not judged("a", "b", 0.51, Goal(0.5, "x")).met
    assert judged("a", "b", 80_000, Goal(80_000, "ticks/s", at_least=True)).met
    assert not judged("a", "b", 79_999, Goal(80_000, "ticks/s", at_least=True)).met


def test_the_table_says_what_was_met() -> None:
    rows = [
        judged("a", "slow", 2.0, Goal(0.5, "x"), "4 us"),
        Row("a", "plain", "1 s"),
        judged("b", "ok", 1, Goal(2, "s")),
    ]
    assert [line[2:] for line in cells(table(rows, judge=True))] == [
        ["2x (4 us)", "≤ 0.5x", "no"], ["1 s", "", ""], ["1 s", "≤ 2 s", "yes"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0625, "0.062 s"), (1.5, "1.5 s"), (12.34, "12.3 s"), (123.4, "123 s"), (80_000.0, "80,000 s")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert shown(value, "s") == text


def test_a_percentile_is_a_measured_value() -> None:
    values = [float(value) for value in range(1, 1_001)]
    assert [percentile(values, percent) for percent in (50, 99, 99.9, 100)] == [500, 990, 999, 1_000]
    assert percentile([7.0], 99) == 7.0
    with pytest.raises(ValueError, match="nothing was measured"):
        percentile([], 50)


def test_candidates_alternate_and_are_compared_round_by_round() -> None:
    order: list[str] = []
    numbers = iter([1.0, 10.0, 2.0, 40.0, 3.0, 90.0])

    def measure(name: str) -> float:
        order.append(name)
        return next(numbers)

    found = alternating(3, {"a": lambda: measure("a"), "b": lambda: measure("b")})
    assert order == ["a", "b"] * 3
    assert ratio(found["b"], found["a"]) == 20.0
