"""The strict YAML reader: text stays text, places are exact, surprises are refused, both parsers agree."""

from __future__ import annotations

from itertools import pairwise

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tradeassistd.base.yaml12 import (
    Mapping,
    Node,
    Place,
    Problems,
    Scalar,
    Sequence,
    compose,
    decode,
    node_at,
    place_of,
    plain,
)
from tradeassistd.base.yaml12.compose import ALIAS_NODES_MAX, FAST, NESTING_MAX, PURE, Loader


def scalar_at(node: Node, *location: str | int) -> Scalar:
    found = node_at(node, location)
    assert isinstance(found, Scalar)
    return found


def problems_of(text: str, loader: Loader = FAST) -> list[str]:
    with pytest.raises(Problems) as error:
        compose(text, "f.yaml", loader=loader)
    return [str(problem) for problem in error.value.problems]


def test_every_scalar_is_text() -> None:
    text = "[NO, ON, yes, null, ~, 16:00, 0x1F, 1e5, 0o17, 1_000, .5, 2026-12-18, true, '', \"\", +1]"
    assert plain(compose(text, "f")) == [
        "NO", "ON", "yes", "null", "~", "16:00", "0x1F", "1e5", "0o17", "1_000", ".5", "2026-12-18", "true",
        "", "", "+1",
    ]  # fmt: skip


def test_a_document_with_everything() -> None:
    text = """\
# a comment
version: 1   # behind a value
rules:
- id: a-b
  when:
    all:
    - price > 5
    - 'it''s'
  text: |
    one
      two
  folded: >-
    one
    two
  flow: {a: [b, "c\\u0041"], d: e}
  empty:
other: &x [1]
again: *x
"""
    node = compose(text, "f.yaml")
    assert plain(node) == {
        "version": "1",
        "rules": [{
            "id": "a-b", "when": {"all": ["price > 5", "it's"]}, "text": "one\n  two\n", "folded": "one two",
            "flow": {"a": ["b", "cA"], "d": "e"}, "empty": "",
        }],
        "other": ["1"],
        "again": ["1"],
    }  # fmt: skip
    assert scalar_at(node, "rules", 0, "when", "all", 0) == Scalar("price > 5", Place("f.yaml", 7, 7))
    assert scalar_at(node, "rules", 0, "when", "all", 1) == Scalar("it's", Place("f.yaml", 8, 7), "'")
    assert scalar_at(node, "rules", 0, "flow", "d").in_flow
    assert not scalar_at(node, "rules", 0, "id").in_flow
    assert str(scalar_at(node, "rules", 0, "empty").place) == "f.yaml:16:8"
    rules = node_at(node, ("rules",))
    assert isinstance(rules, Sequence)
    assert isinstance(rules.items[0], Mapping)
    assert rules.items[0].place == Place("f.yaml", 4, 3)
    assert str(rules.items[0].key("when").place) == "f.yaml:5:3"  # type: ignore[union-attr]
    assert rules.items[0].get("when") is node_at(node, ("rules", 0, "when"))
    assert rules.items[0].get("whn") is None
    assert rules.items[0].key("whn") is None


def test_place_of_falls_back_to_the_nearest_parent() -> None:
    node = compose("a:\n  - b: c\n", "f")
    assert str(place_of(node, ("a", 0, "b"))) == "f:2:8"
    assert str(place_of(node, ("a", 0, "x", "y"))) == "f:2:5"
    assert str(place_of(node, ("a", 7))) == "f:2:3"
    assert str(place_of(node, ("x",))) == "f:1:1"
    assert str(place_of(node, ())) == "f:1:1"


@pytest.mark.parametrize(
    ("text", "offset", "place"),
    [
        ("a: price > 5", 6, "f:1:10"),
        ("a: price > 5", 8, "f:1:12"),  # right behind the end
        ("a: 'it''s > 5'", 5, "f:1:11"),
        ("a: 'it''s > 5'", 2, "f:1:7"),
        ('a: "x\\u0041y\\"z"', 1, "f:1:6"),
        ('a: "x\\u0041y\\"z"', 2, "f:1:12"),
        ('a: "x\\u0041y\\"z"', 3, "f:1:13"),
        ('a: "x\\u0041y\\"z"', 4, "f:1:15"),
        ("a: one\n  two", 4, "f:2:3"),
        ("a: 'one\n  two'", 4, "f:2:3"),
        ('a: "one\\\n  two"', 3, "f:2:3"),
        ("a: |\n  one\n    two\n", 6, "f:3:5"),
        ("a: >- # note\n  one\n\n  two\n", 4, "f:4:3"),
        ("a: |2\n   one\n", 1, "f:2:4"),
        ("a: ''", 0, "f:1:4"),
        ("\ufeffa: b", 0, "f:1:4"),  # an editor shows no byte order mark
        ("é😀: price", 1, "f:1:6"),
        ("a: one\r\n  two", 4, "f:2:3"),
    ],
)
def test_the_place_of_a_character(text: str, offset: int, place: str) -> None:
    node = compose(text, "f")
    assert isinstance(node, Mapping)
    (_, scalar), = node.items  # fmt: skip
    assert isinstance(scalar, Scalar)
    assert str(scalar.place_at(offset)) == place


