# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Notifications over MQTT (clause 7.2), with real brokers: one that knows 3.1.1 alone, and Mosquitto."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import pytest_asyncio
from zmqtt import QoS, create_client

from tests.conftest import free_port
from tests.embedded_serving import Client, own_database, serving
from tests.faults.mosquitto import Mosquitto

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from zmqtt import Message, Subscription

TOPIC = "city/hagen/air"
READER: Any = {"client_id": "reader", "clean_session": False}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def broker(postgres: str) -> AsyncIterator[Client]:
    async with own_database(postgres) as dsn, serving(dsn) as client:
        yield client


@pytest.fixture
def client(broker: Client) -> Client:
    return broker.other()


async def subscribe(client: Client, uri: str, **members: Any) -> str:
    body = {
        "type": "Subscription",
        "entities": [{"type": "Air"}],
        "notification": {"endpoint": {"uri": uri, **members}},
    }
    answer = await client.ask("POST", "/subscriptions", body)
    assert answer.status == 201, answer
    return answer.headers["Location"].removeprefix("/ngsi-ld/v1")


async def write(client: Client, value: int) -> None:
    entity = {"id": "urn:ngsi-ld:Air:1", "type": "Air", "no2": value}
    answer = await client.ask("POST", "/entityOperations/upsert?options=update", [entity])
    assert answer.status in {201, 204}, answer


async def next_of(arriving: Subscription) -> tuple[Message, Any]:
    message = await asyncio.wait_for(arriving.get_message(), 20)
    return message, orjson.loads(message.payload)


async def failed(client: Client, path: str) -> dict[str, Any]:
    """Return a subscription's `notification` once an attempt has failed."""
    for waited in range(60):
        notification = (await client.ask("GET", path)).json["notification"]
        if notification.get("timesFailed"):
            break
        await asyncio.sleep(0.02 * waited)
    assert notification["status"] == "failed"
    return dict(notification)


async def test_a_message_holds_metadata_and_body(client: Client, mqtt_port: int) -> None:
    async with create_client("127.0.0.1", mqtt_port) as listener, listener.subscribe("city/#") as arriving:
        path = await subscribe(
            client,
            f"mqtt://127.0.0.1:{mqtt_port}/{TOPIC}",
            receiverInfo=[{"key": "X-Room", "value": "7"}],
        )
        await write(client, 5)
        message, content = await next_of(arriving)
    assert message.topic == TOPIC
    assert set(content) == {"metadata", "body"}
    metadata, body = content["metadata"], content["body"]
    assert metadata["Content-Type"] == "application/json"
    assert metadata["X-Room"] == "7"
    assert metadata["NGSILD-Tenant"] == client.tenant
    assert "ngsi-ld-core-context" in metadata["Link"]
    assert (body["type"], body["subscriptionId"]) == ("Notification", path.rpartition("/")[2])
    assert body["data"][0]["no2"] == {"type": "Property", "value": 5}


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("version", ["mqtt3.1.1", "mqtt5.0", None])
async def test_versions_and_qualities_of_service(
    client: Client, tmp_path: Path, version: str | None, qos: int
) -> None:
    info: list[dict[str, Any]] = [{"key": "MQTT-QoS", "value": qos}]
    info += [] if version is None else [{"key": "MQTT-Version", "value": version}]
    async with (
        Mosquitto(tmp_path / "mqtt") as mosquitto,
        create_client("127.0.0.1", mosquitto.port) as listener,
        listener.subscribe("#", qos=QoS.EXACTLY_ONCE) as arriving,
    ):
        await subscribe(client, f"mqtt://127.0.0.1:{mosquitto.port}/{TOPIC}", notifierInfo=info)
        for value in range(5):
            await write(client, value)
        got = [await next_of(arriving) for _ in range(5)]
    assert [content["body"]["data"][0]["no2"]["value"] for _, content in got] == list(range(5))
    assert {int(message.qos) for message, _ in got} == {qos}


