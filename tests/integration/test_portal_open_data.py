# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The pages about the open data, and the feed of alerts."""

from __future__ import annotations

import asyncio
import hashlib
import re
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
import pytest_asyncio
from rdflib import Graph
from rdflib.namespace import DCAT, RDF

from models.values import rfc3339
from portal.catalogue_graph import SPDX
from portal.catalogue_state import records_of
from portal.interfaces import INTERFACES
from portal.server import portal_app
from tests.portal_city import NOW, City, at, published_city, said, sample, serving_app
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ATOM = "{http://www.w3.org/2005/Atom}"
VOID = {"meta", "link", "br", "path", "img", "hr", "input"}


def alert(name: str, title: str, issued: datetime, **more: object) -> dict[str, object]:
    """Return an alert of a station that has fallen silent, as the publisher leaves it."""
    severity = {**said(more.pop("severity", "medium")), "observedAt": rfc3339(issued)}
    return {
        "id": f"urn:ngsi-ld:Alert:hagen:{name}:silence",
        "type": "Alert",
        "name": said(title),
        "description": said(f"{title} hat sich lange nicht gemeldet."),
        "category": said("weather"),
        "severity": severity,
        "dateIssued": said({"@type": "DateTime", "@value": rfc3339(issued)}),
        "location": at(7.4, 51.3),
        **more,
    }


