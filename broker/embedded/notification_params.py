# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How a subscription wants to be notified (CIM 009, clauses 5.2.14, 5.2.15, 5.2.22 and 7.2), read once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from yarl import URL

from broker.embedded.checks import a_flag, a_number, a_text, an_object, names_in
from broker.embedded.endpoints import ENDPOINT_PORTS, split_endpoint
from broker.embedded.joining import Join, parse_join
from broker.embedded.problems import BadRequestDataError
from broker.embedded.projection import parse_projection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.embedded.projection import Projection
    from broker.embedded.representations import Form
    from broker.embedded.terms import Names

FORMS: Mapping[str, Form] = {
    "normalized": "normalized",
    "concise": "concise",
    "keyValues": "simplified",
    "simplified": "simplified",
}
JSON, JSON_LD, GEO_JSON = "application/json", "application/ld+json", "application/geo+json"
ACCEPTS = (JSON, JSON_LD, GEO_JSON)

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,200}")
_OUR_HEADERS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "ngsild-tenant"}
)
_MQTT_VERSIONS: Mapping[str, Literal["3.1.1", "5.0"]] = {"mqtt3.1.1": "3.1.1", "mqtt5.0": "5.0"}
_MAX_TOPIC_BYTES = 65_535


@dataclass(frozen=True, kw_only=True, slots=True)
class MqttTarget:
    """Where a notification over MQTT goes (clause 7.2).

    Attributes:
        version: None where the subscriber names none: 5.0, or 3.1.1 at a broker that knows nothing else.
    """

    host: str
    port: int
    tls: bool
    username: str | None
    password: str | None
    topic: str
    version: Literal["3.1.1", "5.0"] | None
    qos: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Who receives the notifications.

    Attributes:
        destination: scheme, host and port: what its server is told apart by.
        info: `receiverInfo`: headers over HTTP, metadata over MQTT.
        mqtt: None where it is an HTTP endpoint.
        timeout: seconds that the receiver has to answer; None for the broker's own.
        cooldown: the least seconds between a failure and the next attempt; what is due meanwhile is not
            sent. None for the broker's own pauses, in which it waits.
    """

    uri: str
    destination: str
    accept: str
    info: tuple[tuple[str, str], ...]
    mqtt: MqttTarget | None
    timeout: float | None
    cooldown: float | None

    def told(self, name: str) -> str | None:
        """Return what `receiverInfo` says under a name, in capitals or not; None if nothing."""
        return next((value for key, value in self.info if key.lower() == name), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class NotificationParams:
    """What is in the notifications, and where they go.

    Attributes:
        attributes: IRIs of the attributes that are shown; None for all.
        pick: the members that are shown; None for all.
        omit: the members that are not.
        changes: whether the values before a change are shown beside those after it.
    """

    attributes: frozenset[str] | None
    pick: Projection | None
    omit: Projection | None
    form: Form
    system: bool
    changes: bool
    join: Join | None
    endpoint: Endpoint

    def shows(self, iri: str) -> bool:
        """Say whether anything of an attribute is shown."""
        if self.attributes is not None and iri not in self.attributes:
            return False
        if self.pick is not None and iri not in self.pick:
            return False
        return self.omit is None or iri not in self.omit or self.omit[iri] is not None


def read_params(given: Any, names: Names) -> NotificationParams:
    """Read a subscription's `notification`.

    Raises:
        BadRequestDataError: it breaks a rule.
    """
    given = an_object(given, "notification")
    form = given.get("format", "normalized")
    if not isinstance(form, str) or form not in FORMS:
        raise BadRequestDataError(detail=f"notification.format is one of {', '.join(FORMS)}")
    pick, omit = _projection(given, "pick", names), _projection(given, "omit", names)
    attributes = names_in(given.get("attributes"), "notification.attributes", names)
    if not {"id", "type", "scope"}.isdisjoint(given.get("attributes") or ()):
        raise BadRequestDataError(detail="notification.attributes names attributes, not id, type or scope")
    if attributes is not None and (pick is not None or omit is not None):
        raise BadRequestDataError(detail="notification.attributes cannot stand beside pick or omit")
    both = {name for name, inner in (omit or {}).items() if inner is None} & (pick or {}).keys()
    if both:
        raise BadRequestDataError(
            detail=f"notification.pick and omit both name {', '.join(sorted(both))[:200]}"
        )
    changes = a_flag(given.get("showChanges", False), "notification.showChanges")
    if changes and FORMS[form] == "simplified":
        raise BadRequestDataError(detail=f"notification.showChanges cannot stand beside the format {form}")
    return NotificationParams(
        attributes=attributes,
        pick=pick,
        omit=omit,
        form=FORMS[form],
        system=a_flag(given.get("sysAttrs", False), "notification.sysAttrs"),
        changes=changes,
        join=_join(given),
        endpoint=_endpoint(an_object(given.get("endpoint"), "notification.endpoint")),
    )


def destination(uri: str) -> str:
    """Return scheme, host and port of an endpoint: without its credentials, its path and its topic."""
    return str(URL(uri).origin())


def _projection(given: Mapping[str, Any], member: str, names: Names) -> Projection | None:
    items = given.get(member)
    if items is None:
        return None
    if not isinstance(items, list) or not items or not all(isinstance(item, str) for item in items):
        raise BadRequestDataError(detail=f"notification.{member} is an array of names that is not empty")
    return parse_projection(",".join(items), names, f"notification.{member}")


def _join(given: Mapping[str, Any]) -> Join | None:
    how, level = given.get("join", "@none"), given.get("joinLevel", 1)
    if not isinstance(how, str):
        raise BadRequestDataError(detail="notification.join is flat, inline or @none")
    if how == "none":
        how = "@none"
    if isinstance(level, bool) or not isinstance(level, int):
        raise BadRequestDataError(detail="notification.joinLevel is a whole number")
    return parse_join({"join": how, "joinLevel": str(level)})


def _endpoint(given: Mapping[str, Any]) -> Endpoint:
    accept = given.get("accept", JSON)
    if accept not in ACCEPTS:
        raise BadRequestDataError(detail=f"endpoint.accept is one of {', '.join(ACCEPTS)}")
    uri = given.get("uri")
    host, port = split_endpoint(uri)
    notifier = _pairs(given.get("notifierInfo"), "notifierInfo")
    url = URL(str(uri))
    return Endpoint(
        uri=str(uri),
        destination=destination(str(uri)),
        accept=accept,
        info=_info(given.get("receiverInfo")),
        mqtt=_mqtt(url, host, port, notifier) if url.scheme in {"mqtt", "mqtts"} else None,
        timeout=_milliseconds(given.get("timeout"), "endpoint.timeout"),
        cooldown=_milliseconds(given.get("cooldown"), "endpoint.cooldown"),
    )


def _mqtt(url: URL, host: str, port: int, notifier: list[tuple[str, Any]]) -> MqttTarget:
    topic = unquote(url.raw_path.removeprefix("/"))
    if not topic or not topic.isprintable() or set("+#") & set(topic) or "$" in topic[1:]:
        raise BadRequestDataError(
            detail="the path of an mqtt endpoint is a topic, without + and #, and with $ at its start alone"
        )
    if len(topic.encode()) > _MAX_TOPIC_BYTES:
        raise BadRequestDataError(
            detail=f"the topic of an mqtt endpoint is longer than {_MAX_TOPIC_BYTES} bytes"
        )
    told = dict(notifier)
    version, qos = told.get("MQTT-Version"), str(told.get("MQTT-QoS", "0"))
    if version is not None and version not in _MQTT_VERSIONS:
        raise BadRequestDataError(
            detail=f"MQTT-Version in notifierInfo is one of {', '.join(_MQTT_VERSIONS)}"
        )
    if qos not in {"0", "1", "2"}:
        raise BadRequestDataError(detail="MQTT-QoS in notifierInfo is 0, 1 or 2")
    return MqttTarget(
        host=host,
        port=port,
        tls=ENDPOINT_PORTS[url.scheme] == ENDPOINT_PORTS["mqtts"],
        username=url.user,
        password=url.password,
        topic=topic,
        version=None if version is None else _MQTT_VERSIONS[version],
        qos=int(qos),
    )


def _info(given: Any) -> tuple[tuple[str, str], ...]:
    headers = []
    for key, value in _pairs(given, "receiverInfo"):
        if _HEADER.fullmatch(key) is None or key.lower() in _OUR_HEADERS:
            raise BadRequestDataError(detail=f"{key[:100]!r} is no header that receiverInfo may set")
        if not isinstance(value, str) or not value.isprintable() or not value.isascii():
            raise BadRequestDataError(
                detail=f"the value of the header {key} in receiverInfo is no plain text"
            )
        headers.append((key, value))
    return tuple(headers)


def _pairs(given: Any, what: str) -> list[tuple[str, Any]]:
    """Read an array of KeyValuePair (clause 5.2.22)."""
    if given is None:
        return []
    if not isinstance(given, list):
        raise BadRequestDataError(detail=f"{what} is an array of objects with key and value")
    entries = [an_object(item, f"an entry of {what}") for item in given]
    found = [(a_text(entry.get("key"), f"a key in {what}"), entry.get("value")) for entry in entries]
    for key, value in found:
        if isinstance(value, dict | list) or value is None:
            raise BadRequestDataError(detail=f"the value of {key[:100]} in {what} is no plain text")
    return found


def _milliseconds(given: Any, what: str) -> float | None:
    found = a_number(given, what)
    return None if found is None else found / 1000
