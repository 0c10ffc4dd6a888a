# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Changes of history itself, which leave the current state as it is (CIM 009, clauses 5.6.11 to 5.6.16)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import orjson

from broker.embedded import store
from broker.embedded.attribute_values import is_null
from broker.embedded.history import (
    DELETED,
    SCOPE,
    SQL,
    Registration,
    Row,
    UnpreparedError,
    content,
    instant,
    register,
    row_of,
    scope_row,
)
from broker.embedded.merging import Stored, now
from broker.embedded.problems import BadRequestDataError, NotFoundError
from broker.embedded.temporal_representations import instance_id, place_id, place_of
from broker.embedded.vocabulary import NULL, VALUE_MEMBER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from broker.embedded.entities import Fragment, Instance
    from broker.embedded.history import History
    from store.postgres import Connection, Pool

Result = TypeVar("Result")

_ATTEMPTS = 5


class TemporalWriter:
    """Changes history.

    Args:
        pool: connections to the broker's database.
        history: writes instances.
    """

    def __init__(self, pool: Pool, history: History) -> None:
        self._pool = pool
        self._history = history

    async def create_or_update(self, tenant: str, fragment: Fragment) -> bool:
        """Add a whole entity's instances, and say whether it had no history before (5.6.11)."""

        async def work(connection: Connection) -> bool:
            known = await self._history.known(connection, tenant, [fragment.id or ""])
            await self._add(connection, tenant, fragment)
            return not known

        return await self._do(tenant, work, create_tenant=True)

    async def add(self, tenant: str, fragment: Fragment) -> None:
        """Add instances to an entity that has a history (5.6.12).

        Raises:
            NotFoundError: it has none.
        """

        async def work(connection: Connection) -> None:
            await self._locked(connection, tenant, fragment.id or "")
            await self._add(connection, tenant, fragment)

        await self._do(tenant, work)

    async def delete_entity(self, tenant: str, entity_id: str) -> None:
        """Remove an entity's history (5.6.16).

        A current state stays, and begins a new history with its next change.

        Raises:
            NotFoundError: it has none.
        """

        async def work(connection: Connection) -> None:
            await store.lock(connection, tenant, [entity_id])  # whoever writes it has to wait
            number, _ = await self._locked(connection, tenant, entity_id)
            await connection.execute(SQL["delete_history"], number, None)
            await connection.execute(SQL["delete_history_entity"], number)

        await self._do(tenant, work)

    async def delete_attribute(
        self, tenant: str, entity_id: str, iri: str, *, dataset: str, every: bool
    ) -> None:
        """Remove the history of one datasetId of an attribute, or of all (5.6.13).

        Raises:
            NotFoundError: there is no such entity or attribute.
        """

        async def work(connection: Connection) -> None:
            number, names = await self._locked(connection, tenant, entity_id)
            rows = await connection.fetch(SQL["select_names"], [iri], None if every else [dataset])
            chosen = [row["number"] for row in rows if row["number"] in names]
            done = await connection.execute(SQL["delete_history"], number, chosen)
            if done == "DELETE 0":
                raise NotFoundError(detail=f"the history of {entity_id} has no such attribute: {iri}")

        await self._do(tenant, work)

    async def patch_instance(
        self, tenant: str, entity_id: str, iri: str, urn: str, read: Callable[[str], Instance]
    ) -> None:
        """Replace one instance, which keeps its id, and its time where there is no new one (5.6.14).

        Members without a value are no whole instance, and overwrite those that it has.

        Args:
            tenant: whose it is.
            entity_id: the entity.
            iri: the attribute.
            urn: the instance's id.
            read: returns the members to be changed, given the attribute's type.

        Raises:
            NotFoundError: there is no such entity, attribute or instance.
            BadRequestDataError: the members are not ones that can be changed so.
        """

        async def work(connection: Connection) -> None:
            number, found = await self._instance(connection, tenant, entity_id, iri, urn)
            before: Instance = orjson.loads(found["doc"])
            patch = read(before["type"])
            if patch.get("type", before["type"]) != before["type"]:
                raise BadRequestDataError(detail=f"{iri} is a {before['type']} and stays one")
            if patch.pop("datasetId", None) not in {None, await _dataset(connection, found)}:
                raise BadRequestDataError(detail="an instance keeps its datasetId")
            if VALUE_MEMBER[before["type"]] in patch and is_null({**patch, "type": before["type"]}):
                raise BadRequestDataError(detail="an instance is removed by DELETE, not by a null")
            whole = VALUE_MEMBER[before["type"]] in patch
            given = {"type": before["type"], **patch} if whole else {**before, **patch}
            after = {member: value for member, value in given.items() if value != NULL}
            await _rewrite(connection, number, found, after, now())

        await self._do(tenant, work)

    async def delete_instance(self, tenant: str, entity_id: str, iri: str, urn: str) -> None:
        """Remove one instance (5.6.15).

        Raises:
            NotFoundError: there is no such entity, attribute or instance.
        """

        async def work(connection: Connection) -> None:
            number, found = await self._instance(connection, tenant, entity_id, iri, urn)
            await _remove(connection, number, found)

        await self._do(tenant, work)

    async def _do(
        self, tenant: str, work: Callable[[Connection], Awaitable[Result]], *, create_tenant: bool = False
    ) -> Result:
        """Work in a transaction, again where something had to be prepared or somebody was in the way."""
        attempt = 0
        while True:
            attempt += 1
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    create = create_tenant or not tenant
                    await store.subscriptions_version(connection, tenant, create=create)
                    return await work(connection)
            except UnpreparedError as error:
                if attempt == _ATTEMPTS:
                    raise
                await self._history.prepare(error)
            except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
                if attempt == _ATTEMPTS:
                    raise

    async def _locked(self, connection: Connection, tenant: str, entity_id: str) -> tuple[int, list[int]]:
        row = await connection.fetchrow(SQL["lock_history_entity"], tenant, entity_id)
        if row is None:
            raise NotFoundError(detail=f"there is no history of an entity {entity_id}")
        return row["number"], row["names"]

    async def _add(self, connection: Connection, tenant: str, fragment: Fragment) -> None:
        moment = now()
        rows = [
            _row(iri, instance, moment)
            for iri, instances in fragment.attributes.items()
            for instance in instances
        ]
        rows += [_row(SCOPE, instance, moment) for instance in fragment.scope_instances]
        if fragment.scopes and not fragment.scope_instances:
            rows.append(scope_row(fragment.scopes, moment))
        entity = Stored(
            id=fragment.id or "",
            types=fragment.types,
            scopes=fragment.scopes,
            attributes={},
            created_at=moment,
            modified_at=moment,
        )
        names = sorted(self._history.numbered({row.name for row in rows}).values())
        numbers = await register(
            connection, tenant, [Registration(entity=entity, names=names)], current=False
        )
        numbered = _in_order([(numbers[entity.id], row) for row in rows])
        await self._history.insert(connection, numbered, moment)

    async def _instance(
        self, connection: Connection, tenant: str, entity_id: str, iri: str, urn: str
    ) -> tuple[int, Any]:
        number, names = await self._locked(connection, tenant, entity_id)
        rows = await connection.fetch(SQL["select_names"], [iri], None)
        chosen = [row["number"] for row in rows if row["number"] in names]
        place = place_of(urn)
        _, name, at, digest = place if place is not None and place[0] == number else (0, None, None, None)
        found = await connection.fetchrow(SQL["find_instance"], number, chosen, name, at, digest, urn)
        if found is None:
            raise NotFoundError(detail=f"the attribute {iri} of {entity_id} has no instance {urn}")
        return number, found


