# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The device API over real HTTP, against what its own OpenAPI document promises."""

from __future__ import annotations

import io
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import jsonschema_rs
import pytest
import pytest_asyncio
from aiohttp import web
from prometheus_client import CollectorRegistry

from compose.addresses import Addresses
from compose.device_operations import OPERATIONS
from compose.openapi import document
from compose.platform import Platform
from compose.web import web_app
from tests.device_office import Office, open_office
from tests.network_servers import TOKEN, NetworkServer
from tests.uplinks import chirpstack, the_things_stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

A, B, C = "70b3d57ed0aa0001", "70b3d57ed0aa0002", "70b3d57ed0aa0003"
KEY = "a-key-of-an-integrator"
DOCUMENT: dict[str, Any] = json.loads(json.dumps(document(OPERATIONS)))
HERE = {"latitude": 51.36, "longitude": 7.47}
WEATHER = {"version_ids": {"brand_id": "decentlab", "model_id": "dl-atm41"}}


# What OpenAPI 3.1 says of the parts that are used here; nothing else may be in them.
_REFERENCE = {
    "type": "object",
    "properties": {"$ref": {"type": "string", "pattern": r"^#/components/schemas/\w+$"}},
    "required": ["$ref"],
    "additionalProperties": False,
}
_TEXT = {"type": "string", "minLength": 1}
_CONTENT = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"pattern": r"^[a-z]+/[a-z0-9.+-]+$"},
    "additionalProperties": {
        "type": "object",
        "properties": {
            "schema": {"anyOf": [_REFERENCE, {"type": "object", "properties": {"type": {"const": "string"}}}]}
        },
        "required": ["schema"],
        "additionalProperties": False,
    },
}
_PARAMETER = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "in": {"enum": ["path", "query"]},
        "required": {"const": True},
        "description": _TEXT,
        "schema": {"type": "object", "properties": {"type": {"enum": ["string", "integer", "boolean"]}}},
    },
    "required": ["name", "in", "schema"],
    "additionalProperties": False,
    # A parameter in the path has to be required.
    "if": {"properties": {"in": {"const": "path"}}},
    "then": {"required": ["required"]},
}
_OPERATION = {
    "type": "object",
    "properties": {
        "operationId": {"type": "string", "pattern": r"^[a-zA-Z]+$"},
        "summary": _TEXT,
        "tags": {"type": "array", "items": _TEXT},
        "parameters": {"type": "array", "items": _PARAMETER},
        "requestBody": {
            "type": "object",
            "properties": {"required": {"const": True}, "content": _CONTENT},
            "required": ["content"],
            "additionalProperties": False,
        },
        "responses": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": "^[1-5][0-9]{2}$"},
            "additionalProperties": {
                "type": "object",
                "properties": {"description": _TEXT, "content": _CONTENT},
                "required": ["description"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["responses"],
    "additionalProperties": False,
}
SPECIFICATION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "openapi": {"type": "string", "pattern": r"^3\.1\.\d+$"},
        "info": {
            "type": "object",
            "properties": {
                "title": _TEXT,
                "version": _TEXT,
                "summary": _TEXT,
                "license": {
                    "type": "object",
                    "properties": {"name": _TEXT, "identifier": _TEXT},
                    "required": ["name"],
                    "additionalProperties": False,
                },
            },
            "required": ["title", "version"],
            "additionalProperties": False,
        },
        "servers": {"type": "array", "items": {"type": "object", "required": ["url"]}},
        "security": {"type": "array", "items": {"type": "object"}},
        "paths": {
            "type": "object",
            "propertyNames": {"pattern": "^/"},
            "additionalProperties": {
                "type": "object",
                "propertyNames": {"enum": ["get", "put", "post", "delete", "patch"]},
                "additionalProperties": _OPERATION,
            },
        },
        "components": {
            "type": "object",
            "properties": {
                "schemas": {
                    "type": "object",
                    "propertyNames": {"pattern": r"^[a-zA-Z0-9._-]+$"},
                    "additionalProperties": {"$ref": "https://json-schema.org/draft/2020-12/schema"},
                },
                "securitySchemes": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "object",
                        "properties": {"type": {"const": "http"}, "scheme": _TEXT, "description": _TEXT},
                        "required": ["type", "scheme"],
                        "additionalProperties": False,
                    },
                },
            },
            "additionalProperties": False,
        },
    },
    "required": ["openapi", "info", "paths"],
    "additionalProperties": False,
}


