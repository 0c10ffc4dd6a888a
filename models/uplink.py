# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""An uplink: one frame of a device as its network server reports it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - msgspec reads the fields at run time
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping


#: The network of messages by which the registry itself announces a device: nothing was heard.
REGISTRY = "registry"


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """A place on earth, WGS 84: degrees, and metres above the ellipsoid where known."""

    longitude: float
    latitude: float
    altitude: float | None = None


class Uplink(Struct, frozen=True, kw_only=True, gc=False):
    """One frame of a device, independent of the network server that reported it.

    Attributes:
        network: the envelope's name (`the_things_stack`, `chirpstack`, `plain`).
        kind: `data` carries a payload or decoded fields; `status` only battery and signal;
            `location` only a position; `other` (join, ack, …) nothing that is measured.
        device_id: the DevEUI, 16 lower-case hex digits, or the id in a plain MQTT topic.
        observed_at: when the network server heard it, or the time in a plain payload; UTC.
        key: the same for every delivery of one frame, different for any other frame of the
            device; None where the envelope has nothing of the kind.
        device_time: `observed_at` comes from the device's own clock and must be checked.
        payload: the application payload; empty for a MAC-only frame.
        f_port: LoRaWAN port, 1 to 223 for applications; 0 is MAC only.
        f_cnt: LoRaWAN frame counter.
        decoded: the object that the network server's own codec made of the payload.
        moments: instead of `decoded`, where the device measured at several times: time (UTC) and decoded
            fields, oldest first; the newest is `observed_at`.
        normalized: the same in the normalised vocabulary, one mapping a measurement.
        battery: 0 to 1. None: unknown.
        rssi: strongest gateway's signal, dBm.
        snr: that gateway's signal-to-noise ratio, dB.
        gateway: that gateway's id.
        position: where the network server says that the device is.
        name: the device's name at the network server.
        model: what the network server knows of the model, for choosing a profile: for
            The Things Stack (brand_id, model_id), for ChirpStack (device profile's name,).
        tags: free key-value pairs of the network server.
        simulated: the network server says that no radio was involved.
    """

    network: str
    kind: Literal["data", "status", "location", "other"] = "data"
    device_id: str
    observed_at: datetime
    key: str | None = None
    device_time: bool = False
    payload: bytes = b""
    f_port: int | None = None
    f_cnt: int | None = None
    decoded: Mapping[str, Any] | None = None
    moments: tuple[tuple[datetime, Mapping[str, Any]], ...] = ()
    normalized: tuple[Mapping[str, Any], ...] = ()
    battery: float | None = None
    rssi: float | None = None
    snr: float | None = None
    gateway: str | None = None
    position: Position | None = None
    name: str | None = None
    model: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    simulated: bool = False
