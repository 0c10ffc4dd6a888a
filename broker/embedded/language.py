# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The language filter `lang` (CIM 009, clause 4.15): `fr-CH,fr;q=0.9,en;q=0.8,*;q=0.5`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from broker.embedded.problems import BadRequestDataError

if TYPE_CHECKING:
    from collections.abc import Iterable

Languages: TypeAlias = tuple[str, ...]
"""Ranges of languages in lower case, the most wanted first."""

_RANGE = re.compile(r"(\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)(?:\s*;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?")
_MAX_RANGES = 50
_DEFAULT = "@none"


def is_language(text: str) -> bool:
    """Say whether it is the tag of one language, such as de-CH."""
    found = _RANGE.fullmatch(text)
    return found is not None and found.group(2) is None and text != "*"


def parse_languages(text: str) -> Languages:
    """Read which languages are wanted, in order.

    Raises:
        BadRequestDataError: it is no language range (RFC 5646, RFC 3282).
    """
    wanted: list[tuple[float, str]] = []
    parts = text.split(",")
    for part in parts:
        found = _RANGE.fullmatch(part.strip())
        if found is None or len(parts) > _MAX_RANGES:
            raise BadRequestDataError(detail=f"lang names languages, such as de-CH,de;q=0.9: {part[:60]!r}")
        weight = 1.0 if found.group(2) is None else float(found.group(2))
        if weight > 0:
            wanted.append((-weight, found.group(1).lower()))
    return tuple(name for _, name in sorted(wanted, key=lambda each: each[0]))


def choose_language(available: Iterable[str], languages: Languages) -> str | None:
    """Return the language, of those that there are, that is wanted most; None if there are none.

    Where none is wanted it is the default one, and without a default the first.
    """
    known = {name.lower(): name for name in available}
    if not known:
        return None
    anyone = known.get(_DEFAULT, next(iter(known.values())))
    for wanted in languages:
        if wanted == "*":
            return anyone
        if wanted in known:
            return known[wanted]
        regional = next((name for low, name in known.items() if low.startswith(wanted + "-")), None)
        if regional is not None:
            return regional
    for wanted in languages:  # nothing fits as it was asked for: de-AT is served by de
        shorter = wanted
        while "-" in shorter:
            shorter = shorter.rpartition("-")[0]
            if shorter in known:
                return known[shorter]
    return anyone
