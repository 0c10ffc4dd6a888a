# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The interface's definition as OpenAPI 3.0, with a path for each collection, as desktop GIS read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from portal.features.asked import GEOJSON, HTML, JSON, OPENAPI, ROOT, SCHEMA
from portal.features.columns import columns_of
from portal.features.crs import CRS84, SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from portal.datasets import Dataset
    from portal.features.asked import Asked

#: Features in an answer: usually, and at most.
USUAL, MOST = 100, 10_000
#: Parameters of a collection's features; a column of the same name cannot be asked for.
ITEMS: Final = ("bbox", "bbox-crs", "crs", "datetime", "limit", "offset")


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/parameters/{name}"}


def _query(name: str, description: str, schema: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
        **more,
    }


def _parameters(asked: Asked) -> dict[str, Any]:
    say, systems = asked.say, list(SYSTEMS)
    box = {
        "type": "array",
        "items": {"type": "number"},
        "oneOf": [{"minItems": 4, "maxItems": 4}, {"minItems": 6, "maxItems": 6}],
    }
    uri = {"type": "string", "format": "uri", "enum": systems, "default": CRS84.uri}
    listed = {"style": "form", "explode": False}
    whole = {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}
    return {
        "f": _query(
            "f",
            say("Form der Antwort", "Representation of the answer"),
            {"type": "string", "enum": ["json", "html"]},
        ),
        "lang": _query(
            "lang", say("Sprache der Texte", "Language of texts"), {"type": "string", "enum": ["de", "en"]}
        ),
        "bbox": _query(
            "bbox",
            say(
                "Nur was dieses Rechteck berührt: West, Süd, Ost, Nord.",
                "Only what touches this box: west, south, east, north.",
            ),
            box,
            **listed,
        ),
        "bbox-crs": _query("bbox-crs", say("Bezugssystem von bbox", "Reference system of bbox"), uri),
        "crs": _query("crs", say("Bezugssystem der Antwort", "Reference system of the answer"), uri),
        "datetime": _query(
            "datetime",
            say(
                "Nur was in dieser Zeit zuletzt gemessen wurde: ein Zeitpunkt oder Anfang/Ende, auch mit ..",
                "Only what was last observed in this time: a moment, or start/end, one of which may be ..",
            ),
            {"type": "string"},
        ),
        "limit": _query(
            "limit",
            say("Höchstens so viele", "As many at most"),
            whole,
            style="form",
            explode=False,
        ),
        "offset": _query(
            "offset",
            say("So viele werden ausgelassen", "As many are left out before"),
            {"type": "integer", "minimum": 0, "default": 0},
        ),
        "featureId": {
            "name": "featureId",
            "in": "path",
            "required": True,
            "description": say("Die id des Objekts", "The feature's id"),
            "schema": {"type": "string"},
        },
    }


def _answers(asked: Asked, media: str, schema: str, *, missing: bool = False) -> dict[str, Any]:
    say = asked.say
    refused = {
        "description": say("So kann nicht gefragt werden", "The request cannot be answered"),
        "content": {
            JSON: {"schema": {"$ref": "#/components/schemas/exception"}},
            HTML: {"schema": {"type": "string"}},
        },
    }
    good = {
        "description": say("Die Antwort", "The answer"),
        "content": {
            media: {"schema": {"$ref": f"#/components/schemas/{schema}"}},
            HTML: {"schema": {"type": "string"}},
        },
    }
    answers = {"200": good, "400": refused, "406": refused, "503": refused}
    return {**answers, "404": refused} if missing else answers


def _operation(
    asked: Asked, name: str, summary: str, tag: str, *parameters: Mapping[str, Any], **answer: Any
) -> dict[str, Any]:
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "tags": [tag],
            "parameters": [*parameters, _ref("f"), _ref("lang")],
            "responses": _answers(asked, **answer),
        }
    }


