# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Official scales, texts in three languages, and how values are written."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from models.types import TYPES
from models.types import attributes as attributes_of
from ontology.loader import areas
from portal.datasets import Rule
from portal.described import label, privacy_text, shown
from portal.pages_assets import assets
from portal.pages_cards import drawn
from portal.pages_outline import WIDTH, outline
from portal.pages_rules import DASHBOARD, rules
from portal.pages_stations import Value, hours
from portal.pages_text import languages

#: The air quality index of the Umweltbundesamt: hourly means in µg/m³, the last value of each band.
_LQI = {
    "pm10": (9, 27, 54, 90),
    "pm25": (5, 15, 30, 50),
    "o3": (24, 72, 144, 240),
    "no2": (10, 30, 60, 100),
    "so2": (10, 30, 60, 100),
}
_WORDS = ("very-good", "good", "moderate", "bad", "very-bad")
_START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("pollutant", "upper"), _LQI.items())
def test_bands_of_the_air_quality_index(pollutant: str, upper: tuple[int, ...]) -> None:
    for band, limit in enumerate(upper):
        for value, expected in (
            (limit, band),
            (limit + 0.4, band),
            (limit + 0.5, band + 1),
            (limit + 1, band + 1),
        ):
            verdict = rules().judge("AirQualityObserved", {pollutant: value}, {pollutant: "GQ"})
            assert verdict is not None
            assert (verdict.word, verdict.level) == (_WORDS[expected], expected + 1)
            assert verdict.incomplete


def test_the_worst_pollutant_decides() -> None:
    values = {"pm10": 9, "pm25": 5, "o3": 150, "no2": 31, "so2": 1}
    verdict = rules().judge("AirQualityObserved", values, dict.fromkeys(values, "GQ"))
    assert verdict is not None
    assert (verdict.word, verdict.attribute, verdict.incomplete) == ("bad", "o3", False)
    assert rules().judge("AirQualityObserved", {"co": 3}, {"co": "GP"}) is None
    # 0.031 mg/m³ are 31 µg/m³.
    verdict = rules().judge("AirQualityObserved", {"no2": 0.031}, {"no2": "GP"})
    assert verdict is not None
    assert verdict.word == "moderate"


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (999.4, "harmless"),
        (1000, "elevated"),
        (2000, "elevated"),
        (2000.6, "unacceptable"),
        (400, "harmless"),
    ],
)
def test_carbon_dioxide_indoors(value: float, word: str) -> None:
    verdict = rules().judge("IndoorEnvironmentObserved", {"co2": value}, {"co2": "59"})
    assert verdict is not None
    assert verdict.word == word


@pytest.mark.parametrize(
    ("value", "word"), [(0.694, "space"), (0.7, "nearly-full"), (0.9, "full"), (0.0, "space")]
)
def test_fill_levels(value: float, word: str) -> None:
    verdict = rules().judge("WasteContainer", {"fillingLevel": value}, {"fillingLevel": "C62"})
    assert verdict is not None
    assert verdict.word == word


def test_gauges_are_judged_by_their_own_thresholds_alone() -> None:
    units = {"currentLevel": "MTR"}
    assert rules().judge("FloodMonitoring", {"currentLevel": 9.9}, units) is None
    assert rules().judge("FloodMonitoring", {"currentLevel": 9.9, "alertLevel": 1.0}, units) is None
    own = {"alertLevel": 1.0, "dangerLevel": 2.0}
    for level, word in ((0.99, "inconspicuous"), (1.0, "above-notice"), (2.0, "above-danger")):
        verdict = rules().judge("FloodMonitoring", {"currentLevel": level, **own}, units)
        assert verdict is not None
        assert verdict.word == word


def test_noise_and_weather_are_not_judged() -> None:
    assert rules().judge("NoiseLevelObserved", {"LAeq": 95}, {"LAeq": "2N"}) is None
    assert rules().judge("WeatherObserved", {"temperature": 39}, {"temperature": "CEL"}) is None


def test_rules_name_what_there_is() -> None:
    themes = {theme.id for theme in rules().themes}
    for name, about in rules().types.items():
        known = {attribute.name for attribute in attributes_of(TYPES[name])}
        named = {*about["main"], *about.get("trend", ()), *about.get("counters", ())}
        assert named <= known, name
        assert about["theme"] in themes
    assert {theme.area for theme in rules().themes} <= set(areas())
    for scale in rules().scales.values():
        assert len(scale["words"]) == len(scale["levels"])


