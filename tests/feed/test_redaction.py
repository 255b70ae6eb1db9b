"""No secret and no account number leaves a frame, whatever the frame; what the market said does."""

from __future__ import annotations

import base64
import json
import string
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.recorded import recorded
from tradeassistd.feed.redaction import MASK, plain_text, redact_frame
from tradeassistd.sim.preference import CORREL_ID, CUSTOMER_ID

ACCOUNTS = st.integers(10_000_000, 999_999_999).map(str)
TOKENS = st.binary(min_size=24, max_size=60).map(lambda raw: base64.b64encode(raw).decode())
CUSTOMERS = st.binary(min_size=32, max_size=32).map(bytes.hex)
CORRELATIONS = st.uuids().map(str)
APP_KEYS = st.text(string.ascii_letters + string.digits, min_size=32, max_size=32)
SECRETS = st.one_of(ACCOUNTS, TOKENS, CUSTOMERS, CORRELATIONS, APP_KEYS)
NAMES = st.one_of(
    st.sampled_from(["data", "response", "notify", "service", "command", "timestamp", "heartbeat", "requestid",
                     "content", "code", "msg", "key", "seq", "assetMainType", "snapshot", "3", "34"]),
    st.text(max_size=6),
)  # fmt: skip
SERVICES = st.sampled_from(["LEVELONE_EQUITIES", "LEVELONE_FUTURES", "ADMIN", "ACCT_ACTIVITY", "NEW_ONE"])


def hidden(secret: str) -> st.SearchStrategy[Any]:
    """JSON values with the secret somewhere inside: as text, within text, as a name."""
    around = st.sampled_from(["{}", "Bearer {}", "token={}&x=1", "account {} is closed", '"{}"', "a\t{}\n"])
    leaves = st.one_of(around.map(lambda text: text.format(secret)), st.none(), st.booleans(), st.text(max_size=5))
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4),
            st.dictionaries(st.just(secret), inner, max_size=1),
            st.builds(lambda service, value: {"service": service, "content": [value]}, SERVICES, inner),
            inner.map(lambda value: {"data": [value]}),
        ),
        max_leaves=8,
    )  # fmt: skip


def is_in(secret: str, document: object) -> bool:
    """Whether it can be read out of what leaves: as it is, or with the signs between its parts taken out."""
    text = json.dumps(document)
    digits = "".join(one for one in json.dumps(document).replace(MASK, " ") if one.isdigit() or one.isspace())
    return secret in text or (secret.isdigit() and secret in digits)


@given(st.data())
def test_no_secret_survives_whatever_the_frame(data: st.DataObject) -> None:
    secret = data.draw(SECRETS)
    message = data.draw(hidden(secret))
    raw = json.dumps(message)
    if data.draw(st.booleans()):  # broken off, as frames arrive when a connection dies
        raw = raw[: data.draw(st.integers(0, len(raw)))]
    assert not is_in(secret, redact_frame(raw))


@given(SECRETS, st.sampled_from(["\\u{:04x}", "{}"]), st.text(max_size=30))
def test_nor_out_of_text_that_is_no_json(secret: str, written: str, around: str) -> None:
    text = "".join(written.format(ord(one) if written[0] == "\\" else one) for one in secret)
    left = json.dumps(redact_frame(f'{{"data":[{around} {text} '))
    assert secret not in left and text not in left


@given(ACCOUNTS, st.sampled_from([" ", "-", ".", "/", " - ", "\\"]), st.integers(1, 3))
def test_an_account_number_written_in_groups_is_one(account: str, between: str, group: int) -> None:
    written = between.join(account[start : start + group] for start in range(0, len(account), group))
    assert not any(one.isdigit() for one in plain_text(f"account {written} closed"))


