# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The OpenAPI 3.1 document of a table of operations."""

from __future__ import annotations

import re
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from compose import device_requests as bodies

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import BaseModel

    from compose.device_operations import Operation

_REF = "#/components/schemas/{model}"
_ALWAYS = (401, 403, 503)
_PARAMETER = re.compile(r"{(\w+)}")


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the document."""
    paths: dict[str, dict[str, Any]] = {}
    for row in operations:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Volme: devices",
            "version": version("volme"),
            "summary": "Register, find, move, replace and retire a city's sensors.",
            "license": {"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(operations),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "One of web.api_keys; not needed on loopback where none is configured.",
                }
            },
        },
    }


def _operation(row: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": row.name,
        "summary": row.summary,
        "tags": ["devices"],
        "responses": {str(row.status): _answer(row), **_problems(row.problems)},
    }
    if parameters := [*_in_path(row.path), *_in_query(row)]:
        found["parameters"] = parameters
    if row.body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": _schema(row.body)}}
    elif row.files:
        file = {"schema": {"type": "string"}}
        found["requestBody"] = {"required": True, "content": dict.fromkeys(row.files, file)}
    return found


def _in_path(path: str) -> Iterable[dict[str, Any]]:
    for name in _PARAMETER.findall(path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            "description": "DevEUI in any common writing, or the id in a plain MQTT topic.",
        }


def _in_query(row: Operation) -> Iterable[dict[str, Any]]:
    for name, (kind, description) in (row.query or {}).items():
        yield {"name": name, "in": "query", "schema": {"type": kind}, "description": description}


def _answer(row: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {"description": HTTPStatus(row.status).phrase}
    if row.answer is not None:
        found["content"] = {row.media: _schema(row.answer)}
    elif row.media != "application/json":
        found["content"] = {row.media: {"schema": {"type": "string"}}}
    return found


def _problems(statuses: Iterable[int]) -> dict[str, Any]:
    return {
        str(status): {
            "description": HTTPStatus(status).phrase,
            "content": {"application/problem+json": _schema(bodies.Problem)},
        }
        for status in sorted({*statuses, *_ALWAYS})
    }


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return {"schema": {"$ref": _REF.format(model=model.__name__)}}


def _schemas(operations: Sequence[Operation]) -> dict[str, Any]:
    given = {row.body for row in operations if row.body is not None}
    shown = {row.answer for row in operations if row.answer is not None} | {bodies.Problem}
    asked: list[tuple[type[BaseModel], Any]] = [(model, "validation") for model in given]
    asked += [(model, "serialization") for model in shown]
    asked.sort(key=lambda each: each[0].__name__)
    _, found = models_json_schema(asked, ref_template=_REF)
    schemas: dict[str, Any] = found["$defs"]
    return schemas
