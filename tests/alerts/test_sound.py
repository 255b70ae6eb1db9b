"""The sound channel: which player it takes, what happens when that fails or hangs, and what is really heard."""

from __future__ import annotations

import asyncio
import io
import tempfile
import wave
from array import array
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.alerts.fakes import HeldClock
from tests.alerts.hearing import RATE_HZ, WINDOW, dominant_hz, rms, sounds
from tests.apt import START_WITHIN_S, needs, running
from tests.store.waiting import until
from tradeassistd.alerts.channels import default_ttl_s, open_channel, sound
from tradeassistd.alerts.channels.channel import LocalChannel
from tradeassistd.alerts.channels.sound import PATIENCE_S, SoundChannel
from tradeassistd.alerts.channels.tones import BEEPS, PAUSE_S, tone
from tradeassistd.alerts.message import Message
from tradeassistd.base.clock import WallClock
from tradeassistd.base.errors import ConfigError, PermanentError, TransientError
from tradeassistd.engine.rule import SEVERITIES

HANGS = 'sleep 600 & echo $$ $! > "$0.pids.tmp"; mv "$0.pids.tmp" "$0.pids"; wait'
HEARD_HZ = {"info": [880], "notice": [740], "warning": [660, 660], "critical": [1000, 1400, 1000, 1400]}
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install players that are shell scripts; nothing else is on the PATH but what these need."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("PULSE_SERVER", raising=False)

    def one(name: str, script: str) -> None:
        player = tmp_path / "bin" / name
        player.write_text(
            f"#!/bin/sh\nPATH=/usr/bin:/bin\necho \"$(basename $0) $*\" >> '{tmp_path}/called'\n{script}\n"
        )
        player.chmod(0o755)

    return one


def channel(url: str = "sound://", clock: WallClock | None = None) -> SoundChannel:
    """A player may take as long as it needs, on however busy a machine, unless the test brings a clock."""
    return SoundChannel("bell", url, clock=clock or HeldClock())


def message(severity: str = "warning") -> Message:
    return Message("title", "body", severity, "a1")


def called(folder: Path) -> list[str]:
    """Name and options of each player that ran, without the file's name."""
    return [line.rpartition(" ")[0] for line in (folder / "called").read_text().splitlines()]


def samples_of(wav: bytes) -> array[int]:
    with wave.open(io.BytesIO(wav)) as reader:
        assert (reader.getnchannels(), reader.getsampwidth()) == (1, 2)
        return array("h", reader.readframes(reader.getnframes()))


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def pids(folder: Path) -> list[int]:
    """The hanging player and the child it started, once both are there; else none."""
    file = folder / "bin" / "paplay.pids"
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


async def test_the_first_player_there_is_plays_the_severity(tmp_path: Path, install: Install) -> None:
    install("aplay", "exit 9")
    install("paplay", f"cat \"$1\" > '{tmp_path}/heard.wav'")
    await channel().send(message("critical"))
    assert called(tmp_path) == ["paplay"]
    assert (tmp_path / "heard.wav").read_bytes() == tone("critical", 0.8).wav
    install("pw-play", "")
    await channel().send(message())
    assert called(tmp_path) == ["paplay", "pw-play"]
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_a_player_that_fails_is_followed_by_the_next(tmp_path: Path, install: Install) -> None:
    install("pw-play", "echo no such server >&2; exit 1")
    install("paplay", "exit 1")
    install("aplay", "")
    await channel().send(message())
    assert called(tmp_path) == ["pw-play", "paplay", "aplay -q"]


