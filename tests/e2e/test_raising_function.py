"""A user's function that raises: the rule is left out, its trader is told once, and every other rule goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_acknowledge import desk
from tradeassistd.engine.language.own import put_in_table
from tradeassistd.engine.transition import Kind
from tradeassistd.functions import UserFunction
from tradeassistd.rules.own_functions import use_installed

RULES = """
version: 1
defaults: {at_load: fire, cooldown: 0s}
rules:
  - {id: shaky, symbols: [/ES], when: shaky(price) > 1000}
  - {id: shaky-too, symbols: [/ES], when: shaky(price) < 1}
  - {id: sound, symbols: [/ES], when: price > 100}
"""


def _raises(price: float) -> float:
    if price < 50:
        raise LookupError("nothing that cheap")
    return price


@pytest.fixture(autouse=True)
def _shaky() -> Iterator[None]:
    use_installed()
    put_in_table([UserFunction(name="shaky", args={"price": "price"}, gives="price", compute=_raises, version="1",
                               doc="Raises when it is cheap.")])  # fmt: skip
    yield
    put_in_table(())


async def test_its_trader_is_told_once_and_the_other_rule_fires(tmp_path: Path) -> None:
    async with desk(tmp_path, RULES) as here:
        here.begin()
        for after_s, price in ((1, 40.0), (2, 41.0), (3, 42.0), (4, 101.0)):
            here.row(after_s, price)
        for after_s in (70, 71, 72, 73, 74):  # judged again, and left out again for longer
            here.row(after_s, 40.0 + after_s % 2)
        assert here.kinds("sound")[:1] == [Kind.FIRED] and here.kinds("shaky") == []
        assert here.live.counters.faults == 12
    said = [alert for decided in here.decided for alert in decided.alerts
            if "left out" in alert.title]  # fmt: skip
    (one,) = said
    assert (one.title, one.text.splitlines()) == ("2 rules are left out", [
        "Raised 3 times within a minute: not judged for 1 min, then tried again; left out for longer if it goes on.",
        "shaky /ES: shaky raised LookupError: nothing that cheap",
        "shaky-too /ES: shaky raised LookupError: nothing that cheap",
    ])  # fmt: skip
