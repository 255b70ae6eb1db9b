"""The laws bite: each breaks on a copy of the package with one small thing wrong, and every law is shown to once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LAWS = [CHECKOUT / "tests" / "engine" / name for name in ("test_laws.py", "test_bar_laws.py")]
AT_ONCE = 2
WITHIN_S = 60

PROFILE = '''
"""Makes a run of the laws repeatable and short, and proves that it runs on the copy."""
from pathlib import Path
from hypothesis import Phase, settings
import tradeassistd

settings.register_profile("bite", derandomize=True, database=None, deadline=None, phases=[Phase.generate])
settings.load_profile("bite")
assert Path(tradeassistd.__file__).resolve().is_relative_to(Path(__file__).resolve().parent), tradeassistd.__file__
'''


class Break(NamedTuple):
    """What goes wrong, where, and the law that must notice."""

    what: str
    file: str
    old: str
    new: str
    law: str


BREAKS = [
    # three-valued logic
    Break("unknown counts as false in `all`", "leaves",
          "        if value is False:\n            return False\n        if value is None:\n            result = None",
          "        if not value:\n            return False",
          "test_kleene_logic_is_the_strongest_that_unknown_allows"),
    Break("unknown counts as true in `any`", "leaves",
          "        if value is True:\n", "        if value is not False:\n",
          "test_kleene_logic_is_the_strongest_that_unknown_allows"),
    Break("a result that is unknown clears", "machine",
          "        if outcome.full is None and outcome.live is None:\n", "        if False:\n",
          "test_an_unknown_result_never_fires_and_never_clears"),
    Break("a result that is unknown fires", "leaves",
          "        return Outcome(kleene_all(one.live for one in outcomes), kleene_all(one.full for one in outcomes))",
          "        return Outcome(all(one.live is not False for one in outcomes), False)",
          "test_an_event_never_fires_while_part_of_its_condition_is_unknown"),
    Break("a crossing beside an unknown level is known not to have happened", "leaves",
          "Outcome(live or (None if unknown else False), full or (None if unknown else False))",
          "Outcome(live, full)",
          "test_a_crossing_is_not_known_while_one_of_its_levels_is_unknown"),
    Break("values outlive the feed", "symbols",
          "if tick is None or not self.live:", "if tick is None:",
          "test_while_cut_off_nothing_is_known_and_a_state_found_changed_is_late"),
    # states
    Break("a state fires again while it holds", "machine",
          "        if holds and (state.untold or state.state is State.PENDING):",
          "        if holds and state.state is State.FIRING and not first:\n"
          "            yield from self._rise(now_us)\n"
          "        if holds and (state.untold or state.state is State.PENDING):",
          "test_a_state_fires_once_per_rise_and_clears_once_per_fall"),
    Break("every rise is as quiet as the one at load", "machine",
          'first and self.rule.at_load == "quiet"', 'self.rule.at_load == "quiet"',
          "test_a_state_fires_once_per_rise_and_clears_once_per_fall"),
    # crossings
    Break("equal counts as above", "leaves",
          "(left > right) - (left < right)", "(left >= right) - (left < right)",
          "test_a_crossing_needs_both_sides_and_equal_keeps_the_side"),
    Break("no side counts as below", "leaves",
          "before = self._sides[self._first + position]", "before = self._sides[self._first + position] or BELOW",
          "test_a_crossing_needs_both_sides_and_equal_keeps_the_side"),
    Break("crosses_below fires upwards", "leaves",
          '"crosses_below": (ABOVE,)', '"crosses_below": (BELOW,)',
          "test_a_crossing_needs_both_sides_and_equal_keeps_the_side"),
    Break("several levels share one side", "leaves",
          "self._move(position, (left", "self._move(0, (left",
          "test_crossing_any_of_several_levels_is_crossing_one_of_them"),
    Break("the lower bound lies outside its range", "leaves",
          "inside = low <= left <= high", "inside = low < left <= high",
          "test_entering_and_leaving_a_range_take_turns"),
    Break("exits fires when entering", "leaves",
          'OUTSIDE if self._op == "enters" else INSIDE', "OUTSIDE",
          "test_entering_and_leaving_a_range_take_turns"),
    # cuts
    Break("a cut forgets the side", "leaves",
          "        self._cut = set(range(self.width))",
          "        self._sides[self._first : self._first + self.width] = [NO_SIDE] * self.width",
          "test_a_cut_keeps_the_side_and_a_change_across_it_is_missed"),
    Break("a crossing across a cut is live", "leaves",
          "live = live or not missed", "live = True",
          "test_a_cut_keeps_the_side_and_a_change_across_it_is_missed"),
    Break("a state found changed after a cut is not late", "machine",
          "late, self._cut = self._cut, False", "late, self._cut = False, False",
          "test_while_cut_off_nothing_is_known_and_a_state_found_changed_is_late"),
    Break("a gap of one symbol cuts all", "engine",
          "if named & set(machine.reads):", "if named:",
          "test_a_gap_of_one_symbol_is_no_gap_of_another"),
    Break("coming back into the session is no cut", "machine",
          "        self.closes_us = self._window.close_us\n        self.cut()\n",
          "        self.closes_us = self._window.close_us\n",
          "test_outside_its_session_nobody_watches_and_a_change_across_it_is_missed"),
    Break("a rule is judged outside its session", "machine",
          "        if self._window is None:\n            return False\n",
          "        if self._window is None:\n            return True\n",
          "test_outside_its_session_nobody_watches_and_a_change_across_it_is_missed"),
    Break("windows reach across a gap", "series",
          "        for track in self._tracks.values():\n            track.reset()\n", "",
          "test_a_window_that_holds_a_gap_is_unknown_and_only_whole_bars_follow_it"),
    Break("the first bar after a gap may hold part of it", "series",
          "self._complete_from_us = max(self._complete_from_us, until_us)", "pass",
          "test_a_window_that_holds_a_gap_is_unknown_and_only_whole_bars_follow_it"),
    Break("a restart forgets the state", "machine",
          "        self._attach()\n        self._set_timer()\n        self.cut()\n        return True",
          "        self.state = RuleState(self.rule.id, self.symbol, 0, self.rule.fingerprint)\n"
          "        self._attach()\n        return True",
          "test_a_restart_neither_loses_nor_repeats_a_firing"),
    # telling
    Break("the cooldown ends a microsecond late", "machine",
          "now_us - self.state.told_us < self._cooldown_us", "now_us - self.state.told_us <= self._cooldown_us",
          "test_a_rise_is_told_from_the_very_microsecond_on_at_which_the_cooldown_is_over"),
    Break("the cooldown is not asked", "machine",
          "            return COOLDOWN\n", '            return ""\n',
          "test_cooldown_keeps_told_alerts_apart_and_loses_no_rise"),
    Break("what was held back is never told", "machine",
          "            self.due_us = state.told_us + self._cooldown_us", "            self.due_us = 0",
          "test_what_is_due_is_told_before_the_row_that_would_end_it"),
    Break("the row comes before the timers", "engine",
          "        yield from self._timers(now_us)\n"
          "        yield from self._closed(bars, now_us)\n        state.apply(tick)\n",
          "        yield from self._closed(bars, now_us)\n        state.apply(tick)\n",
          "test_what_is_due_is_told_before_the_row_that_would_end_it"),
    Break("`for` counts the time it was unknown", "machine",
          "            self._pause(now_us)\n", "",
          "test_unknown_pauses_for_and_the_time_known_before_it_counts"),
    Break("`for` begins anew when it was unknown", "machine",
          "state.held_us + now_us - state.holding_us, 0, True", "0, 0, True",
          "test_unknown_pauses_for_and_the_time_known_before_it_counts"),
    Break("`for` counts across a gap", "machine",
          "            self.state.held_us = self.state.holding_us = 0\n", "            pass\n",
          "test_a_gap_makes_for_count_anew"),
    Break("`for` goes on counting after the condition has lapsed", "machine",
          "        kind = Kind.CLEARED if state.state is State.FIRING else Kind.LAPSED\n",
          "        kind = Kind.CLEARED if state.state is State.FIRING else Kind.LAPSED\n"
          "        if kind is Kind.LAPSED:\n            return\n",
          "test_for_fires_exactly_when_it_has_held_without_a_break"),
    # bars and windows
    Break("a trade on the end of a bar still belongs to it", "series",
          "self._trades and exchange_us >= self._end_us", "self._trades and exchange_us > self._end_us",
          "test_an_average_is_exact_and_holds_only_closed_bars"),
    Break("an average divides by one bar too many", "indicators",
          "        return exact(self._sum, self._count)", "        return exact(self._sum, self._count + 1)",
          "test_an_average_is_exact_and_holds_only_closed_bars"),
    Break("an average is a float", "indicators",
          "        return exact(self._sum, self._count)", "        return Fraction(self._sum / self._count)",
          "test_an_average_is_exact_and_holds_only_closed_bars"),
    Break("an extreme is one bar too long", "indicators",
          "if self._candidates[0][0] <= self._seen - self._count:",
          "if self._candidates[0][0] < self._seen - self._count:",
          "test_every_window_ends_with_the_last_closed_bar"),
    Break("the exponential mean forgets too fast", "indicators",
          "self._alpha = 2.0 / (count + 1)", "self._alpha = 2.0 / count",
          "test_every_window_ends_with_the_last_closed_bar"),
    Break("`[1]` is not heard, so a spike is compared with itself", "compile",
          "return self._bars(node.base, here, node.bars_back)", "return self._bars(node.base, here, 0)",
          "test_a_spike_is_compared_with_the_bars_before_it"),
    Break("a late trade goes into the forming bar", "series",
          "        elif exchange_us < self._start_us:", "        elif False:",
          "test_a_late_trade_changes_no_bar_that_has_closed"),
    Break("a late trade opens its closed bar again", "series",
          "            if bounds[0] < self._closed_until_us:", "            if False:",
          "test_a_late_trade_changes_no_bar_that_has_closed"),
    Break("close rules see the row that closed their bar", "engine",
          "        yield from self._closed(bars, now_us)\n        state.apply(tick)\n",
          "        state.apply(tick)\n        yield from self._closed(bars, now_us)\n",
          "test_close_rules_see_the_quote_as_it_was_before_the_row_that_closed_their_bar"),
    Break("a closed bar wakes nobody", "engine",
          "tick.changed | (BARS_MOVED if bars else 0)", "tick.changed",
          "test_a_rule_on_bars_alone_is_judged_when_they_close"),
    Break("a look-back reaches one second too far", "windows",
          "second = event_us // US_PER_S - seconds\n", "second = event_us // US_PER_S - seconds - 1\n",
          "test_pct_change_looks_back_on_whole_seconds"),
    Break("a value holds from the second before it was set", "windows",
          "second = -(-event_us // US_PER_S)", "second = event_us // US_PER_S",
          "test_pct_change_looks_back_on_whole_seconds"),
    # the same again
    Break("one engine leaves something behind for the next", "machine",
          '            return COOLDOWN\n        return ""\n',
          "            return COOLDOWN\n        Machine.asked = getattr(Machine, 'asked', 0) + 1\n"
          '        return MODE if Machine.asked % 2 else ""\n',
          "test_the_same_events_give_the_same_transitions"),
]  # fmt: skip


class Verdict(NamedTuple):
    code: int
    said: str


def run_laws(folder: Path, *laws: str) -> Verdict:
    """pytest's exit code and words for these laws (none named: all) on the package copy in `folder`."""
    (folder / "bite_profile.py").write_text(PROFILE, "utf-8")
    tests = [f"{file}::{law}" for law in laws for file in LAWS if law in laws_of(file)] or list(map(str, LAWS))
    options = ["-q", "-x", "-c", os.devnull, "--rootdir", str(CHECKOUT), "--import-mode=importlib",
               "-p", "bite_profile", "-p", "no:cacheprovider", "-p", "no:anyio", "-p", "no:cov"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=folder, timeout=WITHIN_S, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": os.pathsep.join((str(folder), str(CHECKOUT))), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    return Verdict(done.returncode, done.stdout + done.stderr)


def laws_of(file: Path) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", file.read_text("utf-8"), re.MULTILINE))


def copy_package(folder: Path) -> Path:
    shutil.copytree(CHECKOUT / "tradeassistd", folder / "tradeassistd", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def bite(folder: Path, broken: Break) -> Verdict:
    """Break a copy and ask the law; a text that cannot be found is said in pytest's stead."""
    file = copy_package(folder) / "tradeassistd" / "engine" / f"{broken.file}.py"
    text = file.read_text("utf-8")
    if broken.old not in text:
        return Verdict(-1, f"engine/{broken.file}.py no longer holds:\n{broken.old}\nWrite the break anew.")
    file.write_text(text.replace(broken.old, broken.new), "utf-8")
    return run_laws(folder, broken.law)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Verdict]]]:
    """Every break under way at once, a few at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {one.what: pool.submit(bite, tmp_path_factory.mktemp("broken"), one) for one in BREAKS}


@pytest.mark.parametrize("broken", BREAKS, ids=lambda one: re.sub(r"\W+", "-", one.what))
def test_a_broken_engine_breaks_the_law(broken: Break, verdicts: dict[str, Future[Verdict]]) -> None:
    code, said = verdicts[broken.what].result()
    assert code != -1, said
    assert code == 1, f"{broken.law} does not notice that {broken.what} (pytest ended with {code}):\n{said[-2_000:]}"
    assert re.search(rf"^FAILED \S+::{broken.law}\b", said, re.MULTILINE), said[-2_000:]


def test_an_unbroken_copy_keeps_every_law(tmp_path: Path) -> None:
    code, said = run_laws(copy_package(tmp_path))
    assert code == 0, said[-2_000:]


def test_every_law_is_broken_once() -> None:
    assert set().union(*map(laws_of, LAWS)) == {one.law for one in BREAKS}
