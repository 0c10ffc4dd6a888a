# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What is published, declared in one TOML file (`datasets.toml`): datasets, licences, privacy.

What no dataset names is not public: neither a type, nor an entity outside of a dataset's filter, nor an
attribute. A rule beside an attribute makes less of it (`portal/privacy.py`).
"""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from models.declared import declared, read_toml
from models.entity import TIME_ATTRIBUTES, Entity
from models.errors import ConfigurationError
from models.types import TYPES
from models.types import attributes as attributes_of
from ontology.loader import areas

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

#: Names in addresses: of datasets and partners.
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
#: GovData splits keywords at commas and takes letters, digits, space and `-_.`, 2 to 100 characters.
Keyword = Annotated[str, StringConstraints(pattern=r"^[\w .-]{2,100}$")]
Link = Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]
Mail = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Latitude = Annotated[float, Field(ge=-90, le=90)]

Model: TypeAlias = type[Entity]

#: The city's own clock: days, months and what people read go by it.
ZONE = ZoneInfo("Europe/Berlin")

Theme = Literal[
    "AGRI", "ECON", "EDUC", "ENER", "ENVI", "GOVE", "HEAL", "INTR", "JUST", "REGI", "SOCI", "TECH", "TRAN"
]
"""Codes of the EU's data themes (authority table data-theme)."""

Frequency = Literal["UPDATE_CONT", "CONT", "1MIN", "5MIN", "10MIN", "15MIN", "30MIN", "HOURLY", "DAILY"]
"""Codes of the EU's authority table frequency that sensors have."""

Licence = Literal["dl-by-de/2.0", "dl-zero-de/2.0", "cc-by/4.0", "cc-zero"]
"""Codes of DCAT-AP.de's list of licences, as behind `http://dcat-ap.de/def/licenses/`."""

_THEMES = "http://publications.europa.eu/resource/authority/data-theme/"
_HVD = {
    "air": "http://data.europa.eu/bna/c_63b37dd4",
    "water": "http://data.europa.eu/bna/c_43f88346",
    "noise": "http://data.europa.eu/bna/c_e4358335",
    "weather": "http://data.europa.eu/bna/c_3af3368c",
}
HvdCategory = Literal["air", "water", "noise", "weather"]
_DURATION = re.compile(r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,6})S)?)?")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def duration(text: str) -> timedelta:
    """Read an ISO 8601 duration of days, hours, minutes and seconds, such as `PT15M`.

    Raises:
        ValueError: it is none, or of no length.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        msg = f"a duration is written as PT15M or P1D, not {text[:40]!r}"
        raise ValueError(msg)
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not length:
        msg = f"the duration {text!r} is of no length"
        raise ValueError(msg)
    return length


class Text(_Part):
    """The same in German and in English."""

    de: str = Field(min_length=1)
    en: str = Field(min_length=1)


class Rule(_Part):
    """How much of an attribute is published; without a rule, all of it.

    Attributes:
        metres: of a place: its position is that of the middle of a square of this width; together with
            `least`, the squares within which entities are taken together.
        keep: of a structured value (an address): only these of its members.
        every: of periods of this length the last value alone is published, at the period's end, as
            observed at the period's start. Periods are counted from 1970-01-01T00:00Z.
        delay: a value is published this long after it was observed.
        least: what is published, of each period `every`, is the mean over all entities of the dataset (in the
            same square of `metres`), and nothing where they are fewer than this.
    """

    metres: float | None = Field(default=None, ge=10, le=100_000)
    keep: tuple[str, ...] | None = Field(default=None, min_length=1)
    every: str | None = None
    delay: str | None = None
    least: int | None = Field(default=None, ge=2)

    @model_validator(mode="after")
    def _makes_sense(self) -> Rule:
        if self.least is not None and self.every is None:
            msg = "“least” needs “every”: the period over which entities are taken together"
            raise ValueError(msg)
        if self.keep is not None and (self.metres or self.least):
            msg = "“keep” is for structured values and goes neither with “metres” nor with “least”"
            raise ValueError(msg)
        if not self.model_fields_set:
            msg = "the rule says nothing: leave it out, or give metres, keep, every, delay or least"
            raise ValueError(msg)
        for text in (self.every, self.delay):
            if text is not None:
                duration(text)
        return self

    @cached_property
    def period(self) -> timedelta | None:
        """`every` as a length of time."""
        return None if self.every is None else duration(self.every)

    @cached_property
    def wait(self) -> timedelta:
        """`delay` as a length of time."""
        return timedelta() if self.delay is None else duration(self.delay)

    @property
    def timed(self) -> bool:
        """Whether values are published later than they come."""
        return self.every is not None or self.delay is not None


class Organisation(_Part):
    """Who publishes."""

    name: Text
    url: Link | None = None
    email: Mail | None = None


class Contact(_Part):
    """Who answers questions about the data (vCard): at least one way to reach them."""

    name: Text
    email: Mail | None = None
    url: Link | None = None
    telephone: str | None = None

    @model_validator(mode="after")
    def _reachable(self) -> Contact:
        if self.email is None and self.url is None and self.telephone is None:
            msg = "a contact needs an email, a url or a telephone"
            raise ValueError(msg)
        return self


class Dataset(_Part):
    """One dataset: which attributes of which entities are published, how, and under which licence.

    Attributes:
        name: its name in every address.
        type: the Smart Data Models type of its entities.
        filter: an NGSI-LD query (`q`) that its entities meet; it may ask for what is not published.
        attributes: the attributes that are published.
        rules: how much of an attribute is published, by its name.
        access: `partners`: only who has a key that names the dataset.
        ids: `hidden`: entities get another id, from which the own cannot be found out.
        themes: of the EU's list; None: those of the type's impact areas.
        hvd: category of the high-value dataset that it is, a decision of the city's; None: it is none.
        accuracy: a note for readers on how exact values are, such as “Orientierungswert”.
    """

    name: Slug
    type: str
    title: Text
    description: Text
    attributes: tuple[str, ...] = Field(min_length=1)
    rules: dict[str, Rule] = Field(default_factory=dict)
    filter: str | None = None
    access: Literal["public", "partners"] = "public"
    ids: Literal["kept", "hidden"] = "kept"
    licence: Licence | None = None
    attribution: str | None = None
    publisher: Organisation | None = None
    contact: Contact | None = None
    themes: tuple[Theme, ...] | None = None
    keywords: tuple[Keyword, ...] = ()
    hvd: HvdCategory | None = None
    frequency: Frequency = "UPDATE_CONT"
    accuracy: Text | None = None

    @model_validator(mode="after")
    def _fits_the_type(self) -> Dataset:
        if self.type not in TYPES:
            msg = f"there is no type {self.type!r}; the types are {', '.join(sorted(TYPES))}"
            raise ValueError(msg)
        known = {attribute.name for attribute in attributes_of(self.model)}
        for name in self.attributes:
            if name not in known:
                msg = f"{self.type} has no attribute {name!r}"
                raise ValueError(msg)
        if len(set(self.attributes)) != len(self.attributes):
            msg = "an attribute is named twice"
            raise ValueError(msg)
        for name in self.rules:
            if name not in self.attributes:
                msg = f"there is a rule for {name!r}, which is not among the attributes that are published"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _times_do_not_tell(self) -> Dataset:
        if any(rule.timed for rule in self.rules.values()):
            for name in self.attributes:
                if name in TIME_ATTRIBUTES and name not in self.rules:
                    msg = f"{name} would tell when was measured, which rules of others hide: leave it out"
                    raise ValueError(msg)
        return self

    @property
    def model(self) -> Model:
        """The model of its type."""
        return TYPES[self.type]

    @property
    def hvd_category(self) -> str | None:
        """IRI of its category as a high-value dataset."""
        return None if self.hvd is None else _HVD[self.hvd]

    @property
    def theme_iris(self) -> tuple[str, ...]:
        """IRIs of its themes in the EU's list, the closest first, each once."""
        if self.themes is not None:
            return tuple(_THEMES + code for code in self.themes)
        known = areas()
        return tuple(dict.fromkeys(theme for name in self.model.areas for theme in known[name].themes))


