"""How long to wait before trying again."""

from __future__ import annotations

from random import Random

FIRST_S = 1.0
LONGEST_S = 60.0


def backoff_s(failures: int, random: Random) -> float:
    """Full jitter: anything from nothing to 1, 2, 4 .. 60 s after that many failures in a row (at least one).

    Marc Brooker, *Exponential Backoff And Jitter*, AWS Architecture Blog, 2015: spreads many clients best.
    """
    doublings = min(failures - 1, 10)
    return random.uniform(0.0, min(LONGEST_S, FIRST_S * 2**doublings))
