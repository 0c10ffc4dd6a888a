# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""When devices were heard, and what is missing of what they sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.activity import Book
from broker.journal.port import KEYS_REMEMBERED
from models.completeness import HOURS, Completeness, Hours, completeness

T0 = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)


def heard(frames: list[tuple[int, float]], *, now_minutes: float) -> Completeness:
    """Let a device send frames (counter, minutes after T0), and ask how complete it is."""
    book = Book()
    for f_cnt, minutes in frames:
        book.settle("a", T0 + timedelta(minutes=minutes), key=1000 + f_cnt, f_cnt=f_cnt)
    activity = book.take_changes()["a"]
    hours, interval = Hours.unpack(activity.hour, activity.hours)
    now = T0 + timedelta(minutes=now_minutes)
    return completeness(
        hours, interval, first_seen=activity.first_seen, last_seen=activity.last_seen, counted=True, now=now
    )


def test_gaps_in_the_counter_are_missing_frames() -> None:
    found = heard([(1, 0), (2, 10), (5, 40), (6, 50)], now_minutes=51)
    assert (found.received, found.missed, found.silent_since) == (4, 2, None)
    assert found.share == pytest.approx(4 / 6)


def test_an_overtaken_frame_is_missing_no_longer() -> None:
    assert heard([(1, 0), (3, 20), (2, 10), (4, 30)], now_minutes=31).missed == 0


def test_a_counter_that_begins_anew_is_no_loss() -> None:
    assert heard([(4000, 0), (4001, 10), (0, 20), (1, 30)], now_minutes=31).missed == 0


def test_a_silent_device_misses_more_and_more() -> None:
    frames = [(n, 10.0 * n) for n in range(12)]
    assert heard(frames, now_minutes=115).silent_since is None
    found = heard(frames, now_minutes=170)
    assert found.silent_since == T0 + timedelta(minutes=110)
    assert found.missed == 6
    assert found.interval == 600


def test_without_a_counter_the_usual_interval_tells() -> None:
    book = Book()
    for n in range(60):
        if n % 6 != 5:
            book.settle("a", T0 + timedelta(minutes=n))
    activity = book.take_changes()["a"]
    hours, interval = Hours.unpack(activity.hour, activity.hours)
    now = T0 + timedelta(minutes=60)
    found = completeness(
        hours, interval, first_seen=activity.first_seen, last_seen=activity.last_seen, counted=False, now=now
    )
    assert found.received == 50
    assert 5 <= found.missed <= 12


def test_nothing_is_expected_before_a_device_was_heard_first() -> None:
    book = Book()
    for n in range(4):
        book.settle("a", T0 + timedelta(minutes=50, seconds=20 * n))
    activity = book.take_changes()["a"]
    hours, interval = Hours.unpack(activity.hour, activity.hours)
    found = completeness(
        hours,
        interval,
        first_seen=activity.first_seen,
        last_seen=activity.last_seen,
        counted=False,
        now=T0 + timedelta(minutes=51),
    )
    assert (found.received, found.missed, found.share) == (4, 0, 1.0)


def test_what_is_older_than_a_day_no_longer_counts() -> None:
    found = heard([(1, 0), (5, 5), (6, 26 * 60), (7, 26 * 60 + 5)], now_minutes=26 * 60 + 6)
    assert (found.received, found.missed) == (2, 0)


def test_hours_are_the_same_after_they_were_packed() -> None:
    hours = Hours()
    for n in range(3 * HOURS):
        hours.received(T0 + timedelta(hours=n))
        hours.missed(T0 + timedelta(hours=n), n)
    again, interval = Hours.unpack(hours.hour, hours.pack(90.0))
    assert (again.hour, again.counts, interval) == (hours.hour, hours.counts, 90.0)


def test_a_frame_on_its_way_is_a_duplicate_only_the_second_time() -> None:
    book = Book()
    assert [book.take("a", 1), book.take("a", 1), book.take("b", 1)] == [False, True, False]
    book.settle("a", T0, key=1)
    assert book.take("a", 1)  # settled
    assert book.changed == 1


def test_as_many_keys_are_remembered_as_the_journal_keeps() -> None:
    book = Book()
    for key in range(KEYS_REMEMBERED + 5):
        book.settle("a", T0 + timedelta(seconds=key), key=key)
    assert book.take_changes()["a"].keys == tuple(range(5, KEYS_REMEMBERED + 5))
    assert not book.take("a", 4)
    assert book.take("a", 5)


def test_what_was_saved_is_known_again() -> None:
    book = Book()
    for n in range(5):
        book.settle("a", T0 + timedelta(minutes=n), key=n, f_cnt=n)
    saved = book.take_changes()
    again = Book()
    again.recall(["a", "b"], saved)
    assert again.unknown(["a", "b", "c"]) == {"c"}
    assert again.take("a", 3)
    again.settle("a", T0 + timedelta(minutes=6), key=6, f_cnt=6)
    assert again.take_changes()["a"].messages == 6
    assert again.take_changes() == {}


def test_what_could_not_be_saved_is_saved_the_next_time() -> None:
    book = Book()
    book.settle("a", T0)
    book.put_back(book.take_changes())
    assert book.take_changes().keys() == {"a"}


@given(st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis adds the zone
def test_moments_are_kept_to_the_microsecond(moment: datetime) -> None:
    book = Book()
    book.settle("a", moment)
    assert book.last_seen("a") == moment
    assert book.take_changes()["a"].first_seen == moment


def test_devices_are_kept_apart() -> None:
    frames = [("a", 0, 1), ("b", 1, 7), ("a", 2, 4), ("b", 3, 8), ("c", 4, None), ("a", 5, 5)]
    together = Book()
    for name, minute, f_cnt in frames:
        together.settle(name, T0 + timedelta(minutes=minute), key=minute, f_cnt=f_cnt)
    found = together.take_changes()
    for name in "abc":
        alone = Book()
        for other, minute, f_cnt in frames:
            if other == name:
                alone.settle(name, T0 + timedelta(minutes=minute), key=minute, f_cnt=f_cnt)
        assert alone.take_changes() == {name: found[name]}
    heard = together.heard("a")
    assert heard is not None
    assert (heard.last_seen, heard.messages) == (T0 + timedelta(minutes=5), 3)
    assert together.heard("d") is None


def test_there_is_room_for_many_devices() -> None:
    book = Book()
    names = [f"box-{number}" for number in range(3000)]
    for number, name in enumerate(names):
        book.settle(name, T0 + timedelta(minutes=number))
    assert book.changed == 3000
    saved = book.take_changes()
    assert [saved[name].last_seen for name in names] == [T0 + timedelta(minutes=n) for n in range(3000)]
    again = Book()
    again.recall(names, saved)
    again.put_back(names)
    assert again.take_changes() == saved
    assert again.changed == 0
