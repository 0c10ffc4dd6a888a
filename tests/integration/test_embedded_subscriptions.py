# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Subscriptions and notifications, with real receivers (clauses 5.8 and 5.3.1)."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from broker.embedded import delivery
from tests.embedded_serving import (
    JSON_LD,
    LOOPBACK_SPELLINGS,
    Client,
    Receiver,
    listening,
    own_database,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

POINT = {"type": "Point", "coordinates": [7.47, 51.36]}
MEMBERS = {
    "subscriptionName": "a",
    "description": "b",
    "throttling": 5,
    "expiresAt": "2099-01-01T00:00:00Z",
    "isActive": False,
    "watchedAttributes": ["no2"],
}
NULL = "urn:ngsi-ld:null"
PAST, FUTURE = "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def broker(postgres: str) -> AsyncIterator[Client]:
    async with own_database(postgres) as dsn, serving(dsn) as client:
        yield client


@pytest.fixture
def client(broker: Client) -> Client:
    return broker.other()


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with listening() as found:
        yield found


def air(number: int = 1, **attributes: Any) -> dict[str, Any]:
    return {"id": f"urn:ngsi-ld:Air:{number}", "type": "Air", **(attributes or {"no2": 5})}


def subscription(uri: str = "http://receiver.example/notify", **members: Any) -> dict[str, Any]:
    notification = {"endpoint": {"uri": uri}, **members.pop("notification", {})}
    return {"type": "Subscription", "entities": [{"type": "Air"}], "notification": notification, **members}


async def subscribe(client: Client, receiver: Receiver, **members: Any) -> str:
    answer = await client.ask("POST", "/subscriptions", subscription(receiver.url, **members))
    assert answer.status == 201, answer
    return answer.headers["Location"].removeprefix("/ngsi-ld/v1")


async def write(client: Client, *entities: dict[str, Any]) -> None:
    answer = await client.ask("POST", "/entityOperations/upsert?options=update", list(entities))
    assert answer.status in {201, 204}, answer


async def nothing_more(client: Client, receiver: Receiver) -> None:
    """See that nothing else was queued: what comes next is what is sent next."""
    await subscribe(client, receiver, entities=[{"type": "Last"}])
    await write(client, {"id": "urn:last", "type": "Last", "n": 1})
    body, _ = await receiver.next()
    assert [entity["id"] for entity in body["data"]] == ["urn:last"]


# 5.8.1 to 5.8.5


async def test_the_life_of_a_subscription(client: Client) -> None:
    given = subscription(
        id="urn:ngsi-ld:Subscription:1",
        subscriptionName="NO2",
        watchedAttributes=["no2"],
        q="no2>40",
        throttling=5,
        expiresAt=FUTURE,
        notification={"attributes": ["no2", "location"], "format": "concise"},
    )
    created = await client.ask("POST", "/subscriptions", given)
    assert (created.status, created.content) == (201, b"")
    path = created.headers["Location"].removeprefix("/ngsi-ld/v1")
    assert path == "/subscriptions/urn:ngsi-ld:Subscription:1"
    again = await client.ask("POST", "/subscriptions", given)
    assert (again.status, again.problem) == (409, "AlreadyExists")
    found = (await client.ask("GET", path)).json
    assert found["notification"] == given["notification"]
    left = {name: value for name, value in found.items() if name != "notification"}
    assert left == {
        **{name: value for name, value in given.items() if name != "notification"},
        "status": "active",
        "notificationTrigger": ["attributeCreated", "attributeUpdated"],
    }
    assert (await client.ask("GET", "/subscriptions")).json == [found]
    assert (await client.ask("PATCH", path, {"isActive": False, "q": None})).status == 204
    paused = (await client.ask("GET", f"{path}?options=sysAttrs")).json
    assert (paused["status"], paused["isActive"], "q" in paused) == ("paused", False, False)
    assert paused["modifiedAt"] >= paused["createdAt"]
    patch = {"notification": {"endpoint": {"uri": "http://other.example/notify", "accept": JSON_LD}}}
    assert (await client.ask("PATCH", path, patch)).status == 204
    # a member is replaced as a whole (5.5.8)
    assert (await client.ask("GET", path)).json["notification"] == patch["notification"]
    assert (await client.ask("DELETE", path)).status == 204
    for method in ("GET", "DELETE"):
        assert (await client.ask(method, path)).status == 404
    assert (await client.ask("PATCH", path, {"isActive": True})).status == 404


async def test_lists_of_subscriptions_have_pages(client: Client) -> None:
    for number in range(5):
        await client.ask("POST", "/subscriptions", subscription(id=f"urn:s:{number}"))
    page = await client.ask("GET", "/subscriptions?limit=2&offset=2&count=true")
    assert [found["id"] for found in page.json] == ["urn:s:2", "urn:s:3"]
    assert page.headers["NGSILD-Results-Count"] == "5"
    path = "/ngsi-ld/v1/subscriptions"
    assert {
        f'<{path}?count=true&limit=2&offset=4>;rel="next";type="application/json"',
        f'<{path}?count=true&limit=2&offset=0>;rel="prev";type="application/json"',
    } <= set(page.headers.getall("Link"))
    assert (await client.ask("GET", "/subscriptions?limit=0")).status == 400


async def test_readers_see_names_in_their_own_terms(client: Client) -> None:
    terms = {"Air": "https://example.org/Air", "no2": "https://example.org/no2"}
    given = subscription(watchedAttributes=["no2"], notification={"attributes": ["no2"]})
    created = await client.ask("POST", "/subscriptions", {**given, "@context": terms}, Content_Type=JSON_LD)
    path = created.headers["Location"].removeprefix("/ngsi-ld/v1")
    found = (await client.ask("GET", path)).json
    assert found["entities"] == [{"type": "https://example.org/Air"}]
    assert found["watchedAttributes"] == found["notification"]["attributes"] == ["https://example.org/no2"]
    # an @context without a URL is created implicitly, since notifications name theirs by one (5.13.1)
    implicit = found["jsonldContext"].removeprefix(f"{client.url}/ngsi-ld/v1")
    assert (await client.ask("GET", implicit)).json == {"@context": terms}
    assert (await client.ask("GET", "/jsonldContexts?kind=ImplicitlyCreated")).json == [
        found["jsonldContext"]
    ]
    assert (await client.ask("GET", f"{implicit}?details=true")).json["kind"] == "ImplicitlyCreated"
    link = {"Link": f'<{found["jsonldContext"]}>; rel="http://www.w3.org/ns/json-ld#context"'}
    assert (await client.ask("GET", path, **link)).json["watchedAttributes"] == ["no2"]
    assert (await client.ask("DELETE", f"{implicit}?reload=true")).problem == "BadRequestData"
    other = client.other()
    await other.ask("POST", "/subscriptions", subscription())
    assert (await other.ask("GET", "/jsonldContexts?kind=ImplicitlyCreated")).json == []
    assert (await other.ask("DELETE", implicit)).status == 404
    assert (await client.ask("DELETE", implicit)).status == 204
    # the subscription's own URL is shown as it was given
    plain = await client.ask("POST", "/subscriptions", subscription())
    shown = await client.ask("GET", plain.headers["Location"].removeprefix("/ngsi-ld/v1"))
    assert "jsonldContext" not in shown.json


async def test_readers_see_each_name_in_a_selection_in_their_own_terms(client: Client) -> None:
    terms = {name: f"https://example.org/{name}" for name in ("Air", "Water", "no2", "river")}
    given = {
        **subscription(notification={"pick": ["id", "river{type|no2}", "no2|river"], "join": "inline"}),
        "entities": [{"type": "Air,(Water;River)"}, {"type": "*"}],
        "@context": terms,
    }
    created = await client.ask("POST", "/subscriptions", given, Content_Type=JSON_LD)
    path = created.headers["Location"].removeprefix("/ngsi-ld/v1")
    found = (await client.ask("GET", path)).json
    a, w, n, r = terms.values()
    assert found["entities"] == [{"type": f"{a},({w};River)"}, {"type": "*"}]
    assert found["notification"]["pick"] == ["id", f"{r}{{type|{n}}}", f"{n}|{r}"]
    link = {"Link": f'<{found["jsonldContext"]}>; rel="http://www.w3.org/ns/json-ld#context"'}
    again = (await client.ask("GET", path, **link)).json
    assert again["entities"] == given["entities"]
    assert again["notification"]["pick"] == given["notification"]["pick"]


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {},
        {**subscription(), "type": "Other"},
        {**subscription(), "id": "no-uri"},
        {**subscription(), "entities": []},
        {**subscription(), "entities": [{}]},
        {**subscription(), "entities": "Air"},
        {**subscription(), "entities": [{"type": 5}]},
        {**subscription(), "entities": [{"id": "urn:a:1"}]},
        {**subscription(), "entities": [{"idPattern": ".*"}]},
        {**subscription(), "entities": [{"type": "A", "id": []}]},
        {**subscription(), "entities": [{"type": "A", "id": "no-uri"}]},
        {**subscription(), "entities": [{"type": "A", "idPattern": "("}]},
        {**subscription(), "entities": None},
        {**subscription(), "watchedAttributes": []},
        {**subscription(), "watchedAttributes": [5]},
        {**subscription(), "q": "a=="},
        {**subscription(), "q": "a~=("},
        {**subscription(), "q": 5},
        {**subscription(), "geoQ": {"georel": "near"}},
        {**subscription(), "geoQ": 5},
        {**subscription(), "throttling": 0},
        {**subscription(), "throttling": "5"},
        {**subscription(), "expiresAt": PAST},
        {**subscription(), "expiresAt": "soon"},
        {**subscription(), "isActive": "yes"},
        {**subscription(), "notificationTrigger": ["whenever"]},
        {**subscription(), "throttling": 5, "timeInterval": 5},
        {**subscription(), "watchedAttributes": ["no2"], "timeInterval": 5},
        {**subscription(), "watchedAttributes": ["no2"], "timeInterval": 5, "entities": None},
        {**subscription(), "timeInterval": 5, "entities": None},
        {**subscription(), "expandValues": ""},
        {**subscription(), "jsonKeys": "a b"},
        {**subscription(), "ngsildConformance": 1.9},
        {**subscription(), "ngsildConformance": "new"},
        {**subscription(), "timeInterval": 0},
        {**subscription(), "timeInterval": "5"},
        {**subscription(), "scopeQ": "a b"},
        {**subscription(), "lang": "?"},
        {**subscription(), "datasetId": ["no uri"]},
        {**subscription(), "datasetId": []},
        {**subscription(), "temporalQ": {}},
        {**subscription(), "localOnly": "yes"},
        {**subscription(), "subscriptionName": ""},
        {**subscription(), "notification": {}},
        subscription(notification={"pick": ["no2"], "attributes": ["no2"]}),
        subscription(notification={"omit": ["no2"], "attributes": ["no2"]}),
        subscription(notification={"pick": ["no2"], "omit": ["no2"]}),
        subscription(notification={"pick": []}),
        subscription(notification={"omit": "no2"}),
        subscription(notification={"showChanges": "x"}),
        subscription(notification={"showChanges": True, "format": "keyValues"}),
        subscription(notification={"sysAttrs": 1}),
        subscription(notification={"join": "sideways"}),
        subscription(notification={"join": "flat", "joinLevel": 0}),
        subscription("mqtt://"),
        subscription("mqtt://broker.example"),
        subscription("mqtt://broker.example/"),
        subscription("mqtt://broker.example/a/%2B"),
        subscription("mqtt://broker.example/a%23"),
        subscription("mqtt://broker.example:0/a"),
        *(
            subscription(
                notification={"endpoint": {"uri": "mqtt://broker.example/a", "notifierInfo": [info]}}
            )
            for info in (
                {"key": "MQTT-QoS", "value": 3},
                {"key": "MQTT-QoS", "value": True},
                {"key": "MQTT-Version", "value": "mqtt4"},
                {"key": "Other", "value": 1},
                {"value": 1},
                5,
            )
        ),
        *(
            {**subscription(), member: NULL}
            for member in ("id", "description", "q", "scopeQ", "datasetId", "jsonldContext", "jsonKeys")
        ),
        {**subscription(), "entities": [{"type": "*"}], "localOnly": False},
        {**subscription(), "notification": {"endpoint": {}}},
        subscription("ftp://example.org"),
        subscription("nonsense"),
        subscription("http://"),
        subscription("http://example.org:99999/"),
        subscription("http://exa mple.org/"),
        subscription(notification={"format": "wild"}),
        subscription(notification={"attributes": []}),
        subscription(notification={"attributes": ["no2", "id"]}),
        subscription(notification={"attributes": ["type"]}),
        subscription(notification={"attributes": ["scope"]}),
        subscription(notification={"endpoint": {"uri": "http://example.org", "accept": "text/html"}}),
        subscription(
            notification={"endpoint": {"uri": "http://example.org", "receiverInfo": [{"key": "a\n"}]}}
        ),
        subscription(
            notification={
                "endpoint": {"uri": "http://example.org", "receiverInfo": [{"key": "Host", "value": "x"}]}
            }
        ),
        subscription(
            notification={
                "endpoint": {"uri": "http://example.org", "receiverInfo": [{"key": "a", "value": "x\r\ny"}]}
            }
        ),
    ],
)
async def test_what_is_no_subscription_is_refused(client: Client, wrong: Any) -> None:
    answer = await client.ask("POST", "/subscriptions", wrong)
    assert (answer.status, answer.problem) == (400, "BadRequestData"), answer
    assert len(answer.json["detail"]) > 10


