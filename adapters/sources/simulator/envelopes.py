# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Frames in the envelopes of their network servers, field by field as those write them."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from adapters.sources.simulator.chance import chance, digest
from adapters.sources.simulator.payloads import profile_of
from adapters.sources.simulator.radio import transmit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from adapters.sources.simulator.catalogue import Installation
    from adapters.sources.simulator.payloads import Payload
    from adapters.sources.simulator.radio import Heard, Radio

_TENANT = "hagen-simuliert@ttn"
_JOIN_EUI = "70B3D57ED0000000"
_APPLICATION = str(UUID(bytes=digest("chirpstack", "application", size=16), version=4))
_CHIRPSTACK_TENANT = str(UUID(bytes=digest("chirpstack", "tenant", size=16), version=4))
_TO_GATEWAY = timedelta(milliseconds=40)
_TO_APPLICATION = timedelta(milliseconds=3)
_LORAWAN_MHZ = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Sending:
    """One frame on its way.

    Attributes:
        seed: the simulation's seed.
        at: when the network server hears it, UTC.
        session: what is the same for every frame of one session, and for no other.
        f_cnt: the frame counter in that session.
    """

    seed: int
    at: datetime
    session: str
    f_cnt: int


def the_things_stack(place: Installation, sending: Sending, payload: Payload) -> tuple[str, dict[str, Any]]:
    """Return topic and envelope of The Things Stack v3; it omits what is empty, 0 or false."""
    device, profile = place.device, profile_of(place.device.profile)
    radio = _radio(place, sending, payload)
    name = device.place or device.id
    brand, _, model = (profile.models[0] if profile.models else "").partition("/")
    frame = {
        "session_key_id": b64encode(digest(sending.session, size=16)).decode(),
        "f_port": payload.f_port,
        "f_cnt": sending.f_cnt,
        "frm_payload": b64encode(payload.raw).decode(),
        "decoded_payload": payload.decoded,
        "normalized_payload": list(payload.normalized),
        "rx_metadata": [_tts_gateway(each, sending) for each in radio.heard],
        "settings": {
            "data_rate": {
                "lora": {
                    "bandwidth": 125000,
                    "spreading_factor": radio.spreading_factor,
                    "coding_rate": "4/5",
                }
            },
            "frequency": str(radio.frequency),
            "timestamp": _ticks(sending.at),
        },
        "received_at": _zulu(sending.at),
        "consumed_airtime": f"{radio.airtime:.6f}s",
        "locations": {"user": _tts_location(place)},
        "version_ids": {"brand_id": brand, "model_id": model, "band_id": "EU_863_870"} if brand else None,
        "network_ids": {
            "net_id": "000013",
            "ns_id": "EC656E0000000181",
            "tenant_id": "ttn",
            "cluster_id": "eu1",
            "cluster_address": "eu1.cloud.thethings.network",
        },
    }
    body = {
        "end_device_ids": {
            "device_id": name,
            "application_ids": {"application_id": _TENANT.partition("@")[0]},
            "dev_eui": device.id.upper(),
            "join_eui": _JOIN_EUI,
            "dev_addr": _address(sending, "260B"),
        },
        "correlation_ids": [f"as:up:{digest(sending.session, sending.f_cnt, size=13).hex().upper()}"],
        "received_at": _zulu(sending.at + _TO_APPLICATION),
        "uplink_message": _without_empty(frame),
        "simulated": True,
    }
    return f"v3/{_TENANT}/devices/{name}/up", body


def _tts_gateway(heard: Heard, sending: Sending) -> dict[str, Any]:
    gateway = heard.gateway
    return _without_empty(
        {
            "gateway_ids": {"gateway_id": gateway.id, "eui": gateway.eui},
            "time": _zulu(sending.at - _TO_GATEWAY),
            "timestamp": _ticks(sending.at),
            "rssi": heard.rssi,
            "channel_rssi": heard.rssi,
            "snr": heard.snr,
            "location": {
                "latitude": gateway.position.latitude,
                "longitude": gateway.position.longitude,
                "altitude": gateway.position.altitude,
                "source": "SOURCE_REGISTRY",
            },
            "received_at": _zulu(sending.at),
        }
    )


def _tts_location(place: Installation) -> dict[str, Any] | None:
    position = place.device.position
    if position is None:
        return None
    return {
        "latitude": position.latitude,
        "longitude": position.longitude,
        "altitude": position.altitude,
        "source": "SOURCE_REGISTRY",
    }


