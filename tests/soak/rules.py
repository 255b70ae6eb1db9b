"""The soak's own rules: one per symbol and level, so simple that their alerts follow from the prices alone."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.price import PRICE_SCALE, price_text
from tradeassistd.sim.catalogue import character_of

SYMBOLS = ("/ES", "/CL", "$SPX", "SPY", "NVDA")
LEVELS_EACH_SIDE = 7
STEP = Fraction(3, 1000)
COOLDOWN_S = 300


@dataclass(frozen=True, slots=True)
class Level:
    """`price crosses` it; scaled price."""

    rule_id: str
    symbol: str
    price: int


def levels() -> list[Level]:
    """About 0.3 % apart around where the made-up market begins, always between two prices or on one."""
    made = []
    for symbol in SYMBOLS:
        base, tick = character_of(symbol).previous_close, instrument_of(symbol).tick_size
        for number in range(-LEVELS_EACH_SIDE, LEVELS_EACH_SIDE + 1):
            price = round(base * (1 + number * STEP) * PRICE_SCALE / tick) * tick
            name = symbol.strip("/$").lower() + ("-index" if symbol[0] == "$" else "")
            made.append(Level(f"soak-{name}-{number + LEVELS_EACH_SIDE}", symbol, price))
    return made


def rule_file() -> str:
    """A rule file of all of them."""
    head = f"version: 1\ndefaults: {{cooldown: {COOLDOWN_S}s, severity: info}}\nrules:\n"
    return head + "".join(
        f"  - {{id: {one.rule_id}, symbols: [{one.symbol}], when: 'price crosses {price_text(one.price)}'}}\n"
        for one in levels()
    )
