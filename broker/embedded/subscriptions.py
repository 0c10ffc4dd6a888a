# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What a subscription says (CIM 009, clauses 5.2.12 and 5.2.33), read once and checked.

A subscription is stored as its author sent it, with its @context and with what each name in it
expands to: so it is read again without the @context being at hand. `notification_params.py` reads
its member `notification`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from broker.embedded.checks import a_flag, a_moment, a_number, a_text, an_object, names_in, texts_in
from broker.embedded.filters import Filter
from broker.embedded.geo import GeoQuery, parse_geo
from broker.embedded.language import parse_languages
from broker.embedded.notification_params import NotificationParams, read_params
from broker.embedded.problems import BadRequestDataError
from broker.embedded.projection import ENTITY_MEMBERS
from broker.embedded.query import Query, check_pattern, parse_q
from broker.embedded.scopes import ScopeQuery, parse_scopes
from broker.embedded.selection import Selection, parse_types, type_names
from broker.embedded.versions import version_of
from broker.embedded.vocabulary import NULL, check_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from broker.embedded.language import Languages
    from broker.embedded.merging import Stored
    from broker.embedded.terms import Names
    from broker.embedded.versions import Version

DEFAULT_TRIGGERS = ("attributeCreated", "attributeUpdated")
_TRIGGERS = frozenset(
    {
        "entityCreated",
        "entityUpdated",
        "entityDeleted",
        "attributeCreated",
        "attributeUpdated",
        "attributeDeleted",
    }
)
_UPDATES = frozenset({"attributeCreated", "attributeUpdated", "attributeDeleted"})
_MEMBERS = frozenset(
    {
        "id", "type", "subscriptionName", "description", "entities", "notificationTrigger",
        "watchedAttributes", "timeInterval", "q", "geoQ", "csf", "isActive", "notification", "expiresAt",
        "throttling", "temporalQ", "scopeQ", "lang", "datasetId", "expandValues", "jsonKeys", "localOnly",
        "splitEntities", "jsonldContext", "ngsildConformance",
    }
)  # fmt: skip
_COUNTERS = frozenset(
    {"status", "timesSent", "timesFailed", "lastNotification", "lastSuccess", "lastFailure"}
)
_ALONE = re.compile(r"[A-Za-z][\w.:/#\-]*")
_NAMES = re.compile(r"[^(){},|;]+")  # in a selection of types or a projection
_LEAST = {
    "id": "urn:ngsi-ld:Subscription:any",
    "type": "Subscription",
    "notification": {"endpoint": {"uri": "http://receiver.example/"}},
}
_MAX_SELECTORS = 100
_NUMBERS = frozenset({"MQTT-QoS"})  # whose values stand in table 7.2-1 as numbers


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

    def filter(self) -> Filter:
        """Return what it means to a query."""
        return Filter(ids=self.ids, id_pattern=self.id_pattern, types=self.types)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    """One subscription, compiled.

    Attributes:
        watched: IRIs of the attributes whose changes count; None for any.
        triggers: what kinds of changes count.
        updates: the kinds of attributes' changes among them; entityUpdated stands for all three.
        datasets: datasetIds of the instances that notifications show, None for the default one; None
            for all.
        throttling: the least seconds between two notifications.
        interval: seconds between notifications that no change triggers.
        conformance: the version of NGSI-LD that notifications conform to; None: the current one.
    """

    id: str
    selectors: tuple[Selector, ...]
    watched: frozenset[str] | None
    triggers: frozenset[str]
    updates: frozenset[str]
    q: Query | None
    geo: GeoQuery | None
    scopes: ScopeQuery | None
    datasets: frozenset[str | None] | None
    languages: Languages | None
    throttling: float | None
    interval: float | None
    expires_at: datetime | None
    is_active: bool
    notification: NotificationParams
    conformance: Version | None

    def active(self, moment: datetime) -> bool:
        """Say whether it notifies at all."""
        return self.is_active and (self.expires_at is None or moment < self.expires_at)

    def filter(self) -> Filter:
        """Return the entities that it is about, as a query asks for them."""
        return Filter(
            any_of=tuple(selector.filter() for selector in self.selectors) or None,
            attributes=None if self.selectors or self.watched is None else tuple(sorted(self.watched)),
            q=self.q,
            geo=self.geo,
            scopes=self.scopes,
        )


