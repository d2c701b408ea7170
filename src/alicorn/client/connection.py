"""Sends calls over connections that are kept open, and tries again: once for programs that wait, once for asyncio."""

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import httpx

from alicorn.client.tries import ApiCall, Tries, read_answer
from alicorn.errors import ConfigError

TIMEOUT_S = 30.0
MOST_TRIES = 5
_OPENING_S = 10.0
"""Seconds to open a connection, at most: a host that drops packets is told from one that answers slowly."""
_NOT_OPENED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def nothing(status: int | None, wait_s: float) -> None:
    """Of nobody who wants to know that a call is tried again."""


class Connection:
    """Base of Client. Safe to use from several threads."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        key: str | None = None,
        *,
        timeout_s: float | None = TIMEOUT_S,
        most_tries: int = MOST_TRIES,
        on_retry: Callable[[int | None, float], None] = nothing,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Raises ConfigError for a url that is no http or https one.

        key: API key. timeout_s: of each call with all its tries; None: any time.

        on_retry(status, wait_s) is called before each wait; status None: the connection was lost. transport: of httpx.
        """
        self._http = httpx.Client(**_of_server(url, key), transport=transport)
        self._timeout_s, self._most_tries, self._on_retry = timeout_s, most_tries, on_retry
        self._is_known = False

    def _call(self, call: ApiCall) -> Any:
        address, is_known = str(self._http.base_url), self._is_known
        tries = Tries(call, self._most_tries, self._timeout_s, time.monotonic(), address, is_known=is_known)
        while True:
            left_s = tries.left_s(time.monotonic())
            status = None
            try:
                answer = self._http.send(_request(self._http, call, left_s))
            except httpx.TransportError as error:
                wait_s: float | None = tries.after_loss(error, not isinstance(error, _NOT_OPENED), time.monotonic())
            else:
                self._is_known = True
                status = answer.status_code
                wait_s = tries.after_status(status, answer.headers.get("retry-after"), time.monotonic())
                if wait_s is None:
                    return read_answer(status, answer.headers.get("content-type", ""), answer.content)
            assert wait_s is not None
            self._on_retry(status, wait_s)
            time.sleep(wait_s)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


class AsyncConnection:
    """Base of AsyncClient. The arguments are those of Connection; a transport is one of asyncio."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        key: str | None = None,
        *,
        timeout_s: float | None = TIMEOUT_S,
        most_tries: int = MOST_TRIES,
        on_retry: Callable[[int | None, float], None] = nothing,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(**_of_server(url, key), transport=transport)
        self._timeout_s, self._most_tries, self._on_retry = timeout_s, most_tries, on_retry
        self._is_known = False

    async def _call(self, call: ApiCall) -> Any:
        address, is_known = str(self._http.base_url), self._is_known
        tries = Tries(call, self._most_tries, self._timeout_s, time.monotonic(), address, is_known=is_known)
        while True:
            left_s = tries.left_s(time.monotonic())
            status = None
            try:
                answer = await self._http.send(_request(self._http, call, left_s))
            except httpx.TransportError as error:
                wait_s: float | None = tries.after_loss(error, not isinstance(error, _NOT_OPENED), time.monotonic())
            else:
                self._is_known = True
                status = answer.status_code
                wait_s = tries.after_status(status, answer.headers.get("retry-after"), time.monotonic())
                if wait_s is None:
                    return read_answer(status, answer.headers.get("content-type", ""), answer.content)
            assert wait_s is not None
            self._on_retry(status, wait_s)
            await asyncio.sleep(wait_s)

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()


def _of_server(url: str, key: str | None) -> dict[str, Any]:
    """Options of httpx."""
    parts = httpx.URL(url)
    if parts.scheme not in ("http", "https") or not parts.host:
        raise ConfigError(f"url is like http://127.0.0.1:8080, got {url!r}")
    return {"base_url": parts, "headers": {} if key is None else {"api-key": key}}


def _request(http: httpx.Client | httpx.AsyncClient, call: ApiCall, left_s: float | None) -> httpx.Request:
    body = call.body(left_s)
    headers = {} if body is None else {"content-type": call.media_type}
    query = {name: value for name, value in call.query.items() if value is not None}
    timeout = httpx.Timeout(left_s, connect=_OPENING_S if left_s is None else min(left_s, _OPENING_S))
    return http.build_request(call.method, call.path, params=query, content=body, headers=headers, timeout=timeout)
