"""When is a call tried again, and after which wait? No clock and no network: times and answers come in.

429 is an answer of a server that did not begin: every call is tried again, after its Retry-After. After 503 and after a
lost connection the server may have done the work: only calls that may be repeated are tried again; one whose connection
could not be opened is always, but of an address where nobody has answered yet `MOST_UNOPENED` times at most. Waits
double, up to `LONGEST_WAIT_S`, each shortened by chance by up to a half, so that
clients that were refused together do not come back together.
"""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alicorn.errors import AlicornError, ApiError, DeadlineError

LONGEST_WAIT_S = 30.0
MOST_UNOPENED = 8
"""Tries to open a connection where nobody has answered yet, some ten seconds: a server that starts is waited for."""
_FIRST_WAIT_S = 0.1
BUSY = (429, 503)


@dataclass(frozen=True)
class ApiCall:
    """One request. json: the body, else content of a media type. repeatable: whether it may be made twice.

    has_deadline: whether the body may say how much time there is, as `timeout_ms`.
    """

    method: str
    path: str
    query: Mapping[str, Any]
    json: Any = None
    content: bytes | None = None
    media_type: str = "application/json"
    repeatable: bool = True
    has_deadline: bool = False

    def body(self, left_s: float | None) -> bytes | None:
        """left_s: of the time that the caller gives."""
        if self.json is None:
            return self.content
        body = self.json
        if self.has_deadline and left_s is not None and body.get("timeout_ms") is None:
            body = {**body, "timeout_ms": max(1, min(600_000, int(left_s * 1000)))}
        return json.dumps(body, allow_nan=False).encode()


class Tries:
    """The tries of one call, the first of which begins now."""

    def __init__(
        self, call: ApiCall, most: int, timeout_s: float | None, now_s: float, address: str, *, is_known: bool
    ) -> None:
        """most: tries. timeout_s: for all of them and the waits between; None: any time. address: of the server.
        is_known: whether a server has answered there before."""
        self._call, self._address, self._is_known = call, address, is_known
        self._unopened = 0
        self._left = most
        self._wait_s = _FIRST_WAIT_S
        self._ends_s = None if timeout_s is None else now_s + timeout_s
        self._timeout_s = timeout_s

    def left_s(self, now_s: float) -> float | None:
        """Raises DeadlineError where there is no time left."""
        if self._ends_s is None:
            return None
        if now_s >= self._ends_s:
            raise self._late("no answer came")
        return self._ends_s - now_s

    def after_status(self, status: int, retry_after: str | None, now_s: float) -> float | None:
        """Seconds until the next try; None where the answer counts."""
        if status not in BUSY or (status != 429 and not self._call.repeatable):
            return None
        asked_s = _seconds(retry_after)
        return self._next(now_s, asked_s)

    def after_loss(self, error: Exception, was_open: bool, now_s: float) -> float:
        """Seconds until the next try after a connection was lost, or not opened. Raises AlicornError where it was the
        last."""
        self._unopened += not was_open
        may = self._call.repeatable if was_open else self._is_known or self._unopened < MOST_UNOPENED
        wait_s = self._next(now_s, None) if may else None
        if wait_s is None:
            self.left_s(now_s)
            asked = f"{self._call.method} {self._call.path}"
            if was_open or self._is_known:
                raise AlicornError(f"{asked}: the server does not answer: {error}") from error
            raise AlicornError(
                f"{asked}: no server answers at {self._address}: {error}; start it with `alicorn serve`, or give the"
                " address of another"
            ) from error
        return wait_s

    def _next(self, now_s: float, asked_s: float | None) -> float | None:
        self._left -= 1
        drawn_s = self._wait_s * random.uniform(0.5, 1.0)
        self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
        wait_s = drawn_s if asked_s is None else max(asked_s, drawn_s)
        is_over = self._left <= 0 or (self._ends_s is not None and now_s + wait_s >= self._ends_s)
        return None if is_over else wait_s

    def _late(self, what: str) -> DeadlineError:
        return DeadlineError(f"{self._call.method} {self._call.path}: {what} within {self._timeout_s:g} s")


def read_answer(status: int, media_type: str, content: bytes) -> Any:
    """JSON as it is, text as a string, None of an answer without content. Raises ApiError."""
    if status >= 400:
        problem = _problem(content)
        message = f"the server refused, status {status}: {problem.get('detail', problem)}"
        raise ApiError(message, status=status, problem=problem)
    if status == 204:
        return None
    return json.loads(content) if media_type.startswith("application/json") else content.decode()


def _problem(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"detail": "that is no answer of alicorn: is it the right address?"}


def _seconds(retry_after: str | None) -> float | None:
    try:
        return None if retry_after is None else min(max(float(retry_after), 0.0), LONGEST_WAIT_S)
    except ValueError:
        return None