@dataclass
class Client:
    """Asks, and holds every answer against the document."""

    session: aiohttp.ClientSession
    office: Office

    async def __call__(self, method: str, path: str, status: int, **request: Any) -> Any:
        async with self.session.request(method, path, **request) as answer:
            body = await answer.read()
            assert answer.status == status, body.decode()
            promised = self._promised(method, path.partition("?")[0])["responses"][str(status)]
            if "content" not in promised:
                assert body == b""
                return None
            ((media, content),) = promised["content"].items()
            assert answer.content_type == media
            if not media.endswith("json"):
                return body.decode()
            found = json.loads(body)
            schema = {**content["schema"], "components": DOCUMENT["components"]}
            jsonschema_rs.Draft202012Validator(schema).validate(found)
            return found

    def _promised(self, method: str, path: str) -> Any:
        paths = DOCUMENT["paths"]
        if path not in paths:
            path = next(
                each for each in paths if "{" in each and re.fullmatch(re.sub(r"{\w+}", "[^/]+", each), path)
            )
        return paths[path][method.lower()]


@asynccontextmanager
async def served(office: Office) -> AsyncIterator[str]:
    nowhere = Addresses(web="", web_port=0, broker="", broker_port=None, mqtt=None, mqtt_port=None)
    platform = Platform(
        settings=office.settings, addresses=nowhere, journal=office.journal, registry=office.registry
    )
    app = web_app(platform, CollectorRegistry(), [], {}, max_body=office.settings.web.max_body)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture
async def api(database: str, tmp_path: Path) -> AsyncIterator[Client]:
    async with (
        open_office(database, data=tmp_path) as office,
        served(office) as url,
        aiohttp.ClientSession(url) as session,
    ):
        yield Client(session, office)


def given(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "profile": "decentlab-dl-mbx", "name": "Pegel", "position": HERE, **more}


# ---- the document ------------------------------------------------------------------------------


def test_the_document_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    assert DOCUMENT["security"] == [{"key": []}]
    assert DOCUMENT["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    names: list[str] = []
    for path, operations in DOCUMENT["paths"].items():
        assert path.startswith("/api/devices")
        for operation in operations.values():
            names.append(operation["operationId"])
            assert operation["summary"].endswith(".")
            assert {"401", "403", "503"} < operation["responses"].keys()
            assert all(response["description"] for response in operation["responses"].values())
            in_path = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"]
            assert in_path == re.findall(r"{(\w+)}", path)
    assert len(names) == len(set(names)) == len(OPERATIONS)


def test_the_document_keeps_to_the_specification_of_openapi() -> None:
    jsonschema_rs.Draft202012Validator(SPECIFICATION).validate(DOCUMENT)
    copies = [json.loads(json.dumps(DOCUMENT)) for _ in range(3)]
    del copies[0]["paths"]["/api/devices"]["get"]["responses"]
    copies[1]["paths"]["/api/devices"]["post"]["requestbody"] = {}
    del copies[2]["info"]["version"]
    assert [jsonschema_rs.Draft202012Validator(SPECIFICATION).is_valid(each) for each in copies] == [
        False
    ] * 3


def test_every_schema_is_one_and_is_used() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for name in schemas:
        schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
        jsonschema_rs.Draft202012Validator(schema)
        assert jsonschema_rs.Draft202012Validator(schema).is_valid([]) is False
    used = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(DOCUMENT)))
    assert used == schemas.keys()


async def test_the_document_is_served_to_everybody(api: Client) -> None:
    async with api.session.get("/api/openapi.json") as answer:
        assert (answer.status, await answer.json()) == (200, DOCUMENT)


# ---- network servers ---------------------------------------------------------------------------


def asked(url: str, **more: Any) -> dict[str, Any]:
    return {"network": "tts", "url": url, "application": "hagen-pegel", "token": TOKEN, **more}


async def test_a_network_servers_list_is_compared_and_then_followed(api: Client) -> None:
    await api("POST", "/api/devices", 201, json={**given(A), "name": "By hand"})
    known = {"name": "Pegel", "model": "decentlab/dl-mbx", "tags": {}}
    server = NetworkServer(devices={A: known, B: known, C: {**known, "model": "acme/unknown"}})
    async with server.serve() as url:
        differs = await api("POST", "/api/devices/sync", 200, json=asked(url))
        assert (differs["applied"], differs["unchanged"], differs["gone"]) == (False, 0, [])
        assert [each["id"] for each in differs["new"]] == [B]
        assert differs["changed"][0]["changes"]["name"] == {"old": "By hand", "new": "Pegel"}
        assert differs["left"] == [{"id": C, "name": "Pegel", "model": ["acme", "unknown"]}]
        assert api.office.registry.devices.keys() == {A}

        done = await api("POST", "/api/devices/sync", 200, json=asked(url, apply=True, keep=["name"]))
        assert done["applied"] is True
        assert (await api("GET", f"/api/devices/{A}", 200))["name"] == "By hand"
        assert (await api("GET", f"/api/devices/{B}", 200))["origin"] == f"tts {url} hagen-pegel"

        del server.devices[B]
        gone = await api("POST", "/api/devices/sync", 200, json=asked(url, apply=True, retireGone=True))
        assert (gone["gone"], gone["retired"]) == ([B], True)
        assert (await api("GET", f"/api/devices/{B}", 200))["retired"] is not None


