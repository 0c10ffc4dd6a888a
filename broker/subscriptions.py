# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Declared subscriptions, made true at the broker: what differs, and how to change it.

Ours are known by their id, `urn:ngsi-ld:Subscription:volme:<city>:<name>`; no other is touched. All goes
through the NGSI-LD client (CIM 009, clause 5.8), so that it works the same with every broker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog

from broker.client import BrokerRefusalError, NotFoundError, UnknownTenantError
from broker.subscription_members import SECRETS, member_of, members, moment_of, named, own_members, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from broker.client import NgsiLdClient

log = structlog.get_logger(__name__)

_PREFIX: Final = "urn:ngsi-ld:Subscription:volme:{}:"
#: What brokers call a subscription that notifies nobody.
PAUSED: Final = frozenset({"paused", "failed", "inactive"})

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
        return moment_of(self.document.get("expiresAt"))


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
        return self.document.get("isActive") is False or self.document.get("status") in PAUSED


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
    uri = str(member_of(declared.document, "notification", "endpoint", "uri") or "")
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
    lines = [f"{member}: {shown(member, value)}" for member, value in members(want.document).items()]
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
    wished, seen = members(want.document), members(have.document)
    differing = [name for name in {**wished, **seen} if wished.get(name) != seen.get(name)]
    lines = tuple(
        f"{name}: {shown(name, seen.get(name))} → {shown(name, wished.get(name))}"
        if name not in SECRETS or named(seen.get(name)) != named(wished.get(name))
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
            await client.create_subscription(own_members(step.before), context=step.context)
        raise


async def _delete(client: NgsiLdClient, own: str) -> None:
    try:
        await client.delete_subscription(own)
    except NotFoundError:
        log.info("subscriptions.gone", subscription=own)  # as it should be
