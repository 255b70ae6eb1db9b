"""docs/api.md is what its maker gives, and says everything there is."""

from __future__ import annotations

from types import ModuleType
from typing import get_args

from docs.make_api import ANSWERS, EXAMPLES, FILE, document, openapi
from tradeassistd.api import events, history_routes, models, retention_routes, store_routes


def test_the_file_is_up_to_date() -> None:
    assert FILE.read_text("utf-8") == document(), "run `python -m docs.make_api`"


def documents_of(module: ModuleType) -> set[type[models.Document]]:
    found = vars(module).values()
    return {model for model in found if isinstance(model, type) and issubclass(model, models.Document)}


def test_every_model_is_documented() -> None:
    rooms = (models, store_routes, history_routes, retention_routes)
    documents = set().union(*map(documents_of, rooms)) - {models.Document, models.Open}
    assert set(ANSWERS) == documents
    messages = {model for model in documents_of(events) - documents if "kind" in model.model_fields}
    text = document()
    for model in messages:
        (kind,) = get_args(model.model_fields["kind"].annotation)
        assert isinstance(EXAMPLES[kind], model)
        assert f"#### {kind}\n" in text
        assert all(f"| `{field}` |" in text for field in model.model_fields)


def test_every_route_is_documented() -> None:
    text = document()
    for path, methods in openapi()["paths"].items():
        for method, route in methods.items():
            assert f"### {method.upper()} {path}\n" in text
            assert route["description"] in text