async def test_a_filter_of_context_sources_filters_none(client: Client) -> None:
    assert (await client.ask("POST", "/subscriptions", subscription(csf="endpoint==1"))).status == 201
    answer = await client.ask("POST", "/subscriptions", subscription(csf="(("))
    assert (answer.status, answer.problem) == (400, "BadRequestData")


async def test_what_the_broker_writes_and_what_nobody_knows_is_left_out(client: Client) -> None:
    given = subscription(status="expired", other=5)
    given["notification"] |= {"timesSent": 42, "lastSuccess": "2026-05-01T10:00:00Z", "status": "failed"}
    created = await client.ask("POST", "/subscriptions", given)
    path = created.headers["Location"].removeprefix("/ngsi-ld/v1")
    await client.ask("PATCH", path, {"other": 7, "createdAt": "2020-01-01T00:00:00Z", "description": "x"})
    shown = (await client.ask("GET", path)).json
    assert shown["status"] == "active"
    assert "other" not in shown
    assert shown["notification"].keys() == {"endpoint"}


async def test_a_null_says_that_a_member_is_not_there(client: Client) -> None:
    nothing = dict.fromkeys(("q", "expiresAt", "isActive", "watchedAttributes", "throttling", "geoQ"))
    endpoint = {"uri": "http://receiver.example/notify", "receiverInfo": None, "accept": None}
    given = subscription(**nothing, notification={"attributes": None, "format": None, "endpoint": endpoint})
    created = await client.ask("POST", "/subscriptions", given)
    assert created.status == 201, created
    path = created.headers["Location"].removeprefix("/ngsi-ld/v1")
    shown = (await client.ask("GET", path)).json
    assert shown.keys() == {"id", "type", "entities", "notification", "notificationTrigger", "status"}
    assert shown["notification"] == {"endpoint": {"uri": "http://receiver.example/notify"}}
    patch = {"notification": {"pick": None, "endpoint": endpoint}, "description": None}
    assert (await client.ask("PATCH", path, patch)).status == 204
    assert (await client.ask("GET", "/subscriptions")).json == [shown]


