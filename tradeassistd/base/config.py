"""Settings: one YAML file, every key overridable by environment, secrets from where systemd or the user keeps them.

Precedence: environment (`TRADEASSIST_STORE__PATH`), then systemd credentials, then the file, then defaults. Unknown
keys are refused. Secrets are `SecretStr`: they print as asterisks wherever they end up.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from tradeassistd.base.amounts import DAY_S, size_bytes, span_s
from tradeassistd.base.errors import ConfigError
from tradeassistd.base.paths import OFF, absolute, default_path, default_socket, default_state, read_settings_file
from tradeassistd.base.yaml12 import Problem, Problems, compose, did_you_mean, place_of

KEPT_S_MAX = 100 * 365 * DAY_S
_UNIT_S = {"s": 1, "m": 60, "h": 3600}
FIELD_NAMES = {"app_key": "SCHWAB_CLIENT_ID", "app_secret": "SCHWAB_CLIENT_SECRET"}
"""The names other Schwab tools use for the two secrets; honoured from the environment."""


def _seconds(value: object) -> object:
    """`30s`, `5m`, `2h` as seconds; anything else is left for the model to refuse."""
    if isinstance(value, str) and value[:-1].isdigit() and value[-1:] in _UNIT_S:
        return int(value[:-1]) * _UNIT_S[value[-1]]
    return value


def kept_s(text: str) -> int | None:
    """`30d`, `2y` as seconds, `forever` as None. Raises ValueError for what is too short or too long to be meant."""
    seconds = span_s(text)
    if seconds is not None and not DAY_S <= seconds <= KEPT_S_MAX:
        raise ValueError(f"{text} is not at least a day (1d), and at most 100y or forever")
    return seconds


def _kept(value: object) -> object:
    """Only words from outside: a bare number has no unit."""
    return kept_s(str(value))


def _bytes(value: object) -> object:
    """`500MB` as bytes."""
    return size_bytes(value) if isinstance(value, str) else value


Duration = Annotated[int, BeforeValidator(_seconds), Field(gt=0)]
Kept = Annotated[int | None, BeforeValidator(_kept)]
"""Seconds, a day at least; None is forever."""
Size = Annotated[int, BeforeValidator(_bytes), Field(ge=0)]
"""Bytes."""


def loopback_address(text: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8200` or `[::1]:8200`. Raises ValueError for anything beyond this machine."""
    host, _, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback or not port.isdecimal() or not 0 <= int(port) <= 65_535:
        raise ValueError(f"{text!r} is not an address of this machine such as 127.0.0.1:8200")
    return host, int(port)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RulesSettings(_Part):
    """Where the rule files are."""

    dir: Path | None = None
    """Default: `rules.d` beside the settings file."""


class KeepSettings(_Part):
    """How long what is stored is kept: `36h`, `30d`, `8w`, `2y`, `forever`."""

    tape: Kept = 30 * DAY_S
    """Every event of a trading day; a day that is older than this is one file less."""
    bars: Kept = 2 * 365 * DAY_S
    """Bars shorter than a day, of trades and Schwab's, and where there were holes in them."""
    daily_bars: Kept = None
    alerts: Kept = None
    """Alerts with their deliveries and the transitions they are of."""
    transitions: Kept = 365 * DAY_S
    """Changes of a rule's state that were no alert."""
    rules: Kept = 2 * 365 * DAY_S
    """Former texts of the rules; those in force while a tape that is kept was recorded stay."""
    audit: Kept = 365 * DAY_S
    """The audit, and silences that are over."""


def kept_instead(keep: KeepSettings, given: Sequence[str]) -> KeepSettings:
    """`keep` with what is given in place of it, each `tape=10d`. Raises ValueError."""
    found: dict[str, int | None] = {}
    for one in given:
        name, _, text = one.partition("=")
        if name not in KeepSettings.model_fields:
            raise ValueError(f"{name!r} is none of {', '.join(KeepSettings.model_fields)}")
        found[name] = kept_s(text)
    return keep.model_copy(update=found)


