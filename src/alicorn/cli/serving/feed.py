"""`alicorn feed`: sends documents to a server, as fast as it takes them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from alicorn.cli.output import log
from alicorn.errors import AlicornError
from alicorn.reporting.json_text import to_json
from alicorn.reporting.progress import progress_bar

_LONGEST_WAIT_S = 30.0
_TIMEOUT_S = 120.0
_MOST_TRIES = 10
_BUSY = (429, 503)


def feed(
    file: Annotated[str, typer.Argument(help="Documents, one JSON a line; - for standard input.")],
    url: Annotated[str, typer.Option(help="Of the server.")] = "http://127.0.0.1:8080",
    action: Annotated[str, typer.Option(help="upsert, update or delete.")] = "upsert",
    batch: Annotated[int, typer.Option(help="Documents of one request.", min=1, max=10_000)] = 1000,
) -> None:
    """Send documents to a server; print closing figures as JSON. The key, if any, is read from ALICORN_API_KEY.

    A server that is busy is waited for as long as it asks. Exit code 1 where documents failed, whose mistakes are
    printed on standard error.

    Example: alicorn feed documents.jsonl --url http://127.0.0.1:8080
    """
    if action not in ("upsert", "update", "delete"):
        raise AlicornError(f"action is upsert, update or delete, got {action!r}")
    figures = Figures()
    server = FeedTarget(url, f"/v1/documents/bulk?action={action}", os.environ.get("ALICORN_API_KEY"))
    size = 0 if file == "-" else Path(file).stat().st_size
    with open(0 if file == "-" else file, "rb") as stream, progress_bar(log, "feed") as advance:
        sent = 0
        for lines in _batches(stream, batch):
            answer = server.send(b"".join(lines), figures)
            for error in answer["errors"]:
                shown = f"line {figures.lines + error['row'] + 1}: {error['detail']}"
                log.print(shown, markup=False, soft_wrap=True)
            figures.count(len(lines), answer)
            sent += sum(map(len, lines))
            advance(sent, max(size, sent))
    typer.echo(to_json(figures.closing(), indent=1))
    if figures.failed:
        raise typer.Exit(1)


def _batches(stream: Any, count: int) -> Iterator[list[bytes]]:
    lines = iter(stream)
    for first in lines:
        found = list(chain([first], islice(lines, count - 1)))
        if not found[-1].endswith(b"\n"):
            found[-1] += b"\n"
        yield found


@dataclass
class Figures:
    """What was sent, and how long the server took."""

    lines: int = 0
    written: int = 0
    left_out: int = 0
    unknown: int = 0
    failed: int = 0
    busy: int = 0
    lost: int = 0
    seconds: list[float] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def count(self, lines: int, answer: dict[str, Any]) -> None:
        self.lines += lines
        self.written += answer["written"]
        self.left_out += answer["left_out"]
        self.unknown += answer["unknown"]
        self.failed += answer["failed"]

    def closing(self) -> dict[str, Any]:
        """busy: answers 429 and 503. lost: requests without an answer, which were sent again."""
        took = time.monotonic() - self.started
        found: dict[str, Any] = {"lines": self.lines, "written": self.written, "left_out": self.left_out}
        found |= {"unknown": self.unknown, "failed": self.failed, "requests": len(self.seconds)}
        found |= {"busy": self.busy, "lost": self.lost, "seconds": round(took, 3)}
        found["written_per_second"] = round(self.written / took, 1) if took else 0.0
        if self.seconds:
            millis = {"min": min(self.seconds), "avg": sum(self.seconds) / len(self.seconds), "max": max(self.seconds)}
            found["latency_ms"] = {name: round(value * 1e3, 1) for name, value in millis.items()}
        return found


class FeedTarget:
    """An operation of a server, over one connection that is kept open."""

    def __init__(self, url: str, path: str, key: str | None, sleep: Callable[[float], object] = time.sleep) -> None:
        """Raises AlicornError for a URL that is no http or https one."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise AlicornError(f"url is like http://127.0.0.1:8080, got {url!r}")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=_TIMEOUT_S)
        self._path = parts.path.rstrip("/") + path
        self._headers = {"content-type": "application/x-ndjson"} | ({} if key is None else {"api-key": key})
        self._sleep = sleep
        self._url = url

    def send(self, body: bytes, figures: Figures) -> dict[str, Any]:
        """The answer to a body; a busy server is waited for, a lost connection is opened again.

        Raises AlicornError where it is refused, or lost many times in a row.
        """
        lost = 0
        while True:
            started = time.monotonic()
            try:
                self._connection.request("POST", self._path, body, self._headers)
                answer = self._connection.getresponse()
                content = answer.read()
            except (OSError, HTTPException) as error:
                self._connection.close()
                lost += 1
                figures.lost += 1
                if lost == _MOST_TRIES:
                    raise AlicornError(f"{self._url} does not answer: {error}") from error
                self._sleep(min(0.1 * 2**lost, _LONGEST_WAIT_S))
                continue
            if answer.status in _BUSY:
                figures.busy += 1
                self._sleep(_wait_s(answer.headers.get("retry-after")))
                continue
            return self._read(answer.status, content, time.monotonic() - started, figures)

    def _read(self, status: int, content: bytes, seconds: float, figures: Figures) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(content)
        except ValueError as error:
            raise AlicornError(f"{self._url} is no alicorn server: status {status}") from error
        if status != 200:
            raise AlicornError(f"{self._url} refused, status {status}: {found.get('detail', found)}")
        figures.seconds.append(seconds)
        return found


def _wait_s(retry_after: str | None) -> float:
    try:
        return min(max(float(retry_after or 1), 0.1), _LONGEST_WAIT_S)
    except ValueError:
        return 1.0
