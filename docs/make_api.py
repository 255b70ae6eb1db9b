"""Makes docs/api.md from the API's own models: `python -m docs.make_api`. A test holds the file to what this gives."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from tradeassistd.api import events, history_routes, models, retention_routes, store_routes
from tradeassistd.api.answers import control_over, health_of
from tradeassistd.api.control import Acknowledged, ReloadResult
from tradeassistd.api.event_socket import FRAMES_WAITING_MAX
from tradeassistd.api.http import build
from tradeassistd.api.hub import CLIENTS_MAX, HEALTH_EVERY_S, PING_EVERY_S, Hub
from tradeassistd.base.clock import ManualClock
from tradeassistd.engine.engine import Engine
from tradeassistd.engine.events import Connection
from tradeassistd.engine.rule import RuleSet
from tradeassistd.engine.transition import Kind, Operand, State, Transition
from tradeassistd.live.silencing import Silencing
from tradeassistd.market.price import price_from_text
from tradeassistd.market.tick import Field, Tick
from tradeassistd.store.records import Alert, Delivery

FILE = Path(__file__).with_name("api.md")
AT_US = 1_794_841_423_117_000
PRICE = price_from_text("6863.00")
TICK = Tick(AT_US, "/ES", PRICE, price_from_text("6862.75"), PRICE, 12, 9, 507_804, AT_US // 1000 - 41,
            AT_US // 1000 - 60, 3, Field.LAST | Field.VOLUME | Field.TRADE)  # fmt: skip
TRANSITION = Transition(
    AT_US, "fast-drop", "/ES", 0, "f" * 16, Kind.FIRED, State.FIRING, value=-0.00301, unit="ratio", price=PRICE,
    since_us=AT_US, operands=(Operand("pct_change(price, 5m) <= -0.3%", -0.00301, -0.003),),
)  # fmt: skip
ALERT = Alert(TRANSITION.alert_id, TRANSITION, "critical", "/ES 6,863.00 - fast-drop",
              "pct_change(price, 5m) <= -0.3% (now -0.301%)", "h" * 64)  # fmt: skip
DELIVERY = Delivery(ALERT.id, "slack", created_us=AT_US)
STATUS: dict[str, Any] = {
    "state": "running", "feed": {"state": "live", "reason": ""}, "rules": {"loaded": 14, "problems": []},
    "counters": {"ticks": 88_213, "alerts": 12, "told": 9}, "channels": {}, "store": {"tape_error": ""},
}  # fmt: skip

EXAMPLES: dict[str, BaseModel] = {
    "tick_update": events.TickUpdate.of(TICK),
    "alert_fired": events.AlertFired.of(ALERT, (DELIVERY,)),
    "rule_triggered": events.RuleTriggered.of(TRANSITION),
    "health_status": events.HealthStatus(health=health_of(STATUS)),
    "connection_events": events.ConnectionEvents.of(Connection(AT_US, "backoff", "no answer while live")),
    "subscribed": events.Subscribed(kinds=["alert_fired", "tick_update"], symbols=["/ES"]),
    "pong": events.Pong(id=7),
    "error": events.Refused(message="subscribe.symbols: Value error, 'ES 500' is not a symbol"),
    "subscribe": events.Subscribe(kinds=["alert_fired", "tick_update"], symbols=["/ES"]),
    "ping": events.Ping(kind="ping", id=7),
}
ANSWERS = (
    models.Health, models.DetailedHealth, models.FeedHealth, models.FeedChange, models.RulesHealth,
    models.EventsHealth, models.Quote, models.Rule, models.RuleLevel, models.RuleState, models.RuleDetail,
    models.RuleStanding, models.Condition, models.AlertsPage, models.Alert, models.Operand, models.Delivery,
    models.Reloaded, models.Acked, models.AckedFiring, models.Silence, models.Backfill, models.BackfilledDay,
    history_routes.VerifiedDay, history_routes.FieldDifference, retention_routes.Pruned,
    store_routes.Settled, store_routes.Span, store_routes.Taken, models.Failure,
)  # fmt: skip


def document() -> str:
    """The whole of docs/api.md."""
    return "\n".join([*_head(), *_endpoints(), *_answers(), *_websocket()]) + "\n"


def openapi() -> dict[str, Any]:
    """The OpenAPI document, as the daemon serves it."""

    async def reload(*, allow_empty: bool = False) -> ReloadResult:
        raise NotImplementedError

    clock = ManualClock()

    async def acknowledge(rule_id: str, symbol: str, by: str) -> Acknowledged:
        raise NotImplementedError

    async def hear(make: object) -> None:
        raise NotImplementedError

    engine = Engine(RuleSet())
    silencing = Silencing(engine, hear, 0)
    control = control_over(engine, Path(), lambda: STATUS, reload, acknowledge, silencing=silencing)
    return build(control, Hub(clock, lambda: health_of(STATUS))).openapi()


def _head() -> Iterator[str]:
    yield """# The local API

Made by `python -m docs.make_api` from the models of `tradeassistd/api/`; do not edit.

The daemon serves HTTP and a WebSocket on a Unix socket that only its own user can open (mode 0600):
`$RUNTIME_DIRECTORY/api.sock` under systemd (`/run/tradeassist/api.sock` for the system service), `api.sock` beside a
state directory that the settings name, else `/run/tradeassist/api.sock` for root and
`$XDG_RUNTIME_DIR/tradeassist/api.sock` for others. Settings: `api: {socket: PATH}`, or `socket: off`.

