"""schwab-py runs as it was published: every file is the one its wheel's RECORD names."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from importlib.metadata import files


def test_every_file_of_schwab_py_has_the_hash_of_its_wheel() -> None:
    checked = 0
    for file in files("schwab-py") or ():
        if file.hash is None:
            continue  # what the installer writes itself: RECORD, compiled bytecode
        assert file.hash.mode == "sha256"
        digest = urlsafe_b64encode(hashlib.sha256(file.read_binary()).digest()).rstrip(b"=").decode()
        assert digest == file.hash.value, f"{file} was changed"
        checked += file.name.endswith(".py")
    assert checked > 10