def test_languages_say_the_same() -> None:
    """No key is missing, no place of a text is lost, and every key that is asked for is there."""
    german = languages()["de"].texts
    place = re.compile(r"\{(\w+)\}")
    for code in ("en", "ls"):
        texts = languages()[code].texts
        assert set(texts) == set(german)
        for key, text in texts.items():
            assert set(place.findall(text)) <= set(place.findall(german[key])), (code, key)
    for theme in rules().themes:
        assert f"topic.{theme.id}" in german
        assert f"about.{theme.id}" in german
    words = {word for scale in rules().scales.values() for word in scale["words"]}
    assert {f"word.{word}" for word in words} <= set(german)
    asked: set[str] = set()
    for path in DASHBOARD.joinpath("templates").glob("*.html"):
        asked |= set(re.findall(r"\bt\('([\w.]+)'[),]", path.read_text(encoding="utf-8")))
    for path in DASHBOARD.joinpath("js").glob("*.js"):
        asked |= set(re.findall(r"all\[\"([\w.]+)\"\]", path.read_text(encoding="utf-8")))
    assert len(asked) > 100
    assert asked <= set(german)


def test_numbers_are_written_as_each_language_does() -> None:
    de, en = languages()["de"], languages()["en"]
    assert de.number(1234.5, 1) == "1.234,5"
    assert en.number(1234.5, 1) == "1,234.5"
    assert de.number(-0.04, 1) == "0,0"
    assert de.number(-2.5, 1) == "\u22122,5"
    level = Value(value=0.417, unit="MTR", at=None)
    assert de.value("FloodMonitoring", "currentLevel", level) == "42\u00a0cm"
    assert de.value("WeatherObserved", "windSpeed", Value(value=10.0, unit="MTS", at=None)) == "36\u00a0km/h"
    assert de.value("ParkingSpot", "status", Value(value="free", unit=None, at=None)) == "frei"
    assert (
        en.value("WasteContainer", "storedWasteKind", Value(value=["glass"], unit=None, at=None)) == "glass"
    )


def test_ages_and_moments() -> None:
    de, en = languages()["de"], languages()["en"]
    for seconds, german in (
        (5, "gerade eben"),
        (61, "vor 1 Minute"),
        (7300, "vor 2 Stunden"),
        (86_400, "vor 1 Tag"),
    ):
        assert de.age(_START, _START + timedelta(seconds=seconds)) == german
    assert en.age(_START, _START + timedelta(minutes=3)) == "3 minutes ago"
    assert de.when(_START) == "01.03.2026, 13:00 Uhr"
    assert en.when(_START.replace(month=7)) == "1 Jul 2026, 14:00"


def test_attributes_have_words_and_units() -> None:
    assert label("AirQualityObserved", "pm25") == ("Feinstaub PM2,5", "particulate matter PM2.5")
    assert label("FloodMonitoring", "currentLevel")[0] == "Wasserstand"
    assert shown("WeatherObserved", "relativeHumidity") == {
        "symbol": "%",
        "factor": 100.0,
        "shift": 0.0,
        "digits": 0,
    }
    assert shown("WeatherObserved", "name") is None
    assert privacy_text(Rule(metres=500, every="PT15M", delay="PT1H"))["de"] == (
        "Lage auf 500 m genau, ein Wert je 15 Minuten, 60 Minuten später"
    )


def test_means_go_where_their_time_is() -> None:
    begins = _START + timedelta(minutes=20)
    whole = [
        [1.0, "2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"],
        [3.0, "2026-03-01T14:00:00Z", "2026-03-01T15:00:00Z"],
    ]
    assert hours(whole, begins, 3) == [1.0, None, 3.0]
    assert hours([[2.0, "2026-03-01T13:20:00Z", "x"]], begins, 3) == [None, 2.0, None]
    assert hours("nothing", begins, 2) == [None, None]


def test_curves_have_gaps() -> None:
    path, last = drawn([1.0, 2.0, None, 3.0, 3.0])
    assert path.count("M") == 2
    assert path.count("L") == 2
    assert last == (117.0, 4.0)


def test_the_base_map_is_one_city() -> None:
    drawing = outline()
    assert set(drawing.paths) == {"city", "wood", "district", "lake", "river", "brook", "road", "motorway"}
    assert {name for kind, name, _, _ in drawing.names if kind == "district-name"} == {
        "Nord", "Mitte", "Haspe", "Eilpe/Dahl", "Hohenlimburg"
    }  # fmt: skip
    x, y = drawing.point((7.4747, 51.3671))
    assert 0 < x < WIDTH
    assert 0 < y < drawing.height


def test_assets_are_named_by_their_content() -> None:
    found = assets()
    assert re.fullmatch(r"/assets/[0-9a-f]{12}/css/page\.css", found.url("css/page.css"))
    with pytest.raises(KeyError):
        found.url("templates/base.html")
    assert "br" in found.files["vendor/maplibre/maplibre-gl.mjs"].body
    sizes = {name: len(min(asset.body.values(), key=len)) for name, asset in found.files.items()}
    engine = sum(size for name, size in sizes.items() if "maplibre" in name)
    assert engine < 380_000