@pytest.mark.parametrize("place", ["requestid", "timestamp", "command", "service", "SchwabClientCorrelId", "token"])
def test_an_account_number_is_masked_wherever_a_part_has_room_for_it(place: str) -> None:
    for value in (89_874_630, "89874630"):
        for kind in ("data", "response", "notify"):
            assert "89874630" not in json.dumps(redact_frame(json.dumps({kind: [{place: value}]})))


def test_the_answer_to_a_login_keeps_its_words_and_loses_who_asked() -> None:
    answer = {"response": [{"service": "ADMIN", "command": "LOGIN", "requestid": "0", "SchwabClientCorrelId": CORREL_ID,
                            "timestamp": 1_765_307_160_000, "content": {"code": 3, "msg": "Login Denied.: token is "
                            f"invalid or has expired. {CUSTOMER_ID}"}}]}  # fmt: skip
    assert redact_frame(json.dumps(answer)) == {
        "response": [{"service": "ADMIN", "command": "LOGIN", "requestid": "0", MASK: MASK,
                      "timestamp": 1_765_307_160_000,
                      "content": {"code": 3, "msg": f"Login Denied.: token is invalid or has expired. {MASK}"}}]
    }  # fmt: skip


def test_heartbeats_and_rows_of_the_market_stay_as_they_came() -> None:
    beat = {"notify": [{"heartbeat": "1765307160000"}]}
    row = {"key": "/ES", "delayed": False, "assetMainType": "FUTURE", "1": 5536.5, "8": 1_250_270, "10": 1719002947349,
           "22": "Normal", "34": "/ESU24", "32": True}  # fmt: skip
    data = {"data": [{"service": "LEVELONE_FUTURES", "timestamp": 1_719_002_947_349, "command": "SUBS",
                      "content": [row, {"key": "$TICK", "3": -921}, {"key": "BRK/B", "3": 0}]}]}  # fmt: skip
    assert redact_frame(json.dumps(beat)) == beat
    assert redact_frame(json.dumps(data)) == data


def test_activity_of_the_account_is_left_out_whole() -> None:
    """The row of every night, as one user recorded it (protocol notes 4)."""
    row = {"seq": 11, "key": "Account Activity", "1": "89874630", "2": "", "3": "Feature not supported"}
    part = {"service": "ACCT_ACTIVITY", "timestamp": 1_760_502_601_557, "command": "SUBS", "content": [row]}
    assert redact_frame(json.dumps({"data": [part]})) == {"data": [part | {"content": MASK}]}


def test_every_recorded_frame_passes_with_its_prices() -> None:
    for line in recorded("frames/frames.jsonl").read_text("utf-8").splitlines():
        frame = json.loads(line).get("frame", {})
        raw = frame if isinstance(frame, str) else json.dumps(frame)
        left = redact_frame(raw)
        if "unreadable" in left:
            continue
        for part, kept in zip(json.loads(raw).get("data", ()), left.get("data", ()), strict=True):
            if part["service"].startswith("LEVELONE_") and part["service"].endswith(("EQUITIES", "FUTURES")):
                numbers = [{k: v for k, v in item.items() if isinstance(v, int | float)} for item in part["content"]]
                pairs = zip(numbers, kept["content"], strict=True)
                assert all(number.items() <= item.items() for number, item in pairs)


@pytest.mark.parametrize(
    "raw", ["", "null", "[]", "7", "NaN", '"x"', "{", "[" * 100_000, "9" * 5_000, '{"data": {"a": 1}}', '{"data": [1]}',
            '{"data":[{"service":["x"],"content":{"code":[]}}]}', '{"data":[{"service":"LEVELONE_FUTURES","content":'
            '[{"key":7,"1":NaN,"2":1e999,"3":[1]}, 4]}]}', "\ud800", "{\"data\":[\ufffd]}", uuid.UUID(int=7).hex],
)  # fmt: skip
def test_odd_frames_are_redacted_and_never_raise(raw: str) -> None:
    assert json.loads(json.dumps(redact_frame(raw), allow_nan=False)) == redact_frame(raw)
