"""Loading rule files: what a good one becomes, defaults, identity, directories as they are in life, git."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tradeassistd.base.errors import ConfigError
from tradeassistd.engine.language.expression import render
from tradeassistd.engine.rule import DEFAULT_COOLDOWN_S, Evaluate, Rule
from tradeassistd.rules.grammar import parse
from tradeassistd.rules.load import FILE_MAX_BYTES, Loaded, git_commit, load_directory, load_texts


def one(text: str, **shared: str) -> Rule:
    """The only rule of one sound file (and of `_defaults.yaml`, when given)."""
    loaded = load_texts({"es.yaml": text, **{f"_{name}.yaml": shared[name] for name in shared}})
    assert loaded.problems == ()
    (rule,) = loaded.rule_set.rules
    return rule


def says(loaded: Loaded) -> list[str]:
    return [str(problem) for problem in loaded.problems]


def test_a_rule_with_every_field() -> None:
    text = """\
version: 1
rules:
  - id: es.levels-2_b
    description: >-
      through one of
      my levels
    tags: [futures, levels]
    symbols: [/ES, /NQ]
    when: price crosses any [5180, 5225.5]
    evaluate: close(5m)
    cooldown: 2h
    severity: critical
    session: globex
    mode: shadow
    at_load: fire
    catch_up: log
    notify: [slack, desk-2]
