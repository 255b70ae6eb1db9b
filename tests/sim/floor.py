"""A streamer on a market moved by hand, with one client that is subscribed to everything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.sim.test_session import equities, login, request
from tradeassistd.sim.faults.scenario import read_entry, read_scenario
from tradeassistd.sim.listing import listing_of
from tradeassistd.sim.market import Batch, Change, LevelOne
from tradeassistd.sim.session import Session
from tradeassistd.sim.streamer import Streamer

START_MS = 1_795_444_200_000  # 2026-11-23 09:30 New York
START_US = START_MS * 1000
SYMBOLS = ("SPY", "$TICK", "/ES")
ALL_FIELDS = ",".join(map(str, range(52)))


class Board:
    """A market moved by hand: `change` is a batch of one symbol at the next second."""

    def __init__(self) -> None:
        self.records = {symbol: LevelOne(listing_of(symbol, START_US)) for symbol in SYMBOLS}
        self.of_key = {key: record for record in self.records.values() for key in record.listing.keys}
        self.start_us = START_US
        self.seed = 1
        self.symbols = list(self.of_key)
        self.coming: list[tuple[int, str, dict[int, Any]]] = []

    def find(self, key: str) -> LevelOne | None:
        return self.of_key.get(key)

    def first_price(self, key: str) -> int:
        return 0

    def next_us(self) -> int | None:
        return self.coming[0][0] if self.coming else None

    def step(self, before_us: int) -> Batch:
        at_us, symbol, fields = self.coming.pop(0)
        level_one = self.records[symbol]
        return Batch(at_us, [Change(level_one, level_one.put([(n, json.dumps(value)) for n, value in fields.items()]))])


class Floor:
    """A streamer on the board with one client that is logged in and subscribed to everything."""

    def __init__(self, scenario: str = "", fields: str = ALL_FIELDS) -> None:
        self.market = Board()
        self.streamer = Streamer(
            self.market,
            lambda token: token == "good-token",
            scenario=read_scenario(scenario, "x") if scenario else None,
        )
        self.second = 0
        self.session = self.enter(fields)

    def enter(self, fields: str = ALL_FIELDS) -> Session:
        session = self.streamer.connect()
        futures = request("LEVELONE_FUTURES", "SUBS", "2", keys="/ES", fields=fields)
        self.images: list[Any] = []
        for one in (login(), equities("SUBS", "SPY,$TICK", fields), futures):
            self.streamer.receive(session, json.dumps({"requests": [one]}))
        self.session = session
        self.images = self.read()
        return session

    def read(self) -> list[dict[str, Any]]:
        frames = [json.loads(frame) for frame in self.session.outbox]
        self.session.outbox.clear()
        return frames

    def change(self, symbol: str, **fields: Any) -> list[dict[str, Any]]:
        """Let `f3=1.5` be so at the next second; the content items that came, their headers' seconds left out."""
        self.second += 1
        at_us = START_US + self.second * 1_000_000
        self.market.coming.append((at_us, symbol, {int(name[1:]): value for name, value in fields.items()}))
        self.go_to(self.second)
        return self.items()

    def go_to(self, second: float) -> None:
        until_us = START_US + round(second * 1_000_000)
        while (next_us := self.streamer.next_us()) is not None and next_us <= until_us:
            self.streamer.step()
        self.streamer.pass_time(until_us)

    def items(self) -> list[dict[str, Any]]:
        return [item for frame in self.read() for part in frame.get("data", ()) for item in part["content"]]

    def inject(self, written: str) -> Any:
        return self.streamer.begin_fault(read_entry(written, "x").fault)


def merged(frames: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for frame in frames:
        for part in frame.get("data", ()):
            for item in part["content"]:
                yield item["key"], {name: value for name, value in item.items() if name.isdigit()}
