"""Runs the engine over the tape: the same events give the same transitions, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice, takewhile

from tradeassistd.base.errors import PermanentError
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Event, RulesSwap, Start
from tradeassistd.engine.reliving import relive
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.transition import Transition


def replay(
    events: Iterable[Event],
    rule_set_of: Callable[[str], RuleSet],
    since: Callable[[int], Iterable[Event]] | None = None,
) -> Iterator[Transition]:
    """The transitions of the stored `events`, in order, over any number of restarts.

    Those of a life that was killed count as far as they were stored, and then as the next life decided them: so they
    come once the next life has begun, or at the end. `rule_set_of` gives the rule set for a stored hash. For
    each start that has relived the tape its events are taken once more: `since` gives them from an instant on; without
    it `events` are iterated anew, so a list will do and a generator will not.

    Raises PermanentError when the tape does not begin with a start, or begins too late for what one has relived of it.
    """
    engine: Engine | None = None
    said: list[Transition] = []
    for count, event in enumerate(events):
        if isinstance(event, Start):
            kept, said = _kept(said, event), []
            yield from kept
            engine = Engine(rule_set_of(event.rules_hash))
            for late in relive(engine, event, _again(events, count, event, since)):
                said += late.transitions
        elif isinstance(event, RulesSwap) and engine is not None:
            engine.offer(rule_set_of(event.rules_hash))
        if engine is None:
            raise PermanentError("the tape begins in the middle of a day", hint="replay from the day's first event")
        said += engine.on_event(event)
    yield from said


def _kept(said: list[Transition], start: Start) -> list[Transition]:
    """What the lives before decided and stored."""
    if start.relived is None:
        return said
    return [one for one in said if one.event_us <= start.relived.saved_until_us]


def _again(
    events: Iterable[Event], count: int, start: Start, since: Callable[[int], Iterable[Event]] | None
) -> Iterable[Event]:
    """Those of the `count` events before a start that it has relived."""
    relived = start.relived
    if relived is None:
        return ()
    if since is None and iter(events) is events:
        raise TypeError("a generator gives its events once, and this replay needs them again: give a list, or `since`")
    first = next(iter(events if since is None else since(0)), None)
    if not count or first is None or first.event_us > relived.first_us:
        raise PermanentError(
            "a restart on this tape goes on from what is not on it", hint="replay from the trading day before, too"
        )
    if since is None:
        return (event for event in islice(events, count) if event.event_us >= relived.from_us)
    return takewhile(lambda event: event.event_us < start.event_us, since(relived.from_us))