async def _rewrite(
    connection: Connection, number: int, found: Any, after: Instance, moment: datetime
) -> None:
    """Write an instance where it is, or where its new observedAt says."""
    doc, digest = content(after)
    observed_at = after.get("observedAt")
    at = found["at"] if observed_at is None else instant(observed_at)
    if at == found["at"] and (found["observed"] or observed_at is None):
        place = number, found["name"], found["at"], found["digest"]
        await connection.execute(SQL["rewrite_instance"], *place, doc.decode(), moment)
        return
    urn = instance_id(number, {**found, "entity": number})
    await _remove(connection, number, found)
    kept = None if place_id(number, found["name"], at, digest) == urn else urn
    row = number, found["name"], at, digest, found["created_at"], moment, kept, doc.decode()
    try:
        async with connection.transaction():
            await connection.execute(SQL["move_instance"], *row)
    except asyncpg.CheckViolationError as error:
        raise UnpreparedError(moments=[at]) from error


async def _dataset(connection: Connection, found: Any) -> str:
    row = await connection.fetchrow(SQL["names_of"], [found["name"]])
    return "" if row is None else str(row["dataset"])


async def _remove(connection: Connection, number: int, found: Any) -> None:
    place = number, found["name"], found["at"], found["digest"]
    await connection.execute(SQL["delete_instance"], *place)


def _row(iri: str, instance: Instance, moment: datetime) -> Row:
    """Return an instance as it is stored; it may say that it was deleted, and when (clause 4.5.7)."""
    if "deletedAt" not in instance:
        return row_of(iri, instance, moment)
    row = row_of(iri, {**instance, "observedAt": instance["deletedAt"]}, moment)
    return row._replace(origin=DELETED)


def _in_order(rows: list[tuple[int, Row]]) -> list[tuple[int, Row]]:
    """Return instances in one order for all writers, so that two never wait for each other."""
    return sorted(rows, key=lambda each: (each[1].name, each[1].at, each[1].digest))
