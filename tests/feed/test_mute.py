"""Data that stops coming is noticed in time, and a quiet market is never taken for that."""

from __future__ import annotations

import asyncio

import pytest

from tests.feed.watched import NIGHT_US, SATURDAY_US, TUESDAY_US, Feed, begun
from tradeassistd.base.instant import US_PER_S
from tradeassistd.feed.mute import ASK_AGAIN_US, FEED_PATIENCE_US, IMAGE_WITHIN_US, PATIENCE_LEAST_US, MuteWatch
from tradeassistd.feed.pace import PACE_AGE_MAX_US
from tradeassistd.market.instrument import instrument_of
from tradeassistd.market.session import trading_window_at

# --- one symbol -------------------------------------------------------------------------------------------------------


async def test_a_symbol_that_trades_and_does_not_come_is_mute_and_said_once() -> None:
    feed = await begun("/ES")
    since_us = feed.quality.symbol("/ES").seen_us
    await feed.seconds(59, "/ES", every=2, arrives=False)
    assert feed.quiet
    await feed.seconds(10, "/ES", every=2, arrives=False)
    assert feed.said == ["No data of /ES"] and feed.again == ["/ES"]
    assert [symbol for _, symbol in feed.lost] == ["/ES"]
    assert feed.complaints["mute"] == "no data of /ES"
    assert feed.quality.symbol("/ES").mute_since_us == since_us
    assert feed.asked == [("/ES",)]


async def test_the_image_after_it_is_not_the_end_of_it_but_the_next_row_is() -> None:
    feed = await begun("/ES")
    await feed.seconds(70, "/ES", every=2, arrives=False)
    feed.row("/ES", feed.clock.now_us())  # the image that the new subscription brings
    await feed.seconds(5)
    assert feed.quality.symbol("/ES").mute_since_us
    await feed.seconds(70, "/ES", every=2, arrives=False)
    assert len(feed.lost) == 2 and len(feed.said) == 1 and feed.again == ["/ES"]
    feed.row("/ES")
    await feed.seconds(2, "/ES")
    await feed.seconds(2)
    assert not feed.quality.symbol("/ES").mute_since_us
    assert feed.complaints["mute"] == ""


async def test_a_quiet_symbol_costs_ever_fewer_questions() -> None:
    feed = await begun("/ES", "/GC")
    await feed.seconds(7_200, "/ES", every=2)
    assert feed.quiet
    assert {one for asked in feed.asked for one in asked} == {"/GC"}
    assert len(feed.asked) <= 7


async def test_a_habit_of_silence_is_learned() -> None:
    feed = await begun("/ES", "/GC")
    for _ in range(20):
        await feed.seconds(100, "/ES", every=2)
        feed.trade("/GC")
    asked = len(feed.asked)
    for _ in range(20):
        await feed.seconds(150, "/ES", every=2)
        feed.trade("/GC")
    assert len(feed.asked) == asked and feed.quiet


async def test_a_trade_that_is_on_its_way_while_rest_is_asked_is_no_alarm() -> None:
    feed = await begun("/ES", "/GC")
    while not feed.asked:  # traded in the very second in which the question is asked, and brought three seconds later
        feed.traded_us["/GC"] = [feed.clock.now_us() + US_PER_S]
        await feed.seconds(1)
        feed.trade("/ES")
    await feed.seconds(2, "/ES")
    feed.row("/GC", feed.traded_us["/GC"][0])
    await feed.seconds(20, "/ES")
    assert feed.quiet


@pytest.mark.parametrize("case", ["rest fails", "refused", "delayed", "closed", "off line"])
async def test_nothing_is_said_of_what_cannot_be_known(case: str) -> None:
    feed = await begun("/ES", "SPY")
    match case:
        case "rest fails":
            feed.fails = True
        case "refused":
            feed.refused["SPY"] = "code 19"
        case "delayed":
            feed.quality.symbol("SPY").delayed = True
        case "closed":
            feed.clock.advance(NIGHT_US)
        case "off line":
            feed.is_on_line = False
    for _ in range(200):
        await feed.second()
        feed.row("/ES")
        feed.trade("SPY", arrives=False)
    assert feed.quiet
    assert any("SPY" in symbols for symbols in feed.asked) is (case == "rest fails")


