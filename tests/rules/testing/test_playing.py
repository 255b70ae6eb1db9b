"""What a test plays, and what it says when things come otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules.testing.files import RULES, run

CROSSED = "{symbol: /ES, every: 1m, values: '5990 6010 5990'}"


@pytest.mark.parametrize(
    ("expects", "said"),
    [
        ("{rule: level, fires: 1}", "fires: expected 1, got 2"),
        ("{rule: level, fires: 0}", "fires: expected 0, got 2"),
        ("{rule: level, fires: 2, at: 1m}", "fires: expected 2, got 1"),
        ("{rule: level, fired_at: [1m, 3m]}", "fired_at: expected 1m, 3m, got 1m, 2m"),
        ("{rule: level, fired_at: 1m}", "fired_at: expected 1m, got 1m, 2m"),
        ("{rule: above, symbol: /ES, state: firing}", "above /ES: state: expected firing, got ok"),
        ("{rule: above, symbol: /ES, cleared_at: 1m}", "cleared_at: expected 1m, got 2m"),
        ("{rule: above, symbol: SPY, fires: 1}", "above SPY: fires: expected 1, got 0"),
        ("{rule: level, suppressed: {cooldown: 1}}", "suppressed.cooldown: expected 1, got 0"),
        ("{rule: level, missed: 1}", "missed: expected 1, got 0"),
        ("{rule: level, severity: critical}", "severity: expected critical, got warning"),
        ("{rule: level, late: true}", "late: expected true, got false"),
        ("{rule: level, value: 6010}", "value: expected 6010, got 5990.0"),
        ("{rule: level, message: hello}", "message: expected hello, got ''"),
        ("{rule: level, kinds: [fired]}", "kinds: expected fired, got fired, fired"),
        ("{rule: level, setup: {entry: 1}}", "setup.entry: expected 1, got nothing"),
    ],
)
def test_a_difference_is_said_with_what_happened(tmp_path: Path, expects: str, said: str) -> None:
    result = run(tmp_path, CROSSED, expects)
    (failure,) = result.failures
    assert said in failure and failure.startswith("a.test.yaml:8:9: ")
    about = "level:" if "{rule: level" in expects else "above:"
    told = [line.split()[:4] for line in result.happened]
    assert told == [["1m", "/ES", "6010.00", about], ["2m", "/ES", "5990.00", about]]


def test_only_what_is_written_is_compared(tmp_path: Path) -> None:
    assert run(tmp_path, CROSSED, "{rule: level, fires: 2}").failures == ()


def test_no_row_is_no_value(tmp_path: Path) -> None:
    result = run(tmp_path, "{symbol: /ES, every: 1m, values: '5990 _x3 6010'}", "{rule: level, fired_at: 4m}")
    assert result.failures == ()


def test_items_run_side_by_side(tmp_path: Path) -> None:
    rules = RULES.replace("price crosses 6000", "price > 6000 and sym(SPY).price > 600")
    inputs = (
        "{symbol: /ES, every: 1m, values: '5990 6010x5'}\n{symbol: SPY, at: 30s, every: 1m, values: '599x3 601 599'}"
    )
    result = run(tmp_path, inputs, "{rule: level, fired_at: 3m30s, cleared_at: 4m30s}", rules=rules)
    assert result.failures == ()


def test_what_happens_in_a_gap_is_missed_and_seen_at_its_end(tmp_path: Path) -> None:
    inputs = "{symbol: /ES, every: 10s, values: '5990x6 6010x12'}\n{at: 55s, event: gap, for: 30s}"
    result = run(
        tmp_path, inputs, "{rule: level, missed: 1, fires: 0, late: true}\n{rule: level, at: 1m20s, missed: 0}"
    )
    assert result.failures == ()
    assert result.happened[0].split()[0] == "1m25s"


def test_a_gap_of_one_symbol_leaves_the_others(tmp_path: Path) -> None:
    inputs = (
        "{symbol: /ES, every: 10s, values: '5990x6 6010x12'}\n{symbol: SPY, every: 10s, values: '5990x6 6010x12'}\n"
        "{at: 55s, event: gap, for: 30s, symbol: SPY}"
    )
    expects = "{rule: above, symbol: /ES, fired_at: 1m}\n{rule: above, symbol: SPY, fired_at: 1m25s, late: true}"
    assert run(tmp_path, inputs, expects).failures == ()


def test_state_survives_a_restart_and_a_rise_meanwhile_is_late(tmp_path: Path) -> None:
    inputs = "{symbol: /ES, every: 10s, values: '5990x6 6010x12'}\n{at: 55s, event: restart, for: 30s}"
    assert run(tmp_path, inputs, "{rule: above, symbol: /ES, fired_at: 1m25s, late: true}").failures == ()
    inputs = "{symbol: /ES, every: 10s, values: '5990x2 6010x12'}\n{at: 55s, event: restart, for: 30s}"
    assert run(tmp_path, inputs, "{rule: above, symbol: /ES, fired_at: 20s, kinds: [fired]}").failures == ()


def test_history_is_known_at_the_start_and_fires_nothing(tmp_path: Path) -> None:
    rules = RULES.replace("price crosses 6000", "close(5m) > sma(close, 3, 5m)").replace(
        "cooldown: 0s", "evaluate: close(5m)"
    )
    inputs = (
        "{symbol: /ES, bars: 5m, end: 0s, close: '5000 7000 5000 7000', volume: '10x4'}\n"
        "{symbol: /ES, every: 5m, values: '5000 9000 9000'}"
    )
    result = run(
        tmp_path,
        inputs,
        "{rule: level, kinds: [fired], fired_at: 10m}\n{rule: above, symbol: /ES, fires: 1}",
        rules=rules,
    )
    assert result.failures == ()


def test_history_walks_back_over_a_weekend(tmp_path: Path) -> None:
    rules = RULES.replace("price crosses 6000", "price crosses_above highest(high, 7, 1d)").replace("[/ES]", "[SPY]")
    inputs = "{symbol: SPY, bars: 1d, close: '600+1x7'}\n{symbol: SPY, every: 1m, values: '605 607'}"
    result = run(tmp_path, inputs, "{rule: level, fired_at: 1m}", rules=rules, start="2026-11-16T09:30:00-05:00")
    assert result.failures == ()


def test_sizes_make_volume_and_begin_again(tmp_path: Path) -> None:
    rules = RULES.replace("price crosses 6000", "volume(1m) >= 30").replace("[/ES]", "[SPY]")
    inputs = "{symbol: SPY, every: 20s, values: '600x8', size: '5 25'}"
    assert run(tmp_path, inputs, "{rule: level, value: 35}", rules=rules, more="    at_load: fire\n").failures == ()


def test_a_rule_that_raises_fails_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tradeassistd.engine.conditions.leaves import Comparison

    def broken(self: Comparison, now_us: int) -> None:
        raise ZeroDivisionError("broken on purpose")

    monkeypatch.setattr(Comparison, "look", broken)
    result = run(tmp_path, CROSSED, "{rule: level, fires: 2}")
    assert result.failures[0] == "above /ES raised ZeroDivisionError: broken on purpose"


def test_the_same_test_gives_the_same_twice(tmp_path: Path) -> None:
    assert run(tmp_path, CROSSED, "{rule: level, fires: 1}") == run(tmp_path, CROSSED, "{rule: level, fires: 1}")


def test_what_cannot_be_played_fails_with_a_hint(tmp_path: Path) -> None:
    (failure,) = run(tmp_path, "{symbol: /ES, bars: 5m, session: ext, close: '1'}", "{rule: level, fires: 0}").failures
    assert failure == "/ES has no session 'ext' (it has rth, globex, overnight, always)"
    (failure,) = run(tmp_path, "{symbol: /ES, every: 24h, values: '1x15'}", "{rule: level, fires: 0}").failures
    assert failure == "the test lasts 360h (at most 336h)"


def test_a_roll_forgets_the_side(tmp_path: Path) -> None:
    inputs = (
        "{symbol: /ES, every: 1m, values: '5990x2 6010 5990'}\n{at: 90s, event: roll, symbol: /ES, contract: /ESH27}"
    )
    assert run(tmp_path, inputs, "{rule: level, fired_at: 3m, missed: 0}").failures == ()


def test_a_quote_and_a_trade_come_in_one_row(tmp_path: Path) -> None:
    rules = RULES.replace("price crosses 6000", "mark > 6000 and spread < 1")
    inputs = "{symbol: /ES, at: 10s, set: {price: 6001, bid: 6000.5, ask: 6001, size: 3}}"
    result = run(tmp_path, inputs, "{rule: level, fired_at: 10s}", rules=rules, more="    at_load: fire\n")
    assert result.failures == ()


def test_a_long_timeline_is_cut_in_the_middle(tmp_path: Path) -> None:
    inputs = "{symbol: /ES, every: 1m, values: '" + "5990 6010 " * 30 + "'}"
    lines = run(tmp_path, inputs, "{rule: level, fires: 59}").happened
    assert len(lines) == 41 and lines[20] == "… 19 more …"
    assert (lines[0].split()[0], lines[-1].split()[0]) == ("1m", "59m")


def test_facts_of_the_day_count_from_the_start(tmp_path: Path) -> None:
    rules = RULES.replace("price crosses 6000", "day.volume > 1M and price > prev_day.close").replace("[/ES]", "[SPY]")
    inputs = (
        "{symbol: SPY, facts: {prev_day.close: 600, day.volume: 999.9k}}\n"
        "{symbol: SPY, every: 1m, values: '601 601 599', size: '90 20'}"
    )
    result = run(tmp_path, inputs, "{rule: level, fired_at: 1m, cleared_at: 2m}", rules=rules)
    assert result.failures == ()


@pytest.mark.parametrize(("at", "fires"), [("5m", 1), ("2m30s", 0)])
def test_a_restart_after_the_close_keeps_the_windows_of_the_day_and_one_before_it_does_not(
    tmp_path: Path, at: str, fires: int
) -> None:
    # From 15:56 on: a trade in each of four minutes, a restart at 16:01 or in the middle, and a trade after hours.
    rules = RULES.replace("price crosses 6000", "price > sma(close, 3, 1m)").replace("[/ES]", "[SPY]")
    inputs = (
        "{symbol: SPY, every: 1m, values: '100x4'}\n"
        f"{{at: {at}, event: restart, for: 10s}}\n"
        "{symbol: SPY, at: 7m, set: {price: 99}}\n{symbol: SPY, at: 8m, set: {price: 105}}"
    )
    result = run(tmp_path, inputs, f"{{rule: level, fires: {fires}}}", rules=rules, start="2026-11-16T15:56:05-05:00")
    assert result.failures == ()
