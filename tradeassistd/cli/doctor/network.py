"""Checks that Schwab is reached from here, and this machine's clock against the time in its answer."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

from tradeassistd.base.clock import Clock
from tradeassistd.base.instant import US_PER_S
from tradeassistd.cli.doctor.finding import Finding, ok, problem, warning

ANSWER_WITHIN_S = 8.0
SLOW_S = 2.0
OFFSET_WARNING_S, OFFSET_PROBLEM_S = 2.0, 30.0
"""Bars close by this clock, so seconds matter; tokens and certificates fail when it is far out."""
DATE_RESOLUTION_S = 1.0
"""HTTP dates have whole seconds."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """An answer is an answer: a redirect is not followed to somewhere else."""

    def redirect_request(self, *_: object) -> None:
        return None


def reach(base_url: str, clock: Clock) -> Iterator[Finding]:
    """One request without credentials, through the proxies of the environment: any answer means reached."""
    try:
        request = urllib.request.Request(base_url, method="GET", headers={"User-Agent": "tradeassist-doctor"})
    except ValueError:
        yield problem("schwab", f"schwab.base_url is no address: {base_url}", "Write https://api.schwabapi.com")
        return
    began_s, began_us = clock.elapsed_s(), clock.now_us()
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=ANSWER_WITHIN_S) as response:
            status, date = response.status, response.headers.get("Date")
    except urllib.error.HTTPError as answer:
        status, date = answer.code, answer.headers.get("Date")
        answer.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        yield problem("schwab", f"{base_url} is not reached: {_why(error)}", _hint(error, base_url))
        return
    took_s = clock.elapsed_s() - began_s
    said = f"{base_url} answers, in {took_s * 1_000:.0f} ms"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        yield problem("schwab", f"{base_url} answers {status}: Schwab is out of order", "Wait: the daemon tries again")
    elif took_s > SLOW_S:
        yield warning("schwab", said, "Look at the network: alerts can be no quicker than it")
    else:
        yield ok("schwab", said)
    yield from _offset(date, began_us, took_s)


def _offset(date: str | None, began_us: int, took_s: float) -> Iterator[Finding]:
    """The answer's time was taken somewhere between the question and the answer, and cut to whole seconds."""
    try:
        theirs_s = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        yield warning("clock", "not compared: the answer carries no time", "See that `timedatectl` says synchronized")
        return
    ahead_s = began_us / US_PER_S - theirs_s - DATE_RESOLUTION_S  # at least so far ahead
    behind_s = theirs_s - began_us / US_PER_S - took_s
    off_s, where = max((ahead_s, "ahead"), (behind_s, "behind"))
    hint = "Set it: `timedatectl set-ntp true`, or run chrony"
    if off_s >= OFFSET_PROBLEM_S:
        yield problem("clock", f"{off_s:.0f} s {where} of the server's: bars and tokens go wrong", hint)
    elif off_s >= OFFSET_WARNING_S:
        yield warning("clock", f"{off_s:.0f} s {where} of the server's: bars close at the wrong time", hint)
    else:
        yield ok("clock", "agrees with the server's to the second")


def _why(error: Exception) -> str:
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return f"no answer within {ANSWER_WITHIN_S:.0f} s"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {cause.verify_message}"
    return str(getattr(cause, "strerror", None) or cause or type(error).__name__)


def _hint(error: Exception, base_url: str) -> str:
    if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
        return "Set the clock, install ca-certificates, or look for a proxy that opens TLS"
    if urlsplit(base_url).hostname in ("127.0.0.1", "localhost", "::1"):
        return "Start what listens there: `tradeassist simulate`"
    return "Look at DNS, firewall and HTTPS_PROXY"
