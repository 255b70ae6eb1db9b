"""The protocol of one streamer connection, case by case and by the law that image and changes add up to the state."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeassistd.sim.listing import listing_of
from tradeassistd.sim.market import Batch, Change, LevelOne
from tradeassistd.sim.session import KEYS_MAX, Ending, Session

NOW_US = 1_700_000_000_123_000
NOW_MS = 1_700_000_000_123
GOOD = "good-token"


class Floor:
    """Four instruments and one session on them, spoken to in JSON."""

    def __init__(self) -> None:
        self.records = {symbol: LevelOne(listing_of(symbol, NOW_US)) for symbol in ("SPY", "AAPL", "$SPX", "/ES")}
        self.of_key = {key: record for record in self.records.values() for key in record.listing.keys}
        self.session = Session(self.of_key.get, lambda token: token == GOOD)

    def send(self, *requests: dict[str, Any] | str) -> list[dict[str, Any]]:
        """Send one frame with these requests; the frames that came back."""
        self.session.receive(json.dumps({"requests": list(requests)}), NOW_US)
        return self.read()

    def read(self) -> list[dict[str, Any]]:
        frames = [json.loads(frame) for frame in self.session.outbox]
        self.session.outbox.clear()
        return frames

    def log_in(self) -> None:
        assert self.send(login())[0]["response"][0]["content"]["code"] == 0

    def change(self, symbol: str, **fields: object) -> list[dict[str, Any]]:
        """Let fields, given as `f3=1.5`, change; the frames that came of it."""
        record = self.records[symbol]
        values = [(int(name[1:]), json.dumps(value)) for name, value in fields.items()]
        self.session.publish(Batch(NOW_US, [Change(record, record.put(values))]))
        return self.read()


def login(token: str = GOOD, request_id: str | int = "0") -> dict[str, Any]:
    parameters = {"Authorization": token, "SchwabClientChannel": "N9", "SchwabClientFunctionId": "APIAPP"}
    return request("ADMIN", "LOGIN", request_id) | {"parameters": parameters}


def request(service: str, command: str, request_id: str | int = "1", **parameters: str) -> dict[str, Any]:
    return {
        "service": service,
        "requestid": request_id,
        "command": command,
        "SchwabClientCustomerId": "CUST",
        "SchwabClientCorrelId": "CORR",
        "parameters": parameters,
    }


def equities(command: str, keys: str = "", fields: str = "0,1,2,3,8", request_id: str = "1") -> dict[str, Any]:
    parameters = {"keys": keys, "fields": fields} if command != "UNSUBS" else {"keys": keys}
    return request("LEVELONE_EQUITIES", command, request_id, **parameters)


def code(frame: dict[str, Any]) -> int:
    value: int = frame["response"][0]["content"]["code"]
    return value


@pytest.fixture
def floor() -> Floor:
    floor = Floor()
    floor.log_in()
    return floor


def test_login_is_answered_as_in_the_guide() -> None:
    floor = Floor()
    assert floor.send(login(request_id=1)) == [
        {
            "response": [
                {
                    "service": "ADMIN",
                    "command": "LOGIN",
                    "requestid": "1",
                    "SchwabClientCorrelId": "CORR",
                    "timestamp": NOW_MS,
                    "content": {"code": 0, "msg": "server=simulator-1;status=NP"},
                }
            ]
        }
    ]
    assert floor.session.logged_in


def test_nothing_goes_before_the_login() -> None:
    floor = Floor()
    (answer,) = floor.send(equities("SUBS", "SPY"))
    assert code(answer) == 20
    assert floor.session.is_empty
    assert floor.session.ending is None


def test_a_bad_token_is_denied_and_the_connection_closed() -> None:
    floor = Floor()
    answers = floor.send(login("stale"), equities("SUBS", "SPY"))
    assert [answer["response"][0]["content"] for answer in answers] == [
        {"code": 3, "msg": "Login Denied.: token is invalid or has expired."}
    ]
    assert floor.session.ending is Ending.CLOSE


def test_logout_is_answered_and_the_connection_closed(floor: Floor) -> None:
    (answer,) = floor.send(request("ADMIN", "LOGOUT"))
    assert answer["response"][0]["content"] == {"code": 0, "msg": "SUCCESS"}
    assert floor.session.ending is Ending.CLOSE


def test_subs_is_answered_first_and_then_the_image_comes(floor: Floor) -> None:
    answer, image = floor.send(equities("SUBS", "SPY,$SPX,NOPE"))
    assert answer["response"][0]["content"] == {"code": 0, "msg": "SUBS command succeeded"}
    (element,) = image["data"]
    assert (element["service"], element["timestamp"], element["command"]) == ("LEVELONE_EQUITIES", NOW_MS, "SUBS")
    spy, spx = element["content"]
    assert spy == {
        "key": "SPY", "delayed": False, "assetMainType": "EQUITY", "assetSubType": "ETF", "cusip": "78462F103",
        "1": 0, "2": 0, "3": 0, "8": 0,
    }  # fmt: skip
    assert spx == {"key": "$SPX", "delayed": False, "assetMainType": "INDEX", "3": 0, "8": 0}


def test_an_unknown_symbol_gets_a_yes_and_nothing_else(floor: Floor) -> None:
    (answer,) = floor.send(equities("SUBS", "NOPE,/ES"))
    assert code(answer) == 0
    assert not floor.session.is_empty


def test_only_asked_fields_that_changed_are_sent(floor: Floor) -> None:
    floor.send(equities("SUBS", "SPY", "0,1,3"))
    (frame,) = floor.change("SPY", f1=417.01, f2=417.08, f3=417.09)
    assert frame == {
        "data": [
            {
                "service": "LEVELONE_EQUITIES",
                "timestamp": NOW_MS,
                "command": "SUBS",
                "content": [{"key": "SPY", "1": 417.01, "3": 417.09}],
            }
        ]
    }
    assert floor.change("SPY", f1=417.01, f3=417.1)[0]["data"][0]["content"] == [{"key": "SPY", "3": 417.1}]
    assert floor.change("SPY", f2=418, f8=100) == []
    assert floor.change("AAPL", f3=1) == []


def test_a_future_answers_to_contract_and_root_each_under_its_own_name(floor: Floor) -> None:
    contract = floor.records["/ES"].listing.symbol
    floor.send(request("LEVELONE_FUTURES", "SUBS", keys=f"/ES,{contract}", fields="0,3,34"))
    (frame,) = floor.change("/ES", f3=5000.25)
    assert [item["key"] for item in frame["data"][0]["content"]] == [contract, "/ES"]


def test_add_appends_keeps_the_word_subs_and_repeats_the_image(floor: Floor) -> None:
    floor.send(equities("SUBS", "SPY", "3"))
    answer, image = floor.send(equities("ADD", "AAPL", "3", request_id="7"))
    assert (answer["response"][0]["command"], answer["response"][0]["requestid"]) == ("ADD", "7")
    assert image["data"][0]["command"] == "SUBS"
    floor.change("AAPL", f3=190.5)
    _, again = floor.send(equities("ADD", "AAPL", "3"))
    assert again["data"][0]["content"][0]["3"] == 190.5
    assert set(floor.session.subscribed()) == {("LEVELONE_EQUITIES", "SPY"), ("LEVELONE_EQUITIES", "AAPL")}


def test_add_may_come_first_and_subs_replaces(floor: Floor) -> None:
    floor.send(equities("ADD", "SPY,AAPL"))
    floor.send(equities("SUBS", "$SPX"))
    assert floor.session.subscribed() == [("LEVELONE_EQUITIES", "$SPX")]
    assert floor.change("SPY", f3=1) == []


def test_view_changes_the_fields_of_all_keys(floor: Floor) -> None:
    floor.send(equities("SUBS", "SPY,AAPL", "3"))
    answer, image = floor.send(request("LEVELONE_EQUITIES", "VIEW", fields="0,8"))
    assert answer["response"][0]["content"]["msg"] == "VIEW command succeeded"
    assert [item.keys() & {"3", "8"} for item in image["data"][0]["content"]] == [{"8"}, {"8"}]
    assert floor.change("SPY", f3=2, f8=5)[0]["data"][0]["content"] == [{"key": "SPY", "8": 5}]


def test_unsubs_removes_and_the_last_one_leaves_the_session_empty(floor: Floor) -> None:
    floor.send(equities("SUBS", "SPY,AAPL"))
    (answer,) = floor.send(equities("UNSUBS", "SPY"))
    assert answer["response"][0]["content"]["msg"] == "UNSUBS command succeeded"
    assert floor.change("SPY", f3=1) == []
    assert not floor.session.is_empty
    floor.send(equities("UNSUBS", "AAPL,NOPE"))
    assert floor.session.is_empty


def test_several_requests_in_one_frame_are_answered_in_order(floor: Floor) -> None:
    frames = floor.send(
        equities("SUBS", "SPY", request_id="1"),
        request("NYSE_BOOK", "SUBS", "2", keys="SPY", fields="0,1"),
        request("LEVELONE_FUTURES", "SUBS", "3", keys="/ES", fields="3"),
    )
    kinds = [(frame["response"] if "response" in frame else frame["data"])[0] for frame in frames]
    assert [
        (part["service"], part.get("requestid"), part.get("content", {})) for part in kinds if "requestid" in part
    ] == [
        ("LEVELONE_EQUITIES", "1", {"code": 0, "msg": "SUBS command succeeded"}),
        ("NYSE_BOOK", "2", {"code": 11, "msg": "Service NYSE_BOOK is not available"}),
        ("LEVELONE_FUTURES", "3", {"code": 0, "msg": "SUBS command succeeded"}),
    ]
    assert ["data" in frame for frame in frames] == [False, True, False, False, True]


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        "{}",
        '{"requests":[]}',
        '{"requests":[{"service":"ADMIN"}]}',
        '{"requests":[{"service":"ADMIN","command":"QOS","requestid":"5","SchwabClientCorrelId":"C"}]}',
        '{"requests":[{"service":"LEVELONE_EQUITIES","command":"SUBS","requestid":"5","parameters":{"fields":"1"}}]}',
        '{"requests":[{"service":"LEVELONE_EQUITIES","command":"SUBS","requestid":"5","parameters":{"keys":"A","fields":"x"}}]}',
        '{"requests":[{"service":"LEVELONE_EQUITIES","command":"SUBS","requestid":"5","parameters":{"keys":"A"}}]}',
        '{"requests":[{"service":"LEVELONE_EQUITIES","command":"SUBS","requestid":"5","parameters":{"keys":["A"]}}]}',
        '{"requests":[{"service":"LEVELONE_EQUITIES","command":"BUY","requestid":"5","parameters":{"keys":"A"}}]}',
    ],
)
def test_what_makes_no_sense_is_code_21_and_changes_nothing(floor: Floor, text: str) -> None:
    floor.session.receive(text, NOW_US)
    (answer,) = floor.read()
    assert code(answer) == 21
    assert answer["response"][0]["requestid"] == ("5" if '"5"' in text else "0")
    assert floor.session.is_empty
    assert floor.session.ending is None


def test_bytes_that_are_no_text_are_code_21(floor: Floor) -> None:
    floor.session.receive(b'{"requests":[{"service":"\xff"}]}', NOW_US)
    assert code(floor.read()[0]) == 21


def test_a_lone_request_needs_no_list(floor: Floor) -> None:
    floor.session.receive(json.dumps(equities("SUBS", "SPY")), NOW_US)
    assert code(floor.read()[0]) == 0


def test_five_hundred_keys_and_not_one_more(floor: Floor) -> None:
    keys = ",".join(f"S{number}" for number in range(KEYS_MAX))
    assert code(floor.send(equities("SUBS", keys))[0]) == 0
    assert code(floor.send(equities("ADD", "S0"))[0]) == 0
    assert code(floor.send(equities("ADD", "SPY"))[0]) == 19
    assert code(floor.send(request("LEVELONE_FUTURES", "SUBS", keys="/ES", fields="3"))[0]) == 19
    assert len(floor.session.subscribed()) == KEYS_MAX


def test_a_replaced_connection_hears_code_12(floor: Floor) -> None:
    floor.session.replace(NOW_US)
    (answer,) = floor.read()
    assert (code(answer), answer["response"][0]["requestid"]) == (12, "0")
    assert floor.session.ending is Ending.CLOSE


def test_an_empty_connection_is_told_and_dropped(floor: Floor) -> None:
    floor.session.stop_idle(NOW_US)
    assert floor.read() == [
        {
            "notify": [
                {
                    "service": "ADMIN",
                    "timestamp": NOW_MS,
                    "content": {"code": 30, "msg": "Stop streaming due to empty subscription"},
                }
            ]
        }
    ]
    assert floor.session.ending is Ending.DROP


def test_a_heartbeat_carries_its_milliseconds_as_text(floor: Floor) -> None:
    floor.session.beat(NOW_US)
    assert floor.read() == [{"notify": [{"heartbeat": str(NOW_MS)}]}]


FIELD_NUMBERS = (1, 2, 3, 8)
field_sets = st.sets(st.sampled_from(FIELD_NUMBERS), min_size=1).map(lambda some: ",".join(map(str, sorted(some))))
key_lists = st.lists(st.sampled_from(["SPY", "AAPL"]), min_size=1, unique=True).map(",".join)
steps = st.one_of(
    st.tuples(st.sampled_from(["SUBS", "ADD"]), key_lists, field_sets),
    st.tuples(st.just("UNSUBS"), key_lists, st.just("")),
    st.tuples(st.just("VIEW"), st.just(""), field_sets),
    st.tuples(st.sampled_from(["SPY", "AAPL"]), st.sampled_from(FIELD_NUMBERS), st.integers(0, 3)),
)


@given(st.lists(steps, max_size=40))
def test_image_and_changes_add_up_to_the_state(script: list[tuple[str, Any, Any]]) -> None:
    """A client that forgets a key on UNSUBS and SUBS, and merges everything else, holds what the server holds."""
    floor = Floor()
    floor.log_in()
    held: dict[str, dict[str, Any]] = {}
    asked: dict[str, set[str]] = {}
    for command, what, value in script:
        if command in floor.records:
            frames = floor.change(command, **{f"f{what}": value})
        else:
            frames = floor.send(equities(command, what, value))
            _follow(asked, held, command, what, value)
        for item in [item for frame in frames for part in frame.get("data", ()) for item in part["content"]]:
            held.setdefault(item["key"], {}).update(item)
        for key, fields in asked.items():
            truth = {name: json.loads(floor.records[key].values[int(name)]) for name in fields}
            assert {name: held[key].get(name) for name in fields} == truth
        assert set(held) <= set(asked)


def _follow(asked: dict[str, set[str]], held: dict[str, Any], command: str, keys: str, fields: str) -> None:
    """Keep the client's books of what it asked for."""
    names = set(fields.split(","))
    if command == "SUBS":
        asked.clear()
        held.clear()
    if command == "VIEW":
        for key in asked:
            asked[key] = names
    elif command == "UNSUBS":
        for key in keys.split(","):
            asked.pop(key, None)
            held.pop(key, None)
    else:
        asked.update(dict.fromkeys(keys.split(","), names))
