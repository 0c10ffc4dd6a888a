# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Declared subscriptions at two brokers: the embedded one, and one that behaves as Orion-LD."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from broker.client import BadRequestDataError, NgsiLdClient
from broker.subscription_health import health
from broker.subscriptions import Declared, apply, found, id_of, plan
from ontology.loader import context, subjects
from tests.cli_runs import Program
from tests.embedded_serving import listening, own_database, serving
from tests.orion_like import OrionLike
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from broker.subscriptions import Step
    from tests.cli_runs import Done

WEB = "http://volme.example"
CONTEXT = f"{WEB}/contexts/Environment.jsonld"
OTHERS = (
    "urn:ngsi-ld:Subscription:dashboard",
    "urn:ngsi-ld:Subscription:volme-portal:hagen",
    "urn:ngsi-ld:Subscription:volme:herdecke:pegel",
)


@pytest_asyncio.fixture(scope="module")
async def embedded(postgres: str) -> AsyncIterator[str]:
    documents = {f"{WEB}/contexts/{name}.jsonld": context(name) for name in subjects()}
    async with own_database(postgres) as dsn, serving(dsn, preloaded=documents) as served:
        yield served.url


@pytest_asyncio.fixture(params=["embedded", "orion-ld"])
async def broker(request: pytest.FixtureRequest, embedded: str) -> AsyncIterator[NgsiLdClient]:
    """A client of each of the brokers, with subscriptions of others."""
    async with OrionLike(fetch_contexts=False) as orion:
        url = embedded if request.param == "embedded" else orion.url
        async with NgsiLdClient(url, kind=request.param, tenant="s") as client:
            for own in OTHERS:
                await client.create_subscription(
                    {"id": own, "type": "Subscription", **document()}, context=CONTEXT
                )
            yield client
            for each in [str(one["id"]) async for one in client.subscriptions()]:
                await client.delete_subscription(each)


def document(uri: str = "http://127.0.0.1:9/", **members: Any) -> dict[str, Any]:
    return {
        "entities": [{"type": "FloodMonitoring"}],
        "watchedAttributes": ["currentLevel"],
        "notification": {"format": "normalized", "endpoint": {"uri": uri, "accept": "application/json"}},
        **members,
    }


def declared(name: str, uri: str = "http://127.0.0.1:9/", **members: Any) -> Declared:
    return Declared(name=name, document=document(uri, **members), context=CONTEXT)


async def planned(client: NgsiLdClient, *wanted: Declared) -> tuple[Step, ...]:
    ours = await found(client, "hagen", {each.name: each.context for each in wanted})
    return plan(wanted, ours, city="hagen", now=datetime.now(UTC))


async def applied(client: NgsiLdClient, *wanted: Declared) -> list[str]:
    steps = await planned(client, *wanted)
    for step in steps:
        await apply(client, step)
    assert await planned(client, *wanted) == ()
    return [f"{step.action} {step.name}" for step in steps]


async def test_made_true(broker: NgsiLdClient) -> None:
    one, two = declared("eins", q="currentLevel>2"), declared("zwei", throttling=60)
    assert await applied(broker, one, two) == ["create eins", "create zwei"]
    assert await applied(broker, one, two) == []
    stricter = declared("eins", q="currentLevel>3", description="höher")
    assert await applied(broker, stricter, two) == ["change eins"]
    elsewhere = declared("zwei", "http://127.0.0.1:10/", throttling=60)
    assert await applied(broker, stricter, elsewhere) == ["change zwei"]
    at_once = declared("zwei", "http://127.0.0.1:10/")
    assert await applied(broker, stricter, at_once) == ["replace zwei"]
    assert await applied(broker) == ["delete eins", "delete zwei"]
    left = {str(each["id"]) async for each in broker.subscriptions()}
    assert left == set(OTHERS)


async def test_what_was_paused_goes_on(broker: NgsiLdClient) -> None:
    one = declared("pause")
    await applied(broker, one)
    await broker.update_subscription(id_of("hagen", "pause"), {"isActive": False})
    ours = await found(broker, "hagen", {"pause": CONTEXT})
    (seen,) = health([one], ours, datetime.now(UTC))
    assert seen.problem is not None
    assert "paused" in seen.problem
    assert await applied(broker, one) == ["revive pause"]
    (seen,) = health([one], await found(broker, "hagen", {"pause": CONTEXT}), datetime.now(UTC))
    assert (seen.status, seen.problem) == ("active", None)


async def test_what_cannot_be_made_anew_stays_as_it_was(embedded: str) -> None:
    async with NgsiLdClient(embedded, kind="embedded", tenant="anew") as client:
        await applied(client, declared("eins", throttling=60))
        (step,) = await planned(client, declared("eins", q="((", description="not a condition"))
        assert step.action == "replace"
        with pytest.raises(BadRequestDataError):
            await apply(client, step)
        assert await planned(client, declared("eins", throttling=60)) == ()


