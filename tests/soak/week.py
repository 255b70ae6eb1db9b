"""Lives through some days of a simulated Schwab that misbehaves, and measures the daemon meanwhile."""

from __future__ import annotations

import gc
import re
import resource
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.e2e.harness import Watcher
from tests.scenarios.stage import Stage, staged
from tests.soak import rules
from tests.soak.truth import Truth
from tradeassistd.app import Daemon
from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.events import Connection, Event
from tradeassistd.engine.transition import Transition
from tradeassistd.feed.token import TokenFile
from tradeassistd.market.tick import Tick
from tradeassistd.sim.catalogue import THE_TWELVE
from tradeassistd.sim.faults.scenario import read_scenario
from tradeassistd.sim.synthetic import SyntheticMarket

SHIPPED = Path(__file__).resolve().parents[2] / "rules.d"
MARKET = (*THE_TWELVE, "SPY", "QQQ", "NVDA")
SLOT_US = 15 * US_PER_S
TICKS_PER_S = 0.06
SAVED_EVERY_S = 60.0
"""Rule states, status and tape are written once a second or more often on a real day; here that would be most of the
work."""
RESTART_EVERY_H = 24
KILLED_AT_H = (9, 18)
"""Hours of each day, counted from its beginning, in which the daemon is killed."""
SETTINGS = "history: {fill_days: 1}\n"
"""Ten days of minutes are asked for otherwise at each start, of a past that the simulator would make up each time."""
KILL_WITHIN_S = 1_500
_ID = re.compile(r"^id ([0-9a-f]{20})$", re.MULTILINE)
_REPEAT = "May be a repeat"
DISTORTING = ("zero_prices", "bad_print", "silent")
"""Faults that show prices that are none, or hide some; the others leave every price as it is."""
QUEUED_MAX = 50
"""Frames and decisions that may wait while everybody rests."""
TAPED_LATER_MAX = 1_000
"""Events that may wait for the tape, which is written every SAVED_EVERY_S."""

FAULTS = """
version: 1
seed: {seed}
faults:
  - {{fault: feature_not_supported, daily: '00:30'}}
  - {{fault: refresh_token_dies, at: {dies}s}}
  - {{fault: roll, symbol: /CL, at: {roll}s, by: 0.7%}}
random:
  - every: 4m-16m
    from: 10m
    one_of:
      - reset
      - drop
      - close
      - stop
      - {{fault: outage, for: 45s}}
      - {{fault: outage, for: 5m}}
      - {{fault: mute, until: reconnect}}
      - {{fault: handshake, times: 2}}
      - {{fault: unanswered, command: SUBS}}
      - {{fault: late_answer, command: SUBS, by: 8s}}
      - {{fault: refuse, command: SUBS, code: 21, service: LEVELONE_FUTURES}}
      - {{fault: rest_status, path: preference, status: 503, times: 2}}
      - {{fault: rest_status, path: token, status: 403, html: true}}
      - {{fault: user_preference, answer: empty}}
      - {{fault: token_refused, how: unavailable}}
      - {{fault: rest_down, path: quotes, for: 5m}}
      - {{fault: quotes_disagree, away: 4%, for: 5m}}
      - {{fault: skew, by: 3s, for: 5m}}
      - {{fault: refuse, command: LOGIN, code: 3}}
      - {{fault: refuse, command: ADD, code: 25}}
      - {{fault: silent, symbols: [SPY, /CL], for: 6m}}
      - {{fault: internals, how: empty, for: 5m}}
      - access_token_expires
      - big_image
      - malformed
      - {{fault: malformed, form: cut_off}}
      - unknown_service
      - {{fault: duplicates, for: 2m}}
      - {{fault: times_back, for: 2m}}
      - {{fault: delayed, for: 5m}}
      - {{fault: zero_prices, for: 60s}}
      - {{fault: burst, for: 30s, factor: 10}}
  - every: 3h-9h
    from: 1h
    one_of:
      - second_login
"""


class Sample(NamedTuple):
    """The daemon at rest."""

    hours: float
    rss_kb: int
    queued: int
    starts: int
    """How many lives the daemon has had."""


@dataclass
class Run:
    """What is left of a soak, beside the files in `folder`."""

    folder: Path
    start_us: int
    hours: int
    seed: int
    samples: list[Sample] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    arrived: set[str] = field(default_factory=set)
    """Ids of the messages that arrived."""
    distorted: list[tuple[int, int, tuple[str, ...]]] = field(default_factory=list)
    """Begin, end and symbols (none: all) of faults that show wrong prices."""
    posts: int = 0
    repeats: int = 0
    logins: int = 0
    starts: int = 1


class Counting(Watcher):
    """A watcher of whom nothing grows; `decided` is called once an event has caused a transition."""

    def __init__(self, daemon: Daemon, run: Run) -> None:
        super().__init__(daemon)
        self._run = run
        self.decided: Callable[[], None] = lambda: None

    def _see(self, event: Event, transitions: list[Transition]) -> None:
        self._run.events[type(event).__name__] += 1
        if transitions:
            self.decided()
        if isinstance(event, Connection):
            self._run.states[event.state] += 1
        elif not isinstance(event, Tick):
            return
        self.events = [one for one in self.events if type(one) is not type(event)] + [event]


