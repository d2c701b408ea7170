"""All measurements of one model in one run: the options, the files that each needs, and the order.

Every mistake in the options or files is refused before anything is encoded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from alicorn.distributed.batch.engines import BatchEngine
from alicorn.errors import CollectionError, ConfigError
from alicorn.evaluation.judges.word_overlap import RelevanceModel, read_labels
from alicorn.evaluation.questions import Other, Questions
from alicorn.evaluation.reports.ablation import Ablation, How, ablate
from alicorn.evaluation.reports.channel_report import ChannelReport, channel_report
from alicorn.evaluation.reports.channel_weights import ChannelWeights, channel_weights
from alicorn.evaluation.reports.control import ControlReport, control_report
from alicorn.evaluation.reports.page.model_page import check_page, model_page
from alicorn.evaluation.reports.page.sections import MeasuredModel
from alicorn.evaluation.reports.recall import (
    EXACT,
    RecallReport,
    exact_run,
    measure_recall,
    p50_p99,
    with_served,
)
from alicorn.evaluation.reports.relevance import Relevance, relevance
from alicorn.evaluation.reports.survivors import Survivors, control_template, survivors
from alicorn.evaluation.searches import Searches, open_searches
from alicorn.evaluation.systems.runs import TopK
from alicorn.evaluation.systems.served import encoding_times, other_controls, served_systems, with_ranking
from alicorn.evaluation.systems.whole_corpus import check_engine, top_k_of_corpus
from alicorn.evaluation.test_looks import count_look
from alicorn.evaluation.trec import check_ids, judged_searches, write_runs
from alicorn.intents import IntentClassifier
from alicorn.publishing.provenance import as_published
from alicorn.query import Collection
from alicorn.reporting.json_text import to_json
from alicorn.retrieval.encoder import search_vectors
from alicorn.retrieval.regions import read_regions
from alicorn.retrieval.request import RankingStages
from alicorn.retrieval.retriever import Retriever
from alicorn.towers import AnyModel, Model
from alicorn.vertical import Vertical

LoadRanking = Callable[[Vertical, Collection], RankingStages]


@dataclass(frozen=True)
class ModelEvaluation:
    """The results; None if not asked for, or if the model has no such thing. page: HTML.

    recall: with a collection, of what is served too. channels: those of the vertical's hybrid expression.
    control: what the vertical's control takes away.
    """

    recall: RecallReport
    ablation: Ablation | None
    channel_weights: ChannelWeights | None
    relevance: Relevance | None
    stages: Survivors | None
    channels: ChannelReport | None
    control: ControlReport | None
    page: str | None
    searches: Searches

    def markdown(self) -> str:
        further = (self.ablation, self.channel_weights, self.relevance, self.stages, self.channels, self.control)
        return "\n".join([self.recall.markdown(), *(part.markdown() for part in further if part is not None)])

    def to_dict(self) -> dict[str, Any]:
        parts = ("ablation", "channel_weights", "relevance", "stages", "channels", "control")
        further = {name: getattr(self, name) for name in parts}
        return self.recall.to_dict() | {name: part.to_dict() for name, part in further.items() if part is not None}

    def write(self, folder: Path) -> None:
        """evaluation.md, .json and .svg, and the same of the ablation."""
        self.recall.write(folder)
        if self.ablation is not None:
            self.ablation.write(folder)

    def write_runs(self, path: Path) -> list[Path]:
        """A TREC run of every system, `run.trec` becoming `run-hybrid.trec`."""
        return write_runs(self.recall.runs, self.searches, path)


def evaluate(folder: Path, logs: Path, questions: Questions, ranking: LoadRanking | None = None) -> ModelEvaluation:
    """Evaluate the model of a folder on searches of pairs/ or of a log folder.

    ranking: the stages that order hits anew, scored beside the orders without them; needs the collection.

    Raises ConfigError, TableError, CollectionError, QueryError.
    """
    _check_collection(questions)
    check_engine(questions.engine, logs)
    if ranking is not None and questions.collection is None:
        raise ConfigError("--ranker orders the hits of a collection: give it with --collection")
    served = None if questions.vertical is None else Vertical.load(questions.vertical)
    model = _loaded(folder, served)
    second = None if questions.rerank is None else Model.load(questions.rerank)
    other = Other.of(questions.compare)
    if questions.intents is not None:
        _check_control([model.vertical, *([] if other.vertical_file is None else [Vertical.load(other.vertical_file)])])
    searches = _searches(logs, model.vertical, questions)
    if questions.page is not None:
        check_page(questions.page, searches, questions.map_by)
    if questions.writes_runs:
        check_ids(searches)
    judge = None if questions.labels is None else _judge(questions.labels, model, searches, questions.seed)
    looks = _looks(questions, folder)
    top_k = None
    if questions.engine is not BatchEngine.LOCAL:
        top_k = partial(top_k_of_corpus, folder, logs, searches, questions.engine)
    with nullcontext() if questions.collection is None else _opened(questions.collection) as collection:
        if collection is not None:
            model = as_published([model], collection)[0]
        recall = _recall(model, searches, questions, collection, second, top_k)
        ranked = None if ranking is None or collection is None else ranking(model.vertical, collection)
        report = _as_served(recall, model, searches, questions, collection, other, ranked)
        stages = None if collection is None else _stages(model, searches, questions, collection)
        retriever = None if collection is None else retriever_of(collection, model, questions)
        most = max(questions.ks)
        channels = None if retriever is None else channel_report(retriever, searches, model.key, most)
        control = None if retriever is None else control_report(retriever, searches, model.key, most)
    ablation = None if questions.ablate is None else _ablation(model, searches, questions, questions.ablate)
    page = None
    if questions.page is not None:
        shuffled = ablation or _ablation(model, searches, questions, "shuffle")
        page = model_page(MeasuredModel(model, folder, searches, recall, shuffled, questions.map_by, questions.seed))
    good = None
    if judge is not None:
        good = relevance(report.runs, searches, judge, questions.ks, judge.auc, judge.num_labels)
    if looks is not None:
        report = replace(report, facts=report.facts | {"looks_at_test": looks})
    if model.encodings:
        report = replace(report, facts=report.facts | {"encoders": [asdict(done) for done in model.encodings]})
    return ModelEvaluation(
        report, ablation, channel_weights(model, searches), good, stages, channels, control, page, searches
    )


def _loaded(folder: Path, vertical: Vertical | None) -> AnyModel:
    model = Model.load(folder)
    return model if vertical is None else model.with_vertical(vertical)


def _searches(logs: Path, vertical: Vertical, questions: Questions) -> Searches:
    regions = None if questions.interests is None else read_regions(questions.interests, vertical)
    count = questions.num_searches if questions.qrels is None else sys.maxsize
    every = open_searches(logs, vertical, count, questions.seed, questions.split, repeats=True, regions=regions)
    if questions.qrels is None:
        return every
    return judged_searches(questions.qrels, every, questions.num_searches, questions.seed)


def _looks(questions: Questions, folder: Path) -> int | None:
    """How often the test split was looked at with the model, this time among them; None without a look."""
    if questions.split != "test":
        return None
    others = [questions.rerank, *questions.compare]
    for other in others:
        if other is not None and (other / "model.json").exists():
            count_look(other)
    return count_look(folder)


def _as_served(
    recall: RecallReport,
    model: AnyModel,
    searches: Searches,
    questions: Questions,
    collection: Collection | None,
    other: Other,
    ranking: RankingStages | None,
) -> RecallReport:
    """The report with the systems of the collection, and those of what it is compared with, as they are served."""
    depth = max(questions.ks)
    if collection is None:
        if other.model is not None:
            nearest = exact_run(Model.load(other.model), searches, depth)
            recall = replace(recall, runs=recall.runs | {f"{other.label}: {EXACT}": nearest})
        return with_served(recall, {}, searches, questions.ks, questions.seed)
    retriever = retriever_of(collection, model, questions)
    answered = served_systems(retriever, searches, model.key, depth)
    if model.vertical.control is not None:
        answered |= other_controls(retriever, model, searches, depth)
    if ranking is not None:
        answered["hybrid, with ranking"] = with_ranking(retriever, searches, depth, model.key, ranking)
    order = model.vertical.order_of("hybrid") or "nn"
    facts: dict[str, Any] = {"served": f"`{model.vertical.expressions.hybrid}` by {to_json(order)}"}
    facts["encoding_ms"] = p50_p99(encoding_times(retriever, searches, model.key))
    if questions.compare:
        second = model if other.model is None else Model.load(other.model)
        if other.vertical is not None:
            second = second.with_vertical(Vertical.load(other.vertical))
        with nullcontext(collection) if other.collection is None else _opened(other.collection) as opened:
            second = _published(second, other, opened)
            beside = served_systems(retriever_of(opened, second, questions), searches, second.key, depth)
        answered |= {f"{other.label}: {system}": found for system, found in beside.items()}
    report = with_served(recall, answered, searches, questions.ks, questions.seed)
    return replace(report, facts=report.facts | facts)


def _published(second: AnyModel, other: Other, collection: Collection) -> AnyModel:
    try:
        return as_published([second], collection)[0]
    except CollectionError as error:
        of = "model" if other.model is None else "collection"
        raise CollectionError(f"--compare {other.label}: {error}; or --compare its {of} too") from None


def _check_collection(questions: Questions) -> None:
    """Raise ConfigError where a question needs a collection and there is none."""
    if questions.control is not None:
        if questions.collection is None:
            raise ConfigError("--control asks the engine which documents pass: give --collection too")
        control_template(questions.control)
    if questions.intents is not None and questions.collection is None:
        raise ConfigError("--intents are for what is served: give the collection with --collection")
    if questions.interests is not None and questions.collection is None:
        raise ConfigError("--interests are for what is served: give the collection with --collection")
    other = Other.of(questions.compare)
    if questions.collection is None and (other.vertical is not None or other.collection is not None):
        raise ConfigError(
            "--compare of a vertical or a collection scores what is served: give the collection of the first model with"
            " --collection; two models alone are compared by exact search"
        )


def _check_control(verticals: Sequence[Vertical]) -> None:
    """Raise ConfigError where none of the verticals that are scored has a control."""
    if all(vertical.control is None for vertical in verticals):
        raise ConfigError("--intents are for the control of a vertical, and there is none: leave them out")


def _judge(labels: Path, model: AnyModel, searches: Searches, seed: int) -> RelevanceModel:
    return RelevanceModel(read_labels(labels), searches.documents, model.vertical, seed)


def _opened(collection: Path) -> Collection:
    return Collection.open(collection, read_only=True)


def _recall(
    model: AnyModel,
    searches: Searches,
    questions: Questions,
    collection: Collection | None,
    second: AnyModel | None,
    top_k: TopK | None,
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
        top_k=top_k,
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


def retriever_of(collection: Collection, model: AnyModel, questions: Questions) -> Retriever:
    """As it is served; the intents that are learned are of models whose vertical has a control."""
    path = None if model.vertical.control is None else questions.intents
    classifier = None if path is None else IntentClassifier.load(path)
    return Retriever(collection, [model], classifier=classifier)


def _ablation(model: AnyModel, searches: Searches, questions: Questions, how: How) -> Ablation:
    return ablate(model, searches, how, questions.ks, questions.seed)
