"""Everything that is broken on purpose, for test_laws_bite.py."""

from __future__ import annotations

from tests.engine.breaks.a_break import Break
from tests.engine.breaks.of_conditions import BREAKS as OF_CONDITIONS
from tests.engine.breaks.of_order import BREAKS as OF_ORDER
from tests.engine.breaks.of_reliving import BREAKS as OF_RELIVING
from tests.engine.breaks.of_state import BREAKS as OF_STATE

__all__ = ["BREAKS", "Break"]

BREAKS = (*OF_CONDITIONS, *OF_STATE, *OF_ORDER, *OF_RELIVING)
