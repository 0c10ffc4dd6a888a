# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Helium, JSON as its Console sent it and Chirp-like servers still do: HTTP or MQTT integrations.

Helium's networks of today run ChirpStack v4, and send what that sends.
Source: Helium's documentation of integrations, "Uplink JSON schema".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.networks.fields import Fields
from adapters.networks.loose import MOST_COUNT, MOST_PORT, count, number, time
from adapters.networks.signal import Signal, strongest
from models.errors import EnvelopeError, UnknownEnvelopeError
from models.uplink import Uplink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

NETWORK = "helium"


def recognises(body: Any) -> bool:
    """Tell by its shape whether this is a message of Helium's kind."""
    return isinstance(body, dict) and "dev_eui" in body and ("hotspots" in body or "app_eui" in body)


def read(topic: str, body: Any, *, received_at: datetime) -> Uplink:  # noqa: ARG001 - one signature for all
    """Read one message.

    Raises:
        UnknownEnvelopeError: no message of Helium's kind.
        EnvelopeError: a field is of a wrong type or impossible; the sentence names it.
    """
    envelope = Fields.of(body)
    device_id = envelope.dev_eui("dev_eui")
    if device_id is None:
        sentence = "The message names no device: it has no dev_eui."
        raise UnknownEnvelopeError(sentence)
    try:
        return _uplink(envelope, device_id, received_at)
    except EnvelopeError as error:
        error.device_id = device_id
        raise


def _uplink(envelope: Fields, device_id: str, received_at: datetime) -> Uplink:
    observed_at = time(envelope, "reported_at", "ms")
    common: dict[str, Any] = {
        "network": NETWORK,
        "device_id": device_id,
        "observed_at": observed_at or received_at,
        "name": envelope.text("name"),
        "tags": _labels(envelope.section("metadata")),
    }
    # The Console told of joins and of its own state by `type`; an uplink has none, or says so.
    if (envelope.text("type") or "uplink") != "uplink" or not ("payload" in envelope or "fcnt" in envelope):
        return Uplink(**common, kind="other")
    f_port = count(envelope, "port", most=MOST_PORT) or 0
    f_cnt = count(envelope, "fcnt", most=MOST_COUNT) or 0
    # On port 0 the payload is MAC commands, which are none of the codecs' business.
    payload = envelope.base64("payload") if f_port else b""
    decoded = envelope.section("decoded").mapping("payload") or None
    signal = strongest(map(_heard, envelope.sections("hotspots")))
    return Uplink(
        **common,
        kind="data" if payload or decoded else "status",
        key=None if observed_at is None else f"{f_cnt}:{envelope.data['reported_at']}",
        payload=payload,
        f_port=f_port,
        f_cnt=f_cnt,
        decoded=decoded,
        rssi=signal.rssi,
        snr=signal.snr,
        gateway=signal.gateway,
    )


def _heard(hotspot: Fields) -> Signal:
    return Signal(
        gateway=hotspot.text("name") or hotspot.text("id"),
        rssi=number(hotspot, "rssi"),
        snr=number(hotspot, "snr"),
    )


def _labels(metadata: Fields) -> Mapping[str, str]:
    """Return the labels that the Console gave the device, each a tag."""
    return {
        name: label.text("id") or ""
        for label in metadata.sections("labels")
        if (name := label.text("name")) is not None
    }
