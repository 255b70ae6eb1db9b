"""What of the store's settings is read, and how what is wrong is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradeassistd.base.amounts import DAY_S
from tradeassistd.base.config import KeepSettings, kept_instead, load_settings
from tradeassistd.base.yaml12 import Problems


def loaded(folder: Path, text: str, **environment: str) -> object:
    (folder / "config.yaml").write_text(text, "utf-8")
    return load_settings(folder / "config.yaml", environment).store


def test_defaults_are_what_a_trader_would_choose(tmp_path: Path) -> None:
    store = loaded(tmp_path, "store: {path: state}\n")
    assert (store.tape, store.min_free) == ("every", None)  # type: ignore[attr-defined]
    assert store.keep == KeepSettings()  # type: ignore[attr-defined]
    assert (KeepSettings().tape, KeepSettings().alerts) == (30 * DAY_S, None)


def test_every_key_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEASSIST_STORE__KEEP__AUDIT", "8w")
    store = loaded(
        tmp_path,
        """
store:
  path: state
  tape: 1s
  min_free: 2.5GB
  keep: {tape: 36h, bars: forever, daily_bars: 10y, alerts: 3y, transitions: 30d, rules: 1d}
""",
    )
    assert (store.tape, store.min_free) == ("1s", 2_684_354_560)  # type: ignore[attr-defined]
    spans = (
        "tape=36h",
        "bars=forever",
        "daily_bars=3650d",
        "alerts=1095d",
        "transitions=30d",
        "rules=24h",
        "audit=56d",
    )
    assert store.keep == kept_instead(KeepSettings(), spans)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tape: 2s", "1:9: store.tape: input should be 'every', '1s' or 'bars'"),
        ("min_free: lots", "1:9: store.min_free: value error, 'lots' is no size such as 500mb"),
        ("min_free: -1", "1:9: store.min_free: "),
        ("keep: {tape: 1h}", "1:16: store.keep.tape: value error, 1h is not at least a day"),
        ("keep: {tape: 30}", "1:16: store.keep.tape: value error, '30' is no span such as"),
        ("keep: {tape: 101y}", "at most 100y"),
        ("keep: {tapes: 1d}", "store.keep.tapes: there is no such setting (did you mean tape?)"),
        ("keep: {alerts: null}", "store.keep.alerts: "),
    ],
)
def test_what_is_wrong_is_refused_at_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Problems) as caught:
        loaded(tmp_path, f"store: {{{text}}}\n")
    assert said.replace("1:9:", "").replace("1:16:", "").strip() in str(caught.value).lower()


def test_spans_can_be_given_in_place_of_the_settings() -> None:
    keep = kept_instead(KeepSettings(), ["tape=10d", "bars=forever"])
    assert (keep.tape, keep.bars, keep.audit) == (10 * DAY_S, None, KeepSettings().audit)
    for wrong in ("tape", "tape=", "tapes=10d", "tape=1h", "=1d"):
        with pytest.raises(ValueError, match=r"span|none of|at least"):
            kept_instead(KeepSettings(), [wrong])
