# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Device profiles: the tables of `ontology/devices` and the operator's own."""

from __future__ import annotations

import math
import re
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from adapters.codecs.decoding import TABLES, decode_table
from adapters.derive import PARAMETERS
from adapters.fields import pick
from models.device import FieldMapping, Profile
from models.errors import CodecError, ConfigurationError
from models.types import TYPES
from ontology.loader import convert, profile_tables, quantities

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from models.uplink import Uplink


# How many voltages a battery's curve has besides empty and full: none, at half, at quarters.
_CURVE_BETWEEN = (0, 1, 3)


class _Field(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    quantity: str
    unit: str | None = None
    values: dict[str, bool | float | str] = {}
    missing: list[str] = []
    modulus: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, raw: Any) -> Any:
        """`field = "air.temperature"` is short for a table with the quantity alone."""
        return {"quantity": raw} if isinstance(raw, str) else raw


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    vendor: str
    model: str
    codec: str
    entity_type: str
    fields: dict[str, _Field]
    models: list[str] = []
    battery: list[float] | None = None
    parameters: dict[str, float] = {}


def load_profiles(extra: Mapping[str, dict[str, Any]] = {}) -> dict[str, Profile]:
    """Return every profile by name; a table in `extra` replaces ours of the same name.

    Raises:
        ConfigurationError: a table is not a profile; the text names profile and key.
    """
    return {
        name: _profile(name, table) for name, table in overlay(overlay({}, profile_tables()), extra).items()
    }


