# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme run` with the operator's own parts: all of them, and each beside the embedded others."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio

from adapters.codecs.decoding import encode
from ontology.loader import context
from tests.conftest import free_port
from tests.faults.volme_process import Uplink, Volme, eui, mosquitto_running, publish
from tests.orion_like import CORE, DEFAULT, OrionLike
from tests.uplinks import the_things_stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ROOM, STRANGER, PUSHED = eui(1), eui(2), eui(3)
MODELS = "https://smartdatamodels.org/dataModel.Environment/"
SECRETS = {"MQTT_PASSWORD": "Volme fließt", "TTN_TOKEN": "push-4711", "PG_PASSWORD": "unused-0815"}
ALL = frozenset({"mqtt", "broker", "postgres"})
USER = "volme"


@dataclass(frozen=True, kw_only=True, slots=True)
class City:
    """A running `volme run`, and where its parts are, whoever's they are."""

    volme: Volme
    mqtt_port: int
    source: str
    login: dict[str, str]
    broker: str
    orion: OrionLike | None

    async def send(self, *uplinks: Uplink) -> None:
        await publish(self.mqtt_port, uplinks, **self.login)

    async def add(self, device: str, name: str) -> None:
        arguments = ("--profile", "elsys-ers", "--at", "51.36,7.47", "--name", name)
        code, _, err = await self.volme.ask("devices", "add", device, *arguments)
        assert (code, err) == (0, "")

    async def entity(self, device: str) -> dict[str, Any]:
        """Return a room with every name expanded: the core context shortens none of them."""
        url = f"{self.broker}/ngsi-ld/v1/entities/urn:ngsi-ld:IndoorEnvironmentObserved:hagen:{device}"
        link = f'<{CORE}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
        async with aiohttp.ClientSession() as session, session.get(url, headers={"Link": link}) as answer:
            assert answer.status == 200, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found


@asynccontextmanager
async def mosquitto_with_password(folder: Path) -> AsyncIterator[int]:
    hasher = shutil.which("mosquitto_passwd")
    if hasher is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    passwords = folder / "passwords"
    subprocess.run([hasher, "-b", "-c", str(passwords), USER, SECRETS["MQTT_PASSWORD"]], check=True)  # noqa: S603, ASYNC221 - a moment's work
    options = f"allow_anonymous false\npassword_file {passwords}"
    async with mosquitto_running(folder, options) as port:
        yield port


@asynccontextmanager
async def running(own: frozenset[str], folder: Path, database: str) -> AsyncIterator[City]:
    """Run Volme with these parts the operator's, and the others embedded."""
    mqtt_port = broker_port = free_port()
    config: list[str] = []
    orion: OrionLike | None = None
    async with AsyncExitStack() as stack:
        if "mqtt" in own:
            mqtt_port = await stack.enter_async_context(mosquitto_with_password(folder))
            config.append(
                f'[[mqtt]]\nname = "stadt"\nurl = "mqtt://127.0.0.1:{mqtt_port}"\nnetwork = "chirpstack"\n'
                f'topics = ["application/+/device/+/event/+"]\nusername = "{USER}"\n'
                'password = { env = "MQTT_PASSWORD" }'
            )
        else:
            config.insert(0, f"embedded_mqtt_port = {mqtt_port}")
        if "broker" in own:
            orion = await stack.enter_async_context(OrionLike())
            config.append(f'[broker]\nurl = "{orion.url}"\nkind = "orion-ld"')
        else:
            broker_port = free_port()
            config.append(f"[broker.embedded]\nport = {broker_port}")
        if "postgres" in own:
            config.append(f'[postgres]\nurl = "{database}"\npassword = {{ env = "PG_PASSWORD" }}')
        config.append(
            '[[webhook]]\nname = "ttn"\nnetwork = "the_things_stack"\ntoken = { env = "TTN_TOKEN" }'
        )
        volme = await stack.enter_async_context(Volme(folder, "\n".join(config), SECRETS))
        await volme.start()
        yield City(
            volme=volme,
            mqtt_port=mqtt_port,
            source="stadt" if "mqtt" in own else "mqtt",
            login={"username": USER, "password": SECRETS["MQTT_PASSWORD"]} if "mqtt" in own else {},
            broker=orion.url if orion else f"http://127.0.0.1:{broker_port}",
            orion=orion,
        )


OWNED = {"all three": ALL, **{f"only {part}": frozenset({part}) for part in sorted(ALL)}}


@pytest.mark.parametrize("own", OWNED)
async def test_from_the_operators_parts_into_the_operators_parts(
    tmp_path: Path, database: str, own: str
) -> None:
    async with running(OWNED[own], tmp_path, database) as city:
        assert (city.volme.data / "postgres").exists() == ("postgres" not in OWNED[own])

        await city.add(ROOM, "Ratssaal")
        await city.send(Uplink(ROOM, 1), Uplink(STRANGER, 1), Uplink(ROOM, 2))
        account = await city.volme.until_settled(3, city.source)
        assert (account["delivered"], account["dead"]) == (2, 1)

        room = await city.entity(ROOM)
        assert room["type"] == MODELS + "IndoorEnvironmentObserved"
        assert room[MODELS + "temperature"]["value"] == pytest.approx(15.2)
        assert room[MODELS + "temperature"]["unitCode"] == "CEL"
        assert datetime.fromisoformat(room[MODELS + "temperature"]["observedAt"]) == Uplink(ROOM, 2).at
        assert room["location"]["value"]["coordinates"] == [7.47, 51.36]
        assert [name for name in room if name.startswith(DEFAULT)] == []

        # What a stranger said waits, and arrives when somebody says who it is.
        await city.add(STRANGER, "Trausaal")
        await city.volme.until(lambda health: not health["deadLetters"].get("unknown-device"))
        await city.volme.until_settled(4, city.source)
        assert (await city.entity(STRANGER))[MODELS + "temperature"]["value"] == pytest.approx(15.1)

        assert await city.volme.stop() == 0
        log = city.volme.log.read_text()
        assert "Traceback" not in log
        assert [name for name, secret in SECRETS.items() if secret in log] == []


