# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What follows from what was measured."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.derive import DERIVATIONS, PARAMETERS, VARIANTS, Derivation, battery_parameters, derive
from models.errors import ConfigurationError
from models.reading import Reading
from ontology.loader import quantities

if TYPE_CHECKING:
    from collections.abc import Mapping

NOON = datetime(2026, 6, 16, 10, tzinfo=UTC)


def follows(gives: str, measured: Mapping[str, float], **parameters: float) -> float | bool | str | None:
    readings = [
        Reading(
            quantity=name,
            value=value,
            unit=quantities()[name].unit,
            observed_at=NOON,
            codec="decentlab.dl_mbx",
        )
        for name, value in measured.items()
    ]
    found = {reading.quantity: reading for reading in derive(readings, parameters)}
    assert {name: found[name].value for name in measured} == measured
    if gives not in found:
        return None
    if gives not in measured:
        assert found[gives].codec == "derived"
        assert found[gives].unit == quantities()[gives].unit
        assert found[gives].observed_at == NOON
    return found[gives].value


def test_each_row_is_of_known_quantities_and_names_its_source() -> None:
    for row in (*DERIVATIONS, *VARIANTS):
        assert {row.given, row.gives, *row.also} <= quantities().keys()
        assert row.source
        assert set(row.parameters) <= PARAMETERS


def test_levels_follow_from_a_distance_or_a_pressure() -> None:
    assert follows("water.level", {"level.distance": 1.25}, reference_level=4.0) == 2.75
    assert follows("water.level", {"level.distance": 1.25}) is None
    # 1.02 m of water weigh 0.1 bar.
    assert follows("water.level", {"water.pressure": 0.1}, sensor_level=0.5) == pytest.approx(
        1.5197, abs=1e-4
    )


@pytest.mark.parametrize(
    ("distance", "full"), [(1.5, 0), (0.5, 100), (1.0, 50), (1.25, 25), (1.7, 0), (0.2, 100)]
)
def test_an_upright_container_is_as_full_as_it_is_high(distance: float, full: float) -> None:
    measured = {"level.distance": distance}
    assert follows("fill.level", measured, empty_distance=1.5, full_distance=0.5) == full


# Of a circle's area, up to a quarter of its diameter: 19.55 % (any table of circular segments).
@pytest.mark.parametrize(
    ("distance", "full"),
    [(2.2, 0), (1.2, 50), (0.2, 100), (1.7, 19.55), (0.7, 80.45), (3.0, 0), (0.1, 100)],
)
def test_a_lying_drum_fills_as_a_circle_does(distance: float, full: float) -> None:
    found = follows("fill.level", {"level.distance": distance}, empty_distance=2.2, lying_diameter=2.0)
    assert found == pytest.approx(full, abs=1e-4)


@pytest.mark.parametrize(
    ("volts", "charge"), [(3.7, 100), (3.6, 100), (3.5, 75), (3.45, 62.5), (3.4, 50), (3.0, 12.5), (2.0, 0)]
)
def test_a_battery_of_which_the_curve_is_known(volts: float, charge: float) -> None:
    curve = battery_parameters((2.8, 3.2, 3.4, 3.5, 3.6))
    assert follows("battery.level", {"battery.voltage": volts}, **curve) == pytest.approx(charge)


def test_a_battery_of_which_less_is_known() -> None:
    measured = {"battery.voltage": 3.2}
    assert follows("battery.level", measured) is None
    assert follows("battery.level", measured, **battery_parameters((2.8, 3.6))) == pytest.approx(50)
    assert follows("battery.level", measured, **battery_parameters((2.8, 3.4, 3.6))) == 33.33
    assert battery_parameters(None) == {}


# Published examples of the Magnus formula over water: 20 °C at 50 % and 100 %, 30 °C at 40 %, frost.
@pytest.mark.parametrize(
    ("temperature", "humidity", "dew"), [(20, 50, 9.3), (20, 100, 20), (30, 40, 14.9), (-10, 80, -12.8)]
)
def test_the_dew_point_where_it_is_wanted(temperature: float, humidity: float, dew: float) -> None:
    measured = {"air.temperature": temperature, "air.relativeHumidity": humidity}
    assert follows("air.dewPoint", measured, dew_point=1) == pytest.approx(dew, abs=0.06)
    assert follows("air.dewPoint", measured) is None
    assert follows("air.dewPoint", {"air.temperature": temperature}, dew_point=1) is None


def test_people_in_both_directions() -> None:
    assert follows("people.total", {"people.in": 5, "people.out": 7}) == 12
    assert follows("people.total", {"people.in": 5}) is None
    assert follows("people.total", {"people.in": 5, "people.out": 7, "people.total": 11}) == 11


def test_a_sensor_over_a_parking_place() -> None:
    assert follows("occupancy.occupied", {"level.distance": 1.0}, occupied_below=1.8) is True
    assert follows("occupancy.occupied", {"level.distance": 2.5}, occupied_below=1.8) is False


def test_what_was_measured_is_never_overwritten() -> None:
    measured = {
        "level.distance": 1.0,
        "water.level": 2.5,
        "fill.level": 7,
        "battery.voltage": 3,
        "battery.level": 9,
    }
    parameters = dict.fromkeys(PARAMETERS, 1.0) | {"full_distance": 0.5}
    assert follows("water.level", measured, **parameters) == 2.5
    assert follows("fill.level", measured, **parameters) == 7
    assert follows("battery.level", measured, **parameters) == 9


@pytest.mark.parametrize(
    ("measured", "parameters", "sentence"),
    [
        ("level.distance", {"empty_distance": 1, "full_distance": 1}, "empty and full are the same"),
        ("level.distance", {"empty_distance": 1, "lying_diameter": 0}, "diameter must be above 0"),
        ("battery.voltage", battery_parameters((2.8, 3.7, 3.6)), "must rise from empty to full"),
    ],
)
def test_parameters_that_contradict_each_other(
    measured: str, parameters: dict[str, float], sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        follows("fill.level", {measured: 1.0}, **parameters)


@given(
    st.sampled_from((*DERIVATIONS, *VARIANTS)),
    st.lists(st.floats(-60, 60), min_size=2, max_size=2),
)
def test_whatever_was_measured_a_number_comes_out(row: Derivation, values: list[float]) -> None:
    if row.given == "air.temperature":
        values = [values[0], abs(values[1])]
    parameters = {"reference_level": 4.0, "empty_distance": 2.0, "full_distance": 0.3, "lying_diameter": 1.6}
    parameters |= battery_parameters((2.8, 3.2, 3.4, 3.5, 3.6)) | {"sensor_level": 0.2, "dew_point": 1}
    parameters |= {"occupied_below": 1.8}
    measured = dict(zip((row.given, *row.also), values, strict=False))
    found = follows(row.gives, measured, **{name: parameters[name] for name in row.parameters})
    assert isinstance(found, float | int)
    low, high = quantities()[row.gives].low, quantities()[row.gives].high
    if row.gives in ("fill.level", "battery.level"):
        assert low is not None
        assert high is not None
        assert low <= found <= high
