# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The live interfaces, as the catalogue tells of them: the same for every dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from portal.datasets import Text


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """A live interface over all datasets.

    Attributes:
        name: its name in addresses of the catalogue.
        path: behind the portal's address.
        file_type: code of the EU's authority table file-type.
        media_type: of its answers.
        standard: what it conforms to.
    """

    name: str
    path: str
    title: Text
    description: Text
    file_type: str
    media_type: str
    standard: str


SERVICES: Final = (
    Service(
        name="ngsi-ld",
        path="/ngsi-ld/v1",
        title=Text(de="NGSI-LD-Schnittstelle (live)", en="NGSI-LD API (live)"),
        description=Text(
            de="Aktuelle Werte und Verlauf nach ETSI GS CIM 009, lesend und ohne Anmeldung.",
            en="Current values and history by ETSI GS CIM 009, read-only, without registration.",
        ),
        file_type="JSON_LD",
        media_type="application/ld+json",
        standard="https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld",
    ),
    Service(
        name="ogc-features",
        path="/ogc/features",
        title=Text(de="OGC API Features (live)", en="OGC API Features (live)"),
        description=Text(
            de="Aktuelle Werte mit Lage für Geoinformationssysteme wie QGIS, lesend und ohne Anmeldung.",
            en="Current values with positions for GIS such as QGIS, read-only, without registration.",
        ),
        file_type="GEOJSON",
        media_type="application/geo+json",
        standard="http://www.opengis.net/doc/IS/ogcapi-features-1/1.0",
    ),
    Service(
        name="sensorthings",
        path="/sensorthings/v1.1",
        title=Text(de="OGC SensorThings API (live)", en="OGC SensorThings API (live)"),
        description=Text(
            de="Messreihen für Masterportale und andere Kartenanwendungen, lesend und ohne Anmeldung.",
            en="Series of observations for map applications, read-only, without registration.",
        ),
        file_type="JSON",
        media_type="application/json",
        standard="http://www.opengis.net/doc/is/sensorthings/1.1",
    ),
)
