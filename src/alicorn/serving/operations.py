"""The operations of the HTTP API: a table of each operation's body, answer and errors.

The routes (app.py) and the description of the API (openapi.py) are both made of it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from alicorn.serving.guard import JsonResponse, read_body
from alicorn.serving.messages import decode

_MOST_AT_ONCE = 40
# Starlette's own way to a thread takes three times as long on the event loop: 0.1 ms of a request.
_THREADS = ThreadPoolExecutor(_MOST_AT_ONCE, "alicorn-request")


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    answer: called in a thread with the request and its decoded body -> a message, or a whole Response.
    takes: type of the body, of at most `max_bytes`; None: no body is read. gives: type of the answer, or its media
    type. query: parameters of the query string and their types. errors: the statuses that it may be refused with.
    """

    method: str
    path: str
    summary: str
    answer: Callable[[Request, Any], Any]
    gives: Any
    takes: Any = None
    max_bytes: int = 0
    query: Mapping[str, Any] = field(default_factory=dict)
    errors: Sequence[int] = ()


class Resource:
    """The operations of one path, as an ASGI application; HEAD is answered as GET."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.path = operations[0].path
        self.methods = [operation.method for operation in operations]
        self._by_method = {operation.method: operation for operation in operations}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        operation = self._by_method["GET" if request.method == "HEAD" else request.method]
        body = b"" if operation.takes is None else await read_body(request, operation.max_bytes)

        def answered() -> Any:
            return operation.answer(request, None if operation.takes is None else decode(body, operation.takes))

        answer = await asyncio.get_running_loop().run_in_executor(_THREADS, answered)
        response = answer if isinstance(answer, Response) else JsonResponse(answer)
        await response(scope, receive, send)


def resources(operations: Sequence[Operation]) -> list[Resource]:
    """One for each path, in the order in which the paths first come."""
    paths = dict.fromkeys(operation.path for operation in operations)
    return [Resource([operation for operation in operations if operation.path == path]) for path in paths]
