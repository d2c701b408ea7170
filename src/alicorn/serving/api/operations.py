"""The operations of the HTTP API: a table of each operation's body, answer and errors.

The routes (app.py) and the description of the API (openapi.py) are both made of it.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from alicorn.query.wanted import as_long_as
from alicorn.serving.api.body import JSON, read_body
from alicorn.serving.api.messages import decode
from alicorn.serving.api.problems import JsonResponse
from alicorn.serving.limits.admission import NUM_THREADS, Admission
from alicorn.serving.limits.deadline import Deadline
from alicorn.serving.limits.degradation import step_of
from alicorn.serving.security.access import Access
from alicorn.serving.security.keys import KeyScope

# Starlette's own way to a thread takes three times as long on the event loop: 0.1 ms of a request.
_THREADS = ThreadPoolExecutor(NUM_THREADS, "alicorn-request")
_SMALL_BYTES = 16 << 10
"""A body of more is decoded in a thread."""
_DEADLINE = "alicorn.deadline"
_STEP = "alicorn.step"
_NOTICED_S = 0.05  # after which a client that has gone is looked for
_OF_A_BODY = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)

_OF_A_KEY = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    answer: called with the request and its decoded body -> a message, or a whole Response; in a thread, or where it has
    been quick and reads only, on the event loop.
    shape: of a decoded body, what its time depends on.
    gives: type of the answer, or its media type; None: an answer without content, 204. shows: an example of it.
    takes: type of the body, of at most `max_bytes`; bytes: it is handed over as it is; None: no body is read. example:
    of a body. media_types: of the body; of a typed one, all of them are JSON.
    query: parameters of the query string and their types; those in `required` must be there.
    refused: the statuses that it may be refused with, beside those that follow from body, parameters and scope.
    scope: that a key needs; None: open to all, without a key. sees_part: whether a key that sees some documents only
    may ask it, because it answers over those alone. is_idempotent: whether it may be asked again when no answer came.
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
    shape: Callable[[Any], Hashable] | None = None
    media_types: tuple[str, ...] = (JSON,)
    query: Mapping[str, Any] = field(default_factory=dict)
    required: Sequence[str] = ()
    refused: Sequence[HTTPStatus] = ()
    scope: KeyScope | None = "admin"
    sees_part: bool = False
    is_idempotent: bool = True

    @property
    def name(self) -> str:
        """As in the description of the API and in the client: that of the function which answers."""
        return self.answer.__name__

    @property
    def waits(self) -> bool:
        """Whether a busy server may refuse it. Whether all is well can be asked of it."""
        return self.scope not in (None, "admin")

    @property
    def reads(self) -> bool:
        """Whether it waits for no writer and no disk."""
        return self.scope in (None, "search")

    @property
    def is_owners(self) -> bool:
        """Whether it is of the one process that writes, where a server has several."""
        return self.scope in ("write", "admin")

    @property
    def errors(self) -> list[HTTPStatus]:
        """Every status of a failure, ascending."""
        found = {*self.refused, HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR}
        found.update(_OF_A_BODY if self.takes is not None else ())
        found.update(_OF_A_KEY if self.scope is not None else ())
        found.update((HTTPStatus.SERVICE_UNAVAILABLE,) if self.is_owners else ())
        return sorted(found)


class Resource:
    """The operations of one path, as an ASGI application; HEAD is answered as GET."""

    def __init__(
        self, operations: Sequence[Operation], access: Access, admission: Admission, owner: ASGIApp | None = None
    ) -> None:
        """owner: answers what is the owner's; None: this process is it."""
        self.path = operations[0].path
        self.methods = [operation.method for operation in operations]
        self._by_method = {operation.method: operation for operation in operations}
        self._access = access
        self._admission = admission
        self._owner = owner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        operation = self._by_method["GET" if request.method == "HEAD" else request.method]
        if self._owner is not None and operation.is_owners:
            await self._owner(scope, receive, send)
            return
        self._access.admit(request, operation.scope, operation.sees_part)
        deadline = scope[_DEADLINE] = Deadline()
        body = None
        if operation.takes is not None:
            limits = self._access.limits_of(request)
            most = operation.max_bytes if limits.bytes is None else min(limits.bytes, operation.max_bytes)
            body = await read_body(request, most, operation.media_types, self._admission)
        try:
            answer = await self._answer(operation, request, body, deadline)
        finally:
            deadline.close()
            self._admission.free(len(body or b""))
        if not deadline.is_gone:
            nothing = Response(status_code=HTTPStatus.NO_CONTENT)
            response = nothing if answer is None else answer if isinstance(answer, Response) else JsonResponse(answer)
            if operation.scope == "admin" and operation.method != "GET":
                self._access.record(request, response.status_code)
            await response(scope, receive, send)

    async def _answer(self, operation: Operation, request: Request, body: bytes | None, deadline: Deadline) -> Any:
        """The answer, once the request has a place."""
        admission = self._admission
        asked: Any = body
        shape: Hashable = None
        typed = body is not None and operation.takes is not bytes
        if body is not None and typed and len(body) <= _SMALL_BYTES:
            typed, asked = False, decode(body, operation.takes)
            shape = None if operation.shape is None else operation.shape(asked)
        kind: tuple[Hashable, ...] = (operation.method, self.path, len(body or b"").bit_length(), shape)
        if operation.waits:
            step = request.scope[_STEP] = step_of(admission.check(kind, operation.reads), admission.degrade_ms)
            kind = (*kind, step)  # which takes another time
        used_s = 0.0

        def answered() -> Any:
            nonlocal used_s
            started_s = time.thread_time()
            try:
                deadline.check()
                with as_long_as(deadline):
                    return operation.answer(request, decode(asked, operation.takes) if typed else asked)
            finally:
                used_s = time.thread_time() - started_s

        is_quick = operation.reads and admission.is_quick(kind)
        try:
            async with admission.place(kind, is_quick):
                return answered() if is_quick else await _in_thread(answered, request, deadline)
        finally:
            if used_s:  # not where the client went first
                admission.took(kind, used_s)


async def _in_thread(answered: Callable[[], Any], request: Request, deadline: Deadline) -> Any:
    """What a thread answers; None where the client goes away first."""
    answer = asyncio.get_running_loop().run_in_executor(_THREADS, copy_context().run, answered)
    await asyncio.wait((answer,), timeout=_NOTICED_S)
    if not answer.done():
        await _done_or_gone(answer, request, deadline)
    return None if deadline.is_gone else answer.result()


def deadline_of(request: Request) -> Deadline:
    """When the answer to this request is no longer wanted."""
    found: Deadline = request.scope[_DEADLINE]
    return found


def degradation_of(request: Request) -> int:
    """How many steps of degradation.py this request takes."""
    found: int = request.scope[_STEP]
    return found


async def _done_or_gone(answer: "asyncio.Future[Any]", request: Request, deadline: Deadline) -> None:
    """Wait for an answer; where the client goes first, it is not begun, or ends soon."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    leaving = asyncio.ensure_future(gone())
    await asyncio.wait((answer, leaving), return_when=asyncio.FIRST_COMPLETED)
    if not answer.done():
        deadline.leave()
        answer.cancel()
    leaving.cancel()


def resources(
    operations: Sequence[Operation], access: Access, admission: Admission, owner: ASGIApp | None = None
) -> list[Resource]:
    """One for each path, in the order in which the paths first come. owner: as of a Resource."""
    paths = dict.fromkeys(operation.path for operation in operations)
    found = ([operation for operation in operations if operation.path == path] for path in paths)
    return [Resource(of_path, access, admission, owner) for of_path in found]
