"""`alicorn serve`: answers over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from alicorn.cli.option_groups import grouped
from alicorn.cli.options import (
    AskedShards,
    CollectionFolder,
    IntentsPath,
    InterestsPath,
    OtherVertical,
    RankerPath,
    load_models,
)
from alicorn.config import did_you_mean, plain_yaml, read_text
from alicorn.errors import ConfigError
from alicorn.reporting.json_text import to_json

_SOURCES = {"COMMANDLINE": "flag", "ENVIRONMENT": "variable", "DEFAULT_MAP": "file", "DEFAULT": "default"}
_NOT_IN_FILE = {"config", "print_config", "help"}


def _print_settings(context: typer.Context) -> None:
    """A file that --config reads: values as JSON, which YAML reads too."""
    for name in filter(None, (param.name for param in context.command.params)):
        source = context.get_parameter_source(name)
        if name not in _NOT_IN_FILE and source is not None:
            typer.echo(f"{name}: {to_json(context.params[name])}  # {_SOURCES[source.name]}")


def _read_settings(context: typer.Context, file: Path | None) -> Path | None:
    """What the file says stands in for flags and variables that are not given."""
    if file is None:
        return None
    settings = plain_yaml(read_text(file), where=str(file))
    known = {param.name for param in context.command.params} - _NOT_IN_FILE
    if not isinstance(settings, dict):
        raise ConfigError(f"{file}: expected a mapping with keys {', '.join(sorted(map(str, known)))}")
    for name in settings:
        if name not in known:
            hint = did_you_mean(str(name), sorted(map(str, known)))
            raise ConfigError(f"{file}: unknown key {name!r}; {hint}keys: {', '.join(sorted(map(str, known)))}")
    context.default_map = {name: value for name, value in settings.items() if value is not None}
    return file


@dataclass(frozen=True)
class ServedFiles:
    """Tables and files that a server reads or writes."""

    searchers: Annotated[Path | None, typer.Option(help="Searchers, Parquet or CSV, for the page.", exists=True)] = None
    served_log: Annotated[Path | None, typer.Option(help="Folder for the log of served searches.")] = None
    popular_queries: Annotated[
        Path | None,
        typer.Option(help="Table of searches, such as served/searches, whose queries are suggested.", exists=True),
    ] = None
    keys: Annotated[Path | None, typer.Option(help="File of API keys, which `alicorn key` writes.")] = None


@dataclass(frozen=True)
class ServedBeside:
    """What was learned beside the models."""

    ranker: RankerPath = None
    intents: IntentsPath = None
    interests: InterestsPath = None


@dataclass(frozen=True)
class ServedLoads:
    """What else may be loaded, and what a search may cost."""

    model_folder: Annotated[
        Path | None,
        typer.Option(help="Folder of model folders that may be loaded over HTTP.", exists=True, file_okay=False),
    ] = None
    swap: Annotated[
        float,
        typer.Option(
            min=0.0, max=0.5, help="Swap neighbours of a logged page with this probability (docs/serving.md)."
        ),
    ] = 0.0
    degrade_ms: Annotated[
        float | None,
        typer.Option(min=0.1, help="Make searches by text cheaper where one would wait so long; never unless given."),
    ] = None
    per_second: Annotated[
        float | None, typer.Option(help="Requests a second of all together, in all processes.", min=0.001)
    ] = None
    at_most: Annotated[
        list[str] | None, typer.Option(help="Limit of each request, as k=1000; again for a further one.")
    ] = None


@dataclass(frozen=True)
class ServedAt:
    """Where a server listens, to whom, and in how many processes."""

    allowed_host: Annotated[
        list[str] | None, typer.Option(help="Name that requests may give as Host; again for a further one.")
    ] = None
    proxy: Annotated[
        list[str] | None, typer.Option(help="Address of a proxy whose X-Forwarded headers are believed.")
    ] = None
    tls_certificate: Annotated[Path | None, typer.Option(help="PEM file of the certificate chain.")] = None
    tls_key: Annotated[Path | None, typer.Option(help="PEM file of its private key.")] = None
    host: str = "127.0.0.1"
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8080
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that search; with several, one more writes.")
    ] = 1


@grouped
def serve(
    context: typer.Context,
    collection: CollectionFolder,
    model: Annotated[
        list[Path] | None, typer.Option(help="Model folder; again for a further key.", exists=True)
    ] = None,
    *,
    files: ServedFiles,
    vertical: OtherVertical = None,
    beside: ServedBeside,
    shards: AskedShards,
    loads: ServedLoads,
    at: ServedAt,
    json_logs: Annotated[bool, typer.Option("--json-logs", help="Logs as lines of JSON.")] = False,
    traces: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Send spans there as OTLP, to http://localhost:4318/v1/traces for instance."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="YAML file of these options, as `served_log: served`.", is_eager=True, callback=_read_settings
        ),
    ] = None,
    print_config: Annotated[bool, typer.Option(help="Print each option and where it comes from, and end.")] = False,
) -> None:
    """Answer over HTTP, with a search page at /.

    Each option may be a flag, a variable (ALICORN_SERVED_LOG for --served-log) or a line of --config, in this order.

    Example: alicorn serve collection/ --model model/ --searchers logs/searchers.parquet
    """
    if print_config:
        _print_settings(context)
        return
    from alicorn.serving import serve as serve_collection
    from alicorn.serving.security.hosts import read_tls
    from alicorn.serving.security.request_limits import read_limits

    if loads.swap and files.served_log is None:
        raise ConfigError("--swap is for the log of what was shown where: give its folder with --served-log")
    serve_collection(
        collection,
        partial(load_models, model, vertical),
        searchers=files.searchers,
        served_log=files.served_log,
        popular_queries=files.popular_queries,
        keys=files.keys,
        ranker=beside.ranker,
        intents=beside.intents,
        interests=beside.interests,
        model_folder=loads.model_folder,
        limits=read_limits(loads.at_most or ()),
        allowed_hosts=at.allowed_host or (),
        proxies=at.proxy or (),
        tls=read_tls(at.tls_certificate, at.tls_key),
        swap=loads.swap,
        degrade_ms=loads.degrade_ms,
        per_second=loads.per_second,
        host=at.host,
        port=at.port,
        json_logs=json_logs,
        traces=traces,
        workers=at.workers,
        shards=shards.shard or (),
        shard_secret=shards.shard_secret,
    )
