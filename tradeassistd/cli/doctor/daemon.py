"""Checks what the running daemon says of itself: the feed, the data of each symbol, rules, the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tradeassistd.cli import quality
from tradeassistd.cli.doctor.finding import Finding, ok, problem, warning
from tradeassistd.cli.quality import NOTE, ON_LINE, part
from tradeassistd.cli.wording import counted, span

FRAME_WITHIN_S = 35.0
STARTING_S = 60.0
"""A connection may take so long to come up."""
NAMED_MAX = 12
_HINTS = {
    "auth_needed": "Run: tradeassist auth login",
    "replaced": "Close the other program, then: tradeassist reconnect",
    "degraded": "See the symbols below",
}
_FEED_HINT = "It tries again by itself; see `reach schwab` above and the daemon's log"


def daemon(status: Mapping[str, Any], pid: int | None, *, answers: bool, hidden: str = "") -> Iterator[Finding]:
    """`status`: the newest there is; `answers`: it came over the API just now; `hidden`: why nobody may look."""
    if hidden:
        yield problem("daemon", f"not known whether it runs: {hidden}", "Run this as the user the daemon runs as")
        return
    if pid is None:
        since = "" if status else " and never was"
        yield warning("daemon", f"not running{since}: nothing is watched", "Start tradeassistd")
        return
    version = status.get("version", "?")
    if answers:
        yield ok("daemon", f"running, pid {pid}, version {version}")
    else:
        yield warning("daemon", f"running, pid {pid}, and does not answer on its socket",
                      "Run this as its user; is `api: {socket: off}` set?")  # fmt: skip
    yield from _feed(part(status, "feed"))
    yield from _data(status)
    problems = part(status, "rules").get("problems") or ()
    if problems:
        yield problem("rules in force", f"{counted(len(problems), 'problem')} when they were loaded: {problems[0]}",
                      "Those files' last good versions stay in force until they are right")  # fmt: skip
    if faults := part(status, "counters").get("rule_faults"):
        yield warning("rules in force", f"{counted(faults, 'time')} a rule raised and was left out", "See the log")
    if error := part(status, "store").get("tape_error"):
        yield problem("tape", f"cannot be written: {error}", "Alerts are still told; look at the disk")
    if limited := part(status, "store").get("tape_limited"):
        yield problem("tape", f"gives way, as the disk is filling: {limited}",
                      "Make room, or keep less: `tradeassist db info` says what takes it")  # fmt: skip


def _feed(feed: Mapping[str, Any]) -> Iterator[Finding]:
    state, reason = str(feed.get("state", "")), str(feed.get("reason") or "")
    lasted_s = float(feed.get("in_state_s") or 0.0)
    said = f"{state or 'no state yet'} for {span(lasted_s)}" + (f": {reason}" if reason else "")
    age_s = feed.get("frame_age_s")
    if state == "live" and isinstance(age_s, int | float) and age_s > FRAME_WITHIN_S:
        yield problem("feed", f"{said}, but the last frame came {span(age_s)} ago", _FEED_HINT)
    elif state == "live":
        age = f", last frame {span(age_s)} ago" if isinstance(age_s, int | float) else ""
        yield ok("feed", f"{said}{age}")
    elif state in ON_LINE or (state in ("connecting", "logging_in", "subscribing") and lasted_s < STARTING_S):
        yield warning("feed", said, _HINTS.get(state, "Look again in a minute"))
    else:
        yield problem("feed", said, _HINTS.get(state, _FEED_HINT))


def _data(status: Mapping[str, Any]) -> Iterator[Finding]:
    """One line per symbol with something to say; the others together."""
    known, told = quality.symbols_of(status), set()
    for remark in quality.remarks(status):
        told.add(remark.symbol)
        check = f"data {remark.symbol}"
        if remark.weight == quality.PROBLEM:
            yield problem(check, remark.text, "Its rules are unknown meanwhile; the daemon asks Schwab again")
        elif remark.weight == quality.WARNING:
            yield warning(check, remark.text, "Alerts of it say so, and come late")
        elif remark.weight == NOTE:
            yield ok(check, remark.text)
    fine = [f"{symbol} {_row_age(one)}" for symbol, one in known.items() if symbol not in told]
    if fine:
        more = f" and {len(fine) - NAMED_MAX} more" if len(fine) > NAMED_MAX else ""
        yield ok("data", f"last rows: {', '.join(fine[:NAMED_MAX])}{more}")


def _row_age(one: Mapping[str, Any]) -> str:
    age_s = one.get("last_row_age_s")
    return f"{span(age_s)} ago" if isinstance(age_s, int | float) else "none yet"
