"""Futures codes: which contract a file means, and which contract is in front."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from tradeassistd.sim.contracts import contract_from_code, front_contract


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("code", "day", "symbol"),
    [
        ("ESH4", "2023-12-25", "/ESH24"),
        ("ESU4", "2024-07-01", "/ESU24"),
        ("ESH22", "2022-01-24", "/ESH22"),
        ("GCZ13", "2013-10-07", "/GCZ13"),
        ("ESZ9", "2029-12-01", "/ESZ29"),
        ("ESH0", "2029-12-01", "/ESH30"),
        ("/NQM26", "2026-03-20", "/NQM26"),
        ("MESM6", "2026-03-20", "/MESM26"),
    ],
)
def test_a_code_is_read_with_the_decade_of_its_rows(code: str, day: str, symbol: str) -> None:
    contract = contract_from_code(code, at(day))
    assert contract is not None
    assert contract.symbol == symbol


@pytest.mark.parametrize("text", ["SPY", "$SPX", "/ES", "BRK/B", "IBM", ""])
def test_what_is_no_contract_code_is_none(text: str) -> None:
    assert contract_from_code(text, at("2024-01-02")) is None


@pytest.mark.parametrize(
    ("root", "day", "symbol"),
    [
        ("/ES", "2024-06-03", "/ESM24"),
        ("/ES", "2024-06-21", "/ESU24"),
        ("/ES", "2025-12-30", "/ESH26"),
        ("/CL", "2024-06-03", "/CLN24"),
        ("/CL", "2024-12-20", "/CLG25"),
        ("/GC", "2024-11-10", "/GCZ24"),
    ],
)
def test_the_front_contract_is_the_nearest_that_is_not_about_to_expire(root: str, day: str, symbol: str) -> None:
    assert front_contract(root, at(day)).symbol == symbol


def test_a_contract_describes_itself() -> None:
    contract = contract_from_code("ESU4", at("2024-07-01"))
    assert contract is not None
    assert contract.description == "E-mini S&P 500 Index Futures,Sep-2024,ETH"
    assert contract.expiry == date(2024, 9, 20)
    assert (contract.product.tick, contract.product.multiplier) == ("0.25", 50)
