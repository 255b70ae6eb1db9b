"""kill -9 of the real process around deliveries that are held, folded, escalated or stand in for another channel.

Each story is one state directory and several lives; the last life is left alone and ends what the others began.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.hardship import Running
from tests.e2e.harness import all_settled, settings_for, until_stored
from tests.e2e.test_process import MONDAY_US
from tests.e2e.webhook import Webhook, webhook
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.store import queries
from tradeassistd.store.records import DeliveryState, Why

RULES = """version: 1
defaults: {cooldown: 4h, at_load: fire}
rules:
  - {id: one, symbols: [/ES], when: price > 1}
  - {id: two, symbols: [/NQ], when: price > 1, severity: warning}
  - {id: three, symbols: [SPY], when: price > 1}
"""
# Market time stands still until somebody wants that symbol: however slow a start, it is in time for the quiet hours.
GOES_WITH = "QQQ"
GO = f"version: 1\nrules: [{{id: go, symbols: [{GOES_WITH}], when: price < 1}}]\n"
PROGRAM = str(Path(__file__).with_name("killed_at.py"))
DIGEST = "3 alerts while it was quiet"
INSTEAD = "3 alerts that broken did not get"


def waiting_market() -> Simulator:
    """A market thirty times as fast as it was, once it goes."""
    return Simulator(SyntheticMarket(3, MONDAY_US), speed=30.0, start_symbols=(GOES_WITH,))


def prepare(folder: Path, simulator: Simulator, routes: str, **hooks: Webhook) -> None:
    """Settings, rules and routes of a daemon in `folder`, with these webhooks as its channels."""
    channels = ", ".join(f"{name}: {{url: '{hook.url}', ttl: 24h}}" for name, hook in hooks.items())
    settings_for(folder, simulator, RULES, f"{{{channels}}}")
    (folder / "rules.d" / "_routes.yaml").write_text(routes, "utf-8")


async def live_and_die(folder: Path, points: Sequence[str]) -> Running:
    """One life for each point, which ends there; gives the last life, which goes on."""
    for point in points:
        life = await Running.of(PROGRAM, str(folder / "config.yaml"), point)
        assert await life.ended() == -signal.SIGKILL, f"{point} was not reached: {life.lines}"
        (folder / "rules.d" / "go.yaml").write_text(GO, "utf-8")
    return await Running.start(folder)


async def end_of(life: Running, state: Path) -> None:
    """Stop the last life once it has nothing left to do."""
    await until_stored(lambda: all_settled(state))
    await life.stop()


def check_told_by_two_lives(hook: Webhook, title: str) -> None:
    """It was handed over by two lives that died: the first had not sent it, the second had, and neither could say."""
    bodies = [post["message"] for post in hook.posts if post["title"] == title]
    assert len(bodies) == 2 and all("May be a repeat" in body for body in bodies)
    assert all(f"{symbol} " in bodies[0] for symbol in ("/ES", "/NQ", "SPY"))


def fates(state: Path, channel: str) -> Counter[tuple[DeliveryState, Why]]:
    return Counter(
        (delivery.state, delivery.why)
        for one in queries.alerts(state)
        for delivery in one.deliveries
        if delivery.channel == channel and not one.alert.transition.rule_id.startswith("!")
    )


async def test_what_is_held_and_folded_comes_once_though_each_step_is_killed(tmp_path: Path) -> None:
    routes = """version: 1
default: {channels: [hook], quiet: {hours: ['mon-fri 09:00-09:32 America/New_York'], channels: []}}
"""
    async with waiting_market() as simulator, webhook() as hook:
        prepare(tmp_path, simulator, routes, hook=hook)
        life = await live_and_die(tmp_path, ("held:3", "folded", f"{DIGEST}.before", f"{DIGEST}.after"))
        await end_of(life, tmp_path / "state")
    check_told_by_two_lives(hook, DIGEST)
    assert fates(tmp_path / "state", "hook") == {
        (DeliveryState.SENT, Why.QUIET): 1, (DeliveryState.FOLDED, Why.QUIET): 2,
    }  # fmt: skip


async def test_a_channel_that_failed_is_stood_in_for_once_though_each_step_is_killed(tmp_path: Path) -> None:
    routes = """version: 1
default: {channels: [broken], fallback: [hook], quiet: {hours: ['mon-fri 09:00-09:32 America/New_York'], channels: []}}
"""
    async with waiting_market() as simulator, webhook() as hook, webhook("410 Gone") as broken:
        prepare(tmp_path, simulator, routes, hook=hook, broken=broken)
        points = ("held:3", "folded", "failing.before", "failing.after", f"{INSTEAD}.before", f"{INSTEAD}.after")
        life = await live_and_die(tmp_path, points)
        await end_of(life, tmp_path / "state")
    check_told_by_two_lives(hook, INSTEAD)
    assert fates(tmp_path / "state", "broken") == {
        (DeliveryState.FAILED, Why.QUIET): 1, (DeliveryState.FOLDED, Why.QUIET): 2,
    }  # fmt: skip
    assert fates(tmp_path / "state", "hook") == {
        (DeliveryState.SENT, Why.FALLBACK): 1, (DeliveryState.FOLDED, Why.FALLBACK): 2,
    }  # fmt: skip


async def test_an_escalation_comes_once_though_each_step_is_killed(tmp_path: Path) -> None:
    routes = """version: 1
routes:
  - {match: {rule: two}, channels: [hook], escalate: {after: 20s, channels: [boss]}}
default: {channels: [hook]}
"""
    async with waiting_market() as simulator, webhook() as hook, webhook() as boss:
        prepare(tmp_path, simulator, routes, hook=hook, boss=boss)
        life = await live_and_die(tmp_path, ("held:1", "(escalated).before", "(escalated).after"))
        await end_of(life, tmp_path / "state")
    assert [post["title"].endswith("(escalated)") for post in boss.posts] == [True, True]
    assert all("Escalated: since" in post["message"] for post in boss.posts)
    assert all("May be a repeat" in post["message"] for post in boss.posts)
    assert fates(tmp_path / "state", "boss") == {(DeliveryState.SENT, Why.ESCALATION): 1}
    assert fates(tmp_path / "state", "hook") == {(DeliveryState.SENT, Why.DIRECT): 3}
