# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What is told of collections: landing page, conformance, collections, schemas (17-069r4, 7.2 to 7.14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from models.values import rfc3339
from portal.features.asked import GEOJSON, HTML, JSON, OPENAPI, SCHEMA
from portal.features.crs import CRS84, SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portal.datasets import Dataset
    from portal.features.asked import Asked
    from portal.features.columns import Column
    from portal.features.snapshot import Snapshot

CONFORMS: Final = (
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/html",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables-query-parameters",
)
_REL: Final = "http://www.opengis.net/def/rel/ogc/1.0/"


def landing(asked: Asked) -> dict[str, Any]:
    """Return the landing page: where everything else is."""
    catalogue, say = asked.office.catalogue, asked.say
    return {
        "title": asked.text(catalogue.title),
        "description": asked.text(catalogue.description),
        "attribution": asked.text(catalogue.publisher.name),
        "links": [
            *asked.selves(),
            asked.link(
                "service-desc", "/api", OPENAPI, say("Beschreibung (OpenAPI)", "Definition (OpenAPI)")
            ),
            asked.link("service-doc", "/api", HTML, say("Beschreibung der API", "Documentation"), f="html"),
            asked.link("conformance", "/conformance", JSON, say("Konformität", "Conformance")),
            asked.link("data", "/collections", JSON, say("Die Datensätze", "The collections")),
            asked.to(
                "license",
                f"http://dcat-ap.de/def/licenses/{catalogue.licence}",
                None,
                say("Lizenz", "Licence"),
            ),
        ],
    }


def conformance(asked: Asked) -> dict[str, Any]:
    """Return the classes that this interface conforms to."""
    return {"links": asked.selves(), "conformsTo": list(CONFORMS)}


def collections(asked: Asked, snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    """Return the collections."""
    return {
        "links": asked.selves(),
        "crs": list(SYSTEMS),
        "numberMatched": len(snapshots),
        "numberReturned": len(snapshots),
        "collections": [
            collection(asked, snapshot, links=_selves(asked, snapshot.dataset), crs=["#/crs"])
            for snapshot in snapshots
        ],
    }


def _selves(asked: Asked, dataset: Dataset) -> list[dict[str, str]]:
    path, title = f"/collections/{dataset.name}", asked.text(dataset.title)
    return [asked.link("self", path, JSON, title), asked.link("alternate", path, HTML, title, f="html")]


def collection(
    asked: Asked, snapshot: Snapshot, *, links: Sequence[dict[str, str]], crs: Sequence[str] = tuple(SYSTEMS)
) -> dict[str, Any]:
    """Return a collection: a dataset, where it is and since when its features were observed."""
    dataset, catalogue, say = snapshot.dataset, asked.office.catalogue, asked.say
    path, title = f"/collections/{dataset.name}", asked.text(dataset.title)
    oldest = None if snapshot.oldest is None else rfc3339(snapshot.oldest)
    description = asked.text(dataset.description)
    if dataset.accuracy is not None:
        description = f"{description} {asked.text(dataset.accuracy)}"
    return {
        "id": dataset.name,
        "title": title,
        "description": description,
        "keywords": list(dataset.keywords),
        "attribution": dataset.attribution or asked.text(catalogue.publisher_of(dataset).name),
        "license": catalogue.licence_of(dataset),
        "extent": {
            "spatial": {"bbox": [list(snapshot.box or catalogue.place.bbox)], "crs": CRS84.uri},
            "temporal": {
                "interval": [[oldest, None]],
                "trs": "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian",
            },
        },
        "itemType": "feature",
        "crs": list(crs),
        "storageCrs": CRS84.uri,
        "links": [
            *links,
            asked.link("items", f"{path}/items", GEOJSON, title),
            asked.link("items", f"{path}/items", HTML, title, f="html"),
            asked.link(f"{_REL}queryables", f"{path}/queryables", SCHEMA, say("Filter", "Queryables")),
            asked.link(f"{_REL}schema", f"{path}/schema", SCHEMA, say("Schema", "Schema")),
            asked.link("describedby", f"{path}/schema", SCHEMA, say("Schema", "Schema")),
            asked.to("license", catalogue.licence_of(dataset), None, say("Lizenz", "Licence")),
            asked.to(
                "related",
                f"{asked.office.url}/dataset/{dataset.name}",
                HTML,
                say("Der Datensatz", "The dataset"),
            ),
        ],
    }


def schema(asked: Asked, dataset: Dataset, columns: Sequence[Column]) -> dict[str, Any]:
    """Return the JSON Schema of a collection's features (OGC API - Features, Part 5: flat properties)."""
    return _schema(asked, dataset, columns, "schema")


def queryables(asked: Asked, dataset: Dataset, columns: Sequence[Column]) -> dict[str, Any]:
    """Return the JSON Schema of what features can be asked for by (19-079r2, 6.2)."""
    some = [column for column in columns if column.filters]
    return {**_schema(asked, dataset, some, "queryables"), "additionalProperties": False}


def _schema(asked: Asked, dataset: Dataset, columns: Sequence[Column], what: str) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": asked.address(f"/collections/{dataset.name}/{what}"),
        "type": "object",
        "title": asked.text(dataset.title),
        "description": asked.text(dataset.description),
        "properties": {
            "geometry": {
                "format": "geometry-any",
                "x-ogc-role": "primary-geometry",
                "title": asked.say("Ort", "Place"),
            },
            **{column.name: column.schema(asked.language) for column in columns},
        },
    }
