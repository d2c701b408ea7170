"""The terms that an expression expands to: the most frequent among live documents, whatever the segments are."""

import random
from collections import Counter

import pyarrow as pa
import pytest

from alicorn.query import Collection


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