def chirpstack(place: Installation, sending: Sending, payload: Payload) -> tuple[str, dict[str, Any]]:
    """Return topic and envelope of ChirpStack v4; it writes its own defaults."""
    device, profile = place.device, profile_of(place.device.profile)
    radio = _radio(place, sending, payload)
    body: dict[str, Any] = {
        "deduplicationId": str(UUID(bytes=digest(sending.session, sending.f_cnt, size=16), version=4)),
        "time": _offset(sending.at),
        "deviceInfo": {
            "tenantId": _CHIRPSTACK_TENANT,
            "tenantName": "Stadt Hagen",
            "applicationId": _APPLICATION,
            "applicationName": "Simulation",
            "deviceProfileId": str(UUID(bytes=digest("profile", profile.name, size=16), version=4)),
            "deviceProfileName": f"{profile.vendor} {profile.model}",
            "deviceName": device.name,
            "devEui": device.id,
            "deviceClassEnabled": "CLASS_A",
            "tags": {"simulated": "true", "place": device.place},
        },
        "devAddr": _address(sending, "01").lower(),
        "adr": True,
        "dr": 12 - radio.spreading_factor,
        "fCnt": sending.f_cnt,
        "fPort": payload.f_port,
        "confirmed": False,
        "data": b64encode(payload.raw).decode(),
        "rxInfo": [_chirpstack_gateway(each, sending) for each in radio.heard],
        "txInfo": {
            "frequency": radio.frequency,
            "modulation": {
                "lora": {
                    "bandwidth": 125000,
                    "spreadingFactor": radio.spreading_factor,
                    "codeRate": "CR_4_5",
                }
            },
        },
        "regionConfigId": "eu868",
    }
    if payload.decoded is not None:
        body["object"] = payload.decoded
    return f"application/{_APPLICATION}/device/{device.id}/event/up", body


def _chirpstack_gateway(heard: Heard, sending: Sending) -> dict[str, Any]:
    gateway = heard.gateway
    return _without_empty(
        {
            "gatewayId": gateway.eui.lower(),
            "uplinkId": int(chance(sending.session, sending.f_cnt, gateway.id) * 2**32),
            "gwTime": _offset(sending.at - _TO_GATEWAY),
            "nsTime": _offset(sending.at),
            "rssi": heard.rssi,
            "snr": heard.snr,
            "location": {
                "latitude": gateway.position.latitude,
                "longitude": gateway.position.longitude,
                "altitude": gateway.position.altitude,
            },
            "context": b64encode(digest(sending.session, sending.f_cnt, gateway.id, size=4)).decode(),
            "metadata": {"region_config_id": "eu868", "region_common_name": "EU868"},
            "crcStatus": "CRC_OK",
        }
    )


def plain(place: Installation, sending: Sending, fields: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return topic and body of a device that speaks MQTT itself."""
    body = {"time": _zulu(sending.at), "simulated": True, **fields}
    return f"hagen/{place.device.id}/measures", body


def sensor_community(
    place: Installation, _sending: Sending, fields: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return what an airRohr pushes, as it is published here: values are texts, and there is no time."""
    chip = place.device.id.partition("-")[2]
    body = {"esp8266id": chip, "software_version": "NRZ-2024-135", "sensordatavalues": _values(fields)}
    return f"buerger/{place.device.id}", body


def opensensemap(
    place: Installation, _sending: Sending, fields: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return what a senseBox posts in the form of luftdaten.info, as it is published here."""
    return f"buerger/boxes/{place.device.id}/data", {"sensordatavalues": _values(fields)}


def _values(fields: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"value_type": name, "value": f"{value:.2f}"} for name, value in fields.items()]


def _radio(place: Installation, sending: Sending, payload: Payload) -> Radio:
    position = place.device.position
    if position is None:
        msg = f"the simulated device {place.device.id} has no position"
        raise ValueError(msg)
    return transmit(position, len(payload.raw), sending.seed, place.device.id, sending.session, sending.f_cnt)


def _address(sending: Sending, prefix: str) -> str:
    return (prefix + digest(sending.session, "address", size=4).hex().upper())[:8]


def _ticks(at: datetime) -> int:
    """Return a gateway's microseconds, which start anew every 72 minutes."""
    return int(at.timestamp() * _LORAWAN_MHZ) % 2**32


def _zulu(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _offset(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def _without_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, 0, "", [], {})}
