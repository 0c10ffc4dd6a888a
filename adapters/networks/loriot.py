# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""LORIOT, JSON: one object a message, told apart by `cmd`.

For one frame LORIOT may send both `rx` (early, before all gateways were heard) and `gw` (with them): both
have the same key, so that the second one is a duplicate. What comes encrypted (`encdata` alone) cannot be
read by anybody but the city's own join server, and is named as that.
Source: LORIOT's documentation of application outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.networks.fields import Fields
from adapters.networks.loose import MOST_COUNT, MOST_PORT, count, hexadecimal, number, time
from adapters.networks.signal import Signal, strongest
from models.errors import EnvelopeError, UnknownEnvelopeError
from models.uplink import Uplink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

NETWORK = "loriot"

_FRAMES = frozenset({"rx", "gw"})
# DevStatusAns, LoRaWAN 1.0.4, 5.5: 0 is mains power, 255 could not measure.
_BATTERY_FULL = 254


def recognises(body: Any) -> bool:
    """Tell by its shape whether this is a message of LORIOT."""
    return isinstance(body, dict) and "cmd" in body and "EUI" in body


def read(topic: str, body: Any, *, received_at: datetime) -> Uplink:  # noqa: ARG001 - one signature for all
    """Read one message.

    Raises:
        UnknownEnvelopeError: no message of LORIOT.
        EnvelopeError: a field is of a wrong type or impossible, or the payload is encrypted.
    """
    envelope = Fields.of(body)
    command = envelope.text("cmd")
    device_id = envelope.dev_eui("EUI")
    if device_id is None or command is None:
        sentence = "The message of LORIOT names no device or no kind: it needs EUI and cmd."
        raise UnknownEnvelopeError(sentence)
    try:
        if command in _FRAMES:
            return _frame(envelope, device_id, received_at)
        return Uplink(
            network=NETWORK,
            kind="other",
            device_id=device_id,
            observed_at=time(envelope, "ts", "ms") or received_at,
        )
    except EnvelopeError as error:
        error.device_id = device_id
        raise


def _frame(envelope: Fields, device_id: str, received_at: datetime) -> Uplink:
    if "encdata" in envelope and "data" not in envelope:
        sentence = (
            "The payload is still encrypted: give LORIOT the device's AppSKey, or no platform can read it."
        )
        raise EnvelopeError(sentence)
    f_port = count(envelope, "port", most=MOST_PORT) or 0
    f_cnt = count(envelope, "fcnt", most=MOST_COUNT) or 0
    observed_at = time(envelope, "ts", "ms")
    # On port 0 the payload is MAC commands, which are none of the codecs' business.
    payload = hexadecimal(envelope, "data") if f_port else b""
    decoded = _decoded(envelope)
    signal = strongest([_heard(envelope), *map(_heard, envelope.sections("gws"))])
    return Uplink(
        network=NETWORK,
        kind="data" if payload or decoded else "status",
        device_id=device_id,
        observed_at=observed_at or received_at,
        key=None if observed_at is None else f"{f_cnt}:{envelope.data['ts']}",
        payload=payload,
        f_port=f_port,
        f_cnt=f_cnt,
        decoded=decoded,
        battery=_battery(envelope),
        rssi=signal.rssi,
        snr=signal.snr,
        gateway=signal.gateway,
        name=envelope.text("name"),
    )


def _decoded(envelope: Fields) -> Mapping[str, Any] | None:
    """Return what a codec at LORIOT made of the payload: `{"decoded": {"data": {…}}}`."""
    decoded = envelope.section("decoded")
    inner = decoded.data.get("data")
    return (inner if type(inner) is dict else decoded.data) or None


def _heard(gateway: Fields) -> Signal:
    return Signal(gateway=gateway.text("gweui"), rssi=number(gateway, "rssi"), snr=number(gateway, "snr"))


def _battery(envelope: Fields) -> float | None:
    level = count(envelope, "bat", most=MOST_PORT)
    return level / _BATTERY_FULL if level is not None and 1 <= level <= _BATTERY_FULL else None
