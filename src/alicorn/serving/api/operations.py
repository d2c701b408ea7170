"""The operations of the HTTP API: a table of each operation's body, answer and errors.

The routes (app.py) and the description of the API (openapi.py) are both made of it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from alicorn.serving.api.body import JSON, read_body
from alicorn.serving.api.messages import decode
from alicorn.serving.api.problems import JsonResponse
from alicorn.serving.security.access import Access
from alicorn.serving.security.keys import KeyScope

_MOST_AT_ONCE = 40
# Starlette's own way to a thread takes three times as long on the event loop: 0.1 ms of a request.
_THREADS = ThreadPoolExecutor(_MOST_AT_ONCE, "alicorn-request")
_OF_A_BODY = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)

_OF_A_KEY = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    answer: called in a thread with the request and its decoded body -> a message, or a whole Response.
    gives: type of the answer, or its media type; None: an answer without content, 204. shows: an example of it.
    takes: type of the body, of at most `max_bytes`; bytes: it is handed over as it is; None: no body is read. example:
    of a body. media_types: of the body; of a typed one, all of them are JSON.
    query: parameters of the query string and their types; those in `required` must be there.
    refused: the statuses that it may be refused with, beside those that follow from body, parameters and scope.
    scope: that a key needs; None: open to all, without a key. sees_part: whether a key that sees some documents only
    may ask it, because it answers over those alone.
    """

    method: str
    path: str
    summary: str
    answer: Callable[[Request, Any], Any]
    gives: Any
    shows: Any = None
    takes: Any = None
    example: Any = None
    max_bytes: int = 0
    media_types: tuple[str, ...] = (JSON,)
    query: Mapping[str, Any] = field(default_factory=dict)
    required: Sequence[str] = ()
    refused: Sequence[HTTPStatus] = ()
    scope: KeyScope | None = "admin"
    sees_part: bool = False

    @property
    def errors(self) -> list[HTTPStatus]:
        """Every status of a failure, ascending."""
        found = {*self.refused, HTTPStatus.INTERNAL_SERVER_ERROR}
        found.update(_OF_A_BODY if self.takes is not None else ())
        found.update([HTTPStatus.BAD_REQUEST] if self.query else ())
        found.update(_OF_A_KEY if self.scope is not None else ())
        return sorted(found)


class Resource:
    """The operations of one path, as an ASGI application; HEAD is answered as GET."""

    def __init__(self, operations: Sequence[Operation], access: Access) -> None:
        self.path = operations[0].path
        self.methods = [operation.method for operation in operations]
        self._by_method = {operation.method: operation for operation in operations}
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        operation = self._by_method["GET" if request.method == "HEAD" else request.method]
        self._access.admit(request, operation.scope, operation.sees_part)
        takes = operation.takes
        body = None if takes is None else await read_body(request, operation.max_bytes, operation.media_types)

        def answered() -> Any:
            return operation.answer(request, body if body is None or takes is bytes else decode(body, takes))

        answer = await asyncio.get_running_loop().run_in_executor(_THREADS, answered)
        nothing = Response(status_code=HTTPStatus.NO_CONTENT)
        response = nothing if answer is None else answer if isinstance(answer, Response) else JsonResponse(answer)
        await response(scope, receive, send)


def resources(operations: Sequence[Operation], access: Access) -> list[Resource]:
    """One for each path, in the order in which the paths first come."""
    paths = dict.fromkeys(operation.path for operation in operations)
    return [Resource([operation for operation in operations if operation.path == path], access) for path in paths]
