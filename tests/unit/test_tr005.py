# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""QR codes of TR005, with the example of its own text."""

from __future__ import annotations

import pytest

from adapters.tr005 import LabelError, read_label

EXAMPLE = "LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122:OAABBCCDDEEFF:SYYWWNNNNNN:PFOOBAR:CAF2C"


def test_the_example_of_the_recommendation_is_read() -> None:
    label = read_label(EXAMPLE)
    assert (label.join_eui, label.dev_eui) == ("1122334455667788", "aabbccddeeff0011")
    assert (label.vendor, label.model, label.names) == ("aabb", "1122", ("tr005", "aabb1122"))
    assert (label.owner_token, label.serial, label.proprietary) == ("AABBCCDDEEFF", "YYWWNNNNNN", "FOOBAR")


def test_the_owners_secret_is_not_shown() -> None:
    assert "AABBCCDDEEFF" not in repr(read_label(EXAMPLE)).replace("aabbccddeeff0011", "")


@pytest.mark.parametrize(
    "text",
    [
        "LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122",
        " lw:d0:1122334455667788:aabbccddeeff0011:aabb1122\n",
        "LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122:Xnew:S",
    ],
)
def test_what_the_vendor_adds_is_optional(text: str) -> None:
    label = read_label(text)
    assert (label.dev_eui, label.serial, label.owner_token) == ("aabbccddeeff0011", None, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "LW:D0",
        "LW:D1:1122334455667788:AABBCCDDEEFF0011:AABB1122",
        "LW:D0:1122334455667788:AABBCCDDEEFF001:AABB1122",
        "LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB11",
        "LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122:",
        "https://example.org/AABBCCDDEEFF0011",
    ],
)
def test_what_is_no_such_code_is_refused(text: str) -> None:
    with pytest.raises(LabelError, match="no QR code of TR005"):
        read_label(text)


@pytest.mark.parametrize("place", [8, 30, 40, 50, 60, 72])
def test_a_sign_that_was_misread_is_noticed(place: int) -> None:
    wrong = "0" if EXAMPLE[place] != "0" else "1"
    with pytest.raises(LabelError, match="check sum AF2C does not fit"):
        read_label(f"{EXAMPLE[:place]}{wrong}{EXAMPLE[place + 1 :]}")
