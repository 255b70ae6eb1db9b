"""The tones of the severities, as WAV files made from sine waves."""

from __future__ import annotations

import io
import math
import sys
import wave
from array import array

import msgspec

RATE_HZ = 44_100
FADE_S = 0.005
"""Each beep swells and dies over this time: without, it begins and ends in a click."""
PAUSE_S = 0.08

BEEPS: dict[str, tuple[tuple[int, float], ...]] = {
    "info": ((880, 0.12),),
    "notice": ((740, 0.25),),
    "warning": ((660, 0.18), (660, 0.18)),
    "critical": ((1000, 0.15), (1400, 0.15), (1000, 0.15), (1400, 0.15)),
}
"""Frequency in Hz and length in seconds of each beep; the more severe, the more beeps."""


class Tone(msgspec.Struct, frozen=True):
    """What one severity sounds like."""

    wav: bytes
    duration_s: float


def tone(severity: str, volume: float) -> Tone:
    """The tone of a severity, mono, 16 bits. `volume` from 0 to 1 is the peak of the wave: every player honours it."""
    samples = array("h")
    for number, (frequency_hz, length_s) in enumerate(BEEPS[severity]):
        if number:
            samples.extend([0] * round(PAUSE_S * RATE_HZ))
        samples.extend(_beep(frequency_hz, length_s, volume))
    if sys.byteorder == "big":
        samples.byteswap()  # WAV is little-endian
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE_HZ)
        writer.writeframes(samples.tobytes())
    return Tone(file.getvalue(), len(samples) / RATE_HZ)


def _beep(frequency_hz: int, length_s: float, volume: float) -> array[int]:
    count = round(length_s * RATE_HZ)
    fade = FADE_S * RATE_HZ
    step, peak = 2 * math.pi * frequency_hz / RATE_HZ, 32_767 * volume
    return array("h", (
        round(peak * min(1.0, index / fade, (count - index) / fade) * math.sin(step * index)) for index in range(count)
    ))  # fmt: skip
