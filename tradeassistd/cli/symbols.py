"""Symbols as they are given on the command line: checked, and what is more often meant by them, in one place."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from tradeassistd.rules.symbols import symbol_problem, symbol_warning


def given_symbols(given: Iterable[str] | None) -> list[str]:
    """Every symbol given, once each; several may stand in one word, with commas between them.

    Raises typer.BadParameter for what is not written as Schwab writes it, with what to write instead.
    """
    found = list(dict.fromkeys(one for word in given or () for part in word.split(",") if (one := part.strip())))
    for symbol in found:
        if problem := symbol_problem(symbol):
            raise typer.BadParameter("{} ({})".format(*problem))
    return found


def meant(symbols: Iterable[str]) -> str:
    """A hint where there is nothing of a bare `ES`: ` (did you mean /ES?)`; else empty."""
    found = [warning[1] for symbol in symbols if (warning := symbol_warning(symbol))]
    named = [hint.removeprefix("write ").partition(",")[0] for hint in found]
    return f" (did you mean {' '.join(named)}?)" if named else ""


def note_meant(symbols: Iterable[str]) -> None:
    """Say on stderr which of the symbols is a stock though a future or an index is more often meant by it."""
    for symbol in symbols:
        if warning := symbol_warning(symbol):
            typer.echo(f"tradeassist: {warning[0]}{meant([symbol])}", err=True)
