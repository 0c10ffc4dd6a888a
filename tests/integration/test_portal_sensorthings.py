# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""SensorThings API over HTTP, before a real broker: what clients ask, and what they must not get."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import frost_sta_client as fsc
import pytest
import pytest_asyncio

from broker.client import NgsiLdClient
from models.values import rfc3339
from ontology.loader import context, core_context, subjects
from portal.datasets import Catalogue, load_catalogue
from portal.live import Live
from portal.office import Office, digest
from portal.projection import Projection
from portal.publisher import Pace, Publisher
from portal.sensorthings.model import KINDS
from portal.views import View
from tests.conftest import free_port
from tests.embedded_serving import own_database, serving
from tests.portal_city import CONTEXTS, HAGEN, NOW, City, at, context_of, measured, said, sample
from tests.sensorthings_city import sensorthings_service, serving_city
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.sensorthings_city import Service

EILPE = "urn:ngsi-ld:FloodMonitoring:hagen:eilpe"
LEVEL = f"{EILPE}:currentLevel"
WETTER = "urn:ngsi-ld:WeatherObserved:hagen:wetter-1"
STREAM = f"/Datastreams('{LEVEL}')"
AROUND_EILPE = "geography'POLYGON ((7.48 51.33,7.49 51.33,7.49 51.34,7.48 51.34,7.48 51.33))'"


