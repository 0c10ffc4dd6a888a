# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What is fresh and what is late, by attribute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
from hypothesis import given
from hypothesis import strategies as st

from broker.newest import Known, Newest
from models.reading import EntityUpdate, Written

T0 = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
URN = "urn:ngsi-ld:WeatherObserved:hagen:a"


def update(minute: int, *names: str) -> EntityUpdate:
    at = T0 + timedelta(minutes=minute)
    body = {"id": URN, "type": "WeatherObserved"} | {
        name: {"type": "Property", "value": minute, "observedAt": at.isoformat()} for name in names
    }
    return EntityUpdate(
        id=URN,
        type="WeatherObserved",
        subject="Weather",
        observed_at=at,
        measured=names,
        head=orjson.dumps(body)[:-1],
        rest=Written(b',"name":{"type":"Property","value":"Markt"}'),
    )


def newest() -> Newest:
    return Newest(None, str)  # type: ignore[arg-type] - the broker is not asked


def names(found: EntityUpdate | None) -> set[str] | None:
    return None if found is None else set(found.body) - {"id", "type", "name"}


def test_a_newer_update_goes_as_it_is() -> None:
    known, at = Known(), newest()
    first, second = update(1, "temperature"), update(2, "temperature")
    assert at.advance(first, known) == (first, None)
    assert at.advance(second, known) == (second, None)
    assert at.advance(second, known) == (second, None)  # as new as what is known


def test_what_is_older_than_the_same_attribute_is_late_and_the_rest_is_fresh() -> None:
    known, at = Known(), newest()
    at.advance(update(5, "temperature"), known)
    fresh, stale = at.advance(update(3, "temperature", "humidity"), known)
    assert (names(fresh), names(stale)) == ({"humidity"}, {"temperature"})
    assert fresh is not None
    assert fresh.still == b""  # the name is that of the newer one


def test_an_older_update_without_readings_is_superseded() -> None:
    known, at = Known(), newest()
    at.advance(update(5, "temperature"), known)
    assert at.advance(update(3), known) == (None, None)


@given(st.lists(st.tuples(st.integers(0, 6), st.sets(st.sampled_from("abcd"))), max_size=30))
def test_it_agrees_with_remembering_each_attribute(said: list[tuple[int, set[str]]]) -> None:
    known, at = Known(), newest()
    times: dict[str, int] = {}
    newest_of_all = -1
    for minute, attributes in said:
        fresh, stale = at.advance(update(minute, *sorted(attributes)), known)
        late = {name for name in attributes if times.get(name, -1) > minute}
        assert (names(stale) or set()) == late
        if minute >= newest_of_all:
            assert names(fresh) == attributes
        else:
            assert (names(fresh) or set()) == attributes - late
        times.update(dict.fromkeys(attributes - late, minute))
        newest_of_all = max(newest_of_all, minute)
