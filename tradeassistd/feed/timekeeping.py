"""Says when the computer's clock is set or wrong: in the log, on the channels and in the audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from tradeassistd.base.clock import Clock
from tradeassistd.base.instant import US_PER_S
from tradeassistd.base.steady import Notice, SteadyClock
from tradeassistd.base.turns import Turns
from tradeassistd.feed.countdown import span_text

LOOK_EVERY_S = 1.0
SET_RIGHT = "Have the computer's clock kept right: timedatectl set-ntp true"

log = structlog.get_logger(__name__)


class Timekeeping:
    """Looks at the clock's notices, each second."""

    def __init__(
        self, clock: Clock, say: Callable[[str, str], None], note: Callable[[str, Mapping[str, Any]], None],
        turns: Turns,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._say = say
        self._note = note
        self._turn = turns.join("timekeeping")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._turn(2 * LOOK_EVERY_S)
            await self._clock.pause(LOOK_EVERY_S)
            if isinstance(self._clock, SteadyClock):
                for notice in self._clock.take_notices():
                    self._tell(notice)

    def _tell(self, notice: Notice) -> None:
        title, text = _words(notice)
        log.warning(f"clock.{notice.kind}", by_s=round(notice.by_us / US_PER_S, 1), believed=notice.believed, hint=text)
        self._note(f"clock.{notice.kind}", {"by_s": round(notice.by_us / US_PER_S, 1), "believed": notice.believed})
        self._say(title, text)


def _words(notice: Notice) -> tuple[str, str]:
    span = span_text(round(abs(notice.by_us) / US_PER_S))
    way = "forth" if notice.by_us > 0 else "back"
    match notice.kind, notice.believed:
        case "set", False:
            return (f"The computer's clock was set {span} {way}, wrongly",
                    f"Schwab's time says otherwise: rules go on with the time as it was. {SET_RIGHT}")  # fmt: skip
        case "set", True if notice.by_us > 0:
            return (f"The computer's clock was set {span} {way}",
                    "Rules go on with the new time; the time in between is a gap.")  # fmt: skip
        case "set", True:
            return (f"The computer's clock was set {span} {way}",
                    "Rules go on, with their time at half the pace until the clock has caught up.")  # fmt: skip
        case "right", _:
            return "The computer's clock is right again", "It agrees with Schwab's time."
    how = "ahead of" if notice.by_us > 0 else "behind"
    return (f"The computer's clock is {span} {how} Schwab's",
            f"Sessions, times of day and what is late are judged wrongly. {SET_RIGHT}")  # fmt: skip
