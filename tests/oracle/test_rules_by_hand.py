"""What the oracle says of rules on a handful of rows, worked out by hand from rules.md."""

from __future__ import annotations

from pathlib import Path

from tests.oracle.expression import Arithmetic, Compare, Cross, Either, Every, Not, Quote, Within, number
from tests.oracle.made import judged, prices, quote, tick_file, trade

PRICE, BID, ASK = Quote("price"), Quote("bid"), Quote("ask")
OVER_10 = Compare(PRICE, ">", number("10"))

# --- states ---------------------------------------------------------------------------------------------------------


def test_a_state_fires_at_each_rise_once(tmp_path: Path) -> None:
    path = prices(tmp_path, 10, 11, 12, 10, 9, 10.01)
    assert judged(path, OVER_10) == [(1.5, "fired", None, 11), (5.5, "fired", None, 10.01)]


def test_true_at_load_is_stored_as_not_told_unless_the_rule_asks(tmp_path: Path) -> None:
    path = prices(tmp_path, 11, 12, 10, 11)
    first_s = 0.500001  # one microsecond behind the image
    assert judged(path, OVER_10) == [(first_s, "fired", "at_load", 11), (3.5, "fired", None, 11)]
    assert judged(path, OVER_10, fire_at_load=True)[0] == (first_s, "fired", None, 11)


def test_an_unknown_result_neither_clears_nor_fires(tmp_path: Path) -> None:
    # The quote goes: 0 is none. The rule stays firing and does not fire again when the bid is back.
    rows = [quote(0, 9, 12), quote(1, 11, 12), quote(2, 0, 12), quote(3, 11, 12), quote(4, 9, 12), quote(5, 11, 12)]
    path = tick_file(tmp_path, *rows)
    found = judged(path, Compare(BID, ">", number("10")))
    assert found == [(1.000001, "fired", None, 11), (5.000001, "fired", None, 11)]


def test_any_true_with_unknown_is_true_and_any_false_with_unknown_clears_nothing(tmp_path: Path) -> None:
    unknown = Compare(ASK, ">", number("1"))
    path = prices(tmp_path, 10, 11, 10, 11)
    # False or unknown is unknown: the first known result is the true one at 1.5 s, and nothing ever clears it.
    assert judged(path, Either((unknown, OVER_10))) == [(1.5, "fired", "at_load", 11)]
    assert judged(path, Every((unknown, OVER_10)), fire_at_load=True) == []
    assert judged(path, Every((Not(unknown), OVER_10)), fire_at_load=True) == []


def test_all_false_with_unknown_clears(tmp_path: Path) -> None:
    rows = [quote(0.1, 9, 12), trade(0.5, 9), trade(1.5, 11), quote(2.5, 9, 0), trade(3.5, 9), trade(4.5, 11)]
    both = Every((Compare(ASK, ">", number("1")), OVER_10))
    found = judged(tick_file(tmp_path, *rows, quote(5.5, 9, 12)), both)
    assert found == [(1.5, "fired", None, 12), (5.5, "fired", None, 12)]


def test_not_inverts_and_its_false_leaf_gives_the_value(tmp_path: Path) -> None:
    path = prices(tmp_path, 11, 10, 11)
    assert judged(path, Not(OVER_10)) == [(1.5, "fired", None, 10)]


def test_inside_includes_its_bounds(tmp_path: Path) -> None:
    path = prices(tmp_path, 9, 10, 11, 11.01, 11, 9.99)
    inside = Within(PRICE, number("10"), number("11"))
    assert [at_s for at_s, *_ in judged(path, inside)] == [1.5, 4.5]
    outside = Within(PRICE, number("10"), number("11"), inside=False)
    assert [at_s for at_s, *_ in judged(path, outside)] == [0.500001, 3.5, 5.5]


def test_the_value_is_the_left_side_of_the_first_true_leaf(tmp_path: Path) -> None:
    path = tick_file(tmp_path, quote(0.5, 8, 9), trade(1.5, 10), trade(2.5, 11))
    either = Either((Compare(BID, ">", number("8")), Compare(Arithmetic("-", PRICE, BID), ">=", number("3")), OVER_10))
    assert judged(path, either) == [(2.5, "fired", None, 3)]


def test_a_division_by_zero_is_unknown(tmp_path: Path) -> None:
    path = tick_file(tmp_path, quote(0.5, 9, 9), trade(1.5, 10), quote(2.5, 9, 10))
    ratio = Arithmetic("/", PRICE, Quote("spread"))
    assert judged(path, Compare(ratio, ">", number("1")), fire_at_load=True) == [(2.5, "fired", None, 10)]


