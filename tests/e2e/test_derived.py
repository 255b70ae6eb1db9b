"""A symbol that is made of others, in the real daemon: streamed by its components, quoted, alerted on, reloaded."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from tests.e2e.harness import Watcher, put, running, settings_for
from tests.e2e.test_process import MONDAY_US
from tradeassistd.cli.main import app
from tradeassistd.engine.events import Event, RulesSwap
from tradeassistd.engine.transition import Kind
from tradeassistd.history.replay import replay
from tradeassistd.market.tick import Tick
from tradeassistd.rules.load import load_texts
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.synthetic import SyntheticMarket
from tradeassistd.store import queries

RULES = "version: 1\nrules:\n  - {id: apart, symbols: [$BASIS], when: price > 0.01, at_load: fire, cooldown: 0s}\n"
BASIS = "$BASIS: {derived: /ES - $SPX, tick_size: 0.01}\n"
SUM = BASIS.replace(" - ", " + ")


def check_the_values(events: list[Event], last: dict[str, int], sign: int) -> int:
    """Each tick of the derived symbol is the sum or difference of what stood right before it; how many there are."""
    seen = 0
    for event in events:
        if not isinstance(event, Tick) or event.last is None:
            continue
        if event.symbol == "$BASIS" and {"/ES", "$SPX"} <= last.keys():
            assert event.last == last["/ES"] + sign * last["$SPX"]
            seen += 1
        last[event.symbol] = event.last
    return seen


async def is_quoted(watcher: Watcher) -> None:
    await watcher.until(lambda event: isinstance(event, Tick) and event.symbol == "$BASIS" and event.is_trade)


async def test_a_derived_symbol_lives_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / "_instruments.yaml").write_text(BASIS, "utf-8")
    market = SyntheticMarket(3, MONDAY_US, ("/ES", "$SPX", "SPY"), ticks_per_s=20)
    async with (
        Simulator(market, speed=20.0) as simulator,
        running(settings_for(tmp_path, simulator, RULES)) as watcher,
    ):
        await is_quoted(watcher)
        put(tmp_path / "rules.d" / "_instruments.yaml", SUM)
        assert (await watcher.reloaded()).accepted
        await is_quoted(watcher)
    swap = next(number for number, event in enumerate(watcher.events) if isinstance(event, RulesSwap))
    first = watcher.events[swap + 1]
    assert isinstance(first, Tick) and first.symbol == "$BASIS" and first.is_image, "it stands at once"
    last: dict[str, int] = {}
    assert check_the_values(watcher.events[:swap], last, -1) > 1
    assert check_the_values(watcher.events[swap:], last, +1) > 1
    assert {tick.symbol for tick in watcher.ticks} == {"/ES", "$SPX", "$BASIS", "SPY"}, "SPY is the sentinel"
    assert [one.symbol for one in watcher.transitions if one.kind is Kind.FIRED][:1] == ["$BASIS"]
    check_the_store(tmp_path)


def check_the_store(folder: Path) -> None:
    """Quotes and status show it, and the tape alone gives the same transitions."""
    config = ["--config", str(folder / "config.yaml")]
    quotes = CliRunner().invoke(app, ["quotes", "$BASIS", *config])
    assert quotes.exit_code == 0 and "$BASIS" in quotes.output
    assert "$BASIS = /ES + $SPX" in CliRunner().invoke(app, ["status", *config]).output
    tape = [event for path in sorted(queries.tape_paths(folder / "state")) for event in queries.read_tape(path)]
    found = (load_texts({"_instruments.yaml": text, "rules.yaml": RULES}).rule_set for text in (BASIS, SUM))
    rule_sets = {rule_set.hash: rule_set for rule_set in found}
    stored = [one for one in queries.transitions(folder / "state") if not one.rule_id.startswith("!")]
    assert stored and list(replay(tape, rule_sets.__getitem__)) == stored
