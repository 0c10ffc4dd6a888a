# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme translate`, `volme profiles`: what becomes of an uplink, and what is known of devices."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import orjson

from adapters.codecs.decoding import Codecs
from adapters.networks.envelope import read_uplink
from adapters.profiles import find_profile, load_profiles
from adapters.translate import World
from adapters.translate import translate as translate_message
from compose.commands.common import (
    config_options,
    json_option,
    offices,
    print_json,
    print_table,
    run_async,
    settings_of,
)
from compose.platform import javascript_sources
from compose.readers import source_readers
from models.device import Device
from models.errors import ConfigurationError, MessageError, StoreError
from models.message import Message
from models.uplink import Position

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from models.reading import Reading
    from models.translation import Translation

# Hagen's town hall: where an uplink is tried that says nothing of a place.
_SOMEWHERE = Position(longitude=7.4717, latitude=51.3585)


@click.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--topic", help="MQTT topic of the message, for plain JSON.")
@click.option("--source", default="translate", help="Source whose plain topics apply.")
@click.option("--profile", help="Device profile, for a device that is not registered.")
@click.option("--type", "entity_type", help="Smart Data Models type, for a device that is not registered.")
@config_options
@json_option
def translate(
    *,
    file: Any,
    topic: str | None,
    source: str,
    profile: str | None,
    entity_type: str | None,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Show what becomes of one raw uplink, step by step, and where it stops.

    FILE (or standard input) holds the JSON of The Things Stack or ChirpStack, or
    {"topic": …, "payload": …}. Nothing is stored or sent. Without a registered device and without
    --profile, the model that the network server names decides.
    """
    message = _message(file.read(), topic, source)
    done = run_async(_translate(message, profile, entity_type, config, data))
    if as_json:
        print_json(_steps(done))
    else:
        _print_steps(done)
    if done.problems:
        raise click.exceptions.Exit(1)


def _message(raw: bytes, topic: str | None, source: str) -> Message:
    """Wrap the input; `{"topic": …, "payload": …}` is unwrapped."""
    payload = raw
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None  # the translation says what is wrong with it
    if (
        isinstance(body, dict)
        and body.keys() <= {"topic", "payload", "source", "received_at"}
        and "payload" in body
    ):
        topic = topic or str(body.get("topic", ""))
        payload = orjson.dumps(body["payload"])
    return Message(source=source, topic=topic or "", payload=payload, received_at=datetime.now(UTC))


async def _translate(
    message: Message,
    profile: str | None,
    entity_type: str | None,
    config: Path | None,
    data: Path | None,
) -> Translation:
    settings = settings_of(config, data)
    profiles = load_profiles(settings.profiles)
    readers = source_readers(settings)
    devices: Mapping[str, Device] = {}
    if profile is None and settings.postgres.url is None and (settings.data / "postgres").exists():
        try:
            async with offices(config, data) as at:
                devices = dict(at.registry.devices)
        except (ConfigurationError, StoreError) as error:
            click.echo(f"The registry is not used: {error}", err=True)
    reader = readers.get(message.source)
    try:
        uplink = reader(message) if reader else read_uplink(message)
    except MessageError:
        uplink = None  # the translation itself says why
    if uplink is not None and uplink.device_id not in devices:
        fitting = profiles.get(profile) if profile else find_profile(profiles, uplink.model)
        if profile and fitting is None:
            msg = f"there is no profile “{profile}”; `volme profiles` lists them"
            raise click.BadParameter(msg, param_hint="--profile")
        if fitting is not None:
            device = Device(
                id=uplink.device_id,
                profile=fitting.name,
                entity_type=entity_type,
                name=uplink.name,
                position=uplink.position or _SOMEWHERE,
            )
            devices = {**devices, device.id: device}
    codecs = Codecs(javascript_sources(settings))
    try:
        return await translate_message(
            message,
            World(city=settings.city, devices=devices, profiles=profiles, codecs=codecs, readers=readers),
        )
    finally:
        await codecs.close()


def _steps(done: Translation) -> dict[str, Any]:
    uplink = asdict(done.uplink) if done.uplink else None
    if uplink is not None:
        uplink["payload"] = uplink["payload"].hex()
    return {
        "uplink": uplink,
        "device": asdict(done.device) if done.device else None,
        "codec": done.codec,
        "fields": done.fields,
        "readings": [asdict(reading) for reading in done.readings],
        "unmapped": list(done.unmapped),
        "entities": [update.body for update in done.entities],
        "problems": [{"kind": problem.kind, "sentence": problem.sentence} for problem in done.problems],
    }


def _print_steps(done: Translation) -> None:
    for number, (title, lines) in enumerate(_sections(done), start=1):
        click.secho(f"{number}  {title}", bold=True)
        for line in lines:
            click.echo(f"   {line}")
    for update in done.entities:
        click.echo(orjson.dumps(update.body, option=orjson.OPT_INDENT_2).decode())
    for problem in done.problems:
        click.secho(f"✗  {problem.kind}: {problem.sentence}", fg="red", err=True)


def _sections(done: Translation) -> Iterator[tuple[str, list[str]]]:
    """Yield each step that was reached, with what it gave."""
    message, uplink = done.message, done.uplink
    yield "message", [f"{len(message.payload):,} bytes", f"topic {message.topic or 'unknown'}"]
    if uplink is None:
        return
    lines = [
        f"{uplink.network}, device {uplink.device_id}, observed {uplink.observed_at:%Y-%m-%d %H:%M:%S} UTC",
        f"port {uplink.f_port}, counter {uplink.f_cnt}, payload {uplink.payload.hex() or 'none'}",
    ]
    yield "uplink", lines + ([f"profile {done.device.profile}"] if done.device else [])
    if done.codec:
        yield f"decoded fields ({done.codec})", [f"{name} = {value}" for name, value in done.fields.items()]
    if done.readings:
        yield "readings", [_reading_line(reading, done.unmapped) for reading in done.readings]
    if done.entities:
        yield "entities", []
    elif not done.problems:
        yield "nothing to deliver: the message carries no reading", []


def _reading_line(reading: Reading, unmapped: tuple[str, ...]) -> str:
    left_out = "   (no attribute for it)" if reading.quantity in unmapped else ""
    return f"{reading.quantity} = {reading.value} {reading.unit or ''}  [{reading.codec}]{left_out}"


@click.command()
@config_options
@json_option
def profiles(*, config: Path | None, data: Path | None, as_json: bool) -> None:
    """List the device profiles: codec, type, and the quantities that are read."""
    known = load_profiles(settings_of(config, data).profiles)
    if as_json:
        print_json([asdict(profile) for profile in known.values()])
        return
    print_table(
        ("profile", "device", "codec", "type", "quantities"),
        [
            (
                profile.name,
                f"{profile.vendor} {profile.model}",
                profile.codec,
                profile.entity_type,
                ", ".join(sorted({row.quantity for row in profile.fields})),
            )
            for profile in known.values()
        ],
        "There are no profiles.",
    )
