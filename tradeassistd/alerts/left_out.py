"""Says which rules are left out because they raised too often."""

from __future__ import annotations

from collections.abc import Sequence

from tradeassistd.engine.failing import FAULTS_MAX, Fault

SHOWN_MAX = 5


def left_out_notice(faults: Sequence[Fault]) -> tuple[str, str]:
    """Title and text of one message for all rules that were left out at once: one function may take many down."""
    first = faults[0]
    title = f"Rule {first.rule_id} is left out" if len(faults) == 1 else f"{len(faults)} rules are left out"
    raised = [f"{fault.rule_id} {fault.symbol}: {fault.error}" for fault in faults[:SHOWN_MAX]]
    if len(faults) > SHOWN_MAX:
        raised.append(f"and {len(faults) - SHOWN_MAX} more")
    pause = f"not judged for {first.disabled_s // 60} min, then tried again; left out for longer if it goes on."
    return title, "\n".join([f"Raised {FAULTS_MAX} times within a minute: {pause}", *raised])
