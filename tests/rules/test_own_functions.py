"""Packages that bring functions: what cannot be used is one clear error, and what is impure or raises is caught."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

from tradeassistd.base.clock import WallClock
from tradeassistd.cli import rules_functions
from tradeassistd.engine.language.own import UNUSABLE, put_in_table
from tradeassistd.functions import Bars, UserFunction
from tradeassistd.rules import load, own_functions
from tradeassistd.rules.function_trial import Trial, try_out
from tradeassistd.rules.load import load_texts
from tradeassistd.rules.own_functions import GROUP, Installed, find, table_hash, use_installed

SOUND = """
from tradeassistd.functions import UserFunction
mean = UserFunction(name="mean", args={"series": "series", "count": "count", "interval": "interval"}, gives="same",
                    compute=lambda values, count: sum(values) / count, version="1", doc="The mean.")
"""
RULE = "version: 1\nrules:\n  - {{id: r, symbols: [SPY], when: 'price > {call}'}}\n"


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    """What is really installed has been taken in before, so that no load puts it in the place of a test's."""
    use_installed()
    modules = {*sys.modules}
    yield
    put_in_table(())
    for name in {*sys.modules} - modules:
        if name.startswith("signals_"):
            del sys.modules[name]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes a package as an install leaves it: a module, and its metadata with the entry points."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name: str, source: str, entries: Mapping[str, str]) -> None:
        (tmp_path / f"signals_{name}.py").write_text(source, "utf-8")
        info = tmp_path / f"signals_{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: signals-{name}\nVersion: 1.2\n", "utf-8")
        lines = [f"{entry} = {value}" for entry, value in entries.items()]
        (info / "entry_points.txt").write_text(
            "\n".join(["[console_scripts]", "x = y:z", f"[{GROUP}]", *lines]), "utf-8"
        )

    return make


def installed(folder: Path) -> Installed:
    """What the packages bring, put in the table as `use_installed` does."""
    found = find(
        entry for one in distributions(path=[str(folder)]) for entry in one.entry_points if entry.group == GROUP
    )
    put_in_table((one.function for one in found.functions.values()), {one.path: one.message for one in found.problems})
    return found


def errors(call: str) -> list[str]:
    return [str(problem) for problem in load_texts({"a.yaml": RULE.format(call=call)}).problems]


# --- what is installed -----------------------------------------------------------------------------------------------


def test_a_sound_one_is_in_the_table_with_where_it_comes_from(package: Callable[..., None], tmp_path: Path) -> None:
    package("sound", SOUND, {"mean": "signals_sound:mean"})
    before = table_hash()
    found = installed(tmp_path)
    assert found.problems == () and table_hash() != before
    assert (found.functions["mean"].package, found.functions["mean"].entry) == (
        "signals-sound 1.2",
        "signals_sound:mean",
    )
    assert errors("mean(close, 20, 1m)") == []


@pytest.mark.parametrize(
    ("source", "entry", "said"),
    [
        ("import no_such_module", "mean = signals_bad:mean",
         "signals_bad:mean cannot be imported: ModuleNotFoundError: No module named 'no_such_module' "
         "(mend it, or uninstall it)"),
        ("mean = (", "mean = signals_bad:mean", "signals_bad:mean cannot be imported: SyntaxError"),
        ("raise SystemExit", "mean = signals_bad:mean", "signals_bad:mean cannot be imported: SystemExit"),
        ("", "mean = signals_bad:mean", "AttributeError: module 'signals_bad' has no attribute 'mean'"),
        ("def mean(values): return 1.0", "mean = signals_bad:mean",
         "signals_bad:mean is a function, not a UserFunction (name a tradeassistd.functions.UserFunction"),
        (SOUND, "average = signals_bad:mean",
         "signals_bad:mean is called 'mean' (give it and its entry point one name)"),
        (SOUND, "sma = signals_bad:mean", "'sma' means something already (choose another name, e.g. my_sma)"),
        (SOUND, "price = signals_bad:mean", "'price' means something already"),
        (SOUND, "crosses = signals_bad:mean", "'crosses' means something already"),
        (SOUND.replace('"same"', '"points"'), "mean = signals_bad:mean",
         "gives='points' is not known (one of same price volume ratio number)"),
    ],
)  # fmt: skip
def test_one_that_cannot_be_used_is_one_error_at_its_entry_and_takes_no_other_down(
    package: Callable[..., None], tmp_path: Path, source: str, entry: str, said: str
) -> None:
    name, _, value = entry.partition(" = ")
    package("bad", source, {name: value})
    package("sound", SOUND.replace('name="mean"', 'name="sound_mean"'), {"sound_mean": "signals_sound:mean"})
    found = installed(tmp_path)
    (problem,) = found.problems
    assert str(problem).startswith(f"signals_bad-1.2.dist-info/entry_points.txt:4:1: {name}: ") and said in str(problem)
    assert [*found.functions] == ["sound_mean"] and errors("sound_mean(close, 20, 1m)") == []