"""
    assert one(text) == Rule(
        id="es.levels-2_b",
        symbols=("/ES", "/NQ"),
        when=parse("price crosses any [5180, 5225.5]"),
        evaluate=Evaluate("5m"),
        severity="critical",
        cooldown_s=7200,
        session="globex",
        mode="shadow",
        at_load="fire",
        catch_up="log",
        notify=("slack", "desk-2"),
        description="through one of my levels",
        tags=("futures", "levels"),
    )
    assert (one(text).file, one(text).line) == ("es.yaml", 3)


def test_a_rule_with_nothing_but_the_needed() -> None:
    rule = one("version: 1\nrules:\n  - {id: a, symbols: [SPY], when: price > 1}\n")
    assert rule == Rule(id="a", symbols=("SPY",), when=parse("price > 1"))
    assert rule.cooldown_s == DEFAULT_COOLDOWN_S


@pytest.mark.parametrize(
    ("when", "text"),
    [
        ("price > 1", "price > 1"),
        ("{all: [price > 1, bid > 2]}", "price > 1 and bid > 2"),
        ("{any: [price > 1, bid > 2]}", "price > 1 or bid > 2"),
        ("{not: price > 1}", "not price > 1"),
        ("{all: [price > 1]}", "price > 1"),
        ("{all: [price > 1, {any: [bid > 2, {not: bid > 3}]}, {all: [bid > 4, bid > 5]}]}",
         "price > 1 and (bid > 2 or not bid > 3) and (bid > 4 and bid > 5)"),
        ("{not: {all: [price > 1, bid > 2]}}", "not (price > 1 and bid > 2)"),
        ("{any: [price > 1 and bid > 2, bid > 3]}", "(price > 1 and bid > 2) or bid > 3"),
        ("{any: [price crosses 1, price crosses_above 2]}", "price crosses 1 or price crosses_above 2"),
        ("price > 1   # a note", "price > 1"),
    ],
)  # fmt: skip
def test_conditions_written_as_maps(when: str, text: str) -> None:
    rule = one(f"version: 1\nrules:\n  - id: a\n    symbols: [/ES]\n    when: {when}\n")
    assert render(rule.when) == text
    assert rule.when == parse(text)


def test_defaults_rule_over_file_over_shared_and_whole_keys() -> None:
    loaded = load_texts({
        "_defaults.yaml": "severity: info\ncooldown: 1h\ntags: [x, y]\nsymbols: [SPY]\nmode: shadow\n",
        "a.yaml": "version: 1\ndefaults: {cooldown: 5m, tags: [z]}\nrules:\n"
                  "  - {id: own, when: price > 1, severity: critical, symbols: [/ES], cooldown: 10s}\n"
                  "  - {id: inherited, when: price > 1}\n",
        "b.yaml": "version: 1\nrules:\n  - {id: far, when: price > 1, tags: [w]}\n",
    })  # fmt: skip
    assert loaded.problems == ()
    found = {
        rule.id: (rule.severity, rule.cooldown_s, rule.tags, rule.symbols, rule.mode) for rule in loaded.rule_set.rules
    }
    assert found == {
        "own": ("critical", 10, ("z",), ("/ES",), "shadow"),
        "inherited": ("info", 300, ("z",), ("SPY",), "shadow"),
        "far": ("info", 3600, ("w",), ("SPY",), "shadow"),
    }


def test_bad_shared_defaults_do_not_take_the_rules_down() -> None:
    loaded = load_texts({
        "_defaults.yaml": "severity: criticl\nid: x\nlevels: []\nrules: []\ncooldown: 5m\n",
        "a.yaml": "version: 1\nrules:\n  - {id: a, symbols: [SPY], when: price > 1}\n",
    })  # fmt: skip
    assert says(loaded) == [
        "rules.d/_defaults.yaml:1:11: severity: unknown severity 'criticl' (did you mean critical?)",
        "rules.d/_defaults.yaml:2:1: id: 'id' cannot be a default (write it in each rule)",
        "rules.d/_defaults.yaml:3:1: levels: 'levels' cannot be a default (write it in each rule)",
        "rules.d/_defaults.yaml:4:1: rules: unknown key 'rules' "
        "(one of description tags symbols evaluate for keep_firing_for fire max_per_session rearm cooldown repeat "
        "on_clear severity session active stale_after expires mode at_load catch_up notify title message setup rev)",
    ]
    assert [str(warning) for warning in loaded.warnings] == [
        "rules.d/_defaults.yaml:1:1: no rule gets these defaults until the file is mended"
    ]
    assert [(rule.id, rule.cooldown_s) for rule in loaded.rule_set.rules] == [("a", DEFAULT_COOLDOWN_S)]


def test_of_two_files_with_one_id_the_later_one_loses() -> None:
    loaded = load_texts({
        "b.yaml": "version: 1\nrules:\n  - {id: b1, symbols: [SPY], when: price > 1}\n"
                  "  - {id: same, symbols: [SPY], when: price > 1}\n",
        "a.yaml": "version: 1\nrules:\n  - {id: same, symbols: [SPY], when: price > 2}\n",
        "c.yaml": "version: 1\nrules:\n  - {id: b1, symbols: [SPY], when: price > 3}\n",
    })  # fmt: skip
    assert says(loaded) == [
        "rules.d/b.yaml:4:10: rules[1].id: id 'same' is used in two files (the first is rules.d/a.yaml:3:10)"
    ]
    # b.yaml is out whole, so the b1 of c.yaml is the only one
    assert [(rule.id, rule.file) for rule in loaded.rule_set.rules] == [("same", "a.yaml"), ("b1", "c.yaml")]


def test_rules_stand_in_order_of_file_and_position() -> None:
    loaded = load_texts({
        "b.yaml": "version: 1\nrules:\n  - {id: z, symbols: [SPY], when: price > 1}\n"
                  "  - {id: a, symbols: [SPY], when: price > 1}\n",
        "a.yaml": "version: 1\nrules:\n  - {id: m, symbols: [SPY], when: price > 1}\n",
        "empty.yaml": "version: 1\nrules: []\n",
    })  # fmt: skip
    assert [rule.id for rule in loaded.rule_set.rules] == ["m", "z", "a"]
    assert [name for name, _ in loaded.rule_set.texts] == ["a.yaml", "b.yaml", "empty.yaml"]


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("symbols: [ES], when: price > 1", [
            "4:23: rules[0].symbols[0]: ES is Eversource Energy; the future is /ES "
            "(write /ES, or name ES in _instruments.yaml if the stock is meant)"]),
        ("symbols: [SPY, CL, VIX], when: price > 1", [
            "4:28: rules[0].symbols[1]: CL is Colgate-Palmolive; the future is /CL "
            "(write /CL, or name CL in _instruments.yaml if the stock is meant)",
            "4:32: rules[0].symbols[2]: VIX is read as a stock; the index is $VIX "
            "(write $VIX, or name VIX in _instruments.yaml if the stock is meant)"]),
        ("symbols: [/ES, SPY], when: price > 1", [
            "4:5: rules[0]: /ES is watched only in session rth, which the rule inherits "
            "(write session: rth in the rule if that is meant, else globex)"]),
        ("symbols: [/ES], session: rth, when: price > 1", []),
        ("symbols: [/ES, /ESZ26, $SPX, $TICK, SPY, BRK/B], session: rth, when: price > 1", []),
    ],
)  # fmt: skip
def test_warnings(text: str, warnings: list[str]) -> None:
    loaded = load_texts({"es.yaml": f"version: 1\ndefaults: {{session: rth}}\nrules:\n  - {{id: a, {text}}}\n"})
    assert loaded.problems == ()
    assert [str(warning) for warning in loaded.warnings] == [f"rules.d/es.yaml:{warning}" for warning in warnings]
    assert len(loaded.rule_set.rules) == 1


def test_the_hash_is_over_names_and_bytes_of_accepted_files() -> None:
    rule = "version: 1\nrules:\n  - {{id: {}, symbols: [SPY], when: price > 1}}\n".format
    base = load_texts({"a.yaml": rule("a"), "b.yaml": rule("b")}).rule_set
    assert load_texts({"b.yaml": rule("b"), "a.yaml": rule("a"), "bad.yaml": "x"}).rule_set == base
    assert load_texts(dict(base.texts)).rule_set == base
    changed = [
        {"a.yaml": rule("a") + "# note\n", "b.yaml": rule("b")},
        {"a.yaml": rule("a"), "c.yaml": rule("b")},
        {"a.yaml": rule("a")},
        {"a.yaml": "\ufeff" + rule("a"), "b.yaml": rule("b")},
        {"a.yaml": rule("a"), "b.yaml": rule("b"), "_defaults.yaml": "severity: info\n"},
        {"a.yaml": "version: 1\nrules: []\n#", "b.yaml": "{version: 1, rules: []}"},
        {"a.yaml": "version: 1\nrules: []\n#b.yaml{version: 1, rules: []}"},
        {},
    ]
    hashes = {base.hash, *(load_texts(texts).rule_set.hash for texts in changed)}
    assert len(hashes) == len(changed) + 1


GOOD = "version: 1\nrules:\n  - {id: good, symbols: [/ES], when: price > 1}\n"


@pytest.fixture
def rules_d(tmp_path: Path) -> Path:
    folder = tmp_path / "my-rules"
    folder.mkdir()
    (folder / "good.yaml").write_text(GOOD)
    return folder


def test_a_directory_gives_what_its_texts_give(rules_d: Path) -> None:
    (rules_d / "_defaults.yaml").write_text("severity: info\n")
    (rules_d / "windows.yaml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("good", "win").replace("\n", "\r\n").encode())
    loaded = load_directory(rules_d)
    assert [(rule.id, rule.severity) for rule in loaded.rule_set.rules] == [("good", "info"), ("win", "info")]
    assert load_texts(dict(loaded.rule_set.texts)).rule_set == loaded.rule_set
    for name, text in loaded.rule_set.texts:
        assert text.encode() == (rules_d / name).read_bytes()


def test_litter_and_folders_are_no_rules(rules_d: Path) -> None:
    for name in (".#x.yaml", "x.yaml~", ".x.yaml.swp", ".hidden.yaml", "#x.yaml#", "notes.txt", "x.yaml.orig", "4913"):
        (rules_d / name).write_text("not: rules\n")
    for folder in ("tests", "sub.yaml", ".git"):
        (rules_d / folder).mkdir()
        (rules_d / folder / "x.yaml").write_text("not: rules\n")
    loaded = load_directory(rules_d)
    assert (loaded.problems, loaded.warnings, loaded.rejected) == ((), (), ())
    assert [rule.id for rule in loaded.rule_set.rules] == ["good"]


def test_a_file_that_ends_in_yml_is_pointed_out(rules_d: Path) -> None:
    (rules_d / "more.yml").write_text(GOOD)
    (rules_d / "LOUD.YAML").write_text(GOOD)
    assert [str(warning) for warning in load_directory(rules_d).warnings] == [
        "my-rules/LOUD.YAML:1:1: is ignored: its name does not end in .yaml (rename it to LOUD.yaml)",
        "my-rules/more.yml:1:1: is ignored: its name does not end in .yaml (rename it to more.yaml)",
    ]


def test_files_that_cannot_be_read_do_not_take_the_others_down(rules_d: Path) -> None:
    (rules_d / "broken-link.yaml").symlink_to(rules_d / "nowhere.yaml")
    (rules_d / "latin.yaml").write_bytes(b"version: 1\nrules: [caf\xe9]\n")
    (rules_d / "utf16.yaml").write_bytes("version: 1\n".encode("utf-16"))
    (rules_d / "large.yaml").write_bytes(b"#" * (FILE_MAX_BYTES + 1))
    os.mkfifo(rules_d / "pipe.yaml")
    (rules_d / "tab\there.yaml").write_text(GOOD)
    loaded = load_directory(rules_d)
    assert says(loaded) == [
        "'my-rules/tab\\there.yaml':1:1: has invisible characters in its name (rename it)",
        "my-rules/broken-link.yaml:1:1: is not a file (remove it, or mend the link)",
        "my-rules/large.yaml:1:1: is larger than 1,000,000 bytes (split it)",
        "my-rules/latin.yaml:2:12: byte 0xE9 is not UTF-8 (save the file as UTF-8)",
        "my-rules/pipe.yaml:1:1: is not a file (remove it, or mend the link)",
        "my-rules/utf16.yaml:1:1: is written in UTF-16 (save the file as UTF-8)",
    ]
    assert len(loaded.rejected) == 6
    assert [rule.id for rule in loaded.rule_set.rules] == ["good"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(rules_d: Path) -> None:
    (rules_d / "secret.yaml").write_text(GOOD)
    (rules_d / "secret.yaml").chmod(0)
    assert says(load_directory(rules_d)) == [
        "my-rules/secret.yaml:1:1: cannot be read: Permission denied (let the daemon read it)"
    ]


def test_a_linked_file_is_read(rules_d: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.yaml").write_text(GOOD.replace("good", "linked"))
    (rules_d / "linked.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    assert [rule.id for rule in load_directory(rules_d).rule_set.rules] == ["good", "linked"]


def test_without_a_directory(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no rules directory .*/nowhere \(create it, or set rules.dir\)"):
        load_directory(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot be read: Not a directory \(make it a directory"):
        load_directory(tmp_path / "file")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_commit(rules_d: Path, tmp_path: Path) -> None:
    def git(*words: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *words]
        # What whoever runs this has told git, signatures and hooks for one, is nothing to these tests.
        environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=60, env=environment
        ).stdout.strip()

    git("init", "-q")
    assert git_commit(rules_d) == ""  # nothing is committed yet
    git("add", ".")
    git("commit", "-q", "-m", "rules")
    assert git_commit(rules_d) == git("rev-parse", "HEAD")
    assert len(git_commit(rules_d)) == 40


def test_no_commit_without_git(rules_d: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert git_commit(rules_d) == ""
    assert git_commit(rules_d / "nowhere") == ""
    (rules_d / ".git").mkdir()
    monkeypatch.setenv("PATH", "")
    assert git_commit(rules_d) == ""
