# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Real-shaped envelopes around a payload, for tests."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

DEV_EUI = "70b3d57ed0a1b2c3"


def rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def the_things_stack(
    payload: bytes,
    *,
    f_port: int = 1,
    f_cnt: int = 7,
    dev_eui: str = DEV_EUI,
    at: datetime | None = None,
    **uplink: Any,
) -> tuple[str, bytes]:
    """Topic and message of The Things Stack v3; zero and empty fields are left out, as it does."""
    time = rfc3339(at or datetime.now(UTC))
    message: dict[str, Any] = {
        "session_key_id": "AZkX2A==",
        "f_cnt": f_cnt,
        "f_port": f_port,
        "frm_payload": base64.b64encode(payload).decode(),
        "rx_metadata": [{"gateway_ids": {"gateway_id": "hagen-rathaus"}, "rssi": -97, "snr": 6.5}],
        "received_at": time,
        **uplink,
    }
    body = {
        "end_device_ids": {
            "device_id": f"eui-{dev_eui}",
            "application_ids": {"application_id": "hagen"},
            "dev_eui": dev_eui.upper(),
        },
        "received_at": time,
        "uplink_message": {key: value for key, value in message.items() if value not in (0, "", False)},
    }
    return f"v3/hagen@ttn/devices/eui-{dev_eui}/up", json.dumps(body).encode()


def chirpstack(
    payload: bytes,
    *,
    f_port: int = 1,
    f_cnt: int = 7,
    dev_eui: str = DEV_EUI,
    at: datetime | None = None,
    **uplink: Any,
) -> tuple[str, bytes]:
    """Topic and message of ChirpStack v4, JSON."""
    application = "8f3a7c52-6d1e-4b90-a2c4-0e5d9b7f1a33"
    body = {
        "deduplicationId": f"5e0c2d4a-0000-4000-8000-{f_cnt:012d}",
        "time": (at or datetime.now(UTC)).isoformat(timespec="microseconds"),
        "deviceInfo": {
            "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
            "tenantName": "Hagen",
            "applicationId": application,
            "applicationName": "Stadt",
            "deviceProfileId": "7d1e0e6e-42b0-4d3b-8d7c-1a2b3c4d5e6f",
            "deviceProfileName": "unknown",
            "deviceName": "Sensor",
            "devEui": dev_eui,
            "deviceClassEnabled": "CLASS_A",
            "tags": {},
        },
        "devAddr": "01ab23cd",
        "adr": True,
        "dr": 5,
        "fCnt": f_cnt,
        "fPort": f_port,
        "confirmed": False,
        "data": base64.b64encode(payload).decode(),
        "rxInfo": [{"gatewayId": "0016c001ff10a235", "rssi": -97, "snr": 6.5, "crcStatus": "CRC_OK"}],
        "txInfo": {"frequency": 868100000},
        **uplink,
    }
    return f"application/{application}/device/{dev_eui}/event/up", json.dumps(body).encode()
