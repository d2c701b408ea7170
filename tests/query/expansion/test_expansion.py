"""The terms that an expression expands to: the most frequent among live documents, whatever the segments are."""

import random
import re
from collections import Counter

import pyarrow as pa
import pytest
from oracle import Oracle

from alicorn.errors import QueryError
from alicorn.language import parse, tree
from alicorn.query import Collection
from alicorn.query.check import check_vectors
from alicorn.query.explain.match import Matcher


def publish(path, batches, gone=()):
    """A collection with a segment for each batch of {doc_id: terms}."""
    collection = Collection.create(path, {})
    for batch in batches:
        collection.upsert(pa.table({"doc_id": list(batch), "terms": pa.array(batch.values(), pa.list_(pa.string()))}))
        collection.flush()
    collection.delete(list(gone))
    return collection


def most_frequent(documents, prefix, limit):
    """The oracle: doc_ids with one of the most frequent terms."""
    counts = Counter(term for terms in documents.values() for term in set(terms) if term.startswith(prefix))
    chosen = sorted(counts, key=lambda term: (-counts[term], term))[:limit]
    return {doc_id for doc_id, terms in documents.items() if not set(chosen).isdisjoint(terms)}, len(counts)


@pytest.mark.parametrize("num_segments", [1, 2, 5])
def test_the_most_frequent_terms_of_live_documents_are_chosen(tmp_path, num_segments):
    rng = random.Random(num_segments)
    words = ["text:" + "".join(rng.choices("aé日", k=rng.randint(1, 4))) for _ in range(60)] + ["tag:a", "text"]
    documents = {f"d{at}": rng.choices(words, range(len(words), 0, -1), k=rng.randint(0, 6)) for at in range(200)}
    batches = [dict(list(documents.items())[at::num_segments]) for at in range(num_segments)]
    gone = rng.sample(list(documents), 60)
    with publish(tmp_path / "c", batches, gone) as collection:
        for doc_id in gone:
            del documents[doc_id]
        for prefix in ("text:", "text:a", "text:日é", "t", "none"):
            for limit in (1, 2, 7, 30, 61):
                result = collection.search(f"(prefix {prefix} :terms {limit})", limit=1000)
                expected, num_fitting = most_frequent(documents, prefix, limit)
                assert set(result.ids) == expected
                assert bool(result.notices) == (num_fitting > limit)


def test_a_notice_says_once_how_many_terms_were_left_out(tmp_path):
    with publish(
        tmp_path / "c", [{"a": ["text:jo", "text:joan"], "b": ["text:joan"], "c": ["text:john"]}]
    ) as collection:
        result = collection.search("(weak-and ((prefix text:jo :terms 2) :optional-hits 1) (prefix text:jo :terms 2))")
        assert result.notices == ("(prefix text:jo :terms 2): 3 terms fit, cut to the 2 most frequent",)
        assert collection.search("(prefix text:jo :terms 3)").notices == ()


def test_a_reason_names_only_terms_that_were_chosen(tmp_path):
    with publish(
        tmp_path / "c", [{"a": ["text:jo", "text:joan"], "b": ["text:joan"], "c": ["text:jo"] * 2, "d": ["text:jo"]}]
    ) as collection:
        assert collection.explain("(prefix text:jo :terms 1)", "a").why == "has text:jo"
        reason = collection.explain("(prefix text:joa)", "c")
        assert (reason.matches, reason.why) == (False, "has none of the terms that it expands to")


@pytest.mark.parametrize("num_segments", [1, 4])
def test_the_nearest_terms_come_first_then_the_most_frequent_of_live_documents(tmp_path, num_segments):
    rng = random.Random(num_segments)
    words = ["text:" + "".join(rng.choices("abé日", k=rng.randint(1, 5))) for _ in range(80)]
    documents = {f"d{at}": {"terms": rng.choices(words, range(80, 0, -1), k=rng.randint(0, 6))} for at in range(200)}
    plain = {doc_id: document["terms"] for doc_id, document in documents.items()}
    batches = [dict(list(plain.items())[at::num_segments]) for at in range(num_segments)]
    gone = rng.sample(list(documents), 60)
    with publish(tmp_path / "c", batches, gone) as collection:
        oracle = Oracle({"doc_id": doc_id, **documents[doc_id]} for doc_id in set(documents) - set(gone))
        for word in rng.sample(words, 10):
            for edits, exact, limit in [(1, None, 50), (1, None, 3), (2, None, 1), (2, 1, 5), (2, 3, 10)]:
                for below in (None, 1, 5):
                    node = tree.Fuzzy(word, edits, exact, limit, below)
                    assert set(collection.search(node, limit=1000).ids) == oracle.evaluate(node), str(node)


def test_explain_shows_the_terms(tmp_path):
    with publish(
        tmp_path / "c", [{"a": ["text:jo", "text:joan"]}, {"b": ["text:jo"], "c": ["text:john"]}]
    ) as collection:
        step = collection.search("(fuzzy text:joh)", explain=True).explanation
        assert step.to_dict()["terms"] == ["text:jo", "text:john"]
        assert "2 terms: text:jo, text:john" in str(step)
        assert collection.search("(prefix text:none)", explain=True).explanation.to_dict()["num_terms"] == 0
    with Collection.create(tmp_path / "empty", {}) as collection:
        assert collection.search("(fuzzy text:joh)", explain=True).explanation.to_dict()["terms"] == []


def test_a_match_has_the_term_that_was_near(tmp_path):
    with publish(tmp_path / "c", [{"a": ["text:jonh", "text:jane"]}]) as collection:
        snapshot = collection.snapshot()
        view, number = snapshot.find("a")
        matcher = Matcher(parse("(fuzzy text:john)"), snapshot, check_vectors({}))
        assert matcher.match(view, number, ["text:jonh", "text:jane"]).terms == ["text:jonh"]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("(fuzzy text:jon :edits 3)", "edits as an integer from 1 to 2, got 3"),
        ("(fuzzy text:jon :edits 0)", "edits as an integer from 1 to 2, got 0"),
        ("(fuzzy text:jon :terms 100001)", "terms as an integer from 1 to 100000, got 100001"),
        ("(fuzzy text:jon :exact -1)", "exact as an integer from 1 to 1000000000, got -1"),
        ("(fuzzy text:jon :below 0)", "below as an integer from 1 to 1000000000, got 0"),
        ("(fuzzy)", "needs a term"),
        ("(fuzzy text:jon text:joan)", "a term and no operand"),
        ("(prefix text:jo :terms 0)", "terms as an integer from 1 to 100000, got 0"),
        ("(prefix text:jo :edits 1)", "has no option :edits"),
    ],
)
def test_arguments_beyond_their_bounds_are_refused(tmp_path, expression, message):
    with Collection.create(tmp_path / "c", {}) as collection, pytest.raises(QueryError, match=re.escape(message)):
        collection.search(expression)
