"""The scenarios run on a loop whose idle moments move the world's time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.world import WorldLoop


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": WorldLoop}