async def test_names_may_stand_side_by_side_with_commas(client: Client) -> None:
    given = subscription(q='no2=="a"', expandValues="no2,pm10", jsonKeys="other", ngsildConformance="1.9")
    created = await client.ask("POST", "/subscriptions", given)
    assert created.status == 201, created
    shown = (await client.ask("GET", created.headers["Location"].removeprefix("/ngsi-ld/v1"))).json
    assert (shown["expandValues"], shown["jsonKeys"]) == ("no2,pm10", "other")
    assert shown["ngsildConformance"] == "1.9"


async def test_a_subscription_may_name_another_context_for_its_notifications(
    client: Client, receiver: Receiver
) -> None:
    core = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld"
    terms = {"Air": "https://example.org/Air", "no2": "https://example.org/no2"}
    body = {**subscription(receiver.url, jsonldContext=core), "@context": terms}
    assert (await client.ask("POST", "/subscriptions", body, Content_Type=JSON_LD)).status == 201
    created = await client.ask("POST", "/entities", {**air(), "@context": terms}, Content_Type=JSON_LD)
    assert created.status == 201
    got, headers = await receiver.next()
    assert got["data"][0]["type"] == "https://example.org/Air"
    assert core in headers["Link"]
    for context, status in (("no uri", 400), ("http://127.0.0.1:9/none", 503)):
        body = subscription(receiver.url, jsonldContext=context)
        assert (await client.ask("POST", "/subscriptions", body)).status == status


