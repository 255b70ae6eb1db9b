"""Spans and sizes as settings write them."""

from __future__ import annotations

import pytest

from tradeassistd.base.amounts import size_bytes, span_s, span_words


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("36h", 129_600), ("30d", 2_592_000), ("8w", 4_838_400), ("2y", 63_072_000), ("forever", None), ("0d", 0)],
)
def test_spans(text: str, seconds: int | None) -> None:
    assert span_s(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "d", "30", "30 d", "-1d", "1.5d", "30m", "30D", "\u0663d", "forever and a day", "1d2h"]
)
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ValueError, match="is no span such as"):
        span_s(text)


@pytest.mark.parametrize("text", ["36h", "30d", "2y", "forever"])
def test_a_span_is_said_as_it_was_written(text: str) -> None:
    assert span_words(span_s(text)) == text


def test_other_spans_are_said_in_what_fits() -> None:
    assert [span_words(seconds) for seconds in (7 * 86_400, 90, 3_600 * 25)] == ["7d", "90s", "25h"]


@pytest.mark.parametrize(
    ("text", "count"),
    [("0", 0), ("12345", 12_345), ("500MB", 524_288_000), ("1.5GB", 1_610_612_736), ("2 GB", 2 * 2**30), ("1kb", 1_024),
     ("1TB", 2**40), ("0.5KB", 512)],
)  # fmt: skip
def test_sizes(text: str, count: int) -> None:
    assert size_bytes(text) == count


@pytest.mark.parametrize("text", ["", "GB", "1 2", "-1GB", "1.GB", "1GBit", "five", "1e9"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is no size such as"):
        size_bytes(text)
