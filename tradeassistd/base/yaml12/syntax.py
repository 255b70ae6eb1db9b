"""What PyYAML says about broken syntax, in this project's words."""

from __future__ import annotations

import re

import yaml

from tradeassistd.base.yaml12.node import Source
from tradeassistd.base.yaml12.problem import Problem, Problems

# Everything a text file needs. Not: tabs, other line separators (editors count lines differently), invisible controls.
_REFUSED = re.compile(
    r"\r(?!\n)|[^\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)

_COLON = "a ': ' inside a value that is not quoted"
_QUOTE_HINT = "quote the value, e.g. title: '/ES: broke', or mend the indentation"
_FLOW_HINT = "close it, and quote an expression that holds a comma or a bracket: 'price crosses any [5180, 5200]'"
_INDENT_HINT = "line the keys of one map, and the dashes of one list, up under each other"

_TEXT_BEHIND = "found '<scalar>'"

# (part of PyYAML's problem, message, hint, whether the place is where the broken thing began)
_WORDS: tuple[tuple[str, str, str, bool], ...] = (
    ("mapping values are not allowed", _COLON, _QUOTE_HINT, False),
    ("sequence entries are not allowed", "a list item cannot begin here", "put '- ' on a line of its own", False),
    ("mapping keys are not allowed", "'? ' cannot stand here", "quote the value", False),
    ("could not find expected ':'", "a key without ': ' behind it", "write key: value", True),
    ("found unexpected end of stream", "the quote is never closed", "add the closing quote", True),
    ("found unexpected document separator", "the quote is never closed", "add the closing quote", True),
    ("expected ',' or ']'", "the list that begins here is not closed or lacks a comma", _FLOW_HINT, True),
    ("expected ',' or '}'", "the map that begins here is not closed or lacks a comma", _FLOW_HINT, True),
    (_TEXT_BEHIND, "text behind a value that has ended", "quote the whole value", False),
    ("expected <block end>", "this line does not fit the lines above it", _INDENT_HINT, False),
    ("unknown escape character", "an unknown \\ escape between double quotes", "use single quotes", False),
    ("hexadecimal numbers", "a broken \\ escape between double quotes", "use single quotes", False),
    ("expected chomping", "text behind | or >", "begin the text on the next line", False),
    ("expected indentation indicator", "a broken sign behind | or >", "write only | or >", False),
    ("expected a comment or a line break", "text behind | or >", "begin the text on the next line", False),
    ("expected the node content", "a value is missing here", "write it, in quotes if it is a sign", False),
    ("expected '<document start>'", "text outside of the document", "remove it, or mend the indentation", False),
)
# Between { } an unquoted value ends at a bracket; behind a list or map that has ended nothing of that kind may follow.
_IN_FLOW = re.compile(r"expected ',' or '[\]}]'(?:, but got '([\[{:])')?")
_BRACKET_BEHIND_WORD = re.compile(r"[^\s\[{,:](\[)[^\[\]]*\] *$")
_COMMENT = re.compile(r" (#)")
_BRACKET_HINT = "quote the expression: 'price crosses any [5180, 5200]'"
_BRACKET = "a bracket inside a value that is not quoted"
_CANNOT_START = re.compile(r"found character '(.+)' that cannot start any token")


def check_characters(source: Source) -> None:
    """Refuse characters that have no business in a text file. Raises Problems with the first of each kind."""
    seen: dict[str, Problem] = {}
    for match in _REFUSED.finditer(source.text):
        message, hint = _character(match[0])
        if message not in seen:
            seen[message] = Problem(source.place(match.start()), "", message, hint)
    if seen:
        raise Problems(seen.values())


def syntax_problem(error: yaml.YAMLError, source: Source) -> Problem:
    """An error of PyYAML's pure scanner or parser, in our words."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Problem(source.place(0), "", f"is not YAML: {error}")
    problem, context = error.problem or "", error.context or ""
    place = source.place(source.index(error.problem_mark.line, error.problem_mark.column))
    if match := _CANNOT_START.search(problem):
        before = source.text[: error.problem_mark.index].rpartition("\n")[2]
        if bracket := _BRACKET_BEHIND_WORD.search(before):
            line = error.problem_mark.line
            return Problem(source.place(source.index(line, bracket.start(1))), "", _BRACKET, _BRACKET_HINT)
        hint = 'quote it, e.g. ["@core"]' if match[1] == "@" else "quote the value"
        return Problem(place, "", f"a value cannot begin with {match[1]}", hint)
    if "directive" in context or "directive" in problem or "document (version" in problem:
        return Problem(place, "", "% directives are not supported", "remove the line")
    if "tag" in context or "tag handle" in problem:
        return Problem(place, "", "tags (!) are not supported", "remove the tag, or quote the value")
    if "alias" in context or "anchor" in context:
        return Problem(place, "", f"a value cannot begin with {'*' if 'alias' in context else '&'}", "quote it")
    if (match := _IN_FLOW.search(problem)) and (found := _flow_problem(match[1], error, source)):
        return found
    begins_line = not source.text[: error.problem_mark.index].rpartition("\n")[2].strip(" ")
    for words, message, hint, at_begin in _WORDS:
        if words in problem and not (words == _TEXT_BEHIND and begins_line):
            begin = error.context_mark if at_begin and error.context_mark else error.problem_mark
            return Problem(source.place(source.index(begin.line, begin.column)), "", message, hint)
    return Problem(place, "", f"is not YAML: {problem}")


def _flow_problem(got: str | None, error: yaml.MarkedYAMLError, source: Source) -> Problem | None:
    """The slip that made a list or map between brackets go on where it cannot, if it is one of those people make."""
    assert error.problem_mark is not None
    place = source.place(source.index(error.problem_mark.line, error.problem_mark.column))
    if got in ("[", "{"):
        return Problem(place, "", _BRACKET, _BRACKET_HINT)
    if error.context_mark is None:
        return None
    if got == ":" and error.context_mark.line == error.problem_mark.line:  # further down it was never closed
        return Problem(place, "", _COLON, _QUOTE_HINT)
    begin = source.index(error.context_mark.line, error.context_mark.column)
    line = source.text[begin:].partition("\n")[0]
    comment = _COMMENT.search(line)
    if comment and not line[: comment.start()].count("'") % 2 and re.search(r"[\]}]", line[comment.end() :]):
        hint = "quote the whole text, or put the comment on a line of its own"
        return Problem(source.place(begin + comment.start(1)), "", "the text ends before this ' #'", hint)
    return None


def _character(char: str) -> tuple[str, str]:
    if char == "\t":
        return "a tab", "indent and align with spaces"
    if char == "\r":
        return "a line ends in a lone carriage return", "save the file with Unix line ends"
    if char == "\ufeff":
        return "a byte order mark inside the text", "save the file as UTF-8 without one"
    return f"the invisible character U+{ord(char):04X}", "remove it"