async def test_a_patch_that_breaks_a_subscription_changes_nothing(client: Client) -> None:
    created = await client.ask("POST", "/subscriptions", subscription())
    path = created.headers["Location"].removeprefix("/ngsi-ld/v1")
    before = (await client.ask("GET", path)).json
    wrong: tuple[dict[str, Any], ...] = (
        {"q": "a=="},
        {"entities": []},
        {"id": "urn:other"},
        {},
        {"notification": {"endpoint": None}},
        {"notification": {"format": "keyValues"}},
        {"throttling": 5, "timeInterval": 5},
        {"notification": "urn:ngsi-ld:null"},
        {"type": None},
        {"type": "urn:ngsi-ld:null"},
        {"entities": None},
    )
    for patch in wrong:
        assert (await client.ask("PATCH", path, patch)).status == 400
    assert (await client.ask("GET", path)).json == before


async def test_a_patch_may_name_the_subscription_and_its_type(client: Client) -> None:
    created = await client.ask("POST", "/subscriptions", subscription(id="urn:s:1", **MEMBERS))
    path = created.headers["Location"].removeprefix("/ngsi-ld/v1")
    before = (await client.ask("GET", path)).json
    assert (await client.ask("PATCH", path, before)).status == 204
    assert (await client.ask("GET", path)).json == before


async def test_an_expired_subscription_that_gets_a_date_alone_is_active(client: Client) -> None:
    path = "/subscriptions/urn:s:1"

    async def patched(**members: Any) -> str:
        assert (await client.ask("PATCH", path, members)).status == 204
        return str((await client.ask("GET", path)).json["status"])

    await client.ask("POST", "/subscriptions", subscription(id="urn:s:1", isActive=False))
    assert await patched(expiresAt=FUTURE) == "paused"  # it was not expired
    soon = (datetime.now(UTC) + timedelta(seconds=0.5)).isoformat().replace("+00:00", "Z")
    assert await patched(expiresAt=soon) == "paused"
    await asyncio.sleep(0.5)
    assert await patched(description="x") == "expired"
    assert await patched(isActive=False) == "expired"
    assert await patched(expiresAt=FUTURE) == "active"


async def test_a_subscription_is_the_same_in_every_version(client: Client) -> None:
    await client.ask("POST", "/subscriptions", subscription(id="urn:s:1", **MEMBERS))
    for path in ("/subscriptions/urn:s:1", "/subscriptions"):
        now = await client.ask("GET", path)
        older = await client.ask("GET", path, Prefer="respond-async, ngsi-ld=1.0")
        assert (older.status, older.json) == (200, now.json)
        assert older.headers["Preference-Applied"] == "ngsi-ld=1.0"
        assert "Preference-Applied" not in now.headers


async def test_what_a_patch_leaves_alone_keeps_its_meaning(client: Client, receiver: Receiver) -> None:
    first = {"Air": "https://a.example/Air", "no2": "https://a.example/no2", "pm": "https://a.example/pm"}
    other = {"Air": "https://b.example/Air", "no2": "https://b.example/no2", "x": "https://b.example/x"}
    given = {**subscription(receiver.url, q="no2>1;pm>1", watchedAttributes=["no2"]), "@context": first}
    created = await client.ask("POST", "/subscriptions", given, Content_Type=JSON_LD)
    path = created.headers["Location"].removeprefix("/ngsi-ld/v1")
    for patch in ({"description": "x"}, {"watchedAttributes": ["no2", "x"], "scopeQ": None}):
        answer = await client.ask("PATCH", path, {**patch, "@context": other}, Content_Type=JSON_LD)
        assert answer.status == 204, answer
    shown = (await client.ask("GET", path)).json
    assert shown["entities"] == [{"type": "https://a.example/Air"}]
    assert shown["watchedAttributes"] == ["https://b.example/no2", "https://b.example/x"]
    assert shown["q"] == "no2>1;pm>1"
    names = {name: f"https://a.example/{name}" for name in ("Air", "no2", "pm")}
    entity = {"id": "urn:a:1", "type": names["Air"], names["no2"]: 2, names["pm"]: 2}
    await write(client, entity)
    await write(client, {**entity, "https://b.example/x": 1})
    assert "x" in (await receiver.next())[0]["data"][0]
    await nothing_more(client, receiver)


async def test_a_crowd_patches_one_subscription_and_no_change_is_lost(client: Client) -> None:
    created = await client.ask("POST", "/subscriptions", subscription())
    path = created.headers["Location"].removeprefix("/ngsi-ld/v1")
    patches: list[dict[str, Any]] = [
        {
            "q": 'a~="x"',
            "notification": {"endpoint": {"uri": f"http://receiver.example/{number}"}},
        }
        for number in range(6)
    ]
    patches += [{"q": 'a~="x"', name: value} for name, value in MEMBERS.items()]
    answers = await asyncio.wait_for(
        asyncio.gather(*(client.ask("PATCH", path, patch) for patch in patches)), 60
    )
    assert [answer.status for answer in answers] == [204] * 12, answers
    after = (await client.ask("GET", path)).json
    assert after["q"] == 'a~="x"'
    assert {name: after[name] for name in MEMBERS} == MEMBERS


# 5.8.6: notifications


