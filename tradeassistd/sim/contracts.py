"""Futures contracts: the products the simulator knows, their codes, their expiry, and which contract is in front.

Multipliers, tick sizes and venues are the exchanges' contract specifications. Expiry days are the usual rule of each
product without its holidays: near enough for a field that only has to look right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from tradeassistd.base.instant import US_PER_S

MONTHS = "FGHJKMNQUVXZ"
_QUARTERLY = "HMUZ"
_CONTRACT = re.compile(r"/?([A-Z0-9]{1,4}?)([FGHJKMNQUVXZ])(\d{1,2})")


@dataclass(frozen=True, slots=True)
class Product:
    """What all contracts of one root share. `tick` is a plain decimal; `months` are the codes that are traded most."""

    root: str
    name: str
    exchange: str
    tick: str
    multiplier: int
    months: str = _QUARTERLY
    expiry_rule: str = "third friday"


_PRODUCTS = {
    product.root: product
    for product in (
        Product("/ES", "E-mini S&P 500 Index Futures", "XCME", "0.25", 50),
        Product("/MES", "Micro E-mini S&P 500 Index Futures", "XCME", "0.25", 5),
        Product("/NQ", "E-mini Nasdaq-100 Index Futures", "XCME", "0.25", 20),
        Product("/MNQ", "Micro E-mini Nasdaq-100 Index Futures", "XCME", "0.25", 2),
        Product("/RTY", "E-mini Russell 2000 Index Futures", "XCME", "0.1", 50),
        Product("/YM", "Mini Dow Jones Industrial Average Futures", "XCBT", "1", 5),
        Product("/CL", "Light Sweet Crude Oil Futures", "XNYM", "0.01", 1000, MONTHS, "20th of the month before"),
        Product("/GC", "Gold Futures", "XCEC", "0.1", 100, "GJMQVZ", "26th of the month"),
        Product("/SI", "Silver Futures", "XCEC", "0.005", 5000, "HKNUZ", "26th of the month"),
        Product("/NG", "Natural Gas Futures", "XNYM", "0.001", 10000, MONTHS, "20th of the month before"),
    )
}


@dataclass(frozen=True, slots=True)
class Contract:
    """One contract, e.g. /ESZ26: root /ES, month code Z, year 2026."""

    root: str
    month: str
    year: int

    @property
    def symbol(self) -> str:
        """As Schwab writes it: root, month code and two digits of the year."""
        return f"{self.root}{self.month}{self.year % 100:02d}"

    @property
    def product(self) -> Product:
        """What is known of the root; an unknown one gets a plain description."""
        return _PRODUCTS.get(self.root) or Product(self.root, f"{self.root[1:]} Futures", "XCME", "0.01", 1)

    @property
    def expiry(self) -> date:
        """The last trading day by the product's usual rule."""
        first = date(self.year, MONTHS.index(self.month) + 1, 1)
        rule = self.product.expiry_rule
        if rule == "20th of the month before":
            return (first - timedelta(days=1)).replace(day=20)
        if rule == "26th of the month":
            return first.replace(day=26)
        return first + timedelta(days=(4 - first.weekday()) % 7 + 14)

    @property
    def description(self) -> str:
        """As in Schwab's field 16, e.g. `E-mini S&P 500 Index Futures,Sep-2024,ETH`."""
        return f"{self.product.name},{self.expiry_month:%b-%Y},ETH"

    @property
    def expiry_month(self) -> date:
        """First day of the contract's month."""
        return date(self.year, MONTHS.index(self.month) + 1, 1)

    @property
    def expiry_ms(self) -> int:
        """Field 35: midnight UTC of the expiry day, epoch milliseconds."""
        return int(datetime(self.expiry.year, self.expiry.month, self.expiry.day, tzinfo=UTC).timestamp()) * 1000


def contract_from_code(code: str, at_us: int) -> Contract | None:
    """The contract that `ESH4`, `ESH24` or `/ESH24` named at that instant; None when `code` is no contract code.

    One digit is the first such year that is not before the year of the instant; two digits belong to its century.
    """
    match = _CONTRACT.fullmatch(code)
    if match is None:
        return None
    root, month, digits = match.groups()
    year = datetime.fromtimestamp(at_us // US_PER_S, UTC).year
    if len(digits) == 1:
        return Contract(f"/{root}", month, year + (int(digits) - year) % 10)
    return Contract(f"/{root}", month, year - year % 100 + int(digits))


def next_contract(contract: Contract) -> Contract:
    """The contract that follows among those that are traded most."""
    months = contract.product.months
    ahead = (Contract(contract.root, month, year) for year in (contract.year, contract.year + 1) for month in months)
    return next(one for one in ahead if one.expiry_month > contract.expiry_month)


def front_contract(root: str, at_us: int) -> Contract:
    """The contract that trades most at that instant: the nearest whose expiry is more than eight days away."""
    today = datetime.fromtimestamp(at_us // US_PER_S, UTC).date()
    months = (Contract(root, "F", today.year)).product.months
    ahead = (Contract(root, month, year) for year in range(today.year, today.year + 3) for month in months)
    return next(contract for contract in ahead if contract.expiry > today + timedelta(days=8))
