"""Who asks, and may they? A key by `Authorization: Bearer` or `api-key`, its scopes, its origin and its rate; and the
rate of all requests together.

Every denial goes to the logger alicorn.audit, without secrets and without what was asked.
"""

import datetime
import hashlib
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request

from alicorn.errors import AlicornError
from alicorn.language import tree
from alicorn.serving.processes.shared import SharedNumbers
from alicorn.serving.security.bucket import Rate, TokenBuckets
from alicorn.serving.security.keys import ApiKey, KeyScope, holder_of, read_keys
from alicorn.serving.security.request_limits import NO_LIMITS, RequestLimits

_REREAD_S = 0.5
_STATE = "alicorn.key"
_OF_ALL = hashlib.sha256(b"requests of all").hexdigest()  # where those of a key have the hash of the key
_audit = logging.getLogger("alicorn.audit")
_log = logging.getLogger(__name__)


def key_of(request: Request) -> ApiKey | None:
    """The key of an admitted request; None where the server has no keys."""
    key: ApiKey | None = request.scope.get(_STATE)
    return key


def only_of(request: Request) -> tree.Node | None:
    """The expression of the documents that the request may see; None: all."""
    key = key_of(request)
    return None if key is None else key.allowed


class Access:
    """The keys of a file, which is read again within a second of its change.

    Without a file, all may do all, but pages of other sites nothing that writes or searches.
    """

    def __init__(
        self,
        path: Path | None,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
        elapsed_s: Callable[[], float] = time.monotonic,
        limits: RequestLimits = NO_LIMITS,
        numbers: SharedNumbers | None = None,
        per_second: float | None = None,
    ) -> None:
        """limits: of each request, whoever asks. elapsed_s: by a clock that all processes have. numbers: of all
        processes; None: this one is alone. per_second: requests of all together, but for an administrator's; None: any
        number. Raises ConfigError where the file cannot be read."""
        self._limits = limits
        self._per_second = per_second
        self._path = path
        self._now = now
        self._elapsed_s = elapsed_s
        self._lock = threading.Lock()
        self._looked_s = elapsed_s()
        self._seen = None if path is None else _version(path)
        self._keys: Sequence[ApiKey] = () if path is None else read_keys(path)
        self._buckets = TokenBuckets(numbers or SharedNumbers())

    @property
    def is_asked_for(self) -> bool:
        """Whether requests need a key."""
        return self._path is not None

    def origins(self) -> frozenset[str]:
        """Of all pages that have a valid key."""
        now = self._now()
        return frozenset(origin for key in self._current() if key.is_valid(now) for origin in key.origins)

    def admit(self, request: Request, scope: KeyScope | None, sees_part: bool) -> None:
        """Admit a request to an operation, or raise HTTPException: 401, 403, 429.

        scope: that the operation asks for; None: open to all. sees_part: whether it can answer over a part of the
        documents.
        """
        if scope is None:
            return
        if self._path is None:
            if request.method != "GET" and request.headers.get("sec-fetch-site") == "cross-site":
                message = "a page of another site asks: make a key for its origin with alicorn key create --origin"
                raise self._denied(request, HTTPStatus.FORBIDDEN, message, None)
            self._spend(request, scope, None)
            return
        key = self._holder(request)
        request.scope[_STATE] = key
        if scope not in key.scopes:
            raise self._denied(request, HTTPStatus.FORBIDDEN, f"this key has no scope {scope!r}", key)
        if key.only is not None and not sees_part:
            message = "this key sees some documents only, and this operation is about all"
            raise self._denied(request, HTTPStatus.FORBIDDEN, message, key)
        origin = request.headers.get("origin")
        if key.origins and origin not in key.origins:
            raise self._denied(request, HTTPStatus.FORBIDDEN, "this key is for pages of other origins", key)
        self._spend(request, scope, key)

    def limits_of(self, request: Request) -> RequestLimits:
        """Of an admitted request."""
        key = key_of(request)
        return self._limits if key is None or key.limits == NO_LIMITS else self._limits.and_of(key.limits)

    def record(self, request: Request, status: int) -> None:
        """What an administrator did is in the audit log."""
        key, client = key_of(request), request.client.host if request.client is not None else "?"
        who = "nobody's key" if key is None else f"key {key.name} {key.key_id}"
        _audit.warning("done: status %d, %s %s, %s, client %s", status, request.method, request.url.path, who, client)

    def spend(self, request: Request, count: int) -> None:
        """Count further searches that came in one request. Raises HTTPException, 429."""
        self._spend(request, "search", key_of(request), count)

    def _holder(self, request: Request) -> ApiKey:
        secret = _secret(request)
        key = None if secret is None else holder_of(secret, self._current())
        if key is not None and key.is_valid(self._now()):
            return key
        if secret is None:
            message = "send a key: Authorization: Bearer KEY, or api-key: KEY"
        else:
            message = "this key is unknown, revoked or expired"
        raise self._denied(request, HTTPStatus.UNAUTHORIZED, message, key, {"www-authenticate": "Bearer"})

    def _spend(self, request: Request, scope: KeyScope, key: ApiKey | None, count: int = 1) -> None:
        rates: dict[str, Rate] = {}
        if key is not None and key.per_second is not None:
            rates["this key may ask"] = Rate(key.sha256, key.per_second)
        if self._per_second is not None and scope != "admin":
            rates["all together may ask"] = Rate(_OF_ALL, self._per_second)
        if not rates or not count:
            return
        waits = self._buckets.take(list(rates.values()), count, self._elapsed_s())
        for wait_s, who in sorted(zip(waits, rates, strict=True), reverse=True):
            if wait_s > 0.0:
                message = f"{who} {rates[who].per_second:g} times a second"
                headers = {"retry-after": str(math.ceil(wait_s))}
                raise self._denied(request, HTTPStatus.TOO_MANY_REQUESTS, message, key, headers)

    def _denied(
        self,
        request: Request,
        status: HTTPStatus,
        message: str,
        key: ApiKey | None,
        headers: dict[str, str] | None = None,
    ) -> HTTPException:
        asked = f"{request.method} {getattr(request.scope.get('endpoint'), 'path', '?')}"
        client = request.client.host if request.client is not None else "?"
        who = "?" if key is None else f"{key.name} {key.key_id}"
        _audit.warning("denied: status %d, %s, key %s, client %s: %s", status, asked, who, client, message)
        return HTTPException(status, message, headers)

    def _current(self) -> Sequence[ApiKey]:
        """The keys. A file that became unreadable changes nothing, and is an error in the log."""
        if self._path is None or self._elapsed_s() - self._looked_s < _REREAD_S:
            return self._keys
        with self._lock:
            self._looked_s = self._elapsed_s()
            version = _version(self._path)
            if version != self._seen:
                self._seen = version
                try:
                    self._keys = read_keys(self._path)
                    _audit.warning("keys: %s read again, %d keys", self._path, len(self._keys))
                except AlicornError as error:
                    _log.error("the keys stay as they were: %s", error)
            return self._keys


def _secret(request: Request) -> str | None:
    """The key that a request brings."""
    given = request.headers.get("api-key")
    if given is not None:
        return given
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