async def test_a_change_is_notified(client: Client, receiver: Receiver) -> None:
    path = await subscribe(
        client,
        receiver,
        notification={
            "attributes": ["no2", "location"],
            "endpoint": {"uri": receiver.url, "receiverInfo": [{"key": "X-Secret", "value": "abc"}]},
        },
    )
    await write(client, air(no2={"value": 5, "unitCode": "GQ"}, location=POINT, pm10=3), air(2))
    body, headers = await receiver.next()
    assert (body["type"], body["subscriptionId"]) == ("Notification", path.rpartition("/")[2])
    assert body["notifiedAt"].endswith("Z")
    assert body["data"] == [
        air(
            no2={"type": "Property", "value": 5, "unitCode": "GQ"},
            location={"type": "GeoProperty", "value": POINT},
        ),
        air(2, no2={"type": "Property", "value": 5}),
    ]
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Secret"] == "abc"
    assert headers["NGSILD-Tenant"] == client.tenant
    assert "ngsi-ld-core-context" in headers["Link"]
    await client.ask("PATCH", "/entities/urn:ngsi-ld:Air:1/attrs", {"no2": 6})
    body, _ = await receiver.next()
    assert body["data"][0]["no2"] == {"type": "Property", "value": 6}
    await client.ask("POST", "/entities", air(3))
    assert (await receiver.next())[0]["data"][0]["id"] == "urn:ngsi-ld:Air:3"
    notification = (await client.ask("GET", path)).json["notification"]
    assert notification["timesSent"] == 3
    assert notification["status"] == "ok"
    assert notification["lastNotification"] == notification["lastSuccess"]


async def test_who_was_told_sees_it_counted_at_once(
    client: Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_COUNTED_WITHIN", 20.0)  # however busy the machine is
    path = await subscribe(client, receiver)
    for told in range(1, 21):
        await write(client, air(no2={"type": "Property", "value": told}))
        await receiver.next()
        assert (await client.ask("GET", path)).json["notification"]["timesSent"] == told
    monkeypatch.undo()
    receiver.hold.clear()  # nobody waits for a receiver that is slow
    await write(client, air(no2={"type": "Property", "value": 0}))
    await receiver.next()
    assert (await client.ask("GET", path)).json["notification"]["timesSent"] == 20
    receiver.hold.set()


@pytest.mark.parametrize(
    ("form", "expected"),
    [("keyValues", 5), ("simplified", 5), ("concise", {"value": 5, "unitCode": "GQ"})],
)
async def test_formats(client: Client, receiver: Receiver, form: str, expected: Any) -> None:
    await subscribe(client, receiver, notification={"format": form})
    await write(client, air(no2={"value": 5, "unitCode": "GQ"}))
    assert (await receiver.next())[0]["data"] == [air(no2=expected)]


async def test_media_types(client: Client, receiver: Receiver) -> None:
    for accept in (JSON_LD, "application/geo+json"):
        await subscribe(client, receiver, notification={"endpoint": {"uri": receiver.url, "accept": accept}})
    await write(client, air(location=POINT))
    got = {
        headers["Content-Type"]: (body, headers)
        for body, headers in [await receiver.next() for _ in range(2)]
    }
    assert got[JSON_LD][0]["@context"] == got[JSON_LD][0]["data"][0]["@context"]
    assert "Link" not in got[JSON_LD][1]
    features, headers = got["application/geo+json"]
    assert features["data"]["features"][0]["geometry"] == POINT
    assert features["data"]["@context"] == got[JSON_LD][0]["@context"]
    assert "Link" not in headers


async def test_geojson_leaves_its_context_out_where_the_receiver_prefers_json(
    client: Client, receiver: Receiver
) -> None:
    preference = {"key": "Prefer", "value": "body=json"}
    endpoint = {"uri": receiver.url, "accept": "application/geo+json", "receiverInfo": [preference]}
    await subscribe(client, receiver, notification={"endpoint": endpoint})
    await write(client, air(location=POINT))
    body, headers = await receiver.next()
    assert body["data"].keys() == {"type", "features"}
    assert "ngsi-ld-core-context" in headers["Link"]
    assert headers["Prefer"] == "body=json"


async def test_a_subscriber_may_choose_the_link(client: Client, receiver: Receiver) -> None:
    link = '<https://example.org/context>; rel="http://www.w3.org/ns/json-ld#context"'
    endpoint = {"uri": receiver.url, "receiverInfo": [{"key": "Link", "value": link}]}
    await subscribe(client, receiver, notification={"endpoint": endpoint})
    await write(client, air())
    _, headers = await receiver.next()
    assert headers.getall("Link") == [link]


async def test_notifications_speak_the_subscribers_terms(client: Client, receiver: Receiver) -> None:
    terms = {"Luft": "https://uri.etsi.org/ngsi-ld/default-context/Air", "x": "https://example.org/no2"}
    body = {
        **subscription(receiver.url, entities=[{"type": "Luft"}], watchedAttributes=["x"]),
        "@context": terms,
    }
    assert (await client.ask("POST", "/subscriptions", body, Content_Type=JSON_LD)).status == 201
    await write(client, {"id": "urn:a:1", "type": "Air", "https://example.org/no2": 5})
    got, headers = await receiver.next()
    assert got["data"] == [{"id": "urn:a:1", "type": "Luft", "x": {"type": "Property", "value": 5}}]
    url = headers["Link"].partition(">")[0].strip("<")
    async with client.session.get(url) as response:
        assert await response.json() == {"@context": terms}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, [1, 2, 3]),
        ({"entities": [{"id": "urn:ngsi-ld:Air:2", "type": "*"}]}, [2]),
        ({"entities": [{"id": ["urn:ngsi-ld:Air:2", "urn:ngsi-ld:Air:3"], "type": "Air"}]}, [2, 3]),
        ({"entities": None, "localOnly": True}, [1, 2, 3]),
        ({"entities": [{"idPattern": "Air:[23]$", "type": "Air"}]}, [2, 3]),
        (
            {
                "entities": [
                    {"idPattern": "Air:[23]$", "type": "*"},
                    {"id": "urn:ngsi-ld:Air:1", "type": "Air"},
                ]
            },
            [1, 2, 3],
        ),
        ({"entities": [{"type": "Water"}]}, []),
        ({"entities": [{"type": "Water,Air"}]}, [1, 2, 3]),
        ({"q": "no2>15"}, [2, 3]),
        ({"q": "name==%22B%20C%22|no2%3E15"}, [1, 2, 3]),
        ({"q": 'name~="^B"|no2==10', "entities": [{"idPattern": "[13]$", "type": "*"}]}, [1]),
        ({"watchedAttributes": ["pm10"]}, [3]),
        ({"watchedAttributes": ["nothing"]}, []),
        (
            {"geoQ": {"georel": "near;maxDistance==500", "geometry": "Point", "coordinates": [7.47, 51.36]}},
            [2],
        ),
        ({"isActive": False}, []),
        ({"notificationTrigger": ["entityUpdated"]}, []),
        ({"notificationTrigger": ["entityCreated"]}, [1, 2, 3]),
    ],
)
async def test_who_is_told_of_what(
    client: Client, receiver: Receiver, members: dict[str, Any], expected: list[int]
) -> None:
    await subscribe(client, receiver, **members)
    await write(client, air(1, no2=10, name="B C"), air(2, no2=20, location=POINT), air(3, no2=30, pm10=1))
    if expected:
        body, _ = await receiver.next()
        assert [int(entity["id"][-1]) for entity in body["data"]] == expected
    await nothing_more(client, receiver)


