# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The catalogue as harvesters ask for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from rdflib import Graph, URIRef
from rdflib.namespace import DCAT, DCTERMS, RDF

from broker.client import NgsiLdClient
from portal import atom, catalogue, open_data
from portal.catalogue import PAGE
from portal.catalogue_graph import HYDRA
from portal.catalogue_state import records_of
from portal.datasets import load_catalogue
from portal.server import portal_app
from tests.portal_city import HAGEN, NOW, City, measured, published_city, serving_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from portal.datasets import Dataset
    from portal.office import Office

INTERFACES = (catalogue.routes, open_data.routes, atom.routes)
MEDIA = {"rdf": "application/rdf+xml", "ttl": "text/turtle", "jsonld": "application/ld+json"}


@pytest_asyncio.fixture(scope="module")
async def city(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[City]:
    async with (
        published_city(postgres, tmp_path_factory.mktemp("catalogue")) as city,
        serving_app(city, portal_app(city.office, INTERFACES)),
    ):
        yield city


@pytest_asyncio.fixture(scope="module")
async def big_city(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[City]:
    """A city with more datasets than there are on a page."""
    hagen = load_catalogue(HAGEN)
    some = [
        dataset.model_copy(update={"name": f"{dataset.name}-{number}"})
        for number in range(4)
        for dataset in hagen.dataset
    ]
    declared = hagen.model_copy(update={"dataset": tuple(some[: 2 * PAGE + 3])})
    async with (
        published_city(
            postgres, tmp_path_factory.mktemp("catalogue-big"), catalogue=declared, entities=()
        ) as city,
        serving_app(city, portal_app(city.office, INTERFACES)),
    ):
        yield city


def office_of(city: City, folder: Path, *datasets: Dataset) -> Office:
    """Return an office where something else is declared, before the same broker."""
    public = tuple(dataset for dataset in datasets if dataset.access == "public")
    return replace(
        city.office,
        catalogue=city.office.catalogue.model_copy(update={"dataset": datasets}),
        public=replace(city.office.public, datasets=public),
        folder=folder,
    )


def parsed(body: bytes, media: str) -> Graph:
    return Graph().parse(data=body.decode(), format={"application/rdf+xml": "xml"}.get(media, media))


async def harvest(city: City, address: str) -> list[Graph]:
    """Walk the pages as a harvester does: HEAD, then GET, the parser by Content-Type, then the next page."""
    pages: list[Graph] = []
    assert city.session is not None
    while address:
        here = address.replace(city.office.url, city.url)
        async with city.session.head(here) as answer:
            assert answer.status == 200
            announced = answer.headers["Content-Type"]
        async with city.session.get(here) as answer:
            body = await answer.read()
            assert answer.status == 200
            assert answer.headers["Content-Type"] == announced
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert len(body) < 50_000_000
        graph = parsed(body, announced.partition(";")[0])
        following = list(graph.objects(None, HYDRA.next))
        assert len(following) <= 1
        address = str(following[0]) if following else ""
        pages.append(graph)
        assert len(pages) < 10
    return pages


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")
@pytest.mark.parametrize("suffix", MEDIA)
async def test_formats(city: City, suffix: str) -> None:
    status, headers, body = await city.get(f"/catalog.{suffix}")
    assert status == 200
    assert headers["Content-Type"] == f"{MEDIA[suffix]}; charset=utf-8"
    assert headers["ETag"]
    assert headers["Last-Modified"]
    graph = parsed(body, MEDIA[suffix])
    found = {str(dataset).rpartition("/")[2] for dataset in graph.subjects(RDF.type, DCAT.Dataset)}
    assert found == {dataset.name for dataset in city.office.catalogue.dataset}


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", "application/rdf+xml"),
        ("text/turtle", "text/turtle"),
        ("application/ld+json, text/turtle;q=0.5", "application/ld+json"),
        ("application/n-triples, application/rdf+xml;q=0.2", "application/rdf+xml"),
    ],
)
async def test_negotiated(city: City, accept: str, media: str) -> None:
    status, headers, _ = await city.get("/catalog", Accept=accept)
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, media)
    assert "Accept" in headers["Vary"]


async def test_browsers_are_sent_to_the_start_page(city: City) -> None:
    status, headers, _ = await city.get("/catalog", Accept="text/html,application/xml;q=0.9,*/*;q=0.8")
    assert (status, headers["Location"]) == (303, "http://portal.example/daten")


async def test_what_cannot_be_answered(city: City) -> None:
    for path, status in (
        ("/catalog.rdf?page=0", 400),
        ("/catalog.rdf?page=-1", 400),
        ("/catalog.rdf?page=1e3", 400),
        ("/catalog.rdf?page=9999999", 400),
        ("/catalog.rdf?page=999", 404),
        ("/catalog.rdf?full=perhaps", 400),
        ("/catalog.rdf?sort=name", 400),
    ):
        answered, headers, _ = await city.get(path)
        assert answered == status, path
        assert headers["Content-Type"] == "application/problem+json"
    assert (await city.get("/catalog", Accept="image/png"))[0] == 406


