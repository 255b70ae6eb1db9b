"""Unknown is not false (rules.md 4.1)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.laws.samples import FEW_PRICES, LEVEL, PRICES, changes, outcome_of, rises_and_falls, rule, run, sides
from tests.engine.market import Market
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.conditions.kleene import Negation, Outcome, kleene_all, kleene_any

TRUTHS = st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=6)
SYMBOLS_OR_NONE = st.tuples(st.sampled_from(["QQQ", "$VIX"]), st.sampled_from([True, False, None]))


class Fixed:
    """A condition that has come out."""

    def __init__(self, value: bool | None) -> None:
        self.value = value

    def outcome(self) -> Outcome:
        return Outcome(self.value, self.value)


@given(TRUTHS)
def test_kleene_logic_is_the_strongest_that_unknown_allows(values: list[bool | None]) -> None:
    # A result is known exactly when it is the same however the unknowns turn out.
    outcomes = [[]]  # type: list[list[bool]]
    for value in values:
        outcomes = [[*one, choice] for one in outcomes for choice in ([value] if value is not None else [True, False])]
    for combine, plain in ((kleene_all, all), (kleene_any, any)):
        possible = {plain(one) for one in outcomes}
        result = possible.pop() if len(possible) == 1 else None
        assert combine(values) == result
        assert Negation(Fixed(result)).outcome().full == (None if result is None else not result)


@given(st.lists(SYMBOLS_OR_NONE, min_size=1, max_size=20), st.sampled_from(["and", "or"]))
def test_a_known_part_decides_beside_an_unknown_one(path: list[tuple[str, bool | None]], op: str) -> None:
    # any(true, unknown) fires and all(false, unknown) clears; an unknown result keeps the state.
    market = Market((rule(f"sym(QQQ).price > 100 {op} sym($VIX).price > 100", at_load="fire"),))
    now: dict[str, bool | None] = {"QQQ": None, "$VIX": None}
    results: list[bool | None] = []
    market.image("SPY", "1")
    for symbol, truth in path:
        if truth is None:
            market.none_yet(symbol)
        else:
            market.trade(symbol, "101" if truth else "99", 0)
        now[symbol] = truth
        decided = op == "or"
        values = tuple(now.values())
        results.append(decided if decided in values else None if None in values else not decided)
    assert market.kinds() == rises_and_falls(results)


@given(st.lists(st.tuples(st.integers(97, 103), st.booleans()), min_size=1, max_size=30))
def test_an_unknown_result_never_fires_and_never_clears(path: list[tuple[int, bool]]) -> None:
    # While $VIX has no value the condition is unknown above the level and known false below it.
    market = Market((rule("price > 100 and sym($VIX).price > 0"),))
    market.image("SPY")
    results: list[bool | None] = []

    def judged(price: int, known: bool) -> None:
        results.append(False if price <= LEVEL else True if known else None)

    vix_known, last_price = False, LEVEL
    for price, known in path:
        if known is not vix_known:
            vix_known = known
            if known:
                market.trade("$VIX", "20", 0)
            else:
                market.none_yet("$VIX")
            if results:
                judged(last_price, known)
        market.trade("SPY", str(price))
        judged(price, known)
        last_price = price
    assert market.kinds() == rises_and_falls(results)


@given(PRICES, st.integers(0, 3))
def test_an_event_never_fires_while_part_of_its_condition_is_unknown(prices: list[int], known: int) -> None:
    market = Market((rule("price crosses 100 and sym($VIX).price > 20"),))
    market.image("SPY")
    if known:
        market.image("$VIX", str(19 + known))
    for price in prices:
        market.trade("SPY", str(price))
    plain = run("price crosses 100", prices)
    assert len(market.all) == (len(plain.all) if known >= 2 else 0)


@given(PRICES)
def test_a_crossing_is_not_known_while_one_of_its_levels_is_unknown(prices: list[int]) -> None:
    # $VIX has no value: beside the known level it may have been crossed or not, so `not happened` is not known either.
    market = Market((rule("price crosses any [100, sym($VIX).price]"),))
    market.image("SPY")
    for price in prices:
        count = len(market.all)
        market.trade("SPY", str(price))
        fired = len(market.all) > count
        assert market.engine.machines[0].leaves[0].outcome().live is (True if fired else None)
    assert len(market.all) == len(run("price crosses 100", prices).all)


@given(st.lists(st.none() | st.integers(97, 103), min_size=1, max_size=30), st.sampled_from(["price", "level"]))
def test_being_unknown_never_moves_a_side(values: list[int | None], which: str) -> None:
    text = "price crosses 100" if which == "price" else "100 crosses price"
    market = run(text, [])
    for value in values:
        if value is None:
            market.none_yet("SPY")
        else:
            market.trade("SPY", str(value))
    seen = sides(values)
    assert len(market.all) == changes(seen)


@given(FEW_PRICES, st.sampled_from(["price / (price - 100) > 0", "pct_from(price, price - 100) > -5%"]))
def test_a_division_by_zero_is_unknown(prices: list[int], text: str) -> None:
    market = run(text, [])
    for price in prices:
        market.trade("SPY", str(price))
        assert (outcome_of(market).live is None) is (price == LEVEL)


@given(FEW_PRICES, FEW_PRICES)
def test_while_cut_off_nothing_is_known_and_a_state_found_changed_is_late(before: list[int], after: list[int]) -> None:
    market = run("price > 100", before, at_load="fire")
    count = len(market.all)
    market.drop()
    assert outcome_of(market) == (None, None)
    market.resume(after_s=2)
    assert len(market.all) == count
    market.image("SPY", str(after[0]))
    for price in after[1:]:
        market.trade("SPY", str(price))
    news = market.all[count:]
    changed = (after[0] > LEVEL) != (before[-1] > LEVEL)
    assert [one.late for one in news] == [changed and not index for index in range(len(news))]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 5), st.booleans())
def test_quiet_is_not_stale_unless_the_rule_says_after_how_long(waits: list[int], after_s: int, quote: bool) -> None:
    market = run("price > 100", [101], stale_after_s=after_s)
    row_us = market.now_us
    for seconds in waits:
        market.wait(seconds)
        stale = after_s > 0 and market.now_us - row_us >= after_s * US_PER_S
        assert market.engine.machines[0].leaves[0].outcome().live is (None if stale else True)
        if quote:  # a row that leaves the price as it is says that it still stands
            market.quote("SPY", bid="100")
            row_us = market.now_us
            assert outcome_of(market).live is True
