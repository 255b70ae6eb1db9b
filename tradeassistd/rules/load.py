"""A directory of rule files, or their stored texts, to one rule set; a bad file does not take the others down."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tradeassistd.base.errors import ConfigError
from tradeassistd.base.yaml12 import Place, Problem, Problems, decode
from tradeassistd.engine.rule import Rule, RuleSet
from tradeassistd.rules.lint_routes import route_problems
from tradeassistd.rules.lint_rules import Directory
from tradeassistd.rules.lint_symbols import component_problems
from tradeassistd.rules.own_functions import use_installed
from tradeassistd.rules.readings import Context, Reading, Readings
from tradeassistd.rules.routes import Routes
from tradeassistd.rules.routes_file import ROUTES
from tradeassistd.rules.rule_file import FileRules
from tradeassistd.rules.rule_reading import Shared
from tradeassistd.rules.shared_files import LATER_FILES, SHARED, read_shared

FILE_MAX_BYTES = 1_000_000
GIT_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading gave; problems and warnings are sorted by place."""

    rule_set: RuleSet
    problems: tuple[Problem, ...] = ()
    """Everything wrong, of all files."""
    warnings: tuple[Problem, ...] = ()
    """What is allowed but may not be meant."""
    rejected: tuple[str, ...] = ()
    """Names of the files that were left out whole."""
    routes: Routes | None = None
    """What `_routes.yaml` says; None without it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a rules directory holds: texts by file name, and the files that cannot even be read."""

    texts: Mapping[str, str]
    prefix: str
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    unreadable: tuple[str, ...] = ()


def load_directory(
    path: Path, *, now_us: int = 0, lint: bool = False, channels: frozenset[str] | None = None
) -> Loaded:
    """Load every `*.yaml` of a directory (not below it), each read once. Raises ConfigError without a directory.

    `now_us` is market time, to warn of rules that have expired; 0: nothing is said of that. `lint` warns of everything
    in rules.lint, also of channels that are not among `channels`.
    """
    found = read_directory(path)
    loaded = load_texts(found.texts, prefix=found.prefix, now_us=now_us, lint=lint, channels=channels)
    return Loaded(
        loaded.rule_set,
        tuple(sorted([*found.problems, *loaded.problems])),
        tuple(sorted([*found.warnings, *loaded.warnings])),
        tuple(sorted([*found.unreadable, *loaded.rejected])),
        loaded.routes,
    )


def read_directory(path: Path) -> Found:
    """The texts of every `*.yaml` of a directory, each file read once. Raises ConfigError without a directory."""
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    warnings: list[Problem] = []
    rejected: list[str] = []
    prefix = f"{_real(path).name}/"
    for name in _names(path):
        start = Place(prefix + name, 1, 1)
        if not name.endswith(".yaml"):
            if name.lower().endswith((".yml", ".yaml")):
                better = f"{name.rpartition('.')[0]}.yaml"
                message = "is ignored: its name does not end in .yaml"
                warnings.append(Problem(start, "", message, f"rename it to {better}", "ignored-file"))
            continue
        try:
            texts[name] = decode(_read(path / name, start), start.file)
        except Problems as error:
            problems += error.problems
            rejected.append(name)
    return Found(texts, prefix, tuple(problems), tuple(warnings), tuple(rejected))


def load_texts(
    texts: Mapping[str, str],
    *,
    prefix: str = "rules.d/",
    live: Mapping[str, str] | None = None,
    now_us: int = 0,
    lint: bool = False,
    channels: frozenset[str] | None = None,
    readings: Readings | None = None,
) -> Loaded:
    """Load files by their texts (name in the rules directory -> text); `prefix` comes before the names in places.

    Of two files with one id the one that stands so in `live`, the texts in force, wins; else one with another version
    there; else the first by name.
    With `readings` a file that is as it was is not read again.
    """
    installed = use_installed()
    loading, known, readings = _Loading(prefix), live or {}, Readings() if readings is None else readings
    shared = loading.shared(texts, Shared(now_us=now_us, lint=lint, channels=channels))
    context = Context.of(texts, prefix, lint, channels)
    for name in sorted(texts, key=lambda name: (name not in known, known.get(name) != texts[name], name)):
        if is_rule_file(name):
            loading.rule_file(name, texts[name], readings.get(name, texts[name], context, shared))
        elif name not in SHARED:
            loading.unknown_file(name)
    loading.silences(now_us, lint=lint)
    if lint:
        loading.lint(installed.problems)
    return loading.loaded()


def is_rule_file(name: str) -> bool:
    """Whether a file of the directory holds rules, by its name."""
    return not name.startswith("_")


