# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""ChirpStack v3 and LoRa Server, JSON: `application/{id}/device/{dev_eui}/event/{event}`, before that `…/rx`.

Both marshalers: `json` writes EUIs in base64 and the decoded object as a text (`objectJSON`), `json_v3`
writes EUIs in hexadecimal and the object as it is. There is no identifier of the frame: its counter and
its time stand for one. Only later releases say when the event was published; before that a gateway's
clock is all that there is, and many gateways have none.
Source: ChirpStack v3's documentation of event types; `as/integration/integration.proto` of its API.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from adapters.networks.fields import Fields
from adapters.networks.loose import MOST_COUNT, MOST_PORT, eui, percent
from adapters.networks.parse import parse_json
from adapters.networks.signal import Signal, strongest
from models.errors import EnvelopeError, MalformedPayloadError, UnknownEnvelopeError
from models.uplink import Uplink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

NETWORK = "chirpstack_v3"

_EVENT = re.compile(r"(?:/event/|[?&]event=|/device/[^/?]+/(?!event/))([a-z]+)")
_EVENTS = {"up": "up", "rx": "up", "status": "status", "location": "location"}
_OTHER = frozenset({"join", "ack", "txack", "error", "integration"})
_TRUSTED_SECONDS = 86_400


def recognises(body: Any) -> bool:
    """Tell by its shape whether this is an event of ChirpStack v3."""
    return isinstance(body, dict) and "devEUI" in body and "applicationID" in body


def read(topic: str, body: Any, *, received_at: datetime) -> Uplink:
    """Read one message.

    Raises:
        UnknownEnvelopeError: no event of ChirpStack v3.
        EnvelopeError: a field is of a wrong type or impossible; the sentence names it.
    """
    envelope = Fields.of(body)
    device_id = eui(envelope, "devEUI")
    if device_id is None:
        sentence = "The message names no device: it has no devEUI."
        raise UnknownEnvelopeError(sentence)
    event = _event(topic, body)
    if event is None:
        sentence = "The message of ChirpStack v3 is no event that is known, such as up or status."
        raise UnknownEnvelopeError(sentence, device_id=device_id)
    try:
        return _READERS[event](envelope, device_id, received_at)
    except EnvelopeError as error:
        error.device_id = device_id
        raise


def _event(topic: str, body: Mapping[str, Any]) -> str | None:
    named = _EVENT.search(topic)
    if named is not None:
        event = named.group(1)
        return "other" if event in _OTHER else _EVENTS.get(event)
    if "data" in body or "rxInfo" in body:
        return "up"
    if "margin" in body or "batteryLevel" in body:
        return "status"
    return "location" if "location" in body else "other"


def _up(envelope: Fields, device_id: str, received_at: datetime) -> Uplink:
    f_port = envelope.count("fPort", most=MOST_PORT) or 0
    f_cnt = envelope.count("fCnt", most=MOST_COUNT) or 0
    # On port 0 the payload is MAC commands, which are none of the codecs' business.
    payload = envelope.base64("data") if f_port else b""
    decoded = _decoded(envelope)
    gateways = envelope.sections("rxInfo")
    signal = strongest(map(_heard, gateways))
    times = sorted(filter(None, [envelope.text("publishedAt"), *(each.text("time") for each in gateways)]))
    return Uplink(
        **_common(envelope, device_id, received_at, gateways),
        kind="data" if payload or decoded else "status",
        key=f"{f_cnt}:{times[0]}" if times else None,
        payload=payload,
        f_port=f_port,
        f_cnt=f_cnt,
        decoded=decoded,
        rssi=signal.rssi,
        snr=signal.snr,
        gateway=signal.gateway,
    )


def _status(envelope: Fields, device_id: str, received_at: datetime) -> Uplink:
    mains = envelope.flag("externalPowerSource") or envelope.flag("batteryLevelUnavailable")
    return Uplink(
        **_common(envelope, device_id, received_at),
        kind="status",
        battery=None if mains else percent(envelope, "batteryLevel"),
    )


def _location(envelope: Fields, device_id: str, received_at: datetime) -> Uplink:
    return Uplink(
        **_common(envelope, device_id, received_at), kind="location", position=envelope.position("location")
    )


def _other(envelope: Fields, device_id: str, received_at: datetime) -> Uplink:
    return Uplink(**_common(envelope, device_id, received_at), kind="other")


_READERS = {"up": _up, "status": _status, "location": _location, "other": _other}


def _common(
    envelope: Fields, device_id: str, received_at: datetime, gateways: Sequence[Fields] = ()
) -> dict[str, Any]:
    profile = envelope.text("deviceProfileName")
    return {
        "network": NETWORK,
        "device_id": device_id,
        "observed_at": _observed_at(envelope, gateways, received_at),
        "name": envelope.text("deviceName"),
        "model": (profile,) if profile else (),
        "tags": envelope.texts("tags"),
    }


def _observed_at(envelope: Fields, gateways: Sequence[Fields], received_at: datetime) -> datetime:
    """Return when the server published the event; else a gateway's time, if its clock can be right."""
    published = envelope.time("publishedAt")
    if published is not None:
        return published
    times = [time for each in gateways if (time := each.time("time")) is not None]
    close = [time for time in times if 0 <= (received_at - time).total_seconds() + 1 <= _TRUSTED_SECONDS]
    return min(close, default=received_at)


def _decoded(envelope: Fields) -> Mapping[str, Any] | None:
    decoded = envelope.mapping("object")
    if decoded:
        return decoded
    text = envelope.text("objectJSON")
    if text is None:
        return None
    try:
        parsed = parse_json(text.encode())
    except MalformedPayloadError:
        sentence = "The field objectJSON is not JSON."
        raise EnvelopeError(sentence) from None
    if parsed is not None and type(parsed) is not dict:
        sentence = "The field objectJSON holds no object."
        raise EnvelopeError(sentence)
    return parsed or None


def _heard(gateway: Fields) -> Signal:
    # `uplinkID` and `name` are free texts; the gateway's id is an EUI, in base64 or hexadecimal.
    return Signal(
        gateway=eui(gateway, "gatewayID"),
        rssi=gateway.number("rssi"),
        snr=gateway.number("loRaSNR"),
    )
