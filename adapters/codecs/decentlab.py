# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Decentlab: one frame for the whole family, one table a model.

The frame is big-endian: protocol version 2 (1 byte), device id (2), flags (2), then 16-bit
words. Bit *n* of the flags says that group *n* of the model's table follows; a device that
cannot measure sends its battery alone. 32-bit values come lower word first.

Source: the payload descriptions in Decentlab's data sheets and its published decoders.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from adapters.codecs.table import Decoded, Row, TableCodec, read_rows, refuse_unknown, size_of, write_rows
from models.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERSION = 2
_HEADER = 5
_F_PORT = 1
_MIDDLE = 32768  # raw 0 of values that may be negative

Group = tuple[Row, ...]
Digits = tuple[tuple[str, int], ...]


def _plain(name: str, per: float = 1, zero: float = 0) -> Row:
    return Row(name=name, zero=zero, per=per)


def _signed(name: str, per: float = 1) -> Row:
    return Row(name=name, zero=_MIDDLE, per=per)


def _long(name: str, per: float = 1, zero: float = 0) -> Row:
    return Row(name=name, size=4, order="words", zero=zero, per=per)


def _levels(name: str, numbers: range, per: float = 100, zero: float = _MIDDLE) -> Group:
    return tuple(_plain(f"{name}_{number}", per, zero) for number in numbers)


_BATTERY: Group = (_plain("battery_voltage", 1000),)
_SHT21: Group = (  # 175.72 * raw / 65536 - 46.85 °C; 125 * raw / 65536 - 6 %
    _plain("air_temperature", 65536 / 175.72, 46.85 * 65536 / 175.72),
    _plain("air_humidity", 65536 / 125, 6 * 65536 / 125),
)
_SHT35: Group = (  # 175 * raw / 65535 - 45 °C; 100 * raw / 65535 %
    _plain("air_temperature", 65535 / 175, 45 * 65535 / 175),
    _plain("air_humidity", 65535 / 100),
)
_ROAD: Group = (
    _signed("surface_temperature", 100),
    _signed("air_temperature", 100),
    _signed("air_humidity", 100),
    _signed("dew_point", 100),
    _signed("angle"),
    _signed("sensor_temperature", 100),
)
_WIND: Group = (
    _signed("wind_speed", 100),
    _signed("wind_direction", 10),
    _signed("maximum_wind_speed", 100),
    _signed("air_temperature", 10),
)
_TILT: Group = (_signed("x_orientation_angle", 10), _signed("y_orientation_angle", 10))
_WIND_PARTS: Group = (_signed("north_wind_speed", 100), _signed("east_wind_speed", 100))
_RADIATION = 32768 / 15000  # ±3 V at 5 units per mV over 15 bits