def _collection(asked: Asked, dataset: Dataset) -> dict[str, Any]:
    name, title, path = dataset.name, asked.text(dataset.title), f"/collections/{dataset.name}"
    filters = [
        _query(
            column.name,
            column.title(asked.language),
            {"type": "string"} if column.kind == "array" else column.schema(asked.language),
        )
        for column in columns_of(dataset)
        if column.filters and column.name not in ITEMS
    ]
    items = {"media": GEOJSON, "schema": "featureCollection"}
    return {
        path: _operation(asked, f"describe-{name}", title, name, media=JSON, schema="collection"),
        f"{path}/items": _operation(
            asked, f"items-{name}", title, name, *map(_ref, ITEMS), *filters, **items
        ),
        f"{path}/items/{{featureId}}": _operation(
            asked,
            f"item-{name}",
            asked.say(f"Eines: {title}", f"One: {title}"),
            name,
            _ref("featureId"),
            _ref("crs"),
            media=GEOJSON,
            schema="feature",
            missing=True,
        ),
        **{
            f"{path}/{what}": _operation(asked, f"{what}-{name}", title, name, media=SCHEMA, schema="object")
            for what in ("queryables", "schema")
        },
    }


def definition(asked: Asked) -> dict[str, Any]:
    """Return the definition, with the collections of the reader's view."""
    catalogue, say = asked.office.catalogue, asked.say
    about = say("Über die Schnittstelle", "About the interface")
    paths: dict[str, Any] = {
        "/": _operation(asked, "landing", "Start", about, media=JSON, schema="object"),
        "/conformance": _operation(
            asked, "conformance", say("Konformität", "Conformance"), about, media=JSON, schema="object"
        ),
        "/api": _operation(
            asked, "api", say("Diese Beschreibung", "This definition"), about, media=OPENAPI, schema="object"
        ),
        "/collections": _operation(
            asked,
            "collections",
            say("Alle Datensätze", "All collections"),
            about,
            media=JSON,
            schema="object",
        ),
    }
    for dataset in asked.view.datasets:
        paths |= _collection(asked, dataset)
    contact = catalogue.contact
    return {
        "openapi": "3.0.3",
        "info": {
            "title": f"{asked.text(catalogue.title)}: OGC API - Features",
            "description": asked.text(catalogue.description),
            "version": "1.0",
            "contact": {
                "name": asked.text(contact.name),
                **({"url": contact.url} if contact.url else {}),
                **({"email": contact.email} if contact.email else {}),
            },
        },
        "servers": [{"url": f"{asked.office.url}{ROOT}"}],
        "tags": [
            {"name": about},
            *(
                {"name": dataset.name, "description": asked.text(dataset.title)}
                for dataset in asked.view.datasets
            ),
        ],
        "paths": paths,
        "components": {"parameters": _parameters(asked), "schemas": _SCHEMAS},
    }


_LINKS: Final = {"type": "array", "items": {"$ref": "#/components/schemas/link"}}
_SCHEMAS: Final[Mapping[str, Any]] = {
    "object": {"type": "object"},
    "exception": {
        "type": "object",
        "required": ["code"],
        "properties": {"code": {"type": "string"}, "description": {"type": "string"}},
    },
    "link": {
        "type": "object",
        "required": ["href", "rel"],
        "properties": {name: {"type": "string"} for name in ("href", "rel", "type", "hreflang", "title")},
    },
    "collection": {
        "type": "object",
        "required": ["id", "links"],
        "properties": {
            "id": {"type": "string"},
            "title": {"type": "string"},
            "description": {"type": "string"},
            "links": _LINKS,
            "extent": {"type": "object"},
            "itemType": {"type": "string"},
            "crs": {"type": "array", "items": {"type": "string"}},
            "storageCrs": {"type": "string"},
        },
    },
    "feature": {
        "type": "object",
        "required": ["type", "geometry", "properties"],
        "properties": {
            "type": {"type": "string", "enum": ["Feature"]},
            "id": {"type": "string"},
            "geometry": {"type": "object", "nullable": True},
            "properties": {"type": "object", "nullable": True},
            "links": _LINKS,
        },
    },
    "featureCollection": {
        "type": "object",
        "required": ["type", "features"],
        "properties": {
            "type": {"type": "string", "enum": ["FeatureCollection"]},
            "features": {"type": "array", "items": {"$ref": "#/components/schemas/feature"}},
            "links": _LINKS,
            "timeStamp": {"type": "string", "format": "date-time"},
            "numberMatched": {"type": "integer", "minimum": 0},
            "numberReturned": {"type": "integer", "minimum": 0},
        },
    },
}
