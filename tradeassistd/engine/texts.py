"""What a rule itself says when it fires: title and message from its templates, and its trade setup."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from tradeassistd.base.instant import US_PER_S
from tradeassistd.engine.bars.indicators import Track
from tradeassistd.engine.conditions.compile import Compiler
from tradeassistd.engine.conditions.values import ValueOf, natural
from tradeassistd.engine.language.expression import Expression
from tradeassistd.engine.language.functions import Unit
from tradeassistd.engine.language.own import OwnFunctionError
from tradeassistd.engine.rule import Rule
from tradeassistd.engine.symbol.symbols import SymbolState
from tradeassistd.engine.template import Slot, Template
from tradeassistd.market.instrument import Instrument
from tradeassistd.market.session import NEW_YORK

Words = dict[str, str | float | None]


class Texts:
    """The compiled templates and setup of one rule for one symbol. They only read: nobody is judged for them."""

    def __init__(self, rule: Rule, instrument: Instrument, state_of: Callable[[str], SymbolState]) -> None:
        self._rule = rule
        compiler = Compiler(instrument, state_of, stale_after_s=rule.stale_after_s)
        self._values: dict[Expression, tuple[ValueOf, Unit]] = {
            tree: compiler.value(rule.resolved(tree, instrument.symbol)) for tree in _expressions(rule)
        }
        self.tracks: list[Track] = compiler.tracks
        self.watched: list[object] = compiler.watched
        self.symbols = tuple(compiler.reads)
        """Those it reads, which have to be watched for it as well."""
        self.errors: list[OwnFunctionError] = []
        """What users' functions raised since somebody last emptied this."""
        self.any = rule.title is not None or rule.message is not None or rule.setup is not None
        """Whether the rule says anything of its own."""

    def title(self, words: Words) -> str:
        """The rule's own title, "" when it has none."""
        return self._render(self._rule.title, words)

    def message(self, words: Words) -> str:
        """The rule's own message, "" when it has none."""
        return self._render(self._rule.message, words)

    def setup(self) -> tuple[tuple[str, float | str | None], ...]:
        """The trade setup as it stands now, in natural units."""
        setup = self._rule.setup
        if setup is None:
            return ()
        parts: tuple[tuple[str, float | str | None], ...] = tuple(
            (name, self._value(tree)[0]) for name, tree in setup.parts
        )
        return (("type", setup.type), *parts) if setup.type else parts

    def _render(self, template: Template | None, words: Words) -> str:
        return template.render(words, self._value) if template is not None else ""

    def _value(self, tree: Expression) -> tuple[float | None, str]:
        value_of, unit = self._values[tree]
        try:
            return natural(value_of(), unit), str(unit)
        except OwnFunctionError as error:
            self.errors.append(error)  # a text never delays an alert; the engine counts it as a fault of the rule
            return None, str(unit)


def time_text(us: int) -> str:
    """HH:MM:SS in New York, "" for never."""
    return f"{datetime.fromtimestamp(us // US_PER_S, NEW_YORK):%H:%M:%S}" if us else ""


def _expressions(rule: Rule) -> Iterator[Expression]:
    for template in (rule.title, rule.message):
        for part in template.parts if template is not None else ():
            if isinstance(part, Slot) and part.expression is not None:
                yield part.expression
    if rule.setup is not None:
        yield from (tree for _, tree in rule.setup.parts)
