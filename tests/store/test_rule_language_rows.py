"""The newer fields of rule states and transitions: stored without loss, and older files brought to them."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.makers import FRIDAY_US, a_decision, a_transition
from tradeassistd.base.clock import ManualClock
from tradeassistd.base.errors import FatalError
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.transition import Kind, Operand, RuleState, State, Transition
from tradeassistd.store import queries
from tradeassistd.store.database import Database
from tradeassistd.store.migrations import SQL
from tradeassistd.store.records import Alert, Decided
from tradeassistd.store.rule_states import select_states, upsert_states
from tradeassistd.store.writer import Store

CLOCK = ManualClock(FRIDAY_US)
SETUP = (("type", "mean-reversion"), ("entry", 5200.25), ("stop", 5190.0), ("target", None), ("confidence", 0.6))

int64 = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
of_type: dict[object, st.SearchStrategy[object]] = {
    int: int64, bool: st.booleans(), str: texts, State: st.sampled_from(State), int | None: st.none() | int64,
    list[int]: st.lists(st.sampled_from([-1, 0, 1])),
}  # fmt: skip


@st.composite
def states(draw: st.DrawFn) -> RuleState:
    """Any state, whatever fields there are; old ones are not taken up, so all were judged at one time."""
    fields = {field.name: draw(of_type[field.type]) for field in msgspec.structs.fields(RuleState)}
    return RuleState(**{**fields, "judged_us": FRIDAY_US})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> sqlite3.Connection:
    """A database of the newest schema, for laws about rows."""
    raw = sqlite3.connect(tmp_path_factory.mktemp("rows") / "main.db", isolation_level=None)
    for file in sorted((SQL / "main").glob("*.sql")):
        raw.executescript(file.read_text("utf-8"))
    return raw


@given(st.lists(states(), unique_by=lambda one: (one.rule_id, one.symbol, one.level, one.fingerprint), max_size=5))
def test_every_state_comes_back_exactly(empty: sqlite3.Connection, given_states: list[RuleState]) -> None:
    empty.execute("DELETE FROM rule_states")
    upsert_states(empty, given_states)
    found = select_states(empty)
    assert sorted(found, key=_key) == sorted(given_states, key=_key)


def _key(state: RuleState) -> tuple[str, str, int, str]:
    return (state.rule_id, state.symbol, state.level, state.fingerprint)


floats = st.floats(allow_nan=False, allow_infinity=False)
said = st.builds(
    lambda kind, tell, title, message, setup: a_transition(
        FRIDAY_US, kind=kind, tell=tell, title=title, message=message, setup=setup
    ),
    st.sampled_from(Kind), st.booleans(), texts, texts,
    st.lists(st.tuples(texts, st.none() | floats | texts)).map(tuple),
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(said)
async def test_what_a_rule_says_itself_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, transition: Transition
) -> None:
    store = await Store.open(tmp_path_factory.mktemp("store"), clock=CLOCK)
    alert = Alert(transition.alert_id, transition, "notice", "title", "text", "hash")
    await store.commit(Decided(FRIDAY_US, (transition,), (alert,)), [])
    assert queries.transitions(store.directory) == [transition]
    assert [one.alert for one in queries.alerts(store.directory)] == [alert]
    await store.close()


# --- a file of the first version --------------------------------------------------------------------------------------

OLD_STATES = (
    # rule, symbol, state, judged, since, told, untold
    ("told", "/ES", "firing", FRIDAY_US, FRIDAY_US - 9, FRIDAY_US - 9, 0),
    ("untold", "/ES", "firing", FRIDAY_US, FRIDAY_US - 9, FRIDAY_US - 99, 1),
    ("quiet", "/ES", "firing", FRIDAY_US, FRIDAY_US - 9, FRIDAY_US - 99, 0),
    ("calm", "SPY", "ok", FRIDAY_US, 0, FRIDAY_US - 9, 0),
)
OLD_RULES = (
    # set, file, text, commit, event time
    ("set1", "a.yaml", "one", "c1", FRIDAY_US - 9), ("set1", "b.yaml", "same", "c1", FRIDAY_US - 9),
    ("set2", "a.yaml", "two", "", FRIDAY_US), ("set2", "b.yaml", "same", "", FRIDAY_US),
    ("set2", "c.yaml", "same", "", FRIDAY_US),
)  # fmt: skip
OLD_TRANSITION = a_transition(FRIDAY_US, operands=(Operand("price crosses_above 5200", 5200.25, 5200.0),))


async def a_first_version(folder: Path) -> Path:
    """A state directory as version 1 of the schema left it, with rows."""
    steps = folder / "sql"
    steps.mkdir()
    shutil.copy(SQL / "main" / "0001_begin.sql", steps)
    directory = folder / "state"
    directory.mkdir()
    database = await Database.open(directory / "main.db", clock=CLOCK, synchronous="FULL", migrations=steps)
    await database.transaction(_fill)
    await database.close()
    return directory


def _fill(raw: sqlite3.Connection) -> None:
    raw.executemany(
        "INSERT INTO rule_states VALUES (?, ?, 0, 'f', ?, ?, ?, ?, ?, '[-1,1]', 3, 4)",
        OLD_STATES,
    )
    one = OLD_TRANSITION
    raw.execute(
        "INSERT INTO transitions VALUES (?, 0, ?, ?, 0, ?, 'fired', 'firing', '', ?, 'price', ?, ?, 0, ?)",
        (one.event_us, one.rule_id, one.symbol, one.fingerprint, one.value, one.price, one.since_us,
         msgspec.json.encode(one.operands).decode()),
    )  # fmt: skip
    raw.execute(
        "INSERT INTO alerts VALUES (?, ?, 0, 'warning', 'a title', 'a text', 'hash', 'for this')",
        (one.alert_id, one.event_us),
    )
    raw.execute(
        "INSERT INTO deliveries VALUES (?, 'slack', 'retrying', 2, ?, 0, 0, 'HTTP 500', 1)",
        (one.alert_id, one.event_us),
    )
    raw.execute("INSERT INTO meta VALUES ('status', '{\"ticks\": 7}')")
    raw.executemany("INSERT INTO rules VALUES (?, ?, ?, ?, ?)", OLD_RULES)
    raw.execute("INSERT INTO meta VALUES ('accepted_rules', 'set2')")


async def test_a_file_of_the_first_version_keeps_its_rows(tmp_path: Path) -> None:
    directory = await a_first_version(tmp_path)
    store = await Store.open(directory, clock=CLOCK)
    expected = tuple(
        RuleState(rule, symbol, 0, "f", State(state), judged, since, told, bool(untold), [-1, 1], 3, 4,
                  was_told=rule == "told")
        for rule, symbol, state, judged, since, told, untold in sorted(OLD_STATES)
    )  # fmt: skip
    assert await store.load_states() == expected
    assert queries.transitions(directory) == [OLD_TRANSITION]
    ((delivery, alert),) = await store.open_deliveries()
    assert (alert.transition, alert.title, alert.description) == (OLD_TRANSITION, "a title", "for this")
    assert (delivery.attempts, delivery.error, delivery.maybe_repeat) == (2, "HTTP 500", True)
    # It goes on as any other file.
    state = RuleState("told", "/ES", 0, "f", State.FIRING, FRIDAY_US + 1, was_told=True, acked=True, told_price=-5)
    await store.commit(a_decision(FRIDAY_US + 1, "slack"), [state])
    await store.close()
    store = await Store.open(directory, clock=CLOCK)
    assert state in await store.load_states()
    await store.close()
    assert len(queries.alerts(directory)) == 2


async def test_the_rule_sets_of_a_first_version_are_there_and_the_next_goes_on_from_them(tmp_path: Path) -> None:
    directory = await a_first_version(tmp_path)
    store = await Store.open(directory, clock=CLOCK)
    assert await store.load_rule_texts() == (("a.yaml", "two"), ("b.yaml", "same"), ("c.yaml", "same"))
    assert await store.load_rule_texts("set1") == (("a.yaml", "one"), ("b.yaml", "same"))
    assert await store.last_event_us() == FRIDAY_US
    texts = (("a.yaml", "one"), ("b.yaml", "same"))
    await store.save_rules(RuleSet((), "set1", texts), "", event_us=FRIDAY_US + 1)  # the set of before is back
    await store.save_rules(RuleSet((), "set3", texts[:1]), "", event_us=FRIDAY_US + 2)
    assert await store.load_rule_texts() == texts[:1]
    assert await store.load_rule_texts("set1") == texts
    await store.close()


async def test_before_the_file_is_changed_a_copy_of_it_is_kept(tmp_path: Path) -> None:
    directory = await a_first_version(tmp_path)
    store = await Store.open(directory, clock=CLOCK)
    await store.commit(a_decision(FRIDAY_US + 1), [])
    await store.close()
    copy = directory / "main.db.before-0002"
    assert copy.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(copy) as raw:
        columns = [name for _, name, *_ in raw.execute("PRAGMA table_info(rule_states)")]
        assert raw.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() == (1,)
        assert raw.execute("SELECT count(*) FROM rule_states").fetchone() == (len(OLD_STATES),)
        assert raw.execute("SELECT count(*) FROM alerts").fetchone() == (1,)
    raw.close()
    assert "more" not in columns
    # The way back is to put the copy in its place.
    copy.replace(directory / "main.db")
    store = await Store.open(directory, clock=CLOCK)
    assert [one.alert.id for one in queries.alerts(directory)] == [OLD_TRANSITION.alert_id]
    await store.close()


async def test_beside_an_older_daemon_questions_that_fit_are_answered_and_others_say_what_to_do(tmp_path: Path) -> None:
    directory = await a_first_version(tmp_path)
    assert queries.status(directory) == {"ticks": 7}
    with pytest.raises(FatalError, match=r"main\.db has schema 1, and this needs \d+.*Restart the daemon"):
        queries.alerts(directory)
    with pytest.raises(FatalError, match="schema 1"):
        queries.rule_states(directory)


# --- who was told -----------------------------------------------------------------------------------------------------


async def test_who_was_told_of_a_firing_that_goes_on_is_found_again(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "state", clock=CLOCK)
    await store.commit(a_decision(FRIDAY_US - 50, "pager"), [])  # an earlier firing
    await store.commit(a_decision(FRIDAY_US, "slack"), [])
    await store.commit(a_decision(FRIDAY_US + 5, "slack", "phone"), [])
    firing = RuleState("es-levels", "/ES", 0, "f" * 16, State.FIRING, FRIDAY_US, FRIDAY_US, was_told=True)
    others = [
        RuleState("es-levels", "/NQ", 0, "f" * 16, State.FIRING, FRIDAY_US, FRIDAY_US, was_told=True),
        RuleState("es-levels", "/ES", 1, "f" * 16, State.FIRING, FRIDAY_US, FRIDAY_US, was_told=True),
        RuleState("es-levels", "/ES", 2, "f" * 16, State.FIRING, FRIDAY_US, FRIDAY_US),
        RuleState("es-levels", "/ES", 3, "f" * 16, State.OK, FRIDAY_US, was_told=True),
    ]
    assert await store.recipients([firing, *others]) == {
        ("es-levels", "/ES", 0): {"phone": 0, "slack": 0}, ("es-levels", "/NQ", 0): {}, ("es-levels", "/ES", 1): {},
    }  # fmt: skip
    await store.close()