_ANY_TEXT = st.text(st.sampled_from("ab .:#'\"\\-[]{},\n é😀\u0085\xa0\u2028&*!|>%@`0"), max_size=30)


@given(_ANY_TEXT, st.sampled_from(["", "'", '"', "|", ">"]), st.integers(10, 40))
@settings(max_examples=500, deadline=None)
@example("a\\b", '"', 10)
def test_law_each_visible_character_is_found_where_it_stands(text: str, style: str, width: int) -> None:
    """Whatever PyYAML's emitter makes of a text: quotes, escapes, folding, indentation signs."""
    written = yaml.dump({"key": {"k": text}}, default_style=style or None, width=width, allow_unicode=True)
    try:
        scalar = scalar_at(compose(written, "f"), "key", "k")
    except Problems as error:
        assert "invisible character" in str(error) or "control character" in str(error)
        return
    assert scalar.text == text
    lines = written.split("\n")
    places = [scalar.place_at(offset) for offset in range(len(text))]
    for char, place in zip(text, places, strict=True):
        if char not in " \n":
            assert lines[place.line - 1][place.column - 1] in (char, "\\")
    assert all(one <= two for one, two in pairwise(places))


@pytest.mark.parametrize("loader", [FAST, PURE], ids=["c", "pure"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1:1: the file is empty (fill it or delete it)"]),
        ("# only this\n", ["1:1: the file is empty (fill it or delete it)"]),
        ("a: 1\na: 2\n", ["2:1: a: 'a' is written twice (the first one is in line 1)"]),
        ("b: {a: 1, 'a': 2, a: 3}", ["1:11: b.a: 'a' is written twice (the first one is in line 1)",
                                    "1:19: b.a: 'a' is written twice (the first one is in line 1)"]),
        ("a:\n  <<: {b: c}\n", ["2:3: a.<<: merge keys (<<) are not supported (write the keys out, or use defaults)"]),
        ("a: !!str 5", ["1:4: a: tags (!) are not supported (remove the tag, or quote the value)"]),
        ("a: !x [1]", ["1:4: a: tags (!) are not supported (remove the tag, or quote the value)"]),
        ("a: ! 5", ["1:4: a: tags (!) are not supported (remove the tag, or quote the value)"]),
        ("a: !x!y 5", ["1:4: tags (!) are not supported (remove the tag, or quote the value)"]),
        ("%YAML 1.2\n---\na: b\n", ["1:1: % directives are not supported (remove the line)"]),
        ("a: b\n---\nc: d\n", ["2:1: a second document begins here (write one document per file)"]),
        ("a: b\n...\nc: d\n", ["3:1: text outside of the document (remove it, or mend the indentation)"]),
        ("a: b\n\tc: d\n", ["2:1: a tab (indent and align with spaces)"]),
        ("a: b # tab\there\n", ["1:11: a tab (indent and align with spaces)"]),
        ("a: b\rc: d\n", ["1:5: a line ends in a lone carriage return (save the file with Unix line ends)"]),
        ("a: b\ufeff\n", ["1:5: a byte order mark inside the text (save the file as UTF-8 without one)"]),
        ("a: b\x07\x07\u2028", ["1:5: the invisible character U+0007 (remove it)",
                               "1:7: the invisible character U+2028 (remove it)"]),
        ('a: "\\a"', ["1:4: a: holds the control character U+0007 (remove the escape)"]),
        ('a: "\\ud800"', ["1:4: a: holds the control character U+D800 (remove the escape)"]),
        ('a: "\\q"', ["1:6: an unknown \\ escape between double quotes (use single quotes)"]),
        ('a: "\\u12"', ["1:7: a broken \\ escape between double quotes (use single quotes)"]),
        ("a: [@core]", ['1:5: a value cannot begin with @ (quote it, e.g. ["@core"])']),
        ("a: `b`", ["1:4: a value cannot begin with ` (quote the value)"]),
        ("a: %b", ["1:4: a value cannot begin with % (quote the value)"]),
        ("a: *", ["1:5: a value cannot begin with * (quote it)"]),
        ("a: *b", ["1:4: a: nothing is anchored as &b (quote the value if it begins with a star)"]),
        ("a: &b [*b]", ["1:8: a[0]: *b stands inside of itself (write it out)"]),
        ("title: /ES: broke", ["1:11: a ': ' inside a value that is not quoted "
                               "(quote the value, e.g. title: '/ES: broke', or mend the indentation)"]),
        ("a: b\n  c: d\n", ["2:4: a ': ' inside a value that is not quoted "
                            "(quote the value, e.g. title: '/ES: broke', or mend the indentation)"]),
        ("a: - b", ["1:4: a list item cannot begin here (put '- ' on a line of its own)"]),
        ("a: ? b", ["1:4: '? ' cannot stand here (quote the value)"]),
        ("? a\n: b\n", ["1:3: a: keys behind '? ' are not supported (write key: value)"]),
        ("[a]: b", ["1:1: ?: a key must be text (quote a value that begins with [ or {)"]),
        ("{a: {[b]: c}}", ["1:6: a.?: a key must be text (quote a value that begins with [ or {)"]),
        ("'': b", ["1:1: a key is missing before ':' (write key: value)"]),
        ("{a: b, c}", ["1:8: c: 'c' has no ': ' and no value "
                       "(quote an expression that holds a comma: 'sma(close, 20, 1m) > price')"]),
        ("{when: sma(close, 9)}", ["1:19: 9): '9)' has no ': ' and no value "
                                   "(quote an expression that holds a comma: 'sma(close, 20, 1m) > price')"]),
        ("{when: price crosses any [1, 2]}", [
            "1:26: a bracket inside a value that is not quoted "
            "(quote the expression: 'price crosses any [5180, 5200]')"]),
        ("{title: /ES: broke}", [
            "1:12: a ': ' inside a value that is not quoted "
            "(quote the value, e.g. title: '/ES: broke', or mend the indentation)"]),
        ("{when: close(5m)[1] > 5}", [
            "1:17: a bracket inside a value that is not quoted "
            "(quote the expression: 'price crosses any [5180, 5200]')"]),
        ("{message: hit #3}\n", [
            "1:15: the text ends before this ' #' (quote the whole text, or put the comment on a line of its own)"]),
        ("{message: 'hit #3', a\n", [
            "1:1: the map that begins here is not closed or lacks a comma "
            "(close it, and quote an expression that holds a comma or a bracket: 'price crosses any [5180, 5200]')"]),
        ("{symbol}", ["1:2: symbol: 'symbol' has no ': ' and no value "
                      "(quote a text that begins with a brace: '{symbol} rose')"]),
        ("a: [b\nc: d\n", [
            "1:4: the list that begins here is not closed or lacks a comma "
            "(close it, and quote an expression that holds a comma or a bracket: 'price crosses any [5180, 5200]')"]),
        ("a: [b,, c]", ["1:7: a value is missing here (write it, in quotes if it is a sign)"]),
        ("a: ]", ["1:4: a value is missing here (write it, in quotes if it is a sign)"]),
        ("a: 'b\nc: d\n", ["1:4: the quote is never closed (add the closing quote)"]),
        ('a: "b\n---\n"', ["1:4: the quote is never closed (add the closing quote)"]),
        ("a: 'b' c", ["1:8: text behind a value that has ended (quote the whole value)"]),
        ("a: | b\n", ["1:6: text behind | or > (begin the text on the next line)"]),
        ("a: |#b\n", ["1:5: text behind | or > (begin the text on the next line)"]),
        ("a: |0\n b\n", ["1:5: a broken sign behind | or > (write only | or >)"]),
        ("a:\n  - b\n - c\n", ["3:2: this line does not fit the lines above it "
                               "(line the keys of one map, and the dashes of one list, up under each other)"]),
        ("a: |\n  b\n c\n", ["3:2: this line does not fit the lines above it "
                             "(line the keys of one map, and the dashes of one list, up under each other)"]),
        ("all:\n  - price > 1\n    - bid > 2\n", [
            "3:5: all[0]: this line goes on the value above, but begins with '-' "
            "(indent a list item like its neighbours, or quote the whole value)"]),
        ("a: [price\n  -5]\n", [
            "2:3: a[0]: this line goes on the value above, but begins with '-' "
            "(indent a list item like its neighbours, or quote the whole value)"]),
        ("a: " + "[" * 66 + "]" * 66, [
            "1:68: a[0][0][0]: is more than 64 levels deep (close the brackets, or nest less)"]),
        ("a: !x 1\na: 2\n<<: 3\n", [
            "1:4: a: tags (!) are not supported (remove the tag, or quote the value)",
            "2:1: a: 'a' is written twice (the first one is in line 1)",
            "3:1: <<: merge keys (<<) are not supported (write the keys out, or use defaults)"]),
    ],
)  # fmt: skip
def test_refuses(text: str, expected: list[str], loader: Loader) -> None:
    assert problems_of(text, loader) == [f"f.yaml:{line}" for line in expected]


