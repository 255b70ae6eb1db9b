"""`tradeassist rules`: the commands that work with rule files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tradeassistd.cli.options import AsJson, Config, socket_of

rules_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Work with rule files.")


@rules_app.command("check")
def rules_check(
    directory: Annotated[Path | None, typer.Argument(help="Rules directory; default: that of the settings.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
    output: Annotated[str, typer.Option("--format", help="text, json, or github: annotations of a pull request.")] = "",
    state: Annotated[Path | None, typer.Option(
        help="State directory, only looked at: which `fire: once` rules are spent; default: that of the settings.",
        show_default=False,
    )] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """All errors and warnings of all rule files. Exit code 1 when there is an error; with --strict, or a warning.

    Channels in `notify`, which rules are spent, and how long bars are kept are looked up where there are settings:
    with --config, or without DIRECTORY.
    """
    from tradeassistd.cli.rules import FORMATS, check

    output = _format(output, FORMATS, as_json=as_json)
    channels: frozenset[str] | None = None
    store, market_clock, bars_kept_s = state, False, None
    if directory is None or config is not None:
        from tradeassistd.base.config import load_settings

        settings = load_settings(config)
        directory, channels = directory or settings.rules.dir, frozenset(settings.channels)
        store, market_clock = state or settings.store.path, settings.clock == "market"
        bars_kept_s = settings.store.keep.bars
    assert directory is not None  # load_settings completes it
    raise typer.Exit(
        check(directory, output=output, strict=strict, channels=channels, state=store, state_asked=state is not None,
              market_clock=market_clock, bars_kept_s=bars_kept_s)
    )  # fmt: skip


@rules_app.command("test")
def rules_test(
    paths: Annotated[list[Path] | None, typer.Argument(
        metavar="PATH", help="Test files, or directories of them; default: tests/ in the rules directory.",
    )] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the results as JUnit XML here.")] = None,
    coverage: Annotated[bool, typer.Option("--coverage", help="List the conditions that no test made true.")] = False,
    output: Annotated[str, typer.Option("--format", help="text, json, or github: annotations of a pull request.")] = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Run the unit tests of rules. Exit code 1 when one fails, with what did happen, or when there are none."""
    from tradeassistd.cli.rules_test import FORMATS, run

    output = _format(output, FORMATS, as_json=as_json)
    if not paths:
        from tradeassistd.base.config import load_settings

        directory = load_settings(config).rules.dir
        assert directory is not None  # load_settings completes it
        paths = [directory / "tests"]
    raise typer.Exit(run(paths, junit=junit, coverage=coverage, output=output))


@rules_app.command("schema")
def rules_schema(
    kind: Annotated[str, typer.Option(
        "--for", help="Which files: rules, defaults, watchlists, instruments, routes, silences or tests.",
    )] = "rules",
) -> None:  # fmt: skip
    """The JSON Schema of rule files, with which editors complete keys and mark mistakes."""
    from tradeassistd.cli.rules_schema import show

    raise typer.Exit(show(kind))


@rules_app.command("functions")
def rules_functions(
    name: Annotated[str, typer.Argument(help="Only this function, with all there is to know of it.")] = "",
    check: Annotated[bool, typer.Option(
        "--check", help="Call the functions of your own packages: each with the same bars twice, and with odd ones.",
    )] = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Functions a rule may use, also those of packages of your own (entry points `tradeassistd.functions`).

    Exit code 1 when an installed one cannot be used, or --check finds it unsound.
    """
    from tradeassistd.cli.rules_functions import show

    raise typer.Exit(show(name, try_them=check, as_json=as_json))


@rules_app.command("list")
def rules_list(config: Config = None, as_json: AsJson = False) -> None:
    """Every rule in force with its states. Exit code 69 when the daemon is not running."""
    from tradeassistd.cli.rules_live import show_list

    raise typer.Exit(show_list(socket_of(config), as_json=as_json))


@rules_app.command("show")
def rules_show(
    rule_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the rule.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """One rule with the present value of every part of its condition, and how far it is from firing."""
    from tradeassistd.cli.rules_live import show_rule

    raise typer.Exit(show_rule(socket_of(config), rule_id, as_json=as_json))


@rules_app.command("reload")
def rules_reload(
    wait: Annotated[bool, typer.Option(help="Wait until the new rules are in force, or rejected.")] = True,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="Accept a directory without rules.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Have the daemon read its rules directory now. Exit code 1 when it rejected a file."""
    from tradeassistd.cli.rules_live import reload

    raise typer.Exit(reload(socket_of(config), wait=wait, allow_empty=allow_empty, as_json=as_json))


def _format(asked: str, known: tuple[str, ...], *, as_json: bool) -> str:
    output = asked or ("json" if as_json else "text")
    if output not in known or (as_json and output != "json"):
        raise typer.BadParameter(f"write one of {', '.join(known)}", param_hint="--format")
    return output