async def test_the_broker_fetches_the_contexts_from_volme(tmp_path: Path, database: str) -> None:
    """What it learns there is what the models say; without it, it would take nothing."""
    async with running(ALL, tmp_path, database) as city:
        assert city.orion is not None
        await city.add(ROOM, "Ratssaal")
        await city.send(Uplink(ROOM, 1))
        await city.volme.until_settled(1, city.source)
        base = f"http://127.0.0.1:{city.volme.web_port}/contexts"
        fetched = {name: known for name, known in city.orion._contexts.items() if name != CORE}
        assert fetched.keys() == {f"{base}/Environment.jsonld", f"{base}/Device.jsonld"}
        terms = context("Environment")["@context"]
        learnt = fetched[f"{base}/Environment.jsonld"].terms
        assert learnt["temperature"] == terms["temperature"] == MODELS + "temperature"


@pytest_asyncio.fixture(scope="module")
async def pushing(
    tmp_path_factory: pytest.TempPathFactory, postgres: str
) -> AsyncIterator[tuple[City, aiohttp.ClientSession]]:
    folder = tmp_path_factory.mktemp("pushing")
    async with running(ALL, folder, postgres) as city, aiohttp.ClientSession() as session:
        await city.add(PUSHED, "Archiv")
        yield city, session


def pushed(f_cnt: int) -> bytes:
    f_port, payload = encode("elsys", {"temperature": 20 + f_cnt / 10})
    return the_things_stack(payload, f_port=f_port, f_cnt=f_cnt, dev_eui=PUSHED, at=datetime.now(UTC))[1]


async def test_what_is_pushed_with_the_token_arrives(pushing: tuple[City, aiohttp.ClientSession]) -> None:
    city, web = pushing
    url = f"http://127.0.0.1:{city.volme.web_port}/ingest/ttn"
    headers = {"Authorization": f"Bearer {SECRETS['TTN_TOKEN']}", "Content-Type": "application/json"}
    async with web.post(url, data=pushed(1), headers=headers) as answer:
        assert answer.status == 202
    await city.volme.until_settled(1, "ttn")
    assert (await city.entity(PUSHED))[MODELS + "temperature"]["value"] == pytest.approx(20.1)


@pytest.mark.parametrize("token", [None, "Bearer", "Bearer wrong", "Basic push-4711"])
async def test_what_is_pushed_without_the_token_is_not_taken(
    pushing: tuple[City, aiohttp.ClientSession], token: str | None
) -> None:
    city, web = pushing
    url = f"http://127.0.0.1:{city.volme.web_port}/ingest/ttn"
    headers = {} if token is None else {"Authorization": token}
    async with web.post(url, data=pushed(2), headers=headers) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.content_type == "application/problem+json"


async def test_a_wrong_password_is_named_and_nothing_else_stops(tmp_path: Path, database: str) -> None:
    async with mosquitto_with_password(tmp_path) as port, OrionLike() as orion:
        config = (
            f'[postgres]\nurl = "{database}"\n[broker]\nurl = "{orion.url}"\n'
            f'[[mqtt]]\nname = "stadt"\nurl = "mqtt://127.0.0.1:{port}"\ntopics = ["#"]\n'
            f'username = "{USER}"\npassword = {{ env = "MQTT_PASSWORD" }}\n'
        )
        async with Volme(tmp_path, config, {"MQTT_PASSWORD": "guessed-1234"}) as volme:
            await volme.start()
            health = await volme.until(lambda health: health["problems"])
            assert health["ok"] is False
            (problem,) = health["problems"]
            assert problem.startswith("Source stadt: Not connected to ")
            assert "not authori" in problem or "password" in problem
            assert await volme.stop() == 0
            log = volme.log.read_text()
            assert "mqtt.disconnected" in log
            assert "guessed-1234" not in log


BAD = {
    "a secret that is not there": (
        '[broker]\ntoken = { env = "NO_SUCH_TOKEN" }\nurl = "http://127.0.0.1:1"',
        3,
        "NO_SUCH_TOKEN",
    ),
    "an unknown setting": ('[broker]\nkindd = "orion-ld"', 3, "broker.kindd"),
    "PostgreSQL that is not there": (
        '[postgres]\nurl = "postgresql://volme@127.0.0.1:9/volme"',
        4,
        "PostgreSQL cannot be reached",
    ),
}


@pytest.mark.parametrize("what", BAD)
async def test_what_cannot_be_run_ends_with_one_sentence(tmp_path: Path, what: str) -> None:
    config, code, words = BAD[what]
    async with Volme(tmp_path, config) as volme:
        await volme.launch("run", "--config", str(volme.config))
        assert await volme.ended() == code
        log = volme.log.read_text()
        assert words in log
        assert "Traceback" not in log