def compile_subscription(doc: Mapping[str, Any], names: Names) -> Subscription:
    """Read a subscription.

    Raises:
        BadRequestDataError: it breaks a rule.
    """
    if doc.get("type") != "Subscription":
        raise BadRequestDataError(detail="a subscription's type must be Subscription")
    _check_the_rest(doc, names)
    chosen = typed_selectors(doc.get("entities"), names)
    watched = names_in(doc.get("watchedAttributes"), "watchedAttributes", names)
    throttling = a_number(doc.get("throttling"), "throttling")
    interval = a_number(doc.get("timeInterval"), "timeInterval")
    for member, other in (("throttling", throttling), ("watchedAttributes", watched)):
        if interval is not None and other is not None:
            raise BadRequestDataError(detail=f"timeInterval and {member} cannot stand side by side")
    if not chosen and watched is None and not doc.get("localOnly", False):
        raise BadRequestDataError(detail="a subscription needs entities or watchedAttributes")
    triggers = _triggers(doc.get("notificationTrigger"))
    return Subscription(
        id=doc["id"],
        selectors=chosen,
        watched=watched,
        triggers=triggers,
        updates=_UPDATES if "entityUpdated" in triggers else triggers & _UPDATES,
        q=_q(doc, names),
        geo=None if doc.get("geoQ") is None else parse_geo(_geo(doc["geoQ"]), names),
        scopes=None if doc.get("scopeQ") is None else parse_scopes(a_text(doc["scopeQ"], "scopeQ")),
        datasets=_datasets(doc.get("datasetId")),
        languages=None if doc.get("lang") is None else parse_languages(a_text(doc["lang"], "lang")),
        throttling=throttling,
        interval=interval,
        expires_at=a_moment(doc.get("expiresAt"), "expiresAt"),
        is_active=a_flag(doc.get("isActive", True), "isActive"),
        notification=read_params(doc.get("notification"), names),
        conformance=_conformance(doc.get("ngsildConformance")),
    )


