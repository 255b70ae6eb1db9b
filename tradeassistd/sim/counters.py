"""What is counted and kept of a run: logins, requests, frames, HTTP calls."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple


class RestCall(NamedTuple):
    """One HTTP call and what came of it."""

    at_us: int
    """Market time at which it came, UTC microseconds."""
    elapsed_s: float
    """The same in machine time."""
    method: str
    path: str
    query: str
    """As sent; left out where a token is asked for."""
    status: int
    """0: the answer broke off."""


CALLS_KEPT_MAX = 100_000
REQUESTS_KEPT_MAX = 10_000


@dataclass(slots=True)
class Counters:
    """What happened so far, for tests and for whoever watches a run."""

    connections: int = 0
    logins: int = 0
    heartbeats: int = 0
    frames_sent: int = 0
    batches: int = 0
    rows: int = 0
    """Changes the market made, sent or not."""
    requests: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    """Service, command and keys of the requests carried out, the latest `REQUESTS_KEPT_MAX`."""
    calls: deque[RestCall] = field(default_factory=lambda: deque(maxlen=CALLS_KEPT_MAX))
    """HTTP calls in the order they were answered, the latest `CALLS_KEPT_MAX`."""

    @property
    def subscriptions(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Of the requests those that subscribe: SUBS and ADD."""
        return [request for request in self.requests if request[1] in ("SUBS", "ADD")]