async def test_triggers_tell_creation_from_updating(client: Client, receiver: Receiver) -> None:
    await subscribe(client, receiver, notificationTrigger=["attributeUpdated"], watchedAttributes=["no2"])
    await write(client, air(no2=1))
    await write(client, air(pm10=1))
    await write(client, air(no2=2))
    assert (await receiver.next())[0]["data"][0]["no2"]["value"] == 2
    await nothing_more(client, receiver)


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        (1, 1, False),
        (1, True, True),
        ({"value": 1, "unitCode": "GQ"}, {"value": 1}, True),
        ({"value": {"a": 1, "b": 2}}, {"type": "Property", "value": {"b": 2, "a": 1}}, False),
        ({"value": 1, "observedAt": PAST}, {"value": 1, "observedAt": FUTURE}, True),
        ({"value": 1, "place": {"value": 2}}, {"value": 1, "place": {"value": 2}}, False),
        ({"value": 1, "place": {"value": 2}}, {"value": 1, "place": {"value": 3}}, True),
        ({"value": 1}, [{"value": 1}, {"value": 1, "datasetId": "urn:b"}], True),
        ([{"value": 1}, {"value": 2, "datasetId": "urn:b"}], {"value": 2, "datasetId": "urn:b"}, False),
        (POINT, POINT, False),
    ],
)
async def test_an_attribute_changes_when_a_member_of_it_has_another_value(
    client: Client, receiver: Receiver, before: Any, after: Any, *, changed: bool
) -> None:
    await write(client, air(no2=before, pm10=1))
    await subscribe(client, receiver, watchedAttributes=["no2"])
    await client.ask("POST", "/entities/urn:ngsi-ld:Air:1/attrs?options=noOverwrite", {"no2": 9})
    await write(client, air(no2=after, pm10=2))
    if changed:
        assert (await receiver.next())[0]["data"][0]["id"] == "urn:ngsi-ld:Air:1"
    await nothing_more(client, receiver)


async def test_an_entity_replaced_by_its_like_has_not_changed(client: Client, receiver: Receiver) -> None:
    await write(client, air(no2=1, pm10=[{"value": 2}, {"value": 3, "datasetId": "urn:b"}]))
    await subscribe(client, receiver)
    entity = air(no2=1, pm10=[{"value": 2}, {"value": 3, "datasetId": "urn:b"}])
    assert (await client.ask("PUT", "/entities/urn:ngsi-ld:Air:1", entity)).status == 204
    assert (await client.ask("PATCH", "/entities/urn:ngsi-ld:Air:1", {"no2": 1})).status == 204
    await nothing_more(client, receiver)


async def test_throttling_lets_one_through(client: Client, receiver: Receiver) -> None:
    await subscribe(client, receiver, throttling=3600)
    for value in range(4):
        await write(client, air(no2=value))
    assert (await receiver.next())[0]["data"][0]["no2"]["value"] == 0
    await nothing_more(client, receiver)


async def test_an_expired_subscription_is_silent(client: Client, receiver: Receiver) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=6)
    path = await subscribe(client, receiver, expiresAt=soon.isoformat().replace("+00:00", "Z"))
    await asyncio.sleep((soon - datetime.now(UTC)).total_seconds() + 0.01)
    assert (await client.ask("GET", path)).json["status"] == "expired"
    await write(client, air())
    await nothing_more(client, receiver)


async def test_what_a_subscription_becomes_holds_from_the_next_change_on(
    client: Client, receiver: Receiver
) -> None:
    path = await subscribe(client, receiver, q="no2>100")
    await write(client, air(no2=1))
    await client.ask("PATCH", path, {"q": "no2<100"})
    await write(client, air(no2=2))
    assert (await receiver.next())[0]["data"][0]["no2"]["value"] == 2
    await client.ask("DELETE", path)
    await write(client, air(no2=3))
    await nothing_more(client, receiver)


async def test_tenants_are_told_of_their_own(client: Client, receiver: Receiver) -> None:
    await subscribe(client, receiver)
    other = client.other()
    await write(other, air(7))
    await write(client, air(1))
    assert (await receiver.next())[0]["data"][0]["id"] == "urn:ngsi-ld:Air:1"
    await nothing_more(client, receiver)


