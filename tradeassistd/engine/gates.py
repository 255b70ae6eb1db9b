"""Whether an alert is told: the gates of rules.md 4.8 in their order, and what a told alert uses up.

State and telling are two things: a rule fires whatever the gates say, the first refusal is stored as the reason, and
only a told alert spends a budget or starts a cooldown.
"""

from __future__ import annotations

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.silences import Silences
from tradeassistd.engine.symbol.symbols import SymbolState
from tradeassistd.engine.transition import RuleState
from tradeassistd.market.session import ALWAYS, EVER, Window, bar_bounds, series_session, trading_day

AT_LOAD, HIGHER_LEVEL, LOG = "at_load", "higher_level", "log"
"""Why an alert is not told, before any gate is asked; such a firing is not told later either."""
MODE, SPENT, REARM, COOLDOWN, SILENCE = "mode", "spent", "rearm", "cooldown", "silence"
"""The gates that refuse; when the reason ends while it still fires, it is told then."""


class Gates:
    """The gates of one machine. The state is handed in each time, for a reload may replace it."""

    def __init__(self, rule: Rule, own: SymbolState, silences: Silences) -> None:
        self._rule = rule
        self._own = own
        self._silences = silences
        self._cooldown_us = rule.cooldown_s * US_PER_S

    def refusal(self, state: RuleState, window: Window | None, now_us: int) -> str:
        """Why nobody is told, "" when somebody is."""
        rule = self._rule
        if rule.mode == "shadow":
            return MODE
        if self._spent(state, window, now_us):
            return SPENT
        if rule.rearm is not None and state.told_price is not None and not state.moved:
            return REARM
        if state.told_us and now_us - state.told_us < self._cooldown_us:
            return COOLDOWN
        return SILENCE if self.silenced_until_us(now_us) else ""

    def unheard(self, now_us: int) -> str:
        """Why a reminder, or the end of a firing, is not told: neither spends a budget nor waits for a cooldown."""
        if self._rule.mode == "shadow":
            return MODE
        return SILENCE if self.silenced_until_us(now_us) else ""

    def silenced_until_us(self, now_us: int) -> int:
        """Until when a silence lies over the rule and symbol, 0 when none does."""
        silence = self._silences.over(self._rule.id, self._rule.tags, self._own.instrument.symbol, now_us)
        return silence.until_us if silence else 0

    def opens_us(self, state: RuleState, window: Window | None, now_us: int) -> int:
        """When the clock alone may end a refusal, 0 when it cannot: then a move, a reload or nothing does."""
        rule = self._rule
        match self.refusal(state, window, now_us):
            case "cooldown":
                return state.told_us + self._cooldown_us
            case "spent" if rule.fire.mode == "once" and state.told_count:
                return 0
            case "spent" if rule.max_per_session and self._count(state, window, now_us) >= rule.max_per_session:
                return window.close_us if window else now_us
            case "spent":
                return self._bar_of(now_us)[1]
            case "silence":
                return self.silenced_until_us(now_us)
            case "":
                return now_us
        return 0

    def told(self, state: RuleState, window: Window | None, now_us: int) -> None:
        """Somebody was told: budgets and cooldown count from here."""
        tick = self._own.tick
        session_us = _session_us(window, now_us)
        state.session_count = self._count(state, window, now_us) + 1
        state.session_us = session_us
        state.told_us, state.untold, state.was_told = now_us, False, True
        state.told_price, state.moved = tick.last if tick else None, False
        state.told_count += 1

    def _spent(self, state: RuleState, window: Window | None, now_us: int) -> bool:
        rule = self._rule
        if rule.fire.mode == "once" and state.told_count:
            return True
        if rule.max_per_session and self._count(state, window, now_us) >= rule.max_per_session:
            return True
        return rule.fire.mode == "once_per_bar" and state.told_us >= self._bar_of(now_us)[0] and state.told_us > 0

    def watch_move(self, state: RuleState) -> None:
        """Note when the price has come as far away from the last told one as `rearm` asks; it may come back."""
        move, tick = self._rule.rearm, self._own.tick
        if move is None or state.moved or state.told_price is None or tick is None or tick.last is None:
            return
        away = abs(tick.last - state.told_price)
        state.moved = away >= move.from_price(state.told_price, self._own.instrument.tick_size)

    def _count(self, state: RuleState, window: Window | None, now_us: int) -> int:
        """How often it was told in the session that is running."""
        return state.session_count if state.session_us == _session_us(window, now_us) else 0

    def _bar_of(self, now_us: int) -> tuple[int, int]:
        """The bar that an instant lies in; outside its own session, one counted from the epoch."""
        instrument, interval = self._own.instrument, self._rule.fire.interval
        bounds = bar_bounds(instrument, series_session(instrument), interval, now_us)
        bounds = bounds or bar_bounds(instrument, ALWAYS, interval, now_us)
        assert bounds is not None  # `always` has no outside
        return bounds


def _session_us(window: Window | None, now_us: int) -> int:
    """What tells one session from the next: when it opened; without sessions, when the trading day began."""
    return trading_day(now_us)[1] if window is None or window == EVER else window.open_us