@pytest_asyncio.fixture(scope="module")
async def city(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[City]:
    entities = [
        *sample(),
        alert("alt", "Funkstille: Alte Brücke", NOW - timedelta(days=1), source=said("simulation")),
        alert("neu", "Funkstille: <Neue> & \x0bBrücke", NOW),
        alert("vorbei", "Funkstille: Markt", NOW - timedelta(hours=5), severity="informational"),
    ]
    async with (
        published_city(postgres, tmp_path_factory.mktemp("open-data"), entities=entities) as city,
        serving_app(city, portal_app(city.office, INTERFACES)),
    ):
        yield city


class Page(HTMLParser):
    """What matters of a page: its links, its ids, and whether its tags fit together."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.ids: list[str] = []
        self.levels: list[int] = []
        self.language = ""
        self.text = ""
        self._open: list[str] = []
        self.feed(body.decode())
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert tag not in {"script", "style"}, "the policy of the server allows neither"
        assert "style" not in found
        assert not [name for name in found if name.startswith("on")]
        self.language = found.get("lang") or "" if tag == "html" else self.language
        if "href" in found:
            self.links.add(found["href"] or "")
        if found.get("id"):
            self.ids.append(found["id"] or "")
        if tag in {"h1", "h2", "h3", "h4"}:
            self.levels.append(int(tag[1]))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


async def page(city: City, path: str, status: int = 200) -> Page:
    answered, headers, body = await city.get(path)
    assert answered == status, path
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    found = Page(body)
    assert len(found.ids) == len(set(found.ids))
    assert found.levels[0] == 1
    assert found.levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(found.levels, found.levels[1:], strict=False))
    return found


async def test_start_page(city: City) -> None:
    german, english = await page(city, "/daten"), await page(city, "/en/data")
    assert (german.language, english.language) == ("de", "en")
    for dataset in city.office.catalogue.dataset:
        assert dataset.title.de in german.text
        assert dataset.title.en in english.text
        assert f"/dataset/{dataset.name}" in german.links
        assert f"/en/dataset/{dataset.name}" in english.links
    assert "Datenlizenz Deutschland" in german.text
    assert "simuliert" in german.text
    assert "Neuester Wert" in german.text


async def test_every_link_leads_somewhere(city: City) -> None:
    pages = ["/daten", "/en/data", "/dataset/pegel", "/en/dataset/raumluft", "/dataset/meldungen", "/api"]
    followed: set[str] = set()
    for path in pages:
        found = await page(city, path)
        for link in sorted(found.links):
            inner = link.removeprefix(city.office.url)
            if inner.startswith("#"):
                assert inner[1:] in found.ids, (path, link)
            elif inner.startswith("/") and inner not in followed:
                followed.add(inner)
                status, _, _ = await city.get(inner)
                assert status in {200, 206, 303}, (path, link, status)
    assert len(followed) > 40


@pytest.mark.parametrize("name", ["pegel", "wetter", "parkplaetze", "raumluft", "meldungen", "strom"])
async def test_landing_page(city: City, name: str) -> None:
    dataset = city.office.catalogue.named(name)
    assert dataset is not None
    german, english = await page(city, f"/dataset/{name}"), await page(city, f"/en/dataset/{name}")
    assert (await page(city, f"/dataset/{name}?lang=en")).language == "en"
    assert dataset.title.de in german.text
    assert dataset.title.en in english.text
    for attribute in dataset.attributes:
        assert attribute in german.text
    for expected in ("/ngsi-ld/v1/entities?type=", "/ogc/features", "/sensorthings/v1.1", "/events?dataset="):
        assert expected in german.text
    assert f"/files/{name}/current.csv" in german.links
    assert "https://www.govdata.de/dl-de/by-2-0" in german.links


async def test_a_page_tells_what_a_journalist_asks(city: City) -> None:
    text = (await page(city, "/dataset/pegel")).text
    assert "Keine amtliche Hochwasserwarnung" in text
    assert "Alle Werte sind simuliert." in text
    assert "m (Meter)" in text
    assert "Pegel Eilpe (simuliert)" in text
    rules = (await page(city, "/dataset/raumluft")).text
    assert "Ein Wert für je 15\u00a0Minuten." in rules
    assert "Auf ein Raster von 500\u00a0m gerundet" in (await page(city, "/dataset/grundwasser")).text
    assert "One value for every 1\u00a0hour." in (await page(city, "/en/dataset/strom")).text


async def test_what_entities_say_is_escaped(city: City) -> None:
    status, _, body = await city.get("/dataset/wetter")
    assert status == 200
    assert b"<Test>" not in body
    assert "„Straße &amp; Co“; &lt;Test&gt;".encode() in body


async def test_calls_to_copy_work(city: City) -> None:
    """Each call on the page of a dataset gets what it promises."""
    for name in ("pegel", "wetter", "parkplaetze"):
        text = (await page(city, f"/dataset/{name}")).text
        calls = re.findall(r"curl '(\S+)'", text)
        assert len(calls) == 4
        for address in calls:
            status, headers, body = await city.get(address.removeprefix(city.office.url))
            assert status in {200, 206}, (address, body[:300])
            assert "json" in headers["Content-Type"]
            assert b"urn:ngsi-ld:" in body, address


async def test_all_that_the_catalogue_names_is_there(city: City) -> None:
    """Who reads only the catalogue gets every file, as large and as it is said to be, and every interface."""
    await city.get(f"/files/pegel/{NOW - timedelta(days=1):%Y-%m-%d}.csv")  # is made, and kept from now on
    async with asyncio.timeout(PATIENCE):
        records = records_of(city.office)  # which nobody tells of a file that is kept
        while not any(file.size for file in (await records.facts(0))["pegel"].files):  # noqa: ASYNC110 - so
            await asyncio.sleep(0.1)
    other = City(office=city.office, broker=city.broker)
    async with serving_app(other, portal_app(city.office, INTERFACES)):  # which has kept no answer
        catalogue = (await other.get("/catalog.ttl?full=1"))[2]
    graph = Graph().parse(data=catalogue.decode(), format="turtle")
    sizes = 0
    for distribution in graph.subjects(RDF.type, DCAT.Distribution):
        address = str(graph.value(distribution, DCAT.accessURL)).removeprefix(city.office.url)
        if graph.value(distribution, DCAT.accessService) is not None:
            continue
        status, headers, body = await city.get(address)
        assert status == 200, address
        media = str(graph.value(distribution, DCAT.mediaType)).rpartition("media-types/")[2]
        assert headers["Content-Type"].partition(";")[0] == media, address
        size, checksum = graph.value(distribution, DCAT.byteSize), graph.value(distribution, SPDX.checksum)
        assert (size is None) == (checksum is None)
        if size is not None:
            sizes += 1
            assert size.toPython() == len(body)
            value = str(graph.value(checksum, SPDX.checksumValue)).lower()
            assert value == hashlib.sha256(body).hexdigest()
    assert sizes > 0
    for service in graph.subjects(RDF.type, DCAT.DataService):
        for member in (DCAT.endpointURL, DCAT.endpointDescription):
            address = str(graph.value(service, member)).removeprefix(city.office.url)
            # NGSI-LD has nothing to say at its root.
            assert (await city.get(address + "/types" * ("ngsi-ld" in address)))[0] == 200


async def test_no_such_dataset(city: City) -> None:
    for path in ("/dataset/nichts", "/en/dataset/nichts", "/dataset/%3Cscript%3E"):
        assert "pegel" not in (await page(city, path, 404)).text


async def feed(city: City) -> tuple[ET.Element, dict[str, ET.Element]]:
    status, headers, body = await city.get("/alerts.atom")
    assert status == 200
    assert headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    root = ET.fromstring(body)  # noqa: S314 - our own answer
    return root, {entry.findtext(f"{ATOM}id", ""): entry for entry in root.findall(f"{ATOM}entry")}


async def test_feed_of_alerts(city: City) -> None:
    root, entries = await feed(city)
    titles = [entry.findtext(f"{ATOM}title") for entry in entries.values()]
    assert titles == [
        "Funkstille: <Neue> & \ufffdBrücke",
        "Beendet: Funkstille: Markt",
        "Funkstille: Alte Brücke (simuliert)",
    ]
    for member in ("id", "title", "updated", "author"):
        assert root.find(f"{ATOM}{member}") is not None
    assert root.findtext(f"{ATOM}updated") == rfc3339(NOW)
    newest = entries[f"urn:ngsi-ld:Alert:hagen:neu:silence#{rfc3339(NOW)}"]
    labels = {each.get("term"): each.get("label") for each in newest.findall(f"{ATOM}category")}
    assert labels == {"medium": "mittel", "weather": "Wetter"}
    assert newest.findtext("{http://www.georss.org/georss}point") == "51.3 7.4"
    for link in newest.findall(f"{ATOM}link"):
        path = str(link.get("href")).removeprefix(city.office.url)
        assert (await city.get(path))[0] == 200


async def test_ids_of_alerts_stay(city: City) -> None:
    _, before = await feed(city)
    over = alert("neu", "Funkstille: Neue Brücke", NOW, severity="informational")
    over["severity"] = {**said("informational"), "observedAt": rfc3339(NOW + timedelta(minutes=7))}
    await city.publish(over)
    await records_of(city.office).facts(0)
    other = City(office=city.office, broker=city.broker)
    async with serving_app(other, portal_app(city.office, INTERFACES)):
        _, after = await feed(other)
    assert set(after) == set(before)
    entry = after[f"urn:ngsi-ld:Alert:hagen:neu:silence#{rfc3339(NOW)}"]
    assert entry.findtext(f"{ATOM}title") == "Beendet: Funkstille: Neue Brücke"
    assert entry.findtext(f"{ATOM}updated") == rfc3339(NOW + timedelta(minutes=7))