@pytest_asyncio.fixture(scope="module")
async def service(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with sensorthings_service(postgres, tmp_path_factory.mktemp("sensorthings")) as service:
        yield service


def newest() -> list[dict[str, Any]]:
    """The city's entities, each as it was last: few enough for a test of its own."""
    return list({entity["id"]: entity for entity in sample()}.values())


def ago(**length: float) -> str:
    return rfc3339(NOW - timedelta(**length))


# --- the beginning -----------------------------------------------------------------------------------------


async def test_first_page(service: Service) -> None:
    page = await service.get("")
    assert {each["name"] for each in page["value"]} == set(KINDS)
    for each in page["value"]:
        assert (await service.get(each["url"]))["value"], each["name"]
    conformance = page["serverSettings"]["conformance"]
    assert "http://www.opengis.net/spec/iot_sensing/1.1/req/datamodel" in conformance
    assert not [each for each in conformance if "create" in each or "mqtt" in each or "batch" in each]
    assert await service.get("/") == page


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nothing_can_be_written(service: Service, method: str) -> None:
    for path in ("/Things", f"/Things('{EILPE}')", "/$batch"):
        status, problem = await service.ask(path, method)
        assert (status, problem["code"]) == (405, 405)


async def test_head(service: Service) -> None:
    assert await service.ask("/Things", "HEAD") == (200, None)


# --- what entities look like -------------------------------------------------------------------------------


async def test_thing(service: Service) -> None:
    thing = await service.get(f"/Things('{EILPE}')")
    assert thing["@iot.id"] == EILPE
    assert thing["@iot.selfLink"] == f"{service.url}/Things('{EILPE}')"
    assert thing["name"] == "Pegel Eilpe (simuliert)"
    assert thing["description"].endswith("(simuliert)")
    assert thing["properties"] == {
        "entity": EILPE,
        "type": "FloodMonitoring",
        "dataset": "pegel",
        "licence": "http://dcat-ap.de/def/licenses/dl-by-de/2.0",
        "source": "simulation",
        "simulated": True,
        "areaServed": "Hagen-Mitte",
        "stationID": "eilpe",
    }


async def test_datastream(service: Service) -> None:
    stream = await service.get(STREAM, expand="Thing,Sensor,ObservedProperty")
    assert stream["unitOfMeasurement"] == {
        "name": "Meter",
        "symbol": "m",
        "definition": "http://qudt.org/vocab/unit/M",
    }
    assert stream["observationType"].endswith("OM_Measurement")
    assert stream["observedArea"] == {"type": "Point", "coordinates": [7.4882, 51.3341]}
    assert stream["properties"]["ucum"] == "m"
    assert stream["Thing"]["@iot.id"] == EILPE
    assert stream["ObservedProperty"]["name"] == "Wasserstand"
    assert stream["ObservedProperty"]["definition"].endswith("dataModel.Environment/currentLevel")
    assert stream["Sensor"]["metadata"].endswith("/dataset/pegel")
    assert stream["Sensor"]["properties"]["simulated"] is True
    assert "Thing@iot.navigationLink" not in stream
    assert stream["Observations@iot.navigationLink"] == f"{service.url}{STREAM}/Observations"


async def test_what_is_no_number(service: Service) -> None:
    spot = "urn:ngsi-ld:ParkingSpot:hagen:platz-0"
    stream = await service.get(f"/Datastreams('{spot}:status')", expand="Observations($top=1)")
    assert stream["unitOfMeasurement"] == {"name": None, "symbol": None, "definition": None}
    assert stream["observationType"].endswith("OM_Observation")
    assert stream["Observations"][0]["result"] == "free"
    thing = await service.get(f"/Things('{spot}')")
    assert thing["properties"]["simulated"] is False
    assert thing["properties"]["refParkingSite"] == "urn:ngsi-ld:OnStreetParking:hagen:bahnhof"


async def test_observation(service: Service) -> None:
    page = await service.get(f"{STREAM}/Observations", top="1", expand="FeatureOfInterest,Datastream/Thing")
    (seen,) = page["value"]
    assert seen["phenomenonTime"] == seen["resultTime"] == rfc3339(NOW)
    assert seen["result"] == 0.42 + (0 % 24) / 100
    assert seen["parameters"] == {"simulated": True}
    assert seen["FeatureOfInterest"]["feature"] == {"type": "Point", "coordinates": [7.4882, 51.3341]}
    assert seen["Datastream"]["Thing"]["@iot.id"] == EILPE
    assert await service.get(seen["@iot.selfLink"], expand="FeatureOfInterest,Datastream/Thing") == seen
    earlier = (await service.get(f"{STREAM}/Observations", filter=f"phenomenonTime lt {ago(hours=5)}"))[
        "value"
    ]
    assert (await service.get(earlier[0]["@iot.selfLink"])) == earlier[0]
    await service.refused(f"/Observations('{LEVEL}:19700101T000000Z')")


async def test_all_links_lead_somewhere(service: Service) -> None:
    """Every link of one entity of each kind is answered, and what it names names itself."""
    for name in KINDS:
        (entity,) = (await service.get(f"/{name}", top="1"))["value"]
        links = {key: link for key, link in entity.items() if key.endswith("navigationLink")}
        assert {key.partition("@")[0] for key in links} == set(KINDS[name].links)
        for link in links.values():
            page = await service.get(link)
            for other in page.get("value", [page]):
                assert (await service.get(other["@iot.selfLink"]))["@iot.id"] == other["@iot.id"]


# --- addresses ---------------------------------------------------------------------------------------------


async def test_addresses_of_any_depth(service: Service) -> None:
    assert await service.ids(f"/Things('{EILPE}')/Datastreams") == ["currentLevel"]
    thing = await service.get(f"/Observations('{LEVEL}:{NOW:%Y%m%dT%H%M%SZ}')/Datastream/Thing")
    assert thing["@iot.id"] == EILPE
    path = (
        f"/Things('{EILPE}')/Datastreams('{LEVEL}')/ObservedProperty/Datastreams('{LEVEL}')/Thing/Locations"
    )
    assert await service.ids(path) == ["eilpe"]
    assert await service.get(f"/Things('{EILPE}')/name") == {"name": "Pegel Eilpe (simuliert)"}
    assert await service.get(f"/Things('{EILPE}')/name/$value") == "Pegel Eilpe (simuliert)"
    assert await service.get(f"/Things('{EILPE}')/properties/stationID/$value") == "eilpe"
    refs = await service.get("/Things/$ref", filter="startswith(name,'Pegel')", count="true", top="1")
    assert refs["@iot.count"] == 3
    assert list(refs["value"][0]) == ["@iot.selfLink"]
    assert "%24ref" not in refs["@iot.nextLink"]
    one = await service.get(f"{STREAM}/Thing/$ref")
    assert one == {"@iot.selfLink": f"{service.url}/Things('{EILPE}')"}
    assert (await service.get(f"{service.url}/Things(%27{EILPE.replace(':', '%3A')}%27)"))["@iot.id"] == EILPE


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/Nothings", "404 There is no 'Nothings'"),
        ("/Things('x')", "404 There is no Thing 'x' here"),
        ("/Things(7)", "404 There is no Thing '7' here"),
        ("/Things(x)", "400 An id stands in quotes"),
        (f"/Things('{EILPE}')/Nothing", "404 A Thing has no 'Nothing'"),
        (f"/Things('{EILPE}')/name/first", "404 Behind"),
        ("/Things/name", "404 Behind"),
        ("/Things/Datastreams", "404 Behind"),
        (f"/Things('{EILPE}')/Datastreams('urn:x')", "404 There is no Datastream"),
        (f"/Things('{EILPE}')/Datastreams('{WETTER}:temperature')", "404 There"),
        ("/Observations('x')", "404 There is no Observation"),
        (f"/Observations('{LEVEL}:20260101T000000.0Z')", "404 There is no Observation"),
        (f"{STREAM}" + "/Thing/Datastreams" * 5, "404 Behind"),
        (f"{STREAM}" + "/Thing/Datastreams" * 12, "400 An address follows at most 20 links"),
        ("/Things('" + "x" * 5000 + "')", "404 There is no Thing"),
    ],
)  # fmt: skip
async def test_wrong_addresses(service: Service, path: str, says: str) -> None:
    assert (await service.refused(path)).startswith(says)


