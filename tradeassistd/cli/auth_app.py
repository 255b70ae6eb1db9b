"""`tradeassist auth`: logging in to Schwab."""

from __future__ import annotations

from typing import Annotated

import typer

from tradeassistd.cli.options import AsJson, Config

auth_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Log in to Schwab.")


@auth_app.command("login")
def auth_login(
    browser: Annotated[bool | None, typer.Option(
        "--browser/--no-browser", show_default=False,
        help="Open a browser here and take its redirect (the callback URL must be https://127.0.0.1:PORT), or print "
        "the address and wait for the redirect to be pasted; default: a browser where there is one, never over SSH.",
    )] = None,
    config: Config = None,
) -> None:  # fmt: skip
    """Log in to Schwab and write the token file; Schwab wants this every seven days. A running daemon takes it up."""
    from tradeassistd.cli.auth import login

    raise typer.Exit(login(config, browser=browser))


@auth_app.command("status")
def auth_status(config: Config = None, as_json: AsJson = False) -> None:
    """How old the login to Schwab is and when it ends. Exit code 1 when somebody has to log in."""
    from tradeassistd.cli.auth import show_status

    raise typer.Exit(show_status(config, as_json=as_json))
