"""Sessions as they pass over one symbol, and whether each was watched whole.

A trade belongs to the session that holds its *exchange time*; sessions begin and end by event time. What belongs to the
latest session stays until the next session of that word begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tradeassistd.base.instant import US_PER_S
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import ALWAYS, Window, next_open, trading_window_at, window_at

NEVER_US = 2**62
AHEAD_MAX_US = 2 * US_PER_S
"""A trade stamped up to this far ahead of our clock begins the session it is in; one further ahead is not believed."""
_MINUTE_US = 60 * US_PER_S
_STEP_US = 30 * _MINUTE_US
_DAY_US = 1_440 * _MINUTE_US


class Watch:
    """What is seen of one symbol. Times are UTC microseconds."""

    def __init__(self) -> None:
        self.live = False
        self.row_us = 0
        """Event time of the last row, 0 before the first."""
        self.live_row_us = 0
        """Event time of the row that made the symbol live: before it nothing was known."""
        self.missed_us = NEVER_US
        """Trades up to this exchange time may have been missed; all later ones are seen."""
        self._seen_us = 0

    def begin(self, event_us: int, missed_us: int) -> None:
        """The first row after a start or gap: trades up to `missed_us` happened while nobody watched."""
        self.live, self.live_row_us = True, event_us
        self.missed_us = max(missed_us, self._seen_us)

    def saw(self, at_us: int) -> None:
        """A trade with this exchange time."""
        if at_us > self._seen_us:
            self._seen_us = at_us

    def cut(self) -> None:
        """Nobody watches until the next image."""
        self.live, self.missed_us = False, NEVER_US


class Anchored:
    """Something that belongs to one session and starts over with the next one."""

    due_us = NEVER_US
    """When `run` wants to be called although nothing was traded."""

    def __init__(self, span: Span, watch: Watch) -> None:
        self.span = span
        self.watch = watch
        self._joined_late = self._whole_at_end = False

    @property
    def whole(self) -> bool:
        """Whether every trade of the session so far (of a session that is over: to its end) was seen."""
        if self.span.over:
            return self._whole_at_end
        return self.watch.missed_us < self.span.open_us and not self._joined_late

    def leave(self, *, adjacent: bool) -> None:
        """The next session is about to begin; `adjacent`: it comes right after the one that this belongs to."""

    def begin(self) -> None:
        """A session has begun: start over."""
        self._joined_late = self._whole_at_end = False

    def join_late(self) -> None:
        """It was asked for when the session had begun already, and is not whole for that."""
        self.begin()
        self._joined_late = True

    def end(self) -> None:
        """The session is over; its trades may still come late."""
        self._whole_at_end = self.whole

    def forget(self) -> None:
        """Another contract: nothing that was seen means anything now."""
        self._whole_at_end = False

    def run(self, now_us: int) -> bool:
        """`due_us` has come; whether anything moved."""
        return False

    def trade(self, at_us: int, price: int, size: int, volume: int | None) -> bool:
        """A trade of the session, `volume` is Schwab's total of the day; whether something was only waiting for it."""
        raise NotImplementedError


