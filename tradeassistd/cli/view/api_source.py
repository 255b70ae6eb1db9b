"""Snapshots from the store with what only the running daemon knows: how near each rule is to firing, over its API."""

from __future__ import annotations

import http.client
import socket
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import msgspec

from tradeassistd.base.clock import Clock
from tradeassistd.cli.view import snapshot as view
from tradeassistd.cli.view.snapshot import Snapshot
from tradeassistd.cli.view.source import Source
from tradeassistd.cli.view.standings import Detail, Standing, with_standings

ASK_EVERY_S = 0.5
RULES_ASKED_MAX = 50
"""Rules asked about at one look; with more rules than that they take turns."""
ANSWER_WITHIN_S = 1.0
_DETAIL = msgspec.json.Decoder(Detail)


class ApiSource:
    """A source over another one. Without an API that answers it gives what that one gives, and asks again later."""

    def __init__(self, inner: Source, path: Path, clock: Clock) -> None:
        """`path` is the daemon's Unix socket."""
        self._inner = inner
        self._path = path
        self._clock = clock
        self._connection: http.client.HTTPConnection | None = None
        self._asked_s = float("-inf")
        self._next = 0
        self._standings: dict[str, tuple[Standing, ...]] = {}

    def look(self) -> Snapshot:
        """Raises what the inner source raises."""
        shown = self._inner.look()
        if shown.daemon != view.RUNNING:
            self._forget()
            return shown
        if self._clock.elapsed_s() - self._asked_s >= ASK_EVERY_S:
            self._ask([rule.id for rule in shown.rules])
            self._asked_s = self._clock.elapsed_s()
        known = self._standings
        return replace(shown, rules=tuple(with_standings(rule, known.get(rule.id, ())) for rule in shown.rules))

    def _ask(self, rule_ids: list[str]) -> None:
        """Bring the standings of the next rules up to date, and drop those of rules that are gone."""
        turn = [*rule_ids, *rule_ids][self._next : self._next + min(RULES_ASKED_MAX, len(rule_ids))]
        self._next = (self._next + len(turn)) % max(len(rule_ids), 1)
        self._standings = {rule_id: self._standings[rule_id] for rule_id in rule_ids if rule_id in self._standings}
        try:
            for rule_id in turn:
                self._standings[rule_id] = self._detail(rule_id).standings
        except (OSError, http.client.HTTPException, msgspec.MsgspecError):
            self._forget()  # switched off, starting, or another version: the view does without

    def _detail(self, rule_id: str) -> Detail:
        """What the API says of one rule; nothing of one that it has no more."""
        if self._connection is None:
            self._connection = _UnixConnection(self._path)
        self._connection.request("GET", f"/rules/{quote(rule_id, safe='')}")
        answer = self._connection.getresponse()
        body = answer.read()
        return _DETAIL.decode(body) if answer.status == http.client.OK else Detail(rule_id)

    def _forget(self) -> None:
        self._standings.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_WITHIN_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_WITHIN_S)
        self.sock.connect(str(self._path))
