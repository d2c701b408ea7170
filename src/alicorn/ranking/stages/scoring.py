"""Stages that order by a number: a weighted sum of features, the forest, BST, the user's own function."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field, field_validator

from alicorn.errors import AlicornError
from alicorn.ranking.features.feature import KnownNames, check_name
from alicorn.ranking.ranker import Ranker
from alicorn.ranking.stages.slate import Slate, StageConfig


class WeightedSum(StageConfig):
    """Many candidates, cheaply: a weighted sum of features; what is missing adds nothing."""

    scores: ClassVar[bool] = True
    kind: Literal["sum"]
    weights: Annotated[dict[str, float], Field(min_length=1)]

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
    score for each, a finite number; a hit whose score is null leaves the answer.
    """

    scores: ClassVar[bool] = True
    kind: Literal["call"]
    function: str

    @field_validator("function")
    @classmethod
    def _check_function(cls, function: str) -> str:
        module, colon, name = function.partition(":")
        if not (module and colon and name):
            raise ValueError(f"written module:function, got {function!r}")
        return function

    @cached_property
    def _called(self) -> Callable[[pa.RecordBatch], Any]:
        module, _, name = self.function.partition(":")
        called: Callable[[pa.RecordBatch], Any] = getattr(import_module(module), name)
        return called

    def check(self, ranker: Ranker, known: KnownNames) -> None:
        """Imports the function: a file of a log names one too, and is read without it."""
        try:
            called = self._called
        except Exception as error:  # of the module's own code
            raise ValueError(f"{self.function} cannot be imported: {type(error).__name__}: {error}") from error
        if not callable(called):
            raise ValueError(f"{self.function} is not callable")

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
        kept, found = np.flatnonzero(np.asarray(scores.is_valid())), np.asarray(scores.drop_null())
        if not (finite := np.isfinite(found)).all():
            at = int(finite.argmin())
            raise AlicornError(
                f"stage call {self.function}: a score is a finite number or null, got {found[at]} for document"
                f" {ids[kept[at]]!r}"
            )
        return slate.taken(kept).scored(found)
