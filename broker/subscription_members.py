# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What a subscription says, member by member, in a form that can be compared and shown.

Members that say the same are the same, however a broker writes them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import orjson
import structlog

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

log = structlog.get_logger(__name__)

#: Members that are not shown.
SECRETS: Final = frozenset({"notification.receiverInfo"})
_OWN: Final = (
    "id", "type", "description", "entities", "watchedAttributes", "q", "geoQ", "throttling", "expiresAt",
    "isActive", "notification",
)  # fmt: skip
_OWN_NOTIFICATION: Final = ("attributes", "format", "endpoint")
_OWN_ENDPOINT: Final = ("uri", "accept", "receiverInfo", "notifierInfo")
_FORMATS: Final = {"keyValues": "simplified"}
_JSON: Final = "application/json"


def members(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a subscription says, by member, in a form that can be compared; nothing for defaults."""
    notification, endpoint = part_of(document, "notification"), part_of(document, "notification", "endpoint")
    form = notification.get("format")
    found = {
        "description": document.get("description"),
        "entities": _sorted(_selector(each) for each in document.get("entities") or ()),
        "watchedAttributes": sorted(document.get("watchedAttributes") or ()),
        "q": _condition(document.get("q")),
        "geoQ": _geo(document.get("geoQ")),
        "throttling": _number(document.get("throttling")),
        "expiresAt": moment_of(document.get("expiresAt")),
        "notification.attributes": sorted(notification.get("attributes") or ()),
        "notification.format": _FORMATS.get(str(form), form) if form != "normalized" else None,
        "notification.uri": endpoint.get("uri"),
        "notification.accept": endpoint.get("accept") if endpoint.get("accept") != _JSON else None,
        "notification.receiverInfo": _pairs(endpoint.get("receiverInfo")),
        "notification.notifierInfo": _pairs(endpoint.get("notifierInfo")),
    }
    return {member: value for member, value in found.items() if value not in (None, [], {})}


def own_members(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return of what a broker shows what its author may have sent."""
    found = {member: document[member] for member in _OWN if member in document}
    notification = part_of(document, "notification")
    endpoint = part_of(document, "notification", "endpoint")
    found["notification"] = {
        member: notification[member] for member in _OWN_NOTIFICATION if member in notification
    }
    found["notification"]["endpoint"] = {
        member: endpoint[member] for member in _OWN_ENDPOINT if member in endpoint
    }
    return found


def member_of(document: Mapping[str, Any], *path: str) -> Any:
    """Return a member of a member; None: there is none."""
    value: Any = document
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def part_of(document: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return a member that is an object; empty: there is none."""
    value = member_of(document, *path)
    return value if isinstance(value, dict) else {}


def _selector(entry: Mapping[str, Any]) -> dict[str, Any]:
    ids = entry.get("id")
    return (
        {**entry, "id": sorted(ids) if isinstance(ids, list) else [ids]} if ids is not None else dict(entry)
    )


def _sorted(values: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(values, key=lambda value: orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


def _condition(q: Any) -> str | None:
    return None if q is None else "".join(unquote(str(q)).split())


def _geo(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        return None
    coordinates = value.get("coordinates")
    if isinstance(coordinates, str):
        try:
            coordinates = orjson.loads(coordinates)
        except orjson.JSONDecodeError:
            log.debug("subscriptions.coordinates.unreadable")
    return {"geoproperty": "location", **value, "coordinates": _floats(coordinates)}


def _floats(value: Any) -> Any:
    if isinstance(value, list):
        return [_floats(each) for each in value]
    return float(value) if isinstance(value, int | float) else value


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value else None


def moment_of(value: Any) -> datetime | None:
    """Read a time, to the second; None: it is none."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).replace(microsecond=0)


def _pairs(value: Any) -> dict[str, str]:
    """Read `receiverInfo`; names of headers are the same in any case."""
    entries = value if isinstance(value, list) else []
    return {
        str(each.get("key")).lower(): str(each.get("value")) for each in entries if isinstance(each, dict)
    }


def named(value: Any) -> list[str]:
    """Return the names of pairs."""
    return sorted(value) if isinstance(value, dict) else []


def shown(member: str, value: Any) -> str:
    """Write a member for people."""
    if value is None:
        return "(none)"
    if member in SECRETS and isinstance(value, dict):
        return ", ".join(f"{name}: …" for name in sorted(value))
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else orjson.dumps(value).decode()
