"""A stream over schwab-py, connected to a server of ours, and the token file it takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.feed.schwab_server import SchwabServer
from tradeassistd.feed.client import open_client
from tradeassistd.feed.frames import Frame
from tradeassistd.feed.schwab import Stream
from tradeassistd.feed.token import TokenFile

FAR_AHEAD_S = 4_000_000_000
LONG_AGO_S = 1_000_000_000


def token_file(folder: Path, *, expires_at_s: int = FAR_AHEAD_S) -> TokenFile:
    file = TokenFile(folder / "token.json")
    file.write({"creation_timestamp": LONG_AGO_S, "token": {
        "access_token": "access", "refresh_token": "refresh", "token_type": "Bearer", "expires_at": expires_at_s,
    }})  # fmt: skip
    return file


@asynccontextmanager
async def connected(server: SchwabServer, folder: Path, **token: int) -> AsyncIterator[tuple[Stream, list[Frame]]]:
    """A stream to the server, not logged in yet, and the frames that came through its tap."""
    frames: list[Frame] = []
    async with server.running():
        client = open_client("key", "secret", token_file(folder, **token), server.base_url)
        stream = Stream(client, frames.append)
        try:
            yield stream, frames
        finally:
            await stream.close()
