"""Settings: what wins over what, what is refused and where, and that no secret ever shows."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from tests.base.configured import SECRET, Desk, bare_environment
from tradeassistd.base.config import loopback_address
from tradeassistd.base.errors import ConfigError
from tradeassistd.base.paths import state_directory


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    bare_environment(monkeypatch)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


# --- what wins -------------------------------------------------------------------------------------------------------


def test_what_is_not_written_has_its_default(desk: Desk) -> None:
    desk.write("clock: wall\n")
    settings = desk.load()
    assert settings.log.format == "auto" and settings.log.level == "info"
    assert settings.schwab.base_url == "https://api.schwabapi.com"
    assert settings.channels == {} and settings.default_channels == ()


@pytest.mark.parametrize(
    ("variable", "value", "read", "expected"),
    [
        ("TRADEASSIST_CLOCK", "market", lambda s: s.clock, "market"),
        ("TRADEASSIST_LOG__LEVEL", "debug", lambda s: s.log.level, "debug"),
        ("TRADEASSIST_STORE__PATH", "/srv/state", lambda s: s.store.path, Path("/srv/state")),
        ("TRADEASSIST_RULES__DIR", "/srv/rules", lambda s: s.rules.dir, Path("/srv/rules")),
        ("TRADEASSIST_SCHWAB__BASE_URL", "http://127.0.0.1:1", lambda s: s.schwab.base_url, "http://127.0.0.1:1"),
        ("TRADEASSIST_CHANNELS__DESK__URL", "json://there", lambda s: s.channels["desk"].url.get_secret_value(),
         "json://there"),
        ("TRADEASSIST_CHANNELS__DESK__TTL", "2h", lambda s: s.channels["desk"].ttl, 7200),
        ("TRADEASSIST_CLOCK", "", lambda s: s.clock, "wall"),
    ],
)  # fmt: skip
def test_the_environment_wins_over_the_file_key_by_key(
    desk: Desk, variable: str, value: str, read: object, expected: object
) -> None:
    desk.write("clock: wall\nlog: {level: error, format: json}\nstore: {path: /a}\nrules: {dir: /b}\n"
               "schwab: {base_url: 'http://c'}\nchannels: {desk: {url: 'json://here', ttl: 30s}}\n")  # fmt: skip
    desk.environment(**{variable: value})
    settings = desk.load()
    assert read(settings) == expected  # type: ignore[operator]
    assert settings.log.format == "json", "the other keys of the section stay"


def test_a_credential_wins_over_the_file_the_field_s_name_over_both_and_our_own_over_all(desk: Desk) -> None:
    def key() -> str:
        return desk.load().schwab.app_key.get_secret_value()

    desk.write("schwab: {app_key: file}\n")
    assert key() == "file"
    desk.credential("schwab.app_key", b"credential\n")
    assert key() == "credential"
    desk.environment(SCHWAB_CLIENT_ID="field", SCHWAB_CLIENT_SECRET="field-secret")
    assert key() == "field"
    assert desk.load().schwab.app_secret.get_secret_value() == "field-secret"
    desk.environment(TRADEASSIST_SCHWAB__APP_KEY="ours")
    assert key() == "ours"


def test_a_credential_may_name_a_channel_of_the_file_or_make_one_and_others_are_not_ours(desk: Desk) -> None:
    desk.write("channels: {slack: {url: 'slack://in-the-file', ttl: 5m}}\n")
    desk.credential("channels.slack.url", b"slack://credential")
    desk.credential("channels.phone.url", b"  json://phone\n")
    desk.credential("backup-key", b"\xff\xfe")
    desk.credential("schwab", b"no key in its name")
    channels = desk.load().channels
    assert channels["slack"].url.get_secret_value() == "slack://credential"
    assert channels["slack"].ttl == 300
    assert channels["phone"].url.get_secret_value() == "json://phone"
    assert set(channels) == {"slack", "phone"}


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("5m", 300), ("2h", 7200), ("45", 45)])
def test_durations_are_read_in_seconds(desk: Desk, text: str, seconds: int) -> None:
    desk.write(f"channels: {{slack: {{url: 'json://x', ttl: {text}}}}}\n")
    assert desk.load().channels["slack"].ttl == seconds


def test_without_notify_every_channel_is_told_and_with_it_only_those(desk: Desk) -> None:
    channels = "channels: {a: {url: 'json://a'}, b: {url: 'json://b'}}\n"
    desk.write(channels)
    assert desk.load().default_channels == ("a", "b")
    desk.write(channels + "notify: [b]\n")
    assert desk.load().default_channels == ("b",)
    desk.write(channels + "notify: []\n")
    assert desk.load().default_channels == ()


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("stroe: {path: x}\n", ["1:8: stroe: there is no such setting (did you mean store?)"]),
        ("store: {pth: x}\n", ["1:14: store.pth: there is no such setting (did you mean path?)"]),
        ("weather: sunny\n", ["1:10: weather: there is no such setting (see the README's settings)"]),
        ("clock: sundial\n", ["1:8: clock: input should be 'wall' or 'market'"]),
        ("clock: sundial\nlog:\n  level: loud\n",
         ["1:8: clock: input should be 'wall' or 'market'",
          "3:10: log.level: input should be 'debug', 'info', 'warning' or 'error'"]),
        ("channels:\n  slack:\n    ttl: 5m\n", ["3:5: channels.slack.url: field required"]),
        ("channels: {slack: {url: 'json://x', ttl: soon}}\n",
         ["1:42: channels.slack.ttl: input should be a valid integer, unable to parse string as an integer"]),
        ("channels: {slack: {url: 'json://x', ttl: 0}}\n",
         ["1:42: channels.slack.ttl: input should be greater than 0"]),
        ("channels: {slack: {url: 'json://x', ttl: -5}}\n",
         ["1:42: channels.slack.ttl: input should be greater than 0"]),
        ("channels: {slack: {url: 'json://x', tl: 5m}}\n",
         ["1:41: channels.slack.tl: there is no such setting (did you mean ttl?)"]),
        ("schwab:\n", ["1:7: schwab: input should be a valid dictionary or instance of schwabsettings"]),
        ("channels: [slack]\n", ["1:11: channels: input should be a valid dictionary"]),
        ("clock: wall\nclock: market\n", ["2:1: "]),
    ],
)  # fmt: skip
def test_every_mistake_of_the_file_is_named_with_its_place(desk: Desk, text: str, errors: list[str]) -> None:
    desk.write(text)
    lines = str(desk.refusal()).splitlines()
    assert len(lines) == len(errors)
    for line, error in zip(lines, errors, strict=True):
        assert line.startswith(f"{desk.file}:{error}")


@pytest.mark.parametrize(
    ("text", "message"),
    [("[a, b]\n", "is not a map of settings"), ("notify: [pager]\n", "notify names no channel of this file: pager")],
)
def test_a_file_that_is_something_else_is_refused(desk: Desk, text: str, message: str) -> None:
    desk.write(text)
    error = desk.refusal()
    assert message in error.message and error.hint


def test_a_file_that_is_not_there_or_cannot_be_read_is_refused(desk: Desk) -> None:
    assert "no settings file at" in str(desk.refusal())
    with pytest.raises(ConfigError, match="no settings file at"):
        state_directory(desk.file, {})
    desk.file.mkdir()
    assert "cannot read" in str(desk.refusal())
    desk.file.rmdir()
    desk.file.write_bytes(b"clock: \xff\n")
    assert "cannot read" in str(desk.refusal())


def test_a_variable_that_does_not_fit_is_refused(desk: Desk) -> None:
    desk.write("clock: wall\n")
    desk.environment(TRADEASSIST_CHANNELS=f'{{"slack": {SECRET}')
    assert 'error parsing value for field "channels"' in desk.refusal().message
    desk.environment(TRADEASSIST_CHANNELS="", TRADEASSIST_STORE__PTH="x")
    assert "store.pth: there is no such setting" in str(desk.refusal())


def test_credentials_that_cannot_be_read_are_refused_without_being_shown(desk: Desk) -> None:
    desk.write("clock: wall\n")
    desk.credential("schwab.app_key", SECRET.encode() + b"\xff")
    assert "cannot read the credentials" in desk.refusal().message
    desk.environment(CREDENTIALS_DIRECTORY=str(desk.folder / "nowhere"))
    assert "cannot read the credentials" in desk.refusal().message


@pytest.mark.parametrize("text", ["schwab: [a]\n", "schwab: text\n", "channels: text\n"])
def test_a_secret_for_a_section_that_is_no_map_is_refused_where_the_section_stands(desk: Desk, text: str) -> None:
    desk.write(text)
    desk.credential("channels.slack.url", SECRET.encode())
    desk.environment(SCHWAB_CLIENT_ID=SECRET)
    assert ": input should be a valid dictionary" in str(desk.refusal())


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:8200", ("127.0.0.1", 8200)),
        ("localhost:1", ("127.0.0.1", 1)),
        ("[::1]:8200", ("::1", 8200)),
        ("127.9.9.9:65535", ("127.9.9.9", 65535)),
        ("0.0.0.0:8200", None),
        ("[::]:8200", None),
        ("192.168.1.5:8200", None),
        ("desk.example:8200", None),
        ("127.0.0.1", None),
        ("127.0.0.1:http", None),
        ("127.0.0.1:65536", None),
        (":8200", None),
    ],
)
def test_only_this_machine_can_be_listened_on(desk: Desk, address: str, expected: tuple[str, int] | None) -> None:
    desk.write(f"api: {{listen: '{address}'}}\n")
    if expected is None:
        assert "is not an address of this machine" in str(desk.refusal())
    else:
        assert desk.load().api.listen == address
        assert loopback_address(address) == expected


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_settings_never_show_a_secret(desk: Desk) -> None:
    desk.write(
        f"schwab: {{app_key: '{SECRET}', app_secret: '{SECRET}'}}\nchannels: {{a: {{url: 'json://{SECRET}'}}}}\n"
    )
    settings = desk.load()
    for shown in (
        repr(settings),
        str(settings),
        repr(settings.channels),
        settings.model_dump_json(),
        f"{settings!r:s}",
    ):
        assert SECRET not in shown
    assert settings.schwab.app_secret.get_secret_value() == SECRET


@pytest.mark.parametrize(
    "text",
    [
        f"schwab: {{app_key: ['{SECRET}']}}\n",
        f"schwab: {{app_kye: '{SECRET}'}}\n",
        f"channels: {{a: {{url: {{x: '{SECRET}'}}}}}}\n",
        f"channels: {{a: {{url: 'json://{SECRET}', ttl: x}}}}\n",
        f"channels: {{a: 'json://{SECRET}'}}\n",
        f"channels: 'json://{SECRET}'\n",
    ],
)
def test_no_error_shows_the_secret_it_stumbled_over(desk: Desk, text: str) -> None:
    desk.write(text)
    refused = desk.refusal()
    assert SECRET not in "".join(traceback.format_exception(refused))  # the message, the causes, the last line