```
curl --unix-socket /run/tradeassist/api.sock http://localhost/health
```

Nothing listens on TCP unless `api: {listen: '127.0.0.1:8200'}` asks for it. Only loopback addresses are taken, and then
every user of the machine can connect. Web pages are refused there: requests must name this machine as their host and
carry no `Origin`.

`GET /openapi.json` is the OpenAPI document. Times are ISO 8601 in UTC or, where the name ends in `_us` and `_ms`,
microseconds and milliseconds since the epoch. Prices are in points, percentages are fractions (1 % is 0.01) except
where the name ends in `_pct`. What is unknown is null. Errors are `{"detail": ...}` with a status from 400 to 503.
"""


def _endpoints() -> Iterator[str]:
    yield "## Endpoints\n"
    for path, methods in openapi()["paths"].items():
        for method, route in methods.items():
            yield f"### {method.upper()} {path}\n"
            yield f"{route['description']}\n"
            parameters = [one for one in route.get("parameters", []) if one["in"] == "query"]
            if parameters:
                yield "| parameter | type | default | |\n|---|---|---|---|"
                yield from map(_parameter, parameters)
                yield ""
            if path != "/events":
                yield f"Answer: {_answer(route['responses'])}.\n"


def _parameter(one: dict[str, Any]) -> str:
    schema = one["schema"]
    default = json.dumps(schema["default"]) if schema.get("default") not in (None, "") else ""
    limits = ", ".join(f"{word} {schema[key]}" for key, word in (("minimum", "at least"), ("maximum", "at most"))
                       if key in schema)  # fmt: skip
    says = " ".join(filter(None, (one.get("description", ""), f"{limits.capitalize()}." if limits else "")))
    return f"| `{one['name']}` | {_type(schema)} | {default} | {says} |"


def _answer(responses: dict[str, Any]) -> str:
    """The type of the answer when all goes well."""
    good = next(response for status, response in sorted(responses.items()) if status.startswith("2"))
    return _type(_content(good)) if "application/json" in good["content"] else "lines, each a JSON document"


def _content(response: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = response["content"]["application/json"]["schema"]
    return schema


def _answers() -> Iterator[str]:
    yield "## Answers\n"
    for model in ANSWERS:
        yield from _model(model, "###")


def _websocket() -> Iterator[str]:
    yield f"""## WebSocket /events

Every message is one JSON object in one text frame; `kind` says which. Without further ado a client gets every kind but
`tick_update` for all symbols; `/events?kinds=alert_fired,tick_update&symbols=/ES,SPY` or a `subscribe` message asks for
something else. The first message is always `subscribed`.

- At most {CLIENTS_MAX} clients; one more is answered 503 before the upgrade.
- While a client is connected it misses nothing. One that is {FRAMES_WAITING_MAX:,} messages behind is cut with code
  1013 ("too slow"), is counted, and may connect again; nobody waits for it.
- The daemon pings every {PING_EVERY_S:.0f} s (client libraries answer by themselves); a client that has not answered by
  the next ping is cut with 1013 ("silent"). One that wants to know in turn sends `ping` and gets `pong`.
- `health_status` comes at once, whenever it changes, and every {HEALTH_EVERY_S:.0f} s.
- At the daemon's stop the connection is closed with 1001.
- `rule_triggered` comes when the engine decides, `alert_fired` once the alert is stored, when its deliveries begin.

```
tradeassist watch --json --kinds alert_fired,rule_triggered --symbols /ES
```
"""
    yield "### Events\n"
    for model in get_args(events.Event):
        yield from _message(model)
    yield "### What a client may say\n"
    for model in (events.Subscribe, events.Ping):
        yield from _message(model)
    yield "### What it is answered\n"
    for model in get_args(events.Answer):
        yield from _message(model)


def _message(model: type[BaseModel]) -> Iterator[str]:
    (kind,) = get_args(model.model_fields["kind"].annotation)
    yield f"#### {kind}\n"
    yield from _model(model, "")
    example = EXAMPLES[kind]
    assert isinstance(example, model)
    yield f"```json\n{json.dumps(example.model_dump(mode='json'), indent=1)}\n```\n"


def _model(model: type[BaseModel], level: str) -> Iterator[str]:
    if level:
        yield f"{level} {model.__name__}\n"
    yield f"{' '.join((model.__doc__ or '').split())}\n"
    yield "| field | type | |\n|---|---|---|"
    properties: dict[str, dict[str, Any]] = model.model_json_schema(ref_template="{model}")
    if "$ref" in properties:  # a model that holds itself
        properties = properties["$defs"][model.__name__]
    for name, schema in properties["properties"].items():
        says = " ".join(schema.get("description", "").split())
        yield f"| `{name}` | {_type(schema)} | {says} |"
    yield ""


def _type(schema: dict[str, Any]) -> str:
    """A JSON schema in words."""
    if "$ref" in schema:
        return _linked(schema["$ref"].rpartition("/")[2])
    if "allOf" in schema:
        return _either(map(_type, schema["allOf"]))
    if "anyOf" in schema:
        return _either(map(_type, schema["anyOf"]))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return _either(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"map of {_type(values)}" if isinstance(values, dict) and values else "map"
    return str(schema.get("type", "any"))


def _linked(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def _either(types: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(types))


if __name__ == "__main__":
    FILE.write_text(document(), "utf-8")