class Place(_Part):
    """The municipality that the data is about.

    Attributes:
        municipality_key: its official key of eight digits (Amtlicher Gemeindeschlüssel).
        bbox: west, south, east, north in degrees (WGS 84).
    """

    name: str
    municipality_key: Annotated[str, StringConstraints(pattern=r"^\d{8}$")]
    bbox: tuple[Longitude, Latitude, Longitude, Latitude]

    @property
    def centroid(self) -> tuple[float, float]:
        """Longitude and latitude of the box's middle."""
        west, south, east, north = self.bbox
        return (west + east) / 2, (south + north) / 2


class Catalogue(_Part):
    """Everything that a city publishes.

    Attributes:
        contributor: code in GovData's list of contributors through which the catalogue is harvested.
        licence, publisher, contact: of each dataset that names none of its own.
    """

    title: Text
    description: Text
    publisher: Organisation
    contact: Contact
    licence: Licence
    place: Place
    homepage: Link | None = None
    contributor: str | None = None
    dataset: tuple[Dataset, ...] = ()

    @model_validator(mode="after")
    def _one_word_each(self) -> Catalogue:
        names = [dataset.name for dataset in self.dataset]
        for name in names:
            if names.count(name) > 1:
                msg = f"two datasets are called {name!r}"
                raise ValueError(msg)
        return self

    def named(self, name: str) -> Dataset | None:
        """Return a dataset by its name."""
        return next((dataset for dataset in self.dataset if dataset.name == name), None)

    def licence_of(self, dataset: Dataset) -> str:
        """IRI of a dataset's licence, in DCAT-AP.de's list."""
        return f"http://dcat-ap.de/def/licenses/{dataset.licence or self.licence}"

    def publisher_of(self, dataset: Dataset) -> Organisation:
        """Return who publishes a dataset."""
        return dataset.publisher or self.publisher

    def contact_of(self, dataset: Dataset) -> Contact:
        """Return who answers for a dataset."""
        return dataset.contact or self.contact


def check_view(name: str, datasets: Iterable[Dataset]) -> None:
    """See that datasets can be shown to the same reader: what they have in common, they publish alike.

    Raises:
        ConfigurationError: of one attribute, one would show what another hides.
    """
    rules: dict[tuple[str, str], tuple[Rule | None, str]] = {}
    ids: dict[str, tuple[str, str]] = {}
    for dataset in datasets:
        kept, first = ids.setdefault(dataset.type, (dataset.ids, dataset.name))
        if kept != dataset.ids:
            msg = f"{name}: of {dataset.type}, {first!r} and {dataset.name!r} differ in “ids”"
            raise ConfigurationError(msg)
        for attribute in dataset.attributes:
            rule = dataset.rules.get(attribute)
            other, first = rules.setdefault((dataset.type, attribute), (rule, dataset.name))
            if other != rule:
                what = f"{dataset.type}.{attribute}"
                msg = f"{name}: {first!r} and {dataset.name!r} have different rules for {what}"
                raise ConfigurationError(msg)


def load_catalogue(path: Path) -> Catalogue:
    """Read a `datasets.toml`.

    Raises:
        ConfigurationError: it cannot be read, or says what cannot be; the text names each, one a line.
    """
    return declared(Catalogue, read_toml(path), path)
