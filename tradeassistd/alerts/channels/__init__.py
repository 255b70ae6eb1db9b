"""Places an alert can be sent to."""

from __future__ import annotations

import os

from tradeassistd.alerts.channels.channel import Channel, UnsureError
from tradeassistd.base.clock import Clock

__all__ = ["Channel", "UnsureError", "default_ttl_s", "open_channel"]

TTL_S = 900
LOCAL_TTL_S = 30
"""A sound or a popup is for someone who sits there now; later it is noise."""


def open_channel(name: str, url: str, *, clock: Clock) -> Channel:
    """The channel for a URL of the settings. Takes a moment (imports): call it before the daemon is ready.

    `sound://`, `desktop://`, and for the rest any Apprise URL; `slack://bot/#channel` takes its token from the
    environment (see slack.py). Raises ConfigError, which names the channel and never the URL, when nothing can be sent
    there.
    """
    # Imported here, so that commands which send nothing start quickly.
    match _schema(url):
        case "sound":
            from tradeassistd.alerts.channels.sound import SoundChannel

            return SoundChannel(name, url, clock=clock)
        case "desktop":
            from tradeassistd.alerts.channels.desktop import DesktopChannel

            return DesktopChannel(name, url, clock=clock)
        case _:
            from tradeassistd.alerts.channels.apprise import AppriseChannel
            from tradeassistd.alerts.channels.slack import with_bot_token

            return AppriseChannel(name, with_bot_token(name, url, os.environ), clock=clock)


def default_ttl_s(url: str) -> int:
    """Market seconds after which a delivery to that URL is noise, where the settings do not say."""
    return LOCAL_TTL_S if _schema(url) in ("sound", "desktop") else TTL_S


def _schema(url: str) -> str:
    return url.partition("://")[0].strip().lower()
