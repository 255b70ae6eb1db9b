"""Calls of Schwab's REST interface: paced, left alone when it breaks, and every answer understood or refused."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.feed.streams import SteppedClock, settle
from tradeassistd.base.errors import PermanentError, TransientError
from tradeassistd.feed.mute import Traded
from tradeassistd.feed.rest import (
    BURST_CALLS,
    CALL_WITHIN_S,
    CALLS_PER_S,
    CLIENT_AGE_MAX_S,
    FAILURES_MAX,
    REST_FIRST_S,
    REST_MAX_S,
    RETRY_AFTER_MAX_S,
    Rest,
)

NOON_US = 1_699_981_200_000_000  # 2023-11-14 17:00:00 UTC
FINE = httpx.Response(200, json={"SPY": {"quote": {"tradeTime": 5}}})


class OAuthRefused(Exception):
    """Carries what authlib's errors carry."""

    error = "invalid_client"


class Client:
    """Stands in for schwab-py's: answers as told, the last answer again and again."""

    def __init__(self, *answers: httpx.Response | Exception | str) -> None:
        self.answers = list(answers) or [FINE]
        self.asked: list[list[str]] = []
        self.closed = 0
        self.close_error: Exception | None = None

    async def get_quotes(self, symbols: list[str]) -> httpx.Response:
        self.asked.append(symbols)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            await asyncio.Event().wait()
        assert isinstance(answer, httpx.Response)
        return answer

    async def close_async_session(self) -> None:
        self.closed += 1
        if self.close_error:
            raise self.close_error


class Line:
    """REST over clients made to order."""

    def __init__(self, *answers: httpx.Response | Exception | str) -> None:
        self.clock = SteppedClock()
        self.clock.advance(NOON_US)
        self.client = Client(*answers)
        self.opened = 0
        self.rest = Rest(self._open, self.clock)

    def _open(self) -> Any:
        self.opened += 1
        return self.client

    async def fails(self, match: str = ".") -> TransientError:
        with pytest.raises(TransientError, match=match) as caught:
            await self.rest.traded(["SPY"])
        return caught.value


async def test_quotes_are_read_by_the_symbol_that_was_asked_for() -> None:
    body = {
        "SPY": {"quote": {"tradeTime": 1700000000123, "lastPrice": 5}, "reference": {}},
        "/ESZ23": {"quote": {"tradeTime": 7}, "reference": {"product": "/ES"}},
        "$TICK": {"quote": {}},
        "QQQ": {"quote": {"tradeTime": "soon"}},
        "IWM": {"reference": {}},
        "OTHER": {"quote": {"tradeTime": 9}},
        "errors": {"invalidSymbols": ["NOPE", "NEVER ASKED"]},
    }
    line = Line(httpx.Response(200, json=body))
    symbols = ["SPY", "/ES", "$TICK", "QQQ", "IWM", "NOPE"]
    assert await line.rest.traded(symbols) == {
        "SPY": Traded(1700000000123), "/ES": Traded(7), "$TICK": Traded(0), "QQQ": Traded(0),
        "NOPE": Traded(0, known=False),
    }  # fmt: skip
    assert line.client.asked == [symbols]


@pytest.mark.parametrize("body", [[], "text", 5, {"errors": []}, {"SPY": []}, {"SPY": {"quote": None}}])
async def test_an_answer_of_another_shape_is_refused_or_empty(body: object) -> None:
    line = Line(httpx.Response(200, json=body))
    if isinstance(body, dict):
        assert await line.rest.traded(["SPY"]) == {}
    else:
        await line.fails("no object")


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (httpx.Response(500), "HTTP 500"),
        (httpx.Response(429), "HTTP 429"),
        (httpx.Response(403, text="<TITLE>Access Denied</TITLE>"), "HTTP 403"),
        (httpx.Response(200, text="{"), "no JSON"),
        (httpx.ConnectError("no route"), "ConnectError"),
        (RuntimeError("whatever another library raises"), "RuntimeError"),
        (OAuthRefused(), "refused the token"),
    ],
)
async def test_what_may_pass_is_transient_and_counted(answer: httpx.Response | Exception, match: str) -> None:
    line = Line(answer, FINE)
    await line.fails(match)
    assert (line.rest.calls, line.rest.failures) == (1, 1)
    assert await line.rest.traded(["SPY"]) == {"SPY": Traded(5)}


