"""Recorded market data: third-party files kept beside the checkout, never in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("TRADEASSIST_RECORDED", Path(__file__).resolve().parents[2] / "shared" / "data"))


def recorded(name: str) -> Path:
    """The path of one recorded file; skips the test where the data is absent."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"recorded data is absent: {name}")
    return path
