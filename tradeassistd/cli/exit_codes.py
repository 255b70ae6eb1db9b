"""Exit codes of both programs (after sysexits.h where it has one)."""

from __future__ import annotations

YES = 0
NO = 1
"""The answer is no: a check found something, the daemon failed."""
USAGE = 2
NOT_RUNNING = 69
"""The daemon is not running (service unavailable)."""
CONFIGURATION = 78
