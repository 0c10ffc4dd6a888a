# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What brokers differ in: one table of limits, and the bodies that keep to them.

Nothing else in the client depends on the kind of broker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from broker.answers import Problem
from models.ngsild import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one kind of broker takes.

    Attributes:
        batch: entities a batch, unless the user of the client asks for another number.
        batch_max: entities a batch, whatever the user asks for.
        body: bytes of a request's body.
        connections: open at the same time.
        page: entities a page of a query.
        dataset_id: several instances of an attribute, told apart by `datasetId`, may be sent.
        temporal: history can be written and read. The client asks for it all the same and raises
            NotSupportedError as the broker answers; the bridge need not try.
        int32: whole numbers beyond 32 bits wrap silently unless they have a decimal point.
    """

    batch: int = 100
    batch_max: int = 800
    body: int = 1_000_000
    connections: int = 64
    page: int = 1000
    dataset_id: bool = True
    temporal: bool = True
    int32: bool = False

    def problem(self, body: bytes) -> Problem | None:
        """Say why this broker must not be sent a body; None: it may."""
        if len(body) > self.body:
            detail = f"{len(body)} bytes, and the limit is {self.body}"
            return Problem(status=413, title="Above the broker's limit", detail=detail)
        if not self.dataset_id and b'"datasetId"' in body:
            return Problem(status=422, title="This kind of broker cannot be sent a datasetId")
        return None


# Where a broker's own limit is not known, Orion-LD's stands in: it is the narrowest of all.
LIMITS: Final[Mapping[str, Limits]] = {
    # From the 801st entity on a batch fails; a body above 1,048,576 bytes is refused with 413; an
    # attribute with datasetId is dropped silently, or crashes it; numbers are stored as int32.
    "orion-ld": Limits(dataset_id=False, temporal=False, int32=True),
    "coraine": Limits(),
    "scorpio": Limits(),
    # Its pagination.limit-max is 100 unless configured otherwise.
    "stellio": Limits(page=100),
    "embedded": Limits(),
}


def encode(value: Any, *, int32: bool) -> bytes:
    """Write JSON; with `int32`, whole numbers beyond 32 bits get a decimal point (`to_json`).

    Whole numbers beyond 64 bits, which orjson cannot write, get one in any case. NaN and infinity
    become null, which every broker refuses.

    Raises:
        TypeError: the value has something that JSON has not.
    """
    if int32:
        return to_json(value)
    try:
        return orjson.dumps(value)
    except TypeError:
        return to_json(value)
