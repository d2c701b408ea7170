"""(phrase ...): what it needs, in which order an `and` runs it, and what `explain` says of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from alicorn import Collection
from alicorn.errors import QueryError

TEXTS = ["new york city", "york new", "new big york", "the city of new york", "new", "paris"]


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    with Collection.create(tmp_path / "c", positions=["text"]) as made:
        terms = [[f"text:{word}" for word in text.split()] for text in TEXTS]
        made.upsert(pa.table({"doc_id": [f"d{number}" for number in range(len(TEXTS))], "terms": terms}))
        yield made


def found(collection: Collection, expression: str) -> list[str]:
    return sorted(collection.search(expression).ids)


def test_words_are_found_in_their_order(collection: Collection) -> None:
    assert found(collection, "(phrase text new york)") == ["d0", "d3"]
    assert found(collection, "(phrase text new york :slop 1)") == ["d0", "d2", "d3"]
    assert found(collection, "(phrase text new york :slop 2)") == ["d0", "d1", "d2", "d3"]
    assert found(collection, "(phrase text york)") == ["d0", "d1", "d2", "d3"]
    assert found(collection, "(phrase text new nowhere)") == []


def test_a_phrase_is_an_operand_like_any_other(collection: Collection) -> None:
    assert found(collection, "(and text:city (not (phrase text new york city)))") == ["d3"]
    assert found(collection, "(or text:paris (phrase text york new))") == ["d1", "d5"]
    assert found(collection, "(weak-and text:new ((phrase text new york) :optional-hits 1))") == ["d0", "d1", "d3"]


@pytest.mark.parametrize("expression", ["(phrase title a b)", "(or text:new (phrase title a))"])
def test_positions_that_are_not_kept_are_told_with_the_remedy(collection: Collection, expression: str) -> None:
    with pytest.raises(QueryError, match=r"of prefix 'title'; this collection keeps those of: text") as caught:
        collection.search(expression)
    assert "Add them (Collection.add_positions)" in str(caught.value)
    assert caught.value.offset == expression.index("(phrase")


def test_a_collection_without_positions_says_so(tmp_path: Path) -> None:
    with Collection.create(tmp_path / "c") as none, pytest.raises(QueryError, match="keeps those of: none"):
        none.search("(phrase text new york)")


def test_an_and_reads_the_positions_of_the_documents_that_its_terms_leave(collection: Collection) -> None:
    expression = "(and (phrase text new york) text:city)"
    explanation = collection.search(expression, explain=True).explanation
    assert explanation is not None
    term, phrase = explanation.children
    assert term.expression == "text:city"  # as frequent, and cheaper
    assert (phrase.narrowed_to, phrase.positions_read, phrase.actual) == (2, 2, 2)
    assert phrase.to_dict()["positions_read"] == 2
    assert "within 2, positions of 2 documents read" in str(explanation)


def test_a_repeated_word_looks_at_the_documents_that_have_it_as_often(tmp_path: Path) -> None:
    texts = ["new new york", "new york new", "new york", "york york new", "new new new"]
    with Collection.create(tmp_path / "c", positions=["text"]) as made:
        terms = [[f"text:{word}" for word in text.split()] for text in texts]
        made.upsert(pa.table({"doc_id": [f"d{number}" for number in range(len(texts))], "terms": terms}))
        assert found(made, "(phrase text new new)") == ["d0", "d4"]
        assert found(made, "(phrase text new new :slop 1)") == ["d0", "d1", "d4"]
        assert found(made, "(and text:york (phrase text new new))") == ["d0"]
        explanation = made.search("(phrase text new new york)", explain=True).explanation
        assert explanation is not None
        assert explanation.positions_read == 2, "of five documents with new, four have york too, two have new twice"
        assert found(made, f"(phrase text {'new ' * 90})") == []


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("(phrase text york new)", "has the words one after the other, in this order"),
        ("(phrase text new york)", "has the words, but not one after the other, in this order"),
        ("(phrase text new york :slop 2)", "has the words in this order, within :slop 2"),
        ("(phrase text new york :slop 1)", "has the words, but not in this order, within :slop 1"),
        ("(phrase text new paris)", "lacks text:paris"),
    ],
)
def test_why_says_what_decided(collection: Collection, expression: str, why: str) -> None:
    reason = collection.explain(expression, "d1")
    assert reason is not None
    assert reason.why == why
    assert reason.matches == (why.startswith("has the words") and "not" not in why)
