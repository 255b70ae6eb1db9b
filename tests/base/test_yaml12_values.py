"""What a scalar of the strict reader becomes, and how its problems, paths and near words are written."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tradeassistd.base.errors import ConfigError
from tradeassistd.base.yaml12 import (
    Place,
    Problem,
    Problems,
    ValueProblem,
    boolean,
    did_you_mean,
    duration_s,
    number,
    path_text,
    whole_number,
)


@pytest.mark.parametrize(
    ("convert", "value", "expected"),
    [
        (boolean, "true", True),
        (boolean, "false", False),
        (number, "-0.25", Decimal("-0.25")),
        (number, "1500", Decimal(1500)),
        (whole_number, "7", 7),
        (whole_number, "-7.0", -7),
        (duration_s, "30s", 30),
        (duration_s, "5m", 300),
        (duration_s, "2h", 7200),
        (duration_s, "0s", 0),
        (boolean, "True", "'True' is not true or false (write true or false)"),
        (boolean, "on", "'on' is not true or false (write true or false)"),
        (boolean, "", "has no value (write true or false)"),
        (boolean, ["true"], "true or false is due here, not a list"),
        (number, "1e5", "'1e5' is not a number (write plain digits such as 1500 or -0.25)"),
        (number, "+1", "'+1' is not a number (write plain digits such as 1500 or -0.25)"),
        (number, ".5", "'.5' is not a number (write plain digits such as 1500 or -0.25)"),
        (number, "1,500", "'1,500' is not a number (write plain digits such as 1500 or -0.25)"),
        (number, "٣", "'٣' is not a number (write plain digits such as 1500 or -0.25)"),
        (number, {}, "a number is due here, not a map"),
        (whole_number, "1.5", "1.5 is not a whole number (write 1)"),
        (duration_s, "300", "'300' is not a duration (a duration needs a unit: 300s, 300m or 300h)"),
        (duration_s, "1d", "'1d' is not a duration (write 24h)"),
        (duration_s, "1.5h", "'1.5h' is not a duration (write a whole number and s, m or h: 30s, 5m, 2h)"),
        (duration_s, "-5m", "'-5m' is not a duration (write a whole number and s, m or h: 30s, 5m, 2h)"),
        (duration_s, "745h", "745h is longer than 31 days (write at most 744h)"),
    ],
)
def test_typed_values(convert: object, value: object, expected: object) -> None:
    assert callable(convert)
    if isinstance(expected, str):
        with pytest.raises(ValueProblem) as error:
            convert(value)
        assert str(error.value) == expected
    else:
        assert convert(value) == expected
        assert type(convert(value)) is type(expected)


def test_problems_are_sorted_and_print_one_to_a_line() -> None:
    late = Problem(Place("b.yaml", 1, 1), "", "late")
    early = Problem(Place("a.yaml", 10, 2), "rules[2].when", "unknown function 'smaa'", "did you mean sma?")
    first = Problem(Place("a.yaml", 9, 20), "x", "first")
    problems = Problems([late, early, first])
    assert isinstance(problems, ConfigError)
    assert problems.problems == (first, early, late)
    assert str(problems) == (
        "a.yaml:9:20: x: first\n"
        "a.yaml:10:2: rules[2].when: unknown function 'smaa' (did you mean sma?)\n"
        "b.yaml:1:1: late"
    )


def test_paths_and_near_words() -> None:
    assert path_text(("rules", 2, "when", "all", 0)) == "rules[2].when.all[0]"
    assert path_text(()) == ""
    assert path_text((0, "a")) == "[0].a"
    assert did_you_mean("Severty", ["severity", "session"]) == "did you mean severity?"
    assert did_you_mean("zzz", ["severity", "session"]) == ""
