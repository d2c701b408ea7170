"""What is known of a document and of a request: the sections `document` and `request` of vertical.yaml."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from alicorn.config import Config
from alicorn.vertical.behaviour import Behaviour
from alicorn.vertical.features import Feature, TextFeature


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", name):
        raise ValueError(f"a name is a letter followed by letters, digits, '_', '-' or '.'; got {name!r}")
    return name


Name = Annotated[str, AfterValidator(_checked_name)]
NamedFeatures = Annotated[dict[Name, Feature], Field(min_length=1)]


class TermRule(Config):
    """One family of terms: `prefix:<word>` for the words of a column (words), `prefix:<normalised value>` for its
    values (value), or `prefix:<the value as alicorn.text.phrase writes it>` (phrase), which a whole query can equal."""

    prefix: Name
    column: str
    kind: Literal["words", "value", "phrase"]


class DocumentSide(Config):
    """What is known of a document, by columns of the table `documents`."""

    features: NamedFeatures
    terms: tuple[TermRule, ...] = ()
    stored: tuple[str, ...] = ()
    static_rank: str | None = None

    @model_validator(mode="after")
    def _check(self) -> "DocumentSide":
        if repeated := _repeated([(rule.prefix, rule.column) for rule in self.terms]):
            raise ValueError(f"terms: prefix '{repeated[0]}' of column '{repeated[1]}' is given twice")
        if repeated := _repeated(self.stored):
            raise ValueError(f"stored: column '{repeated}' is given twice")
        for name in self.stored:
            if name in ("doc_id", "terms", "term_positions", "static_rank") or name.startswith("embedding:"):
                raise ValueError(f"stored: '{name}' has its own place in the index: leave it out")
        return self


class RequestSide(Config):
    """What is known of a request: the column `query` is its text; those of `context` are columns of `impressions`, such
    as device or page; those of `behaviour` come from what the searcher did before (behaviour.py); all others from the
    table `searchers`."""

    features: NamedFeatures
    context: tuple[str, ...] = ()
    behaviour: Behaviour | None = None

    @model_validator(mode="after")
    def _check(self) -> "RequestSide":
        for name, feature in self.features.items():
            read = {column.name for column in feature.columns(name)}
            if "query" in read and not isinstance(feature, TextFeature):
                raise ValueError(f"features.{name}: 'query' is the query text: its kind is text, not {feature.kind}")
            places = sorted({self._place(column) for column in read})
            if len(places) > 1:
                raise ValueError(
                    f"features.{name}: its columns are of {' and '.join(places)}: they have no common rows; take them "
                    "from one place"
                )
        self._check_context()
        return self

    def _check_context(self) -> None:
        read = {column.name for name, feature in self.features.items() for column in feature.columns(name)}
        for name in self.context:
            if name in ("query", "searcher_id", "search_id"):
                raise ValueError(f"context: '{name}' is what the log knows of every search: leave it out")
            if name not in read:
                raise ValueError(f"context: no feature reads '{name}': add one to features, or leave it out")
            if self.behaviour and self.behaviour.group_of(name) is not None:
                raise ValueError(f"context: '{name}' is a column that behaviour makes: rename one of them")

    def _place(self, column: str) -> str:
        if column in self.context:
            return "the context"
        return (self.behaviour and self.behaviour.group_of(column)) or "the table of searchers"

    def of_context(self) -> dict[str, Feature]:
        """The features that read columns of the context."""
        return {name: one for name, one in self.features.items() if self._reads_any(one, set(self.context))}

    def of_searchers(self) -> dict[str, Feature]:
        """The others, which a table of searchers has to have."""
        return {name: one for name, one in self.features.items() if not self._reads_any(one, set(self.context))}

    def logged(self) -> dict[str, Feature]:
        """Those of them that read no column of `behaviour`: what the log folder has to have."""
        made = {column.name for column in self.behaviour.columns()} if self.behaviour else set()
        return {name: one for name, one in self.of_searchers().items() if not self._reads_any(one, made)}

    @staticmethod
    def _reads_any(feature: Feature, columns: set[str]) -> bool:
        return any(column.name in columns for column in feature.columns(""))


def _repeated(values: Sequence[Any]) -> Any:
    return next((value for i, value in enumerate(values) if value in values[:i]), None)
