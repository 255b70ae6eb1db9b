"""The real daemon with one thing changed: its engine's loop hangs as soon as somebody asks for it.

Not a test: test_unit.py has systemd start it. The file `hang` in the runtime directory asks; systemd removes that
directory with the service, so the next start is a healthy one. `block` in it stops the whole event loop, as an endless
computation does; `wait` stops the engine's loop alone, as a wait without a limit does.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from tradeassistd.cli.daemon import main
from tradeassistd.feed.queue import FrameQueue

HANG = Path(os.environ["RUNTIME_DIRECTORY"]) / "hang"
filled = FrameQueue.filled


async def filled_or_never(self: FrameQueue) -> None:
    if HANG.exists():
        if HANG.read_text("utf-8") == "block":
            time.sleep(3_600)  # noqa: ASYNC251 - this is the fault
        await asyncio.get_running_loop().create_future()
    await filled(self)


if __name__ == "__main__":
    FrameQueue.filled = filled_or_never  # type: ignore[method-assign]
    main()
