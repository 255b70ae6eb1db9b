"""What the tests of the simulator share: an unmodified schwab-py client on it, its frames, made-up recordings."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import schwab
import schwab.contrib.util
from schwab.streaming import StreamClient

from tradeassistd.market.recorded import TICK_COLUMNS
from tradeassistd.sim.server import Simulator
from tradeassistd.sim.tokens import APP_KEY, APP_SECRET

Frame = dict[str, Any]


class Tap(schwab.contrib.util.StreamJsonDecoder):  # type: ignore[misc]
    """Keeps every frame that comes in, as the public decoder hook of schwab-py sees it."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.data: list[Frame] = []
        """The elements of all data frames."""
        self.items: list[Frame] = []
        """The content items of all data frames, in order."""

    def decode_json_string(self, raw: str) -> Frame:
        frame: Frame = json.loads(raw)
        self.frames.append(frame)
        for element in frame.get("data", ()):
            self.data.append(element)
            self.items += element["content"]
        return frame

    @property
    def heartbeats(self) -> list[int]:
        """The milliseconds of the heartbeats."""
        return [int(one["heartbeat"]) for frame in self.frames for one in frame.get("notify", ()) if "heartbeat" in one]

    @property
    def codes(self) -> list[int]:
        """The codes of responses and notifies that have one, in order."""
        parts = [part for frame in self.frames for kind in ("response", "notify") for part in frame.get(kind, ())]
        return [part["content"]["code"] for part in parts if "content" in part]


@asynccontextmanager
async def schwab_client(sim: Simulator, token: dict[str, Any] | None = None) -> AsyncIterator[Any]:
    """An asyncio client of schwab-py whose requests go to the simulator; it is closed at the end."""
    token = token or sim.tokens()
    client = schwab.auth.client_from_access_functions(
        APP_KEY, APP_SECRET, lambda: token, lambda new, *_, **__: token.update(new), asyncio=True
    )
    port = httpx.URL(sim.base_url).port

    async def to_the_simulator(request: httpx.Request) -> None:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=port)

    client.session.event_hooks = {"request": [to_the_simulator]}
    try:
        yield client
    finally:
        await client.close_async_session()


@asynccontextmanager
async def streaming(sim: Simulator) -> AsyncIterator[tuple[Any, Tap]]:
    """A stream client that is logged in, with its tap; its socket is closed at the end."""
    async with schwab_client(sim) as client:
        stream, tap = StreamClient(client), Tap()
        stream.set_json_decoder(tap)
        await stream.login()
        try:
            yield stream, tap
        finally:
            await stream._socket.close()


async def subscribe(stream: Any, keys: Iterable[str]) -> None:
    """SUBS on the services the keys belong to, with all fields."""
    futures = [key for key in keys if key.startswith("/")]
    equities = [key for key in keys if not key.startswith("/")]
    if equities:
        await stream.level_one_equity_subs(equities)
    if futures:
        await stream.level_one_futures_subs(futures)


def record(path: Path, *rows: str) -> Path:
    """A tick file with these rows."""
    path.write_text("\n".join((",".join(TICK_COLUMNS), *rows)) + "\n", encoding="ascii")
    return path
