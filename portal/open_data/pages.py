# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What there is, how old it is, under which licence, how to get it: told so that a journalist understands.

`/daten` and `/en/data` are the start page, `/dataset/<name>` and `/en/dataset/<name>` are about one
dataset. Programs that ask the address of a dataset for RDF get what the catalogue says of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aiohttp import web

from broker.client import BrokerUnavailableError
from models.entity import TIME_ATTRIBUTES
from models.ngsild import keyvalues
from models.types import attribute_unit
from ontology.loader import areas, units
from portal.catalogue import NEGOTIATED, CataloguePublisher, preferred
from portal.catalogue_graph import description_of
from portal.catalogue_state import records_of
from portal.described import LICENCES, label, shown
from portal.open_data import words
from portal.open_data.calls import calls, measured
from portal.open_data.rendering import page
from portal.problems import problem, unavailable
from portal.views import SIMULATION, moment_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from portal.catalogue_state import Facts
    from portal.datasets import Dataset
    from portal.files import File
    from portal.office import Office
    from portal.open_data.words import Language

#: Seconds that what is told of the data may be old.
MAX_AGE: Final = 60
_PREVIEW: Final = 5
_COLUMNS: Final = 4
_RECENT_FILES: Final = 8
_HTML: Final = "text/html"
_FORMATS: Final[Mapping[str, str]] = {"GEOJSON": "GeoJSON", "JSON_LD": "JSON-LD", "PARQUET": "GeoParquet"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """An attribute, as readers are told of it.

    Attributes:
        name: in the data.
        label: what people call it.
        unit: its unit's symbol and name; empty: it has none.
        symbol: its unit's symbol alone.
        published: how much of it is published, in words.
        whole: all of it is.
    """

    name: str
    label: str
    unit: str
    symbol: str
    published: str
    whole: bool


def routes(office: Office) -> Iterable[web.AbstractRouteDef]:
    """Return the addresses of the pages."""
    pages = Pages(office)
    yield web.get("/daten", pages.start_in_german)
    yield web.get("/en/data", pages.start_in_english)
    yield web.get("/dataset/{name}", pages.dataset)
    yield web.get("/en/dataset/{name}", pages.dataset_in_english)


class Pages:
    """Makes the pages.

    Args:
        office: of the portal.
    """

    def __init__(self, office: Office) -> None:
        self._office = office
        self._records = records_of(office)
        self._rdf = CataloguePublisher(office)

    async def start_in_german(self, _: web.Request) -> web.Response:
        """Answer with the start page."""
        return await self._start("de")

    async def start_in_english(self, _: web.Request) -> web.Response:
        """Answer with the start page in English."""
        return await self._start("en")

    async def dataset(self, request: web.Request) -> web.Response:
        """Answer with the page of a dataset, or with RDF to who asks for that."""
        wanted = preferred(request.headers.get("Accept", ""), [_HTML, *NEGOTIATED]) or _HTML
        if wanted == _HTML:
            return await self._dataset(request, "en" if request.query.get("lang") == "en" else "de")
        try:
            facts = (await self._records.facts(MAX_AGE)).get(request.match_info["name"])
        except BrokerUnavailableError as error:
            return unavailable("The context broker does not answer.", error.retry_after)
        if facts is None:
            return problem(HTTPStatus.NOT_FOUND, "Not found", "There is no dataset with this name.")
        return await self._rdf.of_one(facts, NEGOTIATED[wanted])

    async def dataset_in_english(self, request: web.Request) -> web.Response:
        """Answer with the page of a dataset in English."""
        return await self._dataset(request, "en")

    async def _start(self, language: Language) -> web.Response:
        other = "/daten" if language == "en" else "/en/data"
        try:
            facts = list((await self._records.facts(MAX_AGE)).values())
        except BrokerUnavailableError as error:
            return self._away(language, other, error)
        newest = [each.newest for each in facts if each.newest is not None]
        return page(
            self._office,
            "start.html",
            language,
            other=other,
            facts=facts,
            area=lambda each: _area(each, language),
            count=sum(each.count for each in facts),
            simulated=sum(each.simulated for each in facts),
            newest=max(newest, default=None),
            now=datetime.now(UTC),
            licence=LICENCES[self._office.catalogue.licence],
            formats=_formats,
        )

    async def _dataset(self, request: web.Request, language: Language) -> web.Response:
        name = request.match_info["name"]
        other = f"/dataset/{name}" if language == "en" else f"/en/dataset/{name}"
        dataset = self._office.public.dataset(name)
        if dataset is None:
            return page(
                self._office, "missing.html", language, status=HTTPStatus.NOT_FOUND, other=other, name=name
            )
        try:
            facts = (await self._records.facts(MAX_AGE))[name]
            preview = await self._preview(dataset)
        except BrokerUnavailableError as error:
            return self._away(language, other, error)
        columns = [_column(dataset, attribute, language) for attribute in dataset.attributes]
        previewed = [
            column
            for column in columns
            if column.name in measured(dataset) and any(column.name in row for row in preview)
        ][:_COLUMNS]
        current = [file for file in facts.files if file.days is None]
        past = sorted((file for file in facts.files if file.days is not None), key=_latest, reverse=True)
        return page(
            self._office,
            "dataset.html",
            language,
            other=other,
            dataset=dataset,
            facts=facts,
            description=description_of(facts),
            columns=columns,
            previewed=previewed,
            preview=preview,
            current=current,
            recent=past[:_RECENT_FILES],
            older=past[_RECENT_FILES:],
            calls=list(calls(self._office, facts)),
            licence=LICENCES[dataset.licence or self._office.catalogue.licence],
            publisher=self._office.catalogue.publisher_of(dataset),
            contact=self._office.catalogue.contact_of(dataset),
            attribution=dataset.attribution or self._office.catalogue.publisher_of(dataset).name.de,
            frequency=words.pick(words.FREQUENCIES[dataset.frequency], language),
            areas=[areas()[area] for area in dataset.model.areas],
            now=datetime.now(UTC),
            format_name=lambda code: _FORMATS.get(code, code),
        )

    async def _preview(self, dataset: Dataset) -> list[dict[str, object]]:
        """Return the values of a few entities, and the newest of their times."""
        found = await self._office.public.page(dataset, limit=_PREVIEW)
        return [_row(entity) for entity in found.entities]

    def _away(self, language: Language, other: str, error: BrokerUnavailableError) -> web.Response:
        answer = page(self._office, "away.html", language, status=HTTPStatus.SERVICE_UNAVAILABLE, other=other)
        answer.headers["Retry-After"] = str(round(error.retry_after or 10))
        return answer


def _area(facts: Facts, language: Language) -> str:
    """Return what a dataset is about: the area of the city's strategy that its type serves most."""
    area = areas()[facts.dataset.model.areas[0]]
    return area.label_en if language == "en" else area.label_de


def _formats(facts: Facts) -> list[str]:
    """Return the formats of a dataset's files, each once."""
    return list(dict.fromkeys(_FORMATS.get(file.file_type, file.file_type) for file in facts.files))


def _latest(file: File) -> tuple[object, ...]:
    """Return what files of days that are over are ordered by."""
    first, last = file.days or (date.min, date.min)
    return last, first, file.path


def _column(dataset: Dataset, attribute: str, language: Language) -> Column:
    german, english = label(dataset.type, attribute)
    name = english if language == "en" else german
    code = attribute_unit(dataset.type, attribute)
    unit = units().get(code or "")
    if unit is None:
        symbol = text = ""
    elif unit.symbol in {"", "1"}:
        symbol, text = "", _pure(dataset.type, attribute, language)
    else:
        symbol = unit.symbol
        text = symbol if language == "en" or unit.label_de == symbol else f"{symbol} ({unit.label_de})"
    rule = dataset.rules.get(attribute)
    return Column(
        name=attribute,
        label=name[:1].upper() + name[1:],
        unit=text,
        symbol=symbol,
        published=words.rule_in_words(rule, language),
        whole=rule is None,
    )


def _pure(type_name: str, attribute: str, language: Language) -> str:
    """Say what a number without a unit is: a part of the whole, or just a number."""
    how = shown(type_name, attribute)
    if how is not None and how["symbol"] == "%":
        return "share: 0.25 is 25 %" if language == "en" else "Anteil: 0,25 sind 25 %"
    return "number" if language == "en" else "Zahl"


def _row(entity: dict[str, object]) -> dict[str, object]:
    row: dict[str, object] = dict(keyvalues(entity))
    row.setdefault("name", str(entity["id"]).rpartition(":")[2])
    # Names of the simulator's own stations say it already.
    row["simulated"] = row.get("source") == SIMULATION and "simul" not in str(row["name"]).lower()
    times = [
        str(attribute["observedAt"])
        for attribute in entity.values()
        if isinstance(attribute, dict) and "observedAt" in attribute
    ]
    row["newest"] = max(map(moment_of, times), default=None)
    return {name: each for name, each in row.items() if name not in TIME_ATTRIBUTES}
