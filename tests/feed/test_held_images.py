"""The LAST of a first image is held when its own bid and ask say otherwise, and only then."""

from __future__ import annotations

from typing import Any

import pytest

from tests.feed.taken_in import SECOND, T0, feed, print_at, told
from tradeassistd.base.clock import MarketClock
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Event, Facts, Start
from tradeassistd.engine.transition import Transition
from tradeassistd.feed.intake import Intake
from tradeassistd.feed.quality import HELD_MAX_US
from tradeassistd.feed.states import ConnectionChange
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.market.quote import Change
from tradeassistd.market.tick import Tick
from tradeassistd.rules.load import load_texts

RULES = (
    "version: 1\ndefaults: {session: always, at_load: fire}\nrules:\n"
    "  - {id: over, symbols: [/ES], when: price crosses_above 5100}\n"
    "  - {id: stands, symbols: [/ES], when: price > 5100}\n"
)


def image(last: float = 5150.0, symbol: str = "/ES", **more: Any) -> Change:
    """A whole row; bid and ask are about 5000."""
    quote = {"bid": 4999.75, "ask": 5000.25} if symbol[0] != "$" else {}
    return Change(symbol, last=last, **(quote | {"volume": 1000, "trade_ms": T0 - 100, "delayed": False} | more))


def taken() -> Intake:
    return Intake(MarketClock(), Start(0, "hash"), last_us=0, last_known_us=0)


def prices(events: list[Event]) -> list[float | None]:
    """LAST of every tick."""
    return [one.last and one.last / PRICE_SCALE for one in events if isinstance(one, Tick)]


@pytest.mark.parametrize("wild", [5150.0, 4850.0])
def test_a_last_that_its_own_quote_refutes_waits_and_is_left_out(wild: float) -> None:
    taker = taken()
    first = feed(taker, 0, image(wild, high=max(wild, 5010.0), low=min(wild, 4990.0), open=5001.0, contract="/ESZ23"))
    (facts,) = (one for one in first if isinstance(one, Facts))
    (tick,) = (one for one in first if isinstance(one, Tick))
    assert (tick.is_image, tick.last, tick.bid, tick.volume) == (True, None, 499_975_000_000, 1000)
    assert (facts.open, facts.contract) == (5001 * PRICE_SCALE, "/ESZ23")
    assert (facts.high, facts.low) == ((None, 4990 * PRICE_SCALE) if wild > 5000 else (5010 * PRICE_SCALE, None))
    assert told(feed(taker, 200, print_at(5000.25, 1007))) == [(5000.25, 7)]
    quality = taker.documents(["/ES"])["/ES"]
    assert (quality["quarantined"], quality["bad_prints"]) == (1, 1)


@pytest.mark.parametrize(
    "second",
    [print_at(5149.5, 1002), Change("/ES", volume=1001), Change("/ES", bid=5149.0, ask=5150.0)],
)
def test_a_second_tick_or_the_quote_confirms_it(second: Change) -> None:
    taker = taken()
    assert prices(feed(taker, 0, image())) == [None]
    assert prices(feed(taker, 200, second))[0] == 5150.0
    assert taker.documents(["/ES"])["/ES"]["bad_prints"] == 0


def test_what_nothing_confirms_or_refutes_is_believed_after_five_seconds() -> None:
    taker = taken()
    feed(taker, 0, image(high=5150.0, low=4990.0))
    assert prices(feed(taker, HELD_MAX_US // 1000 - 1)) == []
    events = feed(taker, HELD_MAX_US // 1000)
    assert prices(events) == [5150.0]
    assert [one.high for one in events if isinstance(one, Facts)] == [5150 * PRICE_SCALE]
    assert not told(events), "it was traded before anybody watched"


@pytest.mark.parametrize(
    "change",
    [
        image(5099.0),
        image(bid=None),
        image(ask=None),
        image(bid=0),
        image(bid=5000.25, ask=4999.75),
        image(bid=4800.0, ask=5000.0),
        image(trade_ms=T0 - 86_400_000),
        image(5150.0, "$SPX"),
        image(-900.0, "$TICK"),
        image(112.0, "IBM", bid=104.0, ask=105.0),
        image(100.0, "IBM", bid=112.0, ask=113.0, trade_ms=T0 - 3 * 86_400_000),
    ],
    ids=["near", "no bid", "no ask", "bid 0", "crossed", "wide", "the day before", "index", "internal", "stock",
         "stock that opens far away"],
)  # fmt: skip
def test_what_its_quote_does_not_refute_is_told_at_once(change: Change) -> None:
    taker = taken()
    assert prices(feed(taker, 0, change)) == [change.last]
    assert taker.documents([change.symbol])[change.symbol]["quarantined"] == 0


def test_a_closed_market_quotes_as_it_likes() -> None:
    taker = taken()
    saturday = 4 * 24 * 3600 * SECOND
    assert prices(feed(taker, saturday, image(trade_ms=T0 + saturday))) == [5150.0]


def test_the_first_row_of_another_contract_is_held_like_an_image() -> None:
    taker = taken()
    feed(taker, 0, image(5000.0, contract="/ESZ23"))
    rolled = feed(taker, 200, image(5250.0, bid=5060.0, ask=5060.25, volume=70, contract="/ESH24", trade_ms=T0 + 100))
    assert prices(rolled) == [None]
    assert prices(feed(taker, 300, Change("/ES", last=5060.25, volume=71)))[-1:] == [5060.25]


def test_no_rule_fires_on_it_and_a_crossing_meanwhile_is_told_as_missed() -> None:
    def run(*rows: tuple[int, Change | None]) -> list[tuple[str, str]]:
        engine, taker = Engine(load_texts({"rules.yaml": RULES}).rule_set), taken()
        transitions: list[Transition] = []

        def see(events: list[Event]) -> None:
            for event in events:
                transitions.extend(engine.on_event(event))

        see(feed(taker, 0, image(5000.0)))
        see(feed(taker, 500, print_at(5000.25, 1001)))
        see(list(taker.connection(ConnectionChange("backoff", "reset"))))
        for after_ms, row in rows:
            see(feed(taker, after_ms, *([row] if row else [])))
        return [(one.rule_id, one.kind.value) for one in transitions]

    believed_ms = 2000 + HELD_MAX_US // 1000
    bad = (2000, image(trade_ms=T0 + 1500, volume=1010))
    assert run(bad, (2500, print_at(5000.5, 1011)), (believed_ms, None)) == []
    real = (2000, image(trade_ms=T0 + 1500, volume=1010, bid=5149.75, ask=5150.0))
    assert run(bad, (believed_ms, None)) == run(real) == run(bad, (2500, print_at(5150.0, 1011)))
    assert {kind for _, kind in run(real)} == {"fired", "missed"}
