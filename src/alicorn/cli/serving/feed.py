"""`alicorn feed`: sends documents to a server, as fast as it takes them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alicorn.cli.output import log
from alicorn.extras import check_installed
from alicorn.reporting.json_text import to_json
from alicorn.reporting.progress import progress_bar

if TYPE_CHECKING:
    from alicorn.client.api import BulkAnswer

_TIMEOUT_S = 120.0
"""Seconds for a batch with all its tries."""
_MOST_TRIES = 1000


class FeedAction(StrEnum):
    UPSERT = "upsert"
    UPDATE = "update"
    DELETE = "delete"


def feed(
    file: Annotated[str, typer.Argument(help="Documents, one JSON a line; - for standard input.")],
    url: Annotated[str, typer.Option(help="Of the server.")] = "http://127.0.0.1:8080",
    action: Annotated[FeedAction, typer.Option(help="What to do with each document.")] = FeedAction.UPSERT,
    batch: Annotated[int, typer.Option(help="Documents of one request.", min=1, max=10_000)] = 1000,
) -> None:
    """Send documents to a server; print closing figures as JSON. The key, if any, is read from ALICORN_API_KEY.

    A server that is busy or restarts is asked again for two minutes a batch; one that has never answered, for some ten
    seconds. Exit code 1 where documents failed, whose mistakes are printed on standard error.

    Example: alicorn feed documents.jsonl --url http://127.0.0.1:8080
    """
    check_installed("alicorn feed", "httpx")
    from alicorn.client import Client

    figures = Figures()
    key = os.environ.get("ALICORN_API_KEY")
    size = 0 if file == "-" else Path(file).stat().st_size
    with (
        Client(url, key, timeout_s=_TIMEOUT_S, most_tries=_MOST_TRIES, on_retry=figures.wait) as server,
        open(0 if file == "-" else file, "rb") as stream,
        progress_bar(log, "feed") as advance,
    ):
        sent = 0
        for lines in _batches(stream, batch):
            started = time.monotonic()
            answer = server.bulk_documents(b"".join(lines), action=action.value)
            figures.seconds.append(time.monotonic() - started)
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

    def wait(self, status: int | None, wait_s: float) -> None:
        """A batch is tried again; status None: its connection was lost."""
        self.busy += status is not None
        self.lost += status is None

    def count(self, lines: int, answer: BulkAnswer) -> None:
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