MODELS: Mapping[str, tuple[Group, ...]] = {
    # weather station: radiation W/m², rain mm, lightning, wind m/s, pressure kPa
    "dl_atm41": (
        (
            _signed("solar_radiation"),
            _signed("precipitation", 1000),
            _signed("lightning_strike_count"),
            _signed("lightning_average_distance"),
            *_WIND,
            _signed("vapor_pressure", 100),
            _signed("atmospheric_pressure", 100),
            _signed("relative_humidity", 10),
            _signed("sensor_temperature_internal", 10),
            *_TILT,
            _signed("compass_heading"),
            *_WIND_PARTS,
        ),
        _BATTERY,
    ),
    # its second generation, with the rain of all time in mm
    "dl_atm41g2": (
        (
            _signed("solar_radiation", 10),
            _plain("precipitation", 1000),
            _signed("lightning_strike_count"),
            _signed("lightning_average_distance"),
            *_WIND,
            _signed("vapor_pressure", 100),
            _signed("barometric_pressure", 100),
            _signed("relative_humidity", 10),
            _signed("internal_temperature", 10),
            _signed("tilt_angle_x_orientation", 10),
            _signed("tilt_angle_y_orientation", 10),
            _signed("precipitation_electrical_conductivity"),
            _long("cumulative_precipitation", 1000),
        ),
        _BATTERY,
    ),
    # wind and air temperature
    "dl_atm22": ((*_WIND, *_TILT, *_WIND_PARTS), _BATTERY),
    # rain gauge of 0.1 mm a tip
    "dl_tbrg": (
        (
            _plain("precipitation", 10),
            _plain("precipitation_interval"),
            _long("cumulative_precipitation", 10),
        ),
        _BATTERY,
    ),
    # pyranometer, W/m²
    "dl_pyr": ((_plain("total_solar_radiation", _RADIATION, _MIDDLE),), _BATTERY),
    # level: distance to the surface, mm
    "dl_mbx": ((_plain("distance"), _plain("number_of_valid_samples")), _BATTERY),
    "dl_rad": (
        (_plain("distance"), _signed("temperature", 100), _signed("reliability", 100), _plain("status")),
        _BATTERY,
    ),
    "dl_lid": (
        (
            _plain("distance_average"),
            _plain("distance_minimum"),
            _plain("distance_maximum"),
            _plain("distance_median"),
            _plain("distance_10th_percentile"),
            _plain("distance_25th_percentile"),
            _plain("distance_75th_percentile"),
            _plain("distance_90th_percentile"),
            _plain("distance_most_frequent_value"),
            _plain("number_of_samples"),
            _plain("total_acquisition_time", 1.024),
        ),
        _BATTERY,
    ),
    # level and temperature of water: depth mm, conductivity µS/cm
    "dl_ctd10": (
        (
            _signed("water_depth"),
            _signed("temperature", 10),
            _plain("electrical_conductivity"),
            _plain("freezing_flag"),
        ),
        _BATTERY,
    ),
    "dl_ctd10b": (
        (
            _signed("water_depth"),
            _signed("temperature", 10),
            _plain("electrical_conductivity", 0.5),
            _plain("freezing_flag"),
        ),
        _BATTERY,
    ),
    # submerged pressure, bar, range 0 to 1 bar
    "dl_pr26": (
        (_plain("pressure", 32768, 16384), _plain("temperature", 320, 384 + 50 * 320)),
        _BATTERY,
    ),
    # submerged pressure, bar, and temperature
    "dl_pr36": ((_signed("pressure", 8192), _signed("temperature", 256)), _BATTERY),
    # water: turbidity, oxygen
    "dl_ntu": (
        (
            _plain("status"),
            _signed("temperature", 100),
            _plain("turbidity_in_ntu", 10),
            _plain("turbidity_in_fnu", 10),
            _plain("turbidity_in_mg_l", 10),
        ),
        _BATTERY,
    ),
    "dl_optod": (
        (
            _plain("status"),
            _signed("temperature", 100),
            _signed("oxygen_saturation", 100),
            _signed("oxygen_concentration", 100),
            _signed("oxygen_concentration_alt", 100),
        ),
        _BATTERY,
    ),
    # particles, µg/m³ and 1/cm³, pressure in Pa; here the battery comes first
    "dl_pm": (
        _BATTERY,
        (
            _plain("pm1_0_mass_concentration", 10),
            _plain("pm2_5_mass_concentration", 10),
            _plain("pm4_mass_concentration", 10),
            _plain("pm10_mass_concentration", 10),
            _plain("typical_particle_size"),
            _plain("pm0_5_number_concentration", 10),
            _plain("pm1_0_number_concentration", 10),
            _plain("pm2_5_number_concentration", 10),
            _plain("pm4_number_concentration", 10),
            _plain("pm10_number_concentration", 10),
        ),
        _SHT21,
        (_plain("barometric_pressure", 0.5),),
    ),
    # road surface
    "dl_cws": (_ROAD, _BATTERY),
    "dl_cws2": (
        (
            _plain("air_temperature_radiation_shield", 65535 / 175, 45 * 65535 / 175),
            _plain("air_humidity_radiation_shield", 65535 / 100),
        ),
        _ROAD,
        _BATTERY,
    ),
    "dl_wrm": (
        _SHT35,
        (_plain("surface_temperature", 10, 1000), _plain("head_temperature", 10, 1000)),
        _BATTERY,
    ),
    # air
    "dl_sht35": (_SHT35, _BATTERY),
    "dl_rhc": (
        (_long("sensor_id"), _plain("air_humidity", 100), _signed("air_temperature", 100)),
        _BATTERY,
    ),
    "dl_ds18": ((_signed("temperature", 16),), _BATTERY),
    # soil: water content m³/m³ in mineral soil, raw / 10 * 3.879e-4 - 0.6956; conductivity µS/cm
    "dl_trs12": (
        (
            _plain("volumetric_water_content", 1 / 3.879e-5, 0.6956 / 3.879e-5),
            _signed("soil_temperature", 10),
            _plain("electrical_conductivity"),
        ),
        _BATTERY,
    ),
    "dl_trs11": (
        (
            _plain("volumetric_water_content", 1 / 3.879e-5, 0.6956 / 3.879e-5),
            _signed("soil_temperature", 10),
        ),
        _BATTERY,
    ),
    "dl_trs21": ((_plain("water_potential", -10), _signed("soil_temperature", 10)), _BATTERY),
    # soil profiles, one sensor a level
    "dl_smtp": (
        tuple(
            row
            for number in range(8)
            for row in (
                _plain(f"soil_moisture_at_depth_{number}", 500, 2500),
                _signed(f"soil_temperature_at_depth_{number}", 100),
            )
        ),
        _BATTERY,
    ),
    "dl_tp": (_levels("temperature_at_level", range(16)), _BATTERY),
    "dl_sdd": (
        *(
            (
                *_levels("moisture_at_level", numbers),
                *_levels("temperature_at_level", numbers),
                *_levels("salinity_at_level", numbers, 1, 100),
            )
            for numbers in (range(6), range(6, 12))
        ),
        _BATTERY,
    ),
    # contacts and pulses
    "dl_dlr2_002": (
        (_plain("pulse_count"), _plain("pulse_interval"), _long("cumulative_pulse_count")),
        _BATTERY,
    ),
    "dl_dlr2_003": ((_plain("input"),), _BATTERY),
    "dl_dlr2_010": (
        *(
            (
                _plain(f"ch{channel}_pulse_count"),
                _plain(f"ch{channel}_pulse_interval"),
                _long(f"ch{channel}_cumulative_pulse_count"),
            )
            for channel in range(2)
        ),
        _BATTERY,
    ),
    "dl_dlr2_011": ((_plain("ch0_input"),), (_plain("ch1_input"),), _BATTERY),
}


