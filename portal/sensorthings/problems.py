# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What can be wrong with a request, and the standard's way to say so (OGC 18-088, 9.4)."""

from __future__ import annotations


class RequestError(Exception):
    """A request cannot be answered.

    Attributes:
        status: of HTTP.
        message: one sentence for whoever wrote the request.
    """

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class TooCostlyError(RequestError):
    """To answer would take more than one reader may ask of a service that is for all."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=413)


class MissingError(RequestError):
    """There is nothing at the address."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=404)


def shown(text: str) -> str:
    """Return what a reader wrote, short enough to be repeated to them."""
    return repr(text if len(text) <= 60 else f"{text[:57]}…")  # noqa: PLR2004 - of letters
