# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`dashboard/themes.json`: themes, official scales and how numbers are shown; server and browser read it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ontology.loader import convert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DASHBOARD = Path(__file__).parent / "dashboard"
_OTHER = "weitere"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a scale says of a value.

    Attributes:
        level: 1 (best) to 5 (worst); 0: nothing is said.
        word: key of its word in the catalogues of texts, below `word.`.
        scale: name of the scale.
        attribute: the one that decided.
        incomplete: some of what the scale wants is not measured.
    """

    level: int
    word: str
    scale: str
    attribute: str
    incomplete: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Theme:
    """A theme of the dashboard: `id` is its address, `area` a name in `impact_areas.ttl`."""

    id: str
    area: str
    icon: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What `themes.json` says."""

    themes: tuple[Theme, ...]
    types: Mapping[str, Mapping[str, Any]]
    hidden: frozenset[str]
    scales: Mapping[str, Mapping[str, Any]]
    states: Mapping[str, Mapping[str, Any]]
    display: Mapping[str, Mapping[str, Any]]
    symbols: Mapping[str, str]

    def theme_of(self, type_name: str) -> str | None:
        """Return the theme that a type is shown in; None: it is not shown."""
        if type_name in self.hidden:
            return None
        theme: str = self.types.get(type_name, {}).get("theme", _OTHER)
        return theme

    def theme(self, theme_id: str) -> Theme | None:
        """Return a theme by its id."""
        return next((theme for theme in self.themes if theme.id == theme_id), None)

    def main(self, type_name: str) -> Sequence[str]:
        """Return the attributes that are shown first."""
        main: Sequence[str] = self.types.get(type_name, {}).get("main", ())
        return main

    def fresh(self, type_name: str) -> float:
        """Return after how many seconds a value of a type is called stale."""
        return float(self.types.get(type_name, {}).get("fresh", 86_400))

    def trend(self, type_name: str) -> Mapping[str, float]:
        """Return by how much an attribute must change in an hour or two to be called rising or falling."""
        trend: Mapping[str, float] = self.types.get(type_name, {}).get("trend", {})
        return trend

    def shown(self, type_name: str, attribute: str) -> Mapping[str, Any]:
        """Return unit and digits in which an attribute is shown."""
        return self.display.get(f"{type_name}.{attribute}") or self.display.get(attribute) or {}

    def limits(self, type_name: str, attribute: str, values: Mapping[str, Any]) -> list[float]:
        """Return the upper limits of an attribute's bands in the scale's unit; none: it has no bands."""
        scale = self.scales.get(self.types.get(type_name, {}).get("scale", ""), {})
        own = scale.get("stations", {}).get(attribute)
        if own is not None:
            found = [values.get(name) for name in own]
            return [limit for limit in found if isinstance(limit, int | float)]
        upper: list[float] = scale.get("upper", {}).get(attribute, [])
        return upper

    def judge(
        self, type_name: str, values: Mapping[str, Any], units: Mapping[str, str | None]
    ) -> Verdict | None:
        """Return what the type's scale says of values; None: it has no scale, or no value of it.

        Args:
            type_name: whose.
            values: by attribute; of a scale of hourly means, the means.
            units: UN/CEFACT codes of them.
        """
        about = self.types.get(type_name, {})
        if "states" in about:
            return self._state(about["states"], values)
        name = about.get("scale")
        if name is None:
            return None
        scale = self.scales[name]
        asked = scale.get("upper") or scale["stations"]
        found: list[tuple[int, str]] = []
        for attribute in asked:
            value = values.get(attribute)
            if not isinstance(value, int | float) or isinstance(value, bool):
                continue
            limits = self.limits(type_name, attribute, values)
            if "stations" in scale:
                if len(limits) == len(scale["words"]) - 1:
                    found.append((sum(value >= limit for limit in limits), attribute))
                continue
            shown = _half_up(convert(float(value), units.get(attribute) or scale["unit"], scale["unit"]))
            found.append((sum(shown > limit for limit in limits), attribute))
        if not found:
            return None
        band, attribute = max(found)
        return Verdict(
            level=scale["levels"][band],
            word=scale["words"][band],
            scale=name,
            attribute=attribute,
            incomplete=len(found) < len(asked),
        )

    def _state(self, name: str, values: Mapping[str, Any]) -> Verdict | None:
        states = self.states[name]
        attribute: str = states["attribute"]
        value = values.get(attribute)
        if not isinstance(value, str) or value not in states["levels"]:
            return None
        return Verdict(level=states["levels"][value], word=value, scale=name, attribute=attribute)


def _half_up(value: float) -> float:
    """Round as the official tables mean it: their bands are whole numbers."""
    return math.floor(value + 0.5)


@cache
def rules() -> Rules:
    """Read `themes.json`, once."""
    table = json.loads((DASHBOARD / "themes.json").read_text(encoding="utf-8"))
    return Rules(
        themes=tuple(Theme(**theme) for theme in table["themes"]),
        types=table["types"],
        hidden=frozenset(table["hidden"]),
        scales=table["scales"],
        states=table["states"],
        display=table["shown"],
        symbols=table["symbols"],
    )
