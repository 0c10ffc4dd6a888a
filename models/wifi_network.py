# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Public Wi-Fi."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from models.entity import Located
from models.values import DateTime, Email, Index, OneOf, Several

WifiStatus: TypeAlias = Annotated[str, OneOf("noService, totalFailure, working, workingPartially")]


class WifiPointOfInterest(Located):
    """A place with public Wi-Fi."""

    subject: ClassVar[str] = "WifiNetwork"
    areas: ClassVar[tuple[str, ...]] = ("inclusion",)

    type: Literal["WifiPointOfInterest"] = "WifiPointOfInterest"
    clientsConnected: Index | None = None
    wifiStatus: WifiStatus | None = None
    service: Several[str] | None = None
    timeInstant: DateTime | None = None
    category: Several[str] | None = None
    email: Email | None = None
