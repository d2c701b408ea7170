"""BM25 of fuzzy terms against its formula, one document after the other."""

import math
import random

import pyarrow as pa
import pytest
from oracle import Oracle, num_edits

from alicorn import Collection
from alicorn.language import parse

WORDS = ["shoe", "shoes", "shore", "hsoe", "show", "boot", "a"]
K1, B = 1.2, 0.75


@pytest.fixture(scope="module", params=[1, 4])
def world(request, tmp_path_factory):
    """A collection of so many segments, and its live documents: doc_id -> terms."""
    rng = random.Random(3)
    documents = {
        f"d{number:03d}": [
            f"{rng.choice(['text', 'title', 'tag'])}:{rng.choice(WORDS)}" for _ in range(rng.randint(0, 8))
        ]
        for number in range(200)
    }
    with Collection.create(tmp_path_factory.mktemp("spellings") / "c", {}) as collection:
        for at in range(request.param):
            ids = list(documents)[at :: request.param]
            terms = pa.array([documents[doc_id] for doc_id in ids], pa.list_(pa.string()))
            collection.upsert(pa.table({"doc_id": ids, "terms": terms}))
            collection.flush()
        gone = rng.sample(sorted(documents), 40)
        collection.delete(gone)
        yield collection, {doc_id: terms for doc_id, terms in documents.items() if doc_id not in gone}


def score(documents, doc_id, prefix, word, spellings, fields):
    """BM25 of a word of a prefix that is spelt in these ways, in fields: prefix -> weight."""
    likeness = {one: max(1 - num_edits(one, word) / max(min(len(one), len(word)), 1), 0.0) for one in spellings}
    tf = 0.0
    for field, weight in fields.items():
        lengths = {one: sum(term.startswith(f"{field}:") for term in terms) for one, terms in documents.items()}
        average = sum(lengths.values()) / len(documents)
        norm = 1.0 if prefix == "tag" else 1 - B + B * lengths[doc_id] / average
        tf += sum(weight * likeness[one] * documents[doc_id].count(f"{field}:{one}") / norm for one in spellings)
    having = {f"{field}:{one}" for field in fields for one in spellings}
    df = sum(not having.isdisjoint(terms) for terms in documents.values())
    return math.log(1 + (len(documents) - df + 0.5) / (df + 0.5)) * tf / (tf + K1)


@pytest.mark.parametrize(
    ("expression", "order", "fields"),
    [
        ("(fuzzy text:shoe)", "bm25", {"text": 1.0}),
        ("(fuzzy text:shoe :edits 2 :terms 3)", "bm25", {"text": 1.0}),
        ("(fuzzy tag:shoe :exact 2)", "bm25", {"tag": 1.0}),
        ("(fuzzy text:a)", "bm25", {"text": 1.0}),
        ("(fuzzy text:shoe)", {"bm25": {"fields": {"title": 3, "text": 1}}}, {"title": 3.0, "text": 1.0}),
        ("(fuzzy tag:shoe)", {"bm25": {"fields": {"title": 3, "text": 1}}}, {"tag": 1.0}),
    ],
)
def test_a_fuzzy_term_is_one_word_spelt_in_several_ways(world, expression, order, fields):
    collection, documents = world
    node = parse(expression)
    oracle = Oracle({"doc_id": doc_id, "terms": terms} for doc_id, terms in documents.items())
    prefix, _, word = node.term.partition(":")
    spellings = [term.partition(":")[2] for term in oracle.expanded(node)]
    result = collection.search(expression, order_by=order, limit=1000)
    assert result.total == len(oracle.evaluate(node)) > 0
    expected = [score(documents, doc_id, prefix, word, spellings, fields) for doc_id in result.ids]
    assert result.scores.tolist() == pytest.approx(expected, rel=1e-12)
    hits = list(zip((-result.scores).tolist(), result.ids, strict=True))
    assert hits == sorted(hits)
    assert collection.search(expression, order_by=order, limit=3).ids == result.ids[:3]


def test_the_word_itself_comes_before_a_misspelling_and_both_add_to_other_words(tmp_path):
    with Collection.create(tmp_path / "c", {}) as collection:
        terms = {"a": ["text:shoe", "text:red"], "b": ["text:hsoe", "text:red"], "c": ["text:hat", "text:red"]}
        collection.upsert(pa.table({"doc_id": list(terms), "terms": pa.array(terms.values(), pa.list_(pa.string()))}))
        result = collection.search("(or text:red (fuzzy text:shoe))", order_by="bm25")
        assert result.ids == ["a", "b", "c"]
        assert len(set(result.scores.tolist())) == 3
        excluded = collection.search("(and text:red (not (fuzzy text:shoe)))", order_by="bm25")
        assert excluded.ids == ["c"]
        first = collection.search("(fuzzy text:shoe)", order_by="bm25", limit=1)
        assert collection.search("(fuzzy text:shoe)", order_by="bm25", after=first.cursor).ids == ["b"]


def test_a_word_that_is_no_misspelling_is_the_term_in_every_place(world):
    collection, _ = world
    shapes = [
        "{}",
        "(or {} text:show)",
        "(and tag:shoe (or {} text:none))",
        "(weak-and ({} :optional-hits 3) text:show)",
        "(difference text:show {})",
        "(and text:show (not {}))",
        "(apply tag: {} :limit 5)",
    ]
    for shape in shapes:
        for order in ("bm25", "static_rank", {"bm25": {"fields": {"title": 2, "text": 1}}}):
            plain = collection.search(shape.format("text:shoe"), order_by=order, limit=50)
            result = collection.search(shape.format("(fuzzy text:shoe :below 3)"), order_by=order, limit=50)
            assert (result.ids, result.scores.tolist()) == (plain.ids, plain.scores.tolist()), shape
            assert result.total == plain.total
    assert collection.search("(fuzzy text:shoe :below 100000)").total > collection.search("text:shoe").total
