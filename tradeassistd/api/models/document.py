"""What every answer of the API is made of."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """A JSON object of the API; the words under a field are its documentation."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)


class Open(Document):
    """A document that may hold more than is documented."""

    model_config = ConfigDict(extra="allow")


class Failure(Document):
    """An answer that is none."""

    detail: Any
    """What was wrong, in words; of a query that does not fit, one entry per mistake."""
