"""Secrets that are known on this machine do not leave it in any text, however they are written there."""

from __future__ import annotations

import json
import string
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tradeassistd.base.config import ChannelSettings, SchwabSettings, Settings
from tradeassistd.cli.doctor.mask import Mask
from tradeassistd.feed.redaction import MASK

SECRETS = st.text(string.ascii_letters + string.digits + "-_.~+/=@\"'\\ äß%", min_size=12, max_size=40).filter(
    lambda text: len(text.strip()) >= 12
)


def mask(secret: str = "", *, url: str = "", environment: dict[str, str] | None = None) -> Mask:
    channels = {"any": ChannelSettings(url=SecretStr(url))} if url else {}
    settings = Settings(schwab=SchwabSettings(app_secret=SecretStr(secret)), channels=channels)
    return Mask(settings, environment or {})


@given(SECRETS, st.text(max_size=10), st.sampled_from([str, quote, lambda text: quote(text, safe=""), json.dumps]))
def test_a_known_secret_never_stays_however_it_is_written(secret: str, around: str, write: object) -> None:
    assert callable(write)
    written = str(write(secret))
    left = mask(secret).clean(f"{around}{written}{around}")
    assert secret not in left.replace(around, "") or secret in around
    assert written.strip('"') not in left or written.strip('"') in around


@pytest.mark.parametrize(
    ("url", "secrets"),
    [("json://user:hunter2@host.example:9/my-private-topic?token=abcdef123456", ("hunter2", "my-private-topic",
      "abcdef123456", "host.example")), ("slack://xoxb-1-2-abc/#alerts", ("xoxb-1-2-abc",)),
     ("https://hooks.slack.com/services/T0000/B000000000/abcdefghijkl", ("B000000000", "abcdefghijkl")),
     ("ntfy://traders-of-the-north", ("traders-of-the-north",))],
)  # fmt: skip
def test_what_an_address_is_made_of_does_not_stay(url: str, secrets: tuple[str, ...]) -> None:
    left = mask(url=url).clean(f"sending to {url}; retried {' and '.join(secrets)}")
    assert not [secret for secret in secrets if secret in left]


def test_words_that_are_no_secrets_stay_readable() -> None:
    text = "alerts go to slack, sound and desktop at 127.0.0.1 with token age 6 days; services run"
    assert mask("AppSecret-123", url="slack://bot/#alerts").clean(text) == text
    assert mask(url="sound://?volume=50").clean("volume=50 sound://") == "volume=50 sound://"


@pytest.mark.parametrize(
    "text", ["Authorization: Bearer abcDEF123456ghi", "xoxb-12-34-abcd", '"refresh_token": "Rt0123456789"',
             "access_token=Abc123456789", '{"accountNumber":"89874630"}', "https://127.0.0.1/?code=C0.abc%40&x=1",
             "SchwabClientCustomerId: 5c9f1f5e7d0b4a66"],
)  # fmt: skip
def test_what_looks_like_a_secret_is_masked_without_being_known(text: str) -> None:
    left = Mask(None, {}).clean(text)
    assert MASK in left
    for secret in ("abcDEF123456ghi", "xoxb", "Rt0123456789", "Abc123456789", "89874630", "C0.abc", "5c9f1f5e7d0b4a66"):
        assert secret not in left


def test_secrets_of_the_environment_the_credentials_and_the_token_file_are_known(tmp_path: Path) -> None:
    (tmp_path / "schwab.app_key").write_text("CredentialKey99\n", "utf-8")
    (tmp_path / "channels.hook.url").write_text("json://10.0.0.1/topic-of-mine-77\n", "utf-8")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path), "SLACK_BOT_TOKEN": "not-even-a-token",
                   "TRADEASSIST_CHANNELS__X__URL": "ntfy://other-topic-88"}  # fmt: skip
    token = tmp_path / "token.json"
    token.write_text(json.dumps({"creation_timestamp": 1, "token": {"refresh_token": "plainwords only"}}), "utf-8")
    known = Mask(Settings(schwab=SchwabSettings(token_file=token)), environment)
    text = "CredentialKey99 topic-of-mine-77 not-even-a-token other-topic-88 plainwords only"
    assert set(known.clean(text).split()) == {MASK}
