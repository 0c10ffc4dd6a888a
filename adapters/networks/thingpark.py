# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Actility ThingPark, JSON: `DevEUI_uplink` and other reports, by HTTP push, MQTT or Kafka (ThingPark X).

ThingPark X may leave the wrapper away; then the fields tell. Numbers may be texts (they were XML once).
`payload` is what ThingPark's own driver decoded. Its pushes carry a Token of their own in the query;
Volme's own token goes into the connection's headers.
Source: Actility, ThingPark developer guide, tunnel interface and ThingPark X IoT Flow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.networks.fields import Fields
from adapters.networks.loose import MOST_COUNT, MOST_PORT, count, hexadecimal, number, position
from adapters.networks.signal import Signal, strongest
from models.errors import EnvelopeError, UnknownEnvelopeError
from models.uplink import Uplink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

NETWORK = "thingpark"

_PREFIX = "DevEUI_"
_UPLINK, _LOCATION = "DevEUI_uplink", "DevEUI_location"
# DevStatusAns, LoRaWAN 1.0.4, 5.5: 0 is mains power, 255 could not measure; ThingPark passes it on.
_BATTERY_FULL = 254


def recognises(body: Any) -> bool:
    """Tell by its shape whether this is a report of ThingPark."""
    if not isinstance(body, dict):
        return False
    return _wrapper(body) is not None or ("DevEUI" in body and ("payload_hex" in body or "Lrcid" in body))


def read(topic: str, body: Any, *, received_at: datetime) -> Uplink:  # noqa: ARG001 - one signature for all
    """Read one message.

    Raises:
        UnknownEnvelopeError: no report of ThingPark.
        EnvelopeError: a field is of a wrong type or impossible; the sentence names it.
    """
    whole = Fields.of(body)
    wrapper = _wrapper(body)
    report = whole.section(wrapper) if wrapper else whole
    device_id = report.dev_eui("DevEUI")
    if device_id is None:
        sentence = "The message names no device: it has no DevEUI."
        raise UnknownEnvelopeError(sentence)
    try:
        if wrapper == _LOCATION or (wrapper is None and "DevLocTime" in report and "FCntUp" not in report):
            return _location(report, device_id, received_at)
        if wrapper == _UPLINK or (wrapper is None and ("FCntUp" in report or "payload_hex" in report)):
            return _uplink(report, device_id, received_at)
        return Uplink(**_common(report, device_id, received_at), kind="other")
    except EnvelopeError as error:
        error.device_id = device_id
        raise


def _wrapper(body: Mapping[str, Any]) -> str | None:
    return next((key for key in body if key.startswith(_PREFIX)), None)


def _uplink(report: Fields, device_id: str, received_at: datetime) -> Uplink:
    f_port = count(report, "FPort", most=MOST_PORT) or 0
    f_cnt = count(report, "FCntUp", most=MOST_COUNT) or 0
    # On port 0 the payload is MAC commands, which are none of the codecs' business.
    payload = hexadecimal(report, "payload_hex") if f_port else b""
    decoded = report.mapping("payload") or None
    time = report.text("Time")
    gateways = report.section("Lrrs").sections("Lrr")
    signal = strongest([_heard(report), *map(_heard, gateways)])
    return Uplink(
        **_common(report, device_id, received_at),
        kind="data" if payload or decoded else "status",
        key=f"{f_cnt}:{time}" if time else None,
        payload=payload,
        f_port=f_port,
        f_cnt=f_cnt,
        decoded=decoded,
        battery=_battery(report),
        rssi=signal.rssi,
        snr=signal.snr,
        gateway=signal.gateway,
        position=position(report, "DevLAT", "DevLON", "DevAlt"),
    )


def _location(report: Fields, device_id: str, received_at: datetime) -> Uplink:
    return Uplink(
        **_common(report, device_id, received_at),
        kind="location",
        position=position(report, "DevLAT", "DevLON", "DevAlt"),
    )


def _common(report: Fields, device_id: str, received_at: datetime) -> dict[str, Any]:
    customer = report.data.get("CustomerData")
    about = Fields(customer, report, "CustomerData") if type(customer) is dict else Fields({})
    return {
        "network": NETWORK,
        "device_id": device_id,
        "observed_at": report.time("Time") or received_at,
        "name": about.text("name"),
        "model": _model(report),
        "tags": _tags(about),
    }


def _model(report: Fields) -> tuple[str, ...]:
    """Return producer and model of the driver, where ThingPark knows the device."""
    driver = report.data.get("DriverCfg")
    if type(driver) is not dict:
        return ()
    known = Fields(driver, report, "DriverCfg").section("mod")
    producer, model = known.text("pId"), known.text("mId")
    return (producer, model) if producer and model else ()


def _tags(about: Fields) -> Mapping[str, str]:
    """Return the device's tags; ThingPark's are a list of words, or pairs."""
    tags = about.data.get("tags")
    if type(tags) is list:
        return {each: "" for each in tags if type(each) is str}
    return about.texts("tags")


def _heard(gateway: Fields) -> Signal:
    return Signal(
        gateway=gateway.text("Lrrid"), rssi=number(gateway, "LrrRSSI"), snr=number(gateway, "LrrSNR")
    )


def _battery(report: Fields) -> float | None:
    """Return 0 to 1; ThingPark passes on what the device answered to DevStatusReq."""
    level = count(report, "BatteryLevel", most=MOST_PORT)
    return level / _BATTERY_FULL if level is not None and 1 <= level <= _BATTERY_FULL else None
