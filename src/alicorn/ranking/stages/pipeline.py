"""ranking.yaml, and a search with all its stages.

    ranker: ranker                    # the folder that `alicorn rank train` wrote, beside this file
    candidates: 200                   # the first so many of the expression's order go through the stages
    channels: {related: 40}           # at least so many of them are of this channel of the vertical, its first
    stages:
      - {kind: filter, feature: matched, at_least: 0.2}
      - {kind: forest, keep: 50, budget_ms: 5}
      - {kind: diverse, key: people, relevance: 0.8}
      - {kind: at_most, column: brand, most: 2}

Hits behind the candidates follow in the expression's order, without a score.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple, Protocol

import numpy as np
from pydantic import Field

from alicorn.config import Config, dump_yaml, parse_config, plain_yaml, read_text
from alicorn.errors import ConfigError
from alicorn.index import Snapshot
from alicorn.language.tree import Or, StrongOr
from alicorn.query import Facet, Result
from alicorn.query.any_collection import AnyCollection
from alicorn.query.explain.step import Step
from alicorn.query.wanted import check_wanted
from alicorn.ranking.features import Candidates, FeatureSet
from alicorn.ranking.features.candidates import by_channel
from alicorn.ranking.features.feature import KnownNames, check_name
from alicorn.ranking.features.feature_set import known_names
from alicorn.ranking.ranker import Ranker
from alicorn.ranking.stages.scoring import ByBst, ByForest, Call, WeightedSum
from alicorn.ranking.stages.set_choice import AtMost, Determinantal, Diverse, RelevanceFilter
from alicorn.ranking.stages.slate import RankingStage, Slate
from alicorn.retrieval.asked import Asked
from alicorn.retrieval.request import Request
from alicorn.text import RULES
from alicorn.vertical import Vertical
from alicorn.vertical.parts import of_documents

AnyStage = Annotated[
    WeightedSum | RelevanceFilter | ByForest | ByBst | Call | Diverse | Determinantal | AtMost,
    Field(discriminator="kind"),
]


class RankingConfig(Config):
    """The content of ranking.yaml."""

    other_names: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("window_size", "rerank_count", "num_candidates", "top_k"), "`candidates: ...`"),
        **dict.fromkeys(("rescore", "rerank", "phases", "first_phase", "second_phase"), "`stages: [{kind: forest}]`"),
        **dict.fromkeys(("model", "model_folder"), "`ranker: ...`, a folder of `alicorn rank train`"),
        **dict.fromkeys(("mmr", "diversity"), "`{kind: diverse, key: ..., relevance: 0.8}`"),
        "dpp": "`{kind: determinantal, key: ..., relevance: 0.8}`",
        **dict.fromkeys(("collapse", "group_by", "dedupe"), "`{kind: at_most, column: ..., most: 1}`"),
        **dict.fromkeys(("ltr", "lambdamart", "gbdt", "lightgbm", "xgboost"), "`{kind: forest}`"),
        **dict.fromkeys(
            ("script", "script_score", "function", "python"), '`{kind: call, function: "module:function"}`'
        ),
    }
    ranker: str
    candidates: Annotated[int, Field(ge=1, le=10_000)] = 200
    channels: dict[str, Annotated[int, Field(ge=1)]] = {}  # noqa: RUF012 (pydantic copies it)
    stages: Annotated[tuple[AnyStage, ...], Field(min_length=1)] = (ByForest(kind="forest"),)

    @property
    def stage_names(self) -> tuple[str, ...]:
        """The kind of each stage; from its second on, a kind has its number too: sum, forest, sum 2."""
        kinds = [stage.kind for stage in self.stages]
        counts = [kinds[: at + 1].count(kind) for at, kind in enumerate(kinds)]
        return tuple(kind if count == 1 else f"{kind} {count}" for kind, count in zip(kinds, counts, strict=True))


class RankerOnRecord(Config):
    """What the scores of a ranked search depend on, as a log keeps it; `on_record` says it.

    features, models: as in RankerHeader, the features in full. fingerprints: of the forest and of the clicks that
    features count. vertical: of what decides terms and stored columns, and of how the words of a query are read.
    """

    features: FeatureSet
    fingerprints: dict[str, str]
    models: dict[str, str]
    vertical: dict[str, str]
    candidates: int
    channels: dict[str, int]
    stages: tuple[AnyStage, ...]


def on_record(ranker: Ranker, config: RankingConfig, vertical: Vertical) -> RankerOnRecord:
    words = {f"analysis of {prefix}": one.fingerprint() for prefix, one in vertical.analysis.items()}
    return RankerOnRecord(
        features=ranker.features,
        fingerprints=ranker.fingerprints,
        models=ranker.header.models,
        vertical={**of_documents(vertical), **words, "rules of text": str(RULES)},
        candidates=config.candidates,
        channels=config.channels,
        stages=config.stages,
    )


def load_ranking(path: Path) -> tuple[Ranker, RankingConfig]:
    """path: a ranking.yaml, or the folder of a ranker, whose forest then orders the first 200 candidates."""
    if path.is_dir():
        return Ranker.load(path), RankingConfig(ranker=path.name)
    config = parse_config(plain_yaml(read_text(path), where=path.name), RankingConfig, where=path.name)
    folder = path.parent / config.ranker
    if not folder.is_dir():
        raise ConfigError(
            f"{path.name}: ranker: there is no folder {folder}: name the one that `alicorn rank train` wrote, as seen"
            " from this file"
        )
    return Ranker.load(folder), config


class RankedItems(NamedTuple):
    """rows: of what was given, best first, with score (None behind the stages) and features of each. unknown: rows that
    the collection does not have."""

    rows: list[int]
    scores: list[float | None]
    features: list[list[float]]
    unknown: list[int]
    notices: tuple[str, ...]


class HasVertical(Protocol):
    """A model."""

    @property
    def vertical(self) -> Vertical: ...


class Pipeline:
    """A ranker and the stages around it, over one collection and vertical: what a Retriever's `ranking` is."""

    def __init__(self, ranker: Ranker, config: RankingConfig, vertical: Vertical, collection: AnyCollection) -> None:
        """Raises ModelError where the ranker was learned from other numbers, ConfigError for names that are unknown."""
        ranker.check(collection, vertical)
        snapshot = collection.snapshot()
        known = known_names(vertical, snapshot.columns, snapshot.embeddings)
        _check_channels(config, known)
        for at, stage in enumerate(config.stages):
            try:
                stage.check(ranker, known)
            except ValueError as error:
                raise ConfigError(f"stages[{at}] ({stage.kind}): {error}") from error
        self.ranker, self.config, self.vertical = ranker, config, vertical
        ranker.forest.score(np.full((1, len(ranker.features.names)), np.nan))  # compiled before the first request

    @classmethod
    def load(cls, path: Path, vertical: Vertical, collection: AnyCollection) -> Pipeline:
        """path: as of load_ranking."""
        return cls(*load_ranking(path), vertical, collection)

    @cached_property
    def fingerprint(self) -> str:
        """Of all that its scores depend on."""
        return on_record(self.ranker, self.config, self.vertical).fingerprint()

    @property
    def described(self) -> str:
        """A RankerOnRecord as YAML."""
        return dump_yaml(on_record(self.ranker, self.config, self.vertical))

    @cached_property
    def feature_set(self) -> str:
        """The fingerprint of the features."""
        return self.ranker.features.fingerprint()

    @property
    def keys(self) -> Sequence[str]:
        return self.ranker.features.keys

    @property
    def columns(self) -> Sequence[str]:
        return self.ranker.features.asker_columns

    def search(
        self, collection: AnyCollection, request: Request, explain: bool = False, snapshot: Snapshot | None = None
    ) -> Result:
        """The page of a request, in the order of the stages."""
        assert request.asked is not None
        started = time.perf_counter()
        end = request.offset + request.limit
        limit = max(end, self._num_ranked(request)) if end else 0
        found = self.candidates(collection, request, limit, explain, request.facets, snapshot)
        before = time.perf_counter()
        slate = self.slate(found, request)
        features = Step("features", len(slate.order), len(slate.order), ms=(time.perf_counter() - before) * 1000.0)
        slate, steps, notices = self.staged(slate)
        explanation = found.explanation
        if explanation is not None:
            whole = Step("ranked", found.total, len(slate.order) + len(slate.behind))
            whole.children = [explanation, *_of_channels(found, request, len(slate.matrix)), features, *steps]
            explanation = whole
        taken = replace(found, noticed=found.noticed + notices, explanation=explanation, ordering=None)
        ranked = _with_page(taken, slate, self._num_ranked(request), request)
        return replace(ranked, took_ms=(time.perf_counter() - started) * 1000.0)

    def _num_ranked(self, request: Request) -> int:
        return math.ceil(self.config.candidates * request.share_ranked)

    def candidates(
        self,
        collection: AnyCollection,
        request: Request,
        limit: int,
        explain: bool = False,
        facets: Mapping[str, Facet] | None = None,
        snapshot: Snapshot | None = None,
    ) -> Result:
        """The first hits of the expression, each channel with its share of the candidates."""
        expression = request.expression
        if self.config.channels and request.channels and limit:
            assert isinstance(request.root, Or)
            shares = [self.config.channels.get(name) for name in request.channels]
            marks = tuple(None if share is None else min(1.0, share / limit) for share in shares)
            expression = StrongOr(request.root.operands, marks)
        return collection.search(
            expression,
            request.vectors,
            limit,
            request.order_by,
            explain,
            facets=facets,
            only=request.only,
            snapshot=snapshot,
            lineage=request.wants_lineage,
        )

    def slate(self, found: Result, request: Request) -> Slate:
        """The candidates of an answer, before the first stage."""
        assert request.asked is not None
        count = min(self._num_ranked(request), len(found.numbers))
        segments, numbers = found.segments[:count], found.numbers[:count]
        candidates = Candidates(
            found.snapshot,
            segments,
            numbers,
            request.asked,
            self.vertical,
            self.ranker.history,
            by_channel(request.channels, found.found_by),
        )
        scores = found.scores[:count].astype(np.float64)
        nothing = np.empty(0, dtype=np.int64)
        return Slate(candidates, self.ranker.matrix(candidates), np.arange(count), scores, nothing)

    def rank(
        self,
        snapshot: Snapshot,
        asked: Asked,
        doc_ids: Sequence[str],
        scores: Sequence[float],
        channels: Sequence[Sequence[str] | None],
    ) -> RankedItems:
        """Documents that somebody else found, best first, by the stages. scores: theirs, for a stage before the forest.
        channels: of each document those that found it; None where that is not known.

        The number of candidates is no limit here: all go through the stages. Raises ConfigError for an unknown channel.
        """
        found_by = _said_channels(channels, self.vertical)
        found = [snapshot.find(doc_id) for doc_id in doc_ids]
        known = np.array([row for row, one in enumerate(found) if one is not None], dtype=np.int64)
        places = {id(view): at for at, view in enumerate(snapshot.segments)}
        address = np.array([(places[id(one[0])], one[1]) for one in found if one is not None], dtype=np.int64)
        segments, numbers = address.reshape(-1, 2).T
        of_known = {name: each[known] for name, each in found_by.items()}
        candidates = Candidates(snapshot, segments, numbers, asked, self.vertical, self.ranker.history, of_known)
        slate = Slate(
            candidates,
            self.ranker.matrix(candidates),
            np.arange(len(known)),
            np.array(scores, dtype=np.float64)[known],
            np.empty(0, dtype=np.int64),
        )
        slate, _, notices = self.staged(slate)
        rows = np.concatenate([slate.order, slate.behind])
        return RankedItems(
            known[rows].tolist(),
            slate.scores.tolist() + [None] * len(slate.behind),
            slate.matrix[rows].tolist(),
            [row for row, one in enumerate(found) if one is None],
            notices,
        )

    def staged(self, slate: Slate) -> tuple[Slate, list[Step], tuple[str, ...]]:
        """The hits after all stages; what each did; and which took longer than they may."""
        steps, notices = [], []
        for stage, name in zip(self.config.stages, self.config.stage_names, strict=True):
            check_wanted()
            before = len(slate.order)
            started = time.perf_counter()
            slate = applied(stage, slate, self.ranker, name)
            step = Step(f"stage {name}", before, len(slate.order), before)
            step.ms = (time.perf_counter() - started) * 1000.0
            steps.append(step)
            if stage.budget_ms is not None and step.ms > stage.budget_ms:
                notices.append(f"stage {name} took {step.ms:.1f} ms of {stage.budget_ms:g} ms")
        return slate, steps, tuple(notices)


