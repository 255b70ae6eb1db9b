"""Any Apprise URL as a channel; the only module that knows Apprise.

Apprise is imported when a channel is made, and of its 180 plugins only the one a URL needs (17 MB and 150 ms less).
Each channel sends in its own thread: Apprise's shared pool let six slow sends hold up a quick one for seconds.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import re
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import structlog

from tradeassistd.alerts.channels.channel import UnsureError
from tradeassistd.alerts.channels.rate import TokenBucket
from tradeassistd.alerts.channels.secrets import SecretMask
from tradeassistd.alerts.channels.slack import SlackAnswers, error_of
from tradeassistd.alerts.message import Message
from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import ConfigError, PermanentError, TransientError

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 4.0
BURST = 3
"""Messages sent at once before a plugin's own rate (Slack: one per 1.2 s) counts."""
RATE_LIMITED_PAUSE_S = 30.0
"""After HTTP 429. Apprise does not pass Retry-After on; Slack's asks for 30 s at most."""

# Plugins by URL schema: module and class below apprise.plugins. Any other schema loads all of them.
_PLUGINS = {
    "json": "custom_json.NotifyJSON", "jsons": "custom_json.NotifyJSON",
    "form": "custom_form.NotifyForm", "forms": "custom_form.NotifyForm",
    "xml": "custom_xml.NotifyXML", "xmls": "custom_xml.NotifyXML",
    "slack": "slack.NotifySlack", "discord": "discord.NotifyDiscord", "tgram": "telegram.NotifyTelegram",
    "ntfy": "ntfy.NotifyNtfy", "ntfys": "ntfy.NotifyNtfy", "pover": "pushover.NotifyPushover",
    "gotify": "gotify.NotifyGotify", "gotifys": "gotify.NotifyGotify",
    "mmost": "mattermost.NotifyMattermost", "mmosts": "mattermost.NotifyMattermost",
    "pagerduty": "pagerduty.NotifyPagerDuty", "pbul": "pushbullet.NotifyPushBullet",
    "signal": "signal_api.NotifySignalAPI", "signals": "signal_api.NotifySignalAPI",
}  # fmt: skip
# Addresses as the services themselves give them out, which Apprise understands once the plugin is there.
_NATIVE_HOSTS = {"hooks.slack.com": "slack", "discord.com": "discord"}
_TYPES = {"info": "INFO", "notice": "INFO", "warning": "WARNING", "critical": "FAILURE"}
_STATUS = re.compile(r"error=(\d{3})\b")
_HOPELESS = frozenset({400, 401, 403, 404, 405, 410, 413, 422})
_GATEWAY = frozenset({502, 504})  # somebody in between answered; nobody knows what the service behind it did
_MARKDOWN_SPECIAL = re.compile(r"([<>\[\]])")

_log = structlog.get_logger(__name__)


class AppriseChannel:
    """One Apprise URL. `send` tries once; trying again is the dispatcher's business."""

    def __init__(self, name: str, url: str, *, clock: Clock) -> None:
        """Raises ConfigError when Apprise cannot use the URL."""
        self.name = name
        self._mask = SecretMask(url)
        _keep_secrets_out_of_logs()
        library = importlib.import_module("apprise")
        _load_plugin(url)
        # Limits on the whole send come from the dispatcher and from the two socket timeouts below.
        asset = library.AppriseAsset(service_timeout=0)
        plugin = library.Apprise.instantiate(url, asset=asset)
        if plugin is None:
            raise ConfigError(
                f"channel {name}: its URL is not one that Apprise can use",
                hint="Compare it with Apprise's documentation of that service",
            )
        self._slack = SlackAnswers() if str(plugin.secure_protocol) == "slack" else None
        if self._slack is not None:
            plugin.logger = self._slack.logger
        interval_s = float(plugin.request_rate_per_sec)  # Apprise's name says rate, but these are seconds
        _tune(plugin)
        if len(plugin) > 1:
            _log.warning("channel.several_targets", channel=name, hint="Give each target a channel of its own")
        self._bucket = TokenBucket(interval_s, BURST, clock)
        self._library = library
        self._apprise = library.Apprise(asset=asset)
        self._apprise.add(plugin)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"channel-{name}")
        self._sending: Future[TransientError | PermanentError | None] | None = None

    async def send(self, message: Message) -> None:
        """Raises as Channel.send says."""
        if self._sending is not None and not self._sending.done():
            raise TransientError("the message before it is still on its way")
        await self._bucket.take()
        self._sending = self._thread.submit(self._notify, message)
        problem = await asyncio.wrap_future(self._sending)
        if problem is not None:
            raise problem

    async def close(self) -> None:
        """A send under way ends by itself, within the socket timeouts."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _notify(self, message: Message) -> TransientError | PermanentError | None:
        """What went wrong, without secrets; None when the message was taken. Runs in the channel's thread."""
        formats, types = self._library.NotifyFormat, self._library.NotifyType
        result = self._apprise.notify(
            body=_MARKDOWN_SPECIAL.sub(r"\\\1", message.body) if self._slack else message.body,
            title=message.title,
            body_format=formats.MARKDOWN if self._slack else formats.TEXT,
            notify_type=getattr(types, _TYPES.get(message.severity, "WARNING")),
        )
        # Taken in any case, or it would be told of the next attempt.
        word = self._slack.take() if self._slack else ""
        if result:
            return None
        lines = [str(entry.message) for entry in result.logs()]
        problem = self._mask.clean("; ".join(lines) or f"Apprise says {result.status}")
        # Slack's own word says more than the status, which may be 200.
        known = error_of(word, RATE_LIMITED_PAUSE_S) if word else None
        return known or _error_of(f"Slack says {word}; {problem}" if word else problem)


