# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Durations, moments and ids of history, apart from any database (clauses 4.11 and 4.5.19)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.embedded.history import content, instant
from broker.embedded.problems import BadRequestDataError
from broker.embedded.temporal_query import Duration, later, parse_duration, parse_window
from broker.embedded.temporal_representations import moment_text, place_id, place_of

MOMENTS = st.datetimes(timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("text", "months", "rest"),
    [
        ("PT0S", 0, timedelta()),
        ("PT15M", 0, timedelta(minutes=15)),
        ("P1DT12H", 0, timedelta(hours=36)),
        ("P2W", 0, timedelta(weeks=2)),
        ("P1Y2M3DT4H5M6.5S", 14, timedelta(days=3, hours=4, minutes=5, seconds=6.5)),
        ("PT0,25S", 0, timedelta(milliseconds=250)),
        ("P0D", 0, timedelta()),
        ("PT1.5H", 0, timedelta(minutes=90)),
        ("P1DT0.5M", 0, timedelta(days=1, seconds=30)),
        ("P0,5D", 0, timedelta(hours=12)),
        ("P1.5W", 0, timedelta(days=10.5)),
    ],
)
def test_durations(text: str, months: int, rest: timedelta) -> None:
    assert parse_duration(text) == Duration(months=months, rest=rest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "1H",
        "P1H",
        "PT1D",
        "P-1D",
        "P1S",
        "PT1S ",
        "pt1s",
        "P1.5DT1H",
        "P1Y2W",
        "P0.5Y",
        None,
        60,
    ],
)
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(BadRequestDataError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("start", "period", "end"),
    [
        ("2024-01-31", "P1M", "2024-02-29"),
        ("2023-01-31", "P1M", "2023-02-28"),
        ("2024-02-29", "P1Y", "2025-02-28"),
        ("2026-12-01", "P1M", "2027-01-01"),
        ("9999-11-30", "P1M", "9999-12-30"),
        ("2026-05-01", "P1M1D", "2026-06-02"),
    ],
)
def test_a_duration_later(start: str, period: str, end: str) -> None:
    assert later(datetime.fromisoformat(start), parse_duration(period)) == datetime.fromisoformat(end)


@pytest.mark.parametrize("period", ["P1M", "P1Y", "P31D"])
def test_the_calendar_ends(period: str) -> None:
    with pytest.raises(OverflowError):
        later(datetime(9999, 12, 15, tzinfo=UTC), parse_duration(period))


def test_a_window_without_anything_is_all_of_time() -> None:
    window = parse_window({})
    assert (window.time, window.relation, window.begins, window.ends) == ("observedAt", None, None, None)


@given(MOMENTS)
def test_a_moment_is_read_as_it_is_written(moment: datetime) -> None:
    assert instant(moment_text(moment)) == moment


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**31 - 1), MOMENTS, st.integers(-(2**63), 2**63 - 1))
def test_an_instance_is_found_by_its_id(entity: int, name: int, at: datetime, digest: int) -> None:
    assert place_of(place_id(entity, name, at, digest)) == (entity, name, at, digest)


@given(st.text())
def test_any_text_may_be_asked_for_as_an_id(text: str) -> None:
    place_of("urn:ngsi-ld:Instance:" + text)


def test_the_same_content_has_the_same_digest_whatever_its_times() -> None:
    one = {"type": "Property", "value": 1, "observedAt": "2026-05-01T10:00:00Z", "createdAt": "x"}
    two = {"value": 1, "type": "Property", "modifiedAt": "y", "datasetId": "urn:d:1"}
    assert content(one) == content(two)
    assert content(one) != content({**one, "unitCode": "MTR"})
    assert content(one) != content({**one, "value": True})
    nested = {"urn:a": [{"type": "Property", "value": 1, "createdAt": "x", "modifiedAt": "y"}]}
    assert content({**one, **nested}) == content({**one, "urn:a": [{"type": "Property", "value": 1}]})
