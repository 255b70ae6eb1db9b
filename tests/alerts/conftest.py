"""What the tests of alerts share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.store.makers import FRIDAY_US
from tradeassistd.base.clock import ManualClock
from tradeassistd.store.writer import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A real store, open, on a clock that stands still."""
    opened = await Store.open(tmp_path, clock=ManualClock(FRIDAY_US))
    yield opened
    await opened.close()
