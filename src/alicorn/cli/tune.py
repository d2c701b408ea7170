"""`alicorn tune`: quantizer settings of a collection, the order of hits, or which texts need no `nn`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from alicorn.cli.options import CollectionFolder, IntentsPath, Json, OtherVertical, load_models, retriever_of
from alicorn.cli.output import log
from alicorn.errors import ConfigError
from alicorn.reporting.json_text import to_json
from alicorn.reporting.progress import progress_bar

if TYPE_CHECKING:
    from alicorn.evaluation.searches import Searches
    from alicorn.retrieval.retriever import Retriever
    from alicorn.towers import AnyModel


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
    model: Annotated[
        Path | None, typer.Option(help="For --order, --gate: the model that serves.", exists=True, file_okay=False)
    ] = None,
    logs: Annotated[Path | None, typer.Option(help="For --order, --gate: pairs/ or log folder.", exists=True)] = None,
    vertical: OtherVertical = None,
    intents: IntentsPath = None,
    lost: Annotated[
        float,
        typer.Option(min=0.0001, max=0.5, help="For --gate: NDCG@10 that may be lost, averaged over all searches."),
    ] = 0.005,
    parts: Annotated[
        str | None,
        typer.Option(
            help="For --order: what to sum, the first with weight 1, such as nn,bm25,price; nn, bm25, static rank."
        ),
    ] = None,
    searches: Annotated[int, typer.Option(min=20, help="For --order, --gate: at most so many valid searches.")] = 2000,
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
    if order or gate:
        if model is None or logs is None or (order and gate):
            raise ConfigError(
                "--order and --gate ask the collection with a model about searches: give one of them, with --model and"
                " --logs"
            )
        asked = _ValidSearches(collection, model, logs, vertical, intents, searches, seed)
        shown, block = _order(asked, out, parts, as_json) if order else _gate(asked, out, lost, as_json)
        sys.stdout.write(shown + "\n")
        if block is not None:
            _put(block, vertical or model / "vertical.yaml", apply)
        return
    if key is None:
        raise ConfigError("give the embedding key to tune with --key, or --order or --gate for what is served")
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


class _Block(NamedTuple):
    """Lines of vertical.yaml. key: what they are the value of."""

    key: str
    lines: str


class _ValidSearches(NamedTuple):
    """What searches of the valid split are asked of."""

    collection: Path
    model: Path
    logs: Path
    vertical: Path | None
    intents: Path | None
    searches: int
    seed: int

    @contextmanager
    def opened(self) -> Iterator[tuple[AnyModel, Retriever, Searches]]:
        from alicorn.evaluation.searches import open_searches
        from alicorn.query import Collection

        (model,) = load_models([self.model], self.vertical)
        with Collection.open(self.collection, read_only=True) as opened:
            retriever = retriever_of(opened, [model], None, self.intents)
            searches = open_searches(self.logs, model.vertical, self.searches, self.seed, "valid", repeats=True)
            yield model, retriever, searches


def _order(asked: _ValidSearches, out: Path, parts: str | None, as_json: bool) -> tuple[str, _Block | None]:
    """The report, and the block of the vertical if it is worth having."""
    from alicorn.evaluation.orders.block import order_block
    from alicorn.evaluation.orders.report import comment, markdown, write_report
    from alicorn.evaluation.orders.search import PRESENT, search_order

    with asked.opened() as (model, retriever, searches):
        has_rank = model.vertical.document.static_rank is not None
        given = parts or ("nn,bm25,static_rank" if has_rank else "nn,bm25")
        summed = [part.strip() for part in given.split(",")]
        found = search_order(retriever, searches, model.key, summed, asked.seed)
    write_report(found, out)
    shown = to_json(found.to_dict()) if as_json else markdown(found)
    before = boolean = model.vertical.order.boolean
    if boolean is None and found.fields is not None and found.fields.is_worth_having:
        boolean = found.fields.order
    if not found.is_worth_having and boolean == before:
        return shown, None
    hybrid = found.orders[found.chosen if found.is_worth_having else PRESENT]
    return shown, _Block("order", order_block(hybrid, boolean, comment(found)))


def _gate(asked: _ValidSearches, out: Path, lost: float, as_json: bool) -> tuple[str, _Block | None]:
    """The same of the rule of the selection."""
    from alicorn.evaluation.gates.report import markdown, selection_block, write_report
    from alicorn.evaluation.gates.search import search_gate

    with asked.opened() as (model, retriever, searches):
        found = search_gate(retriever, searches, model.key, lost, asked.seed)
    write_report(found, out)
    shown = to_json(found.to_dict()) if as_json else markdown(found)
    if not found.is_worth_having:
        return shown, None
    return shown, _Block("selection", selection_block(model.vertical.selection, found))


def _put(block: _Block, path: Path, apply: bool) -> None:
    """Write the block into the vertical's file, or say it."""
    from alicorn.evaluation.vertical_block import write_block

    if apply:
        write_block(path, block.key, block.lines)
        log.print(f"written into {path}")
    else:
        said = f"put this into {path}, or let --apply do it:\n\n{block.lines}"
        log.print(said, markup=False, highlight=False, soft_wrap=True)
