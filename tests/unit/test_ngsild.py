# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
from __future__ import annotations

import json
import math
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pyld import jsonld

from models.ngsild import keyvalues, normalize
from models.ngsildclient import from_ngsildclient, to_ngsildclient
from models.types import TYPES, attributes
from models.values import rfc3339
from ontology.loader import context, core_context
from tests.contexts import OWN, official
from tests.entities import full

if TYPE_CHECKING:
    from pathlib import Path

    from models.entity import Entity

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
DEFAULT_VOCABULARY = "https://uri.etsi.org/ngsi-ld/default-context/"
CORE = "https://core.example/core.jsonld"


def dumped(entity: Entity) -> dict[str, Any]:
    return entity.model_dump(mode="json", exclude_none=True)


def serve(documents: dict[str, Any]) -> Any:
    def load(url: str, _options: Any) -> dict[str, Any]:
        return {"contentType": None, "contextUrl": None, "documentUrl": url, "document": documents[url]}

    return load


def expand(body: dict[str, Any], *contexts: dict[str, Any], core_last: bool = True) -> dict[str, Any]:
    documents = {f"https://context.example/{number}.jsonld": one for number, one in enumerate(contexts)}
    # The core's own context names one of the W3C for proofs, which nothing here uses.
    served = serve({**documents, "https://w3id.org/security/data-integrity/v2": {"@context": {}}})
    order = list(documents) if core_last else list(reversed(documents))
    (expanded,) = jsonld.expand({**body, "@context": order}, {"documentLoader": served})
    result: dict[str, Any] = expanded
    return result


@pytest.mark.parametrize("name", TYPES)
def test_a_full_entity_passes_its_official_schema(name: str, shared: Path) -> None:
    path = shared / "data" / "derived-offline-schemas" / f"{name}.json"
    validator = jsonschema_rs.validator_for(json.loads(path.read_bytes()), validate_formats=True)
    body = normalize(full(name), {})
    assert [str(error) for error in validator.iter_errors(keyvalues(body))] == []


@pytest.mark.parametrize("name", TYPES)
def test_keyvalues_come_back(name: str) -> None:
    entity = full(name)
    observed = dict.fromkeys((row.name for row in attributes(TYPES[name]) if row.unit), NOW)
    body = orjson.loads(orjson.dumps(normalize(entity, observed)))
    assert keyvalues(body) == dumped(entity)
    assert TYPES[name].model_validate(keyvalues(body)) == entity


@pytest.mark.parametrize("name", TYPES)
def test_keyvalues_come_back_from_a_broker_that_unwraps_lists_of_one(name: str) -> None:
    entity = full(name)
    body = normalize(entity, {})
    for attribute in body.values():
        for key in ("value", "object"):
            if (
                isinstance(attribute, dict)
                and isinstance(attribute.get(key), list)
                and len(attribute[key]) == 1
            ):
                (attribute[key],) = attribute[key]
    assert keyvalues(body) == dumped(entity)


@pytest.mark.parametrize("name", TYPES)
def test_every_term_expands_to_its_official_iri(name: str, shared: Path) -> None:
    entity = full(name)
    subject = TYPES[name].subject
    expanded = expand(normalize(entity, {}), context(subject), core_context())
    assert DEFAULT_VOCABULARY not in json.dumps(expanded)

    known = official(shared, subject) | OWN.get(subject, {})
    assert expanded.keys() == {"@id", "@type", *(known[row.name] for row in attributes(TYPES[name]))}
    assert expanded["@type"] == [known[name]]


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("version", ["v1.8", "v1.9"])
@pytest.mark.parametrize("core_last", [True, False])
def test_etsis_own_core_gives_the_same(name: str, version: str, *, core_last: bool, shared: Path) -> None:
    etsi = shared / "data" / "etsi-core-context" / f"ngsi-ld-core-context-{version}.jsonld"
    body = normalize(full(name), {})
    subject = context(TYPES[name].subject)
    theirs = expand(body, subject, json.loads(etsi.read_bytes()), core_last=core_last)
    assert theirs == expand(body, subject, core_context())


def test_a_misspelt_attribute_would_be_noticed() -> None:
    body = {**normalize(full("WeatherObserved"), {}), "temprature": {"type": "Property", "value": 21.5}}
    expanded = expand(body, context("Weather"), core_context())
    assert f"{DEFAULT_VOCABULARY}temprature" in expanded


