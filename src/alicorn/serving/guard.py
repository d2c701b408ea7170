"""Checks on every request (size, content type), headers of every answer, and every failure as JSON.

400  a mistake in the request: {"error": message, "offset": of an expression}
404  no such document or route    405  wrong method    409  the collection cannot be written here
413  the body is too large        415  a body that does not call itself JSON
500  our own mistake: the message says no more than that; the log has the rest
"""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alicorn.errors import AlicornError, CollectionError, CorruptionError, QueryError
from alicorn.serving.messages import ErrorAnswer

_HEADERS = [
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
_log = logging.getLogger(__name__)


class JsonResponse(Response):
    """An answer that msgspec encodes; values of stored columns come plain (reporting/json_text.py)."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content)


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The body, whose content type must be JSON: browsers send that across sites only after a preflight request."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        message = f"send content-type: application/json, got {content_type[:100] or 'none'}"
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body here has at most {max_bytes} bytes")
    return bytes(body)


class SafeHeaders:
    """Headers of every answer that forbid the page to load anything from elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def _refused(request: Request, error: Exception) -> Response:
    status = HTTPStatus.BAD_REQUEST
    if isinstance(error, CorruptionError):
        _log.error("%s", error)
        status = HTTPStatus.INTERNAL_SERVER_ERROR
    elif isinstance(error, CollectionError):
        status = HTTPStatus.CONFLICT
    return JsonResponse(
        ErrorAnswer(str(error), error.offset if isinstance(error, QueryError) else msgspec.UNSET), status
    )


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JsonResponse(ErrorAnswer(error.detail), error.status_code, headers=error.headers)


def _failed(request: Request, error: Exception) -> Response:
    """Starlette logs the traceback after this answer."""
    return JsonResponse(
        ErrorAnswer("the server failed on this request; its log says why"), HTTPStatus.INTERNAL_SERVER_ERROR
    )


ERROR_ANSWERS: Mapping[Any, Callable[[Request, Exception], Response]] = {
    AlicornError: _refused,
    HTTPException: _http_error,
    Exception: _failed,
}
"""The answer to everything that an operation raises."""
