"""`alicorn evaluate`: how good is a model, measured on searches that it did not learn from."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alicorn.cli.options import Json, ModelFolder, cutoffs
from alicorn.errors import ConfigError
from alicorn.reporting.json_text import to_json


class How(StrEnum):
    """How a feature is taken away: its values become unknown, or those of other rows."""

    zero = "zero"
    shuffle = "shuffle"


def evaluate(
    model: ModelFolder,
    logs: Annotated[Path, typer.Option(help="Log folder, or the pairs/ folder mined from it.", exists=True)],
    collection: Annotated[
        Path | None, typer.Option(help="Also score through this quantized index.", exists=True)
    ] = None,
    k: Annotated[str, typer.Option(help="Cut-offs of recall, separated by commas.")] = "10,100,1000",
    searches: Annotated[int, typer.Option(min=1, help="Sample at most this many searches.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample and of the intervals.")] = 0,
    nprobe: Annotated[
        int | None, typer.Option(min=1, help="Clusters to look in; as the vertical's hybrid expression unless given.")
    ] = None,
    ablate: Annotated[
        How | None, typer.Option(help="Also the recall lost without each feature: unknown, or of another row.")
    ] = None,
    rerank: Annotated[
        Path | None, typer.Option(help="Model that orders the first --depths results anew: a cascade.", exists=True)
    ] = None,
    depths: Annotated[str, typer.Option(help="For --rerank, separated by commas.")] = "10,30,100,300,1000",
    labels: Annotated[
        Path | None,
        typer.Option(help="Parquet of query, doc_id, grade: also P_good, by a relevance model of it.", exists=True),
    ] = None,
    control: Annotated[
        str | None, typer.Option(help="Template such as '(or {terms})': how many of the nearest pass it, and go on.")
    ] = None,
    pre_rank: Annotated[int, typer.Option(min=1, help="For --control: candidates kept after it, by BM25.")] = 100,
    out: Annotated[Path | None, typer.Option(help="Folder for evaluation.md, .json, .svg; ablation.*.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="HTML file: all that is known of the model on one page, which opens offline.")
    ] = None,
    map_by: Annotated[
        str | None, typer.Option(help="Column that colours the report's map; the first id feature unless given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Recall@K by exact search over the whole corpus, overall and by segment, with 95 % intervals.

    Examples:

    alicorn evaluate model/ --logs logs/ --collection collection/ --k 10,100 --ablate shuffle --out reports/

    alicorn evaluate model/ --logs pairs/ --rerank second-model/ --depths 30,100

    alicorn evaluate model/ --logs pairs/ --collection collection/ --report report.html

    alicorn evaluate model/ --logs pairs/ --labels labels.parquet --collection collection/ --control '(or {terms})'
    """
    from alicorn.evaluation.judges.word_overlap import RelevanceModel, read_labels
    from alicorn.evaluation.reports.ablation import ablate as ablate_model
    from alicorn.evaluation.reports.channel_weights import channel_weights
    from alicorn.evaluation.reports.page import Measured, check_page, page
    from alicorn.evaluation.reports.recall import evaluate as evaluate_model
    from alicorn.evaluation.reports.relevance import relevance
    from alicorn.evaluation.reports.survivors import control_template, survivors
    from alicorn.evaluation.searches import open_searches
    from alicorn.query import Collection
    from alicorn.retrieval.encoder import search_vectors
    from alicorn.retrieval.nearest import default_nprobe
    from alicorn.towers import Model

    if control is not None and collection is None:
        raise ConfigError("--control asks the engine which documents pass: give --collection too")
    if control is not None:
        control_template(control)
    loaded = Model.load(model)
    second = None if rerank is None else Model.load(rerank)
    ks, sampled = cutoffs(k, "--k"), open_searches(logs, loaded.vertical, searches, seed)
    if report is not None:
        check_page(report, sampled, map_by)
    judge = None if labels is None else RelevanceModel(read_labels(labels), sampled.documents, loaded.vertical, seed)
    opened = None if collection is None else Collection.open(collection, read_only=True)
    found = evaluate_model(
        loaded,
        sampled,
        loaded.vertical,
        ks,
        collection=opened,
        seed=seed,
        nprobe=default_nprobe(loaded.vertical) if nprobe is None else nprobe,
        second=second,
        depths=cutoffs(depths, "--depths"),
    )
    ablation = None if ablate is None else ablate_model(loaded, sampled, ablate.value, ks, seed)
    weights = channel_weights(loaded, sampled)
    good = None if judge is None else relevance(found.runs, sampled, judge, ks, judge.auc, judge.num_labels)
    stages = None
    if control is not None and opened is not None:
        vectors = search_vectors(loaded, sampled.requests)
        vertical = loaded.vertical
        stages = survivors(opened, loaded.key, vertical, sampled, vectors, control, max(ks), pre_rank, nprobe)
    if out is not None:
        found.write(out)
    if out is not None and ablation is not None:
        ablation.write(out)
    if report is not None:
        ablated = ablation or ablate_model(loaded, sampled, "shuffle", ks, seed)
        measured = Measured(loaded, model, sampled, found, ablated, map_by, seed)
        report.write_text(page(measured), encoding="utf-8")
    if as_json:
        told = found.to_dict() | ({} if ablation is None else {"ablation": ablation.to_dict()})
        named = {"channel_weights": weights, "relevance": good, "stages": stages}
        told |= {name: part.to_dict() for name, part in named.items() if part is not None}
        sys.stdout.write(to_json(told) + "\n")
        return
    further = [part.markdown() for part in (ablation, weights, good, stages) if part is not None]
    sys.stdout.write("\n".join([found.markdown(), *further]) + "\n")
