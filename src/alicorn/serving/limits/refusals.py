"""The whole answer 429 of a busy server as bytes, once the headers of a request are there.

At three times its capacity a server makes two refusals for each answer, so that what they cost is what it answers less.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Protocol

from alicorn.serving.api.problems import ProblemResponse, by_status
from alicorn.serving.limits.admission import Admission
from alicorn.serving.logs import REQUEST_ID, request_id
from alicorn.serving.security.access import Access
from alicorn.serving.security.cors import of_origin
from alicorn.serving.security.headers import SAFE_HEADERS

REFUSALS = "alicorn.refusals"
"""Their name in the state of the app."""
Headers = Sequence[tuple[bytes, bytes]]


class MayBeRefused(Protocol):
    """An operation."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...


class Refusals:
    """Of one app, whose connections ask for them."""

    def __init__(
        self,
        admission: Admission,
        access: Access,
        operations: Iterable[MayBeRefused],
        refused: Callable[[str, str], None],
    ) -> None:
        """operations: those that a busy server may refuse. refused: told method and path of each refusal."""
        self._admission = admission
        self._access = access
        self._refused = refused
        self._operations = {(one.method.encode(), one.path.encode()): (one.method, one.path) for one in operations}

    def answer(self, method: bytes, path: bytes, headers: Headers, of_server: Headers, stays: bool) -> bytes | None:
        """The answer to a request of these headers, names in lower case; None where the server is not busy, or answers
        the operation however busy it is. of_server: headers of every answer. stays: whether the connection does."""
        if not self._admission.is_busy or (operation := self._operations.get((method, path))) is None:
            return None
        self._refused(*operation)
        given = dict(headers)
        own = [*of_server, (REQUEST_ID, request_id(given.get(REQUEST_ID, b"").decode("latin-1")).encode())]
        if (origin := given.get(b"origin")) is not None:
            allowed = of_origin(origin.decode("latin-1"), self._access)
            own += [(name.encode(), value.encode()) for name, value in allowed.items()]
        if not stays:
            own.append((b"connection", b"close"))
        begin, body = _problem(*self._admission.refuse(round(self._admission.wait_in_all_s, 3)))
        return b"".join([begin, *(b"%b: %b\r\n" % one for one in own), b"\r\n", body])

    def passed(self) -> None:
        """A request was not refused: its task begins next."""
        self._admission.comes()


@lru_cache(maxsize=256)
def _problem(detail: str, retry_after: str) -> tuple[bytes, bytes]:
    """The status line with the headers that each refusal has, and the body."""
    response = ProblemResponse(by_status(HTTPStatus.TOO_MANY_REQUESTS, detail), {"retry-after": retry_after})
    headers = b"".join(b"%b: %b\r\n" % one for one in (*response.raw_headers, *SAFE_HEADERS))
    return b"HTTP/1.1 429 Too Many Requests\r\n" + headers, bytes(response.body)
