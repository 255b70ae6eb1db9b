"""`tradeassist rules schema`: each kind of file, whole and alone on stdout."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from docs.make_reference import SCHEMAS
from tradeassistd.cli.main import app
from tradeassistd.rules.schema.documents import KINDS


def rules_schema(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["rules", "schema", *arguments])
    return result.exit_code, result.output


@pytest.mark.parametrize("kind", KINDS)
def test_it_prints_the_schema_of_that_kind(kind: str) -> None:
    code, text = rules_schema("--for", kind)
    assert code == 0
    assert json.loads(text)["title"] == KINDS[kind][0]
    shipped = next(path for path, one in SCHEMAS.items() if one == kind)
    assert text == shipped.read_text("utf-8")


def test_rules_are_meant_when_nothing_is_said() -> None:
    assert rules_schema() == rules_schema("--for", "rules")


def test_a_kind_that_is_none_is_a_usage_error_that_names_the_near_one() -> None:
    code, text = rules_schema("--for", "test")
    assert code == 2
    assert "unknown kind of file 'test' (did you mean tests?)" in " ".join(text.replace("│", " ").split())
