# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`/datasets.json`: what is published, in words: titles, attributes, units, licence, privacy.

    {"title": {de, en}, "publisher": {de, en}, "place": {"name", "bbox"}, "datasets": [
      {"name", "type", "theme", "title": {de, en}, "description": {de, en}, "areas": [{"name", "de", "en"}],
       "frequency", "accuracy": {de, en} | null, "licence": {"iri", "title", "url"}, "attribution",
       "ids": "kept" | "hidden", "privacy": [{"attribute", "de", "en"}],
       "attributes": [{"name", "de", "en", "unit": {"code", "symbol", "de"} | null,
                       "shown": {"symbol", "factor", "shift", "digits"} | null}],
       "links": {"landing", "current", "history", "csv", "geojson"}}]}

`shown` is how people are shown a number: `value * factor + shift`, with so many digits, before `symbol`.
"""

# ruff: noqa: RUF001 - licences have dashes in their titles
from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from aiohttp import web

from models.types import attribute_unit
from ontology.loader import areas, conversion, quantities, units
from portal.pages_rules import rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from portal.datasets import Dataset, Rule, Text
    from portal.office import Office

LICENCES: Mapping[str, tuple[str, str]] = {
    "dl-by-de/2.0": ("Datenlizenz Deutschland – Namensnennung – 2.0", "https://www.govdata.de/dl-de/by-2-0"),
    "dl-zero-de/2.0": ("Datenlizenz Deutschland – Zero – 2.0", "https://www.govdata.de/dl-de/zero-2-0"),
    "cc-by/4.0": ("Creative Commons – Namensnennung 4.0", "https://creativecommons.org/licenses/by/4.0/"),
    "cc-zero": ("Creative Commons – CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
}
"""Title and address of the licence's text, by its code."""

#: Labels of attributes that no quantity of the vocabulary becomes, or several.
_LABELS: Mapping[str, tuple[str, str]] = {
    "name": ("Name", "name"),
    "source": ("Quelle", "source"),
    "location": ("Lage", "location"),
    "areaServed": ("Stadtbezirk", "district"),
    "stationID": ("Kennung der Messstelle", "identifier of the station"),
    "status": ("Belegung", "occupancy"),
    "category": ("Art", "category"),
    "storedWasteKind": ("Inhalt", "kind of waste"),
    "refParkingSite": ("Parkplatz", "parking site"),
    "typeofLocation": ("Lage im Freien oder innen", "indoor or outdoor"),
    "sonometerClass": ("Klasse des Schallpegelmessers", "class of the sound level meter"),
    "meterType": ("Art des Zählers", "kind of meter"),
    "dateObserved": ("Beobachtet am", "observed at"),
    "dateObservedFrom": ("Beobachtet von", "observed from"),
    "dateObservedTo": ("Beobachtet bis", "observed until"),
    "observationDateTime": ("Beobachtet am", "observed at"),
    "alertLevel": ("Hinweisschwelle der Messstelle", "notice threshold of the station"),
    "dangerLevel": ("Gefahrenschwelle der Messstelle", "danger threshold of the station"),
    "fillingLevel": ("Füllstand", "fill level"),
    "totalConsumption": ("Zählerstand", "meter reading"),
    "totalSpotNumber": ("Stellplätze", "spots"),
    "availableSpotNumber": ("Freie Stellplätze", "free spots"),
    "occupiedSpotNumber": ("Belegte Stellplätze", "occupied spots"),
    "address": ("Adresse", "address"),
    "description": ("Beschreibung", "description"),
    "subCategory": ("Unterart", "subcategory"),
    "severity": ("Schwere", "severity"),
    "dateIssued": ("Gemeldet am", "issued at"),
}


def routes(office: Office) -> Iterable[web.AbstractRouteDef]:
    """Serve the description of what everybody may see."""
    body = json.dumps(described(office), ensure_ascii=False, separators=(",", ":")).encode()

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(
            body=body,
            content_type="application/json",
            charset="utf-8",
            headers={"Cache-Control": "public, max-age=300"},
        )

    return [web.get("/datasets.json", answer)]


