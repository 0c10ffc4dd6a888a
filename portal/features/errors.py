# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What a reader of features is told when a request cannot be answered."""

from __future__ import annotations

from models.errors import VolmeError


class RefusedRequestError(VolmeError):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
        code: a stable word for programs.
        description: one sentence for people.
    """

    status = 400
    code = "InvalidParameterValue"

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


class UnknownParameterError(RefusedRequestError):
    """The operation has no such parameter (17-069r4, `/req/core/query-param-unknown`)."""

    code = "UnknownParameter"


class NotThereError(RefusedRequestError):
    """There is no such collection or feature."""

    status = 404
    code = "NotFound"


class NotAcceptableError(RefusedRequestError):
    """None of the representations is one that the reader takes."""

    status = 406
    code = "NotAcceptable"
