"""The kinds of features and the type each asks of its column. Part of Vertical; turned into arrays by features/."""

from collections.abc import Iterator
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
