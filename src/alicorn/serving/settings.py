"""What a server serves, and to whom: the same for each of its processes, to which it is sent."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from starlette.applications import Starlette

from alicorn.distributed.router import ShardedCollection
from alicorn.errors import CollectionError, ConfigError
from alicorn.feedback import ServedLog
from alicorn.query import Collection
from alicorn.retrieval.regions import read_regions
from alicorn.serving.app import create_app
from alicorn.serving.limits.connections import BoundedHeaders
from alicorn.serving.popular import NO_QUERIES, PopularQueries
from alicorn.serving.processes.part import ServerPart
from alicorn.serving.ready import make_ready
from alicorn.serving.security.hosts import LOOPBACK, Tls
from alicorn.serving.security.request_limits import RequestLimits
from alicorn.tables import open_parts
from alicorn.vertical.columns import arrow_type, known_types

if TYPE_CHECKING:
    from alicorn.serving.tracing import Tracing
    from alicorn.towers import AnyModel


OpenCollection = Callable[[Path], Collection] | Callable[[Path], ShardedCollection]


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """The arguments of `serve`. models: loads them."""

    collection: Path
    models: "Callable[[], Sequence[AnyModel]]"
    searchers: Path | None
    interests: Path | None
    served_log: Path | None
    popular_queries: Path | None
    keys: Path | None
    ranker: Path | None
    intents: Path | None
    model_folder: Path | None
    limits: RequestLimits
    allowed_hosts: Sequence[str]
    proxies: Sequence[str]
    tls: Tls | None
    swap: float
    degrade_ms: float | None
    per_second: float | None
    host: str
    port: int
    json_logs: bool
    traces: str | None

    @contextmanager
    def opened(self, open_collection: OpenCollection, part: ServerPart | None = None) -> Iterator[Starlette]:
        """The app of one process, ready to answer, until the block ends. Raises AlicornError."""
        models = self.models()
        if part is not None and models and models[0].vertical.selection.repeat_days:
            raise ConfigError(
                "workers: the vertical's selection.requests has a rule of kind repeat, for which one process sees every"
                " click: leave --workers away, or the rule out"
            )
        known = known_types([column for model in models for column in model.vertical.searcher_columns()])
        table = None if self.searchers is None else open_parts(self.searchers, "searchers", known).read()
        regions = None
        if self.interests is not None:
            if not models:
                raise ConfigError(
                    "interests are for the vertical of a model, and none is served: give one, or leave them out"
                )
            regions = read_regions(self.interests, models[0].vertical)
        with open_collection(self.collection) as collection, self._tracing() as tracing:
            log = None
            if self.served_log is not None:
                log = ServedLog(self.served_log, context=context_types(models), swap=self.swap)
            try:
                app = create_app(
                    collection,
                    models,
                    searchers=table,
                    regions=regions,
                    popular=NO_QUERIES if self.popular_queries is None else PopularQueries.read(self.popular_queries),
                    served_log=log,
                    keys=self.keys,
                    ranker=self.ranker,
                    intents=self.intents,
                    model_folder=self.model_folder,
                    limits=self.limits,
                    hosts=self.allowed_hosts or ([] if self.keys else [*LOOPBACK, self.host]),
                    degrade_ms=self.degrade_ms,
                    per_second=self.per_second,
                    part=part,
                    tracing=tracing,
                )
                make_ready(app.state.retriever)
                yield app
            finally:
                if log is not None:
                    log.close()

    @contextmanager
    def _tracing(self) -> "Iterator[Tracing | None]":
        if self.traces is None:
            yield None
            return
        from alicorn.serving.tracing import Tracing

        tracing = Tracing(self.traces)
        try:
            yield tracing
        finally:
            tracing.close()

    def of_uvicorn(self) -> dict[str, Any]:
        """Its settings for a process that listens to clients."""
        options: dict[str, Any] = {"log_config": None} if self.json_logs else {}
        options |= {"proxy_headers": bool(self.proxies), "forwarded_allow_ips": list(self.proxies)}
        options |= {} if self.tls is None else {"ssl_certfile": self.tls.certificate, "ssl_keyfile": self.tls.key}
        return options | {"access_log": False, "http": BoundedHeaders}


def context_types(models: "Sequence[AnyModel]") -> dict[str, pa.DataType]:
    """The columns of the context of a search, in the types in which they are logged."""
    columns = models[0].vertical.context_columns() if models else []
    return {column.name: arrow_type([column], []) or pa.string() for column in columns}


def open_alone(path: Path) -> Collection:
    """To write, or read-only where another process writes it."""
    try:
        return Collection.open(path)
    except CollectionError as error:
        try:
            opened = Collection.open(path, read_only=True)
        except CollectionError:
            raise error from None
        sys.stderr.write(f"alicorn: serving read-only: {error}\n")
        return opened