@pytest.mark.parametrize(
    "text",
    [
        "a: 'price\n  - 5'\n",  # in quotes a line may begin with a dash
        "a: >-\n  price\n  - 5\n",
        "a: really?\nb: x ?\n",
        "a: b#c\n",
        "a: /ES:x\n",
        "---\na: b\n...\n",
        "a: &x b\nc: *x\n",
        "'<<': b\n",
        "a: [b, c,]\n",
        "{a: , b: c}",
        "a:\r\n  - b\r\n",
    ],
)
def test_accepts(text: str) -> None:
    assert compose(text, "f") == compose(text, "f", loader=PURE)


def test_aliases_are_counted_by_what_they_stand_for() -> None:
    def document(times: int) -> str:
        return f"a: &a [{', '.join('1' * 9)}]\nb: [{', '.join(['*a'] * times)}]\n"  # *a is ten nodes

    compose(document(ALIAS_NODES_MAX // 10), "f")
    expected = "f.yaml:2:405: b[100]: aliases stand for more than 1,000 nodes (write them out)"
    assert problems_of(document(ALIAS_NODES_MAX // 10 + 1)) == [expected]


def test_a_billion_laughs_are_refused_at_once() -> None:
    lines = [f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 10) if n else 'ha'}]" for n in range(30)]
    assert problems_of("\n".join(lines)) == [
        "f.yaml:4:25: k3[3]: aliases stand for more than 1,000 nodes (write them out)"
    ]


def test_depth_up_to_the_limit_is_read() -> None:
    deep = "[" * (NESTING_MAX) + "]" * (NESTING_MAX)
    assert compose(f"a: {deep}", "f")
    with pytest.raises(Problems):
        compose("[" * 200_000, "f")


@given(
    st.lists(
        st.sampled_from([
            "a", "b: ", "- ", "\n", "\n  ", "    ", "'", '"', "[", "]", "{", "}", ", ", ":", "#", " #", "|", ">", "|-",
            "&x ", "*x", "!t ", "@", "%", "? ", "---", "...", "\\", "\\n", "price > 5", "/ES", ": ", "<<: ", "$TICK",
            "é", "😀", "\r\n", "\\u00e9", "''", "key: value\n", "- item\n", "sma(close, 9, 1m)",
        ]),
        max_size=14,
    ).map("".join)
)  # fmt: skip
@settings(max_examples=1_500, deadline=None)
def test_law_the_c_parser_and_the_pure_one_say_the_same(text: str) -> None:
    said: list[object] = []
    for loader in (FAST, PURE):
        try:
            said.append(compose(text, "f", loader=loader))
        except Problems as error:
            said.append(error.problems)
    assert said[0] == said[1]


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
@settings(max_examples=500, deadline=None)
def test_any_text_is_a_tree_or_problems(text: str) -> None:
    try:
        compose(text, "f")
    except Problems as error:
        assert error.problems


def test_a_scalar_knows_the_comment_behind_it() -> None:
    node = compose("a: broke  # 3\nb: 'x' # y\nc: d#e\nd: one\n  two #3\ne: f\n#g\n", "f")
    places = {key: scalar_at(node, key).comment_behind() for key in "abcde"}
    assert {key: str(place) for key, place in places.items() if place} == {"a": "f:1:11", "d": "f:5:7"}


def test_decode() -> None:
    assert decode("é\r\n".encode(), "f") == "é\r\n"
    assert decode(b"\xef\xbb\xbfa: b", "f").encode() == b"\xef\xbb\xbfa: b"
    for data, expected in [
        (b"a: b\nc: caf\xe9\n", "f:2:7: byte 0xE9 is not UTF-8 (save the file as UTF-8)"),
        ("a: b".encode("utf-16"), "f:1:1: is written in UTF-16 (save the file as UTF-8)"),
    ]:
        with pytest.raises(Problems) as error:
            decode(data, "f")
        assert str(error.value) == expected
