"""Draws the quotes: one line a symbol, with more columns the more room there is."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tradeassistd.cli.view import words
from tradeassistd.cli.view.look import ALARM, BOLD, DIM, DOWN, UP, Look
from tradeassistd.cli.view.snapshot import Quote

SYMBOL_MAX = 8
SPARK_LEAST, SPARK_GOOD, SPARK_MOST = 5, 16, 30
VOLUME_WIDTH = 5
_CHANGE_LEAST = 6


def quotes(shown: Sequence[Quote], width: int, rows: int, look: Look) -> list[Text]:
    """The section in at most `rows` lines, its heading included."""
    if rows < 2:
        return []
    room = rows - 1
    taken = list(shown[: room if len(shown) <= room else room - 1])
    columns = _Columns(taken, width, look)
    lines = [look.heading("quotes", columns.remark, width)]
    if not taken:
        lines.append(look.cell("waiting for the first ones", width, DIM))
    lines += [columns.line(quote) for quote in taken]
    if left := len(shown) - len(taken):
        lines.append(look.cell(f"and {left} more", width, DIM))
    return lines


def plain(shown: Sequence[Quote], width: int, look: Look) -> list[Text]:
    """The table without its heading."""
    columns = _Columns(shown, width, look)
    return [columns.line(quote) for quote in shown]


def tile(quote: Quote, width: int, look: Look) -> Text:
    """One symbol in a few columns, for a screen without room for a table."""
    last = words.price(quote.last, quote.tick_size)
    return look.line(
        [look.cell(quote.symbol, min(SYMBOL_MAX, 6), BOLD),
         look.cell(last, 9, _colour(quote), right=True),
         look.cell(_moved(quote), max(width - 17, 0), ALARM if quote.remark else _colour(quote), right=True)],
        width,
    )  # fmt: skip


class _Columns:
    """Which columns there are, and how wide, for one set of quotes."""

    def __init__(self, shown: Sequence[Quote], width: int, look: Look) -> None:
        self._look = look
        self._width = width
        self._symbol = min(max((len(one.symbol) for one in shown), default=0), SYMBOL_MAX)
        self._last = max((len(words.price(one.last, one.tick_size)) for one in shown), default=0)
        moved = max((len(_moved(one)) for one in shown), default=0)
        self._change = max(moved, _CHANGE_LEAST) if moved else 0
        left = width - self._symbol - self._last - self._change - 2 * bool(moved) - 1
        self._volume = VOLUME_WIDTH if left > VOLUME_WIDTH and any(one.volume for one in shown) else 0
        left -= self._volume + bool(self._volume)
        sided = [one for one in shown if one.bid is not None or one.ask is not None]
        bid_ask = 2 * max((len(_side(one, side)) for one in sided for side in (one.bid, one.ask)), default=0) + 3
        self._bid_ask = bid_ask if sided and left > bid_ask + 2 + SPARK_GOOD else 0
        left -= self._bid_ask + 2 * bool(self._bid_ask)
        self._spark = min(left - 1, SPARK_MOST) if left > SPARK_LEAST and any(one.recent for one in shown) else 0

    @property
    def remark(self) -> str:
        """What the columns behind the price are."""
        minutes = f"{self._spark} minutes" if self._spark else ""
        named = (
            ("change", self._change),
            (minutes, self._spark),
            ("volume", self._volume),
            ("bid, ask", self._bid_ask),
        )
        return ", ".join(name for name, width in named if width)

    def line(self, quote: Quote) -> Text:
        look, colour = self._look, _colour(quote)
        spark = look.sparkline(quote.recent, self._spark)
        wrong = ALARM if quote.remark else ""  # its change would be that of data that is not as it should be
        return look.line(
            [
                look.cell(quote.symbol, self._symbol, BOLD),
                look.cell(words.price(quote.last, quote.tick_size), self._last, colour or BOLD, right=True),
                look.cell(_moved(quote), self._change, wrong or colour, right=True),
                look.cell(spark, self._spark, f"dim {colour}" if colour else DIM, right=True),
                look.cell(words.count(quote.volume) if quote.volume else "", self._volume, DIM, right=True),
                self._sides(quote),
            ],
            self._width,
        )  # fmt: skip

    def _sides(self, quote: Quote) -> Text:
        """Bid and ask around a sign, so that the sign stands in one column."""
        if not self._bid_ask or (quote.bid is None and quote.ask is None):
            return self._look.cell("", self._bid_ask)
        half = (self._bid_ask - 3) // 2
        bid = self._look.cell(_side(quote, quote.bid), half, DIM, right=True)
        ask = self._look.cell(_side(quote, quote.ask), half, DIM)
        return Text.assemble(" ", bid, (f" {self._look.between} ", DIM), ask)


def _moved(quote: Quote) -> str:
    """The change, or what is wrong with the data in its place."""
    return quote.remark or words.change(quote.last, quote.reference)


def _side(quote: Quote, side: int | None) -> str:
    return words.price(side, quote.tick_size)


def _colour(quote: Quote) -> str:
    if quote.last is None or quote.reference is None or quote.last == quote.reference:
        return ""
    return UP if quote.last > quote.reference else DOWN
