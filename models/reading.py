# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A reading: one measured value of one quantity; and the entities made of readings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - dataclass fields are read at run time
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One measured value of one quantity of the normalised vocabulary.

    Attributes:
        quantity: a name in `ontology/quantities.toml`, such as `air.temperature`.
        value: number, boolean or text, as the quantity's kind says; in the quantity's unit.
        unit: UN/CEFACT Recommendation 20 code of the value; None for what has no unit.
        observed_at: UTC.
        codec: what decoded it: `network`, `normalized`, a codec's name (`decentlab.dl_atm41`),
            or `derived` for what was computed from other readings.
    """

    quantity: str
    value: float | bool | str
    unit: str | None
    observed_at: datetime
    codec: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EntityUpdate:
    """A part of one entity's state, ready for the broker.

    Attributes:
        id: `urn:ngsi-ld:<Type>:<city>:<device or place>`.
        type: the short name of a Smart Data Models type.
        subject: the subject whose context names its terms (`Weather`), a file in
            `ontology/contexts`.
        observed_at: the time of the newest attribute; updates of one entity are compared by it.
            None: nothing was observed (a device was registered), and nothing can be late.
        body: normalized NGSI-LD with short names, without @context.
    """

    id: str
    type: str
    subject: str
    observed_at: datetime | None
    body: dict[str, Any]
