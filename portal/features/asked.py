# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What a request asks for: which representation, in which language, with which parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote, urlencode

from portal.features.errors import NotAcceptableError, RefusedRequestError, UnknownParameterError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from aiohttp import web

    from portal.datasets import Text
    from portal.office import Office
    from portal.views import View

Form = Literal["json", "html"]
Language = Literal["de", "en"]

ROOT: Final = "/ogc/features"
JSON: Final = "application/json"
GEOJSON: Final = "application/geo+json"
OPENAPI: Final = "application/vnd.oai.openapi+json;version=3.0"
SCHEMA: Final = "application/schema+json"
HTML: Final = "text/html"
#: Parameters of every operation.
COMMON: Final = frozenset({"f", "lang"})

_ANY_JSON = ("application/json", "application/geo+json", "application/*", "*/*")
_ANY_HTML = ("text/html", "application/xhtml+xml", "text/*")
_NUMBER = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A request, understood.

    Attributes:
        office: what the interfaces share.
        view: what its sender may see.
        form: the representation of the answer.
        language: of the answer's texts.
        media: of the answer, where it is JSON.
        path: behind the portal's address, as it is to be repeated in links.
        query: its parameters, each once.
    """

    office: Office
    view: View
    form: Form
    language: Language
    media: str
    path: str
    query: Mapping[str, str]

    def text(self, text: Text) -> str:
        """Return a text in the answer's language."""
        return text.de if self.language == "de" else text.en

    def say(self, german: str, english: str) -> str:
        """Return one of two texts."""
        return german if self.language == "de" else english

    def address(self, path: str, **query: str) -> str:
        """Return the public address of something here; the language stays, where it was chosen."""
        said = {"lang": self.query["lang"], **query} if "lang" in self.query else query
        return f"{self.office.url}{ROOT}{path}{_query(said)}"

    def again(self, **query: str | None) -> str:
        """Return the public address of this request with other parameters; None leaves one out."""
        said = {name: value for name, value in {**self.query, **query}.items() if value is not None}
        return f"{self.office.url}{self.path}{_query(said)}"

    def link(self, rel: str, path: str, media: str, title: str, **query: str) -> dict[str, str]:
        """Return a link to something here."""
        return self.to(rel, self.address(path, **query), media, title)

    def to(self, rel: str, href: str, media: str | None, title: str) -> dict[str, str]:
        """Return a link."""
        link = {"href": href, "rel": rel, "title": title, "hreflang": self.language}
        return link if media is None else {**link, "type": media}

    def selves(self) -> list[dict[str, str]]:
        """Return the links to this answer and to its other representation."""
        own, other = (self.media, HTML) if self.form == "json" else (HTML, self.media)
        form = "html" if self.form == "json" else "json"
        return [
            self.to("self", self.again(), own, self.say("Dieses Dokument", "This document")),
            self.to(
                "alternate",
                self.again(f=form),
                other,
                self.say(f"Dieses Dokument als {form.upper()}", f"This document as {form.upper()}"),
            ),
        ]

    def whole(self, name: str, *, usual: int, least: int, most: int | None = None) -> int:
        """Return a parameter that is a whole number; more than `most` is `most`.

        Raises:
            RefusedRequestError: it is none, or too small.
        """
        text = self.query.get(name)
        if text is None:
            return usual
        if not _NUMBER.fullmatch(text) or int(text) < least:
            msg = f"The parameter {name} is a whole number from {least} on, not {text[:50]!r}."
            raise RefusedRequestError(msg)
        return int(text) if most is None else min(int(text), most)


def _query(query: Mapping[str, str]) -> str:
    return f"?{urlencode(query, safe=':,/', quote_via=quote)}" if query else ""


def understand(request: web.Request, office: Office, media: str = JSON) -> Asked:
    """Read what all requests have in common.

    Raises:
        RefusedRequestError: a parameter stands twice, or `f` or `lang` is unknown.
        NotAcceptableError: the reader takes neither JSON nor HTML.
        UnknownKeyError: the key is nobody's.
    """
    query: dict[str, str] = {}
    for name, value in request.query.items():
        if name in query:
            msg = f"The parameter {name[:50]!r} stands twice."
            raise RefusedRequestError(msg)
        query[name] = value
    language = _language(query.get("lang"), request.headers.get("Accept-Language", ""))
    return Asked(
        office=office,
        view=office.view(request),
        form=_form(query.get("f"), request.headers.getall("Accept", [])),
        language=language,
        media=media,
        path=quote(request.path, safe="/:"),
        query=query,
    )


def refuse_others(asked: Asked, known: Iterable[str] = ()) -> None:
    """Refuse parameters that an operation does not have.

    Raises:
        UnknownParameterError: there is one.
    """
    may = COMMON.union(known)
    for name in asked.query:
        if name not in may:
            msg = f"There is no parameter {name[:50]!r} here: there are {', '.join(sorted(may))}."
            raise UnknownParameterError(msg)


def _form(said: str | None, accept: Collection[str]) -> Form:
    if said is not None:
        if said == "html":
            return "html"
        if said == "json":
            return "json"
        msg = f"The parameter f takes json or html, not {said[:50]!r}."
        raise RefusedRequestError(msg)
    taken = _weights(",".join(accept)) or {"*/*": 1.0}
    as_json = max(
        (weight for name, weight in taken.items() if name in _ANY_JSON or "json" in name), default=0.0
    )
    as_html = max((weight for name, weight in taken.items() if name in _ANY_HTML), default=0.0)
    if as_json == as_html == 0.0:
        msg = "There is JSON (application/json, application/geo+json) and HTML (text/html), and nothing else."
        raise NotAcceptableError(msg)
    return "html" if as_html >= as_json else "json"


def _language(said: str | None, accept: str) -> Language:
    if said is not None:
        if said == "de":
            return "de"
        if said == "en":
            return "en"
        msg = f"The parameter lang takes de or en, not {said[:50]!r}."
        raise RefusedRequestError(msg)
    wanted = {name.partition("-")[0]: weight for name, weight in reversed(_weights(accept).items())}
    return "en" if wanted.get("en", 0.0) > wanted.get("de", 0.0) else "de"


def _weights(header: str) -> dict[str, float]:
    """Return what a header with preferences takes, with the weight of each (RFC 9110, 12.4.2)."""
    weights: dict[str, float] = {}
    for part in header.split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if not name:
            continue
        said = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        try:
            weights[name.lower()] = float(said)
        except ValueError:
            weights[name.lower()] = 0.0
    return weights
