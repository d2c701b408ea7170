"""Every failure as application/problem+json (RFC 9457): type, title, status, detail, and where the mistake is.

400  a mistake in the request          404  no such document or route     405  wrong method
409  the collection cannot be written  413  the body is too large         415  a body of another media type
408  the body came too slowly         429  too many requests     503  the time is over, or a shard is away
500  our own mistake: the message says no more than that; the log has the rest
"""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import UNSET
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from alicorn.errors import (
    AlicornError,
    BodyError,
    CollectionError,
    ConfigError,
    CorruptionError,
    DeadlineError,
    QueryError,
    TableError,
    UnreachableError,
    VectorError,
)
from alicorn.serving.api.messages import Problem

_TYPE = "urn:alicorn:problem:"
_NO_TYPE = "about:blank"
"""The type of a problem that its status describes alone (RFC 9457 4.2.1)."""
_KINDS: Mapping[type[AlicornError], tuple[str, str]] = {
    BodyError: ("body", "The body is not what this operation takes"),
    QueryError: ("expression", "The expression cannot be answered"),
    VectorError: ("vector", "A vector has no direction, or another dimension"),
    TableError: ("documents", "The documents do not fit the collection"),
    ConfigError: ("option", "An option of the request has no meaning here"),
    DeadlineError: ("deadline", "There was no answer in the time that was given"),
    UnreachableError: ("unreachable", "A part of the collection does not answer"),
    CollectionError: ("collection", "The collection cannot do this"),
    AlicornError: ("request", "The request cannot be answered"),
}
_STATUSES = {
    UnreachableError: HTTPStatus.SERVICE_UNAVAILABLE,
    CollectionError: HTTPStatus.CONFLICT,
    DeadlineError: HTTPStatus.SERVICE_UNAVAILABLE,
}
PROBLEM_TYPES = {_TYPE + name: title for name, title in _KINDS.values()}
"""The types of problems with their titles."""
_log = logging.getLogger(__name__)


class JsonResponse(Response):
    """An answer that msgspec encodes; values of stored columns come plain (reporting/json_text.py)."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content)


class ProblemResponse(JsonResponse):
    """A failure."""

    media_type = "application/problem+json"

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem, problem.status, headers)


def problem_of(error: AlicornError) -> Problem:
    """What is wrong, and where: the character of an expression, the column and row of a table."""
    if isinstance(error, CorruptionError):
        _log.error("%s", error)
        return _failure()
    name, title = next(_KINDS[kind] for kind in type(error).__mro__ if kind in _KINDS)
    status = next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), HTTPStatus.BAD_REQUEST)
    problem = Problem(_TYPE + name, title, status, str(error))
    if isinstance(error, QueryError):
        problem.offset = error.offset
    if isinstance(error, TableError):
        problem.column = UNSET if error.column is None else error.column
        problem.row = UNSET if error.row is None else error.row
    return problem


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, AlicornError)
    return ProblemResponse(problem_of(error))


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return ProblemResponse(by_status(error.status_code, error.detail), error.headers)


def _failed(request: Request, error: Exception) -> Response:
    """Starlette logs the traceback after this answer."""
    return ProblemResponse(_failure())


def by_status(status: int, detail: str) -> Problem:
    """A problem that its status describes."""
    return Problem(_NO_TYPE, HTTPStatus(status).phrase, status, detail)


def _failure() -> Problem:
    return by_status(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed on this request; its log says why")


PROBLEM_ANSWERS: Mapping[Any, Callable[[Request, Exception], Response]] = {
    AlicornError: _refused,
    HTTPException: _http_error,
    Exception: _failed,
}
"""The answer to everything that an operation raises."""