def overlay(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Lay tables of profiles over others: one of the same name replaces the one below.

    A table with `like = "<name>"` has everything of that profile which it does not say itself; its own
    fields join that profile's. What is like no profile here stays as it is, for the next layer.
    """
    found = dict(lower)
    for name, table in upper.items():
        model = found.get(str(table["like"])) if isinstance(table, dict) and "like" in table else None
        if isinstance(model, dict):
            own = {key: value for key, value in table.items() if key != "like"}
            if isinstance(fields := own.get("fields"), dict):
                own["fields"] = {**model.get("fields", {}), **fields}
            found[name] = {**model, **own}
        else:
            found[name] = table
    return found


def _profile(name: str, raw: Mapping[str, Any]) -> Profile:
    if isinstance(raw, dict) and "like" in raw:
        message = f"Profile {name!r}, like: there is no profile {raw['like']!r}."
        raise ConfigurationError(message)
    try:
        table = _Table.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(_first(name, error)) from None
    for key, problem in _problems(table):
        message = f"Profile {name!r}, {key}: {problem}."
        raise ConfigurationError(message)
    return Profile(
        name=name,
        vendor=table.vendor,
        model=table.model,
        codec=table.codec,
        entity_type=table.entity_type,
        fields=tuple(_mapping(path, field) for path, field in table.fields.items()),
        models=tuple(model.lower() for model in table.models),
        battery=None if table.battery is None else tuple(table.battery),
        parameters=table.parameters,
    )


def _problems(table: _Table) -> Iterator[tuple[str, str]]:
    """Yield what is well-formed and cannot be used all the same: (key, what is wrong)."""
    if table.codec not in TABLES and table.codec != "network" and not table.codec.startswith("javascript:"):
        near = get_close_matches(table.codec, TABLES, n=3, cutoff=0.4)
        yield (
            "codec",
            f"{table.codec!r} is none of ours ({', '.join([*near, '…'])}), javascript:<name>, network",
        )
    if table.entity_type not in TYPES:
        yield "entity_type", f"{table.entity_type!r} is none of {', '.join(sorted(TYPES))}"
    if (wrong := _battery_problem(table.battery)) is not None:
        yield "battery", wrong
    for parameter in table.parameters.keys() - PARAMETERS:
        yield "parameters", f"there is no parameter {parameter!r}, but {', '.join(sorted(PARAMETERS))}"
    for path, field in table.fields.items():
        if (wrong := _field_problem(field)) is not None:
            yield f"fields.{path}", wrong


def _field_problem(field: _Field) -> str | None:
    quantity = quantities().get(field.quantity)
    if quantity is None:
        return f"there is no quantity {field.quantity!r}"
    if field.modulus is not None and quantity.difference is None:
        return f"{quantity.name} is no counter and rolls over nowhere"
    if field.modulus is not None and not 0 < field.modulus < math.inf:
        return "the modulus must be above 0"
    if field.unit is not None and quantity.unit is None:
        return f"{quantity.name} has no unit"
    if field.unit is not None and quantity.unit is not None:
        try:
            convert(1, field.unit, quantity.unit)
        except ValueError as error:
            return str(error)
    return None


def _battery_problem(volts: list[float] | None) -> str | None:
    match volts:
        case None:
            return None
        case [_, _, *rest] if len(rest) not in _CURVE_BETWEEN:
            return "a discharge curve has three voltages or five, evenly spaced in charge"
        case [_, _, *_] if all(lower < higher for lower, higher in pairwise(volts)):
            return None
        case _:
            return "give two voltages, empty and full, the lower one first"


def _mapping(path: str, field: _Field) -> FieldMapping:
    return FieldMapping(
        path=path,
        quantity=field.quantity,
        unit=field.unit,
        values=field.values,
        missing=tuple(field.missing),
        modulus=field.modulus,
    )


def _first(name: str, error: ValidationError) -> str:
    """Word the first problem that pydantic found; the rest shows when that one is mended."""
    problem = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in problem["loc"])
    return f"Profile {name!r}, {key or 'table'}: {problem['msg']}."


def find_profile(profiles: Mapping[str, Profile], model: tuple[str, ...]) -> Profile | None:
    """Return the profile that a network server's name of the model means, if any.

    Letters and digits alone count: `("decentlab", "dl-atm41")` of The Things Stack and
    `("Decentlab DL-ATM41",)` of ChirpStack both find `decentlab-dl-atm41`.
    """
    wanted = _plain("/".join(model))
    if not wanted:
        return None
    for profile in profiles.values():
        if wanted == _plain(profile.name) or any(wanted == _plain(known) for known in profile.models):
            return profile
    return None


def guess(profiles: Mapping[str, Profile], uplink: Uplink) -> str | None:
    """Return the name of the profile that a device seems to have: a proposal, for a person to approve.

    What the network server calls the model decides; else a tag of its own that names a model or a profile;
    else the fields that it decoded; else the bytes, where the tables of one codec alone make sense of them.
    """
    told = [uplink.model, *((tag,) for name, tag in uplink.tags.items() if name.lower() in _TELLING)]
    for model in told:
        found = find_profile(profiles, model)
        if found is not None:
            return found.name
    if uplink.decoded:
        return _most_read((profile, uplink.decoded) for profile in profiles.values())
    if uplink.payload:
        return _by_bytes(profiles, uplink)
    return None


_TELLING = frozenset({"profile", "model", "device_model", "device-model", "devicetype", "device_type"})
# Of one quantity alone any device may speak.
_ENOUGH = 2


def _by_bytes(profiles: Mapping[str, Profile], uplink: Uplink) -> str | None:
    fitting: dict[str, Mapping[str, Any]] = {}
    for codec in sorted({profile.codec for profile in profiles.values()} & TABLES.keys()):
        if uplink.f_port not in TABLES[codec].ports:
            continue
        try:
            decoded = decode_table(codec, uplink.payload, uplink.f_port)
        except CodecError:
            continue
        if not decoded.warnings:
            fitting[codec] = decoded.fields
    proposals = {
        codec: _most_read((profile, fields) for profile in profiles.values() if profile.codec == codec)
        for codec, fields in fitting.items()
    }
    names = {name for name in proposals.values() if name is not None}
    return names.pop() if len(names) == 1 else None


def _most_read(candidates: Iterator[tuple[Profile, Mapping[str, Any]]]) -> str | None:
    """Return the profile that reads most quantities plausibly; None: none reads enough, or two do."""
    scores = {profile.name: _score(profile, fields) for profile, fields in candidates}
    best = max(scores.values(), default=0)
    names = [name for name, score in scores.items() if score == best]
    return names[0] if best >= _ENOUGH and len(names) == 1 else None


def _score(profile: Profile, fields: Mapping[str, Any]) -> int:
    """Count the quantities that a profile reads of some fields; 0 where one of them cannot be."""
    found: set[str] = set()
    for mapping in profile.fields:
        value = pick(fields, mapping)
        if value is None:
            continue
        quantity = quantities()[mapping.quantity]
        if quantity.kind == "number" and (isinstance(value, bool | str) or not _possible(value, mapping)):
            return 0
        found.add(mapping.quantity)
    return len(found)


def _possible(value: float, mapping: FieldMapping) -> bool:
    quantity = quantities()[mapping.quantity]
    if mapping.unit and quantity.unit:
        value = convert(value, mapping.unit, quantity.unit)
    return (quantity.low is None or quantity.low <= value) and (
        quantity.high is None or value <= quantity.high
    )


@lru_cache(maxsize=4096)
def _plain(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "-", name.lower()).strip("-")