# --- options -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "condition", "expected"),
    [
        ("/Things", "name eq 'Pegel Eilpe (simuliert)'", ["eilpe"]),
        ("/Things", "startswith(Things/name,'Pegel') and not endswith(id,'eilpe')", ["boele", "haspe"]),
        ("/Things", "substringof('glas',tolower(name))", ["glas-1"]),
        ("/Things", "properties/stationID in ('eilpe','haspe')", ["eilpe", "haspe"]),
        ("/Things", "properties/dataset eq 'pegel' and properties/areaServed ne 'Haspe'", ["eilpe"]),
        ("/Things", "Datastreams/ObservedProperty/name eq 'Wasserstand'", ["boele", "eilpe", "haspe"]),
        ("/Things", f"st_within(Locations/location,{AROUND_EILPE})", ["eilpe"]),
        ("/Things", f"geo.intersects(Locations/location,{AROUND_EILPE})", ["eilpe"]),
        ("/Things", "geo.distance(Locations/location,geography'POINT(7.4882 51.3342)') lt 0.001", ["eilpe"]),
        ("/Locations", f"st_within(location,{AROUND_EILPE})", ["eilpe"]),
        ("/Locations", f"st_relate(location,{AROUND_EILPE},'T*F**F***')", ["eilpe"]),
        ("/Things", "Datastreams/unitOfMeasurement/symbol eq 'm' and Datastreams/Sensor/id ne 'x'",
         ["boele", "eilpe", "haspe"]),
        ("/Datastreams", "Thing/properties/stationID eq 'eilpe'", ["currentLevel"]),
        ("/Datastreams", "Thing/Locations/location/coordinates eq null and name eq 'x'", []),
        ("/Sensors", "Datastreams/Thing/name eq 'Glascontainer Markt'", ["wertstoffcontainer"]),
        ("/HistoricalLocations", "time lt now() sub duration'P1D'", ["glas-1"]),
        ("/Things", "length(name) gt 1000 or name eq null", []),
        ("/Things", "HistoricalLocations/time lt now() sub duration'P1D' and id ne null", ["glas-1"]),
    ],
)  # fmt: skip
async def test_filter(service: Service, path: str, condition: str, expected: list[str]) -> None:
    assert await service.ids(path, filter=condition) == expected


async def test_conditions_through_one_link_are_about_one_entity(service: Service) -> None:
    """A station has a temperature in °C and a humidity, but no humidity in °C."""
    of_one = "Datastreams/ObservedProperty/name eq '{}' and Datastreams/unitOfMeasurement/symbol eq '°C'"
    assert len(await service.ids("/Things", filter=of_one.format("Lufttemperatur"))) == 5
    assert await service.ids("/Things", filter=of_one.format("Relative Luftfeuchte")) == []


async def test_order_pages_and_counts(service: Service) -> None:
    page = await service.get(
        "/Things", orderby="name desc,id", top="5", skip="1", count="true", select="name"
    )
    assert page["@iot.count"] == 12
    names = [each["name"] for each in page["value"]]
    assert all(list(each) == ["name"] for each in page["value"])
    everything = await service.every("/Things", orderby="name desc,id", top="5", count="true")
    assert [each["name"] for each in everything] == sorted(
        (each["name"] for each in everything), reverse=True
    )
    assert [each["name"] for each in everything][1:6] == names
    assert len({each["@iot.id"] for each in everything}) == 12


async def test_select(service: Service) -> None:
    (thing,) = (await service.get("/Things", select="id,name,Datastreams", filter=f"id eq '{EILPE}'"))[
        "value"
    ]
    assert set(thing) == {"@iot.id", "name", "Datastreams@iot.navigationLink"}
    one = await service.get(STREAM, select="name", expand="Observations($top=1;$select=result)")
    assert one["Observations"] == [{"result": 0.42}]


