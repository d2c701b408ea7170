"""What `alicorn tune` learns from valid searches: an order of hits, or a rule of which texts need no `nn`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from alicorn.cli.options import IntentsPath, OtherVertical, load_models, retriever_of
from alicorn.cli.output import log
from alicorn.errors import ConfigError
from alicorn.reporting.json_text import to_json

if TYPE_CHECKING:
    from alicorn.evaluation.searches import Searches
    from alicorn.retrieval.retriever import Retriever
    from alicorn.towers import AnyModel


@dataclass(frozen=True)
class TunedSearches:
    """For --order and --gate: the searches, and what answers them."""

    model: Annotated[
        Path | None, typer.Option(help="For --order, --gate: the model that serves.", exists=True, file_okay=False)
    ] = None
    logs: Annotated[Path | None, typer.Option(help="For --order, --gate: pairs/ or log folder.", exists=True)] = None
    vertical: OtherVertical = None
    intents: IntentsPath = None
    lost: Annotated[
        float,
        typer.Option(min=0.0001, max=0.5, help="For --gate: NDCG@10 that may be lost, averaged over all searches."),
    ] = 0.005
    parts: Annotated[
        str | None,
        typer.Option(
            help="For --order: what to sum, the first with weight 1, such as nn,bm25,price; nn, bm25, static rank."
        ),
    ] = None
    searches: Annotated[int, typer.Option(min=20, help="For --order, --gate: at most so many valid searches.")] = 2000


def tune_served(
    collection: Path, asked: TunedSearches, out: Path, *, is_order: bool, apply: bool, seed: int, as_json: bool
) -> None:
    """Learn an order, or else a gate, from asked.logs; print the report, and write or print the block of the vertical.

    Raises ConfigError without asked.model or asked.logs.
    """
    if asked.model is None or asked.logs is None:
        raise ConfigError(
            "--order and --gate ask a collection about searches: give one of them, with --model and --logs"
        )
    valid = _ValidSearches(collection, asked.model, asked.logs, asked.vertical, asked.intents, asked.searches, seed)
    shown, block = _order(valid, out, asked.parts, as_json) if is_order else _gate(valid, out, asked.lost, as_json)
    sys.stdout.write(shown + "\n")
    if block is not None:
        _put(block, asked.vertical or asked.model / "vertical.yaml", apply)


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
