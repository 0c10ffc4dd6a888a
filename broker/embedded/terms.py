# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""One @context, compiled into two maps: term → IRI and IRI → term.

Of JSON-LD 1.1 this knows what names attributes and types: terms, prefixes, nested definitions'
`@id`, `@vocab`, nulls, and that a later context overrides an earlier one. Type coercion,
containers and scoped contexts say how *values* are read; NGSI-LD keeps values in members of
fixed meaning, so they change nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from broker.embedded.problems import BadRequestDataError
from broker.embedded.vocabulary import DEFAULT_VOCAB

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MAX_TERMS = 50_000
_MAX_MEMO = 10_000


class Names(Protocol):
    """Whatever knows the IRIs of names."""

    def expand(self, name: str) -> str:
        """Return the IRI of a term, of a compact IRI or of an IRI."""
        ...


class Context:
    """A compiled @context.

    Args:
        source: the @context as its sender named it: a URL, an object, an array; None for the
            core context alone.
        locals_: the contexts that make it up, in order, remote ones resolved; the core context
            comes last, so that its terms prevail (clause 5.5.7).
        names_core: whether a document that the source names brings the core context along.

    Raises:
        BadRequestDataError: a definition is none, or they go round in a circle.
    """

    def __init__(
        self, source: Any, locals_: Iterable[Mapping[str, Any]], *, names_core: bool = False
    ) -> None:
        self.source = source
        self.names_core = names_core
        self.path: str | None = None
        self._terms: dict[str, str] = {}
        self._prefixes: dict[str, str] = {}
        self._vocab = DEFAULT_VOCAB
        for local in locals_:
            self._add(local)
        self._inverse: dict[str, str] = {}
        for term in sorted(self._terms, key=lambda term: (len(term), term)):
            self._inverse.setdefault(self._terms[term], term)
        self._expanded: dict[str, str] = {}
        self._compacted: dict[str, str] = {}

    @property
    def url(self) -> str | None:
        """The one URL that names it, as a Link header does; None if it has none."""
        return self.source if isinstance(self.source, str) else None

    def expand(self, name: str) -> str:
        """Return the IRI of a term, of a compact IRI or of an IRI."""
        found = self._expanded.get(name)
        if found is None:
            found = self._expand(name)
            if len(self._expanded) < _MAX_MEMO:
                self._expanded[name] = found
        return found

    def compact(self, iri: str) -> str:
        """Return the shortest name that expands to the IRI."""
        found = self._compacted.get(iri)
        if found is None:
            found = self._compact(iri)
            if len(self._compacted) < _MAX_MEMO:
                self._compacted[iri] = found
        return found

    def _expand(self, name: str) -> str:
        if name in self._terms:
            return self._terms[name]
        prefix, colon, rest = name.partition(":")
        if not colon:
            return self._vocab + name
        if prefix in self._terms and not rest.startswith("//"):
            return self._terms[prefix] + rest
        return name

    def _compact(self, iri: str) -> str:
        if iri in self._inverse:
            return self._inverse[iri]
        if iri.startswith(self._vocab):
            short = iri.removeprefix(self._vocab)
            if short and ":" not in short and short not in self._terms:
                return short
        candidates = [
            f"{prefix}:{iri.removeprefix(base)}"
            for prefix, base in self._prefixes.items()
            if iri.startswith(base) and iri != base and not iri.removeprefix(base).startswith("//")
        ]
        candidates = [candidate for candidate in candidates if candidate not in self._terms]
        return min(candidates, key=lambda candidate: (len(candidate), candidate), default=iri)

    def _add(self, local: Mapping[str, Any]) -> None:
        vocab = local.get("@vocab", self._vocab)
        if not isinstance(vocab, str):
            vocab = DEFAULT_VOCAB
        self._vocab = vocab
        if len(self._terms) + len(local) > _MAX_TERMS:
            raise BadRequestDataError(detail=f"the @context defines more than {_MAX_TERMS} terms")
        done: dict[str, bool] = {}
        for term in local:
            self._define(term, local, done)

    def _define(self, term: str, local: Mapping[str, Any], done: dict[str, bool]) -> None:
        """Define one term, first those that its definition leans on."""
        if term.startswith("@") or not term or done.get(term):
            return
        if term in done:
            raise BadRequestDataError(detail=f"the @context defines {term[:100]!r} by itself, in a circle")
        done[term] = False
        definition = local[term]
        if isinstance(definition, dict) and "@context" in definition:
            raise BadRequestDataError(
                detail=f"the @context scopes another one to {term[:100]!r}, which NGSI-LD does not allow"
            )
        name = definition.get("@id", term) if isinstance(definition, dict) else definition
        self._terms.pop(term, None)
        self._prefixes.pop(term, None)
        if name is not None and not (isinstance(definition, dict) and "@reverse" in definition):
            if not isinstance(name, str):
                raise BadRequestDataError(detail=f"the @context's definition of {term[:100]!r} is no IRI")
            self._store(term, self._resolve(term, name, local, done), definition)
        done[term] = True

    def _resolve(self, term: str, name: str, local: Mapping[str, Any], done: dict[str, bool]) -> str:
        if name.startswith("@"):
            return name
        prefix, colon, rest = name.partition(":")
        leans_on = prefix if colon else name
        if leans_on in local and leans_on != term and not rest.startswith("//"):
            self._define(leans_on, local, done)
        if name == term:  # an IRI, a compact IRI or a word of the vocabulary that names itself
            if colon and prefix in self._terms and not rest.startswith("//"):
                return self._terms[prefix] + rest
            return name if colon else self._vocab + name
        return self._expand(name)

    def _store(self, term: str, iri: str, definition: Any) -> None:
        if iri.startswith("@"):
            return  # an alias of a keyword; NGSI-LD's own, id and type, are members of fixed meaning
        self._terms[term] = iri
        flagged = isinstance(definition, dict) and definition.get("@prefix") is True
        if flagged or (isinstance(definition, str) and iri[-1:] in ":/?#[]@"):
            self._prefixes[term] = iri
