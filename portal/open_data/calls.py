# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How a dataset is asked for: a call to copy for each interface, with the names that the dataset has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from models.types import attribute_unit
from portal.datasets import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from portal.catalogue_state import Facts
    from portal.datasets import Dataset
    from portal.office import Office

_SAFE: Final = "/:,$();="  # quotation marks are not: calls stand in some
_SAYS_WHERE: Final = frozenset({"name", "source", "location", "areaServed"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One way to ask for a dataset.

    Attributes:
        name: of the interface.
        what: what one gets, in a sentence.
        lines: commands to copy: for a terminal, or a program's address field.
        href: an address that shows the answer in a browser; None: there is nothing to see there.
    """

    name: str
    what: Text
    lines: tuple[str, ...]
    href: str | None = None


def measured(dataset: Dataset) -> tuple[str, ...]:
    """Return the attributes of a dataset that are numbers with a unit; if there are none, all."""
    with_unit = tuple(name for name in dataset.attributes if attribute_unit(dataset.type, name) is not None)
    return with_unit or tuple(
        name for name in dataset.attributes if name not in {"name", "source", "location"}
    )


def calls(office: Office, facts: Facts) -> Iterator[Call]:
    """Yield the ways to ask for a dataset, those that need least knowledge first."""
    url, dataset = office.url, facts.dataset
    csv = next((file for file in facts.files if file.file_type == "CSV" and file.days is None), None)
    if csv is not None:
        yield Call(
            name="Python (pandas)",
            what=Text(
                de="Aktuelle Werte als Tabelle in einem Notebook.",
                en="Current values as a table in a notebook.",
            ),
            lines=("import pandas", f'tabelle = pandas.read_csv("{url}{csv.path}")'),
        )
    items = f"{url}/ogc/features/collections/{dataset.name}/items"
    yield Call(
        name="OGC API Features",
        what=Text(
            de="Für Karten und Geoinformationssysteme. In QGIS: Layer, Layer hinzufügen, WFS / OGC API -"
            " Features, neue Verbindung mit dieser Adresse.",
            en="For maps and GIS. In QGIS: Layer, Add Layer, WFS / OGC API - Features, new connection with"
            " this address.",
        ),
        lines=(f"{url}/ogc/features", f"curl '{_query(items, f='json', limit='100')}'"),
        href=_query(items, f="html"),
    )
    asked = {**office.public.params_of(dataset)}
    asked.pop("attrs", None)
    current = _query(f"{url}/ngsi-ld/v1/entities", **asked, options="keyValues", limit="100")
    first = (facts.newest or datetime.now(UTC)).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    history = _query(
        f"{url}/ngsi-ld/v1/temporal/entities",
        **asked,
        attrs=",".join(measured(dataset)[:3]),
        timerel="after",
        timeAt=f"{first - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
        options="temporalValues",
    )
    yield Call(
        name="NGSI-LD",
        what=Text(
            de="Für Anwendungen und Datenplattformen: erst die aktuellen Werte, dann ein Tag Verlauf.",
            en="For applications and city platforms: first the current values, then a day of history.",
        ),
        lines=(f"curl '{current}'", f"curl '{history}'"),
        href=current,
    )
    series = f"{url}/sensorthings/v1.1/Datastreams"
    condition = {"$filter": f"properties/dataset eq '{dataset.name}'", "$top": "10"}
    newest = {"$expand": "Observations($orderby=phenomenonTime desc;$top=1)"}
    yield Call(
        name="OGC SensorThings",
        what=Text(
            de="Für Masterportale und Messreihen: jede Messreihe mit ihrem neuesten Wert.",
            en="For map portals and series: each series with its newest value.",
        ),
        lines=(f"curl '{_query(series, **condition, **newest)}'",),
        href=_query(series, **condition),
    )
    yield Call(
        name="Server-Sent Events",
        what=Text(
            de="Änderungen im Augenblick, in dem sie eintreffen, ohne immer wieder zu fragen.",
            en="Changes the moment they arrive, without asking again and again.",
        ),
        lines=(f"curl -N '{_query(f'{url}/events', dataset=dataset.name)}'",),
    )


def _query(address: str, **params: str) -> str:
    return f"{address}?{urlencode(params, safe=_SAFE, quote_via=quote)}"
