# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The answers as HTML pages, for people: no script, and no style but the portal's own style sheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from portal.datasets import ZONE
from portal.views import moment_of

if TYPE_CHECKING:
    from datetime import datetime

    from portal.features.asked import Asked, Language
    from portal.features.columns import Column


def moment(value: str, language: Language) -> str:
    """Return a moment as people read it, in the city's time; anything else as it is."""
    try:
        local = moment_of(value).astimezone(ZONE)
    except (ValueError, OverflowError):
        return value
    form = "%d.%m.%Y, %H:%M Uhr" if language == "de" else "%d %b %Y, %H:%M"
    return _written(value, local, form)


def _written(value: str, local: datetime, form: str) -> str:
    return Markup('<time datetime="{}">{}</time>').format(value, local.strftime(form))


def shown(value: Any, column: Column | None, language: Language) -> str:
    """Return a value as people read it; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return {True: ("ja", "yes"), False: ("nein", "no")}[value][language == "en"]
    if isinstance(value, float):
        text = f"{round(value, 3):.15g}" if abs(value) >= 1 else f"{value:.3g}"
        return text.replace(".", ",") if language == "de" else text
    if isinstance(value, list):
        return ", ".join(shown(each, None, language) for each in value)
    if column is not None and column.kind == "date-time" and isinstance(value, str):
        return moment(value, language)
    return str(value)


def place(geometry: dict[str, Any] | None) -> str:
    """Return where a feature is, in short."""
    if geometry is None:
        return ""
    if geometry["type"] != "Point":
        return str(geometry["type"])
    return " ".join(f"{number:.12g}" for number in geometry["coordinates"])


_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals |= {"shown": shown, "place": place}
_templates.filters["segment"] = lambda text: quote(text, safe=":")


def render(template: str, asked: Asked, **context: Any) -> str:
    """Return a page.

    Args:
        template: its name.
        asked: the request.
        context: what the template needs.
    """
    return _templates.get_template(template).render(
        asked=asked,
        say=asked.say,
        text=asked.text,
        language=asked.language,
        catalogue=asked.office.catalogue,
        home=urlsplit(asked.office.url).path,
        **context,
    )
