"""`alicorn tune`: quantizer settings of a collection, the order of hits, or which texts need no `nn`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from alicorn.cli.measuring.served import TunedSearches, tune_served
from alicorn.cli.option_groups import grouped
from alicorn.cli.options import CollectionFolder, Json
from alicorn.cli.output import log
from alicorn.errors import ConfigError
from alicorn.reporting.json_text import to_json
from alicorn.reporting.progress import progress_bar


@dataclass(frozen=True)
class TunedVectors:
    """What is tried for a key, and on what it is measured."""

    queries: Annotated[
        Path | None,
        typer.Option(help="Query vectors as Parquet; without it, documents look for their neighbours."),
    ] = None
    sample: Annotated[int, typer.Option(min=1, help="Use at most this many queries.")] = 200
    documents: Annotated[int, typer.Option(min=1, help="Measure on at most this many vectors.")] = 100_000
    grid: Annotated[
        list[str] | None,
        typer.Option(help="What to try, such as 'codec=sq8,opq pq_bytes=16,32 num_clusters=512 nprobe=4,8,16'."),
    ] = None
    k: Annotated[int, typer.Option(min=1, help="Of recall@k.")] = 10
    target_recall: Annotated[float, typer.Option(min=0.0, max=1.0)] = 0.95


@grouped
def tune(
    collection: CollectionFolder,
    out: Annotated[
        Path,
        typer.Option(help="Folder for tuning.md, .json and .svg; with --order order.md, ..., with --gate gate.md."),
    ],
    key: Annotated[str | None, typer.Option(help="Embedding key whose quantizer is tuned.")] = None,
    order: Annotated[bool, typer.Option("--order", help="Tune the order of hits instead: --model and --logs.")] = False,
    gate: Annotated[
        bool, typer.Option("--gate", help="Learn which texts need no nn instead: --model and --logs.")
    ] = False,
    *,
    asked: TunedSearches,
    tried: TunedVectors,
    apply: Annotated[
        bool,
        typer.Option("--apply", help="Train the collection with what is recommended, or write the order or the rule."),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the samples.")] = 0,
    as_json: Json = False,
) -> None:
    """Measure quantizer settings on a collection's own vectors: recall, documents scanned, bytes, latency.

    With --order, find the weighted sum by which the hits of the hybrid expression come, on the valid split: it is
    chosen on half of the searches and measured on the other half, beside the present order and reciprocal-rank fusion.
    --apply writes it into the file of --vertical, or else of the model, if it is better beyond chance.

    With --gate, learn a rule of the vertical's selection: texts for which words alone will do go without nn. It is
    chosen on half of the valid searches so that no more than --lost is lost, and measured on the other half.

    Examples:

    alicorn tune collection/ --key people --out tuning/

    alicorn tune collection/ --key people --queries queries.parquet --grid 'codec=sq8,rabitq bits=2,4' --apply
    --out tuning/

    alicorn tune collection/ --order --model model/ --logs pairs/ --vertical vertical.yaml --apply --out tuning/

    alicorn tune collection/ --gate --model model/ --logs pairs/ --vertical vertical.yaml --apply --out tuning/
    """
    if order and gate:
        raise ConfigError("--order and --gate are learned one after the other: give one of them")
    if order or gate:
        tune_served(collection, asked, out, is_order=order, apply=apply, seed=seed, as_json=as_json)
        return
    if key is None:
        raise ConfigError("give the embedding key to tune with --key, or --order or --gate for what is served")
    _tune_key(collection, key, tried, out, apply, seed, as_json)


def _tune_key(
    collection: Path, key: str, tried: TunedVectors, out: Path, apply: bool, seed: int, as_json: bool
) -> None:
    from alicorn.query import Collection
    from alicorn.tuning import Grid
    from alicorn.tuning import tune as tune_key
    from alicorn.tuning.report import check_drawing, markdown, write_report

    check_drawing()
    grid = Grid.parse(tried.grid or [])
    out.mkdir(parents=True, exist_ok=True)
    with Collection.open(collection, read_only=not apply) as opened, progress_bar(log, "tune") as advance:
        found = tune_key(
            opened,
            key,
            tried.queries,
            sample=tried.sample,
            documents=tried.documents,
            grid=grid,
            k=tried.k,
            target_recall=tried.target_recall,
            apply=apply,
            scratch=out,
            seed=seed,
            on_progress=advance,
        )
    write_report(found, out)
    sys.stdout.write((to_json(found.to_dict()) if as_json else markdown(found)) + "\n")
