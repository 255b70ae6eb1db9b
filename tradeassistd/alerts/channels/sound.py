"""`sound://`: a tone on this machine, played by the first of its players that can.

`sound://?volume=50` sets the loudness in percent (default 80). `sound://?command=play -q` uses that program instead of
pw-play, paplay or aplay; the WAV file is its last argument. A sound server needs a session: a service of the system has
none unless its unit says otherwise.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from tradeassistd.alerts.channels.local import one_line, options
from tradeassistd.alerts.channels.tones import BEEPS, tone
from tradeassistd.alerts.message import Message
from tradeassistd.base.clock import Clock
from tradeassistd.base.errors import ConfigError, PermanentError, TransientError

PLAYERS = (("pw-play",), ("paplay",), ("aplay", "-q"))
"""PipeWire, PulseAudio, ALSA: each also plays on the servers before it, where those stand in for it."""
PATIENCE_S = 3.0
"""Beyond the tone's length: a server buffers up to 2 s, and a player whose server hangs never ends by itself."""
VOLUME = 80
SAID_BYTES_MAX = 2_000
SOUND_CARDS = Path("/dev/snd")
"""Where the kernel shows them."""

_INSTALL = "Install pulseaudio-utils, pipewire-bin or alsa-utils, or name a player with sound://?command=…"
_NO_SESSION = "A system service has no sound server: use the user unit, or give the system unit User= and PULSE_SERVER="
_IN_SESSION = "See that a sound server runs (`pactl info`), or leave out this channel"


class SoundChannel:
    """One severity, one tone. The text of the message is not used."""

    def __init__(self, name: str, url: str, *, clock: Clock) -> None:
        """Makes the tones, which takes about 50 ms. Raises ConfigError when the URL is not as the module says."""
        self.name = name
        self._clock = clock
        found = options(name, url, "command", "volume")
        self._command = _command(name, found["command"]) if "command" in found else None
        volume = _volume(name, found.get("volume", str(VOLUME)))
        self._tones = {severity: tone(severity, volume) for severity in BEEPS}

    async def send(self, message: Message) -> None:
        """Return once the tone was played. Raises PermanentError without any player, TransientError if all failed."""
        sound = self._tones.get(message.severity) or self._tones["warning"]
        problems = []
        players = self._players()
        # A file of its own each time: a shared one in /tmp would one day be cleaned away under a daemon that runs long.
        with _scratch(sound.wav) as file:
            for player in players:
                problem = await self._play([*player, file.name], sound.duration_s + PATIENCE_S)
                if not problem:
                    return
                problems.append(f"{Path(player[0]).name}: {problem}")
        in_session = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("PULSE_SERVER")
        raise TransientError("; ".join(problems), hint=_IN_SESSION if in_session else _NO_SESSION)

    async def ready(self) -> str:
        """What would play, without a sound. Raises PermanentError without a player, TransientError where no sound
        server and no card is seen."""
        (player, *_), *_ = self._players()
        if self._command is None and not _has_output():
            in_session = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("PULSE_SERVER")
            raise TransientError("neither a sound server nor a sound card is seen",
                                 hint=_IN_SESSION if in_session else _NO_SESSION)  # fmt: skip
        return player

    async def close(self) -> None:
        """A player under way is ended when `send` is cancelled."""

    def _players(self) -> list[Sequence[str]]:
        """Those that are installed, looked up each time: one may be installed while the daemon runs."""
        wanted = PLAYERS if self._command is None else (self._command,)
        found = [player for player in wanted if shutil.which(player[0])]
        if not found:
            raise PermanentError(f"no sound player found ({', '.join(player[0] for player in wanted)})", hint=_INSTALL)
        return list(found)

    async def _play(self, command: Sequence[str], limit_s: float) -> str:
        """Run one player to its end; gives what went wrong, empty when it played."""
        with _scratch() as said:  # not a pipe: nobody has to read it while the player runs
            try:
                process = await asyncio.create_subprocess_exec(
                    *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=said,
                    start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                return f"cannot be started: {error.strerror}"
            try:
                async with self._clock.deadline(limit_s):
                    code = await process.wait()
            except TimeoutError:
                return f"did not end within {limit_s:.1f} s, so it was killed"
            finally:
                await _end(process)
            if code == 0:
                return ""
            said.seek(0)
            return one_line(said.read(SAID_BYTES_MAX).decode("utf-8", "replace")) or f"exit code {code}"


def _has_output() -> bool:
    """Whether a server of PulseAudio or PipeWire is named or listens in the session, or ALSA has a card to play on."""
    if any(os.environ.get(name) for name in ("PULSE_SERVER", "PIPEWIRE_REMOTE")):
        return True
    folder = os.environ.get("XDG_RUNTIME_DIR")
    if folder and any(Path(folder, name).exists() for name in ("pulse/native", "pipewire-0")):
        return True
    return any(SOUND_CARDS.glob("pcm*p"))


@contextmanager
def _scratch(content: bytes = b"") -> Iterator[IO[bytes]]:
    """A file of mode 0600 that is gone once it is closed. Raises TransientError when there is no room for it."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.NamedTemporaryFile(prefix="tradeassist-", suffix=".wav"))
            file.write(content)
            file.flush()
        except OSError as error:
            raise TransientError(f"cannot write a temporary file: {error.strerror}",
                                 hint=f"Make room in {tempfile.gettempdir()}") from error  # fmt: skip
        yield file


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill a player that still runs, with whatever it started."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own
        await process.wait()


def _command(name: str, text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError:
        words = ()
    if not words:
        raise ConfigError(f"channel {name}: ?command= is no command", hint="Write it as in a shell: ?command=play -q")
    return words


def _volume(name: str, text: str) -> float:
    if not text.isascii() or not text.isdigit() or int(text) > 100:
        raise ConfigError(f"channel {name}: ?volume= is no percentage", hint="Write a whole number from 0 to 100")
    return int(text) / 100
