"""Signs, colours and cells: the alphabet of the view, in Unicode and in plain ASCII.

Every sign differs in shape, so that nothing is told by colour alone. Colours are the terminal's own, by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from tradeassistd.cli.view import snapshot as view
from tradeassistd.store.records import DeliveryState

DIM, BOLD, UP, DOWN, ACCENT, ALARM = "bright_black", "bold", "green", "red", "cyan", "yellow"
FRESH = "bold cyan"
SEVERITY_STYLES = {"info": "blue", "notice": "cyan", "warning": "yellow", "critical": "bold red"}
STATE_STYLES = {
    view.FIRING: "bold yellow", view.PENDING: "cyan", view.WARMING: DIM, view.UNKNOWN: DIM, view.CLOSED: DIM,
    view.OFF: DIM, view.EXPIRED: DIM, view.OK: DIM,
}  # fmt: skip
DELIVERY_STYLES = {
    DeliveryState.SENT: "green", DeliveryState.FAILED: "bold red", DeliveryState.EXPIRED: "red",
    DeliveryState.RETRYING: "yellow",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """One alphabet. Every sign is one column wide, but for those of `severities`, which are two."""

    rule: str
    ellipsis: str
    dot: str
    between: str
    arrow: str
    spark: str
    full: str
    empty: str
    states: Mapping[str, str]
    severities: Mapping[str, str]
    deliveries: Mapping[str, str]
    encoding: str = ""
    """What text must fit into; empty: anything."""

    def clean(self, text: str) -> str:
        """`text` on one line and without anything that a terminal would obey or cannot show."""
        text = "".join(one if one.isprintable() else " " for one in text)
        return text.encode(self.encoding, "replace").decode(self.encoding) if self.encoding else text

    def cell(self, text: str | Text, width: int, style: str = "", *, right: bool = False) -> Text:
        """`text` in exactly `width` columns: padded, or cut with an ellipsis."""
        if width <= 0:
            return Text()
        made = Text(self.clean(text), style) if isinstance(text, str) else text.copy()
        if made.cell_len > width:
            made.right_crop(len(made.plain) - _fits(made.plain, width - cell_len(self.ellipsis)))
            made.append(self.ellipsis)
        gap = " " * (width - made.cell_len)
        return Text.assemble(gap, made) if right else Text.assemble(made, gap)

    def line(self, cells: Sequence[Text], width: int, gap: str = " ") -> Text:
        """Cells beside each other, cut at `width`."""
        made = Text(gap).join([cell for cell in cells if cell.plain])
        made.truncate(width, overflow="crop")
        return made

    def heading(self, title: str, remark: str, width: int) -> Text:
        """A section's first line: its title, a thin rule, and a remark at the right end."""
        head = Text(f"{self.clean(title)} ", "bold cyan")
        tail = f" {self.clean(remark)}" if remark and cell_len(remark) + head.cell_len + 4 <= width else ""
        room = max(width - head.cell_len - cell_len(tail), 0)
        made = Text.assemble(head, (self.rule * room, DIM), (tail, DIM))
        made.truncate(width, overflow="crop")
        return made

    def sparkline(self, values: Sequence[int], width: int) -> str:
        """The last `width` values as a row of little columns, the lowest and the highest at the ends of the scale."""
        shown = values[-width:] if width > 0 else ()
        if len(shown) < 2:
            return ""
        low, span = min(shown), max(shown) - min(shown)
        top = len(self.spark) - 1
        return "".join(self.spark[(one - low) * top // span if span else top // 2] for one in shown)

    def bar(self, share: float, width: int) -> tuple[str, str]:
        """A bar of `width` columns, `share` of it full: the full part and the rest. Full only when all is."""
        share = share if 0 <= share <= 1 else float(share > 1)  # no number is nothing
        filled = width if share >= 1 else min(int(share * width + 0.5), max(width - 1, 0))
        return self.full * filled, self.empty * (width - filled)


UNICODE = Look(
    rule="─", ellipsis="…", dot="●", between="·", arrow="→", spark="▁▂▃▄▅▆▇█", full="━", empty="─",
    states={view.OK: "·", view.PENDING: "◐", view.FIRING: "▲", view.WARMING: "○", view.UNKNOWN: "?", view.CLOSED: "–",
            view.OFF: "×", view.EXPIRED: "∅"},
    severities={"info": "i ", "notice": "* ", "warning": "! ", "critical": "!!"},
    deliveries={
        DeliveryState.PENDING: "…", DeliveryState.SENDING: "…", DeliveryState.SENT: "✓", DeliveryState.RETRYING: "↻",
        DeliveryState.FAILED: "✗", DeliveryState.EXPIRED: "⊘", DeliveryState.FOLDED: "≡",
        DeliveryState.WITHDRAWN: "↩",
    },
)  # fmt: skip
ASCII = Look(
    rule="-", ellipsis="~", dot="*", between="|", arrow=">", spark="_.-:=+*#", full="#", empty=".",
    states={view.OK: ".", view.PENDING: "o", view.FIRING: "^", view.WARMING: "w", view.UNKNOWN: "?", view.CLOSED: "-",
            view.OFF: "x", view.EXPIRED: "e"},
    severities={"info": "i ", "notice": "* ", "warning": "! ", "critical": "!!"},
    deliveries={
        DeliveryState.PENDING: ".", DeliveryState.SENDING: ".", DeliveryState.SENT: "+", DeliveryState.RETRYING: "r",
        DeliveryState.FAILED: "X", DeliveryState.EXPIRED: "e", DeliveryState.FOLDED: "=",
        DeliveryState.WITHDRAWN: "w",
    },
    encoding="ascii",
)  # fmt: skip


def look_for(encoding: str) -> Look:
    """The alphabet for a terminal with that encoding."""
    return UNICODE if encoding.lower().replace("_", "-").startswith("utf") else ASCII


def _fits(text: str, width: int) -> int:
    """How many characters of `text` stand within `width` columns."""
    return len(set_cell_size(text, max(width, 0)).rstrip(" ")) if cell_len(text) > width else len(text)
