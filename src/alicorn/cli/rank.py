"""`alicorn rank`: the order of hits, learned from a log and explained."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alicorn.cli.options import (
    CollectionFolder,
    IntentsPath,
    InterestsPath,
    Json,
    OtherVertical,
    Overwrite,
    classifier_of,
    json_columns,
    load_models,
    retriever_of,
)
from alicorn.cli.output import log
from alicorn.errors import ConfigError
from alicorn.folders import RANKER_FOLDER, replacing
from alicorn.reporting.json_text import to_json
from alicorn.reporting.progress import progress_bar


class LearnFrom(StrEnum):
    """Which searches."""

    train = "train"
    valid = "valid"


def train(
    pairs: Annotated[Path, typer.Argument(help="Folder that `alicorn mine` wrote.", exists=True, file_okay=False)],
    collection: Annotated[Path, typer.Option(help="The collection that will serve.", exists=True, file_okay=False)],
    model: Annotated[list[Path], typer.Option(help="Its model; again for a further key.", exists=True)],
    features: Annotated[Path, typer.Option(help="features.yaml: what is known of a candidate.", exists=True)],
    out: Annotated[Path, typer.Option(help="Folder for the ranker.")],
    vertical: OtherVertical = None,
    intents: IntentsPath = None,
    interests: InterestsPath = None,
    positions: Annotated[
        bool, typer.Option("--positions/--no-positions", help="Whether a click depends on its position.")
    ] = True,
    propensities: Annotated[
        Path | None,
        typer.Option(help="File of `alicorn propensity --out`: how often each position is looked at.", exists=True),
    ] = None,
    candidates: Annotated[
        int,
        typer.Option(min=0, help="With --no-positions: also the first documents of each search, as not chosen."),
    ] = 0,
    split: Annotated[
        LearnFrom, typer.Option(help="What to learn from: the towers know the searches of train by heart.")
    ] = LearnFrom.valid,
    trees: Annotated[int, typer.Option(min=1, help="With --no-positions fewer where more do not help.")] = 200,
    leaves: Annotated[int, typer.Option(min=2, help="Of a tree; fewer for few searches.")] = 15,
    rate: Annotated[float, typer.Option(min=0.001, max=1.0, help="Of learning.")] = 0.05,
    rows_in_leaf: Annotated[int, typer.Option(min=1, help="At least so many rows of the log in a leaf.")] = 50,
    searches: Annotated[int, typer.Option(min=20, help="At most so many searches of each split.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Learn in which order the documents that were chosen come before those that were shown beside them.

    Half of the valid searches teach, or with --split train say when to stop; on the other half the order is compared
    with the present one. Where features.yaml has a sequence, a Behavior Sequence Transformer is learned too.

    Examples:

    alicorn rank train pairs/ --collection collection/ --model model/ --features features.yaml --out ranker/

    alicorn rank train pairs/ --collection collection/ --model model/ --features features.yaml --no-positions
    --candidates 50 --out ranker/
    """
    from alicorn.extras import EXTRAS, check_installed

    check_installed("`alicorn rank train`", *EXTRAS["learn"], *EXTRAS["rank"])
    from alicorn.logs.click_weights import PropensityFile
    from alicorn.query import Collection
    from alicorn.ranking.features import FeatureSet
    from alicorn.ranking.learning.lambdamart import ForestSettings
    from alicorn.ranking.learning.learn import learn_ranker

    wanted = FeatureSet.load(features)
    if wanted.sequence is not None:
        check_installed("a sequence in features.yaml", *EXTRAS["onnx"])
    if propensities is not None and not positions:
        raise ConfigError("--propensities are of positions: give them, or --no-positions")
    looked = () if propensities is None else PropensityFile.load(propensities).looked_at()
    settings = ForestSettings(
        trees=trees,
        leaves=leaves,
        rate=rate,
        rows_in_leaf=rows_in_leaf,
        positions=positions,
        propensities=looked,
        seed=seed,
    )
    models = load_models(model, vertical)
    with Collection.open(collection, read_only=True) as opened, progress_bar(log, "features") as advance:
        retriever = retriever_of(opened, models, None, intents, interests)
        with replacing(out, RANKER_FOLDER, overwrite=overwrite) as place:
            report = learn_ranker(pairs, retriever, wanted, place, settings, split.value, candidates, searches, advance)
    sys.stdout.write((to_json(report.to_dict()) if as_json else report.markdown()) + "\n")


def explain(
    collection: CollectionFolder,
    document: Annotated[str, typer.Argument(help="Id of the document.")],
    text: Annotated[str, typer.Option(help="Query text.")],
    model: Annotated[list[Path], typer.Option(help="Model folder; again for a further key.", exists=True)],
    ranker: Annotated[Path, typer.Option(help="Folder of a ranker, or a ranking.yaml.", exists=True)],
    searcher: Annotated[str, typer.Option(help="Columns of the searcher, as a JSON object.")] = "{}",
    context: Annotated[str, typer.Option(help="Columns of the request's context, as a JSON object.")] = "{}",
    vertical: OtherVertical = None,
    intents: IntentsPath = None,
    to_rank: Annotated[int, typer.Option(min=1, help="Which change of one feature would lift it here?")] = 1,
    beside: Annotated[str | None, typer.Option(help="Another hit: which features put one above the other?")] = None,
    chosen: Annotated[
        list[str] | None,
        typer.Option(help="What the searcher chose for this text before, for the selection's rule of repeats; again."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say why a document is where it is in a ranked answer, or why it is not there.

    Which channels found it, what each stage did with it, what each feature gave its score, and which smallest change of
    one would lift it to a rank of the forest; of a document that is no candidate, node by node, what keeps it out.

    Examples:

    alicorn rank explain collection/ p17 --text 'john smith' --model model/ --ranker ranker/ --to-rank 3

    alicorn rank explain collection/ p17 --text 'john smith' --model model/ --ranker ranker/ --beside p4
    """
    from alicorn.query import Collection
    from alicorn.ranking.stages import Pipeline
    from alicorn.ranking.stages.explained import explained
    from alicorn.ranking.stages.pipeline import vertical_of
    from alicorn.retrieval.retriever import Retriever

    models = load_models(model, vertical)
    with Collection.open(collection, read_only=True) as opened:
        pipeline = Pipeline.load(ranker, vertical_of(models), opened)
        retriever = Retriever(opened, models, ranking=pipeline, classifier=classifier_of(intents))
        request = retriever.request(
            text=text,
            searcher=json_columns(searcher, "--searcher"),
            context=json_columns(context, "--context"),
            chosen=lambda days: chosen or (),
        )
        found = explained(pipeline, opened, request, document, to_rank, beside)
    sys.stdout.write((to_json(found.to_dict()) if as_json else str(found)) + "\n")
