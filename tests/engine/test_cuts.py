"""One rule for one symbol: its sessions, its cuts, and what a transition says."""

from __future__ import annotations

import pytest

from tests.engine.market import MONDAY_RTH_US, Market
from tests.engine.test_machine import at, rule, state_of, story
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Start
from tradeassistd.engine.rule import Evaluate, RuleSet
from tradeassistd.engine.transition import Kind, State, Transition

# --- sessions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "session", "when", "judged"),
    [
        ("SPY", "", "2026-11-16 03:59", False),
        ("SPY", "", "2026-11-16 04:00", True),
        ("SPY", "rth", "2026-11-16 09:29", False),
        ("SPY", "rth", "2026-11-16 09:30", True),
        ("SPY", "rth", "2026-11-16 16:00", False),
        ("SPY", "always", "2026-11-14 12:00", True),
        ("/ES", "", "2026-11-15 17:59", False),
        ("/ES", "", "2026-11-15 18:00", True),
        ("/ES", "", "2026-11-16 17:30", False),
        ("/ES", "rth", "2026-11-16 08:00", False),
        ("/ES", "rth", "2026-11-16 12:00", True),
        ("/ES", "overnight", "2026-11-16 09:29", True),
        ("/ES", "overnight", "2026-11-16 09:30", False),
        ("$VIX", "", "2026-11-16 04:00", True),
        ("$SPX", "", "2026-11-16 04:00", False),
    ],
)
def test_a_rule_is_judged_only_in_its_session(symbol: str, session: str, when: str, judged: bool) -> None:
    market = Market((rule("price > 100", symbols=(symbol,), session=session, at_load="fire"),), now_us=at(when))
    market.image(symbol, "101")
    assert story(market) == [("fired", "", False)] * judged


def test_outside_its_session_a_state_rule_freezes_and_the_next_session_judges_it_late() -> None:
    market = Market((rule("price > 100", symbols=("/ES",), session="rth"),), now_us=at("2026-11-16 15:59"))
    market.image("/ES", "99")
    market.trade("/ES", "101")
    market.now_us = at("2026-11-16 16:30")
    for price in ("99", "101", "99"):
        market.trade("/ES", price)
    assert story(market) == [("fired", "", False)]
    market.now_us = at("2026-11-17 09:30")
    market.trade("/ES", "98")
    assert story(market)[1:] == [("cleared", "", True)]


def test_a_side_changed_while_the_session_was_closed_is_a_missed_crossing() -> None:
    market = Market((rule("price crosses 100", symbols=("/ES",), session="rth"),), now_us=at("2026-11-16 15:59"))
    market.image("/ES", "99")
    last_judged_us = market.now_us
    market.now_us = at("2026-11-16 16:30")
    market.trade("/ES", "101")
    assert story(market) == []
    market.now_us = at("2026-11-17 09:30")
    (missed,) = market.trade("/ES", "102")
    assert (missed.kind, missed.late, missed.since_us) == (Kind.MISSED, True, last_judged_us)
    assert missed.suppressed == ""
    market.trade("/ES", "99")
    assert story(market)[1:] == [("fired", "", False)]


def test_at_the_reopening_a_rule_is_judged_whatever_the_row_changed() -> None:
    market = Market((rule("price crosses 100", symbols=("/ES",), session="rth"),), now_us=at("2026-11-16 15:59"))
    market.image("/ES", "99")
    market.now_us = at("2026-11-16 16:30")
    market.trade("/ES", "101")
    market.now_us = at("2026-11-17 09:30")
    # Only the quote changes, and the price has been on the other side since yesterday evening.
    assert [one.kind for one in market.quote("/ES", bid="101")] == [Kind.MISSED]


def test_a_side_that_came_back_while_nobody_watched_is_no_crossing() -> None:
    market = Market((rule("price crosses 100"),))
    market.image("SPY", "99")
    market.drop()
    market.resume()
    market.image("SPY", "98")
    market.trade("SPY", "101")
    assert story(market) == [("fired", "", False)]


# --- cuts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("catch_up", "suppressed"), [("report", ""), ("log", "log")])
def test_a_missed_crossing_is_told_unless_the_rule_only_logs_it(catch_up: str, suppressed: str) -> None:
    market = Market((rule("price crosses 100", catch_up=catch_up),))
    market.image("SPY", "99")
    last_judged_us = market.now_us
    market.drop()
    market.resume()
    (missed,) = market.image("SPY", "101")
    assert (missed.kind, missed.suppressed, missed.late) == (Kind.MISSED, suppressed, True)
    assert (missed.since_us, missed.state) == (last_judged_us, State.OK)
    assert (state_of(market).told_us == missed.event_us) == (not suppressed)


