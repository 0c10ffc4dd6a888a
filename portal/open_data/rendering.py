# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Pages made of templates: everything is escaped, a name that is not there is a mistake."""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from yarl import URL

from portal.open_data import words

if TYPE_CHECKING:
    from portal.datasets import Text
    from portal.office import Office
    from portal.open_data.words import Language

TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


_CODE: Final = re.compile(r"`([^`]+)`")


def with_code(text: str) -> Markup:
    """Escape a text, and set what stands between backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - it is escaped


TEMPLATES.filters["with_code"] = with_code


def page(
    office: Office,
    template: str,
    language: Language,
    *,
    status: int = HTTPStatus.OK,
    here: str = "data",
    other: str,
    **values: Any,
) -> web.Response:
    """Return a page.

    Args:
        office: of the portal.
        template: its name.
        language: of the page.
        status: of the answer.
        here: which part of the navigation the page belongs to.
        other: path of the same page in the other language.
        values: what the template shows.
    """

    def say(german: str, english: str) -> str:
        return english if language == "en" else german

    def both(text: Text) -> str:
        return words.pick(text, language)

    body = TEMPLATES.get_template(template).render(
        base=URL(office.url).path.rstrip("/"),
        both=both,
        catalogue=office.catalogue,
        feedback=office.feedback,
        here=here,
        lang=language,
        other=other,
        say=say,
        url=office.url,
        words=words,
        **values,
    )
    return web.Response(
        status=status,
        text=body,
        content_type="text/html",
        charset="utf-8",
        headers={"Content-Language": language},
    )
