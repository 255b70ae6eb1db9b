"""Text of an expression to its tree (rules.md 3), with an error at the exact character and a hint for every slip.

The grammar is grammar.lark; the parser is LALR, so it neither backtracks nor recurses on what it reads.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedToken, v_args

from tradeassistd.engine.language.expression import (
    DURATION_SUFFIXES,
    SUFFIX_FACTORS,
    Arithmetic,
    Attribute,
    Call,
    Combine,
    Compare,
    Cross,
    Expression,
    Index,
    InRange,
    Name,
    Negative,
    Not,
    Number,
    Other,
)
from tradeassistd.engine.language.kinds import ExpressionError
from tradeassistd.engine.language.walk import depth
from tradeassistd.rules.hints import character_hint, number_hint, token_error
from tradeassistd.rules.symbols import symbol_problem

__all__ = ["DEPTH_MAX", "LENGTH_MAX", "depth", "parse"]

LENGTH_MAX = 4_096
DEPTH_MAX = 64
DIGITS_MAX = 15
"""Digits of a literal before and after its point, each: what a scaled price can hold is far below."""

_NUMBER = re.compile(rf"([0-9]{{1,{DIGITS_MAX}}}(?:\.[0-9]{{1,{DIGITS_MAX}}})?)([%A-Za-z]?)")
_CLOSING = {")": "(", "]": "["}


def parse(text: str) -> Expression:
    """The tree of an expression; what its names mean is not looked at. Raises ExpressionError."""
    if len(text) > LENGTH_MAX:
        raise ExpressionError(f"longer than {LENGTH_MAX:,} characters", 0, hint="split it into several rules")
    if not text.strip():
        raise ExpressionError("has no value", 0, hint="write a condition such as price > 5200")
    _check_brackets(text)
    try:
        tree: Expression = _parser().parse(text)  # type: ignore[assignment]  # our transformer makes it while parsing
    except UnexpectedCharacters as error:
        at = error.pos_in_stream
        raise character_hint(text, at if at is not None else 0) from None
    except UnexpectedToken as error:
        raise token_error(text, error.token) from None
    if depth(tree) > DEPTH_MAX:
        raise _too_deep(0)
    return tree


@lru_cache(maxsize=1)
def _parser() -> Lark:
    grammar = files("tradeassistd.rules").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="basic", transformer=_Trees(), maybe_placeholders=False)


def _check_brackets(text: str) -> None:
    """Brackets come in pairs; without this the parser would complain about the end of the text."""
    opened: list[tuple[str, int]] = []
    for at, char in enumerate(text):
        if char in "([":
            opened.append((char, at))
            if len(opened) > DEPTH_MAX:
                raise _too_deep(at)
        elif char in _CLOSING:
            if not opened:
                raise ExpressionError(f"{char!r} closes nothing", at, hint="remove it")
            sign, begin = opened.pop()
            if sign != _CLOSING[char]:
                raise ExpressionError(f"{char!r} closes {sign!r}", at, hint=f"close it with {_partner(sign)!r}")
    if opened:
        sign, begin = opened[-1]
        raise ExpressionError(f"{sign!r} is never closed", begin, hint=f"add {_partner(sign)!r}")


def _partner(sign: str) -> str:
    return next(closing for closing, opening in _CLOSING.items() if opening == sign)


def _too_deep(at: int) -> ExpressionError:
    return ExpressionError(f"more than {DEPTH_MAX} levels deep", at, hint="split it into several rules")


class _Keyword(NamedTuple):
    name: Token
    value: Expression


def _at(token: Token) -> int:
    return token.start_pos or 0


@v_args(inline=True)
class _Trees(Transformer[Token, Expression]):
    """One method for each name behind an arrow in grammar.lark."""

    def number(self, token: Token) -> Number:
        match = _NUMBER.fullmatch(token)
        if not match or match[2] not in SUFFIX_FACTORS:
            raise number_hint(str(token), _at(token))
        digits, suffix = Fraction(match[1]), match[2]
        if suffix in DURATION_SUFFIXES and digits.denominator != 1:
            raise ExpressionError(f"{token} is no whole duration", _at(token), hint="write 90s for 1.5m")
        return Number(digits, suffix, _at(token))

    def name(self, token: Token) -> Name:
        return Name(str(token), _at(token))

    def call(self, token: Token, arguments: list[Expression | _Keyword] | None = None) -> Call:
        args: list[Expression] = []
        keywords: dict[str, Expression] = {}
        for argument in arguments or ():
            if not isinstance(argument, _Keyword):
                if keywords:
                    hint = "write key=value arguments last"
                    raise ExpressionError("an argument behind a key=value argument", _first(argument), hint=hint)
                args.append(argument)
            elif argument.name in keywords:
                raise ExpressionError(f"{argument.name}= is written twice", _at(argument.name), hint="remove one")
            else:
                keywords[str(argument.name)] = argument.value
        return Call(str(token), tuple(args), tuple(keywords.items()), _at(token))

    def keyword(self, name: Token, value: Expression) -> _Keyword:
        return _Keyword(name, value)

    def arguments(self, *items: Expression | _Keyword) -> list[Expression | _Keyword]:
        return list(items)

    def items(self, *items: Expression) -> tuple[Expression, ...]:
        return items

    def other(self, token: Token, inner: Expression) -> Other:
        written = token[token.index("(") + 1 : -1]
        symbol = written.strip()
        problem = symbol_problem(symbol)
        if problem:
            message, hint = problem
            at = _at(token) + token.index("(") + 1 + len(written) - len(written.lstrip())
            raise ExpressionError(message, at, hint=hint)
        return Other(symbol, inner, _at(token))

    def attribute(self, base: Expression, token: Token) -> Expression:
        if isinstance(base, Other):  # `sym($VIX).macd(...).line` is the whole of `macd(...).line` on $VIX
            return replace(base, inner=self.attribute(base.inner, token))
        return Attribute(base, str(token), _at(token))

    def index(self, base: Expression, bars_back: Expression) -> Expression:
        if isinstance(base, Other):
            return replace(base, inner=self.index(base.inner, bars_back))
        if not isinstance(bars_back, Number) or bars_back.suffix or bars_back.digits.denominator != 1:
            raise ExpressionError("[n] takes a whole number of bars", _first(bars_back), hint="write e.g. close(5m)[1]")
        return Index(base, int(bars_back.digits), _first(base))

    def negative(self, sign: Token, operand: Expression) -> Negative:
        return Negative(operand, _at(sign))

    def arithmetic(self, left: Expression, sign: Token, right: Expression) -> Arithmetic:
        return Arithmetic(str(sign), left, right, _at(sign))

    def compared(self, left: Expression, sign: Token, right: Expression) -> Compare:
        return Compare(str(sign), left, right, _at(sign))

    def crossed(self, left: Expression, word: Token, right: Expression) -> Cross:
        return Cross(str(word), left, (right,), _at(word))

    def crossed_any(self, left: Expression, word: Token, rights: tuple[Expression, ...]) -> Cross:
        return Cross(str(word), left, rights, _at(word))

    def in_range(self, left: Expression, word: Token, low: Expression, high: Expression) -> InRange:
        return InRange(str(word), left, low, high, _at(word))

    def negated(self, word: Token, operand: Expression) -> Not:
        return Not(operand, _at(word))

    def conjunction(self, *items: Expression) -> Combine:
        return Combine(Combine.AND, items, _first(items[0]))

    def disjunction(self, *items: Expression) -> Combine:
        return Combine(Combine.OR, items, _first(items[0]))


def _first(node: Expression | _Keyword) -> int:
    """The offset of the first character of a node's leftmost part."""
    if isinstance(node, _Keyword):
        return _at(node.name)
    at = node.at
    while isinstance(node, Arithmetic | Compare | Cross | InRange):
        node = node.left
        at = min(at, node.at)
    return at
