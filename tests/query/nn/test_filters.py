"""A filter that is asked again is not evaluated again, until something is written."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import alicorn
from alicorn.language import tree
from alicorn.query.operators import OPERATORS

VECTOR = {"x": np.array([1.0, 0.0])}


def table(doc_ids: list[str], terms: list[list[str]], vectors: list[list[float]]) -> pa.Table:
    return pa.table({"doc_id": doc_ids, "terms": terms, "embedding:x": vectors})


@pytest.fixture
def collection(tmp_path):
    terms = [["t:a"], ["t:a", "t:b"], ["t:a"], ["t:c"]]
    with alicorn.Collection.create(tmp_path / "c", {"x": 2}) as made:
        made.upsert(table(list("abcd"), terms, [[1.0, 0.1], [1.0, 0.0], [0.5, 1.0], [0.9, 0.1]]))
        yield made


def counting(monkeypatch: pytest.MonkeyPatch) -> list[tree.Node]:
    """The nodes of `difference` that are evaluated from now on."""
    difference, asked = OPERATORS[tree.Difference], []

    def counted(evaluation, node, within):
        asked.append(node)
        return difference.evaluate(evaluation, node, within)

    monkeypatch.setitem(OPERATORS, tree.Difference, difference._replace(evaluate=counted))
    return asked


@pytest.mark.parametrize(
    ("filter", "ids", "evaluated"),
    [
        ("(difference t:a t:b)", ["a", "c"], 2),
        ("(difference (prefix t:) t:b)", ["a", "d", "c"], 5),  # a prefix may have something to say
        ("(difference t:a (nn x :k 1))", ["a", "c"], 5),
    ],
)
def test_a_filter_of_documents_alone_is_evaluated_twice(collection, monkeypatch, filter, ids, evaluated):
    asked = counting(monkeypatch)
    text = f"(nn x :k 9 :filter {filter})"
    assert [collection.search(text, VECTOR).ids for _ in range(5)] == [ids] * 5
    assert len(asked) == evaluated
    collection.delete(["a"])
    collection.upsert(table(["e"], [["t:a"]], [[1.0, -0.01]]))
    assert collection.search(text, VECTOR).ids == [one for one in ["e", *ids] if one != "a"]


def test_operands_beside_a_radius_are_evaluated_twice(collection, monkeypatch):
    asked = counting(monkeypatch)
    text = "(and (difference t:a t:b) (nn x :radius 0.1))"
    assert [collection.search(text, VECTOR).ids for _ in range(5)] == [["a"]] * 5
    assert len(asked) == 2
    collection.upsert(table(["e"], [["t:a"]], [[1.0, -0.01]]))
    assert collection.search(text, VECTOR).ids == ["e", "a"]
