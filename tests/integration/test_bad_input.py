# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Whatever arrives: the service goes on, nothing is lost without a trace, and the reason is plain."""

from __future__ import annotations

import asyncio
import itertools
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
import zmqtt

from adapters.codecs.decoding import encode
from compose.settings import load_settings
from compose.wiring import running
from models.device import Device
from models.uplink import Position
from tests.conftest import free_port
from tests.embedded_serving import listening, own_database
from tests.uplinks import chirpstack, the_things_stack
from tests.waiting import Patience, subscribed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from broker.journal.port import Letter
    from compose.platform import Platform

_counters = itertools.count(1)
TOKEN = "push-4711"
HERE = Position(longitude=7.47, latitude=51.36)
MAX_BODY = 200_000

CODECS = {
    "throws": "function decodeUplink(input) { throw new Error('no such frame'); }",
    "loops": "function decodeUplink(input) { while (true) {} }",
    "eats": "function decodeUplink() { for (let all = ['x']; ; ) all.push('x'.repeat(1e6 + all.length)); }",
    "text": "function decodeUplink(input) { return 'hello'; }",
    "complains": "function decodeUplink(input) { return { errors: ['unknown firmware'] }; }",
    "broken": "function decodeUplink(input) { return {",
}
#: By DevEUI: what is registered.
DEVICES = {
    "sound": Device(id="70b3d57ed00c0001", profile="elsys-ers", position=HERE, name="Ratssaal"),
    "other": Device(id="70b3d57ed00c0002", profile="elsys-ers", position=HERE, name="Archiv"),
    "orphan": Device(id="70b3d57ed00c0003", profile="does-not-exist", position=HERE),
    "nowhere": Device(id="70b3d57ed00c0004", profile="decentlab-dl-atm41"),
    **{
        codec: Device(id=f"70b3d57ed00d{number:04x}", profile=f"hostile-{codec}", position=HERE)
        for number, codec in enumerate(CODECS)
    },
}
STRANGER = "70b3d57ed00e0001"


