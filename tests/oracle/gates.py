"""The gates that an alert passes, and what those remember of the last one that was told (rules.md 4.8)."""

from __future__ import annotations

from fractions import Fraction

from tests.oracle.bars import seconds, slot
from tests.oracle.events import US_PER_S, Silence, SilenceEnd
from tests.oracle.hours import Window, series_session, session, trading_session
from tests.oracle.rule import OracleRule
from tests.oracle.world import World, tick_size


class Gates:
    """Whether an alert of one level of a rule is told."""

    def __init__(self, world: World, rule: OracleRule, symbol: str) -> None:
        self.world, self.rule, self.symbol = world, rule, symbol
        self.reaches = False  # the condition has an arming of its own
        self.told_us: int | None = None
        self.told_price: Fraction | None = None
        self.told_count = 0
        self.told_index = 0  # the event
        self.session_told: tuple[Window | None, int] = (None, 0)

    def told(self, at_us: int, index: int) -> None:
        """An alert has gone out."""
        window, told = self.session_told
        budget = self._budget(at_us)
        self.session_told = (budget, told + 1 if budget == window else 1)
        self.told_index = index
        self.told_us, self.told_price, self.told_count = at_us, self._price(index), self.told_count + 1

    def refused(self, at_us: int, index: int) -> str:
        """Why nobody is told now: the first gate that says no."""
        rule = self.rule
        if rule.mode != "live":
            return "mode"
        if self._spent(at_us):
            return "spent"
        if rule.rearm and not self.reaches and self.told_price is not None:
            distance = rule.rearm.measured(self.told_price, tick_size(self.symbol))
            if not self._has_been_away(self.told_price, distance, index):
                return "rearm"
        if self.told_us is not None and at_us - self.told_us < rule.cooldown_s * US_PER_S:
            return "cooldown"
        return "silence" if self.silenced(at_us) else ""

    def unheard(self, at_us: int) -> str:
        """Why a reminder or an end is not told."""
        if self.rule.mode != "live":
            return "mode"
        return "silence" if self.silenced(at_us) else ""

    def silenced(self, at_us: int) -> bool:
        """Whether somebody's silence lies over the rule."""
        lying: set[int] = set()
        for one in self.world.events:
            if one.at_us > at_us:
                break
            if isinstance(one, SilenceEnd):
                lying.discard(one.number)
            elif isinstance(one, Silence) and one.rule == self.rule.id and one.symbol in ("", self.symbol):
                lying |= {one.number} if at_us < one.until_us else set()
        return bool(lying)

    def _has_been_away(self, from_price: Fraction, distance: Fraction, index: int) -> bool:
        """Whether the price has been that far from it since it was told."""
        seen = self.world.symbol(self.symbol)
        prices = (seen.after[row].price for row in seen.rows_between(self.told_index, index))
        return any(price is not None and abs(price - from_price) >= distance for price in prices)

    def _spent(self, at_us: int) -> bool:
        mode, _, interval = self.rule.fire.removesuffix(")").partition("(")
        if mode == "once" and self.told_count:
            return True
        if mode == "once_per_bar" and self.told_us is not None:
            own = series_session(self.symbol)
            bar = slot(own, seconds(interval) * US_PER_S, at_us)
            if bar is not None and bar[0] <= self.told_us:
                return True
        window, told = self.session_told
        return bool(self.rule.max_per_session and told >= self.rule.max_per_session and window == self._budget(at_us))

    def _budget(self, at_us: int) -> Window | None:
        """The session that `max_per_session` counts in."""
        word = self.rule.session
        of = session(self.symbol, word) if word and word != "always" else trading_session(self.symbol)
        return of.window(at_us)

    def _price(self, index: int) -> Fraction | None:
        return self.world.symbol(self.symbol).after[index].price if index >= 0 else None
