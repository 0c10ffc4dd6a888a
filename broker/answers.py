# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What an NGSI-LD broker answers: results, and one family of errors.

    BrokerError (models/errors.py)
    └── NgsiLdError                      carries `problem`: status, type, title, detail
        ├── BrokerUnavailableError       no connection, no answer in time, 408, 429, 502, 503, 504:
        │   │                            the same request may succeed later; carries `retry_after`
        │   └── ContextUnavailableError  the broker cannot fetch the @context (503 or 504)
        ├── BrokerFailureError           500: unclear; a part may have been done, one entity may be
        │   │                            the cause: bisect
        │   └── MalformedAnswerError     not HTTP, not JSON, too large, not what was asked for
        └── BrokerRefusalError           the same request will be refused again
            ├── BadRequestDataError      400, and every other 4xx
            ├── UnauthorizedError        401, 403
            ├── NotFoundError            404
            │   └── UnknownTenantError   404 of a tenant that nobody has written to
            ├── AlreadyExistsError       409
            ├── TooLargeError            413
            └── NotSupportedError        501, 405, a redirect, or 404 that does not come from an
                                         NGSI-LD operation

The names of clauses are those of ETSI GS CIM 009 v1.8.1: error types 5.5.2, their payload 5.5.3,
results of batch operations 5.2.16 and 5.2.17, of attribute updates 5.2.18 and 5.2.19.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from models.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_LATER: Final = frozenset({408, 425, 429, 502, 503, 504})
_STATUS: Final[Mapping[str, int]] = {
    "ResourceNotFound": 404,
    "AlreadyExists": 409,
    "InternalError": 500,
    "LdContextNotAvailable": 503,
}
_SHOWN: Final = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """Why something was not done (ProblemDetails, RFC 7807).

    Attributes:
        status: HTTP status of the whole answer, or of one entity in it; 0: there was no answer.
        type: an address that ends in the error's name.
    """

    status: int
    type: str = ""
    title: str = ""
    detail: str = ""

    @property
    def name(self) -> str:
        """The last part of the type: `BadRequestData`."""
        return self.type.rstrip("/").rpartition("/")[2]

    @property
    def transient(self) -> bool:
        """The same may succeed later, without anybody changing it."""
        return self.status in _LATER or self.status in {0, 500} or self.name == "LdContextNotAvailable"

    @property
    def sentence(self) -> str:
        """The problem in words, with its status."""
        words = (
            ": ".join(part for part in (self.title, self.detail) if part) or self.name or "no reason given"
        )
        return f"{words} ({self.status})" if self.status else words

    def as_dict(self) -> dict[str, Any]:
        """The problem as ProblemDetails, without what is empty."""
        return {key: value for key, value in asdict(self).items() if value}


