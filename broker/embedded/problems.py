# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the broker refuses, and how it says so (CIM 009, clauses 5.5.2, 5.5.3 and 6.3.2; RFC 7807).

ProblemError                        InternalError                500
├── InvalidRequestError             InvalidRequest               400   not JSON, a wrong parameter
├── BadRequestDataError             BadRequestData               400   JSON, but not what NGSI-LD allows
├── UnauthorizedError               (none in NGSI-LD)            401   writing needs a key
├── NotFoundError                   ResourceNotFound             404
├── NonexistentTenantError          NonexistentTenant            404
├── MethodNotAllowedError           OperationNotSupported        405
├── NotAcceptableError              InvalidRequest               406
├── AlreadyExistsError              AlreadyExists                409
├── ConflictError                   Conflict                     409   others change the same thing
├── LengthRequiredError             (no body)                    411   a body of unknown length
├── TooLargeError                   BadRequestData               413
├── UnsupportedMediaTypeError       (no body)                    415
├── NotServedError                  OperationNotSupported        422   a cached @context
├── TooComplexQueryError            TooComplexQuery              403
├── NotSupportedError               OperationNotSupported        501   not built (yet)
└── ContextNotAvailableError        LdContextNotAvailable        503
"""

from __future__ import annotations

from typing import Any, ClassVar

from models.errors import VolmeError

_ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"


class ProblemError(VolmeError):
    """A request that cannot be answered; `detail` is one sentence for whoever sent it."""

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "InternalError"
    title: ClassVar[str] = "Internal error"

    def __init__(self, *, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def body(self) -> dict[str, Any]:
        """Return the ProblemDetails."""
        kind = self.kind if ":" in self.kind else _ERRORS + self.kind
        return {"type": kind, "title": self.title, "detail": self.detail, "status": self.status}


class InvalidRequestError(ProblemError):
    """The request itself is malformed: its JSON or its parameters."""

    status = 400
    kind = "InvalidRequest"
    title = "Invalid request"


class BadRequestDataError(ProblemError):
    """The request's data do not meet what NGSI-LD asks of them."""

    status = 400
    kind = "BadRequestData"
    title = "Bad request data"


class UnauthorizedError(ProblemError):
    """Writing needs a key and the request has none, or a wrong one."""

    status = 401
    kind = "about:blank"
    title = "Unauthorized"


class TooComplexQueryError(ProblemError):
    """The query would take more work than the broker gives to one request."""

    status = 403
    kind = "TooComplexQuery"
    title = "Query too complex"


class NotFoundError(ProblemError):
    """There is no such resource."""

    status = 404
    kind = "ResourceNotFound"
    title = "Resource not found"


class NonexistentTenantError(ProblemError):
    """Nothing was ever written for that tenant."""

    status = 404
    kind = "NonexistentTenant"
    title = "No such tenant"


class MethodNotAllowedError(ProblemError):
    """The resource has no such method."""

    status = 405
    kind = "OperationNotSupported"
    title = "Method not allowed"


class NotAcceptableError(ProblemError):
    """None of the media types that the client accepts can be given."""

    status = 406
    kind = "InvalidRequest"
    title = "Not acceptable"


class AlreadyExistsError(ProblemError):
    """The resource exists."""

    status = 409
    kind = "AlreadyExists"
    title = "Already exists"


class ConflictError(ProblemError):
    """Others keep changing the resource while the request is worked on."""

    status = 409
    kind = "Conflict"
    title = "Conflict"


class LengthRequiredError(ProblemError):
    """The request does not say how long its body is (clause 6.3.4)."""

    status = 411
    kind = "InvalidRequest"
    title = "Length required"


class TooLargeError(ProblemError):
    """The request's body is above the limit."""

    status = 413
    kind = "BadRequestData"
    title = "Request body too large"


class UnsupportedMediaTypeError(ProblemError):
    """The request's body is of a media type that the operation does not take."""

    status = 415
    kind = "InvalidRequest"
    title = "Unsupported media type"


class NotServedError(ProblemError):
    """A cached @context is for the broker's own use (clause 5.13.4)."""

    status = 422
    kind = "OperationNotSupported"
    title = "Operation not supported"


class NotSupportedError(ProblemError):
    """A part of the standard that this broker does not have."""

    status = 501
    kind = "OperationNotSupported"
    title = "Not supported"


class ContextNotAvailableError(ProblemError):
    """A remote @context cannot be had."""

    status = 503
    kind = "LdContextNotAvailable"
    title = "@context not available"
