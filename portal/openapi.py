# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""One OpenAPI 3.1 document over all public interfaces, and a page that shows it.

What there is stands in `openapi.toml`. The page at `/api` is made on the server from the same document: no
script, nothing from elsewhere, readable without any tool.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import orjson
from aiohttp import web

from portal.datasets import Text
from portal.open_data.calls import measured
from portal.open_data.rendering import page
from portal.open_data.words import pick
from portal.problems import problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from portal.datasets import Dataset
    from portal.office import Office
    from portal.open_data.words import Language

_CACHE: Final = {"Cache-Control": "public, max-age=300"}
_JSON: Final = "application/json"
#: How interfaces say no: media type and schema.
_ERRORS: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "problem": (
        "application/problem+json",
        {
            "type": "object",
            "description": "Problem Details (RFC 9457)",
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
            },
        },
    ),
    "ogc": (
        _JSON,
        {
            "type": "object",
            "description": "OGC 17-069r4, 7.5.1",
            "required": ["code"],
            "properties": {"code": {"type": "string"}, "description": {"type": "string"}},
        },
    ),
    "sta": (
        _JSON,
        {
            "type": "object",
            "properties": {
                "code": {"type": "integer"},
                "type": {"type": "string"},
                "message": {"type": "string"},
            },
        },
    ),
}
_PROBLEM_STATUSES: Final = (400, 404, 429, 503)
_SAFE: Final = "/:,$()=@"
#: An example needs the id of an entity, which the document does not know.
_UNKNOWN: Final = "{entity}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """A parameter of an operation.

    Attributes:
        name: as it stands in a request.
        about: what it does.
        example: a value that works, alone or with what it needs.
        schema: of its value.
        needs: keys of parameters that must be there too.
    """

    name: str
    about: Text
    example: str
    schema: Mapping[str, Any]
    needs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One thing that can be asked.

    Attributes:
        id: its name in the document.
        tag: the interface.
        method: of HTTP, in small letters.
        address: with the names of parameters in braces.
        about: what it does.
        path: keys of the parameters in the address.
        query: keys of those in the query.
        required: of those, the ones without which it is refused.
        answers: media types, the usual one first.
        errors: how it says no.
        statuses: of its good answers.
        partner: for holders of a key alone.
        body: an example of what is sent.
    """

    id: str
    tag: str
    method: str = "get"
    address: str
    about: Text
    path: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    errors: str = "problem"
    statuses: tuple[int, ...] = (200,)
    partner: bool = False
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """What is in `openapi.toml`.

    Attributes:
        tags: titles and descriptions of the interfaces, by name.
        operations: in the order of the document.
        path: parameters in addresses, by key.
        query: parameters in queries, by key.
    """

    tags: Mapping[str, tuple[Text, Text]]
    operations: tuple[Operation, ...]
    path: Mapping[str, Parameter]
    query: Mapping[str, Parameter]


@cache
def table() -> Table:
    """Return what there is, read once."""
    said = tomllib.loads((Path(__file__).parent / "openapi.toml").read_text(encoding="utf-8"))
    return Table(
        tags={tag["name"]: (Text(**tag["title"]), Text(**tag["about"])) for tag in said["tag"]},
        operations=tuple(_operation(row) for row in said["operation"]),
        path={key: _parameter(row) for key, row in said["path"].items()},
        query={key: _parameter(row) for key, row in said["query"].items()},
    )


def _operation(row: dict[str, Any]) -> Operation:
    rest: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in row.items()
        if key not in {"de", "en"}
    }
    return Operation(about=Text(de=row["de"], en=row["en"]), **rest)


def _parameter(row: Mapping[str, Any]) -> Parameter:
    return Parameter(
        name=row["name"],
        about=Text(de=row["de"], en=row["en"]),
        example=row["example"],
        schema=row.get("schema", {"type": "string"}),
        needs=tuple(row.get("needs", ())),
    )


def operations(office: Office) -> tuple[Operation, ...]:
    """Return what a portal offers: subscriptions where there are partners."""
    return tuple(row for row in table().operations if office.partners or not row.partner)


def routes(office: Office) -> Iterable[web.AbstractRouteDef]:
    """Return the addresses of document and page."""
    documents: dict[Language, dict[str, Any]] = {"de": document(office, "de"), "en": document(office, "en")}

    def language(request: web.Request, usual: Language) -> Language | None:
        asked = request.query.get("lang", usual)
        return "de" if asked == "de" else "en" if asked == "en" else None

    def refused(request: web.Request) -> web.Response:
        asked = request.query.get("lang", "")[:40]
        return problem(HTTPStatus.BAD_REQUEST, "Bad request", f"“lang” is de or en, not {asked!r}.")

    async def show_document(request: web.Request) -> web.Response:
        chosen = language(request, "en")
        if chosen is None:
            return refused(request)
        return web.Response(body=orjson.dumps(documents[chosen]), content_type=_JSON, headers=_CACHE)

    async def show_page(request: web.Request) -> web.Response:
        chosen = language(request, "de")
        if chosen is None:
            return refused(request)
        answer = page(
            office,
            "api.html",
            chosen,
            here="api",
            other="/api" if chosen == "en" else "/api?lang=en",
            groups=_groups(documents[chosen]),
            tags={tag["name"]: tag for tag in documents[chosen]["tags"]},
            example=lambda path, row: example(office, path, row),
            body=lambda row: json.dumps(
                row["requestBody"]["content"][_JSON]["example"], ensure_ascii=False, indent=2
            ),
        )
        answer.headers.update(_CACHE)
        return answer

    yield web.get("/api/openapi.json", show_document)
    yield web.get("/api", show_page)


