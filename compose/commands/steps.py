# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How the steps of a translation are shown, to people and to scripts."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from msgspec import structs

from adapters.fields import walk
from compose.commands.words import clean, utc
from models.ngsild import keyvalues
from ontology.loader import units

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from models.device import Profile
    from models.errors import MessageError
    from models.reading import EntityUpdate, Reading
    from models.translation import Translation
    from models.uplink import Uplink

_FIELDS_SHOWN = 80
_WIDTH_SHOWN = 160

# What helps where a message stops, by the kind of its reason.
_NEXT = {
    "unknown-device": "Next: try it with --profile NAME (`volme profiles` lists them).",
    "unknown-envelope": "Next: plain JSON needs its topic, and a [[plain]] section in --config.",
    "unknown-profile": "Next: `volme profiles` lists those that exist.",
    "nothing-measured": "Next: compare the decoded fields with the profile (`volme profiles NAME`).",
}


def as_dict(done: Translation) -> dict[str, Any]:
    """Return the steps as scripts read them."""
    message = done.message
    uplink = structs.asdict(done.uplink) if done.uplink else None
    if uplink is not None:
        uplink["payload"] = uplink["payload"].hex()
        uplink["position"] = uplink["position"] and asdict(uplink["position"])
    return {
        "ok": not done.problems,
        "message": {
            "source": message.source,
            "topic": message.topic,
            "size": len(message.payload),
            "received_at": message.received_at,
        },
        "uplink": uplink,
        "device": asdict(done.device) if done.device else None,
        "codec": done.codec,
        "fields": done.fields,
        "readings": [structs.asdict(reading) for reading in done.readings],
        "unmapped": list(done.unmapped),
        "entities": [update.body for update in done.entities],
        "problems": [
            {"kind": problem.kind, "sentence": problem.sentence, "detail": problem.detail}
            for problem in done.problems
        ],
    }


def print_steps(done: Translation, profile: Profile | None, *, assumed: bool = False) -> None:
    """Print each step that was reached, and why it went no further.

    Args:
        done: what became of the message.
        profile: of its device.
        assumed: nothing is known of the device's place, and one was assumed.
    """
    for number, (title, lines) in enumerate(_sections(done, profile, assumed=assumed), start=1):
        click.secho(f"{number}  {title}", bold=True)
        for line in lines:
            click.echo(f"   {_short(line)}")
    whole = bool(done.entities)
    for problem in done.problems:
        click.secho(f"{'!  left out' if whole else '✗  it stops here'}: {_sentence(problem)}", fg="red")
    if not whole:
        for kind in dict.fromkeys(problem.kind for problem in done.problems):
            if kind in _NEXT:
                click.echo(f"   {_NEXT[kind]}")


def _sentence(problem: MessageError) -> str:
    return clean(f"{problem.sentence} ({problem.kind})")


def _short(line: str) -> str:
    line = clean(line)
    return line if len(line) <= _WIDTH_SHOWN else f"{line[:_WIDTH_SHOWN]}…"


def _sections(
    done: Translation, profile: Profile | None, *, assumed: bool
) -> Iterator[tuple[str, list[str]]]:
    message, uplink = done.message, done.uplink
    yield (
        "message",
        [
            f"{len(message.payload):,} bytes, "
            + (f"topic {message.topic}" if message.topic else "no topic given")
        ],
    )
    if uplink is None:
        return
    yield "uplink", list(_uplink_lines(uplink))
    if done.device is not None:
        kind = done.device.entity_type or (profile.entity_type if profile else "?")
        place = "; nothing says where it is: Hagen's town hall is assumed" if assumed else ""
        yield (
            "device",
            [f"{done.device.name or done.device.id}: profile {done.device.profile}, type {kind}{place}"],
        )
    if done.codec:
        how = "by the network server" if done.codec == "network" else f"codec {done.codec}"
        yield f"decoded fields ({how})", _field_lines(done, profile)
    if done.readings:
        yield "readings", _aligned([_reading_row(reading, done.unmapped) for reading in done.readings])
    if done.entities:
        yield "entities", [line for update in done.entities for line in _entity_lines(update)]
    elif not done.problems:
        yield "nothing to deliver: the message carries no reading", []


def _uplink_lines(uplink: Uplink) -> Iterator[str]:
    named = f" (“{uplink.name}”)" if uplink.name else ""
    yield f"{uplink.network}, device {uplink.device_id}{named}, observed at {utc(uplink.observed_at)}"
    if uplink.f_port is not None or uplink.f_cnt is not None or uplink.payload:
        port = "none" if uplink.f_port is None else uplink.f_port
        yield f"port {port}, counter {uplink.f_cnt}, payload {uplink.payload.hex() or 'none'}"
    elif uplink.kind != "data":
        yield f"of kind {uplink.kind}"
    if uplink.model:
        yield f"model {' / '.join(uplink.model)}"


def _field_lines(done: Translation, profile: Profile | None) -> list[str]:
    """Return the decoded fields, each with the quantity that the profile reads from it."""
    rows = dict(_flat(done.fields))
    quantity_of = {}
    for mapping in profile.fields if profile else ():
        found = walk(done.fields, mapping.path)
        path = next((name for name, value in rows.items() if value is found), mapping.path)
        quantity_of[path if mapping.path not in rows else mapping.path] = mapping.quantity
    lines = _aligned(
        [
            (name, f"{value}", f"→ {quantity_of[name]}" if name in quantity_of else "")
            for name, value in rows.items()
        ]
    )
    more = len(lines) - _FIELDS_SHOWN
    return lines if more <= 0 else [*lines[:_FIELDS_SHOWN], f"… and {more} more (--json has them all)"]


def _flat(fields: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield paths and values; an object with a `value` stands for that value, as for profiles."""
    members = (
        fields.items()
        if isinstance(fields, dict)
        else enumerate(fields)
        if isinstance(fields, list | tuple)
        else ()
    )
    for key, value in members:
        name = f"{path}{key}"
        if isinstance(value, dict) and "value" in value:
            yield name, f"{value['value']} {value.get('unit', '')}".strip()
        elif isinstance(value, dict | list | tuple) and value:
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def _reading_row(reading: Reading, unmapped: tuple[str, ...]) -> tuple[str, str, str]:
    how = "" if reading.codec in {"network", "normalized"} else reading.codec
    left_out = "no attribute takes it" if reading.quantity in unmapped else ""
    return (
        reading.quantity,
        _with_unit(reading.value, reading.unit),
        left_out or ("(derived)" if how == "derived" else ""),
    )


def _with_unit(value: Any, code: str | None) -> str:
    unit = units().get(code or "")
    symbol = f" {unit.symbol}" if unit and unit.symbol and unit.symbol != "1" else ""
    return f"{value}{symbol}"


def _entity_lines(update: EntityUpdate) -> list[str]:
    plain = keyvalues(update.body)
    rows = [
        (f"  {name}", _with_unit(_geometry(value), _unit_of(update.body, name)))
        for name, value in plain.items()
        if name not in {"id", "type"}
    ]
    return [update.id, *_aligned(rows)]


def _unit_of(body: Mapping[str, Any], name: str) -> str | None:
    member = body[name]
    return member.get("unitCode") if isinstance(member, dict) else None


def _geometry(value: Any) -> Any:
    if isinstance(value, dict) and "coordinates" in value:
        return f"{value.get('type')} {value['coordinates']}"
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return rows as lines whose columns stand below each other."""
    if not rows:
        return []
    widths = [min(40, max(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
