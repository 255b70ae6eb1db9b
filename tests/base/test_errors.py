"""Errors say what to do next, and their class says who must."""

from __future__ import annotations

import pytest

from tradeassistd.base.errors import ConfigError, FatalError, PermanentError, TradeAssistError, TransientError


@pytest.mark.parametrize("kind", [TradeAssistError, TransientError, PermanentError, FatalError, ConfigError])
def test_an_error_reads_with_its_hint_and_without(kind: type[TradeAssistError]) -> None:
    assert str(kind("the wire dropped")) == "the wire dropped"
    error = kind("the wire dropped", hint="plug it in")
    assert str(error) == "the wire dropped (plug it in)"
    assert (error.message, error.hint) == ("the wire dropped", "plug it in")
    assert isinstance(error, TradeAssistError)


def test_a_transient_error_may_know_when_to_try_again() -> None:
    assert TransientError("busy").retry_after_s is None
    assert TransientError("busy", retry_after_s=2.5).retry_after_s == 2.5


def test_no_class_of_error_is_another_one() -> None:
    kinds = (TransientError, PermanentError, FatalError, ConfigError)
    assert not [(a, b) for a in kinds for b in kinds if a is not b and issubclass(a, b)]
