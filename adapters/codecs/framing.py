# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How vendors frame their fields: fixed frames, and tagged values. Tables in, codecs out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from adapters.codecs.table import Decoded, Row, TableCodec, read_rows, refuse_unknown, size_of, write_rows
from models.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Mapping

Rows = tuple[Row, ...]
Parts = tuple[Rows, ...]


def fixed(codec: str, ports: Mapping[int, Parts]) -> TableCodec:
    """Return the codec of a device with one fixed frame a port.

    Args:
        codec: its name, for what it says of bad input.
        ports: by LoRaWAN port the parts of its frame. The first one is in every frame; the later ones,
            which came with a later firmware, may be missing from the end. Without a port, and for a
            port that no table has, the first port's table holds if it is the only one.
    """
    return TableCodec(
        decode=partial(_decode_fixed, codec, ports),
        encode=partial(_encode_fixed, codec, ports),
        ports=tuple(ports),
    )


def _decode_fixed(
    codec: str, ports: Mapping[int, Parts], payload: bytes, f_port: int | None = None
) -> Decoded:
    if f_port not in ports and len(ports) > 1 and f_port is not None:
        known = ", ".join(map(str, ports))
        message = f"{codec} knows no frames on port {f_port}, only on {known}."
        raise CodecError(message)
    first, *_ = ports.values()
    parts = first if f_port is None else ports.get(f_port, first)
    fields: dict[str, Any] = {}
    position = 0
    for number, rows in enumerate(parts):
        if number and position == len(payload):
            break
        fields |= read_rows(rows, payload, position)
        position += size_of(rows)
    if position != len(payload):
        message = f"The payload has {len(payload)} bytes; this model's frame ends after {position}."
        raise CodecError(message)
    return Decoded(fields=fields)


def _encode_fixed(codec: str, ports: Mapping[int, Parts], fields: Mapping[str, Any]) -> tuple[int, bytes]:
    """Return the first port's frame that has all the fields, as long as the present firmware's."""
    every = {row.name for parts in ports.values() for rows in parts for row in rows}
    refuse_unknown(fields, frozenset(every), codec)
    for f_port, parts in ports.items():
        if set(fields) <= {row.name for rows in parts for row in rows}:
            return f_port, b"".join(write_rows(rows, fields) for rows in parts)
    message = f"{codec} sends {', '.join(sorted(fields))} in more than one frame."
    raise CodecError(message)


def tagged(
    codec: str, f_port: int, tags: Mapping[bytes, Rows], *, header: bytes = b"", strict: bool = False
) -> TableCodec:
    """Return the codec of a device that sends tags, each followed by the tag's fields.

    Args:
        codec: its name, for what it says of bad input.
        f_port: the port that it sends on.
        tags: fields by tag; where one tag begins with another, the longer one is meant. A field of
            several tags is sent with the one that says most of the others, else with the first.
        header: what every frame begins with; of the device's own frames only its length counts.
        strict: frames on other ports are refused, since they would be misread.
    """
    only = f_port if strict else None
    decode = partial(_decode_tagged, codec, _by_first_byte(tags), only=only, skip=len(header))
    encode = partial(_encode_tagged, codec, f_port, tags, header)
    return TableCodec(decode=decode, encode=encode, ports=(f_port,))


_Index = dict[int, list[tuple[bytes, Rows]]]


def _by_first_byte(tags: Mapping[bytes, Rows]) -> _Index:
    index: _Index = {}
    for tag in sorted(tags, key=len, reverse=True):
        index.setdefault(tag[0], []).append((tag, tags[tag]))
    return index


def _decode_tagged(
    codec: str, index: _Index, payload: bytes, f_port: int | None = None, *, only: int | None, skip: int
) -> Decoded:
    if only is not None and f_port not in (None, only):
        message = f"{codec} sends its values on port {only}; this frame came on port {f_port}."
        raise CodecError(message)
    fields: dict[str, Any] = {}
    position = skip
    while position < len(payload):
        found = next(
            (each for each in index.get(payload[position], ()) if payload.startswith(each[0], position)), None
        )
        if found is None:
            return _stopped(fields, payload, position)
        tag, rows = found
        fields |= read_rows(rows, payload, position + len(tag))
        position += len(tag) + size_of(rows)
    if not fields:
        message = f"The payload of {len(payload)} bytes has no value; a frame of {codec} has at least one."
        raise CodecError(message)
    return Decoded(fields=fields)


def _stopped(fields: dict[str, Any], payload: bytes, position: int) -> Decoded:
    beginning = payload[position : position + 4].hex()
    sentence = f"Byte {position} begins with a tag that is not known ({beginning}); the rest is not decoded."
    if not fields:
        raise CodecError(sentence)
    return Decoded(fields=fields, warnings=(sentence,))


def _encode_tagged(
    codec: str, f_port: int, tags: Mapping[bytes, Rows], header: bytes, fields: Mapping[str, Any]
) -> tuple[int, bytes]:
    refuse_unknown(fields, frozenset(row.name for rows in tags.values() for row in rows), codec)
    names = {tag: {row.name for row in rows} for tag, rows in tags.items()}
    missing, sent = set(fields), set()
    while missing:
        # The tag that says most of what is missing, and least beside it.
        best = max(tags, key=lambda tag: (len(names[tag] & missing), -len(names[tag])))
        missing -= names[best]
        sent.add(best)
    return f_port, header + b"".join(tag + write_rows(tags[tag], fields) for tag in tags if tag in sent)
