# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What a subscription says (CIM 009, clauses 5.2.12 to 5.2.15), read once and checked.

A subscription is stored as its author sent it, with its @context and with what each name in it
expands to: so it is read again without the @context being at hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from broker.embedded.endpoints import split_http
from broker.embedded.entities import check_instant
from broker.embedded.filters import Filter
from broker.embedded.geo import GeoQuery, parse_geo
from broker.embedded.problems import BadRequestDataError, NotSupportedError
from broker.embedded.query import Query, check_pattern, parse_q
from broker.embedded.selection import Selection, parse_types, type_names
from broker.embedded.vocabulary import NULL, check_id, check_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.embedded.merging import Changes, Stored
    from broker.embedded.representations import Form
    from broker.embedded.terms import Names

FORMS: Mapping[str, Form] = {
    "normalized": "normalized",
    "concise": "concise",
    "keyValues": "simplified",
    "simplified": "simplified",
}
ACCEPTS = ("application/json", "application/ld+json", "application/geo+json")
_TRIGGERS = frozenset({"entityCreated", "entityUpdated", "attributeCreated", "attributeUpdated"})
_LATER = ("timeInterval", "temporalQ", "scopeQ", "csf", "lang", "datasetId", "orderBy")
_LATER_NOTIFICATION = ("pick", "omit", "join", "showChanges")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,200}")
_OUR_HEADERS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "link", "ngsild-tenant"}
)
_MAX_SELECTORS = 100
_MAX_SECONDS = 10 * 365 * 86_400


