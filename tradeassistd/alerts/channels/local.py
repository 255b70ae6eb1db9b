"""What the channels of this machine (sound, desktop) share: the options of their URLs, texts of others on one line."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from tradeassistd.base.errors import ConfigError

TEXT_MAX = 200


def options(name: str, url: str, *allowed: str) -> dict[str, str]:
    """The query of `schema://?key=value`. Raises ConfigError for anything else the URL holds."""
    parts = urlsplit(url.strip())
    found = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = [key for key in found if key not in allowed]
    if parts.netloc or parts.path.strip("/") or parts.fragment or unknown:
        form = f"{parts.scheme}://" + (f"?{'&'.join(f'{key}=…' for key in allowed)}" if allowed else "")
        raise ConfigError(
            f"channel {name}: its URL holds something that a {parts.scheme} channel does not know",
            hint=f"Write {form}" + (", where each part may be left out" if allowed else ", which has no options"),
        )
    return found


def one_line(text: str) -> str:
    """What another program said, on one line and not too long."""
    text = " ".join(text.split())
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}..."