def test_a_missed_crossing_in_cooldown_says_cooldown_first() -> None:
    market = Market((rule("price crosses 100", catch_up="log", cooldown_s=600),))
    market.image("SPY", "99")
    market.trade("SPY", "101")
    market.drop()
    market.resume()
    market.image("SPY", "99")
    assert story(market)[1:] == [("missed", "cooldown", True)]


def test_a_live_crossing_beside_a_missed_one_is_live() -> None:
    # SPY comes back first, and crosses 100 in the gap: the missed 105 lies on another symbol that moves later.
    market = Market((rule("price crosses 100 or sym($VIX).price crosses 20"),))
    market.image("SPY", "99")
    market.image("$VIX", "19")
    market.drop()
    market.resume()
    market.image("SPY", "99.5")
    market.image("$VIX", "21")
    assert story(market) == [("missed", "", True)]
    market.trade("SPY", "101")
    assert story(market)[1:] == [("fired", "", False)]


def test_a_side_seen_before_the_whole_condition_was_ever_known_is_cut_all_the_same() -> None:
    # While the average is unknown nothing fires, but the price's side of 100 is known, and a gap must not forget that.
    market = Market((rule("price crosses any [100, sma(close, 500, 1m)]"),))
    market.image("SPY", "99")
    market.drop()
    market.resume()
    market.image("SPY", "101")
    assert story(market) == [("missed", "", True)]


def test_a_side_that_moved_while_the_result_was_unknown_is_saved() -> None:
    when = rule("price crosses 100 and sym($VIX).price > 20")
    market = Market((when,))
    market.image("SPY", "99")
    assert [one.sides for one in market.engine.take_states()] == [[-1]]
    market.trade("SPY", "101")
    (saved,) = market.engine.take_states()
    assert saved.sides == [1]
    market = Market((when,), now_us=market.now_us, states=(saved,))
    market.image("$VIX", "21")
    market.image("SPY", "102")
    assert story(market) == []


def test_a_range_left_while_nobody_watched_is_missed() -> None:
    market = Market((rule("price exits [99, 101]"),))
    market.image("SPY", "100")
    market.drop()
    market.resume()
    market.image("SPY", "102")
    market.trade("SPY", "101")
    market.trade("SPY", "98")
    assert story(market) == [("missed", "", True), ("fired", "", False)]


def test_a_state_that_rose_while_nobody_watched_is_told_late_and_one_that_fell_is_cleared_late() -> None:
    market = Market((rule("price outside [99, 101]"),))
    market.image("SPY", "100")
    for price in ("102", "100"):
        market.drop()
        market.resume()
        market.image("SPY", price)
    assert story(market) == [("fired", "", True), ("cleared", "", True)]


def test_while_the_feed_is_cut_nothing_is_known_and_nothing_moves() -> None:
    market = Market((rule("price > 100 and pct_change(price, 1s) >= 0%", at_load="fire"),))
    market.image("SPY", "101")
    market.wait(3)
    assert market.kinds() == ["fired"]
    market.drop()
    market.wait(5)
    market.resume()
    assert market.kinds() == ["fired"]
    market.image("SPY", "101")
    market.wait(3)
    assert market.kinds() == ["fired"]
    market.trade("SPY", "100")
    assert market.kinds() == ["fired", "cleared"]


# --- what a transition says ------------------------------------------------------------------------------------------


def test_a_transition_shows_the_comparison_that_held_and_all_of_them() -> None:
    market = Market((rule("price > 100 or sym($VIX).price > 20", at_load="fire"),))
    market.image("$VIX", "19")
    market.image("SPY", "99")
    (fired,) = market.trade("$VIX", "21", 0)
    assert (fired.value, fired.unit, fired.price) == (21.0, "price", 99 * 10**8)
    assert [(one.text, one.left, one.right) for one in fired.operands] == [
        ("price > 100", 99.0, 100.0),
        ("sym($VIX).price > 20", 21.0, 20.0),
    ]


def test_a_crossing_of_one_of_several_levels_shows_the_level_that_was_crossed() -> None:
    market = Market((rule("price crosses any [100, 105, 110]"),))
    market.image("SPY", "101")
    (fired,) = market.trade("SPY", "106")
    assert [(one.left, one.right) for one in fired.operands] == [(106.0, 105.0)]


@pytest.mark.parametrize(("price", "bound"), [("98", 99.0), ("100", 99.0), ("102", 101.0)])
def test_a_range_shows_the_bound_that_matters(price: str, bound: float) -> None:
    market = Market((rule("price outside [99, 101] or price inside [99, 101]", at_load="fire"),))
    (fired,) = market.image("SPY", price)
    assert [one.right for one in fired.operands] == [bound, bound]


