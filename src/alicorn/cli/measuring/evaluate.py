"""`alicorn evaluate`: how good is a model, measured on searches that it did not learn from."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alicorn.cli.option_groups import grouped
from alicorn.cli.options import IntentsPath, InterestsPath, Json, ModelFolder, OtherVertical, RankerPath, cutoffs
from alicorn.distributed.batch.engines import BatchEngine
from alicorn.reporting.json_text import to_json

if TYPE_CHECKING:
    from alicorn.evaluation.questions import Questions


class SplitOption(StrEnum):
    """Which held-out searches."""

    valid = "valid"
    test = "test"


class AblateOption(StrEnum):
    """How a feature is taken away: its values become unknown, or those of other rows."""

    zero = "zero"
    shuffle = "shuffle"


@dataclass(frozen=True)
class EvaluatedParts:
    """What is scored, over which searches, beside what."""

    collection: Annotated[
        Path | None,
        typer.Option(help="Also score what this collection serves, in its order and in others.", exists=True),
    ] = None
    split: Annotated[
        SplitOption,
        typer.Option(help="Held-out searches; each look at test is counted in the model's folder."),
    ] = SplitOption.valid
    vertical: OtherVertical = None
    compare: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another model, vertical or collection, scored over the same searches; again for one of each.",
            exists=True,
        ),
    ] = None
    qrels: Annotated[
        Path | None,
        typer.Option(help="TREC judgements by search_id: they replace the log's targets.", exists=True, dir_okay=False),
    ] = None


@dataclass(frozen=True)
class Measurements:
    """What is measured, of how many searches."""

    k: Annotated[str, typer.Option(help="Cut-offs of recall, separated by commas.")] = "10,100,1000"
    searches: Annotated[int, typer.Option(min=1, help="Sample at most this many searches.")] = 10_000
    seed: Annotated[int, typer.Option(min=0, help="Of the sample and of the intervals.")] = 0
    index_recall: Annotated[
        float, typer.Option(min=0.001, max=1.0, help="The :recall that the index is asked for; 1: exact.")
    ] = 0.95
    ablate: Annotated[
        AblateOption | None, typer.Option(help="Also the recall lost without each feature: unknown, or of another row.")
    ] = None
    rerank: Annotated[
        Path | None, typer.Option(help="Model that orders the first --depths results anew: a cascade.", exists=True)
    ] = None
    depths: Annotated[str, typer.Option(help="For --rerank, separated by commas.")] = "10,30,100,300,1000"
    ranker: RankerPath = None
    intents: IntentsPath = None
    interests: InterestsPath = None
    labels: Annotated[
        Path | None,
        typer.Option(help="Parquet of query, doc_id, grade: also P_good, by a relevance model of it.", exists=True),
    ] = None
    control: Annotated[
        str | None, typer.Option(help="Template such as '(or {terms})': how many of the nearest pass it, and go on.")
    ] = None
    pre_rank: Annotated[int, typer.Option(min=1, help="For --control: candidates kept after it, by BM25.")] = 100
    engine: Annotated[
        BatchEngine, typer.Option(help="Where documents are encoded and searched exactly: docs/beyond-one-machine.md.")
    ] = BatchEngine.LOCAL


@dataclass(frozen=True)
class WrittenReports:
    """Where reports go beside standard output."""

    out: Annotated[Path | None, typer.Option(help="Folder for evaluation.md, .json, .svg; ablation.*.")] = None
    report: Annotated[
        Path | None, typer.Option(help="HTML file: all that is known of the model on one page, which opens offline.")
    ] = None
    map_by: Annotated[
        str | None, typer.Option(help="Column that colours the report's map; the first id feature unless given.")
    ] = None


@grouped
def evaluate(
    model: ModelFolder,
    logs: Annotated[Path, typer.Option(help="Log folder, or the pairs/ folder mined from it.", exists=True)],
    *,
    parts: EvaluatedParts,
    run: Annotated[
        Path | None, typer.Option(help="Write a TREC run of every system: run.trec becomes run-hybrid.trec.")
    ] = None,
    measured: Measurements,
    written: WrittenReports,
    as_json: Json = False,
) -> None:
    """Measure a model on held-out searches, and what a collection serves: recall, NDCG and more, also by segment.

    With --collection, one table has Boolean, BM25, nn alone, and hybrid in its order, by nn and by reciprocal-rank
    fusion: recall, success, NDCG, MRR, empty answers and the engine's time, with 95 % intervals and paired differences.

    Examples:

    alicorn evaluate model/ --logs pairs/ --collection collection/ --vertical vertical.yaml --k 10,100

    alicorn evaluate model/ --logs pairs/ --collection collection/ --compare model-2/ --split test --run run.trec

    alicorn evaluate model/ --logs logs/ --collection collection/ --k 10,100 --ablate shuffle --out reports/

    alicorn evaluate model/ --logs pairs/ --collection collection/ --ranker ranker/

    alicorn evaluate model/ --logs pairs/ --engine spark

    alicorn evaluate model/ --logs pairs/ --rerank second-model/ --depths 30,100

    alicorn evaluate model/ --logs pairs/ --collection collection/ --report report.html

    alicorn evaluate model/ --logs pairs/ --labels labels.parquet --collection collection/ --control '(or {terms})'
    """
    from alicorn.evaluation.run import evaluate as evaluate_model
    from alicorn.ranking.stages import Pipeline

    questions = replace(_questions(parts, measured, written), writes_runs=run is not None)
    ranking = None if measured.ranker is None else partial(Pipeline.load, measured.ranker)
    found = evaluate_model(model, logs, questions, ranking)
    if written.out is not None:
        found.write(written.out)
    if run is not None:
        found.write_runs(run)
    if written.report is not None and found.page is not None:
        written.report.write_text(found.page, encoding="utf-8")
    sys.stdout.write((to_json(found.to_dict()) if as_json else found.markdown()) + "\n")


def _questions(parts: EvaluatedParts, measured: Measurements, written: WrittenReports) -> Questions:
    from alicorn.evaluation.questions import Questions

    return Questions(
        ks=cutoffs(measured.k, "--k"),
        num_searches=measured.searches,
        seed=measured.seed,
        collection=parts.collection,
        index_recall=measured.index_recall,
        ablate=None if measured.ablate is None else measured.ablate.value,
        rerank=measured.rerank,
        depths=cutoffs(measured.depths, "--depths"),
        labels=measured.labels,
        control=measured.control,
        pre_rank=measured.pre_rank,
        page=written.report,
        map_by=written.map_by,
        split=parts.split.value,
        vertical=parts.vertical,
        qrels=parts.qrels,
        compare=parts.compare or (),
        intents=measured.intents,
        interests=measured.interests,
        engine=measured.engine,
    )
