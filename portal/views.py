# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What a reader may see: a tenant of the broker that holds what is published for them, and nothing else.

The publisher (`portal/publisher.py`) writes into that tenant what the datasets' rules leave of the
city's entities. Whatever a reader asks, by whichever interface, is asked of that tenant: what is not
public cannot be filtered, sorted, counted or guessed, for it is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from broker.client import BrokerFailureError, NotFoundError, Problem, UnknownTenantError
from models.values import rfc3339
from portal.history import History

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence

    from broker.client import NgsiLdClient
    from portal.datasets import Dataset

#: `source` of what the simulator makes.
SIMULATION = "simulation"
_ENTITIES_AT_ONCE = 25
_SHORTEST = timedelta(milliseconds=1)


def scope_of(name: str) -> str:
    """Return the scope (CIM 009, clause 4.18) that a dataset's entities have in the tenant.

    A level of a scope begins with a letter and has no dash; the names of datasets have no underscore.
    """
    return f"/dataset/d_{name.replace('-', '_')}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Some of the entities that were asked for.

    Attributes:
        entities: as the broker sent them.
        count: how many there are altogether; None where that was not asked.
    """

    entities: list[dict[str, Any]]
    count: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """One published value of one attribute at one moment.

    Attributes:
        entity: its id.
        attribute: its short name.
        value: as simplified NGSI-LD has it: a number, a text, a geometry, an id.
        unit: UN/CEFACT code; None: it has none.
        quality: of the flag on quality, as it was published; None: nothing is said.
    """

    entity: str
    attribute: str
    observed_at: datetime
    value: Any
    unit: str | None
    quality: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What one kind of reader may see.

    Attributes:
        name: `public`, or a partner's.
        datasets: those of which it has entities.
        client: speaks to the broker for the view's tenant.
        context_of: address of a type's @context, as the broker knows it.
    """

    name: str
    datasets: tuple[Dataset, ...]
    client: NgsiLdClient
    context_of: Callable[[str], str]

    def dataset(self, name: str) -> Dataset | None:
        """Return a dataset by its name; None: the view has none such."""
        return next((dataset for dataset in self.datasets if dataset.name == name), None)

    @property
    def types(self) -> tuple[str, ...]:
        """The types of its entities, each once."""
        return tuple(dict.fromkeys(dataset.type for dataset in self.datasets))

    def attributes_of(self, type_name: str) -> tuple[str, ...]:
        """The attributes of a type that any of its datasets publishes, each once."""
        return tuple(
            dict.fromkeys(
                name for dataset in self.datasets if dataset.type == type_name for name in dataset.attributes
            )
        )

    async def page(
        self,
        dataset: Dataset,
        *,
        limit: int,
        offset: int = 0,
        count: bool = False,
        params: Mapping[str, str] | None = None,
    ) -> Page:
        """Return some of a dataset's entities, ordered by id unless `orderBy` says otherwise.

        Args:
            dataset: whose.
            limit: how many at most.
            offset: how many are left out before.
            count: say how many there are.
            params: of the operation “query entities” (6.4.3.2), as the standard names them: `q`, `georel`,
                `geometry`, `coordinates`, `id`, `attrs`, `orderBy`, `options`.

        Raises:
            NgsiLdError: the broker is away, or refuses the query.
        """
        asked = {**self.params_of(dataset), **(params or {}), "limit": str(limit)}
        if offset:
            asked["offset"] = str(offset)
        if count:
            asked["count"] = "true"
        try:
            answer = await self.client.request(
                "GET", "/entities", params=asked, context=self.context_of(dataset.type)
            )
        except UnknownTenantError:  # nothing was ever published into it
            return Page(entities=[], count=0 if count else None)
        total = answer.headers.get("NGSILD-Results-Count", "")
        return Page(entities=answer.array(), count=int(total) if count and total.isdecimal() else None)

    def params_of(self, dataset: Dataset) -> dict[str, str]:
        """Return the parameters of a query that finds a dataset's entities and its attributes alone."""
        params = {"type": dataset.type}
        if sum(other.type == dataset.type for other in self.datasets) > 1:
            params |= {"scopeQ": scope_of(dataset.name), "attrs": ",".join(dataset.attributes)}
        return params

    async def entities(
        self, dataset: Dataset, params: Mapping[str, str] | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield all of a dataset's entities, page by page. See `page`."""
        limit, offset = self.client.limits.page, 0
        while True:
            page = await self.page(dataset, limit=limit, offset=offset, params=params)
            for entity in page.entities:
                yield entity
            if len(page.entities) < limit:
                return
            offset += limit

    async def entity(
        self, dataset: Dataset, entity_id: str, params: Mapping[str, str] | None = None
    ) -> dict[str, Any] | None:
        """Return one of a dataset's entities; None: it has none with this id."""
        page = await self.page(dataset, limit=1, params={**(params or {}), "id": entity_id})
        return page.entities[0] if page.entities else None

    async def observations(
        self,
        dataset: Dataset,
        *,
        start: datetime,
        end: datetime,
        ids: Sequence[str] | None = None,
        attributes: Iterable[str] = (),
        q: str | None = None,
    ) -> AsyncIterator[list[Observation]]:
        """Yield what was observed from `start` on and before `end`, in parts.

        A part is what the broker sends at a time, which bounds memory however long the time is. All is
        ordered by entity, as they are named or else by id, and time; what was observed of an entity at
        one moment is in one part.

        Args:
            dataset: whose.
            start: with a time zone.
            end: with a time zone.
            ids: of these entities alone; None: of all that are in the dataset now.
            attributes: of these alone; none: of all that the dataset publishes.
            q: a condition on the values (6.18.3.2).

        Raises:
            NotSupportedError: the broker keeps no history.
            NgsiLdError: the broker is away, or refuses the query.
        """
        names = tuple(name for name in dataset.attributes if name in set(attributes)) if attributes else ()
        if attributes and not names:
            return
        params = {"type": dataset.type, "attrs": ",".join(names or dataset.attributes)}
        if q is not None:
            params["q"] = q
        if ids is None:
            ids = sorted(
                [str(entity["id"]) async for entity in self.entities(dataset, {"options": "keyValues"})]
            )
        history = History(client=self.client, context=self.context_of(dataset.type), params=params)
        async for entities in history.read(list(dict.fromkeys(ids)), start, end):
            seen = [
                each
                for entity in entities
                for each in sorted(_observations(entity), key=lambda one: one.observed_at)
            ]
            if seen:
                yield seen

    async def latest(
        self, dataset: Dataset, entity_id: str, *, attributes: Iterable[str] = (), last: int = 1
    ) -> list[Observation]:
        """Return the `last` observations of each attribute of an entity, oldest first.

        Raises:
            NotSupportedError: the broker keeps no history.
            NgsiLdError: the broker is away, or refuses the query.
        """
        names = set(attributes) or set(dataset.attributes)
        params = {
            "type": dataset.type,
            "id": entity_id,
            "attrs": ",".join(name for name in dataset.attributes if name in names),
            "timerel": "before",
            "timeAt": rfc3339(datetime.now(UTC) + timedelta(days=1)),
            "lastN": str(last),
        }
        try:
            result = await self.client.query_temporal(context=self.context_of(dataset.type), **params)
        except (NotFoundError, UnknownTenantError):
            return []
        found = [seen for entity in result.entities for seen in _observations(entity)]
        return sorted(found, key=lambda seen: (seen.attribute, seen.observed_at))

    async def histories(
        self, type_name: str, params: Mapping[str, str], start: datetime, end: datetime
    ) -> AsyncIterator[Sequence[dict[str, Any]]]:
        """Yield the history between two moments; where that is more than one answer, of both halves."""
        asked = {
            **params,
            "timerel": "between",
            "timeAt": rfc3339(start),
            "endTimeAt": rfc3339(end),
            "limit": str(_ENTITIES_AT_ONCE),
        }
        try:
            result = await self.client.query_temporal(context=self.context_of(type_name), **asked)
        except (NotFoundError, UnknownTenantError):
            return
        if not result.partial:
            yield result.entities
            return
        if end - start <= _SHORTEST:
            detail = f"More {type_name} were observed at {rfc3339(start)} than the broker sends at a time"
            raise BrokerFailureError(detail, problem=Problem(status=0, title=detail))
        middle = start + (end - start) / 2
        for half in ((start, middle), (middle, end)):
            async for entities in self.histories(type_name, params, *half):
                yield entities


def _observations(entity: Mapping[str, Any]) -> Iterator[Observation]:
    """Return what a temporal representation says was observed."""
    for name, attribute in entity.items():
        if name in {"id", "type", "scope", "@context"}:
            continue
        instances = attribute if isinstance(attribute, list) else [attribute]
        for instance in instances:
            if not isinstance(instance, dict) or "observedAt" not in instance:
                continue
            yield Observation(
                entity=str(entity["id"]),
                attribute=name,
                observed_at=moment_of(instance["observedAt"]),
                value=value_of(instance),
                unit=instance.get("unitCode"),
                quality=value_of(instance["quality"]) if isinstance(instance.get("quality"), dict) else None,
            )


def value_of(attribute: Mapping[str, Any]) -> Any:
    """Return the value of a normalized attribute, as simplified NGSI-LD has it; None: it has none."""
    for member in ("value", "object", "languageMap", "vocab", "json", "valueList", "objectList"):
        if member in attribute:
            value = attribute[member]
            return value["@value"] if isinstance(value, dict) and "@value" in value else value
    return None


def moment_of(text: str) -> datetime:
    """Read a time as NGSI-LD writes it.

    Raises:
        ValueError: it is none.
    """
    moment = datetime.fromisoformat(text.replace(",", "."))
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
