"""Logs of the server as lines of JSON, each with the id of the request that it is about.

The id is the client's `x-request-id`, or a new one; the answer carries it, too.
"""

import datetime
import json
import logging
import re
import secrets
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID = b"x-request-id"
_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def request_id(given: str) -> str:
    """The one that a client gave, or a new one where it gave none of these characters."""
    return given if _ID.fullmatch(given) else secrets.token_hex(8)


class RequestIds:
    """Gives each request an id, which its answer carries."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given = next((value for name, value in scope["headers"] if name == REQUEST_ID), b"")
        known = request_id(given.decode("latin-1"))
        _request_id.set(known)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                others = [one for one in message["headers"] if one[0] != REQUEST_ID]  # the owner's, which is the same
                message["headers"] = [*others, (REQUEST_ID, known.encode())]
            await send(message)

        return await self.app(scope, receive, send_with_id)


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        if (known := _request_id.get()) is not None:
            line["request_id"] = known
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, allow_nan=False)


def log_as_json() -> None:
    """Every log of this process, uvicorn's too, to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
