"""`_routes.yaml` in a rules directory: what it says, which channels it may name, and what is kept when it is bad."""

from __future__ import annotations

from tradeassistd.engine.rule import RuleSet
from tradeassistd.market.active import ActiveWindow
from tradeassistd.rules.keep import accept
from tradeassistd.rules.load import Found, Loaded, load_texts
from tradeassistd.rules.routes import Escalate, Match, Quiet, Route, Routes

RULES = """
version: 1
rules:
  - {id: es-levels, symbols: [/ES], when: price crosses 5200, tags: [levels]}
  - id: drop
    symbols: [SPY]
    levels: [{severity: notice, when: price < 400}, {severity: critical, when: price < 300}]
"""
ROUTES = "version: 1\nroutes:\n  - channels: [slack]\n"
OTHER = "version: 1\nroutes:\n  - channels: [phone]\n"
CHANNELS = frozenset({"slack", "phone"})


def load(routes: str, *, lint: bool = False, channels: frozenset[str] | None = CHANNELS) -> Loaded:
    return load_texts({"a.yaml": RULES, "_routes.yaml": routes}, lint=lint, channels=channels)


def test_every_key_is_read() -> None:
    loaded = load("""
version: 1
routes:
  - match: {severity: [warning, critical], tag: le*, rule: [es-*, nq-*], symbol: /ES}
    channels: [slack]
    quiet: {hours: [sun-thu 22:00-06:00 America/Chicago], channels: [phone]}
    fallback: [phone]
    escalate: {after: 90s, channels: [phone]}
    continue: true
default: {channels: [phone]}
""")
    assert loaded.problems == ()
    hours = ActiveWindow(frozenset({6, 0, 1, 2, 3}), 22 * 60, 6 * 60, "America/Chicago")
    match = Match(("warning", "critical"), ("le*",), ("es-*", "nq-*"), ("/ES",), names_critical=True)
    quiet, escalate = Quiet((hours,), ("phone",)), Escalate(90, ("phone",))
    route = Route(match, ("slack",), quiet, ("phone",), escalate, goes_on=True)
    assert loaded.routes == Routes((route,), Route(channels=("phone",)))
    assert route.named == {"slack", "phone"}


def test_without_the_file_there_are_none() -> None:
    assert load_texts({"a.yaml": RULES}).routes is None


def test_a_channel_that_the_settings_do_not_have_is_an_error() -> None:
    routes = "version: 1\ndefault:\n  fallback: [fone]\n  quiet: {hours: [mon 01:00-02:00], channels: [x]}\n"
    assert [str(one) for one in load(routes).problems] == [
        "rules.d/_routes.yaml:3:14: default.fallback[0]: there is no channel 'fone' (did you mean phone?)",
        "rules.d/_routes.yaml:4:48: default.quiet.channels[0]: there is no channel 'x' "
        "(the settings have phone, slack)",
    ]
    assert load(routes, channels=None).problems == ()
    (none,) = load(ROUTES, channels=frozenset()).problems
    assert none.hint == "the settings have none"


def test_without_the_settings_check_says_that_nobody_looked() -> None:
    assert [one.code for one in load(ROUTES, lint=True, channels=None).warnings] == ["unchecked-channels"]
    assert load(ROUTES, lint=True).warnings == ()


def test_check_warns_of_a_route_that_no_alert_takes() -> None:
    routes = """
version: 1
routes:
  - {match: {severity: critical}, channels: [phone]}
  - {match: {rule: es-lvels}, channels: [phone]}
  - {match: {rule: '!tradeassist'}, channels: [phone]}
  - {channels: [slack]}
  - {match: {severity: notice}, channels: [phone]}
"""
    assert [(str(one.place), one.path, one.code) for one in load(routes, lint=True).warnings] == [
        ("rules.d/_routes.yaml:5:5", "routes[1]", "idle-route"),
        ("rules.d/_routes.yaml:8:5", "routes[4]", "idle-route"),
    ]


def take(texts: dict[str, str], live: dict[str, str], channels: frozenset[str] = CHANNELS) -> Loaded:
    return accept(Found(texts, "rules.d/"), live, channels=channels)


def test_a_bad_one_is_rejected_the_one_before_stays_and_the_rules_are_taken() -> None:
    live = {"a.yaml": RULES, "_routes.yaml": ROUTES}
    changed = RULES.replace("5200", "5300")
    for bad in ("version: 1\nroutes: [{channels: [nobody]}]\n", "version: 2\n", "{"):
        loaded = take({"a.yaml": changed, "_routes.yaml": bad}, live)
        assert (loaded.rejected, loaded.routes) == (("_routes.yaml",), load(ROUTES).routes)
        assert dict(loaded.rule_set.texts) == {"a.yaml": changed, "_routes.yaml": ROUTES}


def test_a_change_of_routes_is_another_rule_set_with_the_same_rules() -> None:
    before, after = load(ROUTES), load(OTHER)
    assert before.rule_set.hash != after.rule_set.hash
    assert before.rule_set.rules == after.rule_set.rules
    assert take({"a.yaml": RULES}, {"a.yaml": RULES, "_routes.yaml": ROUTES}).routes is None


def test_a_last_good_version_that_is_good_no_more_leaves_no_routes_and_says_so() -> None:
    live = {"a.yaml": RULES, "_routes.yaml": OTHER}
    loaded = take(live, live, frozenset({"slack"}))
    assert (loaded.routes, loaded.rejected) == (None, ("_routes.yaml",))
    assert "there is no channel 'phone'" in str(loaded.problems[0])
    assert isinstance(loaded.rule_set, RuleSet) and len(loaded.rule_set.rules) == 2
    assert [one.code for one in loaded.warnings] == ["no-routes"]
