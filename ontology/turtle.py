# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A reader of the Turtle that the ontology is written in (RDF 1.1 Turtle, without nodes that have no name).

It knows prefixes, names, `a`, texts with a language, `;`, `,` and `.`, and refuses everything else:
a library for all of RDF would start slower than all of Volme.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_A = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_TOKEN = re.compile(
    r"""
    (?P<space>\s+|\#[^\n]*)
    |<(?P<iri>[^<>"{}|^`\\\s]*)>
    |(?P<text>"(?:[^"\\\n]|\\["\\nt])*")(?:@(?P<language>[A-Za-z]+(?:-[A-Za-z0-9]+)*))?
    |(?P<word>@prefix|a(?=\s))
    |(?P<prefix>[A-Za-z][\w-]*):(?P<local>(?:[\w](?:[\w.-]*[\w-])?)?)
    |(?P<mark>[;,.])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """A text and its language; None: it has none."""

    value: str
    language: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """One triple. Subject and predicate are IRIs; the object is an IRI or a text."""

    subject: str
    predicate: str
    object: str | Text


def read_turtle(document: str) -> tuple[Statement, ...]:
    """Read a document.

    Raises:
        ValueError: it is no Turtle, or needs more of it than this reader knows.
    """
    return tuple(_statements(_Tokens(document)))


class _Tokens:
    """The document's tokens, one ahead; IRIs are whole, texts are `Text`, marks and words themselves."""

    def __init__(self, document: str) -> None:
        self._tokens = self._read(document)
        self._prefixes: dict[str, str] = {}
        self.line = 1

    def _read(self, document: str) -> Iterator[re.Match[str]]:
        place = 0
        while place < len(document):
            found = _TOKEN.match(document, place)
            if found is None:
                msg = (
                    f"line {self.line}: “{document[place : place + 20]}” is no Turtle that this reader knows"
                )
                raise ValueError(msg)
            if found["space"] is None:
                yield found
            self.line += found[0].count("\n")
            place = found.end()

    def next(self) -> re.Match[str] | None:
        return next(self._tokens, None)

    def expect(self, wanted: str) -> re.Match[str]:
        token = self.next()
        if token is None:
            msg = f"line {self.line}: the document ends where {wanted} is expected"
            raise ValueError(msg)
        return token

    def declare(self) -> None:
        prefix, iri, end = (self.expect("a prefix's declaration") for _ in range(3))
        if prefix["local"] != "" or iri["iri"] is None or end["mark"] != ".":
            msg = f"line {self.line}: a prefix is declared as `@prefix name: <iri> .`"
            raise ValueError(msg)
        self._prefixes[prefix["prefix"]] = iri["iri"]

    def iri(self, token: re.Match[str]) -> str:
        if token["iri"] is not None:
            return token["iri"]
        if token["prefix"] is None or token["prefix"] not in self._prefixes:
            msg = f"line {self.line}: “{token[0]}” is no IRI, and no name with a prefix that is declared"
            raise ValueError(msg)
        return self._prefixes[token["prefix"]] + token["local"]

    def term(self, token: re.Match[str]) -> str | Text:
        if token["text"] is None:
            return self.iri(token)
        return Text(value=json.loads(token["text"]), language=token["language"])


def _statements(tokens: _Tokens) -> Iterator[Statement]:
    while (token := tokens.next()) is not None:
        if token["word"] == "@prefix":
            tokens.declare()
            continue
        subject = tokens.iri(token)
        mark = ";"
        while mark == ";":
            verb = tokens.expect("a predicate")
            predicate = _A if verb["word"] == "a" else tokens.iri(verb)
            mark = ","
            while mark == ",":
                yield Statement(
                    subject=subject, predicate=predicate, object=tokens.term(tokens.expect("an object"))
                )
                mark = tokens.expect("`;`, `,` or `.`")["mark"] or ""
        if mark != ".":
            msg = f"line {tokens.line}: what is said of {subject} does not end with a full stop"
            raise ValueError(msg)