class Recorder:
    """Expands names and remembers what each came to."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.known: dict[str, str] = {}

    def expand(self, name: str) -> str:
        """Return the IRI of a name."""
        return self.known.setdefault(name, self._names.expand(name))


class Remembered:
    """Expands the names that a stored subscription brought its IRIs for."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known

    def expand(self, name: str) -> str:
        """Return the IRI of a name."""
        return self._known.get(name, name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Selector:
    """Which entities a subscription is about: one entry of its `entities`."""

    ids: tuple[str, ...] | None
    id_pattern: str | None
    types: Selection | None

    def may_match(self, entity: Stored) -> bool:
        """Say whether it matches, as far as can be said without its pattern."""
        if self.ids is not None and entity.id not in self.ids:
            return False
        return self.types is None or self.types.matches(entity.types)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    """One subscription, compiled.

    Attributes:
        watched: IRIs of the attributes whose changes count; None for any.
        shown: IRIs of the attributes that notifications carry; None for all.
        throttling: the least seconds between two notifications.
        timeout: seconds that the receiver has to answer; None for the broker's own.
    """

    id: str
    selectors: tuple[Selector, ...]
    watched: frozenset[str] | None
    triggers: frozenset[str]
    q: Query | None
    geo: GeoQuery | None
    shown: frozenset[str] | None
    form: Form
    system: bool
    uri: str
    accept: str
    headers: tuple[tuple[str, str], ...]
    throttling: float | None
    timeout: float | None
    expires_at: datetime | None
    is_active: bool

    def active(self, moment: datetime) -> bool:
        """Say whether it notifies at all."""
        return self.is_active and (self.expires_at is None or moment < self.expires_at)

    def may_match(self, entity: Stored, changes: Changes) -> bool:
        """Say whether a change is one to notify of, as far as can be said without SQL."""
        if self.selectors and not any(selector.may_match(entity) for selector in self.selectors):
            return False
        if not self._triggered(changes):
            return False
        return self.geo is None or self.geo.matches(entity.attributes.get(self.geo.attribute, []))

    def filters(self, entity: Stored) -> list[Filter]:
        """Return what SQL still has to say of an entity: it matches if it is in one of them.

        An empty list says that nothing is left to ask.
        """
        candidates = [selector for selector in self.selectors if selector.may_match(entity)]
        patterns = [selector.id_pattern for selector in candidates]
        if None in patterns or not patterns:
            return [] if self.q is None else [Filter(q=self.q)]
        return [Filter(id_pattern=pattern, q=self.q) for pattern in patterns]

    def _triggered(self, changes: Changes) -> bool:
        touched: set[str] = set()
        if "attributeCreated" in self.triggers:
            touched.update(changes.created)
        if "attributeUpdated" in self.triggers:
            touched.update(changes.updated)
        if touched if self.watched is None else touched & self.watched:
            return True
        if changes.entity_created:
            return "entityCreated" in self.triggers
        return "entityUpdated" in self.triggers and changes.any


def compile_subscription(doc: Mapping[str, Any], names: Names) -> Subscription:
    """Read a subscription.

    Raises:
        BadRequestDataError: it breaks a rule.
        NotSupportedError: it asks for a part of the standard that is not built.
    """
    if doc.get("type") != "Subscription":
        raise BadRequestDataError(detail="a subscription's type must be Subscription")
    for member in _LATER:
        if member in doc:
            raise NotSupportedError(detail=f"a subscription with {member} is not supported")
    chosen = selectors(doc.get("entities"), names)
    watched = _names(doc.get("watchedAttributes"), "watchedAttributes", names)
    if not chosen and watched is None:
        raise BadRequestDataError(detail="a subscription needs entities or watchedAttributes")
    notification = _object(doc.get("notification"), "notification")
    endpoint = _object(notification.get("endpoint"), "notification.endpoint")
    for member in _LATER_NOTIFICATION:
        if notification.get(member) not in (None, False, "none"):
            raise NotSupportedError(detail=f"a notification with {member} is not supported")
    form = notification.get("format", "normalized")
    if not isinstance(form, str) or form not in FORMS:
        raise BadRequestDataError(detail=f"notification.format is one of {', '.join(FORMS)}")
    accept = endpoint.get("accept", "application/json")
    if accept not in ACCEPTS:
        raise BadRequestDataError(detail=f"endpoint.accept is one of {', '.join(ACCEPTS)}")
    split_http(endpoint.get("uri"))
    q = doc.get("q")
    geo = None if doc.get("geoQ") is None else parse_geo(_object(doc["geoQ"], "geoQ"), names)
    timeout = _seconds(endpoint.get("timeout"), "endpoint.timeout")
    return Subscription(
        id=doc["id"],
        selectors=chosen,
        watched=watched,
        triggers=_triggers(doc.get("notificationTrigger")),
        # clients send it as they would in a URL, percent-encoded; the ETSI conformance suite does too
        q=None if q is None else parse_q(unquote(_text(q, "q")), names),
        geo=geo,
        shown=_names(notification.get("attributes"), "notification.attributes", names),
        form=FORMS[form],
        system=notification.get("sysAttrs") is True,
        uri=endpoint["uri"],
        accept=accept,
        headers=_headers(endpoint.get("receiverInfo")),
        throttling=_seconds(doc.get("throttling"), "throttling"),
        timeout=None if timeout is None else timeout / 1000,
        expires_at=_instant(doc.get("expiresAt"), "expiresAt"),
        is_active=_flag(doc.get("isActive", True), "isActive"),
    )


def patched(doc: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return a subscription with some members replaced; null takes one away (clause 5.8.2).

    `notification` and its `endpoint` are merged member by member.
    """
    merged = dict(doc)
    for member, value in patch.items():
        if value is None or value == NULL:
            merged.pop(member, None)
        elif member in {"notification", "endpoint"} and isinstance(value, dict):
            before = merged.get(member)
            merged[member] = patched(before if isinstance(before, dict) else {}, value)
        else:
            merged[member] = value
    return merged


def status(subscription: Subscription, moment: datetime) -> str:
    """Return active, paused or expired."""
    if subscription.expires_at is not None and moment >= subscription.expires_at:
        return "expired"
    return "active" if subscription.is_active else "paused"


def shown_doc(doc: Mapping[str, Any], known: Mapping[str, str], context: Any) -> dict[str, Any]:
    """Return a subscription's document with its names in a reader's own terms (q stays as it is)."""

    def term(name: Any) -> Any:
        return context.compact(known.get(name, name)) if isinstance(name, str) else name

    shown = dict(doc)
    if "watchedAttributes" in shown:
        shown["watchedAttributes"] = [term(name) for name in shown["watchedAttributes"]]
    if "entities" in shown:
        shown["entities"] = [
            {member: term(value) if member == "type" else value for member, value in selector.items()}
            for selector in shown["entities"]
        ]
    notification = dict(shown["notification"])
    if "attributes" in notification:
        notification["attributes"] = [term(name) for name in notification["attributes"]]
    shown["notification"] = notification
    return shown


def named_types(doc: Mapping[str, Any]) -> list[object]:
    """Return the names of types in `entities`, of a subscription or of a query, before it is checked."""
    entities = doc.get("entities")
    return [
        name
        for item in (entities if isinstance(entities, list) else [])
        if isinstance(item, dict)
        for name in (type_names(item["type"]) if isinstance(item.get("type"), str) else [None])
    ]


def selectors(given: Any, names: Names) -> tuple[Selector, ...]:
    """Read `entities`, of a subscription or of a query.

    Raises:
        BadRequestDataError: it breaks a rule.
    """
    if given is None:
        return ()
    if not isinstance(given, list) or not 0 < len(given) <= _MAX_SELECTORS:
        raise BadRequestDataError(detail=f"entities is an array of 1 to {_MAX_SELECTORS} objects")
    return tuple(_selector(_object(item, "an entry of entities"), names) for item in given)


def _selector(given: Mapping[str, Any], names: Names) -> Selector:
    if not {"id", "idPattern", "type"} & given.keys():
        raise BadRequestDataError(detail="an entry of entities needs id, idPattern or type")
    ids, pattern, types = given.get("id"), given.get("idPattern"), given.get("type")
    if pattern is not None:
        check_pattern(_text(pattern, "idPattern"), "idPattern")
    return Selector(
        ids=None
        if ids is None
        else tuple(check_id(item) for item in (ids if isinstance(ids, list) else [ids])),
        id_pattern=pattern if ids is None else None,  # an id prevails (clause 5.2.8)
        types=None if types is None or types == "*" else parse_types(_text(types, "type"), names),
    )


def _names(given: Any, what: str, names: Names) -> frozenset[str] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not given:
        raise BadRequestDataError(detail=f"{what} is an array of names that is not empty")
    return frozenset(names.expand(check_name(name, f"a name in {what}")) for name in given)


def _triggers(given: Any) -> frozenset[str]:
    if given is None:
        return frozenset({"attributeCreated", "attributeUpdated"})
    if not isinstance(given, list) or not given:
        raise BadRequestDataError(detail="notificationTrigger is an array that is not empty")
    for trigger in given:
        if trigger in ("entityDeleted", "attributeDeleted"):
            raise NotSupportedError(detail=f"the notificationTrigger {trigger} is not supported")
        if not isinstance(trigger, str) or trigger not in _TRIGGERS:
            raise BadRequestDataError(detail=f"{str(trigger)[:100]!r} is no notificationTrigger")
    return frozenset(given)


def _headers(given: Any) -> tuple[tuple[str, str], ...]:
    if given is None:
        return ()
    if not isinstance(given, list):
        raise BadRequestDataError(detail="receiverInfo is an array of objects with key and value")
    headers = []
    for item in given:
        entry = _object(item, "an entry of receiverInfo")
        key, value = entry.get("key"), entry.get("value")
        if not isinstance(key, str) or _HEADER.fullmatch(key) is None or key.lower() in _OUR_HEADERS:
            raise BadRequestDataError(detail=f"{str(key)[:100]!r} is no header that receiverInfo may set")
        if not isinstance(value, str) or not value.isprintable() or not value.isascii():
            raise BadRequestDataError(
                detail=f"the value of the header {key} in receiverInfo is no plain text"
            )
        headers.append((key, value))
    return tuple(headers)


def _object(given: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise BadRequestDataError(detail=f"the subscription needs {what}, a JSON object")
    return given


def _text(given: Any, what: str) -> str:
    if not isinstance(given, str) or not given:
        raise BadRequestDataError(detail=f"{what} must be a string that is not empty")
    return given


def _flag(given: Any, what: str) -> bool:
    if not isinstance(given, bool):
        raise BadRequestDataError(detail=f"{what} must be true or false")
    return given


def _seconds(given: Any, what: str) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= _MAX_SECONDS:
        raise BadRequestDataError(detail=f"{what} must be a number above 0")
    return float(given)


def _instant(given: Any, what: str) -> datetime | None:
    if given is None:
        return None
    moment = datetime.fromisoformat(check_instant(_text(given, what)))
    return moment.astimezone(UTC)
