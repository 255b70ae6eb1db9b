"""Shared fixtures."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """The daemon is asyncio; anyio's plugin only runs the async tests."""
    return "asyncio"
