# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""SenML (RFC 8428) over MQTT or HTTP, JSON or CBOR: one pack is of one device, each record has its own time.

The device is the base name, or of a full name the part before the last separator; of `urn:dev:` names
(RFC 9039) it is the identifier. The device's profile may read the records by their names; without such a
profile, words and units tell what they are (`adapters/networks/words.py`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from adapters.codecs.cbor import read_cbor
from adapters.codecs.senml import UNITS, Record, is_pack, resolve
from adapters.networks.words import reading
from models.errors import EnvelopeError, MalformedPayloadError
from models.uplink import Position, Uplink

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

NETWORK = "senml"

_SEPARATORS = "/:._-"
_URN = re.compile(r"(urn:dev:[a-z]+:[^_/:;]+)(.*)", re.ASCII)
_LAST = re.compile(r"(.+)[/:](.*)")
_LONGEST_ID = 200
_ARRAYS = range(0x80, 0xA0)
_POSITION = frozenset({"lat", "lon"})


def recognises(body: Any) -> bool:
    """Tell by its shape whether this is a pack of SenML."""
    return is_pack(body)


def is_cbor(payload: bytes) -> bool:
    """Tell by its first byte whether this is a CBOR array, which no JSON begins with."""
    return bool(payload) and payload[0] in _ARRAYS


def parse_cbor(payload: bytes) -> Any:
    """Return the pack.

    Raises:
        MalformedPayloadError: it is no CBOR.
    """
    try:
        return read_cbor(payload)
    except ValueError as error:
        raise MalformedPayloadError(str(error)) from None


def read(topic: str, body: Any, *, received_at: datetime) -> Uplink:  # noqa: ARG001 - one signature for all
    """Read one pack.

    Raises:
        EnvelopeError: it breaks a rule of SenML, names no device or several, or a time that cannot be.
    """
    try:
        records = resolve(body)
        named = [(_split(record), record, record.at(received_at)) for record in records]
    except ValueError as error:
        raise EnvelopeError(str(error)) from None
    devices = sorted({device for (device, _), _, _ in named})
    if len(devices) != 1 or not 0 < len(devices[0]) <= _LONGEST_ID:
        sentence = _which(devices)
        raise EnvelopeError(sentence)
    moments: dict[datetime, dict[str, Record]] = {}
    for (_, name), record, at in named:
        moments.setdefault(at, {})[name] = record
    newest = max(moments)
    one = len(moments) == 1
    return Uplink(
        network=NETWORK,
        device_id=devices[0],
        observed_at=newest,
        device_time=newest != received_at,
        decoded=_fields(moments[newest]) or None if one else None,
        moments=() if one else tuple((at, _fields(moments[at])) for at in sorted(moments)),
        normalized=tuple(_measured(at, moments[at]) for at in sorted(moments)),
        position=_position(records),
    )


def _split(record: Record) -> tuple[str, str]:
    """Return device and the name of what it measures; empty: the unit alone tells."""
    full = record.base + record.name
    urn = _URN.fullmatch(full)
    if urn is not None and not (record.base and record.base.rstrip(_SEPARATORS) != urn[1]):
        return urn[1], urn[2].strip(_SEPARATORS)
    if record.base:
        return record.base.rstrip(_SEPARATORS), record.name.strip(_SEPARATORS)
    last = _LAST.fullmatch(full)
    return (last[1], last[2]) if last is not None else ("", full)


def _which(devices: list[str]) -> str:
    if len(devices) > 1 and "" not in devices:
        shown = ", ".join(devices[:3])
        return f"The SenML pack speaks of {len(devices)} devices ({shown}): send a pack for each of them."
    return (
        "The SenML pack names no device of at most 200 characters: give it a base name (bn),"
        " such as urn:dev:mac:0024befffe804ff1/."
    )


def _fields(records: Mapping[str, Record]) -> dict[str, Any]:
    values = {name or "value": record.value for name, record in records.items()}
    return {name: value for name, value in values.items() if value is not None}


def _measured(at: datetime, records: Mapping[str, Record]) -> dict[str, Any]:
    found: dict[str, Any] = {"time": at.isoformat()}
    for name, record in records.items():
        if record.value is None or record.unit in _POSITION:
            continue
        known = reading(name, record.value, UNITS.get(record.unit or ""), record.unit)
        # A unit that is not known says nothing of the number.
        if known is not None and (
            record.unit is None or record.unit in UNITS or isinstance(record.value, bool)
        ):
            found.setdefault(known[0], known[1])
    return found


def _position(records: Iterable[Record]) -> Position | None:
    """Return the last place that the pack tells."""
    found = {
        record.unit: record.value
        for record in sorted(records, key=lambda each: each.time)
        if record.unit in _POSITION and isinstance(record.value, int | float)
    }
    if found.keys() != _POSITION:
        return None
    latitude, longitude = float(found["lat"] or 0), float(found["lon"] or 0)
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):  # noqa: PLR2004 - degrees
        sentence = (
            f"The pack's lat and lon are no place on earth: latitude {latitude}, longitude {longitude}."
        )
        raise EnvelopeError(sentence)
    return Position(longitude=longitude, latitude=latitude)
