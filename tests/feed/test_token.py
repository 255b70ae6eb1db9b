"""The token file: replaced whole or not at all, for its owner only, and refused when it cannot refresh."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from tradeassistd.base.errors import ConfigError
from tradeassistd.feed.token import TokenFile

TOKEN = {"creation_timestamp": 1_700_000_000, "token": {"access_token": "a", "refresh_token": "r", "expires_at": 9}}


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_was_written_is_read_back_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token.json")
    before = os.umask(0)
    try:
        file.write(TOKEN)
    finally:
        os.umask(before)
    assert file.read() == TOKEN
    assert mode_of(file.path) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["token.json"]


def test_a_file_others_could_read_becomes_its_owner_s_at_the_next_write(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token.json")
    file.path.write_text("{}")
    file.path.chmod(0o644)
    file.write(TOKEN)
    assert mode_of(file.path) == 0o600


def test_schwab_py_s_further_arguments_are_taken_and_ignored(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token.json")
    file.write(TOKEN, "more", refresh_token="older")
    assert file.read() == TOKEN


def test_a_write_that_fails_leaves_the_old_token(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token.json")
    file.write(TOKEN)
    with pytest.raises(TypeError):
        file.write({"creation_timestamp": 1, "token": object()})
    assert file.read() == TOKEN


def test_a_reader_never_sees_half_a_token(tmp_path: Path) -> None:
    # The old file is not touched: whoever has it open reads the old token to its end.
    file = TokenFile(tmp_path / "token.json")
    file.write(TOKEN)
    with file.path.open() as reader:
        file.write({**TOKEN, "creation_timestamp": 2})
        assert json.load(reader) == TOKEN
    assert file.read()["creation_timestamp"] == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a token file"),
        (b"{half", "is not a token file"),
        (b"\xff\xfe", "is not a token file"),
        (b"[]", "is not a token schwab-py can refresh"),
        (b"null", "is not a token schwab-py can refresh"),
        (b"{}", "is not a token schwab-py can refresh"),
        (b'{"token": {"refresh_token": "r"}}', "is not a token schwab-py can refresh"),
        (b'{"creation_timestamp": 1}', "is not a token schwab-py can refresh"),
        (b'{"creation_timestamp": 1, "token": null}', "is not a token schwab-py can refresh"),
        (b'{"creation_timestamp": 1, "token": "r"}', "is not a token schwab-py can refresh"),
        # What a login without a code gets from Schwab: an hour of access and nothing to refresh it with.
        (b'{"creation_timestamp": 1, "token": {"access_token": "a"}}', "is not a token schwab-py can refresh"),
    ],
)
def test_what_is_no_token_that_lives_on_is_refused_and_not_shown(tmp_path: Path, content: bytes, message: str) -> None:
    file = TokenFile(tmp_path / "token.json")
    file.path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as refused:
        file.read()
    assert refused.value.hint == "log in to Schwab again"
    assert str(file.path) in refused.value.message


def test_without_a_token_the_hint_says_to_log_in(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no Schwab token at") as refused:
        TokenFile(tmp_path / "token.json").read()
    assert "log in to Schwab first" in refused.value.hint


# --- a refresh beside a login ----------------------------------------------------------------------------------------

REFRESHED = {**TOKEN, "token": {"access_token": "b", "refresh_token": "r", "expires_at": 99}}
NEWER = {"creation_timestamp": 1_700_000_001, "token": {"access_token": "c", "refresh_token": "s", "expires_at": 9}}


def test_a_refresh_is_stored_over_its_own_login(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token.json")
    file.write(TOKEN)
    file.write_refreshed(REFRESHED, "more", refresh_token="r")
    assert file.read() == REFRESHED


def test_a_refresh_that_comes_late_does_not_lose_the_login_that_ended_it(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token.json")
    file.write(NEWER)
    file.write_refreshed(REFRESHED)
    assert file.read() == NEWER


def test_schwab_may_change_the_refresh_token_when_it_refreshes(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token.json")
    file.write(TOKEN)
    rotated = {**TOKEN, "token": {"access_token": "b", "refresh_token": "r2", "expires_at": 99}}
    file.write_refreshed(rotated)
    assert file.read() == rotated


def test_a_token_that_somebody_removed_does_not_come_back(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token.json")
    file.write_refreshed(REFRESHED)
    assert not file.path.exists()


def test_a_write_that_fails_leaves_no_secrets_behind(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        TokenFile(tmp_path / "token.json").write({"creation_timestamp": 1, "token": {"refresh_token": object()}})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_root_logs_in_for_the_daemon_s_user(tmp_path: Path) -> None:
    os.chown(tmp_path, 4711, 4712)
    file = TokenFile(tmp_path / "token.json")
    file.write(TOKEN)
    stat = file.path.stat()
    assert (stat.st_uid, stat.st_gid, mode_of(file.path)) == (4711, 4712, 0o600)


# --- what a token says of itself -------------------------------------------------------------------------------------


def test_a_token_says_when_it_was_made_and_how_long_it_is_good(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token.json")
    file.write(TOKEN)
    token = file.token()
    assert (token.created_s, token.access_until_s, token.access_life_s) == (1_700_000_000, 9, 1800)
    assert token.is_same_login(file.token())
    assert not token.is_same_login(None)
    assert "'r'" not in repr(token)


@pytest.mark.parametrize(
    "change", [{"creation_timestamp": "soon"}, {"creation_timestamp": None}, {"creation_timestamp": float("inf")},
               {"token": {"refresh_token": "r", "expires_at": "later"}},
               # Milliseconds, and what no calendar has: doctor, status and the daemon would stumble over the date.
               {"creation_timestamp": 1_795_000_000_000}, {"creation_timestamp": -1},
               {"token": {"refresh_token": "r", "expires_at": 10**22}}]
)  # fmt: skip
def test_a_time_that_is_none_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    file = TokenFile(tmp_path / "token.json")
    file.path.write_text(json.dumps({**TOKEN, **change}))
    with pytest.raises(ConfigError, match=r"is not a token schwab-py can refresh|are no seconds since 1970"):
        file.token()


def test_the_signature_moves_with_every_write(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token.json")
    assert file.signature() is None
    file.write(TOKEN)
    first = file.signature()
    file.write(TOKEN)
    assert first is not None and file.signature() != first
