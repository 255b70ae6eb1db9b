"""The results as JUnit XML, which continuous integration reads: one suite per test file."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from tradeassistd.rules.testing.run import FileResult, TestResult


def junit_xml(results: Sequence[FileResult]) -> str:
    """The document as text, with its XML declaration."""
    top = ElementTree.Element("testsuites", name="tradeassist rules test")
    for result in results:
        failures = sum(bool(test.failures) for test in result.tests)
        suite = ElementTree.SubElement(
            top, "testsuite", name=result.file, tests=str(len(result.tests) + bool(result.problems)),
            failures=str(failures), errors=str(int(bool(result.problems))),
        )  # fmt: skip
        for test in result.tests:
            _case(suite, result, test)
        if result.problems:
            case = ElementTree.SubElement(suite, "testcase", classname=result.file, name="reading the file")
            ElementTree.SubElement(case, "error", message=result.problems[0]).text = "\n".join(result.problems)
    ElementTree.indent(top)
    return ElementTree.tostring(top, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ElementTree.Element, result: FileResult, test: TestResult) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=result.file, name=test.name)
    if test.failures:
        failure = ElementTree.SubElement(case, "failure", message=test.failures[0])
        failure.text = "\n".join((*test.failures, "", *test.happened))