# --- cooldown -------------------------------------------------------------------------------------------------------


def test_a_rise_in_the_cooldown_is_stored_and_told_when_it_ends(tmp_path: Path) -> None:
    path = prices(tmp_path, 10, 11, 10, 12, 13, 14, 15)
    assert judged(path, OVER_10, cooldown_s=4) == [
        (1.5, "fired", None, 11),
        (3.5, "fired", "cooldown", 12),
        (5.5, "told", None, 13),  # before the row at 5.5 s is applied: the last price judged was 13
    ]


def test_telling_after_the_cooldown_starts_a_new_one(tmp_path: Path) -> None:
    path = prices(tmp_path, 10, 11, 10, 12, 13, 10, 14, 15, 16)
    assert judged(path, OVER_10, cooldown_s=3) == [
        (1.5, "fired", None, 11),
        (3.5, "fired", "cooldown", 12),
        (4.5, "told", None, 12),
        (6.5, "fired", "cooldown", 14),
        (7.5, "told", None, 14),
    ]


def test_the_clock_tells_when_no_row_does_and_a_clear_before_forgets_it(tmp_path: Path) -> None:
    path = tick_file(tmp_path, trade(0.5, 10), trade(1.5, 11), trade(2, 10), trade(2.1, 11), trade(9, 11))
    assert judged(path, OVER_10, cooldown_s=3)[1:] == [(2.1, "fired", "cooldown", 11), (5, "told", None, 11)]
    cleared = tick_file(
        tmp_path, trade(0.5, 10), trade(1.5, 11), trade(2, 10), trade(2.1, 11), trade(3, 9), trade(9, 9)
    )
    assert judged(cleared, OVER_10, cooldown_s=3)[1:] == [(2.1, "fired", "cooldown", 11)]


def test_the_cooldown_ends_at_its_very_microsecond(tmp_path: Path) -> None:
    path = prices(tmp_path, 10, 11, 10, 11)
    assert judged(path, OVER_10, cooldown_s=2)[1:] == [(3.5, "fired", None, 11)]


def test_an_event_in_the_cooldown_is_never_told_later(tmp_path: Path) -> None:
    path = prices(tmp_path, 10, 11, 9, 11, 12, 13, 14)
    crosses = Cross(PRICE, "crosses", (number("10.5"),))
    assert judged(path, crosses, cooldown_s=3) == [
        (1.5, "fired", None, 11),
        (2.5, "fired", "cooldown", 9),
        (3.5, "fired", "cooldown", 11),
    ]


# --- crossings ------------------------------------------------------------------------------------------------------


def test_a_crossing_is_strict_and_equal_keeps_the_side(tmp_path: Path) -> None:
    path = prices(tmp_path, 9, 10, 9, 10, 11, 10, 11, 10, 9)
    level = (number("10"),)
    assert judged(path, Cross(PRICE, "crosses", level)) == [(4.5, "fired", None, 11), (8.5, "fired", None, 9)]
    assert [at_s for at_s, *_ in judged(path, Cross(PRICE, "crosses_above", level))] == [4.5]
    assert [at_s for at_s, *_ in judged(path, Cross(PRICE, "crosses_below", level))] == [8.5]


def test_the_first_strict_value_only_sets_the_side(tmp_path: Path) -> None:
    assert judged(prices(tmp_path, 10, 11, 10.5), Cross(PRICE, "crosses", (number("10"),))) == []


def test_one_row_through_several_levels_is_one_alert(tmp_path: Path) -> None:
    path = prices(tmp_path, 9, 12, 10.5)
    found = judged(path, Cross(PRICE, "crosses", (number("10"), number("11"))))
    assert found == [(1.5, "fired", None, 12), (2.5, "fired", None, 10.5)]


def test_every_leg_is_judged_though_another_is_false(tmp_path: Path) -> None:
    # The price crosses while the bid leg is false: the side moves, and the later bid does not fire it.
    path = tick_file(
        tmp_path, quote(0.1, 1, 2), trade(0.5, 9), trade(1.5, 11), quote(2.5, 5, 6), trade(3.5, 9), trade(4, 11)
    )
    when = Every((Compare(BID, ">", number("3")), Cross(PRICE, "crosses_above", (number("10"),))))
    assert judged(path, when) == [(4.000001, "fired", None, 5)]


def test_a_crossing_also_comes_from_the_other_side_moving(tmp_path: Path) -> None:
    path = tick_file(tmp_path, trade(0.5, 10), quote(1, 11, 12), quote(2, 9, 12))
    assert judged(path, Cross(PRICE, "crosses_above", (BID,))) == [(2.000001, "fired", None, 10)]