async def test_when_all_fail_each_reason_is_told(
    tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("pw-play", "echo 'cannot connect:' >&2; echo ' host is down' >&2; exit 1")
    install("paplay", "exit 4")
    with pytest.raises(TransientError) as caught:
        await channel().send(message())
    assert caught.value.message == "pw-play: cannot connect: host is down; paplay: exit code 4"
    assert "user unit" in caught.value.hint
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(TransientError) as caught:
        await channel().send(message())
    assert "pactl info" in caught.value.hint


async def test_without_any_player_it_says_what_to_install(install: Install) -> None:
    with pytest.raises(PermanentError, match=r"pw-play, paplay, aplay.*Install pulseaudio-utils"):
        await channel().send(message())


async def test_a_file_that_is_no_program_is_a_failure(tmp_path: Path, install: Install) -> None:
    install("paplay", "")
    (tmp_path / "bin" / "paplay").write_text("neither")
    with pytest.raises(TransientError, match="paplay: cannot be started"):
        await channel().send(message())


async def test_a_player_that_hangs_is_killed_with_its_children(tmp_path: Path, install: Install) -> None:
    install("paplay", HANGS)
    install("aplay", "")
    clock = HeldClock()
    sending = asyncio.create_task(channel(clock=clock).send(message("info")))
    await until(lambda: pids(tmp_path))
    (file,) = (each for each in (tmp_path / "tmp").iterdir() if each.stat().st_size)
    assert file.stat().st_mode & 0o777 == 0o600
    clock.expire()
    await sending
    assert called(tmp_path) == ["paplay", "aplay -q"]
    assert clock.limits_s == pytest.approx([0.12 + PATIENCE_S] * 2)
    await until(lambda: not any(map(runs, pids(tmp_path))))


async def test_a_hang_is_told_when_no_other_player_is_left(tmp_path: Path, install: Install) -> None:
    install("paplay", HANGS)
    clock = HeldClock()
    sending = asyncio.create_task(channel(clock=clock).send(message("info")))
    await until(lambda: pids(tmp_path))
    clock.expire()
    with pytest.raises(TransientError, match=r"paplay: did not end within 3.1 s"):
        await sending


async def test_a_send_given_up_leaves_nothing_running(tmp_path: Path, install: Install) -> None:
    install("paplay", HANGS)
    sending = asyncio.create_task(channel().send(message()))
    await until(lambda: pids(tmp_path))
    assert all(map(runs, pids(tmp_path)))
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await until(lambda: not any(map(runs, pids(tmp_path))))
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_a_named_command_is_the_only_player(tmp_path: Path, install: Install) -> None:
    install("paplay", "")
    install("ring", "exit 1")
    bell = channel("sound://?command=ring%20-x%20'a%20b'&volume=10")
    with pytest.raises(TransientError, match="ring: exit code 1"):
        await bell.send(message())
    assert called(tmp_path) == ["ring -x a b"]
    with pytest.raises(PermanentError, match="no sound player found \\(gong\\)"):
        await channel("sound://?command=gong").send(message())


async def test_no_room_for_the_file_is_told(tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("paplay", "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(TransientError, match=r"cannot write a temporary file.*Make room in"):
        await channel().send(message())


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("sound://?volume=101", "no percentage"),
        ("sound://?volume=-1", "no percentage"),
        ("sound://?volume=loud", "no percentage"),
        ("sound://?command=", "no command"),
        ("sound://?command='ring", "no command"),
        ("sound://?loudness=3", "does not know"),
        ("sound://speaker", "does not know"),
    ],
)
def test_a_url_with_a_mistake_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        open_channel("bell", url, clock=WallClock())


def test_every_severity_has_its_own_tone() -> None:
    assert tuple(BEEPS) == SEVERITIES
    for severity, beeps in BEEPS.items():
        sound = tone(severity, 0.8)
        samples = samples_of(sound.wav)
        assert sound.duration_s == pytest.approx(
            sum(length_s for _, length_s in beeps) + PAUSE_S * (len(beeps) - 1), abs=1e-3
        )
        assert len(samples) == round(sound.duration_s * 44_100)
        assert max(samples) == pytest.approx(0.8 * 32_767, rel=0.02)
        assert max(map(abs, samples[:4])) < 200, "a click"
        for number, (frequency_hz, length_s) in enumerate(beeps):
            at = round((sum(length for _, length in beeps[:number]) + PAUSE_S * number + length_s / 4) * 44_100)
            assert dominant_hz(samples[at : at + 2_205], 44_100) == frequency_hz
    assert {severity: [hertz for hertz, _ in beeps] for severity, beeps in BEEPS.items()} == HEARD_HZ


def test_volume_is_in_the_wave() -> None:
    assert rms(samples_of(tone("info", 0.2).wav)) == pytest.approx(rms(samples_of(tone("info", 0.8).wav)) / 4, rel=0.01)
    assert set(samples_of(tone("critical", 0.0).wav)) == {0}


@pytest.mark.parametrize(
    ("url", "ttl_s"), [("sound://", 30), ("Desktop://", 30), ("slack://bot/#a", 900), ("json://sound", 900)]
)
def test_what_is_seen_or_heard_here_expires_soon(url: str, ttl_s: int) -> None:
    assert default_ttl_s(url) == ttl_s


@pytest.fixture
async def null_sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A PulseAudio server of our own whose only sink goes nowhere."""
    program = needs("pulseaudio", "pulseaudio")
    needs("paplay", "pulseaudio-utils")
    socket = tmp_path / "native"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PULSE_SERVER", f"unix:{socket}")
    modules = (
        f"module-null-sink sink_name=nowhere rate={RATE_HZ}",
        f"module-native-protocol-unix socket={socket} auth-anonymous=1",
    )
    loads = [word for module in modules for word in ("-L", module)]
    options = ("-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes")
    async with running(program, *options, *loads) as server:
        await until(lambda: socket.exists() or server.returncode is not None)
        assert server.returncode is None
        yield


async def test_each_severity_is_heard_on_a_real_server(null_sink: None) -> None:
    parec = needs("parec", "pulseaudio-utils")
    form = ("--format=s16le", "--channels=1", f"--rate={RATE_HZ}", "--latency-msec=20", "--raw")
    async with running(parec, "-d", "nowhere.monitor", *form) as recorder:
        assert recorder.stdout is not None
        async with asyncio.timeout(START_WITHIN_S):
            before = array("h", await recorder.stdout.readexactly(RATE_HZ))  # 0.5 s
        bell = channel()
        recording = asyncio.create_task(_record(recorder.stdout, heard := bytearray()))
        for severity in SEVERITIES:
            await bell.send(message(severity))
            await _more(heard, 0.4)
        await _more(heard, 2.5)  # a sink may be 2 s behind
        recording.cancel()
    assert rms(before) == 0.0, "nothing is heard before anything is played"
    samples = array("h", bytes(heard[: len(heard) // 2 * 2]))
    stretches = sounds(samples, silence_s=2 * PAUSE_S)
    assert len(stretches) == len(SEVERITIES)
    for severity, windows in zip(SEVERITIES, stretches, strict=True):
        whole = samples[windows[0] : windows[-1] + WINDOW]
        assert rms(whole) > 0.05
        beeps = sounds(whole, silence_s=PAUSE_S / 2)
        middles = [beep[len(beep) // 2] for beep in beeps]
        assert [dominant_hz(whole[at : at + WINDOW]) for at in middles] == HEARD_HZ[severity]


async def _more(recorded: bytearray, seconds: float) -> None:
    """Return once that much more was recorded."""
    enough = len(recorded) + round(seconds * RATE_HZ) * 2
    await until(lambda: len(recorded) >= enough)


async def _record(stream: asyncio.StreamReader, into: bytearray) -> None:
    while chunk := await stream.read(1 << 16):
        into += chunk


async def test_what_would_play_is_said_without_a_sound(
    tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("paplay", "exit 1")
    monkeypatch.setenv("PULSE_SERVER", "unix:/nowhere")
    assert isinstance(channel(), LocalChannel)
    assert await channel().ready() == "paplay"
    monkeypatch.delenv("PULSE_SERVER")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "pipewire-0").touch()
    assert await channel().ready() == "paplay"
    assert not (tmp_path / "called").exists()


async def test_nothing_would_play_without_a_player_or_a_place_to_play(
    tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIPEWIRE_REMOTE", raising=False)
    with pytest.raises(PermanentError, match="no sound player"):
        await channel().ready()
    install("aplay", "exit 0")
    monkeypatch.setattr(sound, "SOUND_CARDS", tmp_path / "snd")
    with pytest.raises(TransientError, match="neither a sound server"):
        await channel().ready()
    (tmp_path / "snd").mkdir()
    (tmp_path / "snd" / "pcmC0D0p").touch()
    assert await channel().ready() == "aplay"
    assert await channel("sound://?command=aplay -q").ready() == "aplay"  # whoever names a player knows what it does