@pytest.mark.parametrize("status", [400, 404])
async def test_a_question_that_is_wrong_is_permanent_and_no_failure_of_theirs(status: int) -> None:
    line = Line(httpx.Response(status))
    for _ in range(FAILURES_MAX + 1):
        with pytest.raises(PermanentError, match=str(status)):
            await line.rest.traded(["SPY"])
        line.clock.pass_time(1)
    assert line.rest.failures == 0


async def test_an_answer_that_does_not_come_is_given_up() -> None:
    line = Line("never", FINE)
    asking = asyncio.create_task(line.fails("no answer"))
    await settle()
    await line.clock.step(CALL_WITHIN_S - 0.1)
    assert not asking.done()
    await line.clock.step(0.1)
    await asking


async def test_two_calls_a_second_and_a_few_at_once() -> None:
    line = Line()
    asking = [asyncio.create_task(line.rest.traded(["SPY"])) for _ in range(BURST_CALLS + 4)]
    await settle()
    for more in range(5):
        assert len(line.client.asked) == BURST_CALLS + more
        await line.clock.step(1 / CALLS_PER_S)
    await asyncio.gather(*asking)
    line.clock.pass_time(3600)
    asking = [asyncio.create_task(line.rest.traded(["SPY"])) for _ in range(BURST_CALLS + 4)]
    await settle()
    assert len(line.client.asked) == 2 * BURST_CALLS + 4, "an hour of rest saves up no more than the burst"
    for one in asking:
        one.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), ("Tue, 14 Nov 2023 17:01:30 GMT", 90), ("999999999", RETRY_AFTER_MAX_S), ("soon", 0), ("-5", 0), ("", 0),
     ("Tue, 14 Nov 2023 16:00:00 GMT", 0)],
)  # fmt: skip
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_honoured(status: int, text: str, seconds: float) -> None:
    line = Line(httpx.Response(status, headers={"Retry-After": text}), FINE)
    error = await line.fails()
    assert (error.retry_after_s or 0) == pytest.approx(seconds)
    if seconds:
        line.clock.pass_time(seconds - 1)
        assert (await line.fails("left alone")).retry_after_s == pytest.approx(1)
        assert len(line.client.asked) == 1
        line.clock.pass_time(1)
    assert await line.rest.traded(["SPY"])


async def test_what_fails_again_and_again_is_left_alone_ever_longer_until_it_answers() -> None:
    line = Line(httpx.Response(500))
    for _ in range(FAILURES_MAX):
        await line.fails("HTTP 500")
    rest_s = REST_FIRST_S
    for _ in range(7):
        line.clock.pass_time(rest_s - 0.5)
        await line.fails("left alone")
        line.clock.pass_time(0.5)
        await line.fails("HTTP 500")
        rest_s = min(2 * rest_s, REST_MAX_S)
    assert rest_s == REST_MAX_S and len(line.client.asked) == FAILURES_MAX + 7
    line.client.answers = [FINE]
    line.clock.pass_time(rest_s)
    assert await line.rest.traded(["SPY"])
    line.client.answers = [httpx.Response(500)]
    await line.fails("HTTP 500")
    await line.fails("HTTP 500")  # one failure is no reason any more


@pytest.mark.parametrize("answer", [httpx.Response(401), OAuthRefused(), httpx.ReadError("reset")])
async def test_a_client_whose_token_or_line_is_bad_is_opened_anew(answer: httpx.Response | Exception) -> None:
    line = Line(answer, FINE)
    await line.fails()
    await line.rest.traded(["SPY"])
    assert (line.opened, line.client.closed) == (2, 1)


async def test_a_client_is_kept_for_some_minutes_and_closed_at_the_end() -> None:
    line = Line()
    await line.rest.traded(["SPY"])
    line.clock.pass_time(CLIENT_AGE_MAX_S)
    await line.rest.traded(["SPY"])
    assert line.opened == 1
    line.clock.pass_time(0.1)
    await line.rest.traded(["SPY"])
    assert (line.opened, line.client.closed) == (2, 1)
    line.client.close_error = OSError("gone")
    await line.rest.close()
    await line.rest.close()
    assert line.client.closed == 2


async def test_no_login_is_the_error_of_the_login() -> None:
    def refuse() -> Any:
        raise PermanentError("the token is dead", hint="log in")

    with pytest.raises(PermanentError, match="the token is dead"):
        await Rest(refuse, SteppedClock()).traded(["SPY"])
