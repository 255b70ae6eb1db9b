"""Shared fixtures."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

# A shell that runs the tests in the background has them ignore Ctrl+C, and every program they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A law is about what happens, never about how fast a busy machine is. Its examples are the same in every run, on a
# machine of whoever else too; TRADEASSIST_CHANCE=1 asks for others, which nobody has tried.
settings.register_profile(
    "tests",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("TRADEASSIST_CHANCE", "") != "1",
)
if settings.get_current_profile_name() in ("default", "ci"):  # test_laws_bite.py brings a profile of its own
    settings.load_profile("tests")

TESTS = Path(__file__).parent
WHOLE_DAYS = ("scenarios", "e2e/test_recorded_sessions.py", "e2e/test_disturbed_slices.py",
              "e2e/test_disturbed_sessions.py", "oracle/test_oracle.py", "sim/test_synthetic.py", "sim/test_weeks.py",
              "feed/test_mute_recorded.py")  # fmt: skip
"""The daemon, the oracle or the simulator over hours of market time. Counting the covered lines would take more than
twice as long, and there are none that the tests of one part each do not cover."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Coverage is not counted where only the time would change."""
    for item in items:
        if item.path.is_relative_to(TESTS) and str(item.path.relative_to(TESTS)).startswith(WHOLE_DAYS):
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture
def anyio_backend() -> str:
    """The daemon is asyncio; anyio's plugin only runs the async tests."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command that a test runs in this process may set up the log, on a stream that is gone after the test.

    Until one does, lines go to the stream of this moment: a daemon may log while a command runs in a thread beside it,
    and what takes the command's output takes everything that is then written to `sys.stdout`.
    """
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


@pytest.fixture(autouse=True)
def _nothing_of_a_test_stays() -> Iterator[None]:
    """What lives as long as a process is kept in sight no more by the collector, nor let go by the web framework's
    caches: here it lives for one test, and hundreds of daemons and simulators would fill the memory."""
    yield
    gc.unfreeze()
    for cached in vars(sys.modules.get("fastapi.dependencies.models", object)).values():
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()
