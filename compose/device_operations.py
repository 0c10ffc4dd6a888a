# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The table of the device API: its routes and its OpenAPI document are both made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compose import device_requests as bodies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """A row of the table.

    Attributes:
        name: the `operationId`.
        summary: one line of what it does.
        handler: the method of `DeviceApi` that does it.
        body: what it is given as JSON; None: nothing.
        files: media types of a file that it is given instead.
        query: its parameters: type and description by name.
        answer: what it gives; None: no body, or the media type in `media`.
        status: of its answer.
        media: of its answer.
        problems: statuses that it may answer with instead.
    """

    method: str
    path: str
    name: str
    summary: str
    handler: str
    body: type[BaseModel] | None = None
    files: tuple[str, ...] = ()
    query: Mapping[str, tuple[str, str]] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    media: str = "application/json"
    problems: tuple[int, ...] = ()


#: Media types of files of devices, and how such files' names end.
FILE_KINDS = {
    "text/csv": ".csv",
    "application/x-ndjson": ".ndjson",
    "application/toml": ".toml",
}

_ONE = "/api/devices/{device}"
_APPLY = {"apply": ("boolean", "Do it; otherwise only say what would be done.")}
#: Everything there is. Fixed paths come before those with a device in them.
OPERATIONS = (
    Operation(
        method="GET",
        path="/api/devices",
        name="listDevices",
        summary="List devices by id, in pages.",
        handler="list_devices",
        query={
            "limit": ("integer", "How many at most, up to 10,000; 1,000 unless said."),
            "after": ("string", "Only ids behind this one: `next` of the page before."),
            "retired": ("boolean", "Those out of service."),
        },
        answer=bodies.Devices,
        problems=(400,),
    ),
    Operation(
        method="POST",
        path="/api/devices",
        name="addDevice",
        summary="Register a device, and deliver what waited for it.",
        handler="add",
        body=bodies.NewDevice,
        answer=bodies.ShownDevice,
        status=201,
        problems=(409, 413, 415, 422),
    ),
    Operation(
        method="GET",
        path="/api/devices/pending",
        name="listPending",
        summary="List unknown devices that wait, each with a proposal.",
        handler="pending",
        answer=bodies.Pending,
    ),
    Operation(
        method="POST",
        path="/api/devices/pending/approve",
        name="approvePending",
        summary="Register waiting devices as proposed, and deliver what waited for them.",
        handler="approve_many",
        body=bodies.Approvals,
        answer=bodies.Registered,
        problems=(404, 409, 413, 415, 422),
    ),
    Operation(
        method="POST",
        path="/api/devices/sync",
        name="syncDevices",
        summary="Compare the registry with a network server's list of devices; apply does what differs.",
        handler="sync",
        body=bodies.Sync,
        answer=bodies.ShownSync,
        problems=(413, 415, 422, 502),
    ),
    Operation(
        method="GET",
        path="/api/devices/health",
        name="deviceHealth",
        summary="Say how complete the last 24 hours of each device are, the worst first.",
        handler="health",
        answer=bodies.Health,
    ),
    Operation(
        method="POST",
        path="/api/devices/import",
        name="importDevices",
        summary="Say what a file of devices would change, or change it: all or nothing.",
        handler="import_devices",
        files=tuple(FILE_KINDS),
        query=_APPLY,
        answer=bodies.ShownPlan,
        problems=(413, 415, 422),
    ),
    Operation(
        method="GET",
        path="/api/devices/export",
        name="exportDevices",
        summary="Return the devices in service as a table that the import reads back unchanged.",
        handler="export",
        query={"excel": ("boolean", "As a German Excel opens it: semicolons and decimal commas.")},
        media="text/csv",
    ),
    Operation(
        method="GET",
        path=_ONE,
        name="getDevice",
        summary="Return a device, in service or retired.",
        handler="show",
        answer=bodies.ShownDevice,
        problems=(404, 422),
    ),
    Operation(
        method="PUT",
        path=_ONE,
        name="putDevice",
        summary="Register a device, or say anew all that is known of it.",
        handler="put",
        body=bodies.GivenDevice,
        answer=bodies.ShownDevice,
        problems=(413, 415, 422),
    ),
    Operation(
        method="DELETE",
        path=_ONE,
        name="forgetDevice",
        summary="Forget a device; its entities stay in the broker as they are.",
        handler="forget",
        status=204,
        problems=(404, 422),
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/approve",
        name="approveDevice",
        summary="Register a waiting device as proposed, or as said.",
        handler="approve",
        body=bodies.Approval,
        answer=bodies.Registered,
        problems=(404, 409, 413, 415, 422),
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/move",
        name="moveDevice",
        summary="Say where a device hangs now.",
        handler="move",
        body=bodies.Move,
        answer=bodies.ShownDevice,
        problems=(404, 413, 415, 422),
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/replace",
        name="replaceDevice",
        summary="Let another device take its place: the entity stays, this device retires.",
        handler="replace",
        body=bodies.Replacement,
        answer=bodies.Registered,
        problems=(404, 409, 413, 415, 422),
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/retire",
        name="retireDevice",
        summary="Take a device out of service: nothing is expected of it, its history stays.",
        handler="retire",
        answer=bodies.ShownDevice,
        problems=(404, 422),
    ),
)
