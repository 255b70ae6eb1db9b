"""Which conditions are never true, always true, at odds with themselves, in the wrong unit - and which look like it."""

from __future__ import annotations

import itertools
import operator
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.test_lint import codes
from tradeassistd.rules.lint_spans import ANY, Span, Spans, above, below, common, exactly, minus, others, plus
from tradeassistd.rules.testing.run import run_file

BY_CODE = {
    "never-true": """
        price < 0 | price <= 0 | 0 > price | rsi(close, 14, 5m) > 100 | zscore(close, 20, 5m) > 4.4
        price crosses 0 | price crosses_above -5 | price crosses_below 0 | price crosses any [6900, -5]
        price reaches -5 | price inside [-5, -1] | price enters [-5, -1] | price - day.high > 0 | 0 > price - day.low
        price - highest(price, 5m) > 2 | close(5m) > high(5m) | low(5m) > open(5m) | volume(1m) < 0
        pct_from(price, day.high) > 0.1% | price / day.low < 0.999 | day.high - price < -1 | day.high < day.low
        prev_day.high < prev_day.low | day.open > day.high | day.high - day.low < 0 | prev_rth.close > prev_rth.high
        opening_range(15m).high < opening_range(15m).low | price > price | price < price - 5 | price crosses price
        bollinger(close, 20, 2, 5m).upper < bollinger(close, 20, 2, 5m).mid | high(5m)[2] < low(5m)[2]
        close(5m) - highest(high, 20, 5m) > 0 | close(5m) > highest(high, 20, 5m) + 4t
        sym(SPY).high(5m) < sym(SPY).low(5m) | close(5m) > highest(high, 20, 5m) * 1.01
        low(5m) / lowest(low, 20, 5m) < 1 | close(5m)[1] > highest(high, 20, 5m)[1]
        volume(5m) > 2x * highest(volume, 20, 5m)
        net_pct < -100% | abs(net_pct) < 0 | sym($VIX).price < -800 | -1 * price > 5 | price + 5 < 5
        streak(rsi(close, 14, 5m) > 101, 5m) > 3 | count(price crosses 0, 5m) > 3 | atr(14, 5m) < 0
        close(5m) > highest(high, 20, 5m) | min(bid, ask) < 0 | price * volume(1m) < 0 | not price < 0""",
    "always-true": """
        price > 0 | price > -5 | spread >= 0 | spread_pct >= 0% | rsi(close, 14, 5m) >= 0 | rsi(close, 14, 5m) <= 100
        price outside [-5, -1] | price >= 5 or price < 5 | price > 5 or price < 10 | halted or not halted
        price - day.high <= 0 | pct_from(price, day.high) <= 0% | bid <= ask | price == price | mid >= bid
        close(5m) <= highest(high, 20, 5m) | highest(high, 20, 5m) > 0.99 * close(5m) | day.high - day.low >= 0
        price != -1 | close(5m) > open(5m) or close(5m) <= open(5m) | volume(1m) >= 0
        price inside [5, 10] or price outside [6, 7]""",
    "contradiction": """
        price > 10 and price < 5 | price > 10 and price <= 10 | price == 5 and price > 6 | halted and not halted
        price > 10 and (price < 5 or price < 3) | price crosses_above 10 and price < 5
        price inside [5, 6] and price > 7 | close(5m) > open(5m) and open(5m) > close(5m)
        not price > 5 and price > 6 | price crosses_above vwap() and price < vwap()
        price enters [5, 6] and price > 7 | sym(SPY).bid > 5 and sym(SPY).bid < 4""",
    "reversed": "price inside [10, 5] | price outside [10, 5] | price enters [10, 5] | net_pct inside [1%, -1%]",
    "units": """
        pct_change(price, 5m) > 1 | net_pct <= -0.5 | abs(net_pct) > 2 | pct_from(price, prev_day.close) < -1
        roc(close, 10, 5m) crosses_above 1 | net_pct inside [-1, 1] | spread_pct > 0.5 | rsi(close, 14, 5m) < 0.3
        spread_pct > 0.05 | pct_change(price, 15m) inside [-0.1, 0.1] | pct_change(price, 5m) <= -30% | net_pct > 20%
        sym($SPX).net_pct < -25%""",
    "own-window": """
        volume(1m) > 3x * avg(volume, 20, 1m) | avg(volume, 20, 1m) < volume(1m) | volume(5m) / sma(volume, 9, 5m) > 2
        volume(1m) >= avg(volume, 20, 1m) * 3 | volume(1m) - avg(volume, 20, 1m) > 10k
        volume(1m) > avg(volume, 20, 1m) + 2 * stdev(volume, 20, 1m) | volume(5m) > 3x * avg(volume, 20, 5m, globex)
        volume(1m) > avg(volume, 20, 1m)[1] + 2 * stdev(volume, 20, 1m)""",
    "long-window": "close(5m) > sma(close, 700, 5m) | close(1d)[3] > 5 | highest(high, 9, 1d, rth) > 5",
    "unknown-value": "price > year.high | sym(/NQ).year.low > 5",
    "bare-symbol": "price > sym(VIX).price | sym(ES).price crosses 5",
    "unknown-symbol": "price > sym(/EX).price | sym($VIXX).price > 20 | sym($SPY).price > 5 | sym(/SPX).price > 5",
    "implausible": "price > 690000 | price crosses_above 1M | sym(/NQ).bid > 1M",
}
SOUND = """
    price > day.high | day.low > price | highest(price, 5m) < price | price <= day.high | price >= day.high + 4t
    price < lowest(price, 5m) - 2 | sym($VIX).price > sym($VIX).day.high | day.high - day.low > 50 | bid > ask
    prev_day.close > prev_day.high | pct_from(price, prev_day.high) > 1% | price - day.high > -2 | price * 2 > price + 5
    close(5m) > highest(high, 20, 5m) * 0.99 | close(5m)[1] > highest(high, 20, 5m)
    close(5m) > highest(high, 20, 5m)[1] | close(5m) - lowest(low, 20, 5m) > 10
    close(5m) > highest(high, 20, 1h) | high(5m) - low(5m) > 2 * atr(14, 5m)[1]
    volume(1m) > avg(volume, 20, 1m)[1] + 2 * stdev(volume, 20, 1m)[1] | volume(5m) > 3x * avg(volume, 20, 5m, rth)
    sym($VVIX).price > 100 | sym($ABCDE).price > 5 | sym(/ESZ39).price > 5 | price > 69000 | sym(SPY).net_pct < -25%
    price > 5 | price > 5 and price < 10 | price < 5 or price > 10 | price crosses_above day.high | rvol(5m) > 2
    price crosses any [6900, 6925] | spread < 0 | spread > 4t | sym($TICK).price < -800 | sym($ADD).price crosses 0
    sym(/CL).price < 0 | rsi(close, 14, 5m) > 70 | rsi(close, 14, 5m) >= 100 | zscore(close, 20, 5m) > 4.3
    net_pct < -2%
    macd(close, 12, 26, 9, 5m).line < 0 | bollinger(close, 20, 2, 5m).lower < 0 | net_change < 0 | net_pct > 0.02
    price > max(day.high, prev_day.high) | price reaches 5 and price < 4 | price crosses 10 and price < 5
    sym(SPY).price > 5 and price < 4 | sym(SPY).price > sym(SPY).day.high | price > 5 and close(5m) < 4
    change(price, 5m) < -5
    volume(1m) > 3x * avg(volume, 20, 1m)[1] | close(5m) > sma(close, 20, 5m) | volume(1m) > avg(volume, 20, 5m)
    volume(1m) < avg(volume, 20, 1m) | sym(SPY).year.high > 5 | close(5m) > sma(close, 500, 5m)
    highest(high, 7, 1d, rth) > 5
    close(5m) > low(5m) | close(5m) > open(5m) | price >= day.high | price exits [5, 10] | age > 30s | halted
    price > 5 or bid > 4 | price > 5 or not bid > 4 | streak(close(5m) > open(5m), 5m) >= 3
    price == 5 or price == 6 | price crosses_above day.high and price <= day.high + 1
    price crosses_above highest(price, 5m) and highest(price, 5m) > price - 1
    price crosses_above prev_day.high and price >= prev_day.high"""


