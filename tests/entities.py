# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Full examples of every type, made from what its model says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from models.types import TYPES, attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from models.entity import Entity

# One of these fits every value that has no members and is no enumeration.
SAMPLES: tuple[Any, ...] = (
    0.25,
    "Hagen",
    "2026-03-01T12:00:00Z",
    "urn:ngsi-ld:Thing:hagen:1",
    "urn:ngsi-ld:Thing:hagen:2",
    "AA:BB:CC:DD:EE:0F",
    "rathaus@hagen.example",
    "PT8M5S",
    "2026-03-01",
    "08:00:00Z",
    "192.0.2.1",
    12,
    True,
    {"type": "Point", "coordinates": [7.4717, 51.3594, 106.0]},
    {"name": "Volme"},
)


def full(name: str) -> Entity:
    """Return an entity of the type with every attribute."""
    model = TYPES[name]
    schemas = schemas_of(model)
    values: dict[str, Any] = {"id": f"urn:ngsi-ld:{name}:hagen:1", "type": name}
    for attribute in attributes(model):
        values[attribute.name] = _fitting(model, attribute.field, schemas[attribute.name])
    return model.model_validate(values)


def _fitting(model: type[Entity], field: str, schema: Mapping[str, Any]) -> Any:
    def accepts(value: Any) -> bool:
        try:
            model.__pydantic_validator__.validate_assignment(model.model_construct(), field, value)
        except ValidationError:
            return False
        return True

    return fit(schema, accepts)


def fit(schema: Mapping[str, Any], accepts: Callable[[Any], bool]) -> Any:
    """Find a value: of lists two members where it may, of structured values all."""
    for part in alternatives(schema):
        words = [*part.get("enum", ()), *([part["const"]] if "const" in part else ())]
        value = next((word for word in words if accepts(word)), None)
        if value is None and "items" in part and "prefixItems" not in part:
            first = fit(part["items"], lambda member: accepts([member]))
            others = [*part["items"].get("enum", ()), *SAMPLES]
            both = ([first, other] for other in others if other != first)
            value = next(filter(accepts, both), [first])
        if value is None and "properties" in part and "coordinates" not in part["properties"]:
            value = {
                name: fit(member, lambda value, name=name: accepts({name: value}))  # type: ignore[misc]
                for name, member in part["properties"].items()
            }
        if value is not None and accepts(value):
            return value
    for sample in SAMPLES:
        if accepts(sample):
            return sample
    msg = f"no sample fits {schema}"
    raise AssertionError(msg)


def schemas_of(model: type[Entity]) -> dict[str, Any]:
    """Return the JSON schemas of a model's attributes, with all references resolved."""
    document = model.model_json_schema(by_alias=True)
    resolved: dict[str, Any] = _resolve(document["properties"], document.get("$defs", {}))
    return resolved


def _resolve(value: Any, defs: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_resolve(part, defs) for part in value]
    if isinstance(value, dict) and "$ref" in value:
        return _resolve(defs[value["$ref"].rpartition("/")[2]], defs)
    if isinstance(value, dict):
        return {key: _resolve(part, defs) for key, part in value.items()}
    return value


def alternatives(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give a schema and the alternatives in it, without null."""
    if schema.get("type") != "null":
        yield schema
    for key in ("anyOf", "oneOf"):
        for part in schema.get(key, ()):
            yield from alternatives(part)
