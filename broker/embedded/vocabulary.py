# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Names that CIM 009 fixes: members of attributes, where each type of attribute keeps its value."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from broker.embedded.problems import BadRequestDataError

if TYPE_CHECKING:
    from collections.abc import Mapping

CORE_CONTEXT_URL = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld"
DEFAULT_VOCAB = "https://uri.etsi.org/ngsi-ld/default-context/"
NGSI_LD = "https://uri.etsi.org/ngsi-ld/"
LOCATION = NGSI_LD + "location"
PLACES = frozenset({LOCATION, NGSI_LD + "observationSpace", NGSI_LD + "operationSpace"})
"""Attributes that are GeoProperties (clause 4.7.1)."""
NULL = "urn:ngsi-ld:null"
"""What deletes an attribute or a member in an update or merge (clause 4.5.0)."""

VALUE_MEMBER: Final[Mapping[str, str]] = {
    "Property": "value",
    "GeoProperty": "value",
    "Relationship": "object",
    "LanguageProperty": "languageMap",
    "VocabProperty": "vocab",
    "JsonProperty": "json",
    "ListProperty": "valueList",
    "ListRelationship": "objectList",
}
"""Type of attribute → the member that holds its value (clause 4.5)."""

TYPE_BY_MEMBER: Final[Mapping[str, str]] = {
    member: kind for kind, member in VALUE_MEMBER.items() if kind != "GeoProperty"
}
"""The other way round, for concise input, which leaves the type out (clause 4.5.1)."""

GEOMETRIES = frozenset({"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"})

SYSTEM_MEMBERS = frozenset({"createdAt", "modifiedAt", "deletedAt", "instanceId"})
"""Members of an attribute that the broker itself writes; in a request they are ignored."""

SEALED_MEMBERS = frozenset({"entityIdSealed", "entityTypeSealed"})
"""Members that `ngsildproof` alone has (clause 4.5.2.2)."""

SYSTEM_ATTRIBUTES = frozenset(
    NGSI_LD + name for name in ("createdAt", "modifiedAt", "deletedAt", "observedAt", "expiresAt")
)
"""IRIs of what the broker knows of every entity, by which none is told from others (clause 5.7.2.4)."""

OPTIONAL_MEMBERS = SEALED_MEMBERS | {
    "observedAt", "unitCode", "datasetId", "objectType", "valueType", "expiresAt"
}  # fmt: skip
"""Members of an attribute, beyond its type and value, that are no attributes of it."""

UNITLESS = VALUE_MEMBER.keys() - {"Property", "GeoProperty", "ListProperty"}
"""Types of attribute that never have a unitCode (clauses 4.5.3.2, 4.5.18, 4.5.20, 4.5.22 and 4.5.24)."""

NOT_REIFIED = frozenset({"datasetId", "instanceId", "observedAt", "unitCode", "objectType", "valueType"})
"""Terms of the core @context that are no names of attributes (clause 4.5.1)."""

DEFAULT_INSTANCE = "@none"
"""The datasetId by which a request names the default instance (clause 4.5.5.1)."""

PREVIOUS_MEMBER: Final[Mapping[str, str]] = {
    member: f"previous{member[0].upper()}{member[1:]}" for member in VALUE_MEMBER.values()
}
"""The member that holds a value → the one in which a notification has it as it was (`showChanges`)."""

LINKED_MEMBERS: Final[Mapping[str, str]] = {"Relationship": "entity", "ListRelationship": "entityList"}
"""Type of attribute → the member in which an answer has what it points to (clause 4.5.23)."""

OUTPUT_MEMBERS: Final[Mapping[str, frozenset[str]]] = {
    kind: SYSTEM_MEMBERS
    | {PREVIOUS_MEMBER[member]}
    | ({LINKED_MEMBERS[kind]} if kind in LINKED_MEMBERS else set())
    for kind, member in VALUE_MEMBER.items()
}
"""Type of attribute → the members that answers alone have; in a request they are ignored (clause 5.2.5)."""

RESERVED_MEMBERS = frozenset(
    {
        "type", *VALUE_MEMBER.values(), *SYSTEM_MEMBERS, *OPTIONAL_MEMBERS, *LINKED_MEMBERS.values(),
        *PREVIOUS_MEMBER.values(),
    }
)  # fmt: skip

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`\x00-\x20]+")
_NAME = re.compile(r"[^\s<>\"'=;()&?,\[\]{}|\\^`\x00-\x20]+")
# what a reader of an IRI does not see: signs of direction, fillers, variants, noncharacters (RFC 3987, 4.1)
_UNSEEN = re.compile(
    r"[\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E\u2060-\u206F"
    r"\u2800\u3164\uD800-\uF8FF\uFDD0-\uFDEF\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFF"
    r"\U000E0000-\U0010FFFF]"
)
_MAX_NAME_BYTES = 1024  # an index entry of PostgreSQL holds no more than 2,700 bytes


def is_uri(text: object) -> bool:
    """Say whether it is an absolute URI of a length that can be stored."""
    return isinstance(text, str) and _is_uri(text)


@lru_cache(maxsize=20_000)
def _is_uri(text: str) -> bool:
    if len(text) > _MAX_NAME_BYTES or _URI.fullmatch(text) is None:
        return False
    if text.isascii():
        return True
    return _UNSEEN.search(text) is None and len(text.encode()) <= _MAX_NAME_BYTES


def check_id(text: object, what: str = "an entity's id") -> str:
    """Return an id that is a URI.

    Raises:
        BadRequestDataError: it is none.
    """
    if not isinstance(text, str) or not is_uri(text):
        shown = text if isinstance(text, str) else type(text).__name__
        raise BadRequestDataError(
            detail=f"{what} must be a URI, such as urn:ngsi-ld:Type:name: {shown[:200]}"
        )
    return text


def check_name(text: object, what: str = "an attribute's name") -> str:
    """Return a name of a type or an attribute: a term, a compact or a whole IRI (clause 4.6.2).

    Raises:
        BadRequestDataError: it is empty or has characters that NGSI-LD does not allow in names.
    """
    if not isinstance(text, str) or _NAME.fullmatch(text) is None or text[0] == "@" or not text.strip("."):
        shown = text if isinstance(text, str) else type(text).__name__
        raise BadRequestDataError(
            detail=f"{what} may not be empty, begin with @ or hold spaces, quotes, brackets or one of "
            f"= ; & ? , < > | \\ ^ `: {shown[:200]!r}"
        )
    if len(text.encode()) > _MAX_NAME_BYTES:
        raise BadRequestDataError(detail=f"{what} is longer than {_MAX_NAME_BYTES} bytes: {text[:60]}…")
    return text