async def test_expand_merges_what_goes_the_same_way(service: Service) -> None:
    thing = await service.get(
        f"/Things('{EILPE}')",
        expand="Datastreams/ObservedProperty,Datastreams($expand=Observations($top=1);$select=name),Locations",
    )
    (stream,) = thing["Datastreams"]
    assert {"name", "ObservedProperty", "Observations"} <= set(stream)
    assert thing["Locations"][0]["location"]["type"] == "Point"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"filter": "nothing eq 1"}, "400 A Thing has no 'nothing'"),
        ({"filter": "name eq"}, "400 The expression ends"),
        ({"filter": "name eq 'x"}, "400 At letter 8"),
        (
            {"filter": "st_buffer(Locations/location,1)"},
            "501 There is no function",
        ),
        (
            {"filter": "Datastreams/Observations/result gt 5"},
            "400 Datastreams are not found by their Observations",
        ),
        ({"filter": "Datastreams eq 5"}, "400 'Datastreams' is no value"),
        ({"filter": "(" * 40 + "true" + ")" * 40}, "400 An expression is nested at most"),
        ({"filter": "st_within(Locations/location,geography'POLYGON ((7 51))')"}, "400"),
        ({"orderby": "nothing"}, "400 A Thing has no 'nothing'"),
        ({"orderby": "name up"}, "400"),
        ({"top": "-1"}, "400 $top is a whole number"),
        ({"top": "all"}, "400 $top is a whole number"),
        ({"skip": "1.5"}, "400 $skip is a whole number"),
        ({"count": "yes"}, "400 $count is true or false"),
        ({"select": "nothing"}, "400 A Thing has no 'nothing'"),
        ({"expand": "Nothing"}, "400 A Thing has no link 'Nothing'"),
        ({"expand": "Datastreams($top=1"}, "400 A bracket"),
        ({"expand": "Datastreams(top)"}, "400 In $expand='Datastreams' stands"),
        ({"expand": "Datastreams/Thing" * 1 + "/Datastreams/Thing" * 3}, "413 $expand takes at most"),
        ({"resultFormat": "XML"}, "400 $resultFormat is"),
        ({"resultFormat": "dataArray"}, "400 $resultFormat=dataArray is for Observations"),
        ({"everything": "true"}, "400 The option '$everything' is unknown"),
    ],
)
async def test_wrong_options(service: Service, options: dict[str, str], says: str) -> None:
    collection = "/Things"
    assert (await service.refused(collection, **options)).startswith(says)


async def test_options_of_one_entity(service: Service) -> None:
    assert (await service.refused(STREAM, top="1")).startswith("400 The option '$top' is for collections")
    assert (await service.refused(f"{service.url}/Things?$top=1&$top=2")).startswith("400 $top stands twice")
    assert len((await service.get(f"{service.url}/Things?top=1&_=123"))["value"]) == 12


# --- observations ------------------------------------------------------------------------------------------


async def test_newest_first_page_by_page(service: Service) -> None:
    seen = await service.every(f"{STREAM}/Observations", top="10", count="true")
    times = [each["phenomenonTime"] for each in seen]
    assert times == [ago(hours=hour) for hour in range(72)]
    upwards = await service.every(f"{STREAM}/Observations", top="7", orderby="phenomenonTime asc")
    assert [each["phenomenonTime"] for each in upwards] == times[::-1]
    assert (await service.get(f"{STREAM}/Observations", count="true", top="0")) == {
        "@iot.count": 72,
        "value": [],
    }
    skipped = await service.get(f"{STREAM}/Observations", top="3", skip="4")
    assert [each["phenomenonTime"] for each in skipped["value"]] == times[4:7]


async def test_how_far_clients_follow(service: Service) -> None:
    """Masterportal stops at a link whose plain $skip has reached its $top; that must be in it."""
    page = await service.get(f"{STREAM}/Observations", top="1")
    asked = parse_qs(urlsplit(page["@iot.nextLink"]).query)
    assert (asked["$top"], asked["$skip"]) == (["1"], ["1"])
    things = await service.get("/Things", top="2", expand="Datastreams($top=1;$expand=Observations($top=1))")
    assert "$top=2&" in things["@iot.nextLink"]
    assert "$skip=2" in things["@iot.nextLink"]
    assert things["@iot.nextLink"].count("top=") == 1


