# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What members of a subscription may be; each refusal names the member in one sentence."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from broker.embedded.instants import check_instant
from broker.embedded.problems import BadRequestDataError
from broker.embedded.vocabulary import check_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.embedded.terms import Names

_MAX_NUMBER = 10 * 365 * 86_400


def an_object(given: Any, what: str) -> Mapping[str, Any]:
    """Return a JSON object.

    Raises:
        BadRequestDataError: it is none.
    """
    if not isinstance(given, dict):
        raise BadRequestDataError(detail=f"the subscription needs {what}, a JSON object")
    return given


def a_text(given: Any, what: str) -> str:
    """Return a string that is not empty.

    Raises:
        BadRequestDataError: it is none.
    """
    if not isinstance(given, str) or not given:
        raise BadRequestDataError(detail=f"{what} must be a string that is not empty")
    return given


def a_flag(given: Any, what: str) -> bool:
    """Return true or false.

    Raises:
        BadRequestDataError: it is neither.
    """
    if not isinstance(given, bool):
        raise BadRequestDataError(detail=f"{what} must be true or false")
    return given


def a_number(given: Any, what: str) -> float | None:
    """Return a number above 0; None where there is none.

    Raises:
        BadRequestDataError: it is no such number, or more seconds than ten years have.
    """
    if given is None:
        return None
    number = not isinstance(given, bool) and isinstance(given, int | float)
    if not number or not math.isfinite(given) or not 0 < given <= _MAX_NUMBER:
        raise BadRequestDataError(detail=f"{what} must be a number above 0")
    return float(given)


def a_moment(given: Any, what: str) -> datetime | None:
    """Return a point in time; None where there is none.

    Raises:
        BadRequestDataError: it is none.
    """
    if given is None:
        return None
    moment = datetime.fromisoformat(check_instant(a_text(given, what)))
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise BadRequestDataError(detail=f"{what} lies beyond the calendar") from error


def texts_in(given: Any, what: str) -> tuple[str, ...]:
    """Return an array of strings, which is not empty; nothing where there is none.

    Raises:
        BadRequestDataError: it is none.
    """
    if given is None:
        return ()
    if not isinstance(given, list) or not given:
        raise BadRequestDataError(detail=f"{what} is an array that is not empty")
    return tuple(a_text(item, f"an entry of {what}") for item in given)


def names_in(given: Any, what: str, names: Names) -> frozenset[str] | None:
    """Return the IRIs of an array of names; None where there is none.

    Raises:
        BadRequestDataError: it is no array of names, or empty.
    """
    if given is None:
        return None
    if not isinstance(given, list) or not given:
        raise BadRequestDataError(detail=f"{what} is an array of names that is not empty")
    return frozenset(names.expand(check_name(name, f"a name in {what}")) for name in given)
