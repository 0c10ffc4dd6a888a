# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From what is queued to what a receiver reads (CIM 009, clauses 5.3.1, 6.3.8 and 7.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from broker.embedded.contexts import as_json_ld
from broker.embedded.joining import Joined, flattened, joined
from broker.embedded.language import choose_language
from broker.embedded.links import context_link
from broker.embedded.merging import Stored, timestamp
from broker.embedded.notification_params import GEO_JSON, JSON_LD
from broker.embedded.representations import View, feature, show
from broker.embedded.requests import preferences
from broker.embedded.versions import amended
from broker.embedded.vocabulary import NULL, PREVIOUS_MEMBER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import asyncpg

    from broker.embedded.entities import Instance
    from broker.embedded.notifications import Known
    from broker.embedded.store import EntityReader
    from broker.embedded.terms import Context


_NOW = {name: member for member, name in PREVIOUS_MEMBER.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A notification, ready to be sent.

    Attributes:
        headers: over HTTP its headers, over MQTT its metadata.
    """

    body: dict[str, Any]
    headers: dict[str, str]


async def compose(row: asyncpg.Record, known: Known, context: Context, reader: EntityReader) -> Message:
    """Return what a queued notification says; linked entities are read as they are now.

    Raises:
        TooComplexQueryError: too many entities are linked.
    """
    endpoint = known.subscription.notification.endpoint
    items = orjson.loads(row["entities"])
    linked = {"@context": as_json_ld(context)} if endpoint.accept == JSON_LD else {}
    within = bool(linked)
    shown = await _shown(row["tenant"], items, known, context, reader)
    data: Any = [{**each, **linked} for each in shown]
    if endpoint.accept == GEO_JSON:
        data = {"type": "FeatureCollection", "features": shown}
        within = preferences([endpoint.told("prefer") or ""]).get("body") != "json"
        if within:
            data["@context"] = as_json_ld(context)
    body = {
        "id": f"urn:ngsi-ld:Notification:{row['id']}",
        "type": "Notification",
        "subscriptionId": known.subscription.id,
        "notifiedAt": timestamp(row["notified_at"]),
        "data": data,
        **linked,
    }
    headers = {**dict(endpoint.info), "Content-Type": endpoint.accept}
    if row["tenant"]:
        headers["NGSILD-Tenant"] = row["tenant"]
    if not within and endpoint.told("link") is None:
        headers["Link"] = context_link(known.link or context.url)
    return Message(body=body, headers=headers)


async def _shown(
    tenant: str, items: Sequence[Mapping[str, Any]], known: Known, context: Context, reader: EntityReader
) -> list[dict[str, Any]]:
    subscription = known.subscription
    wanted = subscription.notification
    view = View(
        context=context,
        form=wanted.form,
        system=wanted.system,
        attributes=wanted.attributes,
        pick=wanted.pick,
        omit=wanted.omit,
        datasets=subscription.datasets,
        languages=subscription.languages,
    )
    roots = [_entity(item) for item in items]
    views = [(root, view) for root in roots]
    if wanted.join is not None:
        beyond = await joined(reader, tenant, roots, view, wanted.join)
        if wanted.join.how == "flat":
            views = flattened(roots, beyond, view, wanted.join)
        else:
            views = [
                (
                    root,
                    replace(
                        view,
                        joined=Joined(entities=beyond, level=wanted.join.level, met=frozenset({root.id})),
                    ),
                )
                for root in roots
            ]
    told = {item["id"]: item for item in items}
    version, normalized = subscription.conformance, wanted.form == "normalized"
    if wanted.endpoint.accept == GEO_JSON:
        features = [_feature(entity, seen, told.get(entity.id, {})) for entity, seen in views]
        if version is not None:
            for each in features:
                each["properties"] = amended(each["properties"], version, normalized=normalized)
        return features
    shown = [_object(entity, seen, told.get(entity.id, {})) for entity, seen in views]
    if version is not None:
        return [amended(each, version, normalized=normalized) for each in shown]
    return shown


def _object(entity: Stored, view: View, item: Mapping[str, Any]) -> dict[str, Any]:
    shown = show(entity, view)
    _tell_deletion(shown, entity, view, item)
    return shown


def _feature(entity: Stored, view: View, item: Mapping[str, Any]) -> dict[str, Any]:
    shown = feature(entity, view)
    _tell_deletion(shown["properties"], entity, view, item)
    return {**shown, "geometry": None if shown["geometry"] == NULL else shown["geometry"]}


def _tell_deletion(shown: dict[str, Any], entity: Stored, view: View, item: Mapping[str, Any]) -> None:
    """Add what a change took away: when the entity or an attribute was deleted, and the values before."""
    if "deleted_at" in item and view.shows("deletedAt"):
        shown["deletedAt"] = item["deleted_at"]
    for iri, values in item.get("before", {}).items():
        previous = {key: _previous(each, view) for key, each in values.items()}
        _amend(shown, view.context.compact(iri), entity.attributes.get(iri, ()), previous)
    if view.system and view.form != "simplified":
        for iri, instances in item.get("attributes", {}).items():
            deleted = {
                each.get("datasetId", ""): {"deletedAt": each["deletedAt"]}
                for each in instances
                if "deletedAt" in each
            }
            _amend(shown, view.context.compact(iri), instances, deleted)


def _amend(
    shown: dict[str, Any],
    name: str,
    instances: Iterable[Instance],
    additions: Mapping[str, dict[str, Any]],
) -> None:
    """Add members to an attribute's instances, by their datasetIds."""
    if name not in shown or not additions:
        return
    given = shown[name]
    if any("value" in each and each["value"] == given for each in instances):  # alone, in the concise form
        whole = {"value": given}
        changed = _amended(whole, additions)
        shown[name] = given if changed is whole else changed
    elif isinstance(given, list):
        shown[name] = [_amended(each, additions) for each in given]
    else:
        shown[name] = _amended(given, additions)


def _amended(instance: dict[str, Any], additions: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return an instance with what an attribute of its kind may have of the additions."""
    added = {
        member: value
        for member, value in additions.get(instance.get("datasetId", ""), {}).items()
        if _NOW.get(member, member) in {*instance, "deletedAt"}
    }
    return {**instance, **added} if added else instance


def _previous(given: Mapping[str, Any], view: View) -> dict[str, Any]:
    """Return a value before a change under its name: previousValue, previousObject, previousLanguageMap."""
    return {PREVIOUS_MEMBER[member]: value for member, value in _spoken(given, view)}


def _spoken(given: Mapping[str, Any], view: View) -> Iterator[tuple[str, Any]]:
    for member, value in given.items():
        if member == "vocab":
            terms = [view.context.compact(each) for each in (value if isinstance(value, list) else [value])]
            yield member, terms if isinstance(value, list) else terms[0]
        elif member == "languageMap" and view.languages is not None:
            language = choose_language(value, view.languages)
            yield "value", None if language is None else value[language]
        elif member == "objectList":
            ids = [each["object"] if isinstance(each, dict) else each for each in value]
            yield member, ids if view.form == "concise" else [{"object": each} for each in ids]
        else:
            yield member, value


def _entity(item: Mapping[str, Any]) -> Stored:
    expires_at = item.get("expires_at")
    return Stored(
        id=item["id"],
        types=item["types"],
        scopes=item["scopes"],
        attributes=item["attributes"],
        created_at=datetime.fromisoformat(item["created_at"]),
        modified_at=datetime.fromisoformat(item["modified_at"]),
        expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
    )