@pytest.mark.parametrize(
    ("condition", "number"),
    [
        (f"phenomenonTime ge {ago(hours=10)}", 11),
        (f"phenomenonTime gt {ago(hours=10)} and phenomenonTime le {ago(hours=5)}", 5),
        (f"resultTime lt {ago(hours=70)}", 1),
        (f"phenomenonTime eq {ago(hours=3)}", 1),
        (f"{ago(hours=3)} le phenomenonTime", 4),
        (f"phenomenonTime ge '{ago(hours=3)}'", 4),
        (f"phenomenonTime gt {ago(hours=3)} and phenomenonTime lt {ago(hours=3)}", 0),
        ("phenomenonTime gt now() add duration'P1D'", 0),
        ("phenomenonTime lt 1850-01-01T00:00:00Z", 0),
        (f"day(phenomenonTime) eq {NOW.day}", NOW.hour + 1),
        ("result ge 0.64", 6),
        (f"result ge 0.64 and phenomenonTime gt {ago(hours=24)}", 2),
        ("Datastream/Thing/properties/stationID eq 'eilpe' and result ge 0.64", 6),
        ("Datastream/Thing/properties/stationID eq 'haspe'", 0),
        (f"st_within(FeatureOfInterest/feature,{AROUND_EILPE})", 72),
    ],
)  # fmt: skip
async def test_filter_of_observations(service: Service, condition: str, number: int) -> None:
    page = await service.get(f"{STREAM}/Observations", filter=condition, count="true", top="1000")
    assert len(page["value"]) == number
    assert page["@iot.count"] == number


async def test_order_by_result(service: Service) -> None:
    page = await service.get(f"{STREAM}/Observations", orderby="result desc,phenomenonTime", top="4")
    results = [each["result"] for each in page["value"]]
    assert results == [0.65, 0.65, 0.65, 0.64]
    assert page["value"][0]["phenomenonTime"] < page["value"][1]["phenomenonTime"]
    rest = await service.every(f"{STREAM}/Observations", orderby="result desc,phenomenonTime", top="30")
    assert len(rest) == 72
    problem = await service.refused(f"{STREAM}/Observations", orderby="phenomenonTime,result")
    assert problem.startswith("400 Observations that are ordered by time")


async def test_observations_of_all(service: Service) -> None:
    everything = await service.every("/Observations", top="50")
    keys = [(each["phenomenonTime"], each["@iot.id"]) for each in everything]
    assert len(set(keys)) == len(keys) == 3 * 72 + 5 * 3 + 3 + 1
    assert [time for time, _ in keys] == sorted((time for time, _ in keys), reverse=True)
    upwards = await service.every("/Observations", top="50", orderby="phenomenonTime")
    assert sorted(each["@iot.id"] for each in upwards) == sorted(each for _, each in keys)
    assert [each["phenomenonTime"] for each in upwards] == sorted(time for time, _ in keys)
    of_levels = "Datastream/ObservedProperty/name eq 'Wasserstand' and result gt 0.6"
    found = await service.get("/Observations", filter=of_levels, top="1000", count="true")
    assert (
        found["@iot.count"]
        == len(found["value"])
        == sum(each["result"] > 0.6 for each in everything if ":FloodMonitoring:" in each["@iot.id"])
    )
    feature = await service.get(f"/FeaturesOfInterest('{EILPE}')/Observations", count="true", top="5")
    assert feature["@iot.count"] == 72


async def test_observations_in_many_datastreams(service: Service) -> None:
    things = await service.get(
        "/Things",
        expand="Datastreams($expand=Observations($top=5;$count=true))",
        filter="startswith(name,'Pegel')",
    )
    streams = [stream for thing in things["value"] for stream in thing["Datastreams"]]
    for stream in streams:
        assert stream["Observations@iot.count"] == 72
        assert [each["phenomenonTime"] for each in stream["Observations"]] == [
            ago(hours=hour) for hour in range(5)
        ]
        further = await service.get(stream["Observations@iot.nextLink"])
        assert further["value"][0]["phenomenonTime"] == ago(hours=5)
        assert further["value"][0]["@iot.id"].startswith(stream["@iot.id"])
    old = f"Observations($top=2;$filter=phenomenonTime lt {ago(hours=48)};$orderby=phenomenonTime desc)"
    page = await service.get("/Datastreams", expand=old)
    for stream in page["value"]:
        times = [each["phenomenonTime"] for each in stream["Observations"]]
        assert times == ([ago(hours=49), ago(hours=50)] if "FloodMonitoring" in stream["@iot.id"] else [])
    first = await service.get("/Datastreams", expand="Observations($top=1;$orderby=phenomenonTime)")
    oldest = {each["@iot.id"]: each["Observations"][0]["phenomenonTime"] for each in first["value"]}
    assert oldest[LEVEL] == ago(hours=71)


async def test_data_array(service: Service) -> None:
    page = await service.get(
        f"{STREAM}/Observations", resultFormat="dataArray", top="2", select="result,phenomenonTime"
    )
    (table,) = page["value"]
    assert table["components"] == ["result", "phenomenonTime"]
    assert table["dataArray"] == [[0.42, ago(hours=0)], [0.65, ago(hours=1)]]
    assert table["dataArray@iot.count"] == 2
    assert "resultFormat=dataArray" in page["@iot.nextLink"]
    several = await service.get("/Observations", resultFormat="dataArray", top="100")
    assert (
        len({each["Datastream@iot.navigationLink"] for each in several["value"]}) == len(several["value"]) > 5
    )


