"""The oracle itself, against answers worked out by hand: an engine is only as right as what it is compared with."""

import random

import numpy as np
import pytest
from oracle import Oracle
from random_documents import random_documents
from random_trees import random_tree, vocabulary

from alicorn.language.parse import parse

# Static-rank order: a (5), b (4), c and d (3, by doc_id), e (none: 0).
DOCUMENTS = [
    {"doc_id": "a", "terms": ["x", "text:john", "text:smith"], "price": 10, "friends": ["b", "zz"], "static_rank": 5.0},
    {"doc_id": "b", "terms": ["y", "friend:a"], "price": 20, "friends": None, "static_rank": 4.0},
    {"doc_id": "d", "terms": ["x", "y", "friend:b"], "price": None, "friends": ["a"], "static_rank": 3.0},
    {"doc_id": "c", "terms": ["x", "text:joan", "friend:d", "text:smith"], "price": 15.5, "static_rank": 3.0},
    {"doc_id": "e", "terms": [], "price": 30, "friends": []},
]
# Cosine distance to (1, 0): a 0, b 0.2, c 1, d 1, e has none.
EMBEDDINGS = {"a": [2.0, 0.0], "b": [0.8, 0.6], "c": [0.0, 1.0], "d": [0.0, -3.0], "e": None}
DOCUMENTS[3] |= {"friends": "e", "term_positions": [0, 0, 0, 4]}
for document in DOCUMENTS:
    document["embeddings"] = {"v": EMBEDDINGS[document["doc_id"]]}


def nearest_cluster(key, vector, nprobe):
    """Two clusters: {a, b} is nearer than the rest."""
    assert key == "v"
    return {"a", "b"} if nprobe == 1 else set("abcde")


ORACLE = Oracle(DOCUMENTS, {"v": np.array([3.0, 0.0]), "down": np.array([0.0, -1.0])}, nearest_cluster)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("x", "acd"),
        ("nothing", ""),
        ("(prefix text:jo)", "ac"),
        ("(prefix text:jo :terms 1)", "c"),  # joan and john are equally frequent: joan comes first
        ("(prefix friend: :terms 2)", "bd"),
        ("(fuzzy text:jon)", "ac"),
        ("(fuzzy text:jhn)", "a"),
        ("(fuzzy text:jhn :edits 2)", "ac"),
        ("(fuzzy text:jhn :edits 2 :terms 1)", "a"),  # john is nearer
        ("(fuzzy text:ojhn)", "a"),  # a transposition is one edit
        ("(fuzzy text:ojhn :exact 1)", ""),
        ("(fuzzy text:john :edits 2)", "ac"),
        ("(fuzzy text:john :edits 2 :below 2)", "ac"),
        ("(fuzzy text:john :edits 2 :below 1)", "a"),  # a document has it: it is no misspelling
        ("(fuzzy tex:john)", ""),  # the prefix is exact
        ("(fuzzy xx)", "acd"),
        ("(phrase text john smith)", "a"),
        ("(phrase text smith john)", ""),
        ("(phrase text smith john :slop 1)", ""),
        ("(phrase text smith john :slop 2)", "a"),
        ("(phrase text joan smith :slop 2)", ""),
        ("(phrase text joan smith :slop 3)", "c"),
        ("(phrase text joan joan :slop 9)", ""),
        ("(phrase text joan)", "c"),
        ("(and x y)", "d"),
        ("(and x (not y))", "ac"),
        ("(or)", ""),
        ("(or y (prefix text:))", "abcd"),
        ("(difference x y (prefix text:john))", "c"),
        ("(range price :min 10 :max 20)", "abc"),
        ("(range price :min 15.6)", "be"),
        ("(range price :min 3 :max 2)", ""),
        ("(nn v :radius 0.21)", "ab"),
        ("(nn v :radius 2)", "abcd"),
        ("(nn v :radius 2 :nprobe 1)", "ab"),
        ("(nn v :k 3)", "abc"),  # c and d are equally far: doc_id decides
        ("(nn v :k 2 :filter x)", "ac"),
        ("(nn v :k 9 :nprobe 1 :filter x)", "a"),
        ("(nn v :k 1 :vector down)", "d"),
        ("(weak-and x (y :optional-hits 1))", "ad"),  # a uses up the counter, c comes too late
        ("(weak-and x (y :optional-hits 2))", "acd"),
        ("(weak-and (x :optional-hits 1) (y :optional-hits 1))", "abd"),
        ("(weak-and (x :optional-hits 1) (y :optional-hits 1) (nothing :optional-hits 2))", "ab"),
        ("(strong-or x (y :optional-weight 0.5))", "abcd"),
        ("(apply friend: x)", "bc"),
        ("(apply friend: x :limit 1)", "b"),
        ("(extract friends x)", "abe"),
        ("(extract friends x :limit 1)", "b"),
    ],
)
def test_each_operator_means_what_the_language_says(expression, found):
    assert ORACLE.evaluate(parse(expression)) == set(found)


def test_order_is_distance_then_doc_id_and_hits_without_embedding_come_last():
    assert ORACLE.order("edcba", parse("(or x (nn v :k 1))")) == list("abcde")
    assert ORACLE.order("edcba", parse("x")) == list("abcde")
    assert ORACLE.order("edcba", parse("(nn v :k 1 :vector down)")) == list("dabce")
    assert ORACLE.order("edcba", parse("(nn v :k 1 :vector down)"), by="static_rank") == list("abcde")


def test_border_cases_are_recognised():
    assert ORACLE.is_borderline(parse("(and x (nn v :radius 0.2000001))"))
    assert not ORACLE.is_borderline(parse("(or (nn v :radius 0.3) (nn v :k 3))"))  # an exact tie is no border


def test_random_trees_over_random_documents_use_every_operator_and_find_something():
    rng = random.Random(5)
    dims = {"u": 4, "v": 8}
    documents = random_documents(rng, 60, dims)
    vectors = {key: np.random.default_rng(1).normal(size=dim) for key, dim in dims.items()}
    oracle = Oracle(documents, vectors)
    trees = [random_tree(rng, vocabulary(dims)) for _ in range(150)]
    sizes = [len(oracle.evaluate(tree)) for tree in trees]
    assert sum(0 < size < 60 for size in sizes) > 75
    assert len({type(tree) for tree in trees}) == 13  # all but Not, which is never at the top
    assert all(parse(str(tree)) == tree for tree in trees)
