# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Tables and single values on a terminal."""

from __future__ import annotations

import pytest

from compose.commands.printing import fitted, print_table
from compose.commands.words import clean, counted, nearest


def test_what_fits_is_left_alone() -> None:
    assert fitted([16, 10, 20], 80, {0}, wrapped=False) == [16, 10, 20]


def test_the_widest_columns_are_cut_and_never_the_first() -> None:
    widths = fitted([32, 24, 60, 10], 80, {0}, wrapped=False)
    assert widths[0] == 32
    assert sum(widths) + 6 == 80
    assert widths[1:] == [16, 16, 10]


def test_a_sentence_gives_way_first() -> None:
    assert fitted([2, 10, 200], 80, {0}, wrapped=True) == [2, 10, 64]


def test_nothing_becomes_narrower_than_can_be_read() -> None:
    assert fitted([90, 30, 50], 80, {0}, wrapped=True) == [90, 6, 6]


def test_elsewhere_than_on_a_terminal_nothing_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("id", "messages", "name"), [("a", 1200, "x" * 200), ("bb", None, "\x1b[1m\n")], "none")
    assert capsys.readouterr().out.splitlines() == [
        "id  messages  name",
        "a      1,200  " + "x" * 200,
        "bb            \\x1b[1m",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Höhe „Süd“", "Höhe „Süd“"),
        ("a\tb\nc", "a b c"),
        ("\x1b]0;x\x07", "\\x1b]0;x\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("\u202e", "\\u202e"),
        ("\udcfc", "�"),
        (None, ""),
    ],
)
def test_what_could_move_the_cursor_becomes_visible(text: str | None, shown: str) -> None:
    assert clean(text) == shown


def test_numbers_have_their_noun() -> None:
    assert [counted(number, "message") for number in (0, 1, 1200)] == [
        "0 messages",
        "1 message",
        "1,200 messages",
    ]


def test_what_is_meant_is_guessed_where_it_is_near() -> None:
    assert nearest("weatherobserve", ["WeatherObserved", "Device"]) == "; did you mean WeatherObserved?"
    assert nearest("xyz", ["WeatherObserved", "Device"]) == ""
