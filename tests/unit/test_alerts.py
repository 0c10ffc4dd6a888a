# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A silence becomes an Alert of the Smart Data Models."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from adapters.alerts import alert_id, silence_alert
from models.alert import Alert
from models.errors import InvalidEntityError
from models.ngsild import keyvalues
from models.silence import Silence

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SILENCE = Silence(
    device_id="pegel 1",
    name="Pegel Eilpe",
    entity_type="FloodMonitoring",
    coordinates=(7.4983, 51.3391),
    simulated=False,
    since=NOON,
    issued=NOON + timedelta(minutes=30),
    interval=600.0,
)


@pytest.mark.parametrize("over", [None, NOON + timedelta(hours=2)])
def test_a_silence_is_read_as_it_was_written(over: datetime | None) -> None:
    silence = replace(SILENCE, over=over)
    assert Silence.of(orjson.loads(silence.to_json())) == silence


@pytest.mark.parametrize(
    ("entity_type", "category"),
    [
        ("FloodMonitoring", "environment"),
        ("WeatherObserved", "weather"),
        ("ParkingSpot", "traffic"),
        ("AgriParcelRecord", "agriculture"),
        (None, "environment"),
        ("Spaceship", "environment"),
    ],
)
def test_an_alert_is_of_the_model_and_of_the_schemas_nearest_category(
    entity_type: str | None, category: str
) -> None:
    update = silence_alert(
        orjson.loads(replace(SILENCE, entity_type=entity_type, coordinates=None).to_json()), "hagen"
    )
    alert = Alert.model_validate(keyvalues(update.body))
    assert alert.category == category
    assert alert.location is None
    assert (
        update.id == alert.id == alert_id("hagen", "pegel 1") == "urn:ngsi-ld:Alert:hagen:pegel%201:silence"
    )


def test_what_changes_is_dated() -> None:
    begun = silence_alert(orjson.loads(SILENCE.to_json()), "hagen")
    ended = silence_alert(orjson.loads(replace(SILENCE, over=NOON + timedelta(hours=2)).to_json()), "hagen")
    assert begun.observed_at == NOON + timedelta(minutes=30)
    assert ended.observed_at == NOON + timedelta(hours=2)
    assert begun.measured == ended.measured == ("severity", "validTo")
    assert [update.body["severity"] for update in (begun, ended)] == [
        {"type": "Property", "value": "medium", "observedAt": "2026-05-01T12:30:00.000Z"},
        {"type": "Property", "value": "informational", "observedAt": "2026-05-01T14:00:00.000Z"},
    ]


@pytest.mark.parametrize(
    ("interval", "words"), [(45.0, "45 s"), (600.0, "10 min"), (7200.0, "2 h"), (86_400.0, "24 h")]
)
def test_the_description_says_it_in_german_and_english(interval: float, words: str) -> None:
    begun = replace(SILENCE, interval=interval)
    text = keyvalues(silence_alert(orjson.loads(begun.to_json()), "hagen").body)["description"]
    assert text == (
        f"Pegel Eilpe hat sich zuletzt 01.05.2026 12:00 UTC gemeldet, sonst etwa alle {words}. /"
        f" Pegel Eilpe was heard last 01.05.2026 12:00 UTC, usually about every {words}."
    )


def test_a_place_that_is_none_is_named() -> None:
    nowhere = replace(SILENCE, coordinates=(7.4, 95.0))
    with pytest.raises(InvalidEntityError, match="is no valid Alert") as raised:
        silence_alert(orjson.loads(nowhere.to_json()), "hagen")
    assert raised.value.device_id == "pegel 1"