def listed(texts: str) -> list[str]:
    return [text.strip() for line in texts.strip().splitlines() for text in line.split("|")]


@pytest.mark.parametrize(("code", "when"), [(code, when) for code, texts in BY_CODE.items() for when in listed(texts)])
def test_a_condition_that_cannot_be_meant(code: str, when: str) -> None:
    assert codes(f"when: '{when}'") == [code]


@pytest.mark.parametrize("when", listed(SOUND))
def test_a_condition_that_can(when: str) -> None:
    assert codes(f"when: '{when}'") == []


def test_a_stock_trades_past_its_day_before_and_after_hours() -> None:
    assert codes("symbols: [SPY]\nwhen: price - day.high > 0") == []
    assert codes("symbols: [SPY]\nsession: rth\nwhen: price - day.high > 0") == ["never-true"]


NEW_HIGH = """rules: [a.yaml]
tests:
  - name: the fourth row is a new high
    start: 2026-11-18T10:00:00-05:00
    input:
      - {symbol: /ES, facts: {day.high: 6900}}
      - {symbol: /ES, every: 30s, values: '6890 6895 6890 6910'}
    expect: [{rule: a, fires: 1, fired_at: [1m30s]}]
"""


@pytest.mark.parametrize(
    ("when", "happens"),
    [
        ("price > day.high", True),
        ("price >= day.high + 4t", True),
        ("price > highest(price, 1m)", True),
        ("price crosses_above day.high", True),
        ("price - day.high > 0", False),
        ("pct_from(price, day.high) > 0%", False),
    ],
)
def test_what_is_never_true_never_happens_and_the_rest_may(when: str, happens: bool, tmp_path: Path) -> None:
    """A quote meets a running extreme as it was before its own row, when it stands on the other side (rules.md 4.3)."""
    rule = f"version: 1\nrules:\n  - {{id: a, symbols: [/ES], when: '{when}'}}\n"
    (tmp_path / "a.yaml").write_text(rule, "utf-8")
    (tmp_path / "a.test.yaml").write_text(NEW_HIGH, "utf-8")
    result = run_file(tmp_path / "a.test.yaml")
    assert result.problems == () and result.passed is happens
    assert codes(f"when: '{when}'") == ["never-true"] * (not happens)


