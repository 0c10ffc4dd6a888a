# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Texts of the pages in three languages, and numbers, dates and ages as each language writes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from portal.datasets import ZONE
from portal.described import label, shown
from portal.pages_rules import DASHBOARD

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from portal.datasets import Text
    from portal.pages_stations import Value

#: Where the city's clocks are set.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_AGES = ((86_400, "days"), (3600, "hours"), (60, "minutes"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Language:
    """A language of the pages.

    Attributes:
        code: `de`, `en` or `ls` (Leichte Sprache).
        tag: what documents in it say of themselves (BCP 47).
        prefix: what its addresses begin with.
        texts: by key; what Leichte Sprache does not say more simply, it says as German does.
    """

    code: str
    tag: str
    prefix: str
    texts: Mapping[str, str]

    @property
    def english(self) -> bool:
        """Whether data is labelled in English."""
        return self.code == "en"

    def t(self, key: str, /, **values: Any) -> str:
        """Return a text with its places filled in.

        Raises:
            KeyError: there is no such text.
        """
        text = self.texts[key]
        return text.format(**values) if values else text

    def n(self, key: str, count: int, /, **values: Any) -> str:
        """Return a text that depends on a number: `key.one` or `key.other`."""
        return self.t(f"{key}.{'one' if count == 1 else 'other'}", n=self.number(count), **values)

    def both(self, text: Text) -> str:
        """Choose from what the catalogue says in German and in English."""
        return text.en if self.english else text.de

    def label(self, type_name: str, attribute: str) -> str:
        """Return what an attribute is called; the first letter is large."""
        german, english = label(type_name, attribute)
        text = english if self.english else german
        return text[:1].upper() + text[1:]

    def number(self, value: float, digits: int = 0) -> str:
        """Write a number as Intl.NumberFormat does, with a true minus."""
        text = f"{value:,.{digits}f}"
        if text.strip("-0.,") == "":
            text = text.lstrip("-")
        if not self.english:
            text = text.translate({ord(","): ".", ord("."): ","})
        return text.replace("-", "\u2212")

    def value(self, type_name: str, attribute: str, value: Value) -> str:
        """Write a value with its unit, as it is shown to people."""
        content = value.value
        if isinstance(content, bool):
            return self.t("yes" if content else "no")
        if isinstance(content, int | float):
            how = shown(type_name, attribute)
            if how is None:
                return self.number(content, 0 if float(content).is_integer() else 2)
            text = self.number(content * how["factor"] + how["shift"], how["digits"])
            symbol = self.texts.get(f"unit.{attribute}", how["symbol"])
            return f"{text}\u00a0{symbol}" if symbol else text
        if isinstance(content, list):
            return ", ".join(self.named(str(each)) for each in content)
        return self.named(str(content))

    def named(self, value: str) -> str:
        """Return the word for a value that is a name of the data model, such as `free`."""
        return self.texts.get(f"word.{value}", value)

    def flag(self, quality: Any) -> str:
        """Say why a value is doubtful; what is no flag of ours is said as it came."""
        return self.texts.get(f"quality.{quality}", str(quality))

    def when(self, moment: datetime) -> str:
        """Write a moment in the city's time."""
        local = moment.astimezone(ZONE)
        if self.english:
            return f"{local.day} {_MONTHS[local.month - 1]} {local.year}, {local:%H:%M}"
        return f"{local:%d.%m.%Y, %H:%M} Uhr"

    def age(self, moment: datetime, now: datetime) -> str:
        """Say how long ago a moment was."""
        seconds = (now - moment).total_seconds()
        for length, name in _AGES:
            if seconds >= length:
                return self.n(f"age.{name}", int(seconds // length))
        return self.t("age.now")


@cache
def languages() -> Mapping[str, Language]:
    """Return the languages by code: the first is the default."""
    german = _texts("de")
    return {
        "de": Language(code="de", tag="de", prefix="", texts=german),
        "en": Language(code="en", tag="en", prefix="/en", texts=_texts("en")),
        "ls": Language(code="ls", tag="de-simple", prefix="/leicht", texts={**german, **_texts("ls")}),
    }


def _texts(code: str) -> dict[str, str]:
    texts: dict[str, str] = json.loads((DASHBOARD / "texts" / f"{code}.json").read_text(encoding="utf-8"))
    return texts
