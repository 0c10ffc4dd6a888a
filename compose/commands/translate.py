# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme translate`: what becomes of one message, step by step, and where it stops."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from adapters.codecs.decoding import Codecs
from adapters.networks.envelope import NETWORKS, read_uplink
from adapters.profiles import find_profile, load_profiles
from adapters.translate import World
from adapters.translate import translate as translate_message
from compose.commands.common import config_options, naming_the_server, run_async, settings_of
from compose.commands.one_message import read_message
from compose.commands.printing import json_option, note, print_json
from compose.commands.steps import as_dict, print_steps
from compose.commands.words import examples, nearest
from compose.readers import javascript_sources, source_readers
from models.device import Device
from models.errors import MessageError, StoreError
from models.types import TYPES
from models.uplink import REGISTRY, Position

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from compose.settings import Settings
    from models.device import Profile
    from models.message import Message
    from models.translation import Translation
    from models.uplink import Uplink

# Hagen's town hall: where an uplink is tried that says nothing of a place.
_SOMEWHERE = Position(longitude=7.4717, latitude=51.3585)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wishes:
    """What the command line says of a device that is tried without being registered."""

    topic: str | None
    source: str | None
    network: str | None
    profile: str | None
    entity_type: str | None


@click.command(
    short_help="Show what becomes of one message, step by step.",
    epilog=examples(
        "volme translate uplink.json --profile decentlab-dl-atm41",
        "cat uplink.json | volme translate -",
        "mosquitto_sub -v -C 1 -t 'v3/+/devices/+/up' | volme translate -",
        "volme dead-letters show 7 --json | volme translate -",
        "volme translate uplink.json --json | jq .entities",
    ),
)
@click.argument("file", type=click.File("rb"), default="-", metavar="[FILE|-]")
@click.option("--topic", help="MQTT topic of the message, for plain JSON.")
@click.option("--source", help="Source whose way of reading applies.  [default: one that knows the topic]")
@click.option(
    "--network",
    type=click.Choice(["auto", *NETWORKS]),
    metavar="NETWORK",
    help="Read it as this network's message.",
)
@click.option("--profile", help="Try it with this device profile: see `volme profiles`.")
@click.option("--type", "entity_type", help="Try it with this Smart Data Models type.")
@config_options
@json_option
def translate(
    *,
    file: Any,
    topic: str | None,
    source: str | None,
    network: str | None,
    profile: str | None,
    entity_type: str | None,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Show what becomes of one message, step by step, and where it stops.

    FILE (or standard input) holds the JSON of a network server, {"topic": …, "payload": …},
    or a line of topic and payload. Nothing is stored or sent.
    With --profile nothing else is needed. Otherwise the registered device decides, where there
    is a platform, and then the model that the network server names.
    """
    if entity_type is not None and entity_type not in TYPES:
        hint = nearest(entity_type, TYPES) or f"; there are {', '.join(sorted(TYPES))}"
        msg = f"there is no type “{entity_type}”{hint}"
        raise click.BadParameter(msg, param_hint="--type")
    if getattr(file, "isatty", lambda: False)():
        note("Paste one message, then Ctrl-D:")
    wishes = _Wishes(topic=topic, source=source, network=network, profile=profile, entity_type=entity_type)
    # `volme up` has no configuration, and a simulator whose plain topics it reads.
    settings = settings_of(config, data, simulator__enabled=True if config is None else None)
    done = run_async(_translate(file.read(), wishes, settings))
    if as_json:
        print_json(as_dict(done))
    else:
        profiles = load_profiles(settings.profiles)
        device = done.device
        print_steps(
            done,
            profiles.get(device.profile) if device else None,
            assumed=device is not None and device.position is _SOMEWHERE,
        )
    if done.problems:
        raise click.exceptions.Exit(1)


async def _translate(raw: bytes, wishes: _Wishes, settings: Settings) -> Translation:
    message = read_message(raw, topic=wishes.topic, source=wishes.source)
    readers: Mapping[str, Callable[[Message], Uplink]] = source_readers(settings)
    if wishes.network is not None:
        readers = {message.source: partial(read_uplink, network=wishes.network)}
    profiles = load_profiles(settings.profiles)
    message, uplink = _uplink(message, readers)
    devices = await _devices(uplink, wishes, settings, profiles)
    codecs = Codecs(javascript_sources(settings))
    try:
        world = World(city=settings.city, devices=devices, profiles=profiles, codecs=codecs, readers=readers)
        return await translate_message(message, world)
    finally:
        await codecs.close()


def _uplink(
    message: Message, readers: Mapping[str, Callable[[Message], Uplink]]
) -> tuple[Message, Uplink | None]:
    """Read the envelope; None: nothing can, and the translation itself says why.

    A message that names no source is said to come from the first one that can read it.
    """
    reader = readers.get(message.source)
    with contextlib.suppress(MessageError):
        return message, reader(message) if reader else read_uplink(message)
    for source in readers.keys() - {REGISTRY} if not message.source else ():
        named = replace(message, source=source)
        with contextlib.suppress(MessageError):
            return named, readers[source](named)
    return message, None


async def _devices(
    uplink: Uplink | None, wishes: _Wishes, settings: Settings, profiles: Mapping[str, Profile]
) -> Mapping[str, Device]:
    """Return the device that the message is of: as registered, or as the command line wishes it."""
    if wishes.profile is not None and wishes.profile not in profiles:
        hint = nearest(wishes.profile, profiles) or "; `volme profiles` lists them"
        msg = f"there is no profile “{wishes.profile}”{hint}"
        raise click.BadParameter(msg, param_hint="--profile")
    if uplink is None:
        return {}
    registered = await _registered(settings) if wishes.profile is None else {}
    if uplink.device_id in registered and wishes.entity_type is None:
        return registered
    fitting = profiles.get(wishes.profile) if wishes.profile else find_profile(profiles, uplink.model)
    if fitting is None:
        return registered
    device = Device(
        id=uplink.device_id,
        profile=fitting.name,
        entity_type=wishes.entity_type,
        name=uplink.name,
        position=uplink.position or _SOMEWHERE,
    )
    return {device.id: device}


async def _registered(settings: Settings) -> Mapping[str, Device]:
    """Return the registered devices where there is a platform to ask; nothing is written there."""
    if settings.postgres.url is None and not (settings.data / "postgres").exists():
        return {}
    from adapters.registry import Registry  # noqa: PLC0415 - it brings PostgreSQL with it
    from compose.database import postgres  # noqa: PLC0415 - likewise

    try:
        with naming_the_server(settings):
            async with postgres(settings) as pool:
                registry = Registry(pool)
                await registry.load()
                return dict(registry.devices)
    except StoreError as error:
        note(f"The registered devices are not known: {error}")
        return {}