def vertical_of(models: Sequence[HasVertical]) -> Vertical:
    """The vertical that reads texts. Raises ConfigError without a model."""
    if not models:
        raise ConfigError("a ranker orders the hits of a text, which a model reads: give its folder with --model")
    return models[0].vertical


def applied(stage: RankingStage, slate: Slate, ranker: Ranker, name: str = "") -> Slate:
    """name: under which its scores are noted."""
    if not len(slate.order):
        return slate
    applied = stage.apply(slate, ranker)
    return (applied.noted(name) if stage.scores else applied).cut(stage.keep)


def _check_channels(config: RankingConfig, known: KnownNames) -> None:
    """Raises ConfigError for a channel that the vertical has not, and for more places than there are."""
    for name in config.channels:
        try:
            check_name(name, known.channels, "channel of expressions.hybrid")
        except ValueError as error:
            raise ConfigError(f"channels: {error}") from error
    if sum(config.channels.values()) > config.candidates:
        raise ConfigError(
            f"channels: {sum(config.channels.values())} places are given away, and there are {config.candidates}"
            " candidates: raise candidates, or give away fewer"
        )


def _said_channels(said: Sequence[Sequence[str] | None], vertical: Vertical) -> dict[str, np.ndarray]:
    """Name -> (documents,) float64: 1 where the channel found it, 0 where not, NaN where that is not known."""
    names = tuple(vertical.expressions.hybrid.channels)
    for at, of in enumerate(said):
        for name in of or ():
            try:
                check_name(name, names, "channel of expressions.hybrid")
            except ValueError as error:
                raise ConfigError(f"items[{at}].channels: {error}") from error
    return {name: np.array([np.nan if of is None else float(name in of) for of in said]) for name in names}


