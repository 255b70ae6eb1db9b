"""`tradeassist silence`, `snooze` and `silences`: nobody is told for a while."""

from __future__ import annotations

from typing import Annotated

import typer

from tradeassistd.cli.options import AsJson, Config, socket_of

silence_app = typer.Typer(rich_markup_mode=None)

For = Annotated[str, typer.Option("--for", help="How long: 90s, 30m or 2h.", show_default=False)]
Until = Annotated[str, typer.Option(
    help="Or until when: 2026-12-18 (the end of that trading day), '2026-12-18 15:00 America/New_York', or 15:30 in "
    "New York.", show_default=False,
)]  # fmt: skip
Reason = Annotated[str, typer.Option(help="Why, for whoever wonders.")]


@silence_app.command()
def silence(
    rule: Annotated[list[str] | None, typer.Option(help="Glob of rule ids, e.g. 'es-*'; may be repeated.")] = None,
    symbol: Annotated[list[str] | None, typer.Option(help="Glob of symbols, e.g. '/E*'; may be repeated.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Glob of tags; may be repeated.")] = None,
    for_: For = "",
    until: Until = "",
    reason: Reason = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Nobody is told of what fits every option given, for a while. What still fires when it ends is told then."""
    from tradeassistd.cli.silence import silence as run

    if not (rule or symbol or tag):
        raise typer.BadParameter("name a --rule, a --symbol or a --tag; '*' fits all")
    raise typer.Exit(
        run(socket_of(config), rule or (), symbol or (), tag or (), for_s=_for_s(for_, until), until=until,
            reason=reason, as_json=as_json)
    )  # fmt: skip


@silence_app.command()
def snooze(
    rule: Annotated[str, typer.Argument(help="Id of the rule.")],
    symbol: Annotated[str, typer.Argument(help="Only of this symbol; all when left out.")] = "",
    for_: For = "",
    until: Until = "",
    reason: Reason = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Nobody is told of one rule for a while: a silence of that rule, or of it on one symbol."""
    from tradeassistd.cli.silence import silence as run

    if any(sign in rule + symbol for sign in "*?["):
        raise typer.BadParameter("snooze takes one rule; `tradeassist silence` takes globs")

    raise typer.Exit(
        run(socket_of(config), (rule,), (symbol,) if symbol else (), (), for_s=_for_s(for_, until), until=until,
            reason=reason, as_json=as_json)
    )  # fmt: skip


@silence_app.command()
def silences(
    end: Annotated[
        int, typer.Option("--end", metavar="ID", help="End the silence of this number now.", show_default=False)
    ] = 0,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """The silences in force, of `_silences.yaml` and said ones. Exit code 69 when the daemon is not running."""
    from tradeassistd.cli import silence as commands

    socket = socket_of(config)
    raise typer.Exit(commands.end(socket, end, as_json=as_json) if end else commands.show(socket, as_json=as_json))


def _for_s(for_: str, until: str) -> int:
    """The seconds of --for, 0 when --until is given instead. Raises BadParameter unless one of them is."""
    from tradeassistd.base.yaml12 import ValueProblem, duration_s

    if for_ and until:
        raise typer.BadParameter("say --for or --until, not both")
    if not for_ and not until:
        raise typer.BadParameter("say how long with --for, or until when with --until")
    try:
        length_s = duration_s(for_) if for_ else 0
    except ValueProblem as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None
    if for_ and not length_s:
        raise typer.BadParameter(f"{for_} is no time at all", param_hint="--for")
    return length_s
