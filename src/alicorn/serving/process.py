"""Answers over HTTP until it is interrupted: this process alone, or several that it starts."""

import ipaddress
import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import uvicorn

from alicorn.distributed.processes.opening import open_shards
from alicorn.errors import ConfigError
from alicorn.extras import EXTRAS, check_installed
from alicorn.folders import is_sharded
from alicorn.serving.logs import log_as_json
from alicorn.serving.processes.supervisor import supervise
from alicorn.serving.security.hosts import Tls
from alicorn.serving.security.keys import read_keys
from alicorn.serving.security.request_limits import NO_LIMITS, RequestLimits
from alicorn.serving.settings import OpenCollection, ServerSettings, open_alone

if TYPE_CHECKING:
    from alicorn.towers import AnyModel

_log = logging.getLogger("uvicorn.error")


def serve(
    collection: str | Path,
    models: "Sequence[AnyModel] | Callable[[], Sequence[AnyModel]]" = (),
    *,
    searchers: str | Path | None = None,
    interests: Path | None = None,
    served_log: str | Path | None = None,
    popular_queries: Path | None = None,
    keys: str | Path | None = None,
    ranker: Path | None = None,
    intents: Path | None = None,
    model_folder: Path | None = None,
    limits: RequestLimits = NO_LIMITS,
    allowed_hosts: Sequence[str] = (),
    proxies: Sequence[str] = (),
    tls: Tls | None = None,
    swap: float = 0.0,
    degrade_ms: float | None = None,
    per_second: float | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    json_logs: bool = False,
    workers: int = 1,
    traces: str | None = None,
    shards: Sequence[str] = (),
    shard_secret: Path | None = None,
) -> None:
    """Answer over HTTP until interrupted. A collection that another process writes is served read-only, and
    so is one in shards.

    models: or what loads them, which can be sent to other processes.
    searchers: Parquet or CSV, file or folder. served_log: folder for the log of searches and clicks; None keeps none.
    interests: file of `alicorn interests`, for the {regions} of the vertical's expressions.
    popular_queries: table of searches, whose queries are suggested, as `searches` of a served log.
    keys: file of API keys (`alicorn key`); without one, the server listens to this machine alone.
    ranker: folder of a ranker or a ranking.yaml, whose stages order the hits of a text.
    intents: file of `alicorn intents`, for the vertical's control.
    model_folder: of folders of models that may be loaded while the server answers.
    swap: the probability with which neighbours of a page that is logged change places, to learn propensities.
    degrade_ms: the wait from which a search by text is made cheaper (limits/degradation.py); None: never.
    per_second: requests of all together, but for those of administrators; None: any number.
    limits: of each request, whoever asks. allowed_hosts: names that requests may give as `Host`; without keys, those of
    this machine unless given, so that no page of another site reaches the server by a name of its own.
    proxies: addresses whose X-Forwarded headers are believed. tls: the files of the certificate; None: no TLS.
    json_logs: the logs of the whole process as lines of JSON.
    workers: processes that search; where there are several, one more writes, and SIGHUP restarts them one by one.
    traces: URL that takes spans, as OTLP over HTTP (tracing.py).
    shards: the processes that answer for the shards of the collection, as open_shards takes them;
    shard_secret: file of what they share with it.
    Raises AlicornError, before anything is answered, where collection, models and searchers do not fit each other, and
    for a host that others can reach where there are no keys.
    """
    settings = ServerSettings(
        collection=Path(collection),
        models=models if callable(models) else partial(list, models),
        searchers=_path(searchers),
        interests=interests,
        served_log=_path(served_log),
        popular_queries=popular_queries,
        keys=_path(keys),
        ranker=ranker,
        intents=intents,
        model_folder=model_folder,
        limits=limits,
        allowed_hosts=allowed_hosts,
        proxies=proxies,
        tls=tls,
        swap=swap,
        degrade_ms=degrade_ms,
        per_second=per_second,
        host=host,
        port=port,
        json_logs=json_logs,
        traces=traces,
    )
    if json_logs:
        log_as_json()
    check_reachable(host, settings.keys)
    if traces is not None:
        check_traces(traces)
    in_shards = bool(shards) or is_sharded(settings.collection)
    if in_shards and workers > 1:
        raise ConfigError("workers: a collection in shards is served by one process: start several servers instead")
    if workers == 1:
        _serve_alone(settings, partial(open_shards, addresses=shards, secret=shard_secret) if in_shards else open_alone)
    else:
        supervise(settings, workers)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def check_reachable(host: str, keys: Path | None) -> None:
    """Raise ConfigError where others can reach the server and need no key."""
    if not _is_loopback(host) and not (keys is not None and read_keys(keys)):
        raise ConfigError(
            f"host {host!r} can be reached from other machines, and nobody needs a key: make one by `alicorn key create"
            " NAME --scope search --file keys.json` and start the server with --keys keys.json, or listen to 127.0.0.1"
        )


def check_traces(url: str) -> None:
    """Raise ConfigError where spans cannot be sent there."""
    check_installed("traces", *EXTRAS["trace"])
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") == "":
        raise ConfigError(
            f"traces: expected the whole URL at which a collector takes OTLP over HTTP, as"
            f" http://localhost:4318/v1/traces, got {url!r}"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _serve_alone(settings: ServerSettings, open_collection: OpenCollection) -> None:
    """Until SIGINT or SIGTERM, both of which leave through the end of the block, or its terminal is closed."""

    def leave(*_: object) -> NoReturn:
        raise SystemExit(0)

    def stay(*_: object) -> None:
        _log.warning("SIGHUP is ignored: one process has no successor; start the server again, or with --workers 2")

    with settings.opened(open_collection) as app:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, leave)  # uvicorn raises the signal again when it has shut down
            if not sys.stdin.isatty():
                signal.signal(signal.SIGHUP, stay)
        try:
            uvicorn.run(app, host=settings.host, port=settings.port, **settings.of_uvicorn())
        except KeyboardInterrupt:
            return