async def test_user_and_password_come_from_the_uri(client: Client, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    tool = shutil.which("mosquitto_passwd")
    if tool is None:
        pytest.skip("mosquitto_passwd is not installed (apt install mosquitto)")
    command = (tool, "-b", "-c", str(passwords), "city", "p@ss")
    assert (await (await asyncio.create_subprocess_exec(*command)).wait()) == 0
    passwords.chmod(0o644)
    options = ("allow_anonymous false", f"password_file {passwords}")
    async with (
        Mosquitto(tmp_path / "mqtt", *options) as mosquitto,
        create_client("127.0.0.1", mosquitto.port, username="city", password="p@ss") as listener,
        listener.subscribe("#") as arriving,
    ):
        wrong = await subscribe(client, f"mqtt://city:no@127.0.0.1:{mosquitto.port}/wrong")
        await subscribe(client, f"mqtt://city:p%40ss@127.0.0.1:{mosquitto.port}/{TOPIC}")
        await write(client, 5)
        message, _ = await next_of(arriving)
        assert message.topic == TOPIC
        await failed(client, wrong)
        assert (await client.ask("DELETE", wrong)).status == 204


async def test_a_broker_that_was_away_gets_what_it_missed_in_order(client: Client, tmp_path: Path) -> None:
    async with Mosquitto(tmp_path / "mqtt") as mosquitto:
        path = await subscribe(
            client,
            f"mqtt://127.0.0.1:{mosquitto.port}/{TOPIC}",
            notifierInfo=[{"key": "MQTT-QoS", "value": 1}],
        )
        # the listener's session outlives its connection, and the broker's restart
        async with (
            create_client("127.0.0.1", mosquitto.port, **READER) as listener,
            listener.subscribe("#", qos=QoS.AT_LEAST_ONCE) as arriving,
        ):
            await arriving.detach()
        await mosquitto.stop()
        for value in range(30):
            await write(client, value)
        await failed(client, path)
        await mosquitto.start()
        async with (
            create_client("127.0.0.1", mosquitto.port, **READER) as listener,
            listener.subscribe("#", qos=QoS.AT_LEAST_ONCE) as arriving,
        ):
            seen = [(await next_of(arriving))[1]["body"]["data"][0]["no2"]["value"] for _ in range(30)]
    assert seen == list(range(30))


async def test_mqtts_checks_the_brokers_certificate(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = shutil.which("openssl")
    if tool is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = (
        tool, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
    )  # fmt: skip
    made = await asyncio.create_subprocess_exec(*command, stderr=subprocess.DEVNULL)
    assert await made.wait() == 0
    for file in (tmp_path, key, certificate):
        file.chmod(0o755)
    port = free_port()
    options = (f"listener {port} 127.0.0.1", f"certfile {certificate}", f"keyfile {key}")
    async with (
        Mosquitto(tmp_path / "mqtt", *options) as mosquitto,
        create_client("127.0.0.1", mosquitto.port) as listener,
        listener.subscribe("#") as arriving,
    ):
        path = await subscribe(client, f"mqtts://localhost:{port}/{TOPIC}", cooldown=50)
        await write(client, 5)
        await failed(client, path)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        message, content = await next_of(arriving)
    assert message.topic == TOPIC
    assert content["body"]["data"][0]["no2"]["value"] == 5


async def test_mqtt_needs_the_operators_consent_too(database: str, mqtt_port: int) -> None:
    uri = f"mqtt://localhost:{mqtt_port}/{TOPIC}"
    async with serving(database) as broker:
        path = await subscribe(broker.other(""), uri)
    async with serving(database, notify_allow=()) as broker:
        client = broker.other("")
        for scheme in ("mqtt", "mqtts"):
            for host in ("127.0.0.1", "localhost", "10.0.0.1", "[::1]", "user:x@127.1"):
                body = {
                    "type": "Subscription",
                    "entities": [{"type": "Air"}],
                    "notification": {"endpoint": {"uri": f"{scheme}://{host}/x"}},
                }
                answer = await client.ask("POST", "/subscriptions", body)
                assert (answer.status, answer.problem) == (400, "BadRequestData")
                assert "notify_allow" in answer.json["detail"]
        await write(client, 1)  # and what was allowed before is checked again at each connection
        assert (await failed(client, path))["timesSent"] == 1