async def test_receivers_are_told_and_who_was_not_is_seen(embedded: str) -> None:
    async with (
        NgsiLdClient(embedded, kind="embedded", tenant="told") as client,
        listening(200) as receiver,
    ):
        header = [{"key": "Authorization", "value": "Bearer geheim"}]
        endpoint = {"uri": receiver.url, "accept": "application/json", "receiverInfo": header}
        one = declared("gut", notification={"format": "keyValues", "endpoint": endpoint})
        two = declared("schlecht", receiver.at("/bad"))
        receiver.answers["/bad"] = 500
        await applied(client, one, two)
        entity = {
            "id": "urn:ngsi-ld:FloodMonitoring:hagen:eilpe",
            "type": "FloodMonitoring",
            "currentLevel": {"type": "Property", "value": 2.5, "observedAt": "2026-11-23T10:00:00Z"},
        }
        await client.upsert([entity], context=CONTEXT)
        told = [await receiver.next() for _ in range(2)]
        by_header = {headers.get("Authorization"): body for body, headers in told}
        assert by_header["Bearer geheim"]["data"][0]["currentLevel"] == 2.5
        ours = await until(partial(found, client, "hagen", {}))
        seen = {each.name: each for each in health([one, two], ours, datetime.now(UTC))}
        assert (seen["gut"].problem, seen["gut"].sent) == (None, 1)
        assert seen["gut"].last_success is not None
        assert "did not reach" in str(seen["schlecht"].problem)


async def until(ask: Callable[[], Awaitable[Sequence[Any]]]) -> Sequence[Any]:
    """Ask until both receivers' answers are known."""
    async with asyncio.timeout(PATIENCE):
        while True:
            ours = await ask()
            told = [each.document["notification"] for each in ours]
            if all("lastSuccess" in each or "lastFailure" in each for each in told):
                return ours
            await asyncio.sleep(0.05)


# ---- as operators use it


TOML = """
[[subscription]]
name = "pegel"
description = "Leitstelle"
types = ["FloodMonitoring"]
watched = ["currentLevel"]
endpoint = "http://127.0.0.1:9/"
headers = {{ Authorization = {{ file = "token" }} }}
{more}
"""


class City:
    """A configuration in a folder."""

    def __init__(self, folder: Path, url: str, kind: str) -> None:
        self.folder = folder
        self.program = Program(folder)
        (folder / "token").write_text("geheim")
        text = f'[web]\npublic_url = "{WEB}"\n[broker]\nurl = "{url}"\nkind = "{kind}"\ntenant = "cli"\n'
        (folder / "city.toml").write_text(text)

    def declare(self, more: str = "") -> None:
        (self.folder / "subscriptions.toml").write_text(TOML.format(more=more))

    async def run(self, *arguments: str) -> Done:
        done = await asyncio.to_thread(self.program, "subscriptions", *arguments, "--config", "city.toml")
        assert "geheim" not in done.out + done.err
        return done


async def test_on_the_command_line(tmp_path: Path, embedded: str) -> None:
    city = City(tmp_path, embedded, "scorpio")
    done = await city.run("plan")
    assert (done.code, "there is no subscriptions.toml" in done.err) == (3, True)
    city.declare()
    done = await city.run("plan")
    assert done.code == 2
    assert "+ pegel is to be created" in done.out
    assert "notification.receiverInfo: authorization: …" in done.out
    done = await city.run("status")
    assert (done.code, "the broker does not have it" in done.out) == (1, True)
    done = await city.run("apply")
    assert (done.code, "pegel: created" in done.out) == (0, True)
    done = await city.run("plan")
    assert (done.code, done.out) == (0, "The broker has what is declared.\n")
    done = await city.run("status", "--json")
    assert done.code == 0
    assert [(each["name"], each["status"]) for each in json.loads(done.out)] == [("pegel", "active")]
    city.declare("throttling = 30")
    done = await city.run("apply")
    assert (done.code, "throttling: (none) → 30" in done.out) == (0, True)
    city.declare('q = "(("')
    done = await city.run("apply", "--json")
    assert done.code == 1
    assert "q" in json.loads(done.out)[0]["error"]
    (tmp_path / "subscriptions.toml").write_text("")
    done = await city.run("apply")
    assert (done.code, "pegel: deleted" in done.out) == (0, True)


async def test_what_orion_ld_would_ignore_is_refused(tmp_path: Path) -> None:
    async with OrionLike(fetch_contexts=False) as orion:
        city = City(tmp_path, orion.url, "orion-ld")
        city.declare("geo = { near = [7.47, 51.36], metres = 500 }")
        done = await city.run("plan")
        assert done.code == 3
        assert "subscription “pegel”: Orion-LD accepts “geo” in a subscription but ignores it" in done.err
        city.declare()
        assert (await city.run("apply")).code == 0
        own = id_of("hagen", "pegel")
        orion._subscriptions[own]["isActive"] = False
        done = await city.run("status")
        assert (done.code, "pegel is paused" in done.out) == (1, True)
        done = await city.run("apply")
        assert (done.code, "pegel: revived: it notifies again" in done.out) == (0, True)
        assert orion._subscriptions[own]["isActive"] is True
        assert (await city.run("plan")).code == 0


async def test_a_broker_that_is_away(tmp_path: Path) -> None:
    city = City(tmp_path, "http://127.0.0.1:9", "orion-ld")
    city.declare()
    done = await city.run("plan")
    assert (done.code, "cannot be reached" in done.err) == (1, True)
