"""What is lost, delayed, stale or of another contract is known for each symbol, and so are its zeros."""

from __future__ import annotations

import pytest

from tests.feed.taken_in import SECOND, T0, begun, feed, print_at, told
from tradeassistd.base.clock import MarketClock
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.events import Facts, Gap, Start
from tradeassistd.feed.intake import Intake
from tradeassistd.feed.states import ConnectionChange
from tradeassistd.market.price import PRICE_SCALE
from tradeassistd.market.quote import Change
from tradeassistd.market.tick import Field, Tick


def test_a_symbol_that_is_lost_is_a_gap_at_once_and_until_it_is_back() -> None:
    taker = begun()
    feed(taker, 100, Change("SPY", last=500))
    feed(taker, 60 * SECOND)
    taker.lose(("/ES",), "mute")
    gaps = [one for one in feed(taker, 61 * SECOND) if isinstance(one, Gap)]
    assert [(one.from_us, one.to_us, one.symbols, one.reason) for one in gaps] == [
        (T0 * 1000, (T0 + 61 * SECOND) * 1000, ("/ES",), "mute")
    ]
    assert not [one for one in feed(taker, 62 * SECOND, Change("SPY", last=501)) if isinstance(one, Gap)]
    events = feed(taker, 70 * SECOND, print_at(5200.0, 9000))
    gap, tick = (one for one in events if isinstance(one, Gap | Tick))
    assert isinstance(gap, Gap) and isinstance(tick, Tick)
    assert (gap.from_us, gap.to_us) == ((T0 + 61 * SECOND) * 1000, (T0 + 70 * SECOND) * 1000)
    assert tick.is_image and not tick.is_trade, "what it reports was traded while nobody watched"
    assert told(feed(taker, 71 * SECOND, print_at(5200.25, 9001))) == [(5200.25, 1)]


def test_the_gap_of_a_feed_that_was_mute_begins_at_its_last_row() -> None:
    taker = begun()
    list(taker.connection(ConnectionChange("live")))
    for after_s in (10, 20, 30):
        feed(taker, after_s * SECOND)  # heartbeats
    taker.doubt(T0 * 1000)
    feed(taker, 31 * SECOND)
    list(taker.connection(ConnectionChange("backoff", "mute")))
    gaps = [one for one in feed(taker, 40 * SECOND, print_at(5000, 2000)) if isinstance(one, Gap)]
    assert [(one.from_us, one.to_us) for one in gaps] == [(T0 * 1000, (T0 + 40 * SECOND) * 1000)]
    feed(taker, 50 * SECOND)
    list(taker.connection(ConnectionChange("backoff", "reset")))
    gaps = [one for one in feed(taker, 60 * SECOND, print_at(5000, 2000)) if isinstance(one, Gap)]
    assert [one.from_us for one in gaps] == [(T0 + 50 * SECOND) * 1000], "and heartbeats count again afterwards"


@pytest.mark.parametrize(
    ("stored", "first", "expected"),
    [
        ("/ESZ23", "/ESH24", ["/ESZ23", "/ESH24"]),
        ("/ESH24", "/ESH24", ["/ESH24"]),
        ("", "/ESH24", ["/ESH24"]),
    ],
)
def test_a_roll_while_the_daemon_was_down_is_told_with_the_first_image(
    stored: str, first: str, expected: list[str]
) -> None:
    contracts = {"/ES": stored} if stored else {}
    taker = Intake(MarketClock(), Start(0, "hash"), last_us=0, last_known_us=0, contracts=contracts)
    events = feed(taker, 0, Change("/ES", last=5000, contract=first))
    assert [one.contract for one in events if isinstance(one, Facts)] == expected
    assert isinstance(events[-1], Tick)
    assert not [one for one in feed(taker, 5, Change("/ES", contract=first)) if isinstance(one, Facts)]


def test_delayed_data_is_known_and_marked_or_unknown_as_the_settings_say() -> None:
    for unknown in (False, True):
        taker = begun(delayed_is_unknown=unknown)
        events = feed(taker, 10, print_at(5001.0, 1005, delayed=True))
        (tick,) = (one for one in events if isinstance(one, Tick))
        assert tick.changed & Field.DELAYED and taker.delayed == {"/ES"}
        assert taker.documents(["/ES"])["/ES"]["delayed"]
        assert (tick.last is None, tick.bid is None, tick.is_trade) == (unknown, unknown, not unknown)
        facts = [one for one in events if isinstance(one, Facts)]
        assert [one.high for one in facts] == ([None] if unknown else [])
        (tick,) = (one for one in feed(taker, 20, print_at(5002.0, 1006)) if isinstance(one, Tick))
        assert (tick.last is None) is unknown
        events = feed(taker, 30, Change("/ES", delayed=False))
        (tick,) = (one for one in events if isinstance(one, Tick))
        assert tick.last == 5002 * PRICE_SCALE and not tick.changed & Field.DELAYED
        assert bool(tick.changed & Field.LAST) is unknown, "rules on the price are judged anew"
        assert [one.high for one in events if isinstance(one, Facts)] == ([5000 * PRICE_SCALE] if unknown else [])
        assert not taker.delayed


def test_zeros_from_the_resets_are_unknown_and_the_volume_begins_anew() -> None:
    taker = begun("SPY", 500.0)
    events = feed(taker, 100, Change("SPY", open=0, high=0, low=0), Change("SPY", volume=0))
    (facts,) = (one for one in events if isinstance(one, Facts))
    assert (facts.open, facts.high, facts.low) == (None, None, None)
    assert told(events) == []
    assert set(taker.documents(["SPY"])["SPY"]["unknown"]) == {"open", "high", "low", "prev_close"}
    assert told(feed(taker, 200, print_at(500.1, 30, "SPY"))) == [(500.1, 30)]


def test_the_quality_of_a_symbol_says_how_old_its_last_row_is() -> None:
    taker = begun()
    feed(taker, 2500)
    quality = taker.documents(["/ES"])["/ES"]
    assert (quality["last_row_age_s"], quality["rows"], quality["mute_since"]) == (2.5, 1, None)
    taker.quality.symbol("/ES").mute_since_us = T0 * 1000
    assert taker.documents(["/ES"])["/ES"]["mute_since"].startswith("2023-11-14T15:00:00")
    assert taker.quality.symbol("/ES").usual_us < 60 * US_PER_S


def test_a_symbol_that_was_not_subscribed_for_a_while_begins_with_an_image_and_no_trade() -> None:
    taker = begun("QQQ", 400.0)
    taker.forget("QQQ")
    (tick,) = (one for one in feed(taker, 3_600 * SECOND, print_at(480.0, 900_000, "QQQ")) if isinstance(one, Tick))
    assert tick.is_image and not tick.is_trade and tick.last == 480 * PRICE_SCALE
    taker.forget("NEVER SEEN")
