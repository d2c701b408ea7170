"""Where does a hit have the words that matched? Places in its stored columns, after the vertical's analysis."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from alicorn.analysis.highlight import highlights, marked
from alicorn.errors import AlicornError
from alicorn.vertical import Vertical


class Place(NamedTuple):
    """Characters [start, end) of a stored text; of element `item` where the column is a list, else None."""

    start: int
    end: int
    item: int | None = None


class Highlighter:
    """The stored columns whose words are terms, each with its prefixes and their analyzers."""

    def __init__(self, vertical: Vertical | None) -> None:
        """Raises AlicornError without a vertical, and for one that stores no column of words."""
        if vertical is None:
            raise AlicornError("highlights are of columns that a vertical reads as words: give a model, which has one")
        self._columns = {
            column: [(f"{prefix}:", vertical.analyzer(prefix)) for prefix in prefixes]
            for column, prefixes in vertical.word_columns().items()
            if column in vertical.document.stored
        }
        if not self._columns:
            raise AlicornError(
                "no highlights: the vertical stores no column of words; add one of"
                f" {', '.join(vertical.word_columns()) or 'document.terms, kind words,'} to document.stored"
            )

    def places(self, document: Mapping[str, Any], terms: Collection[str]) -> dict[str, list[Place]]:
        """Column -> where it has any of the terms, in order. document: as it is stored; terms: with prefix."""
        found = {}
        for column, analyzers in self._columns.items():
            value = document.get(column)
            texts = [value] if isinstance(value, str) else value or []
            wanted = [(analyzer, _without(prefix, terms)) for prefix, analyzer in analyzers]
            places = [
                Place(start, end, None if isinstance(value, str) else item)
                for item, text in enumerate(texts)
                if text is not None
                for start, end in highlights(wanted, text)
            ]
            if places:
                found[column] = places
        return found


def _without(prefix: str, terms: Collection[str]) -> set[str]:
    """The terms of a prefix, without it."""
    return {term[len(prefix) :] for term in terms if term.startswith(prefix)}


def marked_values(
    document: Mapping[str, Any], places: Mapping[str, list[Place]], before: str, after: str
) -> dict[str, Any]:
    """The columns that have places, with `before` and `after` around each."""
    found: dict[str, Any] = {}
    for column, of in places.items():
        value = document[column]
        if isinstance(value, str):
            found[column] = marked(value, [(place.start, place.end) for place in of], before, after)
        else:
            found[column] = [
                marked(text, [(place.start, place.end) for place in of if place.item == item], before, after)
                for item, text in enumerate(value)
                if any(place.item == item for place in of)
            ]
    return found