def _error_of(problem: str) -> TransientError | PermanentError:
    found = _STATUS.search(problem)
    if found is None:
        # No answer: refused, cut off or too slow, and Apprise does not tell which.
        return UnsureError(problem, hint="See that this machine reaches the service: address, DNS, proxy, firewall")
    status = int(found.group(1))
    if status in _HOPELESS:
        return PermanentError(problem, hint="Check the channel's URL, and that its token is still valid")
    if status in _GATEWAY:
        return UnsureError(problem)
    return TransientError(problem, retry_after_s=RATE_LIMITED_PAUSE_S if status == 429 else None)


def _tune(plugin: Any) -> None:
    plugin.request_rate_per_sec = 0  # ours is the TokenBucket; Apprise's sleeps and does not see other threads
    plugin.retry = 0  # it knows no back-off and no Retry-After
    plugin.socket_connect_timeout = CONNECT_TIMEOUT_S
    plugin.socket_read_timeout = READ_TIMEOUT_S
    if hasattr(plugin, "include_image"):
        plugin.include_image = False  # a picture fetched from a third party's server
    if hasattr(plugin, "include_footer"):
        plugin.include_footer = False


def _load_plugin(url: str) -> None:
    """Make Apprise know the URL's schema, if possible without importing every plugin it has."""
    manager = importlib.import_module("apprise.manager_plugins").NotificationManager()
    parts = urlsplit(url)
    schema = parts.scheme.lower()
    if schema == "https":
        schema = _NATIVE_HOSTS.get(parts.hostname or "", schema)
    path = _PLUGINS.get(schema)
    # `_loaded` has no public name (Apprise 2.2): it holds the folders whose plugins are loaded. Without it, or for a
    # schema not listed above, load them all, which is slower and larger but the same otherwise.
    loaded = getattr(manager, "_loaded", None)
    if path is None or not isinstance(loaded, set):
        manager.unload_modules()
        with warnings.catch_warnings():  # some of them import modules that Python is about to drop
            warnings.simplefilter("ignore", DeprecationWarning)
            manager.load_modules()
        return
    if not manager.module_path or manager.module_path not in loaded:
        manager.unload_modules(disable_native=True)
        loaded.add(manager.module_path)
    if schema not in manager:
        module, _, name = path.partition(".")
        manager.add(getattr(importlib.import_module(f"apprise.plugins.{module}"), name))


def _keep_secrets_out_of_logs() -> None:
    """At DEBUG both libraries log whole URLs and payloads; what Apprise warns of reaches us in its results."""
    apprise = logging.getLogger("apprise")
    apprise.setLevel(logging.WARNING)  # not above, or the results hold no lines
    apprise.propagate = False
    if not apprise.handlers:
        apprise.addHandler(logging.NullHandler())
    for name in ("urllib3", "requests"):
        logging.getLogger(name).setLevel(logging.ERROR)
