"""What is in recorded sound, with the standard library only: how loud, which frequency, where it is silent."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

RATE_HZ = 48_000
WINDOW = RATE_HZ // 50
"""20 ms."""


def rms(samples: Sequence[int]) -> float:
    """Loudness: 0 is silence, 0.71 a full sine."""
    return math.sqrt(sum(value * value for value in samples) / len(samples)) / 32_768 if samples else 0.0


def dominant_hz(samples: Sequence[int], rate_hz: int = RATE_HZ) -> int:
    """The strongest of the frequencies 200, 220 .. 3000 Hz (Goertzel's recurrence for each)."""
    return max(range(200, 3_001, 20), key=lambda frequency_hz: _power(samples, frequency_hz, rate_hz))


def sounds(samples: array[int], silence_s: float) -> list[list[int]]:
    """Stretches of sound with at least that much silence between them; each as its windows' start positions."""
    loud = [at for at in range(0, len(samples) - WINDOW, WINDOW) if rms(samples[at : at + WINDOW]) > 0.01]
    stretches: list[list[int]] = []
    for at in loud:
        if not stretches or at - stretches[-1][-1] > silence_s * RATE_HZ:
            stretches.append([])
        stretches[-1].append(at)
    return stretches


def _power(samples: Sequence[int], frequency_hz: int, rate_hz: int) -> float:
    factor = 2 * math.cos(2 * math.pi * frequency_hz / rate_hz)
    before = last = 0.0
    for value in samples:
        before, last = last, value + factor * last - before
    return before * before + last * last - factor * before * last
