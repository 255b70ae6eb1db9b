"""`tradeassist auth`: log in to Schwab, and say how long that lasts.

A login needs a human with a browser, anywhere: Schwab sends the browser to the app's callback URL, and the address it
ends up at holds a code that is good for about 30 seconds. Over SSH that address is pasted; where there is a browser, a
small HTTPS server on this machine takes it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import webbrowser
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import typer

from tradeassistd.base.clock import Clock, WallClock
from tradeassistd.base.config import SchwabSettings, Settings, load_settings
from tradeassistd.base.errors import ConfigError, FatalError, PermanentError, TradeAssistError
from tradeassistd.base.instant import US_PER_S, iso
from tradeassistd.cli import exit_codes
from tradeassistd.feed.countdown import day_and_minute, span_text
from tradeassistd.feed.token import REFRESH_TOKEN_S, Token, TokenFile
from tradeassistd.market.session import NEW_YORK
from tradeassistd.store import queries
from tradeassistd.store.directory import make_directory

if TYPE_CHECKING:
    from tradeassistd.feed.client import AuthContext

BROWSER_WITHIN_S = 300.0
SCHWAB_WITHIN_S = 30.0
PASTES_MAX = 3
"""How often an address without a code may be pasted before the login is given up."""


def login(config: Path | None, *, browser: bool | None) -> int:
    """Log in and write the token file. Raises ConfigError, PermanentError, TransientError.

    `browser`: open one here and wait for its redirect; None: where there is one.
    """
    settings = load_settings(config)
    schwab = settings.schwab
    if not schwab.app_key.get_secret_value() or not schwab.app_secret.get_secret_value():
        raise ConfigError("schwab.app_key and schwab.app_secret are not set",
                          hint="put them in the settings, a credential or SCHWAB_CLIENT_ID/_SECRET")  # fmt: skip
    from tradeassistd.feed.client import begin_login

    context = begin_login(schwab.app_key.get_secret_value(), schwab.callback_url, schwab.base_url)
    clock = WallClock()
    if _has_browser(os.environ) if browser is None else browser:
        received_url = asyncio.run(_from_browser(context, clock))
    else:
        received_url = _pasted(context)
    asyncio.run(_exchange(schwab, context, received_url, clock))
    ends_us = clock.now_us() + REFRESH_TOKEN_S * US_PER_S
    typer.echo(f"logged in until {day_and_minute(ends_us)}; the token is in {schwab.token_file}")
    try:
        if queries.daemon_running(_state(settings)):
            typer.echo("the running daemon takes it up by itself")
    except FatalError as error:
        typer.echo(f"whether a daemon runs, and may read it, is not known: {error.message}", err=True)
    return exit_codes.YES


def show_status(config: Path | None, *, as_json: bool) -> int:
    """Print how old the login is and when it ends; exit code 1 when somebody has to log in."""
    settings = load_settings(config)
    document = status_of(settings, WallClock())
    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        typer.echo("\n".join(_lines(document)))
    return exit_codes.NO if document["needed"] else exit_codes.YES


def status_of(settings: Settings, clock: Clock) -> dict[str, Any]:
    """The login as the token file and the daemon have it; no secrets. `needed` says why, or is empty."""
    assert settings.schwab.token_file is not None  # load_settings completes it
    file = TokenFile(settings.schwab.token_file)
    state = _state(settings)
    running = bool(queries.daemon_running(state))
    said = _daemons_word(state)
    document: dict[str, Any] = {"needed": "", "logged_in": "", "age_s": None, "ends": "", "ends_in_s": None,
                                "refreshed": "", "last_error": "", "token_file": str(file.path),
                                "daemon": running}  # fmt: skip
    try:
        token = file.token()
    except ConfigError as error:
        return document | {"needed": error.message}
    now_s = clock.now_us() // US_PER_S
    document |= {"logged_in": iso(token.created_s * US_PER_S), "age_s": now_s - token.created_s}
    of_this_login = said.get("created_s") == token.created_s
    if settings.clock == "market":
        if of_this_login:  # the seven days count in the market's time, which only the daemon knows
            document |= {key: said[key] for key in ("logged_in", "ends", "ends_in_s")}
            document["age_s"] = None if said["ends_in_s"] is None else REFRESH_TOKEN_S - said["ends_in_s"]
        else:
            document["age_s"] = None
    else:
        document |= _ends(token, now_s)
    if of_this_login:
        document |= {key: said[key] for key in ("needed", "refreshed", "last_error")}
    if document["ends_in_s"] is not None and document["ends_in_s"] <= 0 and not document["needed"]:
        document["needed"] = "the login has ended: it lasts seven days"
    return document


def _ends(token: Token, now_s: int) -> dict[str, Any]:
    ends_s = token.created_s + REFRESH_TOKEN_S
    return {"ends": iso(ends_s * US_PER_S), "ends_in_s": ends_s - now_s}


def _lines(document: Mapping[str, Any]) -> list[str]:
    lines = [f"token     {document['token_file']}"]
    if document["logged_in"]:
        age = "" if document["age_s"] is None else f", {span_text(document['age_s'])} ago"
        lines.append(f"logged in {_local(document['logged_in'])}{age}")
    if document["ends"]:
        left_s = document["ends_in_s"]
        when = f"in {span_text(left_s)}" if left_s > 0 else f"{span_text(-left_s)} ago"
        lines.append(f"{'ends' if left_s > 0 else 'ended':<9} {_local(document['ends'])}, {when}")
    lines.append(f"refreshed {_local(document['refreshed']) if document['refreshed'] else 'not by the daemon yet'}")
    if document["last_error"]:
        lines.append(f"trouble   {document['last_error']}")
    if document["needed"]:
        lines.append(f"LOGIN NEEDED: {document['needed']}. Run: tradeassist auth login")
    elif not document["daemon"]:
        lines.append("the daemon is not running: nobody keeps the token fresh, which its next start makes up for")
    return lines


def _local(text: str) -> str:
    """An ISO instant in New York and, where that differs, in the words of this machine's own zone."""
    at = datetime.fromisoformat(text)
    new_york, here = at.astimezone(NEW_YORK), at.astimezone()
    said = f"{new_york:%a %Y-%m-%d %H:%M} New York"
    return said if new_york.utcoffset() == here.utcoffset() else f"{said} ({here:%a %H:%M %Z} here)"