def test_a_rule_that_uses_a_broken_one_says_why_it_cannot(package: Callable[..., None], tmp_path: Path) -> None:
    package("bad", "import no_such_module", {"mean": "signals_bad:mean"})
    installed(tmp_path)
    (error,) = errors("mean(close, 20, 1m)")
    assert error.startswith(
        "rules.d/a.yaml:3:44: rules[0].when: function 'mean' is installed and cannot be used: signals_bad:mean cannot"
    )
    put_in_table(())
    assert not UNUSABLE and "unknown function 'mean'" in errors("mean(close, 20, 1m)")[0]


def test_of_two_packages_with_one_name_neither_wins(package: Callable[..., None], tmp_path: Path) -> None:
    package("first", SOUND, {"mean": "signals_first:mean"})
    package("second", SOUND, {"mean": "signals_second:mean"})
    found = installed(tmp_path)
    assert (
        not found.functions
        and [problem.message for problem in found.problems]
        == ["comes from signals-first 1.2 and signals-second 1.2"] * 2
    )


def test_a_check_tells_of_what_cannot_be_used_and_a_reload_does_not_fail_for_it(
    package: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package("bad", "import no_such_module", {"mean": "signals_bad:mean"})
    found = installed(tmp_path)
    monkeypatch.setattr(load, "use_installed", lambda: found)
    texts = {"a.yaml": RULE.format(call="5")}
    assert load_texts(texts).problems == () and load_texts(texts, lint=True).problems == found.problems


def test_what_a_module_prints_stays_off_stdout(
    package: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package("loud", f"print('hello')\n{SOUND}", {"mean": "signals_loud:mean"})
    installed(tmp_path)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "hello\n")


def test_a_name_of_a_file_cannot_be_that_of_a_function(package: Callable[..., None], tmp_path: Path) -> None:
    package("sound", SOUND, {"mean": "signals_sound:mean"})
    text = RULE.format(call="5").replace("rules:", "let: {mean: 'price * 2'}\nrules:")
    assert not load_texts({"a.yaml": text}).problems
    installed(tmp_path)
    assert "'mean' means something already" in str(load_texts({"a.yaml": text}).problems[0])


def test_the_command_lists_what_cannot_be_used_and_fails(
    package: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package("bad", "import no_such_module", {"mean": "signals_bad:mean"})
    found = installed(tmp_path)
    monkeypatch.setattr(rules_functions, "use_installed", lambda: found)
    assert rules_functions.show("mean") == 1
    assert "error: signals_bad-1.2.dist-info/entry_points.txt:4:1: mean: " in capsys.readouterr().out
    assert rules_functions.show("ema") == 0
    assert own_functions.use_installed() == Installed({}, ())


# --- trying them out -------------------------------------------------------------------------------------------------


def tried(compute: Callable[..., Any], **fields: Any) -> Trial:
    args = {"series": "series", "count": "count", "interval": "interval"}
    function = UserFunction(**{"name": "mine", "args": args, "gives": "same", "compute": compute, "version": "1",
                               "doc": "Mine.", **fields})  # fmt: skip
    put_in_table([function])
    return try_out(function, WallClock())


def test_a_pure_one_passes_and_is_called_twice_with_each() -> None:
    trial = tried(lambda values, count: sum(values) / count)
    assert (trial.problems, trial.written, trial.bars, trial.calls) == ((), "mine(close, 10, 5m)", 10, 48)
    values = {"args": {"one": "price", "part": "ratio", "of": "volume", "times": "number"}, "gives": "price"}
    trial = tried(lambda one, part, of, times: one * part * times if of else None, **values)
    assert (trial.problems, trial.written, trial.bars) == ((), "mine(price, net_pct, volume(5m), 2)", 0)


def test_state_between_calls_is_found() -> None:
    held = [100.0]

    def smoothed(values: tuple[float, ...], count: int) -> float:
        held[0] += 0.1 * (values[-1] - held[0])
        return held[0]

    (problem,) = tried(smoothed).problems
    assert problem.startswith("is not pure: it gave 99.") or problem.startswith("is not pure: it gave 100.")
    assert "and then" in problem and problem.endswith("for bars 1")


def test_state_that_only_the_order_shows_is_found() -> None:
    seen: list[float] = []

    def rising(values: tuple[float, ...], count: int) -> float:
        seen.append(values[-1])
        return float(len(seen) > 1 and values[-1] > seen[-2])

    assert "is not pure" in tried(rising).problems[0]


def test_chance_is_found() -> None:
    assert "is not pure" in tried(lambda values, count: values[-1] + random.random()).problems[0]


def test_what_raises_for_bars_that_come_seldom_is_told_with_those() -> None:
    trial = tried(lambda values, count: 1 / (max(values) - min(values)), gives="number")
    assert trial.problems == (
        "mine raised ZeroDivisionError: float division by zero, for bars that are all equal",
        "mine raised ZeroDivisionError: float division by zero, for prices of zero",
    )
    (problem,) = tried(lambda bars: sum(bars.close) / sum(bars.volume), args={"interval": "interval"}, bars=4,
                       gives="number").problems  # fmt: skip
    assert problem.endswith("for bars without volume")


def test_a_wrong_result_a_wrong_example_and_counts_that_it_refuses_are_told() -> None:
    assert "mine gave 'up', not a number" in tried(lambda values, count: "up").problems[0]
    assert "gave nan" in tried(lambda values, count: float("nan")).problems[0]

    def mean(values: tuple[float, ...], count: int) -> float:
        return sum(values) / count

    assert tried(mean, example="mine(close, 5m)").problems == (
        "mine(close, 5m) is not accepted: mine takes 3 arguments, not 2 (there are no default arguments: "
        "write mine(series, count, interval))",
    )
    assert "is no call of it (write mine(series, count, interval))" in tried(mean, example="price").problems[0]

    def none(count: int) -> int:
        raise ValueError("count must be 7")

    assert tried(mean, bars=none).problems == (
        "mine(close, 10, 5m) is not accepted: mine: count must be 7 (give it an example=... that it accepts)",
    )


def test_one_that_cannot_keep_up_with_ticks_is_told() -> None:
    class SlowClock(WallClock):
        """Every look at it is a second later."""

        def __init__(self) -> None:
            self.at_s = 0.0

        def elapsed_s(self) -> float:
            self.at_s += 1.0
            return self.at_s

    function = UserFunction(name="mine", args={"interval": "interval"}, gives="price", bars=2,
                            compute=lambda bars: bars.close[-1], version="1", doc="Mine.")  # fmt: skip
    put_in_table([function])
    assert try_out(function, SlowClock()).problems == ("takes 41.7 ms a call, and ticks wait for it",)


def test_whole_bars_are_tried_with_their_fields_in_place() -> None:
    seen: list[Bars] = []

    def compute(bars: Bars) -> float:
        seen.append(bars)
        return bars.close[-1]

    assert tried(compute, args={"interval": "interval"}, bars=3, gives="price").problems == ()
    for bars in seen:
        assert all(len(column) == 3 for column in bars)
        for opened, high, low, closed, volume in zip(*bars, strict=True):
            assert low <= min(opened, closed) <= max(opened, closed) <= high and volume >= 0


def test_a_window_longer_than_the_bars_that_are_kept_is_warned_of(package: Callable[..., None], tmp_path: Path) -> None:
    source = SOUND.replace('version="1"', 'version="1", bars=lambda count: 200 * count')
    package("long", source, {"mean": "signals_long:mean"})
    installed(tmp_path)
    found = load_texts({"a.yaml": RULE.format(call="mean(close, 20, 1m)")}, lint=True).warnings
    assert [one.message for one in found if one.code == "long-window"] == [
        "`mean(close, 20, 1m)` needs 4,000 minutes of trading, and 3,000 are kept at hand"
    ]
