# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""SenML (RFC 8428): packs of records in JSON or CBOR → resolved records, and as a codec of LoRaWAN payloads.

Source: RFC 8428, sections 4 (records, resolution), 5 and 6 (JSON, CBOR), 12 (labels and units);
RFC 8798 (more units).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import orjson

from adapters.codecs.cbor import read_cbor, write_cbor
from adapters.codecs.table import Decoded, TableCodec
from models.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Mapping

# RFC 8428, 12.3.1: a name begins with a letter or digit.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*", re.ASCII)
_LONGEST_NAME = 400
_MOST_RECORDS = 10_000
_VERSION = 10
# 4.5.3: below this a time is relative to now, from it on it counts from 1970.
_ABSOLUTE_FROM = 2**28
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 6, table 4.
_CBOR_LABELS: Mapping[int, str] = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
_NUMBERS = ("bver", "bt", "bv", "bs", "v", "s", "t", "ut")
_TEXTS = ("bn", "bu", "n", "u", "vs")
_VALUES = ("v", "vs", "vb", "vd")

# SenML's unit → UN/CEFACT, for those of units.csv. `/` is a ratio, which is a hundred percent.
UNITS: Mapping[str, str] = {
    "m": "MTR", "kg": "KGM", "g": "GRM", "s": "SEC", "A": "AMP", "K": "KEL", "Hz": "HTZ", "rad": "C81",
    "Pa": "PAL", "W": "WTT", "V": "VLT", "Cel": "CEL", "lx": "LUX", "m2": "MTK", "m3": "MTQ", "l": "LTR",
    "m/s": "MTS", "m/s2": "MSK", "m3/s": "MQS", "l/s": "G51", "W/m2": "D54", "pH": "Q30", "dB": "2N",
    "S/m": "D10", "count": "C62", "/": "C62", "%": "P1", "%RH": "P1", "%EL": "P1", "VA": "D46",
    "var": "D44", "dBm": "DBM", "deg": "DD", "lat": "DD", "lon": "DD",
    # RFC 8798
    "ms": "C26", "min": "MIN", "h": "HUR", "kW": "KWT", "kVA": "KVA", "kvar": "KVR", "Wh": "WHR",
    "kWh": "KWH", "kvarh": "K3", "kVAh": "C79", "mV": "2Z", "mA": "4K", "ug/m3": "GQ", "mm/h": "H67",
    "ppm": "59", "ppb": "61", "/100": "P1", "hPa": "A97", "mm": "MMT", "cm": "CMT", "km": "KMT",
    "km/h": "KMH", "NTU": "NTU",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One resolved record.

    Attributes:
        base: the base name in force; empty: none.
        name: its own name, without the base.
        unit: SenML's name of the unit; None: none is given.
        value: number, boolean or text; None: there is a sum alone, or bytes.
        sum: an integrated value, in unit seconds.
        time: seconds; below 2^28 relative to when the pack was sent, else since 1970.
    """

    base: str
    name: str
    unit: str | None
    value: float | bool | str | None
    sum: float | None
    time: float

    def at(self, now: datetime) -> datetime:
        """Return when it was measured.

        Raises:
            ValueError: outside the years 1 to 9999.
        """
        try:
            return (_EPOCH if self.time >= _ABSOLUTE_FROM else now) + timedelta(seconds=self.time)
        except OverflowError:
            _refuse(f"the record {self.base}{self.name} has a time outside the years 1 to 9999")


def read_pack(raw: bytes) -> Any:
    """Parse the bytes of a pack, CBOR or JSON.

    Raises:
        ValueError: they are neither.
    """
    if raw[:1] in {b"[", b" ", b"\n", b"\r", b"\t"}:
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            _refuse("it is neither JSON nor CBOR")
    return read_cbor(raw)


def is_pack(body: Any) -> bool:
    """Tell by its shape whether this is a pack of SenML in JSON or CBOR."""
    if type(body) is not list or not body or type(body[0]) is not dict:
        return False
    first = body[0]
    keys = set(first)
    named = bool(keys & {"n", "bn", 0, -2})
    return named and bool(
        keys & {*_VALUES, "s", "bv", "bt", "bver", "bu", "bs", 2, 3, 4, 5, 8, -1, -3, -4, -5, -6}
    )


def resolve(body: Any) -> tuple[Record, ...]:
    """Resolve the records of a pack (RFC 8428, 4.6): base values are added, base names in force are noted.

    Raises:
        ValueError: it is no pack; the text says which rule it breaks.
    """
    if type(body) is not list or not body:
        _refuse("a pack is an array of records, at least one")
    if len(body) > _MOST_RECORDS:
        _refuse(f"it has {len(body):,} records; at most {_MOST_RECORDS:,} are read")
    base: dict[str, Any] = {}
    records: list[Record] = []
    for number, raw in enumerate(body, 1):
        record = _labelled(raw, number)
        base |= {label: value for label, value in record.items() if label in _BASE}
        if base.get("bver", _VERSION) > _VERSION:
            _refuse(f"its version is {base['bver']:g}; up to {_VERSION} are read")
        if record.keys() - _BASE:
            records.append(_resolved(record, base, number))
    return tuple(records)


_BASE = frozenset({"bver", "bn", "bt", "bu", "bv", "bs"})


def _labelled(raw: Any, number: int) -> dict[str, Any]:
    """Return a record by the labels of JSON, each of its type."""
    if type(raw) is not dict:
        _refuse(f"record {number} is no object")
    record: dict[str, Any] = {}
    for key, value in raw.items():
        label = _CBOR_LABELS.get(key) if type(key) is int else key
        if label is None or value is None:
            continue
        # 4.4: what ends in an underscore must be understood by whoever reads the record.
        if label.endswith("_"):
            _refuse(f"record {number} has the field {label}, which has to be understood and is not")
        if label in _NUMBERS and (type(value) is bool or not isinstance(value, int | float)):
            _refuse(f"record {number}: {label} is no number")
        if label in _TEXTS and type(value) is not str:
            _refuse(f"record {number}: {label} is no text")
        if label == "vb" and type(value) is not bool:
            _refuse(f"record {number}: vb is neither true nor false")
        record[label] = value
    return record


def _resolved(record: Mapping[str, Any], base: Mapping[str, Any], number: int) -> Record:
    prefix, name = base.get("bn", ""), record.get("n", "")
    if _NAME.fullmatch(prefix + name) is None or len(prefix + name) > _LONGEST_NAME:
        _refuse(f"record {number} has no name, or one with characters that names cannot have")
    values = [label for label in _VALUES if label in record]
    if len(values) > 1 or not (values or "s" in record):
        _refuse(f"record {number} has {'several values' if values else 'no value'} where there is one")
    value = record[values[0]] if values and values[0] != "vd" else None
    if values == ["v"]:
        value += base.get("bv", 0)
    total = record.get("s")
    return Record(
        base=prefix,
        name=name,
        unit=record.get("u") or base.get("bu") or None,
        value=value,
        sum=None if total is None else total + base.get("bs", 0),
        time=base.get("bt", 0) + record.get("t", 0),
    )


def decode(payload: bytes, _f_port: int | None = None) -> Decoded:
    """Decode a pack in a LoRaWAN payload: its records by their names, the last value of each.

    Raises:
        CodecError: it is no pack.
    """
    try:
        records = resolve(read_pack(payload))
    except ValueError as error:
        raise CodecError(str(error)) from None
    values = {
        (record.name or record.base): record.value if record.value is not None else record.sum
        for record in sorted(records, key=lambda each: each.time)
    }
    fields = {name: value for name, value in values.items() if value is not None}
    if not fields:
        message = "The SenML pack has no record with a value."
        raise CodecError(message)
    return Decoded(fields=fields)


def encode(fields: Mapping[str, Any]) -> tuple[int, bytes]:
    """Return port and pack in CBOR, a record a field.

    Raises:
        CodecError: a field that cannot be a name or a value.
    """
    labels = {bool: 4, str: 3, int: 2, float: 2}
    for name, value in fields.items():
        if _NAME.fullmatch(name) is None or type(value) not in labels:
            message = f"senml cannot send {name} = {value!r}."
            raise CodecError(message)
    return 1, write_cbor([{0: name, labels[type(value)]: value} for name, value in fields.items()])


CODECS: Mapping[str, TableCodec] = {"senml": TableCodec(decode=decode, encode=encode)}


def _refuse(why: str) -> NoReturn:
    sentence = f"The message is no SenML that can be read: {why}."
    raise ValueError(sentence) from None
