"""Instants as the project counts them: UTC microseconds since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime

US_PER_S = 1_000_000
US_PER_MS = 1_000


def iso(us: int) -> str:
    """`us` as ISO 8601 in UTC with microseconds, e.g. 2026-11-20T14:30:00.000000Z."""
    seconds, micros = divmod(us, US_PER_S)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"
