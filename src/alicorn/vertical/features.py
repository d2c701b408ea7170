"""The kinds of features and the type each asks of its column. Part of Vertical; turned into arrays by features/."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from alicorn.config import Config
from alicorn.vertical.columns import Column, ColumnType


class TextFeature(Config):
    """Text, read as n-grams. A list of strings is the text of its members, none running into the next."""

    kind: Literal["text"]
    column: str

    def columns(self, why: str) -> Iterator[Column]:
        yield Column(self.column, ColumnType.TEXT, why)


class IdFeature(Config):
    """One categorical value, such as a city. Null is unknown."""

    kind: Literal["id"]
    column: str

    def columns(self, why: str) -> Iterator[Column]:
        yield Column(self.column, ColumnType.STRING, why)


class IdsFeature(Config):
    """Several categorical values (multi-hot), each with a weight when the column `weights` is named."""

    kind: Literal["ids"]
    column: str
    weights: str | None = None

    def columns(self, why: str) -> Iterator[Column]:
        yield Column(self.column, ColumnType.STRINGS, why)
        if self.weights is not None:
            yield Column(self.weights, ColumnType.FLOATS, why)


class DenseFeature(Config):
    """A vector of `dim` numbers made elsewhere, such as a social embedding. Null is unknown."""

    kind: Literal["dense"]
    column: str
    dim: Annotated[int, Field(ge=1)]

    def columns(self, why: str) -> Iterator[Column]:
        yield Column(self.column, ColumnType.FLOATS, why)


class VectorsFeature(Config):
    """Vectors of `dim` numbers made elsewhere, any number of them in no order, such as those of a product's images."""

    kind: Literal["vectors"]
    column: str
    dim: Annotated[int, Field(ge=1)]

    def columns(self, why: str) -> Iterator[Column]:
        yield Column(self.column, ColumnType.VECTORS, why)


class NumericFeature(Config):
    """One number, such as an age. Null is unknown."""

    kind: Literal["numeric"]
    column: str

    def columns(self, why: str) -> Iterator[Column]:
        yield Column(self.column, ColumnType.NUMBER, why)


class SequenceFeature(Config):
    """What happened one after another, such as documents visited: lists of equal length, the oldest element first.

    parts: part -> column; element i of a row is element i of each. A part reads the table of its name, so that `brand`
    means the same brand in a sequence and in a document with an id feature `brand`. last: so many newest ones are read.
    """

    kind: Literal["sequence"]
    parts: Annotated[dict[str, str], Field(min_length=1)]
    last: Annotated[int, Field(ge=1)] = 50

    def columns(self, why: str) -> Iterator[Column]:
        for part, column in self.parts.items():
            yield Column(column, ColumnType.STRINGS, f"{why}, part {part}")


Feature = Annotated[
    TextFeature | IdFeature | IdsFeature | DenseFeature | VectorsFeature | NumericFeature | SequenceFeature,
    Field(discriminator="kind"),
]

_ORDER = "`order: {hybrid: {nn: 1, bm25: 0.1}}`"
_COSINE = "no distance: vectors have length 1 and are compared by their cosine"
_TUNE = "nothing of the index here: `alicorn tune` sets it in the collection"
OTHER_NAMES: Mapping[str, str] = {
    "type": "`kind: ...`",
    **dict.fromkeys(("field", "source", "column_name"), "`column: ...`"),
    **dict.fromkeys(("categorical", "category", "keyword", "enum"), "`{kind: id, column: ...}`"),
    **dict.fromkeys(("multi", "tags", "multi_hot", "categorical_list", "list"), "`{kind: ids, column: ...}`"),
    **dict.fromkeys(("string", "str", "full_text"), "`{kind: text, column: ...}`"),
    **dict.fromkeys(("number", "numerical", "float", "int", "integer", "continuous"), "`{kind: numeric, column: ...}`"),
    **dict.fromkeys(("vector", "embedding", "dense_vector"), "`{kind: dense, column: ..., dim: ...}`"),
    **dict.fromkeys(("dims", "dimension", "dimensions", "size"), "`dim: ...`"),
    **dict.fromkeys(("analyzer", "analyzers", "stemmer", "tokenizer"), "`analysis: {text: {stem: english}}`"),
    **dict.fromkeys(("stopwords", "stop"), "`stop_words: [...]`"),
    **dict.fromkeys(("sort", "ranking", "rank", "boost", "boosts"), _ORDER),
    **dict.fromkeys(("documents", "items", "item"), "`document: {features: ..., terms: ...}`"),
    **dict.fromkeys(("query", "queries", "user", "users", "searcher"), "`request: {features: ...}`"),
    **dict.fromkeys(("filter", "filters"), "`selection: {documents: [...]}`, or a filter in an expression"),
    **dict.fromkeys(("mappings", "properties", "schema"), "`document: {features: ..., terms: ..., stored: ...}`"),
    **dict.fromkeys(
        ("copy_to", "fieldset", "combined_fields"), "`terms: [{prefix: text, column: ..., kind: words}, ...]`"
    ),
    **dict.fromkeys(("store", "stored_fields", "summary", "payload", "attribute", "doc_values"), "`stored: [...]`"),
    **dict.fromkeys(("facet", "facets", "aggs"), "`stored: [...]`, by whose columns a search asks for facets"),
    **dict.fromkeys(("synonym", "synonym_graph"), "`synonyms: [...]`, or the name of a file"),
    **dict.fromkeys(
        ("ngram", "edge_ngram", "shingle"), "`word_ngrams: ...`; (prefix text:jo) finds beginnings of words"
    ),
    **dict.fromkeys(("popularity", "document_boost", "quality", "score"), "`static_rank: ...`, a column of documents"),
    **dict.fromkeys(("rank_profile", "rank_profiles", "function_score", "rescore", "sort_by"), _ORDER),
    **dict.fromkeys(("similarity", "distance", "metric", "space_type", "metric_type"), _COSINE),
    **dict.fromkeys(
        ("nlist", "nprobe", "hnsw", "hnsw_config", "index_factory", "ef_construction", "quantization"), _TUNE
    ),
    **dict.fromkeys(("fields", "columns"), "`features: ...`, `terms: ...` and `stored: [...]` of `document`"),
}
"""What other systems call the keys and kinds of vertical.yaml -> what to write, for the message of an unknown one."""