def test_an_alert_s_id_is_made_of_rule_condition_symbol_level_and_event_time_alone() -> None:
    market = Market((rule("price > 100", at_load="fire"),))
    (fired,) = market.image("SPY", "101")
    again = Transition(fired.event_us, "r", "SPY", 0, fired.fingerprint, Kind.TOLD, State.OK, "mode", 5.0, price=3)
    assert again.alert_id == fired.alert_id
    others = [
        Transition(fired.event_us + 1, "r", "SPY", 0, fired.fingerprint, Kind.FIRED, State.OK),
        Transition(fired.event_us, "q", "SPY", 0, fired.fingerprint, Kind.FIRED, State.OK),
        Transition(fired.event_us, "r", "QQQ", 0, fired.fingerprint, Kind.FIRED, State.OK),
        Transition(fired.event_us, "r", "SPY", 1, fired.fingerprint, Kind.FIRED, State.OK),
        Transition(fired.event_us, "r", "SPY", 0, "other", Kind.FIRED, State.OK),
    ]
    assert len({fired.alert_id, *(one.alert_id for one in others)}) == 6
    alerts = {kind for kind in Kind if Transition(1, "r", "SPY", 0, "", kind, State.OK).is_alert}
    assert alerts == {Kind.FIRED, Kind.MISSED, Kind.TOLD, Kind.REMINDED}


def test_the_fingerprint_follows_the_condition_and_when_it_is_judged_and_nothing_else() -> None:
    base = rule("price > 100")
    same = [rule("(price) > 100.0"), rule("price > 100", cooldown_s=99, severity="info", mode="shadow", session="rth")]
    other = [rule("price >= 100"), rule("price > 100.01"), rule("price > 100", evaluate=Evaluate("5m"))]
    assert {one.fingerprint("SPY") for one in same} == {base.fingerprint("SPY")}
    assert len({base.fingerprint("SPY"), *(one.fingerprint("SPY") for one in other)}) == 4


def test_states_are_given_once_and_as_copies() -> None:
    market = Market((rule("price crosses 100"),))
    assert market.engine.take_states() == []
    market.image("SPY", "99")
    (saved,) = market.engine.take_states()
    assert market.engine.take_states() == []
    market.trade("SPY", "101")
    assert saved.sides == [-1]
    assert saved.judged_us == MONDAY_RTH_US + 2


def test_an_engine_that_never_saw_a_tick_takes_a_gap_and_a_start() -> None:
    engine = Engine(RuleSet((rule("price > 100"),)))
    assert engine.on_event(Start(1, "", ())) == []
    assert engine.take_states() == []


def test_looking_back_over_a_gap_is_looking_at_an_instant_and_into_one_is_looking_at_nothing() -> None:
    market = Market((rule("pct_change(price, 60s) <= -1%", at_load="fire"),))
    market.image("SPY", "100")
    market.wait(30)
    market.drop()
    market.resume(after_s=10)
    market.image("SPY", "100")
    market.wait(21)
    # A minute ago, half a minute before the gap, the price was known; ten seconds on it is an instant in the gap.
    assert [one.kind for one in market.trade("SPY", "98")] == [Kind.FIRED]
    market.wait(34)
    assert [one.kind for one in market.trade("SPY", "100")] == []
    assert market.engine.machines[0].state.state is State.FIRING


def test_after_a_roll_the_first_row_is_judged_also_when_its_price_is_the_old_number() -> None:
    market = Market((rule("price > 100", symbols=("/ES",), for_s=5),))
    market.facts("/ES", contract="/ESZ26")
    market.image("/ES", "99")
    market.trade("/ES", "101")
    market.wait(3)
    market.facts("/ES", contract="/ESH27")
    market.trade("/ES", "101")
    assert [one.kind for one in market.wait(4)] == []
    assert [one.kind for one in market.wait(2)] == [Kind.FIRED]
    (roll,) = market.engine.take_rolls()
    assert (roll.symbol, roll.before, roll.after, roll.rules) == ("/ES", "/ESZ26", "/ESH27", ("r",))


def test_after_a_roll_an_average_holds_bars_of_the_new_contract_alone() -> None:
    market = Market((rule("sma(close, 2, 1m) > 0", symbols=("/ES",), at_load="fire"),))
    market.facts("/ES", contract="/ESZ26")
    market.image("/ES", "100")
    for price in (100, 101, 102, 103):
        market.trade("/ES", str(price), after_s=60)
    leaf = market.engine.machines[0].leaves[0]
    assert leaf.left is not None
    market.facts("/ES", contract="/ESH27")
    for price in (200, 202):
        market.trade("/ES", str(price), after_s=60)
        assert leaf.glimpse(market.now_us).left is None
    market.trade("/ES", "204", after_s=60)
    assert leaf.glimpse(market.now_us).left == 201 * 10**8
