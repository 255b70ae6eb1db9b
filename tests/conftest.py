"""Shared fixtures."""

from __future__ import annotations

import signal

import pytest

# A shell that runs the tests in the background has them ignore Ctrl+C, and every program they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def anyio_backend() -> str:
    """The daemon is asyncio; anyio's plugin only runs the async tests."""
    return "asyncio"
