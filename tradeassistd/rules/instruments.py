"""Reads `_instruments.yaml`: facts that hold in place of the catalogue's, and symbols that are made of others."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Lookup
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any, TypeVar

from tradeassistd.base.yaml12 import (
    Mapping,
    Node,
    Problem,
    Problems,
    Scalar,
    ValueProblem,
    compose,
    did_you_mean,
    number,
    path_text,
    plain,
)
from tradeassistd.market.catalogue import entry_of
from tradeassistd.market.derived import Derived, FormulaError, read_formula
from tradeassistd.market.instrument import Instrument, InstrumentClass, Market, instrument_in
from tradeassistd.market.price import price_from_text
from tradeassistd.market.session import ALWAYS, session_words
from tradeassistd.rules import fields
from tradeassistd.rules.noting import Location, Noting
from tradeassistd.rules.symbols import symbol_problem

INSTRUMENTS = "_instruments.yaml"
INSTRUMENTS_MAX = 2_000
NAME_MAX = 100
"""Characters of a name."""
ANY = "any"
"""A plausible range that holds every value."""
KEYS = MappingProxyType({
    "name": "What people call it.",
    "class": "`index` or `internal`, of a symbol with `$`: of an internal 0 and negative numbers are values.",
    "market": "Whose hours and holidays it keeps; of a future one of the futures markets, of an index `nyse` or `vix`.",
    "session": "The session of its bars, of `vwap` and of its day values, where not the usual one.",
    "tick_size": "The smallest move of its price, which `4t` counts in.",
    "multiplier": "What one point of a contract is worth.",
    "plausible": "`[low, high]`: a price outside, as Schwab sends some by mistake, is unknown. `any`: none is outside.",
    "derived": "A formula that makes the symbol from the last prices of others: numbers, `+ - * /`, parentheses.",
})  # fmt: skip
"""Keys of an entry, each with what it means; also read by the schema and the reference."""
FUTURES_MARKETS = tuple(str(one) for one in Market if one not in (Market.NYSE, Market.VIX))
INDEX_MARKETS = (str(Market.NYSE), str(Market.VIX))
CLASSES = (str(InstrumentClass.INDEX), str(InstrumentClass.INTERNAL))
SESSIONS = ("rth", "ext", "globex", "overnight")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Instruments:
    """What the file says: overrides by symbol (those of derived symbols too), and the derived symbols as written."""

    overrides: Lookup[str, Instrument] = field(default_factory=dict)
    derived: tuple[Derived, ...] = ()
    formulas: Lookup[str, Scalar] = field(default_factory=dict, compare=False, repr=False)
    """The formula of each derived symbol as it is written."""


def read_instruments_file(name: str, text: str, prefix: str) -> Instruments:
    """What an `_instruments.yaml` says. Raises Problems with everything that is wrong with it."""
    node = compose(text, prefix + name)
    if not isinstance(node, Mapping):
        raise Problems([Problem(node.place, "", "must be a map", "write e.g. /ES: {tick_size: 0.25}")])
    reading = _Reading()
    found = reading.file(node)
    if reading.problems:
        raise Problems(reading.problems)
    return found


class _Reading(Noting):
    def file(self, node: Mapping) -> Instruments:
        entries: list[tuple[str, Mapping]] = []
        for key, value in node.items:
            if key.text == "version":
                self._checked(value, (key.text,), fields.version)
            elif problem := symbol_problem(key.text):
                self._refuse(key, (key.text,), *problem)
            elif (entry := self._map(value, (key.text,))) is not None:
                entries.append((key.text, entry))
        if len(entries) > INSTRUMENTS_MAX:
            self._refuse(node, (), f"more than {INSTRUMENTS_MAX:,} instruments", "leave some out")
        made = {symbol for symbol, entry in entries if entry.key("derived")}
        derived = [self._derived(symbol, entry, made) for symbol, entry in entries if symbol in made]
        overrides: dict[str, Instrument] = {}
        # A root before its contracts: what it says holds for them too.
        for symbol, entry in sorted(entries, key=lambda one: len(one[0])):
            overrides[symbol] = self._instrument(symbol, entry, overrides)
        return Instruments(
            {symbol: overrides[symbol] for symbol, _ in entries},
            tuple(one for one in derived if one is not None),
            {symbol: text for symbol, entry in entries if isinstance(text := entry.get("derived"), Scalar)},
        )

    def _derived(self, symbol: str, entry: Mapping, made: set[str]) -> Derived | None:
        at, node = (symbol, "derived"), entry.get("derived")
        if not symbol.startswith("$"):
            self._refuse(entry, (symbol,), "a derived symbol begins with $", f"write ${symbol.strip('/')}")
        elif entry_of(symbol) is not None:
            hint = f"write another name, e.g. {symbol}X"
            self._refuse(entry, (symbol,), f"{symbol} is a symbol of Schwab's, and cannot be derived", hint)
        if not isinstance(node, Scalar):
            self._refuse(node or entry, at, "a formula is due here", "write e.g. '$ADVN - $DECN'")
            return None
        try:
            found = read_formula(symbol, node.text)
        except FormulaError as error:
            self.problems.append(Problem(node.place_at(error.at), path_text(at), error.message, error.hint))
            return None
        for component in found.components:
            if component in made:
                message = "is made of itself" if component == symbol else f"{component} is derived itself"
                self._refuse(node, at, message, "write what it is made of")
        return found

    def _instrument(self, symbol: str, entry: Mapping, overrides: Lookup[str, Instrument]) -> Instrument:
        """What is known of the symbol, with what the entry says in its place."""
        known = replace(instrument_in(overrides, symbol), overrides={})
        if entry.key("derived"):
            known = replace(known, kind=InstrumentClass.INTERNAL)
        readers: dict[str, tuple[str, Callable[[object], Any]]] = {
            "name": ("name", fields.text_up_to(NAME_MAX)),
            "class": ("kind", lambda value: _kind(value, known)),
            "market": ("listed", lambda value: _market(value, known)),
            "session": ("session", lambda value: _session(value, known)),
            "tick_size": ("tick_size", _tick_size),
            "multiplier": ("multiplier", lambda value: _multiplier(value, known)),
            "plausible": ("plausible", _plausible),
        }
        found: dict[str, Any] = {}
        for key, value in entry.items:
            if key.text in readers:
                name, read = readers[key.text]
                for one in self._checked(value, (symbol, key.text), read):
                    found[name] = one
        return replace(known, **found)

    def _map(self, node: Node, at: Location) -> Mapping | None:
        if not isinstance(node, Mapping) or not node.items:
            self._refuse(node, at, "must be a map" if not isinstance(node, Mapping) else "says nothing",
                         "write e.g. {tick_size: 0.25}")  # fmt: skip
            return None
        for key, _ in node.items:
            if key.text not in KEYS:
                hint = did_you_mean(key.text, KEYS) or f"one of {' '.join(KEYS)}"
                self._refuse(key, (*at, key.text), f"unknown key {key.text!r}", hint)
        return node

    def _checked(self, node: Node, at: Location, read: Callable[[object], T]) -> tuple[T, ...]:
        """The value, or nothing when it is wrong."""
        try:
            return (read(plain(node)),)
        except ValueProblem as error:
            self._refuse(node, at, error.message, error.hint)
            return ()


def _kind(value: object, known: Instrument) -> InstrumentClass:
    if not known.symbol.startswith("$"):
        raise ValueProblem(f"{known.symbol} is of class {known.kind} by how it is written", hint="remove it")
    return InstrumentClass(fields.word("class", CLASSES)(value))


def _market(value: object, known: Instrument) -> Market:
    if known.kind is InstrumentClass.EQUITY:
        raise ValueProblem(f"{known.symbol} keeps the hours of US stocks by how it is written", hint="remove it")
    markets = FUTURES_MARKETS if known.kind is InstrumentClass.FUTURE else INDEX_MARKETS
    return Market(fields.word("market", markets)(value))


def _session(value: object, known: Instrument) -> str:
    own = tuple(word for word in session_words(known) if word != ALWAYS)
    word = fields.word("session", SESSIONS)(value)
    if word not in own:
        raise ValueProblem(f"{known.symbol} has no session {word!r}", hint=f"it has {', '.join(own)}")
    return word


def _tick_size(value: object) -> int:
    price = _price(value)
    if price <= 0:
        raise ValueProblem("is not above 0", hint="write e.g. 0.25")
    return price


def _multiplier(value: object, known: Instrument) -> Fraction:
    if known.kind is not InstrumentClass.FUTURE:
        raise ValueProblem(f"{known.symbol} has no contract", hint="only futures have a multiplier; remove it")
    found = Fraction(number(value))
    if found <= 0:
        raise ValueProblem("is not above 0", hint="write e.g. 50")
    return found


def _plausible(value: object) -> tuple[int, int] | None:
    if value == ANY:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise ValueProblem("a range is due here", hint=f"write [low, high], e.g. [-5000, 5000], or {ANY}")
    low, high = (_price(one) for one in value)
    if low >= high:
        raise ValueProblem("its lower bound is not below its upper one", hint="write [low, high]")
    return low, high


def _price(value: object) -> int:
    written = number(value)
    try:
        return price_from_text(f"{written:f}")
    except ValueError as error:
        raise ValueProblem(str(error), hint="write fewer decimals") from None