async def test_what_a_network_server_or_who_asks_says_wrongly_is_named(api: Client) -> None:
    async with NetworkServer().serve() as url:
        problem = await api("POST", "/api/devices/sync", 502, json=asked(url, token="wrong"))
        assert "does not accept the token" in problem["detail"]
        assert "wrong" not in json.dumps(problem)
        wrong = (
            (asked("ftp://x"), "is no address"),
            (asked("http://[::1"), "is no address"),
            (asked("http://ns.example"), "without encryption"),
            (asked("https://me:secret@ns.example"), "must not have a password"),
            (asked(url, token="a\nb"), "no HTTP header can have"),
            (asked(url, profile="none"), "there is no profile “none”"),
            (asked(url, network="loriot"), "network: Input should be"),
        )
        for body, reason in wrong:
            assert reason in (await api("POST", "/api/devices/sync", 422, json=body))["detail"]


async def test_a_label_names_the_device_and_its_model(api: Client) -> None:
    code = f"LW:D0:1122334455667788:{A.upper()}:AABB1122"
    device = await api(
        "POST", "/api/devices", 201, json={"qr": code, "profile": "elsys-ers", "position": HERE}
    )
    assert (device["id"], device["profile"]) == (A, "elsys-ers")
    for body, reason in (
        ({"qr": "LW:D0:12"}, "this is no QR code"),
        ({"qr": code, "id": A}, "either the id or the qr code"),
        ({"qr": code.replace("0001:", "0002:")}, "a profile must be named"),
    ):
        assert reason in (await api("POST", "/api/devices", 422, json=body))["detail"]


async def test_health_is_that_of_the_declared_interval(api: Client) -> None:
    await api("POST", "/api/devices", 201, json=given(A, parameters={"interval": 600}))
    await api("POST", "/api/devices", 201, json=given(B))
    shown = (await api("GET", "/api/devices/health", 200))["devices"]
    assert [(each["device"], each["received"], each["intervalSeconds"]) for each in shown] == [
        (A, 0, 600),
        (B, 0, None),
    ]


# ---- who may -----------------------------------------------------------------------------------


async def test_with_keys_nobody_may_without_one(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY_1", KEY)
    monkeypatch.setenv("KEY_2", "another")
    keys = [{"env": "KEY_1"}, {"env": "KEY_2"}]
    async with (
        open_office(database, data=tmp_path, web__api_keys=keys) as office,
        served(office) as url,
        aiohttp.ClientSession(url) as session,
    ):
        api = Client(session, office)
        wrong = (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Basic {KEY}"},
            {"Authorization": KEY},
        )
        for headers in wrong:
            problem = await api("GET", "/api/devices", 401, headers=headers)
            assert problem["title"] == "Unauthorized"
        for key in (KEY, "another"):
            await api("GET", "/api/devices", 200, headers={"Authorization": f"Bearer {key}"})


@pytest.mark.parametrize(
    "headers", [{"Host": "volme.example:8080"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]
)
async def test_without_keys_web_pages_may_not(api: Client, headers: dict[str, str]) -> None:
    problem = await api("GET", "/api/devices", 403, headers=headers)
    assert "web.api_keys" in problem["detail"]
    await api("POST", f"/api/devices/{A}/retire", 403, headers=headers)


async def test_behind_a_proxy_it_is_off_without_keys(database: str, tmp_path: Path) -> None:
    async with (
        open_office(database, data=tmp_path, web__behind_proxy=True) as office,
        served(office) as url,
        aiohttp.ClientSession(url) as session,
    ):
        problem = await Client(session, office)("GET", "/api/devices", 403)
        assert "is off" in problem["detail"]


# ---- devices -----------------------------------------------------------------------------------


async def test_a_device_is_registered_shown_changed_and_forgotten(api: Client) -> None:
    spelt = "70-B3-D5-7E-D0-AA-00-01"
    more = {"attributes": {"areaServed": "58095"}, "parameters": {"reference_level": 4}}
    device = await api(
        "POST", "/api/devices", 201, json=given(spelt, **more, installed="2026-03-01T00:00:00Z")
    )
    assert device == await api("GET", f"/api/devices/{A.upper()}", 200)
    assert (device["id"], device["attributes"], device["retired"]) == (A, {"areaServed": "58095"}, None)
    assert device["position"] == {**HERE, "altitude": None}
    assert (await api("POST", "/api/devices", 409, json=given(A)))["devices"] == [A]
    put = await api("PUT", f"/api/devices/{A}", 200, json={"profile": "elsys-ers"})
    assert (put["profile"], put["name"], put["position"]) == ("elsys-ers", None, None)
    await api("DELETE", f"/api/devices/{A}", 204)
    assert (await api("GET", f"/api/devices/{A}", 404))["devices"] == [A]
    await api("DELETE", f"/api/devices/{A}", 404)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "say either the id or the qr code"),
        ({"id": A, "color": "red"}, "color: Extra inputs are not permitted"),
        ({"id": A, "position": {"latitude": 91, "longitude": 7}}, "position.latitude"),
        ({"id": A, "installed": "soon"}, "installed"),
        ({"id": A}, "a profile must be named"),
        ({"id": A, "profile": "elsys-ersx"}, "did you mean elsys-ers"),
        ({"id": "a b", "profile": "elsys-ers"}, "is no DevEUI"),
        ({"id": A, "profile": "elsys-ers", "attributes": {"nothing": 1}}, "has no attribute"),
        ({"id": A, "profile": "elsys-ers", "parameters": {"x": 1}}, "there is no parameter"),
    ],
)
async def test_what_cannot_be_registered_says_why(api: Client, body: dict[str, Any], reason: str) -> None:
    assert reason in (await api("POST", "/api/devices", 422, json=body))["detail"]
    assert api.office.registry.devices == {}