def weather(**more: Any) -> Entity:
    return TYPES["WeatherObserved"].model_validate(
        {
            "id": "urn:ngsi-ld:WeatherObserved:hagen:1",
            "dateObserved": NOW,
            "location": {"type": "Point", "coordinates": [7.4717, 51.3594]},
            **more,
        }
    )


def test_an_entity_as_it_is_sent() -> None:
    entity = weather(temperature=21.5, relativeHumidity=0.453, refDevice="urn:ngsi-ld:Device:hagen:1")
    assert normalize(entity, {"temperature": NOW}) == {
        "id": "urn:ngsi-ld:WeatherObserved:hagen:1",
        "type": "WeatherObserved",
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [7.4717, 51.3594]}},
        "dateObserved": {
            "type": "Property",
            "value": {"@type": "DateTime", "@value": "2026-03-01T12:00:00.123Z"},
        },
        "temperature": {
            "type": "Property",
            "value": 21.5,
            "unitCode": "CEL",
            "observedAt": "2026-03-01T12:00:00.123Z",
        },
        "relativeHumidity": {"type": "Property", "value": 0.453, "unitCode": "C62"},
        "refDevice": {"type": "Relationship", "object": "urn:ngsi-ld:Device:hagen:1"},
    }


def test_names_are_the_schemas_even_where_python_has_the_word() -> None:
    air = TYPES["AirQualityObserved"].model_validate(
        {
            "id": "urn:ngsi-ld:AirQualityObserved:hagen:1",
            "dateObserved": NOW,
            "location": {"type": "Point", "coordinates": [7.4717, 51.3594]},
            "as": 0.004,
        }
    )
    assert normalize(air, {"as": NOW})["as"]["unitCode"] == "GQ"


def test_what_was_not_sent_cannot_have_been_observed() -> None:
    with pytest.raises(ValueError, match="has no dewPoint, which is said to have been observed"):
        normalize(weather(temperature=21.5), {"dewPoint": NOW})


def test_an_interval_is_sent_as_text() -> None:
    crowd = TYPES["CrowdFlowObserved"].model_validate(
        {
            "id": "urn:ngsi-ld:CrowdFlowObserved:hagen:1",
            "dateObserved": "2026-03-01T12:00:00Z/2026-03-01T12:15:00Z",
        }
    )
    assert normalize(crowd, {})["dateObserved"] == {
        "type": "Property",
        "value": "2026-03-01T12:00:00Z/2026-03-01T12:15:00Z",
    }


@given(count=st.integers(min_value=0, max_value=2**53))
def test_large_counts_are_sent_with_a_decimal_point(count: int) -> None:
    crowd = TYPES["CrowdFlowObserved"].model_validate(
        {"id": "urn:ngsi-ld:CrowdFlowObserved:hagen:1", "dateObserved": NOW, "peopleCount": count}
    )
    sent = json.loads(orjson.dumps(normalize(crowd, {})))["peopleCount"]["value"]
    assert sent == count
    assert isinstance(sent, float) == (count >= 2**31)


@given(number=st.floats())
def test_no_number_that_is_none_is_ever_sent(number: float) -> None:
    if math.isfinite(number):
        sent = orjson.loads(orjson.dumps(normalize(weather(temperature=number), {})))
        assert sent["temperature"]["value"] == number
    else:
        with pytest.raises(ValidationError, match="finite number"):
            weather(temperature=number)