def described(office: Office) -> dict[str, Any]:
    """Return what the public view has, as JSON (see the module)."""
    catalogue = office.catalogue
    return {
        "title": _both(catalogue.title),
        "publisher": _both(catalogue.publisher.name),
        "place": {"name": catalogue.place.name, "bbox": list(catalogue.place.bbox)},
        "datasets": [_dataset(office, dataset) for dataset in office.public.datasets],
    }


def _dataset(office: Office, dataset: Dataset) -> dict[str, Any]:
    known = areas()
    code = dataset.licence or office.catalogue.licence
    title, url = LICENCES[code]
    return {
        "name": dataset.name,
        "type": dataset.type,
        "theme": rules().theme_of(dataset.type),
        "title": _both(dataset.title),
        "description": _both(dataset.description),
        "areas": [
            {"name": name, "de": known[name].label_de, "en": known[name].label_en}
            for name in dataset.model.areas
        ],
        "frequency": dataset.frequency,
        "accuracy": None if dataset.accuracy is None else _both(dataset.accuracy),
        "licence": {"iri": office.catalogue.licence_of(dataset), "title": title, "url": url},
        "attribution": dataset.attribution or office.catalogue.publisher_of(dataset).name.de,
        "ids": dataset.ids,
        "privacy": [
            {"attribute": name, **text}
            for name, rule in dataset.rules.items()
            for text in (privacy_text(rule),)
            if text
        ],
        "attributes": [_attribute(dataset.type, name) for name in dataset.attributes],
        "links": {
            "landing": f"{office.url}/dataset/{dataset.name}",
            "current": f"{office.url}/ngsi-ld/v1/entities?type={dataset.type}&options=keyValues",
            "history": f"{office.url}/ngsi-ld/v1/temporal/entities?type={dataset.type}",
            "csv": f"{office.url}/files/{dataset.name}/current.csv",
            "geojson": f"{office.url}/files/{dataset.name}/current.geojson",
        },
    }


def _attribute(type_name: str, name: str) -> dict[str, Any]:
    label_de, label_en = label(type_name, name)
    code = attribute_unit(type_name, name)
    unit = None if code is None else units()[code]
    return {
        "name": name,
        "de": label_de,
        "en": label_en,
        "unit": None if unit is None else {"code": unit.code, "symbol": unit.symbol, "de": unit.label_de},
        "shown": shown(type_name, name),
    }


@cache
def label(type_name: str, attribute: str) -> tuple[str, str]:
    """Return what an attribute is called, in German and in English; its own name where there is no other."""
    if attribute in _LABELS:
        return _LABELS[attribute]
    for quantity in quantities().values():
        target = quantity.targets.get(type_name)
        if target is not None and target.attribute == attribute:
            return quantity.label_de, quantity.label_en
    return attribute, attribute


@cache
def shown(type_name: str, attribute: str) -> dict[str, Any] | None:
    """Return how a number is shown to people (see the module); None: the attribute has no unit."""
    code = attribute_unit(type_name, attribute)
    if code is None:
        return None
    how = rules().shown(type_name, attribute)
    target = how.get("unit", code)
    factor, shift = conversion(code, target)
    return {
        "symbol": rules().symbols.get(target, units()[target].symbol),
        "factor": factor,
        "shift": shift,
        "digits": how.get("digits", 2),
    }


def privacy_text(rule: Rule) -> dict[str, str]:
    """Say in a sentence what a rule makes of an attribute, in both languages; nothing for `keep`."""
    parts: list[tuple[str, str]] = []
    if rule.metres is not None:
        parts.append((f"Lage auf {rule.metres:g} m genau", f"position within {rule.metres:g} m"))
    if rule.least is not None:
        parts.append(
            (f"Mittel über mindestens {rule.least} Messstellen", f"mean of at least {rule.least} stations")
        )
    if rule.period is not None:
        minutes = rule.period.total_seconds() / 60
        parts.append((f"ein Wert je {minutes:g} Minuten", f"one value every {minutes:g} minutes"))
    if rule.wait:
        minutes = rule.wait.total_seconds() / 60
        parts.append((f"{minutes:g} Minuten später", f"{minutes:g} minutes later"))
    if not parts:
        return {}
    return {"de": ", ".join(german for german, _ in parts), "en": ", ".join(english for _, english in parts)}


def _both(text: Text) -> dict[str, str]:
    return {"de": text.de, "en": text.en}
