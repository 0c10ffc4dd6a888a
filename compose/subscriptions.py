# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`subscriptions.toml`: the municipal systems that must be told of changes, and of which."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from broker.subscriptions import Declared
from compose.settings import Secret  # noqa: TC001 - pydantic reads it at run time
from models.declared import declared, read_toml
from models.types import TYPES
from models.types import attributes as attributes_of
from models.values import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_URN_PARTS = 3

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
#: Secrets have no place in an address: they go into `headers`.
Endpoint = Annotated[str, StringConstraints(pattern=r"^(https?|mqtts?)://[^@\s]+$")]
Id = Annotated[str, StringConstraints(pattern=r"^urn:[^\s<>\"|;]+$")]
Header = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Near(_Part):
    """Within so many metres of a point.

    Attributes:
        near: longitude and latitude in degrees.
        metres: at most so far away.
    """

    near: tuple[Annotated[float, Field(ge=-180, le=180)], Annotated[float, Field(ge=-90, le=90)]]
    metres: float = Field(gt=0)

    def query(self) -> dict[str, Any]:
        """Return it as NGSI-LD has it (4.10)."""
        return {
            "georel": f"near;maxDistance=={self.metres:g}",
            "geometry": "Point",
            "coordinates": list(self.near),
        }


class Within(_Part):
    """Within a box: west, south, east, north in degrees."""

    within: tuple[float, float, float, float]

    def query(self) -> dict[str, Any]:
        """Return it as NGSI-LD has it (4.10)."""
        west, south, east, north = self.within
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        return {"georel": "within", "geometry": "Polygon", "coordinates": [ring]}


class Entry(_Part):
    """One system that must be told.

    Attributes:
        name: ours, in the subscription's id.
        description: for people.
        types: changes of entities of these Smart Data Models types; all of one subject.
        entities: of these entities alone, by id.
        pattern: of entities whose id this regular expression finds.
        watched: changes of these attributes alone; none: of any.
        attributes: what it is told; none: all.
        q: only while this condition holds (NGSI-LD, 4.9).
        geo: only of entities there.
        endpoint: whom to tell.
        headers: that go out with each notification: a text, or where a secret is.
        accept: media type of the notifications.
        format: how entities look in them.
        throttling: the least seconds between two notifications.
        expires: when it ends.
        active: whether it is to notify at all.
    """

    name: Name
    description: str | None = None
    types: tuple[str, ...] = ()
    entities: tuple[Id, ...] = ()
    pattern: str | None = None
    watched: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    q: str | None = None
    geo: Near | Within | None = None
    endpoint: Endpoint
    headers: dict[Header, str | Secret] = Field(default_factory=dict)
    accept: Literal["application/json", "application/ld+json", "application/geo+json"] = "application/json"
    format: Literal["normalized", "keyValues", "concise"] = "normalized"
    throttling: float | None = Field(default=None, gt=0)
    expires: datetime | None = None
    active: bool = True

    @model_validator(mode="after")
    def _is_about_something(self) -> Entry:
        if not self.types and not self.entities:
            msg = "“types” or “entities” says what it is about; give one"
            raise ValueError(msg)
        if self.pattern is not None and self.entities:
            msg = "“pattern” and “entities” both say which entities; give one"
            raise ValueError(msg)
        for name in self.all_types:
            if name not in TYPES:
                msg = f"there is no type {name!r}; the types are {', '.join(sorted(TYPES))}"
                raise ValueError(msg)
        if len(self.subjects) > 1:
            msg = (
                f"its types are of several subjects ({', '.join(self.subjects)}), whose names mean different"
                " things: make a subscription of each"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> Entry:
        known = {attribute.name for name in self.all_types for attribute in attributes_of(TYPES[name])}
        for name in (*self.watched, *self.attributes):
            if name not in known:
                msg = f"{' and '.join(self.all_types)} has no attribute {name!r}"
                raise ValueError(msg)
        return self

    @property
    def all_types(self) -> tuple[str, ...]:
        """The types that it is about, those of its entities too; the part of an id that says it."""
        return self.types or tuple(dict.fromkeys(_type_of(each) for each in self.entities))

    @property
    def subjects(self) -> tuple[str, ...]:
        """The subjects of its types."""
        return tuple(dict.fromkeys(TYPES[name].subject for name in self.all_types))

    def declared(self, context_url: Callable[[str], str]) -> Declared:
        """Return the subscription, with its secrets read.

        Args:
            context_url: address of a subject's @context, as the broker reaches it.

        Raises:
            ConfigurationError: a secret cannot be read.
        """
        return Declared(name=self.name, document=self._document(), context=context_url(self.subjects[0]))

    def _document(self) -> dict[str, Any]:
        expires = self.expires
        if expires is not None and expires.tzinfo is None:
            expires = expires.replace(tzinfo=UTC)
        document: dict[str, Any] = {
            "description": self.description,
            "entities": self._selectors(),
            "watchedAttributes": list(self.watched),
            "q": self.q,
            "geoQ": None if self.geo is None else self.geo.query(),
            "throttling": self.throttling,
            "expiresAt": None if expires is None else rfc3339(expires),
            "isActive": None if self.active else False,
            "notification": self._notification(),
        }
        return {member: value for member, value in document.items() if value not in (None, [])}

    def _selectors(self) -> list[dict[str, Any]]:
        if self.entities:
            return [{"id": each, "type": _type_of(each)} for each in self.entities]
        pattern = {} if self.pattern is None else {"idPattern": self.pattern}
        return [{"type": name, **pattern} for name in self.types]

    def _notification(self) -> dict[str, Any]:
        endpoint: dict[str, Any] = {"uri": self.endpoint, "accept": self.accept}
        if self.headers:
            endpoint["receiverInfo"] = [
                {"key": name, "value": value if isinstance(value, str) else value.read()}
                for name, value in self.headers.items()
            ]
        notification: dict[str, Any] = {"format": self.format, "endpoint": endpoint}
        return {"attributes": list(self.attributes), **notification} if self.attributes else notification


class Subscriptions(_Part):
    """The whole file."""

    subscription: tuple[Entry, ...] = ()

    @model_validator(mode="after")
    def _one_name_each(self) -> Subscriptions:
        names = [each.name for each in self.subscription]
        for name in names:
            if names.count(name) > 1:
                msg = f"two subscriptions are called {name!r}"
                raise ValueError(msg)
        return self


def load_subscriptions(path: Path) -> tuple[Entry, ...]:
    """Read a `subscriptions.toml`; paths of secrets in it are relative to its folder.

    Raises:
        ConfigurationError: it cannot be read, or says what cannot be; the text names each, one a line.
    """
    return declared(Subscriptions, read_toml(path), path).subscription


def _type_of(entity_id: str) -> str:
    """Return the type that an id of ours names: `urn:ngsi-ld:<Type>:…`."""
    parts = entity_id.split(":")
    return parts[2] if len(parts) > _URN_PARTS else entity_id