@given(
    microseconds=st.integers(min_value=0, max_value=4_000_000_000_000_000),
    offset=st.integers(min_value=-14 * 60, max_value=14 * 60),
)
def test_moments_are_utc_with_milliseconds(microseconds: int, offset: int) -> None:
    moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)
    text = rfc3339(moment.astimezone(timezone(timedelta(minutes=offset))))
    assert len(text) == len("2026-03-01T12:00:00.000Z")
    assert text.endswith("Z")
    assert timedelta(0) <= moment - datetime.fromisoformat(text) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ({"type": "Property", "value": 5, "unitCode": "CEL"}, 5),
        ({"value": 5, "observedAt": "2026-03-01T12:00:00Z"}, 5),
        (5, 5),
        ("text", "text"),
        (False, False),
        ({"type": "Property", "value": {"value": 5}}, {"value": 5}),
        (
            {"type": "Property", "value": {"@type": "DateTime", "@value": "2026-03-01T12:00:00Z"}},
            "2026-03-01T12:00:00Z",
        ),
        ({"@type": "DateTime", "@value": "2026-03-01T12:00:00Z"}, "2026-03-01T12:00:00Z"),
        ({"type": "Relationship", "object": "urn:a:1"}, "urn:a:1"),
        ({"object": ["urn:a:1", "urn:a:2"]}, ["urn:a:1", "urn:a:2"]),
        ({"type": "Point", "coordinates": [7, 51]}, {"type": "Point", "coordinates": [7, 51]}),
        (
            {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [7, 51]}},
            {"type": "Point", "coordinates": [7, 51]},
        ),
        ({"type": "LanguageProperty", "languageMap": {"de": "Fluss"}}, {"de": "Fluss"}),
        ({"type": "JsonProperty", "json": {"value": [1]}}, {"value": [1]}),
        ({"type": "VocabProperty", "vocab": "closed"}, "closed"),
        ({"type": "ListProperty", "valueList": [1, 2]}, [1, 2]),
        ({"type": "ListRelationship", "objectList": ["urn:a:1"]}, ["urn:a:1"]),
        ([{"value": 1, "datasetId": "urn:d:1"}, {"value": 2}], 2),
        (
            [
                {"type": "Property", "value": 1, "datasetId": "urn:d:1"},
                {"type": "Property", "value": 2, "datasetId": "urn:d:2"},
            ],
            1,
        ),
        ([{"parameter": "a", "value": "b"}], [{"parameter": "a", "value": "b"}]),
        ({"streetAddress": "Märkischer Ring"}, {"streetAddress": "Märkischer Ring"}),
    ],
)
def test_keyvalues_of_any_attribute(attribute: Any, value: Any) -> None:
    body = {"id": "urn:a:1", "type": "Unknown", "@context": "https://context.example", "attribute": attribute}
    assert keyvalues(body) == {"id": "urn:a:1", "type": "Unknown", "attribute": value}


def test_keyvalues_of_an_entity_of_several_types() -> None:
    body = {
        "id": "urn:a:1",
        "type": ["Unknown", "ParkingSpot"],
        "category": {"type": "Property", "value": "onStreet"},
    }
    assert keyvalues(body) == {**body, "category": ["onStreet"]}


@pytest.mark.parametrize("name", TYPES)
def test_ngsildclient_understands_every_entity(name: str) -> None:
    body = normalize(full(name), {})
    theirs = to_ngsildclient(body, ["https://context.example/core.jsonld"])
    assert (theirs.id, theirs.type) == (body["id"], name)
    assert json.loads(theirs.to_json()) == {**body, "@context": ["https://context.example/core.jsonld"]}
    assert from_ngsildclient(theirs) == body


def test_an_entity_made_with_ngsildclient_is_a_model() -> None:
    theirs = to_ngsildclient({"id": "urn:ngsi-ld:WeatherObserved:hagen:1", "type": "WeatherObserved"})
    theirs.tprop("dateObserved", NOW)
    theirs.gprop("location", (51.3594, 7.4717))
    theirs.prop("temperature", 21.5, unitcode="CEL", observedat=NOW)
    theirs.rel("refDevice", "Device:hagen:1")
    body = from_ngsildclient(theirs)
    orjson.dumps(body)
    entity = TYPES["WeatherObserved"].model_validate(keyvalues(body))
    assert dumped(entity) == {
        "id": "urn:ngsi-ld:WeatherObserved:hagen:1",
        "type": "WeatherObserved",
        "location": {"type": "Point", "coordinates": [7.4717, 51.3594]},
        "dateObserved": "2026-03-01T12:00:00.000Z",
        "temperature": 21.5,
        "refDevice": "urn:ngsi-ld:Device:hagen:1",
    }


def test_ngsildclient_changes_nothing_in_the_process() -> None:
    script = """
import http.client, logging, sys
from models.ngsildclient import to_ngsildclient
assert "ngsildclient" not in sys.modules
to_ngsildclient({"id": "urn:ngsi-ld:Device:hagen:1", "type": "Device"})
assert "ngsildclient" in sys.modules
print(logging.getLogger().handlers, logging.getLogger().level, http.client.HTTPConnection.debuglevel)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603 - our own script
    assert done.stdout.strip() == "[] 30 0"