async def test_geojson(service: Service) -> None:
    found = await service.get(
        "/Things", resultFormat="GeoJSON", filter=f"id eq '{EILPE}'", expand="Datastreams"
    )
    (feature,) = found["features"]
    assert feature["geometry"] == {"type": "Point", "coordinates": [7.4882, 51.3341]}
    assert feature["properties"]["Datastreams"][0]["@iot.id"] == LEVEL
    assert (await service.refused("/Sensors", resultFormat="GeoJSON")).startswith(
        "400 $resultFormat=GeoJSON is for"
    )


# --- clients -----------------------------------------------------------------------------------------------


async def test_masterportal(service: Service) -> None:
    """Its layer asks for what is in the map's extent, each with its last value, and draws it."""
    page = await service.get(
        "/Things",
        filter="startswith(Things/name,'Pegel') and st_within(Locations/location,geography'POLYGON "
        "((7.40 51.32,7.50 51.32,7.50 51.36,7.40 51.36,7.40 51.32))')",
        expand="Locations,"
        "Datastreams($expand=ObservedProperty,Observations($top=1;$orderby=phenomenonTime desc))",
        count="true",
    )
    assert page["@iot.count"] == 2
    for thing in page["value"]:
        assert thing["Locations"][0]["location"]["coordinates"]
        (stream,) = thing["Datastreams"]
        assert stream["ObservedProperty"]["name"] == "Wasserstand"
        assert stream["Observations"][0]["phenomenonTime"] == rfc3339(NOW)
        assert isinstance(stream["Observations"][0]["result"], float)


@pytest.mark.filterwarnings("ignore:furl.pathstr is deprecated:DeprecationWarning")
async def test_frost_client(service: Service) -> None:
    """The client library of the reference implementation: lists, follows links, finds, refuses to write."""

    def use() -> None:
        api = fsc.SensorThingsService(service.url)
        things = api.things().query().filter("startswith(name,'Pegel')").top(2).count().list()
        assert things.count == 3
        found = list(things)  # follows @iot.nextLink
        assert sorted(thing.id.rpartition(":")[2] for thing in found) == ["boele", "eilpe", "haspe"]
        eilpe = api.things().find(EILPE)
        streams = list(eilpe.get_datastreams().query().expand("ObservedProperty,Sensor").list())
        assert [stream.id for stream in streams] == [LEVEL]
        assert streams[0].unit_of_measurement.symbol == "m"
        assert streams[0].observed_property.name == "Wasserstand"
        seen = list(
            streams[0].get_observations().query().filter(f"phenomenonTime ge {ago(hours=20)}").top(6)
            .orderby("phenomenonTime", "asc").list()
        )  # fmt: skip
        assert len(seen) == 21
        assert [each.result for each in seen][-1] == 0.42
        assert api.locations().find(EILPE).location["coordinates"] == [7.4882, 51.3341]
        with pytest.raises(Exception, match="405"):
            api.create(fsc.Thing(name="x", description="x"))

    await asyncio.to_thread(use)


# --- what is not public ------------------------------------------------------------------------------------