def document(office: Office, language: Language) -> dict[str, Any]:
    """Return the document with its texts in one language."""
    here = _names(office)
    paths: dict[str, dict[str, Any]] = {}
    for row in operations(office):
        paths.setdefault(row.address, {})[row.method] = _described(row, language, here)
    catalogue = office.catalogue
    contact = {"name": pick(catalogue.contact.name, language)}
    contact |= {} if catalogue.contact.url is None else {"url": catalogue.contact.url}
    contact |= {} if catalogue.contact.email is None else {"email": catalogue.contact.email}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": pick(catalogue.title, language),
            "version": version("volme"),
            "description": pick(catalogue.description, language),
            "contact": contact,
            "license": {
                "name": catalogue.licence,
                "url": f"http://dcat-ap.de/def/licenses/{catalogue.licence}",
            },
        },
        "servers": [{"url": office.url}],
        "tags": [
            {"name": name, "x-displayName": pick(title, language), "description": pick(about, language)}
            for name, (title, about) in table().tags.items()
        ],
        "security": [{}, {"key": []}, {"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, (_, schema) in _ERRORS.items()},
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _described(row: Operation, language: Language, here: Mapping[str, str]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operationId": row.id,
        "summary": pick(row.about, language),
        "tags": [row.tag],
        "responses": _responses(row),
    }
    parameters = [{**_shown(table().path[key], "path", language, here), "required": True} for key in row.path]
    for key in row.query:
        shown = _shown(table().query[key], "query", language, here)
        parameters.append({**shown, "required": True} if key in row.required else shown)
    if parameters:
        said["parameters"] = parameters
    if row.body:
        sent = {"schema": {"type": "object"}, "example": _filled(row.body, here)}
        said["requestBody"] = {"required": True, "content": {_JSON: sent}}
    if row.partner:
        said["security"] = [{"key": []}, {"bearer": []}]
    return said


def _shown(parameter: Parameter, place: str, language: Language, here: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": parameter.name,
        "in": place,
        "description": pick(parameter.about, language),
        "schema": dict(parameter.schema),
    }
    example = _filled(parameter.example, here)
    kind = parameter.schema.get("type")
    if _UNKNOWN not in example:
        found["example"] = {"integer": int, "boolean": bool}.get(str(kind), str)(example)
    return found


def _responses(row: Operation) -> dict[str, Any]:
    media, _ = _ERRORS[row.errors]
    shape = "object" if row.answers and row.answers[0].endswith("json") else "string"
    content = {answer: {"schema": {} if shape == "object" else {"type": "string"}} for answer in row.answers}
    good = {
        str(status): {
            "description": HTTPStatus(status).phrase,
            **({"content": content} if content else {}),
        }
        for status in row.statuses
    }
    wrong = {"schema": {"$ref": f"#/components/schemas/{row.errors}"}}
    bad = {
        str(status): {"description": HTTPStatus(status).phrase, "content": {media: wrong}}
        for status in (*((401,) if row.partner else ()), *_PROBLEM_STATUSES)
    }
    return {**good, **bad}


def _names(office: Office) -> dict[str, str]:
    """Return what stands for the placeholders of examples: of the first dataset with measurements."""
    datasets = office.public.datasets
    found: Dataset | None = next(
        (each for each in datasets if "location" in each.attributes and measured(each)), None
    ) or next(iter(datasets), None)
    if found is None:
        return {"dataset": "dataset", "type": "Device", "attribute": "value"}
    return {
        "dataset": found.name,
        "type": found.type,
        "attribute": next(iter(measured(found)), found.attributes[0]),
    }


def _filled(said: Any, here: Mapping[str, str]) -> Any:
    """Put the names of a portal into an example."""
    if isinstance(said, str):
        for name, value in here.items():
            said = said.replace(f"{{{name}}}", value)
        return said
    if isinstance(said, dict):
        return {key: _filled(value, here) for key, value in said.items()}
    if isinstance(said, list):
        return [_filled(value, here) for value in said]
    return said


def example(office: Office, path: str, row: Mapping[str, Any]) -> str:
    """Return an address to try an operation with; empty where one cannot be known beforehand."""
    for parameter in row.get("parameters", ()):
        if parameter["in"] == "path":
            if "example" not in parameter:
                return ""
            path = path.replace(f"{{{parameter['name']}}}", quote(str(parameter["example"]), safe=_SAFE))
    asked = {
        parameter["name"]: _text(parameter["example"])
        for parameter in row.get("parameters", ())
        if parameter["in"] == "query" and (parameter["name"] == "type" or "required" in parameter)
    }
    if "timerel" in asked:  # between two moments, of which the second is required by the first
        asked["timerel"] = "after"
    return f"{office.url}{path}{'?' if asked else ''}{urlencode(asked, safe=_SAFE)}"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _groups(said: Mapping[str, Any]) -> dict[str, list[tuple[str, str, Mapping[str, Any]]]]:
    """Return the operations of a document by interface: method, path and what is said of them."""
    found: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {}
    for path, methods in said["paths"].items():
        for method, row in methods.items():
            found.setdefault(row["tags"][0], []).append((method, path, row))
    return found