async def test_bodies_that_are_no_json_are_refused(api: Client) -> None:
    headers = {"Content-Type": "application/json"}
    for raw in (b"", b"{", b"\xff", b"[]", b'"x"'):
        await api("POST", "/api/devices", 422, data=raw, headers=headers)
    await api("POST", "/api/devices", 415, data=b"{}", headers={"Content-Type": "text/plain"})
    await api("POST", "/api/devices", 413, data=io.BytesIO(b" " * 2_000_000), headers=headers)


async def test_devices_are_listed_in_pages(api: Client) -> None:
    for name in (B, A, C):
        await api("POST", "/api/devices", 201, json=given(name))
    page = await api("GET", "/api/devices?limit=2", 200)
    assert ([each["id"] for each in page["devices"]], page["next"]) == ([A, B], B)
    page = await api("GET", f"/api/devices?limit=2&after={B}", 200)
    assert ([each["id"] for each in page["devices"]], page["next"]) == ([C], None)
    for limit in ("0", "x", "10001", "-1"):
        await api("GET", f"/api/devices?limit={limit}", 400)


async def test_devices_move_are_replaced_and_retire(api: Client) -> None:
    await api("POST", "/api/devices", 201, json=given(A, parameters={"reference_level": 4}))
    there = {"latitude": 51.37, "longitude": 7.48}
    moved = await api("POST", f"/api/devices/{A}/move", 200, json={"position": there, "name": "Pegel Nord"})
    assert (moved["position"]["latitude"], moved["name"], moved["profile"]) == (
        51.37,
        "Pegel Nord",
        "decentlab-dl-mbx",
    )
    assert moved["installed"] is not None
    await api("POST", f"/api/devices/{A}/move", 422, json={})
    await api("POST", f"/api/devices/{B}/move", 404, json={"position": there})

    done = await api("POST", f"/api/devices/{A}/replace", 200, json={"by": B.upper()})
    assert (done["devices"][0]["place"], done["devices"][0]["parameters"]) == (A, {"reference_level": 4})
    await api("POST", f"/api/devices/{A}/replace", 404, json={"by": C})
    await api("POST", f"/api/devices/{B}/replace", 409, json={"by": B})
    await api("POST", f"/api/devices/{B}/replace", 422, json={"by": "a b"})
    gone = await api("GET", f"/api/devices/{A}", 200)
    assert (gone["replacedBy"], gone["retired"] is None) == (B, False)
    assert [each["id"] for each in (await api("GET", "/api/devices?retired=true", 200))["devices"]] == [A]

    assert (await api("POST", f"/api/devices/{B}/retire", 200))["retired"] is not None
    await api("POST", f"/api/devices/{B}/retire", 404)
    assert (await api("GET", "/api/devices", 200))["devices"] == []

    await api.office.settle((B, *the_things_stack(b"\x01", dev_eui=B, **WEATHER)))
    done = await api("POST", "/api/devices/pending/approve", 200, json={"all": True})
    assert done == {"devices": [], "left": [], "messages": 0}
    back = await api("POST", f"/api/devices/{B}/approve", 200, json={})
    assert (back["devices"][0]["place"], back["messages"]) == (A, 1)


