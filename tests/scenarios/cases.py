"""One row per fault of docs/simulator.md: what goes wrong, and what the daemon must make of it."""

from __future__ import annotations

from dataclasses import dataclass

LOGIN_AGAIN = ("connecting", "logging_in", "subscribing", "live")
BACK = ("backoff", *LOGIN_AGAIN)
FAILED = ("backoff", "connecting", "logging_in")
DOWN, UP = "The feed is down", "The feed is back"
TAKEN = "Another program took the Schwab stream"
NEEDED = "Schwab login needed: nothing is watched"


@dataclass(frozen=True)
class Case:
    """`faults` come at once, in this order, while the feed is live.

    `states`: the connection's states from then on. With `again` those before the last four may come several times,
    for how often a client tries is left to chance. `reason`: part of why it left the line. `says`: the titles that
    reach the channel, each of them once. `gaps`: how many spans rules know to be unknown; None: however many, but some.
    """

    faults: tuple[str, ...]
    states: tuple[str, ...] = ()
    reason: str = ""
    says: tuple[str, ...] = ()
    gaps: int | None = 0
    lasts_s: int = 100
    again: bool = False

    @property
    def name(self) -> str:
        return " + ".join(self.faults)


# The line breaks, or nothing comes over it: back off, begin anew, and the span is a gap. Nobody is told of seconds.
_CONNECTION = (
    Case(("reset",), BACK, "the stream broke", gaps=1),
    Case(("drop",), BACK, "the stream broke", gaps=1),
    Case(("close",), BACK, "the stream broke", gaps=1),
    Case(("stop",), BACK, "code 30: Stop streaming", gaps=1),
    Case(("second_login",), ("replaced", *LOGIN_AGAIN), "another program took the stream", (TAKEN, UP), 1, 400),
    Case(("outage, for: 20s",), BACK, "the stream broke", gaps=1, again=True),
    Case(("outage, for: 4m",), BACK, "the stream broke", (DOWN, UP), 1, 400, again=True),
    Case(("handshake, times: 3", "drop"), (*FAILED, *FAILED, *FAILED, *BACK), "503", gaps=1),
    Case(("mute, until: reconnect",), BACK, "no answer while live", gaps=1),
)
# A request fails: a deadline for what is not answered, a pause for what is refused, and the others go on.
_REQUESTS = (
    # Schwab itself ends a connection that subscribes to nothing, before our deadline of 45 s.
    Case(("unanswered, command: LOGIN", "drop"), (*FAILED, *BACK), "the stream broke", gaps=1),
    Case(("unanswered, command: SUBS", "drop"), (*FAILED, "subscribing", *BACK), "code 30", gaps=1),
    Case(("unanswered, command: SUBS, carried_out: true", "drop"), (*FAILED, "subscribing", *BACK),
         "no answer while subscribing", (DOWN, UP), 2),
    Case(("late_answer, command: SUBS, by: 40s", "drop"), (*FAILED, "subscribing", *BACK),
         "no answer while subscribing", (DOWN, UP), 2),
    Case(("late_answer, command: SUBS, by: 10s", "drop"), BACK, gaps=1),
    Case(("refuse, command: LOGIN, code: 3", "drop"), BACK, gaps=1),
    # The streamer is not believed for ever: it is asked again with the fresh token, though nobody logs in.
    Case(("refuse, command: LOGIN, code: 3, times: 2", "drop"), ("backoff", "connecting", "logging_in", "auth_needed",
         *LOGIN_AGAIN), "denied the login", (NEEDED, UP), 1),
    *(Case((f"refuse, command: LOGIN, code: {code}", "drop"), (*FAILED, *BACK), f"code {code}", gaps=1)
      for code in (9, 11, 19, 20, 21, 30)),
    Case(("refuse, command: LOGIN, code: 12", "drop"), (*FAILED, "replaced", *LOGIN_AGAIN), "another program",
         (TAKEN, UP), 1, 400),
    Case(("refuse, command: SUBS, code: 12", "drop"),
         (*FAILED, "subscribing", "replaced", *LOGIN_AGAIN), "another program", (TAKEN, UP), 1, 400),
    Case(("refuse, command: SUBS, code: 30", "drop"), (*FAILED, "subscribing", *BACK), "the stream broke", gaps=1),
    *(Case((f"refuse, command: SUBS, service: LEVELONE_FUTURES, code: {code}", "drop"),
           (*BACK[:-1], "degraded", "live"), f"not watched: /ES (Schwab answered code {code}", gaps=1, lasts_s=160)
      for code in (9, 11, 19, 20, 21, 22, 23, 24, 25)),
)  # fmt: skip
# Frames that mean nothing to us end nothing.
_FRAMES = (
    Case(("big_image",)),
    *(Case((f"malformed, form: {form}",)) for form in ("unknown_symbol", "cut_off", "html", "empty")),
    Case(("unknown_service",)),
    Case(("feature_not_supported",)),
)
# What the data say is wrong for a while.
_DATA = (
    Case(("duplicates, for: 30s",)),
    Case(("swapped_frames, for: 30s",)),
    Case(("times_back, for: 30s",)),
    Case(("skew, by: 90s, for: 30s",)),
    Case(("skew, by: -90s, for: 30s",)),
    *(Case((f"zero_prices, fields: {fields}, for: 30s",)) for fields in ("all", "last", "quote")),
    Case(("reset_prices, for: 30s",)),
    Case(("reset_volume, for: 30s",)),
    Case(("internals, how: floored, for: 30s",)),
    Case(("internals, how: empty, for: 30s",)),
    Case(("internals, how: x1000, for: 30s",)),
    Case(("burst, for: 20s",)),
    Case(("delayed, for: 30s",)),
    # A symbol that REST knows more of is mute: its values are unknown, and it is subscribed anew.
    Case(("silent, symbols: /ES, for: 5m",), ("degraded", "live"), "/ES", ("No data of /ES",), None, 380),
    Case(("bad_print, symbols: [/ES, SPY], away: 15%",)),
    Case(("bad_print, symbols: [/ES, SPY], away: -15%",)),
)
_MARKET = (Case(("roll, symbol: /ES, by: 1%",), says=("/ES is now /ESH27",)),)
# HTTP fails while the stream is down: back off and try again; only Schwab's word that the token is dead ends that.
_REST = (
    Case(("rest_down, path: preference, times: 2", "drop"), (*FAILED, *FAILED, *BACK), gaps=1),
    Case(("rest_slow, path: preference, by: 60s", "drop"), (*FAILED, *BACK), "no answer while logging_in",
         (DOWN, UP), 1),
    *(Case((f"rest_status, path: preference, status: {status}, times: 2", "drop"), (*FAILED, *FAILED, *BACK),
           str(status), gaps=1) for status in (429, 500, 503)),
    Case(("rest_status, path: preference, status: 403, html: true", "drop"), (*FAILED, *BACK), "403", gaps=1),
    Case(("user_preference, answer: unauthorized", "drop"), BACK, gaps=1),
    *(Case((f"user_preference, answer: {answer}, times: 2", "drop"), (*FAILED, *FAILED, *BACK), gaps=1)
      for answer in ("error", "empty", "missing")),
)  # fmt: skip
_TOKEN = (
    Case(("access_token_expires", "drop"), BACK, gaps=1),
    *(Case((f"token_refused, how: {how}", *more, "drop"), (*FAILED, *BACK), "token was not refreshed", gaps=1)
      for how in ("blocked", "unavailable")
      for more in (("access_token_expires",), ("refuse, command: LOGIN, code: 3",))),
)  # fmt: skip