async def test_every_page_alone_and_all_together(big_city: City) -> None:
    pages = await harvest(big_city, "http://portal.example/catalog.rdf")
    assert len(pages) == 3
    found: list[URIRef] = []
    for graph in pages:
        datasets = list(graph.subjects(RDF.type, DCAT.Dataset))
        found += [dataset for dataset in datasets if isinstance(dataset, URIRef)]
        for dataset in datasets:
            for predicate in (DCTERMS.publisher, DCAT.contactPoint, DCTERMS.spatial):
                target = graph.value(dataset, predicate)
                assert graph.value(target, RDF.type) is not None
        assert {str(each) for each in graph.objects(None, HYDRA.totalItems)} == {str(2 * PAGE + 3)}
    assert len(found) == len(set(found)) == 2 * PAGE + 3
    (full,) = await harvest(big_city, "http://portal.example/catalog.ttl?full=1")
    assert set(full.subjects(RDF.type, DCAT.Dataset)) == set(found)


async def test_it_changes_when_the_data_does_and_only_then(city: City) -> None:
    async def ask(**headers: str) -> tuple[int, str, str, bytes]:
        """Ask a server that has kept nothing, which looks at the broker anew."""
        await records_of(city.office).facts(0)
        other = City(office=city.office, broker=city.broker)
        async with serving_app(other, portal_app(city.office, INTERFACES)):
            status, said, body = await other.get("/catalog.ttl", **headers)
            return status, said.get("ETag", ""), said.get("Last-Modified", ""), body

    first = await ask()
    assert await ask() == first
    assert (await ask(If_None_Match=first[1]))[0] == 304
    assert (await ask(If_Modified_Since=first[2]))[0] == 304
    await city.publish(
        {
            "id": "urn:ngsi-ld:FloodMonitoring:hagen:eilpe",
            "type": "FloodMonitoring",
            "currentLevel": measured(0.99, "MTR", NOW + timedelta(hours=2)),
        }
    )
    later = await ask()
    assert later[1] != first[1]
    assert later[2] != first[2]
    assert (await ask(If_None_Match=first[1]))[0] == 200
    modified = parsed(later[3], "text/turtle").value(
        URIRef("http://portal.example/dataset/pegel"), DCTERMS.modified
    )
    assert modified is not None
    assert modified.toPython() == NOW + timedelta(hours=2)


async def test_a_changed_declaration_is_a_change(city: City, tmp_path: Path) -> None:
    """It is remembered across starts what was declared before."""
    pegel, weirs = city.office.catalogue.dataset[:2]
    before = office_of(city, tmp_path, pegel, weirs)
    first = await records_of(before).facts(0)
    assert {each.changed for each in first.values()} == {None}
    renamed = weirs.model_copy(update={"title": weirs.title.model_copy(update={"de": "Anders"})})
    after = office_of(city, tmp_path, pegel, renamed)
    second = await records_of(after).facts(0)
    assert second["pegel"].changed is None
    assert second["pegel"].seen == first["pegel"].seen
    changed = second["gewaesser"].changed
    assert changed is not None
    assert second["gewaesser"].modified == changed
    again = await records_of(after).facts(0)
    assert again["gewaesser"].changed == changed


async def test_a_memory_that_cannot_be_read_is_begun_anew(city: City, tmp_path: Path) -> None:
    (tmp_path / "catalogue.json").write_text("{")
    facts = await records_of(office_of(city, tmp_path, city.office.catalogue.dataset[0])).facts(0)
    assert facts["pegel"].changed is None
    assert (tmp_path / "catalogue.json").read_text().count("pegel") == 1


async def test_one_dataset_as_rdf(city: City) -> None:
    status, headers, body = await city.get("/dataset/pegel", Accept="text/turtle")
    assert (status, headers["Content-Type"]) == (200, "text/turtle; charset=utf-8")
    datasets = set(parsed(body, "text/turtle").subjects(RDF.type, DCAT.Dataset))
    assert datasets == {URIRef("http://portal.example/dataset/pegel")}
    assert (await city.get("/dataset/nichts", Accept="text/turtle"))[0] == 404


async def test_what_is_for_partners_is_not_in_it(city: City, tmp_path: Path) -> None:
    pegel, weirs = city.office.catalogue.dataset[:2]
    hidden = pegel.model_copy(update={"access": "partners"})
    office = office_of(city, tmp_path, hidden, weirs)
    other = City(office=office, broker=city.broker)
    async with serving_app(other, portal_app(office, INTERFACES)):
        for path in ("/catalog.rdf?full=1", "/daten", "/en/data"):
            status, _, body = await other.get(path)
            assert status == 200
            assert b"dataset/pegel" not in body
            assert b"dataset/gewaesser" in body
        assert (await other.get("/dataset/pegel"))[0] == 404


async def test_while_the_broker_is_away(city: City, tmp_path: Path) -> None:
    async with NgsiLdClient("http://127.0.0.1:9", kind="embedded", tenant="public") as nobody:
        office = replace(city.office, public=replace(city.office.public, client=nobody), folder=tmp_path)
        other = City(office=office, broker=nobody)
        async with serving_app(other, portal_app(office, INTERFACES)):
            for path in ("/catalog.rdf", "/catalog", "/daten", "/en/dataset/pegel", "/alerts.atom"):
                status, headers, _ = await other.get(path)
                assert status == 503, path
                assert int(headers["Retry-After"]) > 0
