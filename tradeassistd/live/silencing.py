"""Silences that somebody says to the running daemon: checked, numbered, and made events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from tradeassistd.base.errors import PermanentError
from tradeassistd.base.yaml12 import did_you_mean
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.silences import Silence, SilenceEnd
from tradeassistd.rules.silences import SILENCES, fits_rule

SAID_MAX = 500
"""Silences in force at once; more of them is no way to work, but to forget."""

Hear = Callable[[Callable[[int], Silence | SilenceEnd]], Awaitable[None]]
"""Makes an event of what it is given, which gets the event time and may refuse (live.path.Live.hear)."""


class Silencing:
    """Begins and ends them."""

    def __init__(self, engine: Engine, hear: Hear, last_number: int) -> None:
        """`last_number`: the greatest that any silence has had."""
        self._engine = engine
        self._hear = hear
        self._last_number = last_number

    async def silence(self, wanted: Silence, until_us: Callable[[int], int]) -> Silence:
        """Nobody is told of what `wanted` fits, from now on until the instant that `until_us` gives for now.

        `wanted` has no number and no times yet. Returns what is in force, once the store has it. Raises PermanentError
        when it fits no rule or would be over at once, TransientError as `Live.hear`.
        """
        begun: list[Silence] = []

        def make(now_us: int) -> Silence:
            silence = replace(wanted, event_us=now_us, until_us=until_us(now_us), number=self._last_number + 1)
            self._check(silence)
            self._last_number = silence.number
            begun.append(silence)
            return silence

        await self._hear(make)
        return begun[0]

    async def end(self, number: int, by: str) -> Silence:
        """What the silence of that number kept back is told now; gives the silence that was in force.

        Raises PermanentError when there is none, TransientError as `Live.hear`.
        """
        ended: list[Silence] = []

        def make(now_us: int) -> SilenceEnd:
            in_force = {one.number: one for one in self._engine.silences.in_force(now_us) if one.number}
            if number not in in_force:
                hint = f"those of {SILENCES} end when they are removed there; `tradeassist silences` shows all"
                raise PermanentError(f"no silence in force has the number {number}", hint=hint)
            ended.append(in_force[number])
            return SilenceEnd(now_us, number, by)

        await self._hear(make)
        return ended[0]

    def _check(self, silence: Silence) -> None:
        if silence.until_us <= silence.event_us:
            raise PermanentError("that time has passed", hint="name a later one, by the time of the market")
        rules = self._engine.rule_set.rules
        if not any(fits_rule(silence, rule) for rule in rules):
            hint = self._hint(silence) or "`tradeassist rules list` shows them with their symbols"
            raise PermanentError(f"{silence.text} fits no rule in force", hint=hint)
        if sum(one.number > 0 for one in self._engine.silences.in_force(silence.event_us)) >= SAID_MAX:
            raise PermanentError(f"{SAID_MAX} silences are in force already", hint="end some, or use globs")

    def _hint(self, silence: Silence) -> str:
        """The rule that was meant, or what the named one watches."""
        by_id = self._engine.rule_set.by_id
        if len(silence.rules) == 1 and (named := by_id.get(silence.rules[0])) is not None:
            return f"{named.id} watches {' '.join(named.symbols)}" if silence.symbols else ""
        return next(filter(None, (did_you_mean(one, by_id) for one in silence.rules)), "")