class StoreSettings(_Part):
    """Where state is kept, how much of it and how long."""

    path: Path | None = None
    """Default: $STATE_DIRECTORY, $XDG_STATE_HOME/tradeassist, or /var/lib/tradeassist for root."""
    tape: Literal["every", "1s", "bars"] = "every"
    """What of the ticks goes on the tape: every one; of each symbol the last one of each second; or none, so that
    one-minute bars are all that is left of prices. Only a tape with every tick can be replayed exactly."""
    keep: KeepSettings = KeepSettings()
    min_free: Size | None = None
    """Room that the tape leaves on the disk, e.g. 2GB: below twice as much it is thinned to `1s`, below this it stops,
    and alerts go on; 0 turns that off. Default: 1 GB, on a disk of less than 20 GB a
    twentieth of it."""


class SchwabSettings(_Part):
    """How to reach Schwab. `base_url` points anywhere, e.g. at the simulator."""

    base_url: str = "https://api.schwabapi.com"
    app_key: SecretStr = SecretStr("")
    app_secret: SecretStr = SecretStr("")
    token_file: Path | None = None
    """Default: `token.json` in the store's directory."""
    delayed: Literal["mark", "unknown"] = "mark"
    """What becomes of data that Schwab marks as delayed: alerts say so, or rules take its prices for unknown."""
    callback_url: str = "https://127.0.0.1:8182"
    """The app's callback URL, exactly as it stands in Schwab's developer portal."""
    calls_per_s: Annotated[float, Field(gt=0, le=20)] = 2.0
    """How many REST calls are made in a second at most, over a while. Schwab names no limit, and may answer 429."""


class HistorySettings(_Part):
    """What is done by itself to keep one-minute bars whole."""

    fill_days: Annotated[int, Field(ge=0, le=34)] = 10
    """How many trading days back missing minutes are asked of Schwab after a start or a gap; 0 turns that off. Schwab
    keeps minutes for some 34 trading days."""
    charts: bool = True
    """Whether Schwab's own minutes (CHART_EQUITY, CHART_FUTURES) are subscribed to, stored, and compared with ours."""


class ChannelSettings(_Part):
    """A place alerts go to: `sound://`, `desktop://`, `slack://bot/#channel`, or any Apprise URL."""

    url: SecretStr
    ttl: Duration | None = None
    """Seconds after which an alert that could not be delivered is noise and expires; default: 30 for sound and desktop,
    900 for the others."""


class ApiSettings(_Part):
    """The local API: who may connect is who may open the socket (mode 0600)."""

    socket: Path | Literal["off"] | None = None
    """Default: $RUNTIME_DIRECTORY/api.sock; `api.sock` in the store's directory when that is given; or
    /run/tradeassist/api.sock for root, $XDG_RUNTIME_DIR/tradeassist/api.sock for others."""
    listen: str | None = None
    """HOST:PORT of this machine, e.g. 127.0.0.1:8200, to serve TCP as well; every local user can then connect."""

    @field_validator("listen")
    @classmethod
    def _is_loopback(cls, value: str | None) -> str | None:
        if value is not None:
            loopback_address(value)
        return value


