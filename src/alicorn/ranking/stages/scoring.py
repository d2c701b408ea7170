"""Stages that order by a number: a weighted sum of features, the forest, BST, the user's own function."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from alicorn.errors import AlicornError
from alicorn.ranking.features.feature import KnownNames, check_name
from alicorn.ranking.ranker import Ranker
from alicorn.ranking.stages.slate import Slate, StageConfig


class WeightedSum(StageConfig):
    """Many candidates, cheaply: a weighted sum of features; what is missing adds nothing."""

    scores: ClassVar[bool] = True
    kind: Literal["sum"]
    weights: dict[str, float]

    def apply(self, slate: Slate, ranker: Ranker) -> Slate:
        columns = [ranker.features.names.index(name) for name in self.weights]
        known = np.nan_to_num(slate.matrix[slate.order][:, columns], posinf=0.0, neginf=0.0)
        # Feature by feature, whatever the number of hits: the order of a sum decides its last bits.
        return slate.scored(np.cumsum(known * np.array(list(self.weights.values())), axis=1)[:, -1])

    def check(self, ranker: Ranker, known: KnownNames) -> None:
        for name in self.weights:
            check_name(name, ranker.features.names, "feature")


class ByForest(StageConfig):
    """The sum of the leaves of the ranker's forest."""

    scores: ClassVar[bool] = True
    kind: Literal["forest"]

    def apply(self, slate: Slate, ranker: Ranker) -> Slate:
        return slate.scored(ranker.forest.score(slate.matrix[slate.order]))


class ByBst(StageConfig):
    """The log odds of a choice by the ranker's Behavior Sequence Transformer."""

    scores: ClassVar[bool] = True
    kind: Literal["bst"]

    def apply(self, slate: Slate, ranker: Ranker) -> Slate:
        assert ranker.bst is not None
        assert ranker.features.sequence is not None
        tokens = ranker.features.sequence.tokens(slate.candidates)
        ordered = tokens._replace(documents=tokens.documents[slate.order])
        return slate.scored(ranker.bst.score(ordered, slate.matrix[slate.order]))

    def check(self, ranker: Ranker, known: KnownNames) -> None:
        if ranker.bst is None:
            raise ValueError(
                "the ranker has no Behavior Sequence Transformer: give its features.yaml a `sequence`, and learn it"
                " again"
            )


class Call(StageConfig):
    """The user's own function, `module:function`.

    It takes a RecordBatch with the columns doc_id, score and the features, a row for each hit in order, and returns a
    score for each; a hit whose score is null leaves the answer.
    """

    scores: ClassVar[bool] = True
    kind: Literal["call"]
    function: str

    @model_validator(mode="after")
    def _check(self) -> Call:
        if not callable(self._called):
            raise ValueError(f"function: {self.function} is not callable")
        return self

    @cached_property
    def _called(self) -> Callable[[pa.RecordBatch], Any]:
        module, colon, name = self.function.partition(":")
        if not colon:
            raise ValueError(f"function: written module:function, got {self.function!r}")
        try:
            called: Callable[[pa.RecordBatch], Any] = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ValueError(f"function: {self.function} cannot be imported: {error}") from error
        return called

    def apply(self, slate: Slate, ranker: Ranker) -> Slate:
        given = slate.candidates.given_ids()
        ids = [given[row] for row in slate.order]
        features = {name: slate.matrix[slate.order, at] for at, name in enumerate(ranker.features.names)}
        batch = pa.record_batch({"doc_id": ids, "score": slate.scores, **features})
        try:
            scores = pa.array(self._called(batch), pa.float64())
        except Exception as error:
            raise AlicornError(f"stage call {self.function}: {type(error).__name__}: {error}") from error
        if len(scores) != len(slate.order):
            raise AlicornError(f"stage call {self.function}: {len(slate.order)} scores are needed, got {len(scores)}")
        kept = np.flatnonzero(np.asarray(scores.is_valid()))
        return slate.taken(kept).scored(np.asarray(scores.drop_null()))