def _of_channels(found: Result, request: Request, count: int) -> list[Step]:
    """How many of the first `count` hits each channel found."""
    of = by_channel(request.channels, found.found_by)
    return [Step(f"channel {name}", count, int(has[:count].sum()), count) for name, has in of.items()]


def _with_page(found: Result, slate: Slate, candidates: int, request: Request) -> Result:
    """The hits of the page: those of the stages, those behind, then the rest of the answer."""
    rest = np.arange(min(candidates, len(found.numbers)), len(found.numbers))
    rows = np.concatenate([slate.order, slate.behind, rest]).astype(np.int64)
    scores = np.concatenate([slate.scores, np.full(len(slate.behind) + len(rest), -np.inf)])
    page = slice(request.offset, request.offset + request.limit)
    features = np.full((len(found.numbers), slate.matrix.shape[1]), np.nan)
    features[: len(slate.matrix)] = slate.matrix
    unscored = np.full(len(found.numbers) - len(slate.matrix), np.nan)
    by_stage = {name: np.append(given, unscored)[rows[page]] for name, given in slate.by_stage.items()}
    return replace(
        found,
        scores=scores[page],
        segments=found.segments[rows[page]],
        numbers=found.numbers[rows[page]],
        of_keys=(),
        features=features[rows[page]],
        stage_scores={"order": found.scores[rows[page]].astype(np.float64), **by_stage},
        found_by=None if found.found_by is None else found.found_by[rows[page]],
        _ids=None,
    )