class LogSettings(_Part):
    """What is logged and how; `auto` is colours on a terminal and JSON elsewhere."""

    format: Literal["auto", "json", "console"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(BaseSettings):
    """All settings."""

    model_config = SettingsConfigDict(
        env_prefix="TRADEASSIST_", env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )

    clock: Literal["wall", "market"] = "wall"
    """`market`: time is what the feed says (a simulator or a recorded session sets it)."""
    rules: RulesSettings = RulesSettings()
    store: StoreSettings = StoreSettings()
    schwab: SchwabSettings = SchwabSettings()
    history: HistorySettings = HistorySettings()
    channels: dict[str, ChannelSettings] = Field(default_factory=dict)
    notify: tuple[str, ...] | None = None
    """Channels of a rule that names none; default: all."""
    log: LogSettings = LogSettings()
    api: ApiSettings = ApiSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, whose values come in as init arguments."""
        return env_settings, init_settings

    @property
    def default_channels(self) -> tuple[str, ...]:
        return tuple(self.channels) if self.notify is None else self.notify


def load_settings(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of `path` (default: where they live), completed: every path in the result is set.

    Raises ConfigError or yaml12.Problems, each saying where and what to do.
    """
    environment = os.environ if environment is None else environment
    file = path or default_path(environment)
    if path is not None and not path.exists():
        raise ConfigError(f"no settings file at {path}", hint="name an existing file with --config")
    values = _with_secrets(read_settings_file(file), environment)
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise _problems(file, error) from None
    except SettingsError as error:
        raise ConfigError(str(error), hint="a TRADEASSIST_ variable for a whole section holds JSON") from None
    unknown = set(settings.default_channels) - set(settings.channels)
    if unknown:
        raise ConfigError(f"notify names no channel of this file: {', '.join(sorted(unknown))}",
                          hint="add it under channels, or take it out of notify")  # fmt: skip
    return _complete(settings, file, environment)


def _with_secrets(values: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Fill in secrets: a credential file is named like its key (schwab.app_key, channels.slack.url).

    systemd puts a directory credential's own name before those of its files: tradeassist_schwab.app_key.
    """
    credentials = environment.get("CREDENTIALS_DIRECTORY")
    try:
        for file in sorted(Path(credentials).iterdir()) if credentials else []:
            keys = file.name.removeprefix("tradeassist_").split(".")
            if keys[0] in ("schwab", "channels") and len(keys) > 1:
                _put(values, keys, file.read_text("utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the credentials in {credentials}: {type(error).__name__}",
                          hint="each must be a readable UTF-8 file") from None  # fmt: skip
    for key, name in FIELD_NAMES.items():
        if environment.get(name):
            _put(values, ["schwab", key], environment[name])
    return values


def _put(values: dict[str, Any], keys: list[str], secret: str) -> None:
    """Set one key of nested maps; what stands there and is no map is left for the model to refuse."""
    target: Any = values
    for key in keys[:-1]:
        target = target.setdefault(key, {}) if isinstance(target, dict) else None
    if isinstance(target, dict):
        target[keys[-1]] = secret


def _complete(settings: Settings, file: Path, environment: Mapping[str, str]) -> Settings:
    """Put in the paths that depend on where we run; relative ones are relative to the settings file."""
    state = absolute(settings.store.path, file) or default_state(environment)
    rules = absolute(settings.rules.dir, file) or file.parent / "rules.d"
    socket = settings.api.socket
    if socket is None:
        socket = default_socket(absolute(settings.store.path, file), environment)
    elif socket != OFF:
        socket = absolute(Path(socket), file)
    return settings.model_copy(update={
        "rules": settings.rules.model_copy(update={"dir": rules}),
        "store": settings.store.model_copy(update={"path": state}),
        "schwab": settings.schwab.model_copy(
            update={"token_file": absolute(settings.schwab.token_file, file) or state / "token.json"}),
        "api": settings.api.model_copy(update={"socket": socket}),
    })  # fmt: skip


def _problems(file: Path, error: ValidationError) -> Problems:
    """pydantic's errors at their places in the file, never with a value (it may be a secret)."""
    node = compose(file.read_text("utf-8"), str(file)) if file.exists() else compose("{}", str(file))
    found = []
    for item in error.errors(include_input=False, include_url=False):
        location, message, hint = item["loc"], item["msg"].lower(), ""
        if item["type"] == "extra_forbidden":
            message, hint = "there is no such setting", did_you_mean(str(location[-1]), _known_beside(location))
        path = ".".join(map(str, location))
        found.append(Problem(place_of(node, location), path, message, hint or "see the README's settings"))
    return Problems(found)


def _known_beside(location: tuple[str | int, ...]) -> Collection[str]:
    """The keys that may stand where this one does."""
    known: Any = Settings
    for step in location[:-1]:
        is_name = known == dict[str, ChannelSettings]
        known = ChannelSettings if is_name else known.model_fields[step].annotation
    return known.model_fields.keys() if hasattr(known, "model_fields") else ()