@dataclass(kw_only=True, slots=True)
class Siege:
    """A running platform, and those who send to it.

    Attributes:
        source: where `send` sends to: MQTT.
    """

    platform: Platform
    mqtt: zmqtt.MQTTClientV311
    web: aiohttp.ClientSession
    source: str = "mqtt"
    seen: int = field(default=0)

    async def send(self, topic: str, payload: bytes) -> None:
        await self.mqtt.publish(topic, payload, qos=zmqtt.QoS.AT_LEAST_ONCE)

    async def push(
        self, payload: bytes, *, source: str = "ttn", token: str | None = f"Bearer {TOKEN}"
    ) -> tuple[int, dict[str, Any]]:
        url = f"{self.platform.addresses.web}/ingest/{source}"
        headers = {"Authorization": token} if token is not None else {}
        async with self.web.post(url, data=payload, headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else {}

    async def metrics(self) -> dict[str, float]:
        """Return what `/metrics` shows now."""
        await self.platform.look()
        async with self.web.get(f"{self.platform.addresses.web}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    async def settled(self, number: int) -> list[Letter]:
        """Wait until so many more messages are settled; return the dead letters that are new."""
        watch = Patience(f"{number} messages to be settled")
        while True:
            account = await self.platform.journal.account()
            if not account.pending and account.total().received >= self.seen + number:
                break
            watch.look(account.total())
            await asyncio.sleep(0.02)
        self.seen += number
        assert account.total().received == self.seen
        letters = await self.platform.journal.dead_letters(limit=10_000)
        fresh = [letter for letter in letters if letter.seq > self.seen - number]
        return sorted(fresh, key=lambda letter: letter.id)

    async def temperature(self, device: str) -> float | None:
        """Return what the broker says of a room, over HTTP."""
        entity = f"urn:ngsi-ld:IndoorEnvironmentObserved:hagen:{DEVICES[device].id}"
        url = f"{self.platform.addresses.broker}/ngsi-ld/v1/entities/{entity}"
        async with self.web.get(url) as answer:
            return float((await answer.json())["temperature"]["value"]) if answer.status == 200 else None

    async def history(self, device: str) -> list[float]:
        """Return what the broker says that a room was."""
        entity = f"urn:ngsi-ld:IndoorEnvironmentObserved:hagen:{DEVICES[device].id}"
        url = f"{self.platform.addresses.broker}/ngsi-ld/v1/temporal/entities/{entity}"
        async with self.web.get(url) as answer:
            instances = (await answer.json())["temperature"]
        return [each["value"] for each in instances]

    async def goes_on(self) -> None:
        """Another device's message, sent right afterwards, arrives."""
        f_cnt = next(_counters)
        value = f_cnt % 400 / 10
        await self.send(*climate("sound", value))
        assert await self.settled(1) == []
        assert await self.temperature("sound") == pytest.approx(value)


@pytest_asyncio.fixture(scope="module")
async def siege(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> AsyncIterator[Siege]:
    folder = tmp_path_factory.mktemp("siege")
    for name, source in CODECS.items():
        (folder / f"{name}.js").write_text(source)
    hostile = {
        f"hostile-{name}": {
            "vendor": "any",
            "model": name,
            "codec": f"javascript:{name}",
            "entity_type": "IndoorEnvironmentObserved",
            "fields": {"temperature": "air.temperature"},
        }
        for name in CODECS
    }
    async with own_database(postgres) as database:
        settings = load_settings(
            None,
            data=folder / "data",
            postgres__url=database,
            web__port=0,
            web__max_body=MAX_BODY,
            broker__embedded__port=0,
            embedded_mqtt_port=0,
            javascript={name: folder / f"{name}.js" for name in CODECS},
            profiles=hostile,
            webhook=[{"name": "ttn", "token": {"file": folder / "token"}}],
        )
        (folder / "token").write_text(TOKEN)
        async with (
            running(settings, strict_ports=True) as platform,
            zmqtt.create_client("127.0.0.1", platform.addresses.mqtt_port or 0) as mqtt,
            aiohttp.ClientSession() as web,
        ):
            await subscribed(platform)
            for device in DEVICES.values():
                await platform.registry.add(device)
            yield Siege(platform=platform, mqtt=mqtt, web=web)


def climate(device: str, temperature: float = 21.0, **uplink: Any) -> tuple[str, bytes]:
    """One frame of a room sensor, or what a device with another codec sends instead."""
    f_port, payload = encode("elsys", {"temperature": temperature})
    dev_eui = DEVICES[device].id if device in DEVICES else device
    f_cnt = next(_counters)
    return chirpstack(payload, **{"f_port": f_port, "f_cnt": f_cnt, "dev_eui": dev_eui, **uplink})


def changed(changes: dict[str, Any], device: str = "other") -> tuple[str, bytes]:
    topic, body = climate(device)
    return topic, json.dumps(json.loads(body) | changes).encode()


def replaced(old: bytes, new: bytes) -> tuple[str, bytes]:
    topic, body = climate("other")
    assert old in body
    return topic, body.replace(old, new)


def pushed(**uplink: Any) -> tuple[str, bytes]:
    return the_things_stack(b"", dev_eui=DEVICES["other"].id, f_cnt=next(_counters), **uplink)


DEEP = 20_000
TOPIC = "application/hagen/device/70b3d57ed00c0002/event/up"

#: What is sent over MQTT, the kind of its dead letter, and words that the operator reads.
DEAD: dict[str, tuple[Callable[[], tuple[str, bytes]], str, str]] = {
    "malformed JSON": (lambda: (TOPIC, b'{"deviceInfo": '), "malformed-payload", "is not JSON"),
    "nothing": (lambda: (TOPIC, b""), "malformed-payload", "is empty"),
    "NaN": (
        lambda: replaced(b'"adr": true', b'"object": {"temperature": NaN}'),
        "malformed-payload",
        "NaN or Infinity where JSON wants a number",
    ),
    "a number beyond all": (
        lambda: replaced(b'"adr": true', b'"object": {"temperature": 1e999}'),
        "malformed-payload",
        "number too large",
    ),
    "10 MB": (
        lambda: (TOPIC, b'{"deviceInfo": "' + b"x" * 10_000_000 + b'"}'),
        "too-large",
        "The message has 10,000,018 bytes; at most 1,048,576 are read.",
    ),
    "JSON nested 20,000 deep": (
        lambda: (TOPIC, b'{"deviceInfo":' + b"[" * DEEP + b"]" * DEEP + b"}"),
        "malformed-payload",
        "nested deeper than 64 levels",
    ),
    "invalid UTF-8": (
        lambda: replaced(b'"Sensor"', b'"Sens\xff\xfer"'),
        "malformed-payload",
        "is not UTF-8",
    ),
    "NUL": (lambda: replaced(b'"Sensor"', b'"Sens\\u0000r"'), "malformed-payload", "U+0000"),
    "no envelope": (lambda: (TOPIC, b'{"hello": "world"}'), "unknown-envelope", "no envelope"),
    "only a number": (lambda: (TOPIC, b"42"), "unknown-envelope", "no envelope"),
    "a text for a number": (
        lambda: changed({"fCnt": "seven"}),
        "envelope",
        "fCnt is text where a whole number belongs",
    ),
    "a list for an object": (lambda: changed({"deviceInfo": []}), "envelope", "deviceInfo is"),
    "a port that is none": (lambda: changed({"fPort": 70_000}), "envelope", "fPort is 70000"),
    "no base64": (lambda: changed({"data": "§§§"}), "envelope", "data is not base64"),
    "no time": (lambda: changed({"time": "yesterday"}), "envelope", "no RFC 3339 time"),
    "an unknown device": (lambda: climate(STRANGER), "unknown-device", "is not registered"),
    "an unknown profile": (lambda: climate("orphan"), "unknown-profile", "“does-not-exist”, which does not"),
    "a place that nobody said": (lambda: weather("nowhere"), "invalid-entity", "give the device a position"),
    "1970": (
        lambda: climate("other", at=datetime(1970, 1, 1, tzinfo=UTC)),
        "impossible-time",
        "says 1970-01-01 00:00:00 UTC, which cannot be",
    ),
    "2099": (
        lambda: climate("other", at=datetime(2099, 12, 31, tzinfo=UTC)),
        "impossible-time",
        "says 2099-12-31 00:00:00 UTC, which cannot be",
    ),
    "a frame of another device": (
        lambda: chirpstack(b"\x7f\x7f\x7f", f_port=5, f_cnt=next(_counters), dev_eui=DEVICES["other"].id),
        "codec",
        "what follows is not decoded",
    ),
    "a codec that throws": (lambda: climate("throws"), "codec", "'throws' failed: Error: no such frame"),
    "a codec that loops": (lambda: climate("loops"), "codec-timeout", "'loops' took more CPU time"),
    "a codec that eats memory": (lambda: climate("eats"), "codec-memory", "'eats' took more memory"),
    "a codec that returns a text": (lambda: climate("text"), "codec", "'text' failed"),
    "a codec that reports an error": (lambda: climate("complains"), "codec", "unknown firmware"),
    "a codec that is no JavaScript": (lambda: climate("broken"), "codec", "SyntaxError"),
    "a word for a temperature": (
        lambda: changed({"object": {"temperature": "warm"}}),
        "implausible-value",
        "air.temperature is 'warm', but must be a number",
    ),
    "a word for a voltage, from which a charge is derived": (
        lambda: changed({"object": {"vdd": "low"}}),
        "implausible-value",
        "battery.voltage is 'low', but must be a number",
    ),
    "a codec's time that is none": (
        lambda: pushed(normalized_payload=[{"time": "soon", "air": {"temperature": 20}}]),
        "impossible-time",
        "“soon”, which is no time",
    ),
    "a codec's time in 2099": (
        lambda: pushed(normalized_payload=[{"time": "2099-01-01T00:00:00Z", "air": {"temperature": 20}}]),
        "impossible-time",
        "which cannot be",
    ),
    "fields that nobody mapped": (
        lambda: changed({"object": {"mood": "good"}, "data": ""}),
        "nothing-measured",
        "maps none of its fields (mood)",
    ),
}


def weather(device: str) -> tuple[str, bytes]:
    fields = {"air_temperature": 12.0, "atmospheric_pressure": 101.3, "battery_voltage": 3.0}
    f_port, payload = encode("decentlab.dl_atm41", fields)
    return chirpstack(payload, f_port=f_port, f_cnt=next(_counters), dev_eui=DEVICES[device].id)


@pytest.mark.parametrize("what", DEAD)
async def test_what_cannot_be_read_is_a_dead_letter_with_its_reason(siege: Siege, what: str) -> None:
    build, kind, words = DEAD[what]
    before = await siege.metrics()
    topic, payload = build()
    await siege.send(topic, payload)
    (letter,) = await siege.settled(1)
    assert letter.kind == kind
    assert words in letter.sentence
    assert letter.sentence.isprintable()  # one line, without a trace
    kept = await siege.platform.journal.dead_letter(letter.id)
    assert kept is not None
    assert (kept.topic, kept.payload) == (topic, payload)  # as it came, to be replayed

    after = await siege.metrics()
    dead = 'volme_messages_total{outcome="dead",source="mqtt"}'
    waiting = f'volme_dead_letters_waiting{{kind="{kind}"}}'
    assert after[dead] == before.get(dead, 0) + 1
    assert after[waiting] == before.get(waiting, 0) + 1
    await siege.goes_on()


#: What is nobody's mistake: what is sent, and what becomes of it.
HARMLESS: dict[str, tuple[Callable[[], tuple[str, bytes]], str]] = {
    "an uplink without payload": (lambda: changed({"data": ""}), "delivered"),
    "an uplink with MAC commands alone": (lambda: changed({"fPort": 0}), "delivered"),
    "a device that joined": (
        lambda: (TOPIC.replace("/up", "/join"), climate("other")[1]),
        "ignored",
    ),
}


@pytest.mark.parametrize("what", HARMLESS)
async def test_what_measures_nothing_is_no_dead_letter(siege: Siege, what: str) -> None:
    build, outcome = HARMLESS[what]
    before = await siege.metrics()
    measured = await siege.temperature("other")
    await siege.send(*build())
    assert await siege.settled(1) == []
    after = await siege.metrics()
    name = f'volme_messages_total{{outcome="{outcome}",source="mqtt"}}'
    assert after[name] == before.get(name, 0) + 1
    assert await siege.temperature("other") == measured
    await siege.goes_on()


async def test_what_comes_twice_counts_once(siege: Siege) -> None:
    before = await siege.metrics()
    frame = climate("other", 18.4)
    for _ in range(3):
        await siege.send(*frame)
    assert await siege.settled(3) == []
    after = await siege.metrics()
    for outcome, more in (("delivered", 1), ("duplicate", 2)):
        name = f'volme_messages_total{{outcome="{outcome}",source="mqtt"}}'
        assert after[name] == before.get(name, 0) + more
    assert await siege.temperature("other") == pytest.approx(18.4)
    await siege.goes_on()


async def test_a_late_reading_does_not_become_the_state(siege: Siege) -> None:
    now = datetime.now(UTC)
    await siege.send(*climate("other", 23.5, at=now))
    await siege.send(*climate("other", 2.5, at=now - timedelta(minutes=5)))
    assert await siege.settled(2) == []
    assert await siege.temperature("other") == pytest.approx(23.5)
    assert {2.5, 23.5} <= {round(value, 1) for value in await siege.history("other")}


async def test_a_defect_of_volme_itself_costs_one_message(
    siege: Siege, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found again after every start: if it stopped the platform, the city would stay silent."""

    def defective(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("adapters.translate._find_profile", defective)
        await siege.send(*climate("other"))
        (letter,) = await siege.settled(1)
    assert letter.device_id == DEVICES["other"].id
    assert "Volme has a defect" in letter.sentence
    assert "ZeroDivisionError" in letter.sentence
    await siege.goes_on()
    assert await siege.platform.journal.replay([letter.id]) == 1  # with the next release
    assert await siege.settled(1) == []


async def test_everything_at_once_stops_nothing(siege: Siege) -> None:
    """Between hostile messages, each of a sound device arrives, in order."""
    hostile = [build() for build, _, _ in DEAD.values() if build is not DEAD["10 MB"][0]]
    for number, message in enumerate(hostile):
        await siege.send(*message)
        await siege.send(*climate("sound", number / 2))
    letters = await siege.settled(2 * len(hostile))
    assert len(letters) == len(hostile)
    assert all(letter.device_id != DEVICES["sound"].id for letter in letters)
    assert await siege.temperature("sound") == (len(hostile) - 1) / 2


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "no token": ({"token": None}, 401, "needs its token"),
    "a wrong token": ({"token": "Bearer guessed"}, 401, "needs its token"),
    "another scheme": ({"token": f"Basic {TOKEN}"}, 401, "needs its token"),
    "an unknown source": ({"source": "nobody"}, 404, "no source of this name"),
    "too much": ({"payload": b"x" * (MAX_BODY + 1)}, 413, "200,000 bytes at most"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_a_push_that_is_not_let_in_is_counted(siege: Siege, what: str) -> None:
    changes, status, words = REFUSED[what]
    before = await siege.metrics()
    answer, problem = await siege.push(**{"payload": climate("other")[1], **changes})
    assert (answer, problem["status"]) == (status, status)
    assert words in problem["detail"]
    source = "" if status == 404 else "ttn"
    name = f'volme_pushes_total{{source="{source}",status="{status}"}}'
    assert (await siege.metrics())[name] == before.get(name, 0) + 1
    assert await siege.settled(0) == []
    await siege.goes_on()


@pytest.mark.parametrize("body", [b"hello", b"", b"\xff\xfe", b'{"end_device_ids": 7}'])
async def test_a_push_that_is_no_uplink_is_taken_and_a_dead_letter(siege: Siege, body: bytes) -> None:
    before = await siege.metrics()
    assert await siege.push(body) == (202, {})
    (letter,) = await siege.settled(1)
    assert (letter.source, letter.topic) == ("ttn", "/ingest/ttn")
    assert letter.kind in {"malformed-payload", "envelope"}
    after = await siege.metrics()
    for name in (
        'volme_messages_total{outcome="dead",source="ttn"}',
        'volme_pushes_total{source="ttn",status="202"}',
    ):
        assert after[name] == before.get(name, 0) + 1
    await siege.goes_on()


async def subscribe(siege: Siege, uri: str) -> tuple[int, str, dict[str, Any]]:
    """Subscribe to all rooms; return status, address of the subscription, and the problem."""
    base = siege.platform.addresses.broker
    body = {
        "type": "Subscription",
        "entities": [{"type": "IndoorEnvironmentObserved"}],
        "notification": {"endpoint": {"uri": uri, "accept": "application/json"}},
    }
    async with siege.web.post(f"{base}/ngsi-ld/v1/subscriptions", json=body) as answer:
        text = await answer.text()
        return answer.status, base + answer.headers.get("Location", ""), json.loads(text) if text else {}


@pytest.mark.parametrize("how", ["refuses the connection", "answers 500"])
async def test_a_subscriber_that_fails_delays_nobody_else(siege: Siege, how: str) -> None:
    async with listening(200) as well, listening(500) as ill:
        uri = ill.url if how == "answers 500" else f"http://127.0.0.1:{free_port()}/notify"
        created = [await subscribe(siege, uri), await subscribe(siege, well.url)]
        assert [status for status, _, _ in created] == [201, 201]
        await siege.goes_on()
        notification, _ = await well.next()
        assert notification["data"][0]["id"].endswith(DEVICES["sound"].id)
        watch = Patience("a notification that fails")
        while True:
            async with siege.web.get(created[0][1]) as answer:
                told = (await answer.json())["notification"]
            if told.get("timesFailed"):
                break
            watch.look(told)
            await asyncio.sleep(0.05)
        assert told["status"] == "failed"
        assert "lastFailure" in told
        await siege.goes_on()
        for _, address, _ in created:
            async with siege.web.delete(address) as answer:
                assert answer.status == 204


@pytest.mark.parametrize(
    "uri",
    ["http://10.1.2.3/notify", "http://169.254.169.254/latest", "http://[fd00::1]/", "file:///etc/passwd"],
)
async def test_a_subscriber_in_a_forbidden_network_is_refused(siege: Siege, uri: str) -> None:
    status, _, problem = await subscribe(siege, uri)
    assert status == 400
    assert "is not a public address" in problem["detail"] or "is not an http" in problem["detail"]
    await siege.goes_on()
