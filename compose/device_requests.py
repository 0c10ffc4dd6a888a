# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the device API is given and what it gives, as pydantic models: they check, and they document."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the fields at run time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Degrees = Annotated[float, Field(allow_inf_nan=False)]
DeviceName = Annotated[str, Field(min_length=1, max_length=160)]
_TEXT = Field(default=None, max_length=1000)


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GivenPosition(_Given):
    """A place on earth, WGS 84."""

    latitude: Annotated[Degrees, Field(ge=-90, le=90)]
    longitude: Annotated[Degrees, Field(ge=-180, le=180)]
    altitude: Degrees | None = None


class GivenDevice(_Given):
    """What may be said of a device."""

    profile: str | None = _TEXT
    name: str | None = _TEXT
    position: GivenPosition | None = None
    type: str | None = _TEXT
    place: str | None = _TEXT
    owner: str | None = _TEXT
    installed: datetime | None = None
    simulated: bool = False
    parameters: dict[str, Degrees] = {}
    attributes: dict[str, Any] = {}


class NewDevice(GivenDevice):
    """A device to register: its DevEUI in any common writing, its id in a plain topic, or its QR code."""

    id: DeviceName | None = None
    qr: str | None = Field(
        default=None, max_length=1000, description="What the label says, LoRa Alliance TR005: LW:D0:…"
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> NewDevice:
        if (self.id is None) == (self.qr is None):
            msg = "say either the id or the qr code"
            raise ValueError(msg)
        return self


class Approval(_Given):
    """What is said of a waiting device instead of the proposal."""

    profile: str | None = _TEXT
    name: str | None = _TEXT
    position: GivenPosition | None = None


class Approvals(_Given):
    """Which waiting devices are registered as proposed: some by name, or all but retired ones."""

    devices: list[DeviceName] = Field(default=[], max_length=100_000)
    all: bool = False

    @model_validator(mode="after")
    def _one_of_two(self) -> Approvals:
        if self.all == bool(self.devices):
            msg = "name the devices, or say that all are meant"
            raise ValueError(msg)
        return self


class Move(_Given):
    """Where a device hangs now."""

    position: GivenPosition
    name: str | None = _TEXT
    place: str | None = _TEXT
    since: datetime | None = None


class Replacement(_Given):
    """Which device takes another one's place."""

    by: DeviceName
    profile: str | None = _TEXT
    since: datetime | None = None


class Sync(_Given):
    """A network server whose list of devices the registry follows.

    The token is an API key of that server which may read devices; it is sent there and kept nowhere.
    """

    network: Literal["chirpstack", "tts"]
    url: Annotated[str, Field(min_length=1, max_length=1000)]
    application: Annotated[str, Field(min_length=1, max_length=200)]
    token: Annotated[str, Field(min_length=1, max_length=4000, json_schema_extra={"writeOnly": True})]
    profile: str | None = Field(
        default=None, max_length=1000, description="Of new devices for which none is known."
    )
    keep: list[Literal["name", "position"]] = Field(
        default=[], max_length=2, description="What stays as it is registered, whatever the list says."
    )
    apply: bool = Field(default=False, description="Do it; otherwise only say what differs.")
    retireGone: bool = Field(  # noqa: N815 - as JSON of the web is spelt
        default=False, description="With apply: retire what is not listed any more."
    )
    plainHttp: bool = Field(  # noqa: N815 - as JSON of the web is spelt
        default=False, description="Send the token without encryption to another machine."
    )


class ShownPosition(BaseModel):
    """A place on earth, WGS 84."""

    latitude: float
    longitude: float
    altitude: float | None


class ShownDevice(BaseModel):
    """A device as it is registered."""

    id: str
    profile: str
    name: str | None
    position: ShownPosition | None
    type: str | None
    place: str | None
    owner: str | None
    installed: datetime | None
    simulated: bool
    parameters: dict[str, float]
    attributes: dict[str, Any]
    retired: datetime | None
    replacedBy: str | None  # noqa: N815 - as JSON of the web is spelt
    origin: str | None


class Devices(BaseModel):
    """A page of devices, by id; `next` is the `after` of the page behind it, null on the last."""

    devices: list[ShownDevice]
    next: str | None


class Registered(BaseModel):
    """What was registered, and how many messages had waited for it."""

    devices: list[ShownDevice]
    left: list[str] = []
    messages: int


class ShownProposal(BaseModel):
    """An unknown device that waits, and what it seems to be."""

    device_id: str
    name: str | None
    source: str
    count: int
    first_seen: datetime
    last_seen: datetime
    model: list[str]
    profile: str | None
    by: Literal["model", "data"] | None
    position: ShownPosition | None
    retired_at: datetime | None


class Pending(BaseModel):
    """All that wait."""

    devices: list[ShownProposal]


class ShownValues(BaseModel):
    """What changes of one value."""

    old: Any
    new: Any


class ShownChange(BaseModel):
    """What changes of one device."""

    id: str
    changes: dict[str, ShownValues]


class ShownError(BaseModel):
    """Why one row cannot be used."""

    row: int
    where: str
    device: str | None
    reason: str


class ShownPlan(BaseModel):
    """What a file would change, or has changed."""

    applied: bool
    new: list[ShownDevice]
    changed: list[ShownChange]
    unchanged: int
    errors: list[ShownError]
    messages: int


class ShownListed(BaseModel):
    """A listed device for which no profile fits."""

    id: str
    name: str | None
    model: list[str]


class ShownSync(BaseModel):
    """What a network server's list would change, or has changed."""

    applied: bool
    new: list[ShownDevice]
    changed: list[ShownChange]
    gone: list[str]
    retired: bool
    left: list[ShownListed]
    unchanged: int
    messages: int


class ShownHealth(BaseModel):
    """The last 24 hours of a device; `complete` is a part of one, null where nothing was to be expected."""

    device: str
    name: str | None
    received: int
    missed: int
    complete: float | None
    intervalSeconds: float | None  # noqa: N815 - as JSON of the web is spelt
    silentSince: datetime | None  # noqa: N815 - as JSON of the web is spelt


class Health(BaseModel):
    """Of each device in service, the worst first."""

    devices: list[ShownHealth]


class Problem(BaseModel):
    """Why something was not done (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    devices: list[str] = []
    errors: list[ShownError] = []
