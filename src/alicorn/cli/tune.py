"""`alicorn tune`: quantizer settings of a collection, or the order of hits."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from alicorn.cli.options import CollectionFolder, Json, OtherVertical, load_models
from alicorn.cli.output import log
from alicorn.errors import ConfigError
from alicorn.reporting.json_text import to_json
from alicorn.reporting.progress import progress_bar


def tune(
    collection: CollectionFolder,
    out: Annotated[Path, typer.Option(help="Folder for tuning.md, .json and .svg; with --order for order.md, ....")],
    key: Annotated[str | None, typer.Option(help="Embedding key whose quantizer is tuned.")] = None,
    order: Annotated[bool, typer.Option("--order", help="Tune the order of hits instead: --model and --logs.")] = False,
    model: Annotated[
        Path | None, typer.Option(help="For --order: the model that serves.", exists=True, file_okay=False)
    ] = None,
    logs: Annotated[Path | None, typer.Option(help="For --order: pairs/ or log folder.", exists=True)] = None,
    vertical: OtherVertical = None,
    parts: Annotated[
        str | None,
        typer.Option(
            help="For --order: what to sum, the first with weight 1, such as nn,bm25,price; nn, bm25, static rank."
        ),
    ] = None,
    searches: Annotated[int, typer.Option(min=20, help="For --order: at most so many valid searches.")] = 2000,
    queries: Annotated[
        Path | None,
        typer.Option(help="Query vectors as Parquet; without it, documents look for their neighbours."),
    ] = None,
    sample: Annotated[int, typer.Option(min=1, help="Use at most this many queries.")] = 200,
    documents: Annotated[int, typer.Option(min=1, help="Measure on at most this many vectors.")] = 100_000,
    grid: Annotated[
        list[str] | None,
        typer.Option(help="What to try, such as 'codec=sq8,opq pq_bytes=16,32 num_clusters=512 nprobe=4,8,16'."),
    ] = None,
    k: Annotated[int, typer.Option(min=1, help="Of recall@k.")] = 10,
    target_recall: Annotated[float, typer.Option(min=0.0, max=1.0)] = 0.95,
    apply: Annotated[
        bool, typer.Option("--apply", help="Train the collection with what is recommended, or write the order.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the samples.")] = 0,
    as_json: Json = False,
) -> None:
    """Measure quantizer settings on a collection's own vectors: recall, documents scanned, bytes, latency.

    With --order, find the weighted sum by which the hits of the hybrid expression come, on the valid split: it is
    chosen on half of the searches and measured on the other half, beside the present order and reciprocal-rank fusion.
    --apply writes it into the file of --vertical, or else of the model, if it is better beyond chance.

    Examples:

    alicorn tune collection/ --key people --out tuning/

    alicorn tune collection/ --key people --queries queries.parquet --grid 'codec=sq8,rabitq bits=2,4' --apply
    --out tuning/

    alicorn tune collection/ --order --model model/ --logs pairs/ --vertical vertical.yaml --apply --out tuning/
    """
    if order:
        _tune_order(collection, out, model, logs, vertical, parts, searches, seed, apply, as_json)
        return
    if key is None:
        raise ConfigError("give the embedding key to tune with --key, or --order for the order of hits")
    from alicorn.query import Collection
    from alicorn.tuning import Grid
    from alicorn.tuning import tune as tune_key
    from alicorn.tuning.report import check_drawing, markdown, write_report

    check_drawing()
    tried = Grid.parse(grid or [])
    out.mkdir(parents=True, exist_ok=True)
    with Collection.open(collection, read_only=not apply) as opened, progress_bar(log, "tune") as advance:
        found = tune_key(
            opened,
            key,
            queries,
            sample=sample,
            documents=documents,
            grid=tried,
            k=k,
            target_recall=target_recall,
            apply=apply,
            scratch=out,
            seed=seed,
            on_progress=advance,
        )
    write_report(found, out)
    sys.stdout.write((to_json(found.to_dict()) if as_json else markdown(found)) + "\n")


def _tune_order(
    collection: Path,
    out: Path,
    model: Path | None,
    logs: Path | None,
    vertical: Path | None,
    parts: str | None,
    searches: int,
    seed: int,
    apply: bool,
    as_json: bool,
) -> None:
    from alicorn.evaluation.orders.block import order_block, write_order
    from alicorn.evaluation.orders.report import comment, markdown, write_report
    from alicorn.evaluation.orders.search import PRESENT, search_order
    from alicorn.evaluation.searches import open_searches
    from alicorn.query import Collection
    from alicorn.retrieval.retriever import Retriever

    if model is None or logs is None:
        raise ConfigError("--order asks the collection with a model about searches: give --model and --logs")
    (loaded,) = load_models([model], vertical)
    has_rank = loaded.vertical.document.static_rank is not None
    given = parts or ("nn,bm25,static_rank" if has_rank else "nn,bm25")
    summed = [part.strip() for part in given.split(",")]
    with Collection.open(collection, read_only=True) as opened:
        retriever = Retriever(opened, [loaded])
        asked = open_searches(logs, loaded.vertical, searches, seed, "valid")
        found = search_order(retriever, asked, loaded.key, summed, seed)
    write_report(found, out)
    sys.stdout.write((to_json(found.to_dict()) if as_json else markdown(found)) + "\n")
    boolean = loaded.vertical.order.boolean
    if boolean is None and found.fields is not None and found.fields.is_worth_having:
        boolean = found.fields.order
    if not found.is_worth_having and boolean == loaded.vertical.order.boolean:
        return
    block = order_block(found.orders[found.chosen if found.is_worth_having else PRESENT], boolean, comment(found))
    path = vertical or model / "vertical.yaml"
    if apply:
        write_order(path, block)
        log.print(f"written into {path}")
    else:
        log.print(f"put this into {path}, or let --apply do it:\n\n{block}", markup=False, highlight=False)