def _daemons_word(state: Path) -> dict[str, Any]:
    """What the daemon last said of the login; empty when it never did."""
    try:
        return dict(queries.status(state).get("login") or {})
    except TradeAssistError:
        return {}  # no store yet, or none that can be read: the token file speaks for itself


def _state(settings: Settings) -> Path:
    assert settings.store.path is not None  # load_settings completes it
    return settings.store.path


# --- the redirect ----------------------------------------------------------------------------------------------------


def checked(received_url: str, context: AuthContext) -> str:
    """The pasted address, cleaned. Raises PermanentError when it is not the one that ends this login."""
    url = received_url.strip().strip("'\"<>").partition("#")[0]
    try:
        query = parse_qs(urlsplit(url).query)
    except ValueError:  # e.g. half a bracket: urlsplit looks for an IPv6 address there
        query = {}
    if "error" in query:
        raise PermanentError(f"Schwab said no: {query['error'][0][:100]}", hint="begin again")
    if not query.get("code", [""])[0]:
        # Without a code Authlib would ask for a token of the application alone (schwab-py issues 150, 224).
        hint = "copy all of it from the browser's address bar after Schwab has sent you back"
        raise PermanentError("there is no code= in that address", hint=hint)
    if query.get("state") != [context.state]:
        raise PermanentError("that address belongs to another login: its state= is not the one of this login",
                             hint="open the address above, and paste the one that it leads to")  # fmt: skip
    return url


def _pasted(context: AuthContext) -> str:
    typer.echo(
        "Open this address in a browser, on any machine, and log in to Schwab:\n\n"
        f"  {context.authorization_url}\n\n"
        f"The browser ends up at {context.callback_url}/?code=..., which need not load. Copy that whole address from\n"
        "the address bar and paste it here at once: its code is good for about 30 seconds.\n"
    )
    for attempt in range(1, PASTES_MAX + 1):
        typer.echo("address: ", nl=False)
        line = sys.stdin.readline()
        if not line:
            raise PermanentError("no address was pasted", hint="begin again")
        try:
            return checked(line, context)
        except PermanentError as error:
            if attempt == PASTES_MAX:
                raise
            typer.echo(f"tradeassist: {error}", err=True)
    raise AssertionError("the last attempt raises")


async def _from_browser(context: AuthContext, clock: Clock) -> str:
    from tradeassistd.feed.callback import listening

    async with listening(context.callback_url, context.state, clock) as callback:
        typer.echo(
            f"Opening the browser. If none appears, open this address on this machine:\n\n  {context.authorization_url}"
            f"\n\nWhen Schwab has sent you back, the browser warns of the certificate of {context.callback_url}: it\n"
            "is this program's own, made for this login. Go on at once; the code is good for about 30 seconds."
        )
        await asyncio.to_thread(webbrowser.open, context.authorization_url)
        try:
            async with clock.deadline(BROWSER_WITHIN_S):
                return checked(await callback.received_url(), context)
        except TimeoutError:
            raise PermanentError(f"Schwab sent nobody back within {BROWSER_WITHIN_S:.0f} s",
                                 hint="begin again, or paste the address: --no-browser") from None  # fmt: skip


def _has_browser(environment: Mapping[str, str]) -> bool:
    """Whether a browser opened here is seen by whoever types this."""
    if "SSH_CONNECTION" in environment or not sys.stdin.isatty():
        return False
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


async def _exchange(schwab: SchwabSettings, context: AuthContext, received_url: str, clock: Clock) -> None:
    """Code for tokens, into the file; then look whether they open what the daemon needs."""
    from tradeassistd.feed.client import check_products, finish_login, open_client
    from tradeassistd.feed.refusals import Unauthorized

    assert schwab.token_file is not None  # load_settings completes it
    key, secret = schwab.app_key.get_secret_value(), schwab.app_secret.get_secret_value()
    make_directory(schwab.token_file.parent)
    file = TokenFile(schwab.token_file)
    try:
        async with clock.deadline(SCHWAB_WITHIN_S):
            tokens = await finish_login(key, secret, context, received_url, schwab.base_url)
            file.write({"creation_timestamp": clock.now_us() // US_PER_S, "token": tokens})
            client = open_client(key, secret, file, schwab.base_url)
            try:
                await check_products(client)
            finally:
                await client.close_async_session()
    except Unauthorized as error:
        typer.echo(f"tradeassist: the token is stored, but {error}", err=True)
    except TimeoutError:
        raise PermanentError(f"Schwab did not answer within {SCHWAB_WITHIN_S:.0f} s", hint="begin again") from None
    except OSError as error:
        raise PermanentError(f"cannot write {file.path}: {error.strerror}",
                             hint="log in as the daemon's user, or as root") from error  # fmt: skip
