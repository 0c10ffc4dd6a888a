# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A reading: one measured value of one quantity; and the entities made of readings."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the fields at run time
from typing import Any, Final, Protocol

import orjson
from msgspec import Struct


class Reading(Struct, frozen=True, kw_only=True, gc=False):
    """One measured value of one quantity of the normalised vocabulary.

    Attributes:
        quantity: a name in `ontology/quantities.toml`, such as `air.temperature`.
        value: number, boolean or text, as the quantity's kind says; in the quantity's unit.
        unit: UN/CEFACT Recommendation 20 code of the value; None for what has no unit.
        observed_at: UTC.
        codec: what decoded it: `network`, `normalized`, a codec's name (`decentlab.dl_atm41`),
            or `derived` for what was computed from other readings.
        quality: a flag of `adapters/quality.py`; None: nothing speaks against it.
    """

    quantity: str
    value: float | bool | str
    unit: str | None
    observed_at: datetime
    codec: str
    quality: str | None = None


class Rest(Protocol):
    """What of a device's entities stays the same from message to message; one object as long as it does."""

    def still(self, type_name: str) -> bytes:
        """Write what stays the same of the entity of a type, as `EntityUpdate.still`."""
        ...


class Written(Struct, frozen=True, gc=False):
    """The rest of one entity, as it was written."""

    text: bytes

    def still(self, type_name: str) -> bytes:  # noqa: ARG002 - it is of one entity
        """See `Rest.still`."""
        return self.text


NOTHING: Final = Written(b"")


class EntityUpdate(Struct, frozen=True, kw_only=True, gc=False):
    """A part of one entity's state, ready for the broker.

    Attributes:
        id: `urn:ngsi-ld:<Type>:<city>:<device or place>`.
        type: the short name of a Smart Data Models type.
        subject: the subject whose context names its terms (`Weather`), a file in
            `ontology/contexts`.
        observed_at: the `observedAt` of all attributes that were measured; updates of one entity are
            compared by it. None: nothing was observed (a device was registered), and nothing can be late.
        measured: the names of these attributes.
        head: normalized NGSI-LD with short names, without @context, as JSON: `id`, `type`, what was
            measured and what follows the time of observation; without the closing brace.
        rest: what stays the same from message to message. Most updates go without it, so it is written
            when somebody asks for it.
    """

    id: str
    type: str
    subject: str
    observed_at: datetime | None
    measured: tuple[str, ...] = ()
    head: bytes
    rest: Rest = NOTHING

    @property
    def still(self) -> bytes:
        """What stays the same, as JSON: a comma before each attribute."""
        return self.rest.still(self.type)

    @property
    def json(self) -> bytes:
        """The whole body as JSON."""
        return self.head + self.still + b"}"

    @property
    def body(self) -> dict[str, Any]:
        """The whole body."""
        body: dict[str, Any] = orjson.loads(self.json)
        return body
