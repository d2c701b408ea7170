"""The process that answers over HTTP until it is interrupted."""

import ipaddress
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa
import uvicorn
from starlette.types import ASGIApp

from alicorn.errors import CollectionError, ConfigError
from alicorn.feedback import ServedLog
from alicorn.query import Collection
from alicorn.serving.app import create_app
from alicorn.serving.limits.connections import BoundedHeaders
from alicorn.serving.logs import log_as_json
from alicorn.serving.ready import make_ready
from alicorn.serving.security.hosts import LOOPBACK, Tls
from alicorn.serving.security.keys import read_keys
from alicorn.serving.security.request_limits import NO_LIMITS, RequestLimits
from alicorn.tables import open_parts
from alicorn.vertical.columns import arrow_type, known_types

if TYPE_CHECKING:
    from alicorn.towers import AnyModel


def serve(
    collection: str | Path,
    models: "Sequence[AnyModel]" = (),
    *,
    searchers: str | Path | None = None,
    served_log: str | Path | None = None,
    keys: str | Path | None = None,
    ranker: Path | None = None,
    intents: Path | None = None,
    model_folder: Path | None = None,
    limits: RequestLimits = NO_LIMITS,
    allowed_hosts: Sequence[str] = (),
    proxies: Sequence[str] = (),
    tls: Tls | None = None,
    swap: float = 0.0,
    host: str = "127.0.0.1",
    port: int = 8080,
    json_logs: bool = False,
) -> None:
    """Answer over HTTP until interrupted. A collection that another process writes is served read-only.

    searchers: Parquet or CSV, file or folder. served_log: folder for the log of searches and clicks; None keeps none.
    keys: file of API keys (`alicorn key`); without one, the server listens to this machine alone.
    ranker: folder of a ranker or a ranking.yaml, whose stages order the hits of a text.
    intents: file of `alicorn intents`, for the vertical's control.
    model_folder: of folders of models that may be loaded while the server answers.
    swap: the probability with which neighbours of a page that is logged change places, to learn propensities.
    limits: of each request, whoever asks. allowed_hosts: names that requests may give as `Host`; without keys, those of
    this machine unless given, so that no page of another site reaches the server by a name of its own.
    proxies: addresses whose X-Forwarded headers are believed. tls: the files of the certificate; None: no TLS.
    json_logs: the logs of the whole process as lines of JSON.
    Raises AlicornError, before anything is answered, where collection, models and searchers do not fit each other, and
    for a host that others can reach where there are no keys.
    """
    if json_logs:
        log_as_json()
    check_reachable(host, None if keys is None else Path(keys))
    known = known_types([column for model in models for column in model.vertical.searcher_columns()])
    table = None if searchers is None else open_parts(searchers, "searchers", known).read()
    with _open(Path(collection)) as opened:
        log = None if served_log is None else ServedLog(served_log, context=context_types(models), swap=swap)
        try:
            of_keys = None if keys is None else Path(keys)
            app = create_app(
                opened,
                models,
                searchers=table,
                served_log=log,
                keys=of_keys,
                ranker=ranker,
                intents=intents,
                model_folder=model_folder,
                limits=limits,
                hosts=allowed_hosts or ([] if keys else [*LOOPBACK, host]),
            )
            make_ready(opened)
            _run(app, host, port, json_logs, proxies, tls)
        finally:
            if log is not None:
                log.close()


def context_types(models: "Sequence[AnyModel]") -> dict[str, pa.DataType]:
    """The columns of the context of a search, in the types in which they are logged."""
    columns = models[0].vertical.context_columns() if models else []
    return {column.name: arrow_type([column], []) or pa.string() for column in columns}


def check_reachable(host: str, keys: Path | None) -> None:
    """Raise ConfigError where others can reach the server and need no key."""
    if not _is_loopback(host) and not (keys is not None and read_keys(keys)):
        raise ConfigError(
            f"host {host!r} can be reached from other machines, and nobody needs a key: make one by `alicorn key create"
            " NAME --scope search --file keys.json` and start the server with --keys keys.json, or listen to 127.0.0.1"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _open(path: Path) -> Collection:
    try:
        return Collection.open(path)
    except CollectionError as error:
        try:
            opened = Collection.open(path, read_only=True)
        except CollectionError:
            raise error from None
        sys.stderr.write(f"alicorn: serving read-only: {error}\n")
        return opened


def _run(
    app: ASGIApp, host: str, port: int, json_logs: bool, proxies: Sequence[str] = (), tls: Tls | None = None
) -> None:
    """Until SIGINT or SIGTERM, both of which leave through `finally` of the callers."""

    def leave(*_: object) -> NoReturn:
        raise SystemExit(0)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, leave)  # uvicorn raises the signal again when it has shut down
    try:
        options: dict[str, Any] = {"log_config": None} if json_logs else {}
        options |= {"proxy_headers": bool(proxies), "forwarded_allow_ips": list(proxies)}
        options |= {} if tls is None else {"ssl_certfile": tls.certificate, "ssl_keyfile": tls.key}
        uvicorn.run(app, host=host, port=port, access_log=False, http=BoundedHeaders, **options)
    except KeyboardInterrupt:
        return
