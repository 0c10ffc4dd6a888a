# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Profiles that are like others, batteries with a curve, and parameters of a model."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.derive import battery_parameters
from adapters.profiles import load_profiles, overlay
from models.errors import ConfigurationError

OURS = load_profiles()


def test_a_profile_has_all_of_the_one_that_it_is_like_but_what_it_says() -> None:
    found = load_profiles({"mine": {"like": "decentlab-dl-mbx", "codec": "javascript:mine"}})["mine"]
    ours = OURS["decentlab-dl-mbx"]
    assert (found.name, found.codec) == ("mine", "javascript:mine")
    assert (found.vendor, found.fields, found.battery) == (ours.vendor, ours.fields, ours.battery)


def test_its_own_fields_join() -> None:
    more = {"like": "decentlab-dl-mbx", "fields": {"temp": "air.temperature", "distance": "level.distance"}}
    paths = {row.path: row.unit for row in load_profiles({"mine": more})["mine"].fields}
    assert paths == {"distance": None, "battery_voltage": None, "temp": None}


def test_a_profile_may_be_like_itself_layer_by_layer() -> None:
    city = {"decentlab-dl-mbx": {"like": "decentlab-dl-mbx", "model": "Ours"}}
    folder = {"decentlab-dl-mbx": {"like": "decentlab-dl-mbx", "codec": "network"}}
    found = load_profiles(overlay(city, folder))["decentlab-dl-mbx"]
    assert (found.model, found.codec, found.vendor) == ("Ours", "network", "Decentlab")


@pytest.mark.parametrize("volts", [[2.1, 3.0], [2.1, 2.9, 3.0], [2.1, 2.7, 2.8, 2.9, 3.0]])
def test_a_battery_may_have_a_curve(volts: list[float]) -> None:
    found = load_profiles({"mine": {"like": "decentlab-dl-mbx", "battery": volts}})["mine"]
    assert found.battery == tuple(volts)
    assert list(battery_parameters(found.battery).values()) == volts


def test_a_model_may_have_parameters() -> None:
    found = load_profiles({"mine": {"like": "decentlab-dl-mbx", "parameters": {"empty_distance": 1.5}}})
    assert found["mine"].parameters == {"empty_distance": 1.5}
    assert OURS["decentlab-dl-mbx"].parameters == {}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"like": "nothing"}, "like: there is no profile 'nothing'."),
        ({"like": 7}, "like: there is no profile 7."),
        ({"battery": [2, 3, 3.1, 3.2]}, "battery: a discharge curve has three voltages or five"),
        ({"battery": [2, 3, 2.5]}, "battery: give two voltages, empty and full, the lower one first."),
        ({"parameters": {"empty": 1.0}}, "parameters: there is no parameter 'empty', but "),
    ],
)
def test_what_cannot_be_used_is_named(table: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_profiles({"x": {"like": "decentlab-dl-mbx", **table}})
    assert str(caught.value).startswith(f"Profile 'x', {sentence}")
