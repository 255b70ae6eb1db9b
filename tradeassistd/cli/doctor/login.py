"""Checks the login to Schwab: the token file, how private it is, and when Schwab ends it."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import ConfigError
from tradeassistd.base.instant import US_PER_S
from tradeassistd.cli.doctor.finding import Finding, ok, problem, warning
from tradeassistd.feed.countdown import day_and_minute, span_text, weekend_notice_us
from tradeassistd.feed.token import REFRESH_TOKEN_S, TokenFile

CHECK = "login"
LOG_IN = "Run: tradeassist auth login"
SOON_S = 24 * 3600
AHEAD_MAX_S = 300
"""A login from further in the future than that was made by a clock that is wrong."""


def login(path: Path, clock: Clock, told: Mapping[str, Any]) -> Iterator[Finding]:
    """The token at `path`; `told` is what a running daemon says of its login, else empty."""
    try:
        token = TokenFile(path).token()
    except ConfigError as error:
        yield problem(CHECK, error.message, LOG_IN)
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield problem(CHECK, f"{path} can be read by others (mode {mode:04o})", f"chmod 600 {path}")
    if told.get("needed"):
        yield problem(CHECK, f"Schwab wants a new login: {told['needed']}", LOG_IN)
        return
    now_s = clock.now_us() // US_PER_S
    ends_us = (token.created_s + REFRESH_TOKEN_S) * US_PER_S
    left_s = ends_us // US_PER_S - now_s
    if told.get("ends") and told.get("ends_in_s") is not None:  # it may count in market time
        ends_us = round(datetime.fromisoformat(told["ends"]).timestamp()) * US_PER_S
        left_s = int(told["ends_in_s"])
    ends = f"{day_and_minute(ends_us)}, in {span_text(left_s)}"
    if left_s <= 0:
        yield problem(CHECK, f"ended {day_and_minute(ends_us)}: Schwab ends each after seven days", LOG_IN)
    elif token.created_s - now_s > AHEAD_MAX_S:
        yield warning(CHECK, "the token is from the future", "Set this machine's clock, then log in again")
    elif left_s < SOON_S or 0 < weekend_notice_us(ends_us) <= clock.now_us():
        yield warning(CHECK, f"ends {ends}", LOG_IN)
    else:
        yield ok(CHECK, f"ends {ends}")
    if told.get("last_error"):
        yield warning(CHECK, f"the daemon could not refresh it: {told['last_error']}", "It tries again by itself")
