"""Values that watch a condition over time: `count(EVENT, 30m)` and `streak(STATE, 5m)`.

Both live in memory only: after a restart they are unknown until they have watched long enough again.
"""

from __future__ import annotations

from collections import deque

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.conditions.kleene import Condition
from tradeassistd.engine.conditions.leaves import Step
from tradeassistd.engine.language.own import OwnFunctionError
from tradeassistd.engine.symbol.symbols import SymbolState
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import Window, trading_window_at


class Count:
    """How often an event happened in (floor(now) - D, now], on a grid of whole seconds.

    Unknown until the event has been watched for D without a break: a cut, a moment at which it was unknown whether it
    happened, or the end of the symbol's trading session begins the watch anew. One entry per second in which it
    happened, so memory is bounded by D in seconds.
    """

    width = 0

    def __init__(self, event: Condition, instrument: Instrument, seconds: int) -> None:
        self.value: int | None = None
        """As of the last look."""
        self._event = event
        self._instrument = instrument
        self.seconds = seconds
        """D, the width of the window it counts in."""
        self._window: Window | None = None
        self.since_us = 0
        """Since when the event has been watched without a break; 0 while it is not."""
        self._happened: deque[tuple[int, int]] = deque()
        """(second, how often): what happened after second - 1 and not after second."""
        self._sum = 0

    def look(self, now_us: int) -> None:
        """Count what the event's own look found; it comes first."""
        self._turn(now_us)
        happened = self._event.outcome().live
        if happened is None or self._window is None:
            self.forget()
            return
        self.since_us = self.since_us or now_us
        if happened:
            self._add(-(-now_us // US_PER_S))
        from_s = now_us // US_PER_S - self.seconds
        while self._happened and self._happened[0][0] <= from_s:
            self._sum -= self._happened.popleft()[1]
        self.value = self._sum if self.since_us <= from_s * US_PER_S else None

    def attach(self, memory: list[int], first: int) -> None:
        """It keeps nothing in the stored state."""

    def cut(self) -> None:
        """Nobody watches until the next look, from which the watch begins anew."""
        self.forget()

    def forget(self) -> None:
        """Begin the watch anew."""
        self._happened.clear()
        self._sum = self.since_us = 0
        self.value = None

    def _add(self, second: int) -> None:
        times = self._happened.pop()[1] if self._happened and self._happened[-1][0] == second else 0
        self._happened.append((second, times + 1))
        self._sum += 1

    def _turn(self, now_us: int) -> None:
        window = self._window
        if window is None or not window.open_us <= now_us < window.close_us:
            self._window = trading_window_at(self._instrument, now_us)
            if self._window != window:
                self.forget()


class Streak:
    """At how many closed bars in a row, newest backwards, a state was true at the bar's close.

    A false makes it 0. Before the first known close it is unknown, and that one begins it; from then on a close at
    which the state is unknown, and a gap of the symbol, break it: unknown until the next false.
    """

    width = 0

    def __init__(
        self, own: SymbolState, interval: str, session: str, state: Condition, steps: tuple[Step, ...]
    ) -> None:
        """`own`: the symbol whose bars count; `steps`: the leaves of the state, in the order they look."""
        self.symbol = own.instrument.symbol
        self.interval = interval
        self.session = session
        self.value: int | None = None
        """As of the last closed bar."""
        self.error: OwnFunctionError | None = None
        """What a user's function raised at the last closed bar, for whoever reads the streak."""
        self._own = own
        self._state = state
        self._steps = steps
        self._broken = False

    def bar_closed(self, now_us: int) -> None:
        """That bar has just closed, and the row that closed it is not applied yet."""
        self.error = None
        try:
            for step in self._steps:
                step.look(now_us)
            holds = self._state.outcome().live
        except OwnFunctionError as error:  # no rule is being judged now, so nobody could be isolated
            self.error, holds = error, None
        if holds is None:
            self._break()
        elif not holds:
            self.value, self._broken = 0, False
        elif not self._broken:
            self.value = (self.value or 0) + 1

    def read(self) -> int | None:
        """The value. Raises OwnFunctionError until the next bar closes when a user's function did."""
        if self.error is not None:
            raise self.error.with_traceback(None)
        return self.value

    def attach(self, memory: list[int], first: int) -> None:
        """It keeps nothing in the stored state."""

    def cut(self) -> None:
        """The rule is not watched; its bars go on closing unless the symbol's own feed is cut."""
        if not self._own.live:
            self._break()

    def forget(self) -> None:
        """Be as on the first day."""
        self.value, self._broken, self.error = None, False, None

    def _break(self) -> None:
        self._broken = self._broken or self.value is not None
        self.value = None