class Span:
    """The latest session of one word: `open_us` 0 until one has begun, `over` outside it."""

    def __init__(self, instrument: Instrument, word: str, now_us: int) -> None:
        """Raises ValueError for a word the instrument lacks."""
        self.open_us = self.close_us = 0
        self.over = True
        self.members: list[Anchored] = []
        self._instrument = instrument
        self.word = word
        self._turned_us = 0
        if word != ALWAYS:
            window_at(instrument, word, now_us)
        if now_us:
            self.turn(now_us)

    def holds(self, at_us: int) -> bool:
        return self.open_us <= at_us < self.close_us

    def join(self, member: Anchored) -> None:
        """Feed `member` from now on."""
        self.members.append(member)
        if self.open_us:
            member.join_late()

    def since(self, open_us: int, until_us: int) -> Iterator[Window]:
        """The sessions from the one that opens then on that are over by `until_us`."""
        while open_us:
            window = window_at(self._instrument, self.word, open_us)
            if window is None or window.close_us > until_us:
                return
            yield window
            open_us = self.next_open(open_us)

    def relive(self, window: Window) -> bool:
        """A session from before this life, oldest first; False once one of this life has begun."""
        if self._turned_us or window.open_us < self.close_us:
            return False
        self._begin(window)
        self._end()
        return True

    def turn(self, now_us: int) -> bool:
        """Time has reached `now_us`; whether a session began or ended, or something in it was due."""
        moved = self._end() if not self.over and now_us >= self.close_us else False
        if self.over:
            window = self._window_by(now_us)
            if window is not None and window.open_us >= self.close_us:
                self._begin(window)
                moved = True
                if now_us >= self.close_us:
                    self._end()
        for member in self.members:
            if now_us >= member.due_us:
                moved = member.run(now_us) or moved
        self._turned_us = now_us
        return moved

    @property
    def check_us(self) -> int:
        """Nothing turns before this instant: sessions begin on whole minutes."""
        next_us = self._turned_us // _MINUTE_US * _MINUTE_US + _MINUTE_US if self.over else self.close_us
        return min(next_us, *(member.due_us for member in self.members)) if self.members else next_us

    def _window_by(self, now_us: int) -> Window | None:
        """The window at `now_us`; at the very first turn also one that closed while trading has not."""
        if self.word == ALWAYS:
            return None  # it has no beginning, so nothing belongs to it
        window = window_at(self._instrument, self.word, now_us)
        if window is None and not self._turned_us:
            trading = trading_window_at(self._instrument, now_us)
            window = self._latest_before(now_us, trading.open_us) if trading else None
        return window

    def _begin(self, window: Window) -> None:
        adjacent = self.open_us > 0 and self.next_open(self.open_us) == window.open_us
        for member in self.members:
            member.leave(adjacent=adjacent)
        self.open_us, self.close_us = window
        self.over = False
        for member in self.members:
            member.begin()

    def _end(self) -> bool:
        for member in self.members:
            member.end()
        self.over = True
        return True

    def next_open(self, after_us: int) -> int:
        """When the session opens next, later than the instant; 0 when it does not for a month."""
        try:
            return next_open(self._instrument, self.word, after_us)
        except LookupError:
            return 0

    def latest_open(self, at_us: int) -> int:
        """When the latest session opened by that instant, looked for over two weeks; 0 when there was none."""
        for days in range(15):
            found = 0
            open_us = self.next_open(at_us - days * _DAY_US)
            while 0 < open_us <= at_us:
                found, open_us = open_us, self.next_open(open_us)
            if found:
                return found
        return 0

    def _latest_before(self, at_us: int, first_us: int) -> Window | None:
        at_us -= _STEP_US
        while at_us >= first_us:
            window = window_at(self._instrument, self.word, at_us)
            if window is not None:
                return window
            at_us -= _STEP_US
        return None


class Sessions:
    """The sessions of one symbol that something belongs to."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._spans: dict[str, Span] = {}
        self._check_us = 0

    @property
    def spans(self) -> Iterable[Span]:
        """One of each word that something belongs to."""
        return self._spans.values()

    def span(self, word: str, now_us: int) -> Span:
        """The latest session of that word. Raises ValueError for a word the instrument lacks."""
        span = self._spans.get(word)
        if span is None:
            span = self._spans[word] = Span(self._instrument, word, now_us)
        self._check_us = 0
        return span

    def turn(self, now_us: int) -> bool:
        """Time has reached `now_us`; whether anything moved by that."""
        if now_us < self._check_us:
            return False
        moved = False
        for span in self._spans.values():
            moved = span.turn(now_us) or moved
        self._check_us = min((span.check_us for span in self._spans.values()), default=NEVER_US)
        return moved

    def trade(self, at_us: int, price: int, size: int, volume: int | None) -> bool:
        """One trade by its exchange time; whether something became known that only waited for it."""
        moved = False
        for span in self._spans.values():
            if span.open_us <= at_us < span.close_us:
                for member in span.members:
                    moved = member.trade(at_us, price, size, volume) or moved
        return moved

    def forget(self) -> None:
        """Another contract: every member starts over."""
        for span in self._spans.values():
            for member in span.members:
                member.forget()

    def retain(self, used: set[Anchored]) -> None:
        """Feed only these from now on."""
        for span in self._spans.values():
            span.members = [member for member in span.members if member in used]
