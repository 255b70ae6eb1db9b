"""What a function of a user's own costs: 100 rules that read one, against the same rules on a built-in average."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from bench.measure import alternating, ratio
from bench.result import Goal, Row, Run, judged, shown
from bench.rules import load
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import RulesSwap, Start
from tradeassistd.engine.language.own import put_in_table
from tradeassistd.engine.rule import RuleSet
from tradeassistd.functions import UserFunction
from tradeassistd.market.tick import Field, Tick
from tradeassistd.rules.own_functions import use_installed

PART = "functions"
RULES = 100
COUNT = 20
BARS = 1_300
"""Within one session of the future."""
ROUNDS = 5
MOST_TIMES = 3.0
BEGIN_US = int(datetime.fromisoformat("2026-11-16T18:05:00-05:00").timestamp()) * US_PER_S
_ES = 6_000 * 10**8
_calls = 0


def average(values: tuple[float, ...], count: int) -> float:
    """What a user would write: a weighted average in plain Python."""
    global _calls
    _calls += 1
    return sum(weight * value for weight, value in enumerate(values, 1)) / sum(range(1, count + 1))


OWN = UserFunction(
    name="mine", args={"series": "series", "count": "count", "interval": "interval"}, gives="same", compute=average,
    version="1", doc="A weighted average.",
)  # fmt: skip


def run(run: Run) -> list[Row]:
    """Calls per closed bar, time per closed bar, and the time of a swap that fills the window from stored bars."""
    bars = 100 if run.quick else BARS
    run.say(f"{RULES} rules on one function, {bars} bars of a minute")
    with _in_table():
        rule_sets = {name: _rules(name) for name in ("mine", "wma")}
        took = alternating(1 if run.quick else ROUNDS, {
            name: lambda rules=rules: _bars_s(rules, bars)  # type: ignore[misc]
            for name, rules in rule_sets.items()
        })  # fmt: skip
        before = _calls
        _bars_s(rule_sets["mine"], bars)
        per_bar = (_calls - before) / (bars - COUNT + 1)
        swaps = alternating(1 if run.quick else ROUNDS, {
            name: lambda rules=rules: _swap_s(rules, bars)  # type: ignore[misc]
            for name, rules in rule_sets.items()
        })  # fmt: skip
    each_us = {name: min(times) / bars * 1e6 for name, times in took.items()}
    beside = f"{shown(each_us['mine'], 'us')} a bar, built-in {shown(each_us['wma'], 'us')}"
    swap_ms = {name: min(times) * 1e3 for name, times in swaps.items()}
    filled = f"{shown(swap_ms['mine'], 'ms')}, built-in {shown(swap_ms['wma'], 'ms')}"
    return [
        judged(PART, f"calls per closed bar, {RULES} rules", per_bar, Goal(1.0, "calls")),
        judged(PART, f"time per closed bar, {RULES} rules, against wma", ratio(took["mine"], took["wma"]),
               Goal(MOST_TIMES, "x"), beside),
        Row(PART, f"swap to {RULES} rules, filled from {bars} bars", filled),
    ]  # fmt: skip


@contextmanager
def _in_table() -> Iterator[None]:
    use_installed()  # which load does first, and once: not between here and there
    put_in_table([OWN])
    try:
        yield
    finally:
        put_in_table(())


def _rules(name: str) -> RuleSet:
    rules = [f"  - {{id: r{number}, symbols: [/ES], when: 'price > {name}(close, {COUNT}, 1m) + {number}'}}"
             for number in range(RULES)]  # fmt: skip
    return load({"rules.yaml": "\n".join(["version: 1", "rules:", *rules, ""])})


def _bars_s(rules: RuleSet, bars: int) -> float:
    """Seconds for so many minutes with one trade each, which closes the bar before it."""
    engine = Engine(rules)
    engine.on_event(Start(BEGIN_US - 2, ""))
    begin_s = time.perf_counter()
    _trade(engine, bars)
    return time.perf_counter() - begin_s


def _trade(engine: Engine, bars: int) -> int:
    event_us, image = BEGIN_US, Field.IMAGE | Field.LAST
    engine.on_event(Tick(event_us - 1, "/ES", _ES, None, None, None, None, 0, None, None, None, int(image)))
    changed = int(Field.LAST | Field.VOLUME | Field.TRADE)
    for number in range(bars + 1):
        event_us = BEGIN_US + number * 60 * US_PER_S
        price = _ES - number % 7 * 25 * 10**6
        engine.on_event(
            Tick(event_us, "/ES", price, None, None, None, None, number + 1, event_us // 1000, None, 1, changed)
        )
    return event_us


def _swap_s(rules: RuleSet, bars: int) -> float:
    """Seconds of putting the rules in force over bars that are there, and of the first row after it."""
    engine = Engine(load({"rules.yaml": "version: 1\nrules:\n  - {id: r, symbols: [/ES], when: price > 1}\n"}))
    engine.on_event(Start(BEGIN_US - 2, ""))
    event_us = _trade(engine, bars)
    engine.offer(rules)
    begin_s = time.perf_counter()
    engine.on_event(RulesSwap(event_us + 1, rules.hash))
    row = Tick(
        event_us + 2,
        "/ES",
        _ES,
        None,
        None,
        None,
        None,
        bars + 2,
        event_us // 1000,
        None,
        1,
        int(Field.LAST | Field.TRADE),
    )
    engine.on_event(row)
    return time.perf_counter() - begin_s
