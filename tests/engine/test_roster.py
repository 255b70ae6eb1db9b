"""A roster that was mended by reload after reload is the one that is built at once from the last rule set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.market import MONDAY_RTH_US, Market, bars, crosses, number, price_is
from tradeassistd.engine.language.expression import Call, Compare, Expression, Name, Other
from tradeassistd.engine.machine import DAY_US
from tradeassistd.engine.rule import Evaluate, Fire, Level, Rule
from tradeassistd.engine.template import Slot, Template
from tradeassistd.engine.transition import STATE_KEPT_US, RuleState

HIGH = Compare(">", Name("price"), Call("highest", (Name("price"), number("5m"))))
SPREAD = Compare(">", Other("QQQ", Name("price")), bars("sma", "close", "2", "1m"))
RISES = Compare(">=", Call("streak", (price_is(">", "100"), number("1m"))), number("3"))
CONDITIONS: dict[str, Expression] = {
    "level": price_is(">", "100"),
    "cross": crosses("crosses", "100"),
    "average": Compare(">", Name("price"), bars("sma", "close", "3", "5m")),
    "other": SPREAD,
    "look back": Compare("<", bars("pct_change", "price", "5s"), bars("roc", "close", "1", "1m")),
    "extreme": HIGH,
    "streak": RISES,
}
SHAPES: list[dict[str, Any]] = [
    {},
    {"evaluate": Evaluate("5m")},
    {"evaluate": Evaluate(at_minute=950)},
    {"fire": Fire("each_bar", "1m")},
    {"mode": "off"},
    {"mode": "shadow"},
    {"cooldown_s": 5},
    {"message": Template((Slot("", bars("ema", "close", "4", "2m")),))},
    {"title": Template((Slot("", Other("$VIX", Name("price"))),))},
    {"ladder": (Level(price_is(">", "100"), severity="info"), Level(price_is(">", "200"), severity="critical"))},
    {"was": "b"},
    {"line": 7},
]
RULES = [
    Rule(rule_id, symbols, when, **shape)
    for rule_id in "abcd"
    for symbols in (("SPY",), ("SPY", "/ES"), ("/ES", "QQQ"))
    for when in CONDITIONS.values()
    for shape in SHAPES
]


SETS = st.lists(st.sampled_from(RULES), max_size=4, unique_by=lambda rule: rule.id)


@st.composite
def edits(draw: st.DrawFn) -> list[tuple[Rule, ...]]:
    """Rule sets, each made of the one before: most rules stay the same objects, in their order or another."""
    sets = [draw(SETS)]
    for _ in range(draw(st.integers(0, 4))):
        change = {rule.id: rule for rule in draw(SETS)}
        rules = [change.pop(rule.id, rule) for rule in sets[-1] if draw(st.integers(0, 4))]
        for rule in change.values():
            rules.insert(draw(st.integers(0, len(rules))), rule)
        rules = [replace(rule) if not draw(st.integers(0, 5)) else rule for rule in rules]
        sets.append(draw(st.permutations(rules)) if not draw(st.integers(0, 2)) else rules)
    return [tuple({rule.id: rule for rule in rules}.values()) for rules in sets]


def picture(market: Market) -> dict[str, Any]:
    """All that a roster says of who is judged when, and what is kept for it."""
    roster = market.engine._roster
    symbols = {symbol: state for symbol, state in market.engine.symbols.items() if symbol in roster.wanted}
    return {
        "machines": [(machine.key, machine.order) for machine in roster.machines],
        "watchers": {symbol: [(bits, one.key) for bits, one in who] for symbol, who in roster.watchers.items()},
        "at_close": {key: {one.key for one in who} for key, who in roster.at_close.items()},
        "each_bar": {key: {one.key for one in who} for key, who in roster.each_bar.items()},
        "streaks": {key: len(who) for key, who in roster.streaks.items()},
        "by_second": sorted(one.order for one in roster.by_second),
        "wanted": roster.wanted,
        "series": {symbol: sorted(state.series) for symbol, state in symbols.items()},
        "tracks": {
            symbol: sorted((key, *map(str, track)) for key, one in state.series.items() for track in one._tracks)
            for symbol, state in symbols.items()
        },
        "counted": (roster._symbols, len(roster._tracks), len(roster._watched)),
    }  # fmt: skip


@given(edits())
def test_after_any_reloads_the_roster_is_that_of_the_last_rule_set(sets: list[tuple[Rule, ...]]) -> None:
    mended = Market(sets[0])
    for rules in sets[1:]:
        mended.reload(*rules)
        mended.trade("SPY", "101")
        mended.wait(1)
    assert picture(mended) == picture(Market(sets[-1]))
    machines = mended.engine.machines
    assert [machine.rule for machine in machines] == [
        rule for rule in sets[-1] if rule.mode != "off" for _ in rule.symbols for _ in rule.numbers
    ]
    assert {one for _, who in mended.engine._roster.watchers.items() for _, one in who} <= set(machines)


@given(SETS, SETS)
def test_machines_of_rules_that_are_the_same_objects_go_over_untouched(rules: list[Rule], more: list[Rule]) -> None:
    ids, renamed = {rule.id for rule in rules}, {rule.was for rule in more}
    more = [rule for rule in more if rule.id not in ids]
    market = Market(tuple(rules))
    before = {machine.key: (machine, machine.ladder, machine.due_us) for machine in market.engine.machines}
    market.reload(*more, *rules)
    after = {machine.key: (machine, machine.ladder, machine.due_us) for machine in market.engine.machines}
    assert [key for key, seen in before.items() if key[0] not in renamed and after[key] != seen] == []


def test_a_state_that_waited_for_more_than_ninety_days_is_not_taken_up() -> None:
    rule = Rule("r", ("SPY",), price_is(">", "100"))
    for waited_us, kept in ((STATE_KEPT_US, True), (STATE_KEPT_US + 100, False)):
        judged_us = MONDAY_RTH_US - waited_us + 100
        state = RuleState("r", "SPY", 0, rule.fingerprint("SPY"), judged_us=judged_us, told_count=3)
        market = Market((), states=(state,))
        market.reload(rule)
        (machine,) = market.engine.machines
        assert machine.state.told_count == (3 if kept else 0)
        assert not market.engine._roster.shelf


def test_a_reload_forgets_what_nobody_can_take_up_any_more_and_looks_once_a_day() -> None:
    old, new = RuleState("old", "SPY", 0, "f", judged_us=1), RuleState("new", "SPY", 0, "f", judged_us=MONDAY_RTH_US)
    market = Market((), states=(old, new))
    market.reload()
    assert {key[0] for key in market.engine._roster.shelf} == {"new"}
    market.now_us += STATE_KEPT_US - DAY_US // 2
    market.reload()
    assert {key[0] for key in market.engine._roster.shelf} == {"new"}
    market.now_us += DAY_US // 2
    market.reload()  # it is too old since an instant, but half a day ago was the last look
    assert {key[0] for key in market.engine._roster.shelf} == {"new"}
    market.now_us += DAY_US // 2
    market.reload()
    assert not market.engine._roster.shelf


def test_a_rule_has_what_belonged_to_its_old_id_also_when_that_still_stands_behind_it() -> None:
    a = Rule("a", ("SPY",), price_is(">", "100"))
    market = Market((a,))
    (first,) = market.engine.machines
    market.reload(Rule("b", ("SPY",), price_is(">", "100"), was="a"), a)
    assert [machine is first for machine in market.engine.machines] == [True, False]
    assert [machine.rule.id for machine in market.engine.machines] == ["b", "a"]