async def test_what_waits_is_proposed_and_approved(api: Client) -> None:
    await api.office.settle(
        (A, *the_things_stack(b"\x01", dev_eui=A, **WEATHER)),
        (B, *the_things_stack(b"\x01", dev_eui=B, **WEATHER)),
        (C, *chirpstack(b"\x01", dev_eui=C)),
    )
    waiting = {each["device_id"]: each for each in (await api("GET", "/api/devices/pending", 200))["devices"]}
    assert (waiting[A]["profile"], waiting[A]["by"], waiting[C]["profile"]) == (
        "decentlab-dl-atm41",
        "model",
        None,
    )

    await api("POST", f"/api/devices/{C}/approve", 422, json={})
    await api("POST", "/api/devices/70b3d57ed0aa0009/approve", 404, json={})
    done = await api(
        "POST", f"/api/devices/{C}/approve", 200, json={"profile": "elsys-ers", "position": HERE}
    )
    assert (done["devices"][0]["profile"], done["messages"]) == ("elsys-ers", 1)

    await api("POST", "/api/devices/pending/approve", 422, json={})
    await api("POST", "/api/devices/pending/approve", 404, json={"devices": [A, "none"]})
    done = await api("POST", "/api/devices/pending/approve", 200, json={"all": True})
    assert ([each["id"] for each in done["devices"]], done["left"], done["messages"]) == ([A, B], [], 2)
    assert (await api("GET", "/api/devices/pending", 200))["devices"] == []


async def test_those_that_are_named_are_approved_all_or_none(api: Client) -> None:
    await api.office.settle(
        (A, *the_things_stack(b"\x01", dev_eui=A, **WEATHER)), (C, *chirpstack(b"\x01", dev_eui=C))
    )
    problem = await api("POST", "/api/devices/pending/approve", 422, json={"devices": [A, C]})
    assert problem["devices"] == [C]
    assert api.office.registry.devices == {}
    done = await api("POST", "/api/devices/pending/approve", 200, json={"all": True})
    assert ([each["id"] for each in done["devices"]], done["left"]) == ([A], [C])


# ---- files -------------------------------------------------------------------------------------

CSV = {"Content-Type": "text/csv"}


async def test_a_file_is_looked_at_then_taken_and_comes_back_unchanged(api: Client) -> None:
    text = f"id;profile;name;latitude;longitude\r\n{A};decentlab-dl-mbx;Süd;51,36;7,47\r\n"
    plan = await api("POST", "/api/devices/import", 200, data=text.encode(), headers=CSV)
    assert (plan["applied"], [each["id"] for each in plan["new"]]) == (False, [A])
    assert api.office.registry.devices == {}
    plan = await api("POST", "/api/devices/import?apply=true", 200, data=text.encode("cp1252"), headers=CSV)
    assert (plan["applied"], api.office.registry.devices[A].name) == (True, "Süd")
    for query in ("", "?excel=true"):
        table = await api("GET", f"/api/devices/export{query}", 200)
        again = await api("POST", "/api/devices/import", 200, data=table.encode(), headers=CSV)
        assert (again["new"], again["changed"], again["unchanged"]) == ([], [], 1)
    line = json.dumps({"id": A, "name": "Nord"}).encode()
    headers = {"Content-Type": "application/x-ndjson"}
    plan = await api("POST", "/api/devices/import", 200, data=line, headers=headers)
    assert plan["changed"] == [{"id": A, "changes": {"name": {"old": "Süd", "new": "Nord"}}}]


async def test_a_file_with_one_wrong_row_changes_nothing(api: Client) -> None:
    text = f"id,profile\n{A},elsys-ers\n{B},none\n".encode()
    plan = await api("POST", "/api/devices/import", 200, data=text, headers=CSV)
    assert [(each["row"], each["device"]) for each in plan["errors"]] == [(3, B)]
    problem = await api("POST", "/api/devices/import?apply=true", 422, data=text, headers=CSV)
    assert problem["errors"] == plan["errors"]
    assert api.office.registry.devices == {}
    for body in (b"", b"name\nx\n", b'id\n"x'):
        await api("POST", "/api/devices/import", 422, data=body, headers=CSV)
    await api("POST", "/api/devices/import", 415, data=b"x", headers={"Content-Type": "application/pdf"})
