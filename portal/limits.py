# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How many requests one reader may make: a bucket for each address or key, filled again as time goes."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from portal.office import OFFICE, digest, shown_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

_READERS = 50_000


class Limiter:
    """Counts requests.

    Args:
        each_minute: requests that one reader may go on making.
        at_once: requests that one reader may make at once, after a pause.
        keyed: how many times as much is allowed with a key.
        behind_proxy: the last address in `X-Forwarded-For` is the reader's, for a proxy of the operator's
            has put it there.
        clock: seconds.
    """

    def __init__(
        self,
        *,
        each_minute: float,
        at_once: float,
        keyed: float = 5.0,
        behind_proxy: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = each_minute / 60
        self._full = at_once
        self._keyed = keyed
        self._behind_proxy = behind_proxy
        self._clock = clock
        self._buckets: OrderedDict[bytes | str, tuple[float, float]] = OrderedDict()

    def wait(self, request: web.Request) -> float:
        """Count a request; return for how many seconds its sender has to wait, 0 if it may go on."""
        key = shown_key(request)
        partner = None if key is None else digest(key)
        if partner is None or partner not in request.app[OFFICE].partners:
            return self._count(self._address(request), 1.0)  # whoever makes up keys is one of the public
        return self._count(partner, self._keyed)

    def _count(self, reader: bytes | str, more: float) -> float:
        now, full, rate = self._clock(), self._full * more, self._rate * more
        left, before = self._buckets.pop(reader, (full, now))
        left = min(full, left + (now - before) * rate)
        wait = 0.0
        if left >= 1:
            left -= 1
        else:
            wait = (1 - left) / rate
        self._buckets[reader] = left, now
        if len(self._buckets) > _READERS:
            self._buckets.popitem(last=False)
        return wait

    def _address(self, request: web.Request) -> str:
        address = request.remote or ""
        if self._behind_proxy:
            # A proxy may add a header of its own to those that the reader made up: the last one counts.
            address = (
                ",".join(request.headers.getall("X-Forwarded-For", [address])).rpartition(",")[2].strip()
            )
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return "unknown"
        if isinstance(found, ipaddress.IPv6Address):  # one household has a whole /64
            return str(ipaddress.ip_network((found, 64), strict=False))
        return str(found)