@asynccontextmanager
async def _published(postgres: str, folder: Path, secret: float) -> AsyncIterator[Service]:
    """Publish a city of which what is not public depends on a number."""
    documents = {f"{CONTEXTS}/{name}.jsonld": context(name) for name in subjects()}
    catalogue = load_catalogue(HAGEN)
    level = next(entity for entity in newest() if entity["id"] == EILPE)
    entities = [
        {
            **level,
            "owner": said([f"urn:person:{secret}"]),
            "measuredDistance": measured(secret, "MTR", NOW),
            "currentLevel": {**level["currentLevel"], "accuracy": said(secret)},
        },
        {  # of its place, the square of 500 m is public
            "id": "urn:ngsi-ld:PhreaticObserved:hagen:brunnen",
            "type": "PhreaticObserved",
            "location": at(7.4801 + secret / 1e6, 51.3601),
            "pressure": measured(0.5, "BAR", NOW),
        },
        {  # of its values, the last of each quarter of an hour, once that is over
            "id": "urn:ngsi-ld:IndoorEnvironmentObserved:hagen:klasse",
            "type": "IndoorEnvironmentObserved",
            "location": at(7.48, 51.36),
            "dateObserved": said({"@type": "DateTime", "@value": rfc3339(datetime.now(UTC))}),
            "co2": measured(secret, "59", datetime.now(UTC)),
        },
        {  # of a type that no dataset names
            "id": f"urn:ngsi-ld:Device:hagen:d{secret:g}",
            "type": "Device",
            "location": at(7.0 + secret / 1000, 51.0),
            "batteryLevel": measured(secret / 1000, "C62", NOW),
        },
    ]
    async with (
        own_database(postgres) as dsn,
        serving(dsn, preloaded=documents, core_context=core_context(), history=True) as served,
        NgsiLdClient(served.url, kind="embedded", tenant="city") as source,
        NgsiLdClient(served.url, kind="embedded", tenant="public") as broker,
    ):
        for entity in entities:
            assert not (await source.upsert([entity], context=context_of(entity["type"]))).failed
        view = View(name="public", datasets=catalogue.dataset, client=broker, context_of=context_of)
        live = Live()
        publisher = Publisher(
            source,
            [Projection(view, key=b"key", hidden=set(), live=live)],
            context_of=context_of,
            endpoint=None,
            notes=folder / "notes.json",
            pace=Pace(look=0.2, poll=0.2, due=0.1, late=0.2, retry=0.1),
        )
        running = asyncio.create_task(publisher.run())
        try:
            await asyncio.wait_for(publisher.ready.wait(), PATIENCE)
            office = Office(url="", catalogue=catalogue, public=view, live=live, folder=folder)
            async with serving_city(City(office=office, broker=broker)) as service:
                yield service
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_what_is_not_public_cannot_be_inferred(
    postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two cities that differ only in what they do not publish answer everything alike."""
    answers = []
    for secret in (101.0, 202.0):
        async with _published(postgres, tmp_path_factory.mktemp("secret"), secret) as service:
            assert len(await service.ids("/Things")) == 3
            answers.append(
                [str(each).replace(service.city.office.url, "") for each in await _pryings(service)]
            )
    assert answers[0] == answers[1]
    assert "measuredDistance" not in answers[0][0]


async def _pryings(service: Service) -> list[Any]:
    secret = f"/Datastreams('{EILPE}:measuredDistance')"
    asked: list[tuple[str, dict[str, str]]] = [
        (
            f"/Things('{EILPE}')",
            {"expand": "Datastreams($expand=Observations),Locations,HistoricalLocations"},
        ),
        ("/Things", {"filter": "properties/measuredDistance gt 500", "count": "true"}),
        ("/Things", {"filter": "properties/owner ne null", "count": "true"}),
        ("/Things", {"orderby": "properties/measuredDistance desc,properties/owner"}),
        (
            "/Things",
            {"filter": "st_within(Locations/location,geography'POLYGON ((6 50,8 50,8 51.2,6 51.2,6 50))')"},
        ),
        ("/Things", {"filter": "geo.distance(Locations/location,geography'POINT (7.48 51.36)') lt 0.0001"}),
        ("/Things", {"filter": "startswith(id,'urn:ngsi-ld:Device')", "count": "true"}),
        ("/Locations", {"orderby": "location/coordinates"}),
        ("/Datastreams", {"expand": "Observations", "orderby": "properties/accuracy", "count": "true"}),
        ("/Datastreams('urn:ngsi-ld:IndoorEnvironmentObserved:hagen:klasse:co2')/Observations", {}),
        ("/Observations", {"filter": "result gt 150", "count": "true", "orderby": "result desc"}),
        ("/Observations", {"filter": "resultQuality ne null or validTime ne null", "count": "true"}),
        ("/Things", {"select": "measuredDistance"}),
        ("/Things", {"filter": "measuredDistance gt 500"}),
        ("/Things", {"filter": "Datastreams/properties/attribute eq 'measuredDistance'", "count": "true"}),
        (secret, {}),
        (f"{secret}/Observations", {"top": "1"}),
        (f"/Things('{EILPE}')/Datastreams('{EILPE}:measuredDistance')", {}),
        (f"/Things('{EILPE}')/properties/measuredDistance", {}),
        (f"/Observations('{EILPE}:measuredDistance:{NOW:%Y%m%dT%H%M%SZ}')", {}),
        (
            "/Observations",
            {"filter": "Datastream/properties/attribute eq 'measuredDistance'", "count": "true"},
        ),
        (f"/FeaturesOfInterest('{EILPE}')/Observations", {"count": "true", "top": "5"}),
        ("/ObservedProperties", {"filter": "endswith(id,'measuredDistance')", "count": "true"}),
        ("/Sensors", {"count": "true"}),
    ]
    return [await service.ask(path, **options) for path, options in asked]


async def test_what_a_dataset_does_not_name_is_not_shown(
    postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Neither a type nor an attribute, even were it in the tenant; a key shows what it allows."""
    declared = load_catalogue(HAGEN).model_dump(exclude_unset=True)
    declared["dataset"] = [each for each in declared["dataset"] if each["name"] in ("pegel", "wetter")]
    pegel = next(each for each in declared["dataset"] if each["name"] == "pegel")
    pegel["attributes"] = [each for each in pegel["attributes"] if each != "stationID"]
    catalogue = Catalogue.model_validate(declared)
    folder = tmp_path_factory.mktemp("few")
    async with sensorthings_service(postgres, folder, catalogue=catalogue, entities=newest()) as service:
        things = await service.every("/Things")
        assert {each["properties"]["type"] for each in things} == {"FloodMonitoring", "WeatherObserved"}
        assert not [each for each in things if "stationID" in each["properties"]]
        await service.refused("/Things('urn:ngsi-ld:ParkingSpot:hagen:platz-0')")
        office = service.city.office
        partner = replace(office.public, datasets=load_catalogue(HAGEN).dataset)  # of the same name
        city = City(office=replace(office, partners={digest("key"): partner}), broker=service.city.broker)
        async with serving_city(city) as other:
            for key, number in ((None, 8), ("key", 12), (None, 8)):
                headers = {} if key is None else {"X-API-Key": key}
                async with other.session.get(f"{other.url}/Things", headers=headers) as answer:
                    assert len((await answer.json())["value"]) == number
            async with other.session.get(f"{other.url}/Things", headers={"X-API-Key": "no"}) as answer:
                assert answer.status >= 400


# --- brokers that differ -----------------------------------------------------------------------------------


async def test_broker_without_history(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Observations are the current values, and nothing leads further."""
    async with sensorthings_service(postgres, tmp_path_factory.mktemp("now"), entities=newest()) as full:
        broker = full.city.broker
        broker.limits = replace(broker.limits, temporal=False)
        async with serving_city(full.city) as service:
            page = await service.get(f"{STREAM}/Observations", count="true")
            assert (page["@iot.count"], len(page["value"])) == (1, 1)
            assert "@iot.nextLink" not in page
            assert await service.get(page["value"][0]["@iot.selfLink"]) == page["value"][0]
            things = await service.get("/Datastreams", expand="Observations($top=1)", count="true")
            assert not [each for each in things["value"] if "Observations@iot.nextLink" in each]
            everything = await service.every("/Observations", top="4", orderby="phenomenonTime")
            assert len(everything) == things["@iot.count"]


async def test_broker_away(service: Service) -> None:
    view = service.city.office.public
    async with NgsiLdClient(f"http://127.0.0.1:{free_port()}", kind="embedded") as nobody:
        office = replace(service.city.office, public=replace(view, client=nobody))
        async with serving_city(City(office=office, broker=nobody)) as alone:
            status, problem = await alone.ask("/Things")
            assert (status, problem["code"], problem["type"]) == (503, 503, "error")
            assert (await alone.ask("/Things", "POST"))[0] == 405


async def test_ids_that_need_quoting(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    odd = [
        {
            "id": f"urn:ngsi-ld:FloodMonitoring:{name}",
            "type": "FloodMonitoring",
            "name": said("O'Brien & Söhne <b>"),
            "currentLevel": measured(1.5, "MTR", NOW - timedelta(milliseconds=250)),
        }
        for name in ("o'brien", "a/b?c=d&e", "100%25", "x~41", "xA")
    ]
    async with sensorthings_service(postgres, tmp_path_factory.mktemp("odd"), entities=odd) as service:
        things = await service.every("/Things", expand="Datastreams($expand=Observations)")
        assert len({each["@iot.id"] for each in things}) == 5
        for thing in things:
            assert (await service.get(thing["@iot.selfLink"]))["properties"]["entity"] == thing["properties"][
                "entity"
            ]
            (seen,) = thing["Datastreams"][0]["Observations"]
            assert (await service.get(seen["@iot.selfLink"]))["result"] == 1.5
            assert thing["Datastreams"][0].get("observedArea") is None
        assert len((await service.get("/Things", filter="name eq 'O''Brien & Söhne <b>'".replace("&", "%26")
                                      .replace("%26", "&")))["value"]) == 5  # fmt: skip
        feature = (await service.get("/FeaturesOfInterest", top="1"))["value"][0]
        assert feature["feature"] == {"type": "Feature", "geometry": None, "properties": {}}
        assert (await service.get("/Locations"))["value"] == []
