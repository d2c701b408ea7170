"""What a hit has of the query: terms and cosines, and whether clusters were left out."""

import numpy as np
import pyarrow as pa
import pytest

from alicorn.language import parse
from alicorn.query import Collection
from alicorn.query.check import check_vectors
from alicorn.query.explain.match import Match, Matcher


@pytest.fixture
def collection(tmp_path):
    table = pa.table(
        {
            "doc_id": ["a", "b"],
            "terms": [["text:john", "text:smith", "tag:red", "text:john"], ["text:jane"]],
            "embedding:x": pa.array([[3.0, 4.0], None], pa.list_(pa.float32())),
        }
    )
    with Collection.create(tmp_path / "c", {"x": 2}) as opened:
        opened.upsert(table)
        yield opened


def matches(collection, expression, **vectors):
    """The match of each document, and whether the search was approximate."""
    snapshot = collection.snapshot()
    matcher = Matcher(parse(expression), snapshot, check_vectors(vectors))
    found = []
    for doc_id in ("a", "b"):
        view, number = snapshot.find(doc_id)
        found.append(matcher.match(view, number, view.segment.document(number)["terms"]))
    return found, matcher.approximate


def test_a_match_has_the_terms_that_the_expression_names(collection):
    found, approximate = matches(collection, "(or text:john (prefix text:smi) (and text:jane (not tag:red)))")
    assert found == [Match(["text:john", "text:smith"], {}), Match(["text:jane"], {})]
    assert approximate is None


def test_a_match_has_the_cosine_to_each_vector_where_the_document_has_one(collection):
    found, approximate = matches(collection, "(or (nn x :k 1) (nn x :k 1 :vector mine))", x=[1, 0], mine=[0, 2])
    assert found[0].cosine == pytest.approx({"x": 0.6, "mine": 0.8}, abs=1e-6)
    assert found[1].cosine == {}
    assert approximate is False
    assert np.isclose(collection.search("(nn x :k 1)", {"x": [1, 0]}).scores[0], found[0].cosine["x"])