def git_commit(path: Path) -> str:
    """The commit checked out at `path`, or "" where there is no git or no commit."""
    place = _real(path)
    try:
        tops = [folder for folder in (place, *place.parents) if (folder / ".git").exists()]
    except OSError:
        return ""  # a folder above that may not be looked into
    if not tops:
        return ""
    command = ["git", "-c", f"safe.directory={tops[0]}", "-C", str(place), "rev-parse", "--verify", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""  # a commit is a note beside the rules; without it they are the same rules
    return done.stdout.strip()


class _Loading:
    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._shared = Shared()
        self._rules: dict[str, tuple[Rule, ...]] = {}
        self._ids: dict[str, Place] = {}
        self._directory = Directory()
        self._texts: dict[str, str] = {}
        self._problems: list[Problem] = []
        self._warnings: list[Problem] = []
        self._rejected: list[str] = []

    def shared(self, texts: Mapping[str, str], begin: Shared) -> Shared:
        """What the shared files say, over `begin`."""
        read = read_shared(texts, self._prefix, begin)
        self._shared = read.shared
        self._warnings += read.warnings
        for name in SHARED:
            if name in read.problems:
                self._problems += read.problems[name]
                self._rejected.append(name)
            elif name in texts:
                self._texts[name] = texts[name]
        return read.shared

    def unknown_file(self, name: str) -> None:
        self._reject(name, [self._not_a_rule_file(name)])

    def rule_file(self, name: str, text: str, reading: Reading) -> None:
        found = reading.found
        problems = reading.problems if found is None else self._used_ids(found)
        if found is None or problems:
            self._reject(name, problems)
            return
        self._ids.update({rule_id: place for rule_id, (place, _) in found.ids.items()})
        self._directory.places.update(found.ids)
        self._directory.was.update(found.was)
        self._rules[name] = found.rules
        self._warnings += found.warnings
        self._texts[name] = text

    def lint(self, elsewhere: Iterable[Problem]) -> None:
        """Warn of what is wrong between rules, and tell what is wrong `elsewhere` that rules may use."""
        self._problems += elsewhere
        self._warnings += self._directory.problems(self._in_order())
        self._warnings += component_problems(self._shared.instruments, self._shared.now_us)
        if self._shared.routes is not None:
            file = self._prefix + ROUTES
            self._warnings += route_problems(self._shared.routes, self._in_order(), file, self._shared.channels)

    def silences(self, now_us: int, *, lint: bool) -> None:
        """Warn of silences that are over; with `lint` also of those over nothing."""
        self._warnings += self._shared.silences.problems(self._in_order(), now_us, lint=lint)

    def loaded(self) -> Loaded:
        instruments = self._shared.instruments
        rule_set = RuleSet(
            self._in_order(), _hash(self._texts), tuple(sorted(self._texts.items())), instruments=instruments.overrides,
            derived=instruments.derived, silences=self._shared.silences.silences,
        )  # fmt: skip
        return Loaded(
            rule_set, tuple(sorted(self._problems)), tuple(sorted(self._warnings)), tuple(sorted(self._rejected)),
            self._shared.routes,
        )  # fmt: skip

    def _in_order(self) -> tuple[Rule, ...]:
        return tuple(rule for _, rules in sorted(self._rules.items()) for rule in rules)

    def _used_ids(self, found: FileRules) -> list[Problem]:
        """Of two files with one id the later one loses, whole."""
        return [
            Problem(place, path, f"id {rule_id!r} is used in two files", f"the first is {self._ids[rule_id]}")
            for rule_id, (place, path) in found.ids.items()
            if rule_id in self._ids
        ]

    def _not_a_rule_file(self, name: str) -> Problem:
        if name in LATER_FILES:
            return Problem(self._start(name), "", "is not supported by this version yet", "move it away")
        hint = f"rule files do not begin with _; shared files are {' '.join(sorted({*SHARED, *LATER_FILES}))}"
        return Problem(self._start(name), "", "is no shared file that this version knows", hint)

    def _reject(self, name: str, problems: Sequence[Problem]) -> None:
        self._problems += problems
        self._rejected.append(name)

    def _start(self, name: str) -> Place:
        return Place(self._prefix + name, 1, 1)


def _real(path: Path) -> Path:
    """Where a path leads; a link that leads to itself stays as it is, to be told of in words of its own."""
    return Path(os.path.realpath(path))


def _names(path: Path) -> list[str]:
    """The names in a rules directory, sorted, without what editors leave behind (all of it hidden, or not .yaml)."""
    try:
        return sorted(entry.name for entry in path.iterdir() if not entry.name.startswith(".") and not entry.is_dir())
    except FileNotFoundError:
        raise ConfigError(f"there is no rules directory {path}", hint="create it, or set rules.dir") from None
    except OSError as error:
        hint = "make it a directory the daemon may read"
        raise ConfigError(f"rules directory {path} cannot be read: {error.strerror}", hint=hint) from None


def _read(path: Path, start: Place) -> bytes:
    """The bytes of a file. Raises Problems when it cannot be read or is no rule file by its size or name."""
    try:
        if not path.name.isprintable():
            odd = Place(ascii(start.file), 1, 1)
            raise Problems([Problem(odd, "", "has invisible characters in its name", "rename it")])
        if not path.is_file():
            raise Problems([Problem(start, "", "is not a file", "remove it, or mend the link")])
        with path.open("rb") as file:
            data = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise Problems([Problem(start, "", f"cannot be read: {error.strerror}", "let the daemon read it")]) from None
    if len(data) > FILE_MAX_BYTES:
        raise Problems([Problem(start, "", f"is larger than {FILE_MAX_BYTES:,} bytes", "split it")])
    return data


def _hash(texts: Mapping[str, str]) -> str:
    """Over names and bytes, each with its length, so that no two sets run into the same."""
    digest = hashlib.sha256()
    for name, text in sorted(texts.items()):
        for part in (name.encode(), text.encode()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