def provided(doc: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an author says; what the broker itself writes, or nobody knows, is left out (5.2.12).

    A null inside a member says that it is not there, as in JSON-LD.
    """
    found = {member: _said(value) for member, value in doc.items() if member in _MEMBERS}
    notification = found.get("notification")
    if isinstance(notification, dict):
        found["notification"] = {
            member: value for member, value in notification.items() if member not in _COUNTERS
        }
    return found


def check_new(doc: Mapping[str, Any]) -> None:
    """Check that a new subscription says nothing with NGSI-LD's null, which takes members away (5.5.4).

    Raises:
        BadRequestDataError: it does.
    """
    for member, value in doc.items():
        if value == NULL:
            raise BadRequestDataError(detail=f"{member[:100]} cannot be {NULL} in a new subscription")


def check_written(doc: Mapping[str, Any], subscription: Subscription) -> None:
    """Check what is asked of a subscription that is written now, and not of one that was kept before.

    Raises:
        BadRequestDataError: the type "*" is not of local entities alone (5.2.33), or a value for the receiver
            or the notifier is no text (5.2.22).
    """
    if doc.get("localOnly") is False and any(selector.types is None for selector in subscription.selectors):
        raise BadRequestDataError(detail='the type "*" means local entities, so localOnly cannot be false')
    endpoint = doc["notification"]["endpoint"]
    for what in ("receiverInfo", "notifierInfo"):
        for pair in endpoint.get(what) or ():
            key, value = pair["key"], pair["value"]
            if not isinstance(value, str) and (key not in _NUMBERS or type(value) is not int):
                raise BadRequestDataError(detail=f"the value of {key[:100]} in {what} is no plain text")


def patched(doc: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return a subscription with some members replaced as wholes; null takes one away (clause 5.5.8)."""
    merged = dict(doc)
    for member, value in patch.items():
        if value is None or value == NULL:
            merged.pop(member, None)
        else:
            merged[member] = value
    return merged


def resumed(doc: Mapping[str, Any], patch: Mapping[str, Any], before: str) -> dict[str, Any]:
    """Return a patched document; one that was expired and gets a new date alone is active (5.8.2.4)."""
    again = before == "expired" and "expiresAt" in doc and "expiresAt" in patch and "isActive" not in patch
    return {member: value for member, value in doc.items() if not again or member != "isActive"}


def _said(value: Any) -> Any:
    if isinstance(value, dict):
        return {member: _said(each) for member, each in value.items() if each is not None}
    return [_said(each) for each in value] if isinstance(value, list) else value


def status(subscription: Subscription, moment: datetime) -> str:
    """Return active, paused or expired."""
    if subscription.expires_at is not None and moment >= subscription.expires_at:
        return "expired"
    return "active" if subscription.is_active else "paused"


def shown_doc(doc: Mapping[str, Any], known: Mapping[str, str], context: Any) -> dict[str, Any]:
    """Return a subscription's document with its names in a reader's own terms (q stays as it is)."""
    shown = _renamed(doc, lambda name: context.compact(known.get(name, name)))
    shown.setdefault("notificationTrigger", list(DEFAULT_TRIGGERS))
    return shown


def expanded(patch: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """Return a part of a subscription with IRIs in place of the names that stand alone, unchecked."""
    try:
        return _renamed(patch, lambda name: names.expand(name) if _ALONE.fullmatch(name) else name)
    except (AttributeError, TypeError):  # it is malformed; who reads it will say how
        return dict(patch)


def names_kept(doc: Mapping[str, Any], patch: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, str]:
    """Return what the names in those members of a document expand to that a patch leaves alone."""
    kept = {member: value for member, value in doc.items() if member not in patch}
    used = Recorder(Remembered(known))
    compile_subscription({**_LEAST, **kept, "localOnly": True}, used)
    return used.known


def _renamed(doc: Mapping[str, Any], rename: Callable[[str], str]) -> dict[str, Any]:
    def term(name: Any) -> Any:
        return rename(name) if isinstance(name, str) and name not in ENTITY_MEMBERS else name

    def selection(given: Any) -> Any:
        return _NAMES.sub(lambda found: term(found[0]), given) if isinstance(given, str) else given

    shown = dict(doc)
    for member in ("watchedAttributes", "expandValues", "jsonKeys"):
        if isinstance(shown.get(member), str):
            shown[member] = ",".join(term(name) for name in shown[member].split(","))
        elif shown.get(member) is not None:
            shown[member] = [term(name) for name in shown[member]]
    if shown.get("entities") is not None:
        shown["entities"] = [
            {member: selection(value) if member == "type" else value for member, value in selector.items()}
            for selector in shown["entities"]
        ]
    if "geoproperty" in (shown.get("geoQ") or {}):
        shown["geoQ"] = {**shown["geoQ"], "geoproperty": term(shown["geoQ"]["geoproperty"])}
    if shown.get("notification") is not None:
        named = {"attributes": term, "pick": selection, "omit": selection}
        shown["notification"] = {
            member: list(map(named[member], value)) if member in named and isinstance(value, list) else value
            for member, value in shown["notification"].items()
        }
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


def typed_selectors(given: Any, names: Names) -> tuple[Selector, ...]:
    """Read `entities` of a query or a subscription, each of which has a type (5.2.33).

    Raises:
        BadRequestDataError: it breaks a rule.
    """
    if given is None:
        return ()
    if not isinstance(given, list) or not 0 < len(given) <= _MAX_SELECTORS:
        raise BadRequestDataError(detail=f"entities is an array of 1 to {_MAX_SELECTORS} objects")
    return tuple(_selector(an_object(item, "an entry of entities"), names) for item in given)


def _selector(given: Mapping[str, Any], names: Names) -> Selector:
    if given.get("type") is None:
        raise BadRequestDataError(detail='an entry of entities needs a type, which may be "*"')
    ids, pattern, types = given.get("id"), given.get("idPattern"), given.get("type")
    if ids == []:
        raise BadRequestDataError(detail="id of an entry of entities is a URI, or an array that is not empty")
    if pattern is not None:
        check_pattern(a_text(pattern, "idPattern"), "idPattern")
    return Selector(
        ids=None
        if ids is None
        else tuple(check_id(item) for item in (ids if isinstance(ids, list) else [ids])),
        id_pattern=pattern if ids is None else None,  # an id prevails (clause 5.2.8)
        types=None if types == "*" else parse_types(a_text(types, "type"), names),
    )


def _check_the_rest(doc: Mapping[str, Any], names: Names) -> None:
    """Check what this broker keeps for its author alone."""
    if doc.get("csf") is not None:
        parse_q(unquote(a_text(doc["csf"], "csf")), names)  # there is no context source to be left out
    if "temporalQ" in doc:
        raise BadRequestDataError(
            detail="temporalQ belongs to subscriptions to registrations of context sources"
        )
    for member in ("localOnly", "splitEntities"):
        a_flag(doc.get(member, False), member)
    for member in ("subscriptionName", "description"):
        if member in doc:
            a_text(doc[member], member)


def _conformance(given: Any) -> Version | None:
    found = None if given is None else version_of(a_text(given, "ngsildConformance"))
    if given is not None and found is None:
        raise BadRequestDataError(detail="ngsildConformance is a version such as 1.9")
    return found


def _triggers(given: Any) -> frozenset[str]:
    found = texts_in(given, "notificationTrigger") or DEFAULT_TRIGGERS
    for trigger in found:
        if trigger not in _TRIGGERS:
            raise BadRequestDataError(detail=f"{trigger[:100]!r} is no notificationTrigger")
    return frozenset(found)


def _q(doc: Mapping[str, Any], names: Names) -> Query | None:
    vocabulary = _listed(doc, "expandValues", names) or frozenset()
    _listed(doc, "jsonKeys", names)  # values are opaque here, whatever they are named
    if doc.get("q") is None:
        return None
    # clients send it as they would in a URL, percent-encoded; the ETSI conformance suite does too
    return parse_q(unquote(a_text(doc["q"], "q")), names, vocabulary=vocabulary)


def _listed(doc: Mapping[str, Any], member: str, names: Names) -> frozenset[str] | None:
    """Read names that stand side by side with commas, or, as in a query, in an array (5.2.12, 5.2.23)."""
    given = doc.get(member)
    return names_in(given.split(",") if isinstance(given, str) else given, member, names)


def _geo(given: Any) -> Mapping[str, Any]:
    query = an_object(given, "geoQ")
    if "georel" not in query:
        raise BadRequestDataError(detail="geoQ needs georel, geometry and coordinates")
    return query


def _datasets(given: Any) -> frozenset[str | None] | None:
    found = texts_in([given] if isinstance(given, str) else given, "datasetId")
    if not found:
        return None
    return frozenset(None if each == "@none" else check_id(each, "datasetId") for each in found)
