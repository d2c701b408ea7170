"""features.yaml: what is known of a candidate, by name, and the matrix of a request.

    features:
      cosine: {kind: cosine, key: people}
      words:  {kind: bm25, prefix: text, monotone: increasing}
      same_city: {kind: common, document: city, searcher: city}

One definition serves training, requests and explanations: the same code computes the same bits in all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from alicorn.config import Config, parse_config, plain_yaml, read_text
from alicorn.errors import ConfigError
from alicorn.ranking.features.candidates import Candidates
from alicorn.ranking.features.clicks import Clicks, Popularity
from alicorn.ranking.features.document import Age, FoundByChannel, StaticRankScore, StoredNumber
from alicorn.ranking.features.embedding import CosineScore, OfEmbedding, Products, Vectors
from alicorn.ranking.features.feature import KnownNames, RankFeature
from alicorn.ranking.features.searcher import Common, Distance, Past
from alicorn.ranking.features.sequence import BehaviourSequence
from alicorn.ranking.features.similarity import Similar
from alicorn.ranking.features.words import Bm25Score, MatchedTerms, QueryWords, WholeQuery
from alicorn.vertical import Vertical
from alicorn.vertical.columns import ColumnType
from alicorn.vertical.sides import Name

_OF_FOREST = "no setting of the forest here: they are options of `alicorn rank train`"
AnyFeature = Annotated[
    CosineScore
    | Products
    | Vectors
    | Bm25Score
    | MatchedTerms
    | WholeQuery
    | Similar
    | QueryWords
    | StaticRankScore
    | FoundByChannel
    | StoredNumber
    | Age
    | Distance
    | Common
    | Past
    | Clicks
    | Popularity,
    Field(discriminator="kind"),
]


class FeatureSet(Config):
    """The features by name, in the order of the columns of a matrix. sequence: what a Behavior Sequence Transformer
    reads beside them, which is learned with the forest then."""

    other_names: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("monotone_constraints", "monotone_constraint"), "`monotone: increasing` of a feature"),
        **dict.fromkeys(("field", "attribute", "feature"), "`{kind: column, column: ...}`"),
        **dict.fromkeys(("nativerank", "bm25_score", "text_match"), "`{kind: bm25, prefix: text}`"),
        **dict.fromkeys(("closeness", "cosine_similarity", "cos"), "`{kind: cosine, key: ...}`"),
        **dict.fromkeys(("levenshtein", "edit_distance", "fuzzy", "trigram"), "`{kind: similar, column: ...}`"),
        **dict.fromkeys(("freshness", "recency"), "`{kind: age, column: ...}`"),
        **dict.fromkeys(("geo_distance", "haversine"), "`{kind: distance, document: [...], searcher: [...]}`"),
        **dict.fromkeys(("ctr", "click_through_rate"), "`{kind: popularity}`, which positions do not bias"),
        **dict.fromkeys(("num_leaves", "learning_rate", "n_estimators", "num_iterations"), _OF_FOREST),
    }
    features: Annotated[dict[Name, AnyFeature], Field(min_length=1)]
    sequence: BehaviourSequence | None = None

    @model_validator(mode="after")
    def _check(self) -> FeatureSet:
        counts = Counter(column for name, one in self.features.items() for column in one.columns(name))
        if twice := [column for column, count in counts.items() if count > 1]:
            raise ValueError(f"two features have a column '{twice[0]}': rename one")
        return self

    @classmethod
    def load(cls, path: str | Path) -> FeatureSet:
        """The features of the file at `path`. Raises ConfigError."""
        path = Path(path)
        return parse_config(plain_yaml(read_text(path), where=path.name), cls, where=path.name)

    @cached_property
    def columns(self) -> Mapping[str, RankFeature]:
        """Name of each column of a matrix -> the feature that gives it."""
        return {column: one for name, one in self.features.items() for column in one.columns(name)}

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns of a matrix: of the features, those of a wide one with a number."""
        return tuple(self.columns)

    @cached_property
    def asker_columns(self) -> tuple[str, ...]:
        """Columns of the searcher and the context that any feature reads."""
        read = [one.searcher for one in self.features.values() if isinstance(one, Common | Distance | Past)]
        flat = [name for each in read for name in ([each] if isinstance(each, str) else each)]
        return tuple(dict.fromkeys([*flat, *(self.sequence.asker_columns if self.sequence else ())]))

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Embedding keys whose vectors of a request are needed."""
        return tuple(dict.fromkeys(one.key for one in self.features.values() if isinstance(one, OfEmbedding)))

    @property
    def needs_history(self) -> bool:
        return any(isinstance(one, Clicks | Popularity) for one in self.features.values())

    @property
    def needs_channels(self) -> bool:
        return any(isinstance(one, FoundByChannel) for one in self.features.values())

    def check(self, vertical: Vertical, columns: Mapping[str, pa.DataType], embeddings: Mapping[str, int]) -> None:
        """Raises ConfigError for a name that the vertical or the collection (columns, embeddings) does not know."""
        known = known_names(vertical, columns, embeddings)
        named = {f"features.{name}": one for name, one in self.features.items()}
        for name, one in {**named, "sequence": self.sequence}.items():
            try:
                if one is not None:
                    one.check(known)
            except ValueError as error:
                raise ConfigError(f"{name}: {error}") from error

    def matrix(self, candidates: Candidates) -> np.ndarray:
        """(candidates, columns) float64; NaN where nothing is known."""
        columns = [feature.values(candidates) for feature in self.features.values()]
        return candidates.restored(np.column_stack(columns))


def known_names(vertical: Vertical, columns: Mapping[str, pa.DataType], embeddings: Mapping[str, int]) -> KnownNames:
    """What features and stages may name. columns, embeddings: of the collection."""
    behaviour = () if vertical.request.behaviour is None else vertical.request.behaviour.columns()
    asker: dict[str, frozenset[ColumnType]] = {}
    for column in (*vertical.searcher_columns(), *vertical.context_columns(), *behaviour):
        asker[column.name] = asker.get(column.name, frozenset()) | {column.type}
    prefixes: dict[str, frozenset[str]] = {}
    for rule in vertical.document.terms:
        prefixes[rule.prefix] = prefixes.get(rule.prefix, frozenset()) | {rule.kind}
    return KnownNames(columns, embeddings, prefixes, asker, tuple(vertical.expressions.hybrid.channels))
