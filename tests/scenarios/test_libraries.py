"""schwab-py is the one of its wheel, and it makes no difference which HTTP library authlib finds."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]


def altered_files(distribution: metadata.Distribution) -> list[str]:
    """Installed files that are not as the wheel's RECORD says; compiled ones have no hash there."""
    altered = []
    for file in distribution.files or ():
        if file.hash is not None:
            digest = hashlib.new(file.hash.mode, Path(str(file.locate())).read_bytes()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
                altered.append(str(file))
    return altered


def test_schwab_py_is_as_its_wheel_has_it() -> None:
    distribution = metadata.distribution("schwab-py")
    hashed = [str(file) for file in distribution.files or () if file.hash is not None]
    assert len([name for name in hashed if name.startswith("schwab/") and name.endswith(".py")]) > 10
    assert altered_files(distribution) == []


def test_a_changed_file_would_be_found(tmp_path: Path) -> None:
    info = tmp_path / "some-1.0.dist-info"
    info.mkdir()
    (tmp_path / "some.py").write_text("x = 1\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"x = 1\n").digest()).rstrip(b"=").decode()
    (info / "METADATA").write_text("Name: some\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"some.py,sha256={digest},6\nsome-1.0.dist-info/RECORD,,\n")
    assert altered_files(metadata.PathDistribution(info)) == []
    (tmp_path / "some.py").write_text("x = 2\n")
    assert altered_files(metadata.PathDistribution(info)) == ["some.py"]


def second_httpx(folder: Path) -> Path:
    """A folder from which `import httpx2` gives a library of its own: httpx again under the other name, so none of its
    classes is one of httpx."""
    source = Path(httpx.__file__).parent
    for path in source.rglob("*.py"):
        target = folder / "httpx2" / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(re.sub(r"\bhttpx\b", "httpx2", path.read_text("utf-8")), "utf-8")
    return folder


def lived(folder: Path, library: Path | None) -> dict[str, Any]:
    folder.mkdir()
    path = os.pathsep.join([str(ROOT), *([str(library)] if library else [])])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.scenarios.lived", str(folder)],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_httpx2_makes_no_difference(tmp_path: Path) -> None:
    if importlib.util.find_spec("httpx2") is not None:
        pytest.skip("httpx2 is installed: there is no run without it to compare with")
    without, with_it = lived(tmp_path / "a", None), lived(tmp_path / "b", second_httpx(tmp_path / "library"))
    assert (without.pop("library"), with_it.pop("library")) == ("httpx", "httpx2")
    assert with_it == without
    assert {"auth_needed", "backoff", "live"} <= set(without["states"])
    assert any("403" in reason for reason in without["reasons"])
