# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Numbers, times and rules in words, for readers who are no engineers: German first, then English."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from portal.datasets import ZONE, Text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from portal.datasets import Rule

Language = Literal["de", "en"]

#: Where the city's clocks are set.
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
#: From so many seconds on, an age is said in this unit.
_AGES: Final = (
    (2 * 86_400, 86_400, "{} Tagen", "{} days ago"),
    (2 * 3600, 3600, "{} Stunden", "{} hours ago"),
    (120, 60, "{} Minuten", "{} minutes ago"),
    (60, 60, "einer Minute", "a minute ago"),
)
_SIZES: Final = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))

FREQUENCIES: Final[Mapping[str, Text]] = {
    "UPDATE_CONT": Text(de="laufend, sobald ein Sensor sendet", en="continuously, as sensors send"),
    "CONT": Text(de="laufend", en="continuously"),
    "1MIN": Text(de="jede Minute", en="every minute"),
    "5MIN": Text(de="alle 5 Minuten", en="every 5 minutes"),
    "10MIN": Text(de="alle 10 Minuten", en="every 10 minutes"),
    "15MIN": Text(de="alle 15 Minuten", en="every 15 minutes"),
    "30MIN": Text(de="alle 30 Minuten", en="every 30 minutes"),
    "HOURLY": Text(de="stündlich", en="hourly"),
    "DAILY": Text(de="täglich", en="daily"),
}


def pick(text: Text, language: Language) -> str:
    """Return one language of a text."""
    return text.en if language == "en" else text.de


def when(moment: datetime, language: Language) -> str:
    """Write a moment in the city's time."""
    local = moment.astimezone(ZONE)
    if language == "en":
        return f"{local.day} {_MONTHS[local.month - 1]} {local.year}, {local:%H:%M}"
    return f"{local:%d.%m.%Y, %H:%M} Uhr"


def age(moment: datetime, now: datetime, language: Language) -> str:
    """Say how long ago a moment was."""
    seconds = (now - moment).total_seconds()
    for least, unit, german, english in _AGES:
        if seconds >= least:
            number = int(seconds // unit)
            return english.format(number) if language == "en" else f"vor {german.format(number)}"
    return "just now" if language == "en" else "gerade eben"


def number(value: float, language: Language, digits: int = 0) -> str:
    """Write a number with its thousands apart."""
    text = f"{value:,.{digits}f}"
    return text if language == "en" else text.translate({ord(","): ".", ord("."): ","})


def value(content: object, language: Language) -> str:
    """Write a value as it is in the data, but for the decimal comma of German."""
    if isinstance(content, bool):
        words = ("yes", "no") if language == "en" else ("ja", "nein")
        return words[not content]
    if isinstance(content, float):
        text = f"{content:.10g}"
        return text if language == "en" else text.replace(".", ",")
    if isinstance(content, list):
        return ", ".join(value(each, language) for each in content)
    return str(content)


def size(count: int, language: Language) -> str:
    """Write a number of bytes."""
    for unit, name in _SIZES:
        if count >= unit:
            return f"{number(count / unit, language, 1)}\u00a0{name}"
    return f"{count}\u00a0Byte"


def span(length: timedelta, language: Language) -> str:
    """Write a length of time: `15 Minuten`."""
    minutes = length.total_seconds() / 60
    for unit, one, many, one_en, many_en in (
        (1440, "Tag", "Tage", "day", "days"),
        (60, "Stunde", "Stunden", "hour", "hours"),
        (1, "Minute", "Minuten", "minute", "minutes"),
    ):
        if minutes >= unit and minutes % unit == 0:
            count = int(minutes // unit)
            singular, plural = (one_en, many_en) if language == "en" else (one, many)
            return f"{count}\u00a0{singular if count == 1 else plural}"
    seconds = number(length.total_seconds(), language)
    return f"{seconds}\u00a0{'seconds' if language == 'en' else 'Sekunden'}"


def rule_in_words(rule: Rule | None, language: Language) -> str:
    """Say what is published of an attribute, in whole sentences."""
    english = language == "en"
    if rule is None:
        return "published as measured" if english else "unverändert veröffentlicht"
    said: list[str] = []
    metres = "" if rule.metres is None else f"{rule.metres:g}\u00a0m"
    if rule.least is not None:
        where = ""
        if metres:
            where = f" within {metres}" if english else f" im Umkreis von {metres}"
        said.append(
            f"only the mean of at least {rule.least} stations{where} is published."
            if english
            else f"nur der Mittelwert von mindestens {rule.least} Messstellen{where} wird veröffentlicht."
        )
    elif metres:
        said.append(
            f"rounded to a grid of {metres}, so that the exact place is not shown."
            if english
            else f"auf ein Raster von {metres} gerundet, der genaue Ort ist nicht zu sehen."
        )
    if rule.keep is not None:
        parts = ", ".join(rule.keep)
        said.append(
            f"only these parts are published: {parts}."
            if english
            else f"nur diese Teile werden gezeigt: {parts}."
        )
    if rule.period is not None:
        length = span(rule.period, language)
        said.append(f"one value for every {length}." if english else f"ein Wert für je {length}.")
    if rule.wait:
        length = span(rule.wait, language)
        said.append(f"published {length} later." if english else f"erst nach {length} veröffentlicht.")
    return " ".join(sentence[:1].upper() + sentence[1:] for sentence in said)
