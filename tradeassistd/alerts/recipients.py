"""Who was told of the firings that go on, so that their end goes there and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tradeassistd.engine.transition import Kind, State, Transition

Key = tuple[str, str, int]
"""Rule, symbol, level."""


class Recipients:
    """The channels that the alerts of each firing were addressed to; one entry per firing that goes on."""

    def __init__(self, known: Mapping[Key, Iterable[str]] | None = None) -> None:
        """`known`: what the store has of the firings that a restart takes up."""
        self._channels: dict[Key, tuple[str, ...]] = {key: tuple(names) for key, names in (known or {}).items()}

    def of(self, transition: Transition, route: Iterable[str]) -> tuple[str, ...]:
        """Where a transition goes, each channel once; ask about every transition, in order.

        `route` is where the rule's alerts go now. An end goes where its firing was told, whatever the rules say by
        then, and along the route when nobody knows any more.
        """
        key = (transition.rule_id, transition.symbol, transition.level)
        told = self._channels.get(key, ())
        if transition.kind in (Kind.CLEARED, Kind.CLOSED):
            self._channels.pop(key, None)
            return (told or tuple(dict.fromkeys(route))) if transition.tell else ()
        if not transition.is_alert or transition.suppressed:
            return ()
        names = tuple(dict.fromkeys(route))
        if transition.state is State.FIRING:
            self._channels[key] = tuple(dict.fromkeys((*told, *names)))
        return names
