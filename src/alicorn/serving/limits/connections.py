"""HTTP/1.1 connections whose request headers are bounded in size and in time, and which end without losing a request.

uvicorn's own protocol keeps what it was sent until the headers end, however long that takes. When the server ends, it
closes a connection without a request at once, although one may be on its way.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEADER_BYTES = 64 << 10
HEADERS_S = 20.0
"""Seconds for the headers of a request, from its first byte, or from the connection's beginning."""
LINGER_S = 0.5
"""Seconds that a connection without a request stays open when the server ends: one more request is answered."""


class BoundedHeaders(HttpToolsProtocol):
    """Closes a connection whose headers are too large or too slow, and at the end of the server after an answer."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._header_bytes = 0
        self._in_headers = True
        self._timer: asyncio.TimerHandle | None = None
        self._is_ending = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_headers:
            self._header_bytes += len(data)
            if self._timer is None:
                self._start_timer()
        super().data_received(data)
        if self._in_headers and self._header_bytes > MOST_HEADER_BYTES:
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._in_headers, self._header_bytes = False, 0
        self._stop_timer()
        super().on_headers_complete()
        if self._is_ending and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_headers = True

    def shutdown(self) -> None:
        self._is_ending = True
        is_idle = self.cycle is None or self.cycle.response_complete
        self.loop.call_later(LINGER_S if is_idle else 0.0, super().shutdown)

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(HEADERS_S, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        self.transport.close()
