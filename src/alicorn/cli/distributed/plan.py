"""`alicorn plan`: machines for more documents than there are."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from alicorn.cli.options import CollectionFolder, Json
from alicorn.cli.output import log
from alicorn.errors import ConfigError
from alicorn.reporting.json_text import to_json

if TYPE_CHECKING:
    from alicorn.distributed.planning import Cost, Deployment, PlannedSearch, Target


def plan(
    collection: CollectionFolder,
    documents: Annotated[float, typer.Option(min=1, help="So many, such as 1e8.")],
    rate: Annotated[float, typer.Option(min=0.001, help="Requests a second, at the peak.")],
    key: Annotated[str | None, typer.Option(help="Embedding key; the only one unless given.")] = None,
    k: Annotated[int, typer.Option(min=1, max=10_000, help="Nearest documents of a request.")] = 100,
    recall: Annotated[float, typer.Option(min=0.5, max=0.995, help="Of the k nearest.")] = 0.95,
    scanned: Annotated[
        float | None, typer.Option(min=1, help="Documents that a request scans, instead of what the recall comes to.")
    ] = None,
    shards: Annotated[
        list[int] | None, typer.Option(min=1, help="So many; again for others. Without it, the fewest that fit.")
    ] = None,
    replicas: Annotated[int, typer.Option(min=1, help="Of each shard, at least.")] = 2,
    memory: Annotated[float, typer.Option(min=0.001, help="GB of a machine.")] = 64,
    cores: Annotated[int, typer.Option(min=1, help="Processors of a machine.")] = 16,
    speed: Annotated[float, typer.Option(min=0.01, help="Of these processors, over that of this machine's.")] = 1.0,
    price: Annotated[float, typer.Option(min=0.0, help="Of an hour of a machine, in any currency.")] = 1.0,
    as_json: Json = False,
) -> None:
    """How many machines for so many documents and requests, and how long would answers take?

    What a search costs is measured here, on samples of the collection's vectors. docs/beyond-one-machine.md says by
    which rules it grows, what is assumed, and how far the rules were off.

    Example: alicorn plan collection/ --documents 1e8 --rate 1000 --memory 128 --price 2.5
    """
    from alicorn.distributed.planning import Machine, PlannedSearch, Target, measured_cost
    from alicorn.distributed.planning import plan as deployments
    from alicorn.query import Collection

    with Collection.open(collection, read_only=True) as opened, log.status("measuring"):
        if key is None and len(opened.embeddings) != 1:
            raise ConfigError(f"--key must be one of {', '.join(opened.embeddings) or 'none: there is no embedding'}")
        asked = PlannedSearch(key or next(iter(opened.embeddings)), k, recall)
        cost, size = measured_cost(opened, asked, documents).on(speed), len(opened)
    if scanned is not None:
        cost = cost.scanning(scanned)
    target = Target(rate, replicas)
    found = deployments(cost, target, Machine(memory * 1e9, cores, price), shards or ())
    if as_json:
        measured = asdict(cost) | {"scanned": float(cost.scanned.mean())}
        typer.echo(
            to_json({"cost": measured, "deployments": [asdict(one) | {"machines": one.machines} for one in found]})
        )
    else:
        typer.echo(_page(cost, asked, size, target, found))


def _page(cost: Cost, asked: PlannedSearch, size: int, target: Target, found: list[Deployment]) -> str:
    from alicorn.reporting.markdown import table

    scans = float(cost.scanned.mean())
    share = scans / cost.documents
    nearest = f"the share that the nearest {cost.asked_for:,} scan of the documents here, an upper estimate"
    source = nearest if cost.asked_for else "as given"
    header = (
        "shards,replicas,routers,machines,GB of memory each,GB of disk in all,busy,p50 ms,p99 ms,price of a million"
    )
    rows = [
        [f"{number:,}" for number in (one.shards, one.replicas, one.routers, one.machines)]
        + [f"{one.memory / 1e9:.1f}", f"{one.disk / 1e9:,.1f}", f"{one.busy:.0%}"]
        + [f"{one.p50 * 1e3:.2f}", f"{one.p99 * 1e3:.2f}", f"{one.price:.3f}"]
        for one in found
    ]
    return (
        f"Measured here, on {len(cost.scanned)} searches of {size:,} documents of {cost.dim} dimensions:\n"
        f"- files: {cost.bytes_per_document:,.0f} bytes a document\n"
        f"- processor: {cost.per_request * 1e6:.0f} us a request, {cost.per_vector * 1e9:.1f} ns a vector that it looks"
        f" at; with shards {cost.per_shard * 1e6:.0f} us for each, and {cost.router * 1e6:.0f} us of the router\n\n"
        f"From the model, for {cost.documents:,.0f} documents at {target.rate:,g} requests/s:\n"
        f"- {asked.expression} scans {scans:,.0f} documents ({share:.2%}), {source}\n"
        "- all of the table: files in proportion to documents; processor by the constants above; p50 and p99 from a\n"
        f"  simulated queue at every processor, of the slowest shard, and {target.network * 1e3:g} ms of network where"
        " there are shards\n"
        "\n" + table(header.split(","), rows)
    )
