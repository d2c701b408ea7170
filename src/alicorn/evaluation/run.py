"""All measurements of one model in one run: the options, the files that each needs, and the order.

Every mistake in the options or files is refused before anything is encoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alicorn.errors import ConfigError
from alicorn.evaluation.judges.word_overlap import RelevanceModel, read_labels
from alicorn.evaluation.reports.ablation import Ablation, How, ablate
from alicorn.evaluation.reports.channel_weights import ChannelWeights, channel_weights
from alicorn.evaluation.reports.page.model_page import check_page, model_page
from alicorn.evaluation.reports.page.sections import MeasuredModel
from alicorn.evaluation.reports.recall import DEPTHS, RecallReport, measure_recall
from alicorn.evaluation.reports.relevance import Relevance, relevance
from alicorn.evaluation.reports.survivors import Survivors, control_template, survivors
from alicorn.evaluation.searches import Searches, open_searches
from alicorn.query import Collection
from alicorn.retrieval.encoder import search_vectors
from alicorn.retrieval.nearest import RECALL
from alicorn.towers import AnyModel, Model


@dataclass(frozen=True)
class Questions:
    """The measurements to make of a model. An option that is None is left out.

    ks: cut-offs of recall. num_searches, seed: of the sample of searches and of the intervals.
    collection: the folder published with the model; recall is measured through it too, by `:recall index_recall`.
    ablate: how each feature is taken away.
    rerank: folder of a second model, which orders the first `depths` documents anew. labels: Parquet that a judge of
    relevance is learned from. control: a template of the documents that may pass, of which the first `pre_rank` by BM25
    go on; needs the collection. page: the file to which the page of the model will be written. map_by: the column that
    colours its map; None: the first id feature.
    """

    ks: Sequence[int] = (10, 100, 1000)
    num_searches: int = 10_000
    seed: int = 0
    collection: Path | None = None
    index_recall: float = RECALL
    ablate: How | None = None
    rerank: Path | None = None
    depths: Sequence[int] = DEPTHS
    labels: Path | None = None
    control: str | None = None
    pre_rank: int = 100
    page: Path | None = None
    map_by: str | None = None


@dataclass(frozen=True)
class ModelEvaluation:
    """The results; None if not asked for, or if the model has no such thing. page: HTML."""

    recall: RecallReport
    ablation: Ablation | None
    channel_weights: ChannelWeights | None
    relevance: Relevance | None
    stages: Survivors | None
    page: str | None

    def markdown(self) -> str:
        further = (self.ablation, self.channel_weights, self.relevance, self.stages)
        return "\n".join([self.recall.markdown(), *(part.markdown() for part in further if part is not None)])

    def to_dict(self) -> dict[str, Any]:
        further = {name: getattr(self, name) for name in ("ablation", "channel_weights", "relevance", "stages")}
        return self.recall.to_dict() | {name: part.to_dict() for name, part in further.items() if part is not None}

    def write(self, folder: Path) -> None:
        """evaluation.md, .json and .svg, and the same of the ablation."""
        self.recall.write(folder)
        if self.ablation is not None:
            self.ablation.write(folder)


def evaluate(folder: Path, logs: Path, questions: Questions) -> ModelEvaluation:
    """Evaluate the model of a folder on searches of pairs/ or of a log folder.

    Raises ConfigError, TableError, CollectionError, QueryError.
    """
    _check_control(questions)
    model = Model.load(folder)
    second = None if questions.rerank is None else Model.load(questions.rerank)
    searches = open_searches(logs, model.vertical, questions.num_searches, questions.seed)
    if questions.page is not None:
        check_page(questions.page, searches, questions.map_by)
    judge = None if questions.labels is None else _judge(questions.labels, model, searches, questions.seed)
    with nullcontext() if questions.collection is None else _opened(questions.collection) as collection:
        recall = _recall(model, searches, questions, collection, second)
        stages = None if collection is None else _stages(model, searches, questions, collection)
    ablation = None if questions.ablate is None else _ablation(model, searches, questions, questions.ablate)
    page = None
    if questions.page is not None:
        shuffled = ablation or _ablation(model, searches, questions, "shuffle")
        page = model_page(MeasuredModel(model, folder, searches, recall, shuffled, questions.map_by, questions.seed))
    good = None
    if judge is not None:
        good = relevance(recall.runs, searches, judge, questions.ks, judge.auc, judge.num_labels)
    return ModelEvaluation(recall, ablation, channel_weights(model, searches), good, stages, page)


def _check_control(questions: Questions) -> None:
    if questions.control is None:
        return
    if questions.collection is None:
        raise ConfigError("--control asks the engine which documents pass: give --collection too")
    control_template(questions.control)


def _judge(labels: Path, model: AnyModel, searches: Searches, seed: int) -> RelevanceModel:
    return RelevanceModel(read_labels(labels), searches.documents, model.vertical, seed)


def _opened(collection: Path) -> Collection:
    return Collection.open(collection, read_only=True)


def _recall(
    model: AnyModel, searches: Searches, questions: Questions, collection: Collection | None, second: AnyModel | None
) -> RecallReport:
    return measure_recall(
        model,
        searches,
        model.vertical,
        questions.ks,
        collection=collection,
        seed=questions.seed,
        index_recall=questions.index_recall,
        second=second,
        depths=questions.depths,
    )


def _stages(model: AnyModel, searches: Searches, questions: Questions, collection: Collection) -> Survivors | None:
    if questions.control is None:
        return None
    return survivors(
        collection,
        model.key,
        model.vertical,
        searches,
        search_vectors(model, searches.requests),
        questions.control,
        k=max(questions.ks),
        cut=questions.pre_rank,
        recall=questions.index_recall,
    )


def _ablation(model: AnyModel, searches: Searches, questions: Questions, how: How) -> Ablation:
    return ablate(model, searches, how, questions.ks, questions.seed)