async def test_a_passing_failure_is_repeated_in_order(client: Client) -> None:
    async with listening(503, 500, 429, 200) as receiver:
        path = await subscribe(client, receiver)
        for value in range(3):
            await write(client, air(no2=value))
        seen = [(await receiver.next())[0]["data"][0]["no2"]["value"] for _ in range(6)]
        assert seen == [0, 0, 0, 0, 1, 2]
        for sent in range(50):
            notification = (await client.ask("GET", path)).json["notification"]
            if notification.get("timesSent") == 6:
                break
            await asyncio.sleep(0.05 * sent)
        assert (notification["timesSent"], notification["timesFailed"]) == (6, 3)
        assert notification["status"] == "ok"


async def test_what_waits_while_a_subscription_is_paused_is_not_sent(client: Client) -> None:
    async with listening(503, 200) as receiver:
        path = await subscribe(client, receiver)
        receiver.hold.clear()
        await write(client, air(no2=1))
        await receiver.next()
        await client.ask("PATCH", path, {"isActive": False})
        receiver.hold.set()
        await asyncio.sleep(1)  # in which it would be repeated
        assert receiver.got.empty()
        await client.ask("PATCH", path, {"isActive": True})
        await write(client, air(no2=2))
        assert (await receiver.next())[0]["data"][0]["no2"]["value"] == 2
        for _ in range(50):
            sent = (await client.ask("GET", path)).json["notification"]
            if sent["status"] == "ok":
                break
            await asyncio.sleep(0.05)
        assert (sent["timesSent"], sent["timesFailed"]) == (2, 1)


async def test_a_receiver_has_the_time_that_its_subscriber_gives_it(client: Client) -> None:
    async with listening() as receiver:
        receiver.hold.clear()
        ways = [
            await subscribe(client, receiver, notification={"endpoint": {"uri": receiver.url, "timeout": ms}})
            for ms in (100, 20_000)
        ]
        await write(client, air())
        for _ in range(100):
            told = [(await client.ask("GET", path)).json["notification"] for path in ways]
            if "status" in told[0]:
                break
            await asyncio.sleep(0.05)
        assert (told[0]["status"], told[0]["timesFailed"]) == ("failed", told[0]["timesSent"])
        assert "lastSuccess" not in told[0]
        assert "status" not in told[1]
        receiver.hold.set()


@pytest.mark.parametrize("status", [404, 503])
async def test_what_is_due_in_a_cooldown_is_not_sent(client: Client, status: int) -> None:
    async with listening(status, 200) as receiver:
        endpoint = {"uri": receiver.url, "cooldown": 1500}
        path = await subscribe(client, receiver, notification={"endpoint": endpoint})
        await write(client, air(no2=1))
        seen = [(await receiver.next())[0]]
        await failed(client, path, 1)
        for value in (2, 3):
            await write(client, air(no2=value))
        await asyncio.sleep(0.5)
        assert receiver.got.empty()
        await asyncio.sleep(1)
        await write(client, air(no2=4))
        while seen[-1]["data"][0]["no2"]["value"] != 4:
            seen.append((await receiver.next())[0])
        # what failed for a passing reason is repeated when the cooldown is over
        expected = [1, 4] if status == 404 else [1, 1, 4]
        assert [body["data"][0]["no2"]["value"] for body in seen] == expected


async def failed(client: Client, path: str, times: int) -> None:
    """Wait until so many attempts have failed."""
    async with asyncio.timeout(30):
        while True:
            if (await client.ask("GET", path)).json["notification"].get("timesFailed") == times:
                return
            await asyncio.sleep(0.02)


async def test_what_is_due_in_any_of_several_cooldowns_is_not_sent(client: Client) -> None:
    async with listening(503, 503, 200) as receiver:
        endpoint = {"uri": receiver.url, "cooldown": 1200}
        path = await subscribe(client, receiver, notification={"endpoint": endpoint})
        await write(client, air(no2=1))
        for attempt in (1, 2):
            await receiver.next()
            await failed(client, path, attempt)
            await write(client, air(no2=1 + attempt))
        await receiver.next()  # the first, at last
        await write(client, air(no2=4))
        assert (await receiver.next())[0]["data"][0]["no2"]["value"] == 4


async def test_another_subscription_under_the_same_id_begins_without_its_failures(client: Client) -> None:
    async with listening(503, 200) as receiver:
        asked = {"id": "urn:ngsi-ld:Subscription:twice", "notification": {"endpoint": {"uri": receiver.url}}}
        asked["notification"]["endpoint"]["cooldown"] = 3_000_000
        path = await subscribe(client, receiver, **asked)
        await write(client, air(no2=1))
        await receiver.next()
        await failed(client, path, 1)
        await write(client, air(no2=2))
        assert (await client.ask("DELETE", path)).status == 204
        await subscribe(client, receiver, **asked)
        await write(client, air(no2=3))
        assert (await receiver.next())[0]["data"][0]["no2"]["value"] == 3


async def test_a_refusal_is_not_repeated(client: Client) -> None:
    async with listening(410, 200) as receiver:
        path = await subscribe(client, receiver)
        await write(client, air(no2=1))
        await write(client, air(no2=2))
        seen = [(await receiver.next())[0]["data"][0]["no2"]["value"] for _ in range(2)]
        assert seen == [1, 2]
        assert (await client.ask("GET", path)).json["notification"]["lastFailure"]


