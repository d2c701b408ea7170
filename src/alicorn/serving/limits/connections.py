"""HTTP/1.1 connections whose request headers are bounded in size and in time, and which end without losing a request.

A busy server answers by the headers alone. uvicorn's own protocol keeps what it was sent until the headers end, however
long that takes. When the server ends, it closes a connection without a request at once, although one may be on its way.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from alicorn.serving.limits.refusals import REFUSALS, Refusals

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
        self._is_refused = False  # the request that comes in
        self._may_refuse = True

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
        self._may_refuse = not self.flow.write_paused
        super().data_received(data)
        if self._in_headers and self._header_bytes > MOST_HEADER_BYTES:
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._in_headers, self._header_bytes = False, 0
        self._stop_timer()
        self._is_refused = self._may_refuse and self._refuse()
        if self._is_refused:
            return
        is_next = self._is_idle
        super().on_headers_complete()
        if is_next and (refusals := self.app_state.get(REFUSALS)) is not None:
            refusals.passed()
        if self._is_ending and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._is_refused:
            super().on_message_complete()
        self._in_headers = True

    def _refuse(self) -> bool:
        """Whether a busy server refused this request. One for each piece of data that came, and none while the client
        does not read: others wait for their turn as requests do, so that no answers pile up."""
        refusals: Refusals | None = self.app_state.get(REFUSALS)
        if refusals is None or not self._is_idle:
            return False
        stays = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive() and not self._is_ending
        path = self.url.partition(b"?")[0]
        of_server = self.server_state.default_headers
        answer = refusals.answer(self.parser.get_method(), path, self.headers, of_server, stays)
        if answer is None:
            return False
        self._may_refuse = False
        self.transport.write(answer)
        if not stays:
            self.transport.close()
        self.on_response_complete()
        return True

    @property
    def _is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def shutdown(self) -> None:
        self._is_ending = True
        self.loop.call_later(LINGER_S if self._is_idle else 0.0, super().shutdown)

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(HEADERS_S, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        self.transport.close()
