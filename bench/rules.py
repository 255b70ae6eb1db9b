"""Rule files of any size for a benchmark: the mix of a trader's rules, levels around where the market starts.

Of a hundred rules some 60 are price levels, 15 price against an average, 17 rates of change, 8 volume spikes (fewer
where a symbol has no volume); 15 of them join two conditions.
"""

from __future__ import annotations

from itertools import cycle, islice

from bench.market import SYMBOLS, start_price
from tradeassistd.engine.rule import RuleSet
from tradeassistd.market.instrument import InstrumentClass, instrument_of
from tradeassistd.market.price import price_text
from tradeassistd.rules.load import load_texts

RULES_PER_FILE = 2_000
"""Keeps a file below the size that is refused."""
LEVEL_STEP = 0.0004
"""Distance between two levels of a symbol, as a fraction of the price; at least LEVEL_STEP_TICKS."""
LEVEL_STEP_TICKS = 3
BUSY_STEP_TICKS = 4


def mixed(count: int, symbols: tuple[str, ...] = SYMBOLS) -> dict[str, str]:
    """Rule files with `count` rules, dealt out to the symbols in turn."""
    return _files([rule(number, symbol) for number, symbol in enumerate(islice(cycle(symbols), count))])


def quiet(count: int, symbol: str) -> dict[str, str]:
    """`count` price levels on one symbol, all of them far above the market."""
    above = _level_steps(symbol, 0.2)
    levels = [_level(symbol, above + number) for number in range(count)]
    return _files([f"  - {{id: far-{number}, symbols: [{symbol}], when: price crosses {level}}}"
                   for number, level in enumerate(levels)])  # fmt: skip


def busy(count: int, symbols: tuple[str, ...]) -> dict[str, str]:
    """`count` levels a few ticks apart on each symbol, told again after a second: alerts come all the time."""
    return _files([
        f"  - {{id: {symbol.strip('/$').lower()}-{number}, symbols: [{symbol}], "
        f"when: price crosses {_level(symbol, (number - count // 2) * BUSY_STEP_TICKS)}, cooldown: 1s}}"
        for symbol in symbols
        for number in range(count)
    ])  # fmt: skip


def load(texts: dict[str, str]) -> RuleSet:
    """The rule set. Raises RuntimeError when a text is no good, which is a defect of this module."""
    loaded = load_texts(texts)
    if loaded.problems:
        raise RuntimeError(str(loaded.problems[0]))
    return loaded.rule_set


def rule(number: int, symbol: str, rule_id: str = "") -> str:
    """One rule of the mix; its id is `mixed-N` unless another is given."""
    condition = _condition(number, symbol)
    if number % 100 in range(0, 90, 6):  # 15 of a hundred
        condition = f"{condition} and {_condition(number + 31, symbol)}"
    return f"  - {{id: {rule_id or f'mixed-{number}'}, symbols: [{symbol}], when: '{condition}'}}"


def _condition(number: int, symbol: str) -> str:
    """One condition; 37 is prime to 100, so that the kinds spread over the symbols."""
    kind = number * 37 % 100
    instrument = instrument_of(symbol)
    up = number % 2 == 1
    if kind < 55 or instrument.kind is InstrumentClass.INTERNAL:
        away = (number // 2 + 1) * max(LEVEL_STEP_TICKS, _level_steps(symbol, LEVEL_STEP))
        return f"price {'>' if up else '<'} {_level(symbol, away if up else -away)}"
    if kind < 70:
        return f"price {'>' if up else '<'} {'ema' if up else 'sma'}(close, {(10, 20, 50)[number % 3]}, 1m)"
    if kind < 82 or not instrument.has_volume:
        return f"pct_change(price, {(1, 5, 15)[number % 3]}m) <= -{0.2 + number % 5 / 10:.1f}%"
    if kind < 92:
        return f"roc(close, {10 if up else 5}, 1m) >= {0.1 + number % 4 / 10:.1f}%"
    return f"volume(1m) > {3 + number % 3}x * avg(volume, 20, 1m)[1]"


def _level_steps(symbol: str, fraction: float) -> int:
    """That fraction of the symbol's price at the start, in ticks of its size."""
    return round(start_price(symbol) * fraction / instrument_of(symbol).tick_size)


def _level(symbol: str, steps: int) -> str:
    """A price so many ticks of its size from where the symbol starts."""
    return price_text((_level_steps(symbol, 1.0) + steps) * instrument_of(symbol).tick_size, 2)


def _files(rules: list[str]) -> dict[str, str]:
    parts = [rules[first : first + RULES_PER_FILE] for first in range(0, len(rules), RULES_PER_FILE)]
    return {f"bench-{number:03}.yaml": "\n".join(["version: 1", "rules:", *part, ""])
            for number, part in enumerate(parts)}  # fmt: skip