OPERATORS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
comparisons = st.tuples(st.booleans(), st.sampled_from([*OPERATORS]), st.integers(1, 5))
"""Turned by `not`, the operator, the number."""
PRICES = [Fraction(number, 2) for number in range(1, 13)]
"""One below, at and above each number, and between."""


@given(st.lists(comparisons, min_size=2, max_size=4), st.sampled_from(["and", "or"]))
def test_law_one_value_is_judged_as_trying_every_price_judges_it(items: list[tuple[bool, str, int]], word: str) -> None:
    join, wrong = (all, [False]) if word == "and" else (any, [True])
    found = {join(OPERATORS[op](price, number) != turned for turned, op, number in items) for price in PRICES}
    text = f" {word} ".join(f"{'not ' * turned}price {op} {number}" for turned, op, number in items)
    expected = {"and": "contradiction", "or": "always-true"}[word]
    assert codes(f"when: '{text}'\nsymbols: [SPY]") == [expected] * ([*found] == wrong), text


numbers = st.integers(-3, 3).map(Fraction)
spans = st.one_of(
    st.builds(above, numbers, included=st.booleans()), st.builds(below, numbers, included=st.booleans()),
    st.builds(exactly, numbers), st.builds(lambda number: others(exactly(number)), numbers),
)  # fmt: skip
PROBES = [Fraction(number, 2) for number in range(-14, 15)]


def holds(found: Spans, number: Fraction) -> bool:
    return any(span.low <= (number, 0) and (number, 1) <= span.high for span in found)


@given(spans, spans)
def test_sets_of_numbers_are_sets(one: Spans, other: Spans) -> None:
    for probe in PROBES:
        assert holds(common(one, other), probe) == (holds(one, probe) and holds(other, probe))
        assert holds(others((*one, *other)), probe) == (not holds(one, probe) and not holds(other, probe))
    assert common(one, (ANY,)) == one
    assert not common(one, others(one))


@given(spans, spans)
def test_a_sum_or_a_change_of_sign_stays_in_its_span(one: Spans, other: Spans) -> None:
    for first, second in itertools.product(one, other):
        for left, right in itertools.product(PROBES, repeat=2):
            if holds((first,), left):
                assert holds((minus(first),), -left)
                if holds((second,), right):
                    assert holds((plus(first, second),), left + right)


def test_a_span_knows_when_it_is_one_number() -> None:
    assert exactly(Fraction(5))[0].only == 5
    assert above(Fraction(5), included=True)[0].only is None
    assert Span((Fraction(5), 0), (Fraction(6), 1)).only is None
