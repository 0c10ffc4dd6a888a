# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Declared subscriptions, made true at the broker: what differs, and how to change it.

Ours are known by their id, `urn:ngsi-ld:Subscription:volme:<city>:<name>`; no other is touched. All goes
through the NGSI-LD client (CIM 009, clause 5.8), so that it works the same with every broker.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import unquote

import orjson
import structlog

from broker.client import BrokerRefusalError, NotFoundError, UnknownTenantError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from broker.client import NgsiLdClient

log = structlog.get_logger(__name__)

_PREFIX: Final = "urn:ngsi-ld:Subscription:volme:{}:"
_HIDDEN: Final = "…"
_PAUSED: Final = frozenset({"paused", "failed", "inactive"})

#: What a kind of broker does not do though it accepts it, by member of a subscription.
NOT_DONE: Final[Mapping[str, Mapping[str, str]]] = {
    "orion-ld": {
        "geoQ": "Orion-LD accepts “geo” in a subscription but ignores it: its receiver would be told of the"
        " whole city. Leave it out, and let the receiver look where it was"
    }
}
#: What a kind of broker does, but not reliably.
DOUBTFUL: Final[Mapping[str, Mapping[str, str]]] = {
    "orion-ld": {"mqtt": "Orion-LD's notifications over MQTT may stop after a pause; prefer HTTP"}
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """One subscription as it should be.

    Attributes:
        name: of our own, in its id.
        document: as NGSI-LD has it (5.2.12), without id and type.
        context: address of the @context that its names are short by.
    """

    name: str
    document: Mapping[str, Any]
    context: str | None

    @property
    def expires_at(self) -> datetime | None:
        """When it ends."""
        return _moment(self.document.get("expiresAt"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One subscription of ours at the broker.

    Attributes:
        document: as the broker shows it.
    """

    name: str
    id: str
    document: Mapping[str, Any]

    @property
    def paused(self) -> bool:
        """Whether it notifies nobody, though it has not expired."""
        if self.document.get("status") == "expired":
            return False
        return self.document.get("isActive") is False or self.document.get("status") in _PAUSED


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One thing to be done at the broker.

    Attributes:
        action: `replace` is to delete and create; `revive` is to let a paused one go on.
        name: of the subscription.
        id: of the subscription.
        differences: what is different, a line each; secrets are not shown.
        document: what is sent: all of it, or the members that change.
        context: address of its @context.
        before: what the broker has now; None: nothing.
    """

    action: Literal["create", "change", "replace", "revive", "delete"]
    name: str
    id: str
    differences: tuple[str, ...] = ()
    document: Mapping[str, Any] | None = None
    context: str | None = None
    before: Mapping[str, Any] | None = None


def id_of(city: str, name: str) -> str:
    """Return the id of a subscription of ours."""
    return f"{_PREFIX.format(city)}{name}"


def refusals(declared: Declared, kind: str) -> tuple[str, ...]:
    """Say what a kind of broker would not do of a subscription, a sentence each."""
    known = NOT_DONE.get(kind, {})
    return tuple(sentence for member, sentence in known.items() if member in declared.document)


def doubts(declared: Declared, kind: str) -> tuple[str, ...]:
    """Say what a kind of broker does not do reliably, a sentence each."""
    uri = str(_member(declared.document, "notification", "endpoint", "uri") or "")
    known = DOUBTFUL.get(kind, {})
    return tuple(sentence for scheme, sentence in known.items() if uri.startswith(scheme))


async def found(client: NgsiLdClient, city: str, contexts: Mapping[str, str | None]) -> list[Found]:
    """Return our subscriptions at the broker, by name.

    Args:
        client: speaks to the broker.
        city: whose.
        contexts: address of the @context by name of a subscription, for those that are declared.

    Raises:
        NgsiLdError: the broker cannot be asked.
    """
    prefix = _PREFIX.format(city)
    try:
        ids = [str(each.get("id")) async for each in client.subscriptions()]
    except UnknownTenantError:
        return []
    ours: list[Found] = []
    for own in sorted(each for each in ids if each.startswith(prefix)):
        name = own.removeprefix(prefix)
        try:
            document = await client.retrieve_subscription(own, context=contexts.get(name))
        except NotFoundError:  # deleted just now
            continue
        ours.append(Found(name=name, id=own, document=document))
    return ours


def plan(
    declared: Sequence[Declared], ours: Sequence[Found], *, city: str, now: datetime
) -> tuple[Step, ...]:
    """Return what has to be done so that the broker has what is declared, by name.

    What has expired by its declaration is not wanted any more.
    """
    wanted = {each.name: each for each in declared if each.expires_at is None or each.expires_at > now}
    there = {each.name: each for each in ours}
    steps: list[Step] = []
    for name in sorted(wanted.keys() | there.keys()):
        want, have = wanted.get(name), there.get(name)
        if want is None and have is not None:
            steps.append(Step(action="delete", name=name, id=have.id, before=have.document))
        elif want is not None and have is None:
            steps.append(_create(want, id_of(city, name)))
        elif want is not None and have is not None:
            steps.extend(_change(want, have))
    return tuple(steps)


def _create(want: Declared, own: str) -> Step:
    document = {"id": own, "type": "Subscription", **want.document}
    lines = [f"{member}: {_shown(member, value)}" for member, value in _members(want.document).items()]
    return Step(
        action="create",
        name=want.name,
        id=own,
        differences=tuple(lines),
        document=document,
        context=want.context,
    )


def _change(want: Declared, have: Found) -> Iterator[Step]:
    """Yield what makes a subscription what it should be; nothing, where it is."""
    wished, seen = _members(want.document), _members(have.document)
    differing = [name for name in {**wished, **seen} if wished.get(name) != seen.get(name)]
    lines = tuple(
        f"{name}: {_shown(name, seen.get(name))} → {_shown(name, wished.get(name))}"
        if name not in _SECRETS or _named(seen.get(name)) != _named(wished.get(name))
        else f"{name}: a value differs"
        for name in differing
    )
    active = want.document.get("isActive", True)
    revive = have.paused and active
    stop = not have.paused and not active
    if stop:
        lines = (*lines, "isActive: true → false")
    if not lines:
        if revive:
            reason = f"it was {have.document.get('status', 'paused')}"
            yield Step(
                action="revive",
                name=want.name,
                id=have.id,
                differences=(reason,),
                document={"isActive": True},
                context=want.context,
                before=have.document,
            )
        return
    gone = [name for name in differing if name not in wished]
    sections = {name.partition(".")[0] for name in differing}
    document = {name: want.document[name] for name in sections if name in want.document}
    if revive or stop:
        document["isActive"] = active
    whole = {"id": have.id, "type": "Subscription", **want.document}
    yield Step(
        action="replace" if any("." not in name for name in gone) else "change",
        name=want.name,
        id=have.id,
        differences=lines,
        document=whole if any("." not in name for name in gone) else document,
        context=want.context,
        before=have.document,
    )


async def apply(client: NgsiLdClient, step: Step) -> None:
    """Do one step.

    Raises:
        NgsiLdError: the broker refuses it, or cannot be asked. What was to be replaced is there as before.
    """
    match step.action:
        case "create":
            await client.create_subscription(step.document or {}, context=step.context)
        case "change" | "revive":
            await client.update_subscription(step.id, step.document or {}, context=step.context)
        case "replace":
            await replace(client, step)
        case "delete":
            await _delete(client, step.id)
    log.info("subscriptions.applied", action=step.action, subscription=step.id)


async def replace(client: NgsiLdClient, step: Step) -> None:
    """Delete a subscription and create it anew: the one way to take a member away that all brokers know."""
    await _delete(client, step.id)
    try:
        await client.create_subscription(step.document or {}, context=step.context)
    except BrokerRefusalError:
        if step.before is not None:
            await client.create_subscription(_own_members(step.before), context=step.context)
        raise


async def _delete(client: NgsiLdClient, own: str) -> None:
    try:
        await client.delete_subscription(own)
    except NotFoundError:
        log.info("subscriptions.gone", subscription=own)  # as it should be


# ---- what is compared: members that say the same are the same, however a broker writes them

_SECRETS: Final = frozenset({"notification.receiverInfo"})
_OWN: Final = (
    "id", "type", "description", "entities", "watchedAttributes", "q", "geoQ", "throttling", "expiresAt",
    "isActive", "notification",
)  # fmt: skip
_OWN_NOTIFICATION: Final = ("attributes", "format", "endpoint")
_OWN_ENDPOINT: Final = ("uri", "accept", "receiverInfo", "notifierInfo")
_FORMATS: Final = {"keyValues": "simplified"}
_JSON: Final = "application/json"


def _members(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a subscription says, by member, in a form that can be compared; nothing for defaults."""
    notification, endpoint = _part(document, "notification"), _part(document, "notification", "endpoint")
    form = notification.get("format")
    found = {
        "description": document.get("description"),
        "entities": _sorted(_selector(each) for each in document.get("entities") or ()),
        "watchedAttributes": sorted(document.get("watchedAttributes") or ()),
        "q": _condition(document.get("q")),
        "geoQ": _geo(document.get("geoQ")),
        "throttling": _number(document.get("throttling")),
        "expiresAt": _moment(document.get("expiresAt")),
        "notification.attributes": sorted(notification.get("attributes") or ()),
        "notification.format": _FORMATS.get(str(form), form) if form != "normalized" else None,
        "notification.uri": endpoint.get("uri"),
        "notification.accept": endpoint.get("accept") if endpoint.get("accept") != _JSON else None,
        "notification.receiverInfo": _pairs(endpoint.get("receiverInfo")),
        "notification.notifierInfo": _pairs(endpoint.get("notifierInfo")),
    }
    return {member: value for member, value in found.items() if value not in (None, [], {})}


def _own_members(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return of what a broker shows what its author may have sent."""
    found = {member: document[member] for member in _OWN if member in document}
    notification = _part(document, "notification")
    endpoint = _part(document, "notification", "endpoint")
    found["notification"] = {
        member: notification[member] for member in _OWN_NOTIFICATION if member in notification
    }
    found["notification"]["endpoint"] = {
        member: endpoint[member] for member in _OWN_ENDPOINT if member in endpoint
    }
    return found


def _member(document: Mapping[str, Any], *path: str) -> Any:
    value: Any = document
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _part(document: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    value = _member(document, *path)
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


def _moment(value: Any) -> datetime | None:
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


def _named(value: Any) -> list[str]:
    return sorted(value) if isinstance(value, dict) else []


def _shown(member: str, value: Any) -> str:
    """Write a member for people."""
    if value is None:
        return "(none)"
    if member in _SECRETS and isinstance(value, dict):
        return ", ".join(f"{name}: {_HIDDEN}" for name in sorted(value))
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


# ---- how they are


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """How one subscription of ours is.

    Attributes:
        name: ours.
        declared: it stands in the file.
        status: as the broker says: `active`, `paused`, `expired`; `absent`: the broker does not have it.
        last_success: when a receiver last took a notification; None: never, or the broker does not say.
        last_failure: when one last did not.
        sent: notifications so far; None: the broker does not say.
        failed: those of them that nobody took.
    """

    name: str
    declared: bool
    status: str
    uri: str | None = None
    last_success: datetime | None = None
    last_failure: datetime | None = None
    sent: int | None = None
    failed: int | None = None

    @property
    def problem(self) -> str | None:
        """What is wrong with it, a sentence; None: nothing."""
        if self.status == "absent":
            return f"{self.name} is declared, but the broker does not have it: volme subscriptions apply"
        if not self.declared:
            return f"{self.name} is at the broker, but no longer declared: volme subscriptions apply"
        if self.status in _PAUSED:
            return f"{self.name} is paused, nobody is told: volme subscriptions apply revives it"
        failed, done = self.last_failure, self.last_success
        if failed is not None and (done is None or failed > done):
            return f"{self.name}: the last notification did not reach {self.uri}"
        return None


def health(declared: Sequence[Declared], ours: Sequence[Found], now: datetime) -> list[Health]:
    """Return how our subscriptions are, by name: those that are declared or at the broker."""
    there = {each.name: each for each in ours}
    wanted = {each.name: each for each in declared if each.expires_at is None or each.expires_at > now}
    return [_health(name, there.get(name), wanted.get(name)) for name in sorted(wanted.keys() | there.keys())]


def _health(name: str, have: Found | None, want: Declared | None) -> Health:
    if have is None:
        return Health(name=name, declared=True, status="absent")
    notification = _part(have.document, "notification")
    wanted_off = want is not None and want.document.get("isActive") is False
    status = str(have.document.get("status") or ("paused" if have.paused else "active"))
    return Health(
        name=name,
        declared=want is not None,
        status="off" if wanted_off and have.paused else status,
        uri=_part(have.document, "notification", "endpoint").get("uri"),
        last_success=_moment(notification.get("lastSuccess")),
        last_failure=_moment(notification.get("lastFailure")),
        sent=_whole(notification.get("timesSent")),
        failed=_whole(notification.get("timesFailed", notification.get("consecutiveErrors"))),
    )


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
