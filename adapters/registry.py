# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The device registry: what is installed where, in PostgreSQL, mirrored in memory.

Translation reads a snapshot (`Registry.devices`); a running platform follows changes that any
other process makes (`LISTEN volme_registry`), and reads everything again after a lost connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import structlog

from models.device import Device
from models.errors import StoreError
from models.uplink import Position
from store.postgres import AWAY, migrate
from store.sql import queries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from store.postgres import Pool

log = structlog.get_logger(__name__)

_CHANNEL = "volme_registry"
_LOOK_AGAIN_S = 30.0
# Rows read at a time, and different parameters and attributes of devices that are kept once.
_ROWS = 500
_SHARED = 4096


class _TakenError(Exception):
    """Some ids are registered already: what was written meanwhile is taken back."""

    def __init__(self, ids: set[str]) -> None:
        super().__init__()
        self.ids = ids


class Devices(dict[str, Device]):
    """Devices by id.

    Attributes:
        version: another one whenever the registry has changed.
    """

    version = 0


class Registry:
    """Registered devices, by id.

    Attributes:
        devices: those in service: what translation looks devices up in; changes as the registry changes.
        retired: those out of service, of which nothing is expected. What one of them sends waits like any
            unknown device's messages.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = queries("adapters")
        self._state: str | None = None  # of the table when it was read last
        self._changed: asyncio.Queue[str | None] = asyncio.Queue()  # None: the connection was lost
        self.devices = Devices()
        self.retired: dict[str, Device] = {}

    async def start(self) -> None:
        """Make the tables and read the devices.

        Raises:
            StoreError: PostgreSQL refuses.
        """
        await migrate(self._pool, "adapters")
        await self.load()

    async def load(self) -> None:
        """Read every device anew."""
        async with self._store() as connection:
            await self._load(connection)

    async def follow(self) -> None:
        """Keep the snapshot true until cancelled."""
        while True:
            try:
                await self._follow()
            except (StoreError, *AWAY) as error:
                log.warning("registry.connection_lost", error=str(error))
                await asyncio.sleep(1)

    async def add(self, device: Device, *, replace: bool = False) -> bool:
        """Register a device.

        Returns:
            Whether it was written; False: the id is known, and `replace` is not set.
        """
        if device.id in self.retired and not replace:
            return False
        return not await self.write([device], replace=replace)

    async def write(self, devices: Sequence[Device], *, replace: bool = False) -> set[str]:
        """Write devices, each id once: all in one step, or none.

        Args:
            devices: what is known of them from now on.
            replace: overwrite devices in service, too; retired ones are always overwritten.

        Returns:
            The ids that are taken: then nothing was written. Empty: everything was.
        """
        columns = [list(column) for column in zip(*map(_row, devices), strict=True)]
        if not columns:
            return set()
        try:
            async with self._store() as connection, connection.transaction():
                rows = await connection.fetch(self._sql["write_devices"], *columns, replace)
                if len(rows) < len(devices):
                    taken = {device.id for device in devices} - {row["id"] for row in rows}
                    raise _TakenError(taken)  # noqa: TRY301 - it takes the transaction back
        except _TakenError as error:
            return error.ids
        for device in devices:
            self._know(device)
        return set()

    async def remove(self, device_id: str) -> bool:
        """Forget a device; return whether it was known."""
        async with self._store() as connection:
            removed = await connection.fetchval(self._sql["remove_device"], device_id) is not None
        if removed:
            self._forget(device_id)
        return removed

    def _same(self, device: Device) -> Device:
        """Return a device as it is known already, if nothing of it has changed."""
        known = self.devices.get(device.id) or self.retired.get(device.id)
        return known if known is not None and known == device else device

    def _know(self, device: Device) -> None:
        device = self._same(device)
        self._forget(device.id)
        (self.devices if device.retired_at is None else self.retired)[device.id] = device

    def _forget(self, device_id: str) -> None:
        self.devices.version += 1
        self.devices.pop(device_id, None)
        self.retired.pop(device_id, None)

    async def _follow(self) -> None:
        async with self._store() as connection:
            await connection.add_listener(_CHANNEL, self._announced)
            connection.add_termination_listener(self._lost)
            try:
                await self._load(connection)
                while not connection.is_closed():
                    try:
                        async with asyncio.timeout(_LOOK_AGAIN_S):
                            changed = await self._changed.get()
                    except TimeoutError:
                        # A connection that died silently announces nothing: this finds out, or fails.
                        await self._load(connection)
                    else:
                        # Many that were written together are read together.
                        also = [self._changed.get_nowait() for _ in range(self._changed.qsize())]
                        if None in (changed, *also):
                            break
                        await self._reload(connection, {str(each) for each in (changed, *also)})
            finally:
                # The pool takes a connection back by itself when the server dies under it.
                with contextlib.suppress(asyncpg.InterfaceError):
                    connection.remove_termination_listener(self._lost)
                    if not connection.is_closed():
                        await connection.remove_listener(_CHANNEL, self._announced)

    def _announced(self, _connection: Any, _pid: int, _channel: str, payload: Any) -> None:
        self._changed.put_nowait(str(payload))

    def _lost(self, _connection: Any) -> None:
        self._changed.put_nowait(None)

    async def _load(self, connection: Any) -> None:
        found: list[Device] = []
        state = await connection.fetchval(self._sql["state_of_devices"], timeout=_LOOK_AGAIN_S)
        if state == self._state:
            return
        # Some at a time: the memory that all rows take at once would not come back.
        async with connection.transaction():
            async for row in connection.cursor(
                self._sql["all_devices"], prefetch=_ROWS, timeout=_LOOK_AGAIN_S
            ):
                found.append(self._same(_device(row)))  # noqa: PERF401 - one after the other
        # As of before the reading: what changed meanwhile is found the next time.
        self._state = state
        # In place: translation holds this very mapping.
        self.devices.clear()
        self.devices.version += 1
        self.retired.clear()
        for device in found:
            self._know(device)

    async def _reload(self, connection: Any, names: set[str]) -> None:
        rows = await connection.fetch(self._sql["some_devices"], list(names))
        found = {str(row["id"]): _device(row) for row in rows}
        for name in names:
            if name in found:
                self._know(found[name])
            else:
                self._forget(name)
        log.debug("registry.changed", devices=len(names), registered=len(found))

    @contextlib.asynccontextmanager
    async def _store(self) -> Any:
        try:
            async with self._pool.acquire() as connection:
                yield connection
        except AWAY as error:
            msg = f"the device registry cannot be reached: {error}"
            raise StoreError(msg) from error


def _row(device: Device) -> tuple[Any, ...]:
    position = device.position
    return (
        device.id,
        device.profile,
        device.entity_type,
        device.place,
        device.name,
        position and position.longitude,
        position and position.latitude,
        position and position.altitude,
        device.owner,
        device.installed_at,
        device.simulated,
        orjson.dumps(dict(device.parameters)).decode(),
        orjson.dumps(dict(device.attributes)).decode(),
        device.retired_at,
        device.replaced_by,
        device.origin,
    )


def _device(row: asyncpg.Record) -> Device:
    known = row["longitude"] is not None
    installed: datetime | None = row["installed_at"]
    return Device(
        id=row["id"],
        profile=_word(row["profile"]) or "",
        entity_type=_word(row["entity_type"]),
        place=row["place"],
        name=row["name"],
        position=Position(longitude=row["longitude"], latitude=row["latitude"], altitude=row["altitude"])
        if known
        else None,
        owner=_word(row["owner"]),
        installed_at=installed.astimezone(UTC) if installed else None,
        simulated=row["simulated"],
        parameters=_mapping(row["parameters"]),
        attributes=_mapping(row["attributes"]),
        retired_at=row["retired_at"] and row["retired_at"].astimezone(UTC),
        replaced_by=row["replaced_by"],
        origin=_word(row["origin"]),
    )


# Many devices have the same.


def _word(text: str | None) -> str | None:
    return None if text is None else sys.intern(text)


@lru_cache(maxsize=_SHARED)
def _mapping(written: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = orjson.loads(written)
    return found