class NgsiLdError(BrokerError):
    """The broker could not be asked, or answered with an error.

    Attributes:
        problem: what it answered.
        retry_after: seconds after which it asks to be asked again; None: it did not say.
    """

    def __init__(self, sentence: str, *, problem: Problem, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.problem = problem
        self.retry_after = retry_after


class BrokerUnavailableError(NgsiLdError):
    """No connection, no answer in time, or an answer that says: later."""


class ContextUnavailableError(BrokerUnavailableError):
    """The broker cannot fetch the @context that the request names."""


class BrokerFailureError(NgsiLdError):
    """The broker failed; a part of a batch may have been done, one entity may be the cause."""


class MalformedAnswerError(BrokerFailureError):
    """The answer cannot be read."""


class BrokerRefusalError(NgsiLdError):
    """The same request will be refused again."""


class BadRequestDataError(BrokerRefusalError):
    """The request or the entity in it is wrong."""


class UnauthorizedError(BrokerRefusalError):
    """The broker wants a key, or another one."""


class NotFoundError(BrokerRefusalError):
    """The entity, attribute or subscription does not exist."""


class UnknownTenantError(NotFoundError):
    """Nobody has written to the tenant yet."""


class AlreadyExistsError(BrokerRefusalError):
    """The entity or subscription exists."""


class TooLargeError(BrokerRefusalError):
    """The body is above the broker's limit."""


class NotSupportedError(BrokerRefusalError):
    """The broker does not have the operation, or the address is not that of a broker."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An HTTP answer, read to its end.

    Attributes:
        request: what was asked, for messages: `GET http://…/ngsi-ld/v1/types`.
    """

    request: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Read the body.

        Raises:
            MalformedAnswerError: it is not JSON.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise unexpected(self, "JSON") from error

    def array(self) -> list[Any]:
        """Read a body that must be an array.

        Raises:
            MalformedAnswerError: it is something else.
        """
        body = self.json()
        if not isinstance(body, list):
            raise unexpected(self, "an array")
        return body

    def object(self) -> dict[str, Any]:
        """Read a body that must be an object.

        Raises:
            MalformedAnswerError: it is something else.
        """
        body = self.json()
        if not isinstance(body, dict):
            raise unexpected(self, "an object")
        return body


def unexpected(answer: Answer, wanted: str) -> MalformedAnswerError:
    """Make the error for an answer that is not what was wanted."""
    title, detail = f"The answer is not {wanted}", _excerpt(answer.body)
    problem = Problem(status=answer.status, title=title, detail=detail)
    return MalformedAnswerError(f"{answer.request}: {problem.sentence}", problem=problem)


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchResult:
    """What became of the entities of a batch; each one sent is in exactly one of the two.

    Attributes:
        succeeded: ids in the order sent.
        failed: id → why the broker did not take it: never as it is, or, where the problem is
            `transient`, not now. An entity without an id stands under its position in the call, `#1`.
        created: of those that succeeded, what the broker says was not there before.
        status: of the last answer.
    """

    succeeded: tuple[str, ...] = ()
    failed: Mapping[str, Problem] = field(default_factory=dict)
    created: frozenset[str] = frozenset()
    status: int = 0

    def __add__(self, other: BatchResult) -> BatchResult:
        return BatchResult(
            succeeded=self.succeeded + other.succeeded,
            failed={**self.failed, **other.failed},
            created=self.created | other.created,
            status=other.status,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class AttributesResult:
    """What became of the attributes of one entity: short names, as sent."""

    updated: tuple[str, ...] = ()
    failed: Mapping[str, Problem] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class TemporalResult:
    """What the broker knows of the past.

    Attributes:
        entities: temporal representations, each attribute an array of its instances.
        partial: the broker has more of the asked time than it sent (206 Partial Content, 6.3.10).
    """

    entities: tuple[dict[str, Any], ...]
    partial: bool


_ERRORS: Final[Mapping[int, type[NgsiLdError]]] = {
    **dict.fromkeys(_LATER, BrokerUnavailableError),
    **dict.fromkeys((401, 403), UnauthorizedError),
    **dict.fromkeys((404, 405, 501), NotSupportedError),
    409: AlreadyExistsError,
    413: TooLargeError,
}
# A redirect is not followed: entities must not go where nobody has configured it.
_BY_HUNDREDS: Final[Mapping[int, type[NgsiLdError]]] = {3: NotSupportedError, 4: BadRequestDataError}


def error_for(answer: Answer) -> NgsiLdError:
    """Make the error that an answer of 300 or more stands for."""
    return error_of(read_problem(answer), answer.request, _retry_after(answer.headers))


def error_of(problem: Problem, request: str, retry_after: float | None = None) -> NgsiLdError:
    """Make the error that a problem stands for; `request` begins its sentence."""
    sentence = f"{request}: {problem.sentence}"
    return _error_type(problem)(sentence, problem=problem, retry_after=retry_after)


def _error_type(problem: Problem) -> type[NgsiLdError]:
    status, name = problem.status, problem.name
    if name == "LdContextNotAvailable":
        return ContextUnavailableError
    if status == 404 and "tenant" in name.lower():  # noqa: PLR2004 - Not Found
        return UnknownTenantError
    if status == 404 and name == "ResourceNotFound":  # noqa: PLR2004 - Not Found
        return NotFoundError
    if status in _ERRORS:
        return _ERRORS[status]
    return _BY_HUNDREDS.get(status // 100, BrokerFailureError)


def read_problem(answer: Answer) -> Problem:
    """Read ProblemDetails; a body that is none (a proxy's page) becomes the detail."""
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        body = None
    if isinstance(body, dict) and body.keys() & {"type", "title", "detail"}:
        return replace(_problem(body), status=answer.status)
    return Problem(status=answer.status, detail=_excerpt(answer.body))


def read_batch(ids: Sequence[str], answer: Answer) -> BatchResult:
    """Say for each id of a batch what became of it.

    201 lists the created ids alone and 204 none: whatever has no error was done. 207 lists both
    sides in full, as recorded from Orion-LD and Coraine; an id in neither list was perhaps not
    stored, and sending it again does no harm. An error without a usable id ("No Entity::id", "")
    belongs to an id that nothing else is said of: in their order, where there are as many of the
    one as of the other.

    Raises:
        MalformedAnswerError: a 207 that cannot be read.
    """
    if not is_batch_result(answer):
        return BatchResult(succeeded=tuple(ids), created=_created(answer), status=answer.status)
    body = answer.object()
    success, errors = body.get("success") or (), body.get("errors") or ()
    if not isinstance(success, list | tuple) or not isinstance(errors, list | tuple):
        raise unexpected(answer, "a result of a batch")
    named, nameless = _batch_errors(errors, frozenset(ids))
    done = {item for item in success if isinstance(item, str)} - named.keys()
    silent = [id_ for id_ in ids if id_ not in done and id_ not in named]
    if len(nameless) == len(silent):
        named.update(zip(silent, nameless, strict=True))
    else:
        detail = "; ".join(problem.sentence for problem in nameless)
        unclear = Problem(status=500, title="The broker did not say what became of it", detail=detail)
        named.update(dict.fromkeys(silent, unclear))
    return BatchResult(
        succeeded=tuple(id_ for id_ in ids if id_ in done),
        failed={id_: named[id_] for id_ in ids if id_ in named},
        status=answer.status,
    )


def _created(answer: Answer) -> frozenset[str]:
    """Return what 201 lists (6.14.3.1). Nothing is lost where a broker lists nothing."""
    if answer.status != 201:  # noqa: PLR2004 - Created
        return frozenset()
    try:
        ids = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return frozenset()
    return frozenset(id_ for id_ in ids if isinstance(id_, str)) if isinstance(ids, list) else frozenset()


def is_batch_result(answer: Answer) -> bool:
    """Say whether the body tells, entity by entity, what became of a batch.

    That is 207; older editions of the standard have it with 200, or with 400 where all failed. A
    gateway's `{"errors": […]}` is none.
    """
    if answer.status == 207:  # noqa: PLR2004 - Multi-Status
        return True
    if answer.status not in {200, 400} or b'"entityId"' not in answer.body:
        return False
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return False
    errors = body.get("errors") if isinstance(body, dict) else None
    return isinstance(errors, list) and all(isinstance(item, dict) and "entityId" in item for item in errors)


def _batch_errors(errors: Iterable[Any], ids: frozenset[str]) -> tuple[dict[str, Problem], list[Problem]]:
    named: dict[str, Problem] = {}
    nameless: list[Problem] = []
    for entry in errors:
        item = entry if isinstance(entry, dict) else {"error": entry}
        problem = _problem(item.get("error", item))
        if (id_ := item.get("entityId")) in ids:
            named[id_] = problem
        else:
            nameless.append(problem)
    return named, nameless


def read_attributes(names: Iterable[str], answer: Answer) -> AttributesResult:
    """Say for each attribute of an update what became of it (UpdateResult).

    Raises:
        MalformedAnswerError: a 207 that cannot be read.
    """
    if answer.status != 207:  # noqa: PLR2004 - Multi-Status
        return AttributesResult(updated=tuple(names))
    failed: dict[str, Problem] = {}
    not_updated = answer.object().get("notUpdated") or ()
    if not isinstance(not_updated, list | tuple) or not all(isinstance(item, dict) for item in not_updated):
        raise unexpected(answer, "a result of an update")
    for item in not_updated:
        # Orion-LD: {statusCode, title, attributes}; the standard: {attributeName, reason}.
        status = item.get("statusCode", 400)
        problem = Problem(
            status=status if isinstance(status, int) else 400,
            title=_words(item.get("title") or item.get("reason")),
            detail=_words(item.get("detail")),
        )
        attributes = item.get("attributes") or [item.get("attributeName")]
        failed.update((str(name), problem) for name in attributes)
    return AttributesResult(updated=tuple(name for name in names if name not in failed), failed=failed)


def _problem(body: Any) -> Problem:
    """Read ProblemDetails; the status is its own, or what its type says, or 400."""
    if not isinstance(body, dict):
        return Problem(status=400, detail=_words(body))
    type_ = str(body.get("type") or "")
    status = body.get("status")
    if not isinstance(status, int) or isinstance(status, bool):
        status = _STATUS.get(type_.rpartition("/")[2], 400)
    title, detail = _words(body.get("title")), _words(body.get("detail"))
    return Problem(status=status, type=type_, title=title, detail=detail)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After: seconds, or a date (RFC 9110, 10.2.3)."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    with suppress(ValueError, TypeError):  # what cannot be read is as good as absent
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    return None


def _excerpt(body: bytes) -> str:
    """Show the start of a body that was not meant for people."""
    return _words(body[: 4 * _SHOWN].decode(errors="replace"))


def _words(value: Any) -> str:
    """Write anything on one line of bounded length; nothing at all for what is empty."""
    words = " ".join(str(value or "").split())
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]} …"
