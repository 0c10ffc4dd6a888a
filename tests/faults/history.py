# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the embedded broker holds at the end: the history of each device, and its current state."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.faults.measures import TYPE
from tests.uplinks import rfc3339

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from tests.faults.measures import Measure

_VALUE = "temperature"
_RANGE = re.compile(r"date-time \S+?Z-(\S+Z)/.*")


class History:
    """Asks for it through the temporal API, as everybody does.

    Attributes:
        instances: how often (device, time of observation) stands in history.
        values: what stands there.
        newest: time of observation of the current state, by device.
    """

    def __init__(self, port: int, devices: Iterable[str]) -> None:
        self.instances: Counter[tuple[str, str]] = Counter()
        self.values: dict[tuple[str, str], Any] = {}
        self.newest: dict[str, str] = {}
        self._url = f"http://127.0.0.1:{port}/ngsi-ld/v1"
        self._devices = tuple(devices)

    async def gathered(self) -> None:
        """Read all of it."""
        async with aiohttp.ClientSession() as session:
            for device in self._devices:
                entity = f"/entities/urn:ngsi-ld:{TYPE}:hagen:{device}"
                async for value, at in self._past(session, f"/temporal{entity}"):
                    key = device, _same(at)
                    self.instances[key] += 1
                    self.values[key] = value
                now, _ = await self._get(session, entity)
                if now:
                    self.newest[device] = _same(_member(now)["observedAt"])

    async def _past(self, session: aiohttp.ClientSession, path: str) -> AsyncIterator[tuple[Any, str]]:
        """Give all values with their times, page by page (NGSI-LD, 6.3.10)."""
        window: dict[str, str] = {}
        end = None
        while True:
            asked = {"options": "temporalValues", "attrs": _VALUE, **window}
            found, pages = await self._get(session, path, asked)
            values = _member(found).get("values", [])
            for value, at in values[1:] if values and values[0][1] == end else values:  # it begins there
                end = at
                yield value, at
            if pages is None:
                return
            until = _RANGE.fullmatch(pages)
            assert until is not None, pages
            window = {"timerel": "after", "timeAt": until.group(1)}

    async def _get(
        self, session: aiohttp.ClientSession, path: str, asked: Mapping[str, str] | None = None
    ) -> tuple[dict[str, Any], str | None]:
        """Return what is there, and the Content-Range where that is not all."""
        prefer = {"Prefer": "maxpagesize=10000"}
        async with session.get(self._url + path, params=asked, headers=prefer) as answer:
            if answer.status == 404:
                return {}, None
            assert answer.status in {200, 206}, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found, answer.headers.get("Content-Range")

    # What the account asks.

    @property
    def known(self) -> set[tuple[str, str]]:
        """What is there at all."""
        return set(self.instances)

    @property
    def repeats(self) -> int:
        """Readings that stand there more than once."""
        return self.instances.total() - len(self.instances)

    def wrong(self, measures: Iterable[Measure]) -> list[Measure]:
        """Return what is there with another value than was sent."""
        return [each for each in measures if self.values.get(each.key, each.value) != each.value]

    def missing(self, measures: Iterable[Measure]) -> list[Measure]:
        """Return what is not there."""
        return [each for each in measures if each.key not in self.instances]

    def out_of_order(self) -> list[Any]:
        """Return the devices whose current state is not their newest reading."""
        newest: dict[str, str] = {}
        for device, at in self.instances:
            newest[device] = max(at, newest.get(device, ""))
        return [
            (device, at, self.newest.get(device))
            for device, at in newest.items()
            if self.newest.get(device) != at
        ]


def _same(at: str) -> str:
    """Write a time as the tests do: with milliseconds, though there be none."""
    return rfc3339(datetime.fromisoformat(at))


def _member(entity: dict[str, Any]) -> dict[str, Any]:
    """Return the measured attribute, whatever context its name is compacted by."""
    found = [value for name, value in entity.items() if name.rpartition("/")[2] == _VALUE]
    return dict(found[0]) if found else {}
