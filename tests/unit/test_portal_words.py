# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Numbers, times, rules and alerts in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from portal.atom import entry_of, xml
from portal.datasets import Rule, load_catalogue
from portal.open_data import words
from portal.open_data.rendering import with_code

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "german", "english"),
    [
        (0, "gerade eben", "just now"),
        (-30, "gerade eben", "just now"),
        (61, "vor einer Minute", "a minute ago"),
        (150, "vor 2 Minuten", "2 minutes ago"),
        (7100, "vor 118 Minuten", "118 minutes ago"),
        (7300, "vor 2 Stunden", "2 hours ago"),
        (86_400 * 3, "vor 3 Tagen", "3 days ago"),
    ],
)
def test_age(seconds: float, german: str, english: str) -> None:
    moment = NOW - timedelta(seconds=seconds)
    assert words.age(moment, NOW, "de") == german
    assert words.age(moment, NOW, "en") == english


def test_moments_are_in_the_citys_time() -> None:
    assert words.when(NOW, "de") == "01.07.2026, 14:00 Uhr"
    assert words.when(NOW, "en") == "1 Jul 2026, 14:00"


@pytest.mark.parametrize(
    ("rule", "german"),
    [
        (None, "unverändert veröffentlicht"),
        (Rule(metres=500), "Auf ein Raster von 500\u00a0m gerundet, der genaue Ort ist nicht zu sehen."),
        (Rule(every="PT15M"), "Ein Wert für je 15\u00a0Minuten."),
        (
            Rule(every="PT1H", delay="P1D"),
            "Ein Wert für je 1\u00a0Stunde. Erst nach 1\u00a0Tag veröffentlicht.",
        ),
        (Rule(delay="PT90S"), "Erst nach 90\u00a0Sekunden veröffentlicht."),
        (Rule(keep=("a", "b")), "Nur diese Teile werden gezeigt: a, b."),
        (
            Rule(every="PT1H", least=5, metres=1000),
            (
                "Nur der Mittelwert von mindestens 5 Messstellen im Umkreis von 1000\u00a0m wird"
                " veröffentlicht. Ein Wert für je 1\u00a0Stunde."
            ),
        ),
    ],
)
def test_rules_are_said_in_words(rule: Rule | None, german: str) -> None:
    assert words.rule_in_words(rule, "de") == german
    assert words.rule_in_words(rule, "en") not in {"", german}


def test_numbers() -> None:
    assert words.number(1234567, "de") == "1.234.567"
    assert words.number(1234567.5, "en", 1) == "1,234,567.5"
    assert words.value(0.25, "de") == "0,25"
    assert words.value(True, "de") == "ja"  # noqa: FBT003 - the value of an attribute
    assert words.value(["a", 1.5], "en") == "a, 1.5"
    assert words.size(999, "de") == "999\u00a0Byte"
    assert words.size(1_234_000, "de") == "1,2\u00a0MB"
    assert words.span(timedelta(days=2), "en") == "2\u00a0days"


def test_code_is_escaped() -> None:
    assert str(with_code("`a<b` & `c`")) == "<code>a&lt;b</code> &amp; <code>c</code>"


def alert(**attributes: Any) -> dict[str, Any]:
    named = {name: {"type": "Property", "value": value} for name, value in attributes.items()}
    return {"id": "urn:ngsi-ld:Alert:hagen:1", "type": "Alert", **named}


def test_alerts_of_other_makers() -> None:
    """Whatever an alert lacks, or however odd it is: it is an entry with all that a feed needs."""
    catalogue = load_catalogue(Path(__file__).parents[2] / "compose" / "datasets.toml")
    dataset = catalogue.named("meldungen")
    assert dataset is not None
    bare = entry_of(dataset, alert())
    assert (bare.title, bare.published) == ("Meldung", "1970-01-01T00:00:00.000Z")
    flood = entry_of(
        dataset,
        alert(
            category="naturalDisaster",
            subCategory="floodRisk",
            severity="high",
            dateIssued="2026-01-02T03:04:05Z",
        ),
    )
    assert flood.title == "Hochwassergefahr"
    assert flood.id == "urn:ngsi-ld:Alert:hagen:1#2026-01-02T03:04:05.000Z"
    assert [category.label for category in flood.categories] == ["hoch", "Naturgefahr", "Hochwassergefahr"]
    odd = entry_of(dataset, alert(dateIssued="yesterday", category="new", location={"type": "Polygon"}))
    assert (odd.title, odd.place) == ("New", None)
    assert xml("a\x00b\ud800c\ufffe\n") == "a\ufffdb\ufffdc\ufffd\n"
