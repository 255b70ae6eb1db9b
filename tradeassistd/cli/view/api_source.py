"""Snapshots from the store with what only the running daemon knows: how near each rule is to firing, over its API."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import msgspec

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import PermanentError
from tradeassistd.cli.client import ask
from tradeassistd.cli.not_running import NotRunningError
from tradeassistd.cli.view import snapshot as view
from tradeassistd.cli.view.snapshot import Snapshot
from tradeassistd.cli.view.source import Source
from tradeassistd.cli.view.standings import Detail, Standing, with_standings

ASK_EVERY_S = 0.5
RULES_ASKED_MAX = 50
"""Rules asked about at one look; with more rules than that they take turns."""
ANSWER_WITHIN_S = 1.0


class ApiSource:
    """A source over another one. Without an API that answers it gives what that one gives, and asks again later."""

    def __init__(self, inner: Source, path: Path, clock: Clock) -> None:
        """`path` is the daemon's Unix socket."""
        self._inner = inner
        self._path = path
        self._clock = clock
        self._asked_s = float("-inf")
        self._next = 0
        self._standings: dict[str, tuple[Standing, ...]] = {}

    def look(self) -> Snapshot:
        """Raises what the inner source raises."""
        shown = self._inner.look()
        if shown.daemon != view.RUNNING:
            self._standings.clear()
            return shown
        if self._clock.elapsed_s() - self._asked_s >= ASK_EVERY_S:
            self._ask([rule.id for rule in shown.rules])
            self._asked_s = self._clock.elapsed_s()
        known = self._standings
        return replace(shown, rules=tuple(with_standings(rule, known.get(rule.id, ())) for rule in shown.rules))

    def _ask(self, rule_ids: list[str]) -> None:
        """Bring the standings of the next rules up to date, and drop those of rules that are gone."""
        self._standings = {rule_id: self._standings[rule_id] for rule_id in rule_ids if rule_id in self._standings}
        for _ in range(min(RULES_ASKED_MAX, len(rule_ids))):
            rule_id = rule_ids[self._next % len(rule_ids)]
            self._next = (self._next + 1) % len(rule_ids)
            try:
                answer = ask(self._path, f"/rules/{quote(rule_id, safe='')}", within_s=ANSWER_WITHIN_S)
                self._standings[rule_id] = msgspec.convert(answer.document, Detail).standings
            except PermanentError:
                self._standings.pop(rule_id, None)
                return  # the daemon has it no more, or is busy: go on with the others at the next look
            except (NotRunningError, msgspec.ValidationError):
                self._standings.clear()
                return  # starting or stopping, or of another version: the view does without