OTHERS = {
    "recorded_frames": "test_token_faults_and_frames",
    "quotes_disagree": "test_token_faults_and_frames",
    "refresh_token_dies": "test_token_faults_and_frames",
    **dict.fromkeys(
        ("chart_lost", "rate_limit", "history", "history_late", "history_holes", "history_differs"),
        "../sim/test_history_faults",
    ),
}
"""Faults that have a scenario of their own, and where."""

CASES = (*_CONNECTION, *_REQUESTS, *_FRAMES, *_DATA, *_MARKET, *_REST, *_TOKEN)

PAIRS = (
    # Two at once: what one of them hides must not cost what the other one needs.
    # The line is mute, and there is no way back at once.
    Case(("mute, until: reconnect", "user_preference, answer: empty, times: 2"), (*FAILED, *FAILED, *BACK),
         "names no streamer", gaps=1),
    # While another program has the stream, what the next try needs breaks, too.
    Case(("second_login", "user_preference, answer: error, times: 2"),
         ("replaced", "connecting", "logging_in", *FAILED, *BACK), "HTTP 500", (TAKEN, UP), 1, 400),
    Case(("access_token_expires", "token_refused, how: blocked", "second_login"),
         ("replaced", "connecting", "logging_in", *BACK), "token was not refreshed", (TAKEN, UP), 1, 400),
    Case(("access_token_expires", "token_refused, how: unavailable", "handshake, times: 2", "drop"),
         (*FAILED, *FAILED, *FAILED, *BACK), "503", gaps=1),
    # What the data say wrongly, they also say in the image after a break.
    Case(("zero_prices, for: 30s", "drop"), BACK, gaps=1),
    Case(("bad_print, symbols: [/ES, SPY], away: 15%", "drop"), BACK, gaps=1),
    Case(("delayed, for: 30s", "reset"), BACK, gaps=1),
    Case(("skew, by: -90s, for: 60s", "drop"), BACK, gaps=1),
    Case(("roll, symbol: /ES, by: 1%", "drop"), BACK, says=("/ES is now /ESH27",), gaps=1),
    Case(("drop", "roll, symbol: /ES, by: 1%"), BACK, says=("/ES is now /ESH27",), gaps=1),
    # All of a service is refused: of one the other goes on, of both the connection is of no use.
    Case(("refuse, command: SUBS, code: 11, times: 2", "drop"), (*FAILED, "subscribing", *BACK), "refused every symbol",
         gaps=1),
    # Charts are an extra: a connection that breaks over them is followed by one without.
    Case(("unanswered, service: CHART_EQUITY", "drop"), (*BACK, *BACK), "no answer while live", gaps=2),
    Case(("outage, for: 2m", "rest_slow, path: preference, by: 60s"), BACK, "503", (DOWN, UP), 1, 300, again=True),
)  # fmt: skip
