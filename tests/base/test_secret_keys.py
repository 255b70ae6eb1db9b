"""Settings without their secrets: nothing of a secret is left, everything else is as it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from tradeassistd.base.config import Settings
from tradeassistd.base.secret_keys import as_yaml, blanked, secret_paths, without_secrets
from tradeassistd.base.yaml12 import Problems, compose, plain

SECRET = "s3cr3t-abc"
TEXT = f"""\
# keep this line
schwab: {{app_key: {SECRET}1, app_secret: '{SECRET}2', base_url: http://127.0.0.1:1}}  # and this
channels:
  team:
    url: "slack://{SECRET}3/x/y/#alerts"
    ttl: 5m
  block:
    url: |
      json://user:{SECRET}4@host/
  folded: {{url: 'json://{SECRET}5'}}
  bell: {{url: sound://bell}}
  popup: {{url: desktop://}}
  bot: {{url: 'slack://bot/#alerts'}}
store: {{path: state}}
"""


def test_secrets_go_and_the_rest_stays_with_its_comments() -> None:
    text, keys = without_secrets(TEXT, "config.yaml")
    assert SECRET not in text
    assert "# keep this line" in text and "# and this" in text
    assert keys == (
        "schwab.app_key", "schwab.app_secret", "channels.team.url", "channels.block.url", "channels.folded.url"
    )  # fmt: skip
    values = plain(compose(text, "config.yaml"))
    assert values == blanked(plain(compose(TEXT, "config.yaml")), [tuple(key.split(".")) for key in keys])
    assert values["channels"]["bell"]["url"] == "sound://bell" and values["channels"]["bot"]["url"]


@pytest.mark.parametrize("text", ["{}", "store: {path: x}\n", "schwab: {app_key: ''}  # none\n"])
def test_settings_without_secrets_stay_letter_by_letter(text: str) -> None:
    assert without_secrets(text, "config.yaml") == (text, ())


def test_what_is_no_yaml_is_refused_and_not_passed_on() -> None:
    with pytest.raises(Problems):
        without_secrets(f"schwab: {{app_key: {SECRET}", "config.yaml")


@pytest.mark.parametrize(
    "text", ["schwab: oops\n", "channels: [a]\n", "channels: {a: b}\n", "schwab: {app_key: [x]}\n"]
)
def test_settings_of_the_wrong_shape_do_not_stop_it(text: str) -> None:
    assert without_secrets(text, "config.yaml")[0] == text


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=30),
    st.sampled_from(["'", '"', "|"]),
)
def test_no_way_of_writing_a_secret_keeps_it(secret: str, style: str) -> None:
    written = {
        "'": "'" + secret.replace("'", "''") + "'",
        '"': '"' + secret.replace("\\", "\\\\").replace('"', '\\"') + '"',
        "|": f"|\n    x{secret}",
    }[style]
    text = f"schwab:\n  app_key: {written}\n  delayed: mark\n"
    try:
        compose(text, "config.yaml")
    except Problems:
        return  # YAML knows characters that it does not take
    cleared, keys = without_secrets(text, "config.yaml")
    value = plain(compose(text, "config.yaml"))["schwab"]["app_key"]
    assert keys == (("schwab.app_key",) if value and not value.lower().startswith(("sound://", "desktop://")) else ())
    assert plain(compose(cleared, "config.yaml")) == {"schwab": {"app_key": "" if keys else value, "delayed": "mark"}}


def test_every_secret_of_the_settings_is_known_by_its_type() -> None:
    def declared(model: type[BaseModel]) -> int:
        return str(model.model_json_schema()).count("'writeOnly': True")

    values: dict[str, Any] = {"schwab": {"app_key": "k", "app_secret": "s"}, "channels": {"a": {"url": "u"}}}
    assert len(secret_paths(values)) == declared(Settings)
    assert SecretStr in [field.annotation for field in type(Settings().schwab).model_fields.values()]


def test_settings_written_anew_say_the_same() -> None:
    values = {"a": {"b": "x: y", "c": ["1", "2"], "d": {}}, "odd key": {"e": "'\"\\"}, "f": "ünï"}
    assert plain(compose(as_yaml(values), "x")) == values