async def test_a_rest_that_cannot_be_asked_is_no_quiet_market() -> None:
    """Nothing was found out about the silence, so the patience with it does not double."""
    feed = await begun("/ES", "SPY")
    feed.fails = True
    for _ in range(1_000):
        await feed.second()
        feed.row("/ES")
        feed.trade("SPY", arrives=False)
    assert feed.quiet and len(feed.asked) <= 1_000 * US_PER_S // ASK_AGAIN_US
    feed.fails = False
    for _ in range(ASK_AGAIN_US // US_PER_S + 15):
        await feed.second()
        feed.row("/ES")
        feed.trade("SPY", arrives=False)
    assert feed.said == ["No data of SPY"]


async def test_the_silence_of_the_night_is_none_of_the_morning() -> None:
    """Stocks open at 04:00; what was silent since the evening has its patience from then on."""
    feed = await begun("/ES", "SPY")
    evening_us = trading_window_at(instrument_of("SPY"), TUESDAY_US).close_us  # type: ignore[union-attr]
    feed.clock.advance(evening_us + 8 * 3600 * US_PER_S - 10 * US_PER_S)
    feed.row("/ES")
    await feed.seconds(10 + PATIENCE_LEAST_US // US_PER_S - 2, "/ES", every=2)
    assert not feed.asked
    await feed.seconds(4, "/ES", every=2)
    assert feed.asked == [("SPY",)] and feed.quiet


# --- what never comes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unknown", [False, True])
async def test_a_symbol_without_an_image_is_named_once(unknown: bool) -> None:
    feed = Feed(TUESDAY_US, "/ES", "NOPE")
    feed.unknown = ("NOPE",) if unknown else ()
    await feed.second()
    feed.trade("/ES")
    await feed.seconds(IMAGE_WITHIN_US // US_PER_S - 1, "/ES")
    assert feed.quiet
    await feed.seconds(300, "/ES")
    assert feed.said == ["NOPE does not come"]
    assert feed.quality.symbol("NOPE").invalid and feed.complaints["invalid"] == "NOPE never came"
    feed.watch.entered("subscribing", "")
    await feed.seconds(300, "/ES")
    assert feed.said == ["NOPE does not come"], "once, not with each connection"
    feed.row("NOPE")
    await feed.seconds(2, "/ES")
    assert not feed.quality.symbol("NOPE").invalid and feed.complaints["invalid"] == ""


async def test_a_symbol_that_was_asked_for_and_not_answered_yet_need_not_come() -> None:
    feed = await begun("/ES")
    feed.streamed, feed.traded_us["SPY"] = ("/ES", "SPY"), []
    feed.unanswered = frozenset(["SPY"])
    await feed.seconds(IMAGE_WITHIN_US // US_PER_S + 5, "/ES")
    feed.unanswered = frozenset()
    await feed.seconds(IMAGE_WITHIN_US // US_PER_S - 5, "/ES")
    assert feed.quiet
    await feed.seconds(10, "/ES")
    assert feed.said == ["SPY does not come"]


async def test_a_symbol_whose_market_is_closed_need_not_come() -> None:
    feed = Feed(SATURDAY_US, "/ES", "SPY")
    await feed.seconds(300)
    assert feed.quiet and not feed.asked


async def test_what_nobody_wants_any_more_is_forgotten_with_its_faults_and_the_sentinel_kept() -> None:
    feed = Feed(TUESDAY_US, "/ES", "NOPE", "SPY")
    await feed.seconds(60, "/ES", "SPY", every=3)
    assert feed.complaints["invalid"]
    feed.streamed = ("/ES",)
    await feed.seconds(2, "/ES")
    assert not any(feed.complaints.values()) and not feed.forgotten
    await feed.seconds(15, "/ES")
    assert feed.forgotten == ["NOPE"]
    feed.streamed = ("/ES", "NOPE")
    await feed.seconds(60, "/ES", every=3)
    assert feed.complaints["invalid"] == "NOPE never came"


async def test_a_symbol_that_is_wanted_again_at_once_is_not_forgotten() -> None:
    feed = Feed(TUESDAY_US, "/ES", "QQQ")
    await feed.seconds(5, "/ES", "QQQ")
    feed.streamed = ("/ES",)
    await feed.seconds(5, "/ES")
    feed.streamed = ("/ES", "QQQ")
    await feed.seconds(30, "/ES", "QQQ")
    assert not feed.forgotten and feed.quiet


# --- the whole feed --------------------------------------------------------------------------------------------------


async def busy() -> Feed:
    """A feed that brings a row every second."""
    feed = Feed(TUESDAY_US, "/ES", "SPY")
    await feed.seconds(90, "/ES", "SPY")
    return feed


async def test_a_busy_feed_that_goes_mute_is_given_up_within_35_s() -> None:
    feed = await busy()
    last_us = feed.quality.row_us
    await feed.seconds(60, "/ES", "SPY", arrives=False)
    ((at_us, reason),) = feed.gave_up
    assert FEED_PATIENCE_US <= at_us - last_us <= 25 * US_PER_S
    assert "while /ES SPY trades" in reason and feed.doubted_us == last_us
    assert not feed.lost, "the new connection makes the gap"


@pytest.mark.parametrize(("away_s", "noticed"), [(20, True), (PACE_AGE_MAX_US // US_PER_S + 1, False)])
async def test_a_connection_that_is_mute_from_its_beginning_is_given_up_as_soon(away_s: int, noticed: bool) -> None:
    """The market is as busy as it was on the connection before, unless that was long ago."""
    feed = await busy()
    feed.is_on_line = False
    feed.quality.begin()
    await feed.seconds(away_s, "/ES", "SPY", arrives=False)
    for state in ("connecting", "subscribing"):
        feed.watch.entered(state, "")
    feed.is_on_line = True
    await feed.second()
    for symbol in ("/ES", "SPY"):
        feed.row(symbol)  # the images, and nothing more
    last_us = feed.quality.row_us
    await feed.seconds(35, "/ES", "SPY", arrives=False)
    assert [at_us - last_us <= 35 * US_PER_S for at_us, _ in feed.gave_up] == [True] * noticed


async def test_a_busy_feed_that_pauses_is_asked_about_ever_more_seldom() -> None:
    feed = await busy()
    await feed.seconds(2 * FEED_PATIENCE_US // US_PER_S - 1)
    assert feed.quiet and len(feed.asked) == 1
    await feed.seconds(2 * FEED_PATIENCE_US // US_PER_S)
    assert feed.quiet and len(feed.asked) == 2
    await feed.seconds(40, "/ES", "SPY")
    assert feed.quiet


async def test_a_busy_feed_that_is_silent_while_rest_is_down_is_given_up_at_twice_the_time() -> None:
    feed = await busy()
    feed.fails = True
    await feed.seconds(2 * FEED_PATIENCE_US // US_PER_S - 1, "/ES", "SPY", arrives=False)
    assert not feed.gave_up
    await feed.seconds(10, "/ES", "SPY", arrives=False)
    assert "REST cannot be asked" in feed.gave_up[0][1]


async def test_a_feed_without_rest_is_never_called_mute() -> None:
    feed = Feed(TUESDAY_US, "/ES")
    feed.watch = MuteWatch(feed, feed, lambda: ("/ES",), instrument_of, None, lambda *_: None, feed.clock)
    feed.trade("/ES")
    await feed.seconds(90, "/ES")
    await feed.seconds(600, "/ES", arrives=False)
    assert feed.quiet


async def test_the_loop_looks_every_second_of_the_market() -> None:
    feed = await begun("/ES")
    looks = asyncio.create_task(feed.watch.run())
    for _ in range(80):
        feed.clock.advance(feed.clock.now_us() + US_PER_S)
        feed.trade("/ES", arrives=False)
        for _ in range(4):
            await asyncio.sleep(0)
    looks.cancel()
    await asyncio.gather(looks, return_exceptions=True)
    assert feed.said == ["No data of /ES"]


@pytest.mark.parametrize("phase_s", range(1, 11))
async def test_a_mute_feed_is_noticed_in_time_where_only_heartbeats_move_the_market(phase_s: int) -> None:
    feed = await busy()
    last_us = feed.quality.row_us
    for beat_s in range(phase_s, 60, 10):
        for second in range(10):
            feed.traded_us["/ES"].append(last_us + (beat_s - 10 + second) * US_PER_S)
        await feed.second(last_us + beat_s * US_PER_S)
        for _ in range(12):  # the clock stands still, the machine goes on
            await feed.second(feed.clock.now_us())
    ((at_us, _),) = feed.gave_up
    assert at_us - last_us <= 35 * US_PER_S