async def test_a_dead_receiver_delays_nobody(client: Client, receiver: Receiver) -> None:
    async with listening() as gone:
        dead = gone.url
    created = await client.ask("POST", "/subscriptions", subscription(dead))
    path = created.headers["Location"].removeprefix("/ngsi-ld/v1")
    await subscribe(client, receiver)
    for value in range(30):
        await write(client, air(no2=value))
    seen = [(await receiver.next())[0]["data"][0]["no2"]["value"] for _ in range(30)]
    assert seen == list(range(30))
    for sent in range(50):
        notification = (await client.ask("GET", path)).json["notification"]
        if notification.get("timesFailed"):
            break
        await asyncio.sleep(0.05 * sent)
    assert notification["status"] == "failed"


async def test_a_bad_path_delays_no_other_path_of_its_server(client: Client) -> None:
    async with listening() as receiver:
        receiver.answers["/bad"] = 503
        await subscribe(client, receiver, notification={"endpoint": {"uri": receiver.at("/bad")}})
        good = await subscribe(client, receiver, notification={"endpoint": {"uri": receiver.at("/good")}})
        for value in range(30):
            await write(client, air(no2=value))
        seen: list[int] = []
        while len(seen) < 30:
            body, _ = await receiver.next()
            if body["subscriptionId"] == good.rpartition("/")[2]:
                seen.append(body["data"][0]["no2"]["value"])
        assert seen == list(range(30))


async def test_one_server_gets_a_few_requests_at_a_time(client: Client) -> None:
    async with listening() as receiver:
        receiver.hold.clear()
        for _ in range(10):
            await subscribe(client, receiver)
        await write(client, air())
        for _ in range(4):
            await receiver.next()
        async with listening() as other:
            await nothing_more(client, other)  # another server is served meanwhile
        assert receiver.got.empty()
        receiver.hold.set()
        for _ in range(6):
            await receiver.next()


async def test_what_was_kept_by_an_earlier_version_goes_on_by_its_rules(
    database: str, receiver: Receiver
) -> None:
    async with serving(database) as client:
        plain = client.other("")
        path = await subscribe(plain, receiver)
        connection = await asyncpg.connect(database)
        try:
            notified = {"endpoint": {"uri": receiver.url, "notifierInfo": [{"key": "Any", "value": True}]}}
            older = {"entities": [{"type": "*"}], "localOnly": False, "notification": notified}
            await connection.execute(
                "UPDATE ngsild.subscriptions SET doc = doc || $1::jsonb", json.dumps(older)
            )
        finally:
            await connection.close()
        async with serving(database) as again:
            await write(again.other(""), air(no2=1))
            assert (await receiver.next())[0]["data"][0]["no2"]["value"] == 1
        answer = await plain.ask("PATCH", path, {"description": "now by the rules of now"})
        assert answer.problem == "BadRequestData"


async def test_a_worker_that_fails_is_reported_and_rests(database: str) -> None:
    async with listening(503) as broken, listening() as receiver:
        async with serving(database, first_retry=60.0) as client:
            plain = client.other("")
            await subscribe(plain, broken)
            await write(plain, air())
            await broken.next()
        connection = await asyncpg.connect(database)
        try:
            # what no version has ever written
            await connection.execute("UPDATE ngsild.subscriptions SET doc = '[]'")
        finally:
            await connection.close()
        with capture_logs() as logs:
            async with serving(database) as client:
                for value in range(3):
                    await subscribe(client, receiver)
                    await write(client, air(no2=value))
                for _ in range(6):
                    await receiver.next()
            failures = [entry for entry in logs if entry["event"] == "notifications.worker_failed"]
        assert 0 < len(failures) <= 5  # one that starts anew at once fails hundreds of times
        assert failures[0]["log_level"] == "error"
        assert isinstance(failures[0]["exc_info"], AttributeError)


async def test_what_is_queued_survives_a_restart(database: str) -> None:
    async with listening(503) as receiver:
        async with serving(database, first_retry=60.0) as client:
            plain = client.other("")
            await subscribe(plain, receiver)
            await write(plain, air(no2=1))
            await receiver.next()
        async with serving(database):
            body, _ = await receiver.next()
            assert body["data"][0]["no2"]["value"] == 1


async def test_endpoints_beyond_public_addresses_need_the_operators_consent(database: str) -> None:
    async with serving(database, notify_allow=()) as client:
        for uri in (
            "http://127.0.0.1:9/x",
            "http://localhost/x",
            "http://[::1]/x",
            "http://10.0.0.1/x",
            "http://169.254.169.254/latest",
            "http://[::ffff:127.0.0.1]/x",
            "http://0.0.0.0/x",
            *(f"http://{spelling}/x" for spelling in LOOPBACK_SPELLINGS),
        ):
            answer = await client.ask("POST", "/subscriptions", subscription(uri))
            assert (answer.status, answer.problem) == (400, "BadRequestData"), uri
            assert "notify_allow" in answer.json["detail"]
        assert (await client.ask("POST", "/subscriptions", subscription("http://192.0.2.1/x"))).status == 400
        assert (await client.ask("POST", "/subscriptions", subscription("http://8.8.8.8/x"))).status == 201


async def test_an_address_is_checked_again_when_it_is_connected_to(database: str) -> None:
    async with listening() as receiver:
        async with serving(database) as client:
            plain = client.other("")
            path = await subscribe(plain, receiver)
            named = subscription(receiver.url.replace("127.0.0.1", "localhost"))
            second = await plain.ask("POST", "/subscriptions", named)
        async with serving(database, notify_allow=()) as client:
            plain = client.other("")
            await write(plain, air())
            for each in (path, second.headers["Location"].removeprefix("/ngsi-ld/v1")):
                for sent in range(50):
                    notification = (await plain.ask("GET", each)).json["notification"]
                    if notification.get("timesFailed"):
                        break
                    await asyncio.sleep(0.05 * sent)
                assert notification["status"] == "failed"
            assert receiver.got.empty()
