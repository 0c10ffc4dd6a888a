# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What of a history is to be shown: attrs, pick, omit, datasetId, and in which form (6.3.7, 6.18.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from broker.embedded.history import SCOPE
from broker.embedded.language import parse_languages
from broker.embedded.problems import BadRequestDataError
from broker.embedded.projection import attribute_names
from broker.embedded.temporal_query import check_aggregation, parse_aggregation
from broker.embedded.temporal_representations import TemporalView
from broker.embedded.vocabulary import check_id, check_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.embedded.requests import Call
    from broker.embedded.temporal_query import Aggregation, Window
    from broker.embedded.temporal_representations import TemporalForm
    from broker.embedded.terms import Context

_FORMS: Mapping[str, TemporalForm] = {
    "normalized": "normalized",
    "concise": "concise",
    "temporalValues": "temporalValues",
    "aggregatedValues": "aggregatedValues",
}
OPTIONS = _FORMS.keys() | {"sysAttrs"}
_MEMBERS = frozenset({"id", "type", "scope", "createdAt", "modifiedAt", "deletedAt"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What of the entities that are found is to be shown, and how.

    Attributes:
        only: IRIs of the attributes; None: all.
        without: IRIs of attributes that are left out.
        datasets: datasetIds, empty for the default instance; None: all.
        aggregation: what is to be calculated; None: the instances themselves are shown.
        query: whether it is a query that asks.
    """

    view: TemporalView
    only: tuple[str, ...] | None
    without: tuple[str, ...]
    datasets: tuple[str, ...] | None
    aggregation: Aggregation | None
    query: bool


def read_asked(
    call: Call, given: Mapping[str, Any], window: Window, context: Context, *, query: bool = False
) -> Asked:
    """Read what is to be shown, from a request's parameters or the members of a Query.

    In a query, attrs may name the scope too (annex C.5.16).

    Raises:
        BadRequestDataError: attrs stands beside pick or omit, or something is wrong.
    """
    call.flag("local")
    attrs, pick, omit = (given.get(name) for name in ("attrs", "pick", "omit"))
    if attrs is not None and (pick is not None or omit is not None):
        raise BadRequestDataError(detail="attrs cannot stand beside pick or omit")
    picked, omitted = _split(pick), _split(omit)
    both = set(picked or ()) & set(omitted or ())
    if both:
        raise BadRequestDataError(detail=f"pick and omit both name {min(both)}")
    only = attribute_names(attrs, context) if attrs is None or not query else _attributes(attrs, context)
    if picked is not None:
        only = tuple(attribute_iri(name, context) for name in picked if name not in _MEMBERS - {SCOPE})
    form = _form(call)
    view = TemporalView(
        context=context,
        form=form,
        system="sysAttrs" in call.options,
        window=window,
        pick=None if picked is None else frozenset(picked),
        omit=frozenset(omitted or ()),
        languages=None if given.get("lang") is None else parse_languages(given["lang"]),
    )
    if form != "aggregatedValues":
        check_aggregation(given)
    return Asked(
        view=view,
        only=only,
        without=tuple(attribute_iri(name, context) for name in omitted or ()),
        datasets=_datasets(given.get("datasetId")),
        aggregation=parse_aggregation(given) if form == "aggregatedValues" else None,
        query=query,
    )


def _form(call: Call) -> TemporalForm:
    """Return the representation that is asked for; `format` has the say before `options` (6.3.7)."""
    named = call.parameters.get("format", "").split(",")
    words = [word for word in named if word in _FORMS]
    words += [word for word in call.parameters.get("options", "").split(",") if word in _FORMS]
    return _FORMS[words[0]] if words else "normalized"


def _datasets(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple("" if item == "@none" else check_id(item, "datasetId") for item in text.split(","))


def _split(text: str | None) -> list[str] | None:
    if text is None:
        return None
    if "{" in text:  # which would be about linked entities
        raise BadRequestDataError(detail=f"a history follows no relationships: {text[:100]!r}")
    return [check_name(name) for name in text.replace("|", ",").split(",")]


def _attributes(text: str, context: Context) -> tuple[str, ...]:
    """Return the IRIs of the attributes that a query's attrs names, among which the scope may be."""
    named = text.split(",")
    others = ",".join(name for name in named if name != SCOPE)
    scope = (SCOPE,) if SCOPE in named else ()
    return scope + (attribute_names(others, context) or () if others or not scope else ())


def attribute_iri(name: str, context: Context) -> str:
    """Return an attribute's IRI; the scope, which is none, is kept under its own name."""
    return SCOPE if name == SCOPE else context.expand(name)