async def live_through(folder: Path, truth: Truth, start_us: int, days: int, seed: int) -> Run:
    """Run the soak; everything it leaves is in `folder`."""
    run = Run(folder, start_us, days * 24, seed)
    (folder / "rules.d").mkdir(parents=True)
    for path in SHIPPED.glob("*.yaml"):
        shutil.copy(path, folder / "rules.d")
    market = SyntheticMarket(seed, start_us, MARKET, ticks_per_s=TICKS_PER_S, slot_us=SLOT_US)
    truth.begin(market)
    dies_s, roll_s = days * 86_400 * 5 // 8, days * 86_400 * 3 // 8
    scenario = read_scenario(FAULTS.format(seed=seed, dies=dies_s, roll=roll_s), "soak")
    async with staged(
        folder, market, rules.rule_file(), scenario=scenario, see=truth.see,
        watch=lambda daemon: Counting(daemon, run), saved_every_s=SAVED_EVERY_S, settings=SETTINGS,
    ) as stage:  # fmt: skip
        await stage.live()
        chance = Random(seed)
        for hour in range(1, run.hours + 1):
            await _hour(stage, run, hour, chance)
        await _calm_down(stage, run)
    return run


async def _hour(stage: Stage, run: Run, hour: int, chance: Random) -> None:
    end_us = stage.now_us + 3600 * US_PER_S
    await stage.world.pass_time(1800)
    await _log_in_again(stage, run)
    if hour % 24 in KILLED_AT_H:
        await _kill(stage, run, chance.choice(("resting", "deciding", "telling")))
    await stage.world.pass_time((end_us - stage.now_us) / US_PER_S)
    if hour % RESTART_EVERY_H == 12:
        await stage.stop()
        await stage.world.pass_time(20)
        await stage.start()
        run.starts += 1
    _collect(stage, run)
    _measure(stage, run, hour)


async def _kill(stage: Stage, run: Run, moment: str) -> None:
    """As kill -9, and a start again: at rest, when something is decided and not stored, or told and not marked."""
    struck: list[str] = []

    def strike(when: str) -> None:
        if not struck and not stage.world.writes:
            _collect(stage, run)
            stage.strike()
            struck.append(when)

    watcher = stage.watcher
    assert isinstance(watcher, Counting)
    if moment == "deciding":
        watcher.decided = lambda: strike(moment)
    elif moment == "telling":
        stage.hook.heard = lambda: strike(moment)
    end_us = stage.now_us + KILL_WITHIN_S * US_PER_S
    if moment != "resting":
        await stage.world.until(lambda: struck or stage.now_us >= end_us, KILL_WITHIN_S + 1)
    watcher.decided = stage.hook.heard = lambda: None
    if not struck:
        strike("resting")
    run.kills[struck[0]] += 1
    await stage.bury()
    await stage.start()
    run.starts += 1


async def _calm_down(stage: Stage, run: Run) -> None:
    """Nothing goes wrong any more: within twenty minutes everything is as it should be."""
    stage.simulator.end_faults()
    await _log_in_again(stage, run, at_once=True)
    await stage.world.pass_time(1200)
    _collect(stage, run)
    if stage.state != "live":
        run.problems.append(f"twenty quiet minutes after the last fault the feed is {stage.state}")


async def _log_in_again(stage: Stage, run: Run, *, at_once: bool = False) -> None:
    """Somebody logs in, half an hour after the daemon has said that it is needed."""
    if not at_once and not (stage.status().get("login") or {}).get("needed"):
        return
    TokenFile(stage.folder / "token.json").write(stage.simulator.tokens())
    run.logins += 1


def _collect(stage: Stage, run: Run) -> None:
    """Take along what would grow without end."""
    for post in stage.hook.posts:
        _note_arrival(post["message"], run)
        if " - soak-" not in post["message"] and "soak-" not in post["title"]:
            run.said[post["title"]] += 1
    stage.hook.posts.clear()
    over = stage.simulator.faults.over
    for one in over:
        run.faults[one.fault.name] += 1
        if one.fault.name in DISTORTING:
            assert one.over_us is not None
            run.distorted.append((one.begin_us, one.over_us, tuple(one.fault.options["symbols"])))
    over.clear()


def _note_arrival(message: str, run: Run) -> None:
    (alert_id,) = _ID.findall(message)
    run.posts += 1
    run.repeats += alert_id in run.arrived
    if alert_id in run.arrived and _REPEAT not in message:
        run.problems.append(f"alert {alert_id} came twice, and does not say that it may be a repeat")
    run.arrived.add(alert_id)


def _measure(stage: Stage, run: Run, hour: int) -> None:
    status = stage.status()
    waiting = {"frames": len(stage.daemon.live._queue), "decisions": len(stage.daemon.live.ledger)}  # type: ignore[union-attr]
    waiting["tape"] = status["store"]["tape_buffered"]
    for name, count in waiting.items():
        if count > (TAPED_LATER_MAX if name == "tape" else QUEUED_MAX):
            run.problems.append(f"hour {hour}: {count} {name} wait while everybody rests")
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    run.samples.append(Sample(hour, pages * (resource.getpagesize() // 1024), sum(waiting.values()), run.starts))