def decode(
    groups: tuple[Group, ...], digits: tuple[Digits, ...], payload: bytes, _f_port: int | None = None
) -> Decoded:
    """Decode one frame by a model's table.

    Raises:
        CodecError: another protocol version, or the frame ends early.
    """
    if len(payload) < _HEADER:
        message = f"The payload has {len(payload)} bytes; a Decentlab frame has at least {_HEADER}."
        raise CodecError(message)
    if payload[0] != _VERSION:
        message = f"The payload begins with protocol version {payload[0]}; Decentlab's is {_VERSION}."
        raise CodecError(message)
    flags = int.from_bytes(payload[3:5], "big")
    fields: dict[str, Any] = {
        "protocol_version": payload[0],
        "device_id": int.from_bytes(payload[1:3], "big"),
    }
    position = _HEADER
    for number, rows in enumerate(groups):
        if flags >> number & 1:
            fields |= read_rows(rows, payload, position)
            for name, kept in digits[number]:
                fields[name] = round(fields[name], kept)
            position += size_of(rows)
    return Decoded(fields=fields, warnings=_surplus(flags >> len(groups), len(payload) - position))


def _digits(rows: Group) -> Digits:
    """Return the fields whose steps are no decimal fractions, and the digits that they are worth.

    A tenth of a step is kept: 23.4369 °C where a step is 0.0027 °C, and not 23.43692749023437.
    """
    return tuple(
        (row.name, max(0, math.ceil(math.log10(row.per))) + 1)
        for row in rows
        if row.per not in _DECIMAL and row.per > 0
    )


_DECIMAL = frozenset(10**power for power in range(7))


def _surplus(flags: int, length: int) -> tuple[str, ...]:
    if flags or length:
        return (f"The frame has {length} more bytes than the model's table: is the profile the right one?",)
    return ()


def encode(codec: str, groups: tuple[Group, ...], fields: Mapping[str, Any]) -> tuple[int, bytes]:
    """Return port and frame; a group goes out whole as soon as one of its fields is given."""
    known = frozenset(row.name for rows in groups for row in rows) | {"protocol_version", "device_id"}
    refuse_unknown(fields, known, codec)
    present = [any(row.name in fields for row in rows) for rows in groups]
    flags = sum(1 << number for number, given in enumerate(present) if given)
    header = bytes((_VERSION,)) + Row(name="device_id").write(fields.get("device_id", 0))
    body = b"".join(write_rows(rows, fields) for rows, given in zip(groups, present, strict=True) if given)
    return _F_PORT, header + flags.to_bytes(2, "big") + body


CODECS: Mapping[str, TableCodec] = {
    f"decentlab.{model}": TableCodec(
        decode=partial(decode, groups, tuple(map(_digits, groups))),
        encode=partial(encode, f"decentlab.{model}", groups),
        ports=(_F_PORT,),
    )
    for model, groups in MODELS.items()
}
