"""`phrase:<prefix>` in an order: which neighbouring words of the expression are neighbours in a document, too."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

import pyarrow as pa
import pytest

from alicorn import Collection
from alicorn.errors import ConfigError

WORDS = "abcdef"


@pytest.fixture(scope="module")
def texts() -> dict[str, list[str]]:
    rng = random.Random(3)
    return {f"d{number:02}": rng.choices(WORDS, k=rng.randint(0, 9)) for number in range(60)}


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory, texts: dict[str, list[str]]) -> Iterator[Collection]:
    """Two segments."""
    ids = list(texts)
    with Collection.create(tmp_path_factory.mktemp("c") / "c", positions=["text"]) as made:
        for some in (ids[:40], ids[40:]):
            terms = [[f"text:{word}" for word in texts[one]] for one in some]
            made.upsert(pa.table({"doc_id": some, "terms": terms}))
        yield made


def scores(collection: Collection, expression: str, **order_by: object) -> dict[str, float]:
    found = collection.search(expression, limit=100, order_by=order_by)
    return dict(zip(found.ids, found.scores.tolist(), strict=True))


@pytest.mark.parametrize("query", ["ab", "abc", "fedcba", "aa", "a", "abab"])
def test_a_document_has_the_share_of_the_phrases_of_two_words(
    collection: Collection, texts: dict[str, list[str]], query: str
) -> None:
    found = scores(collection, f"(or {' '.join(f'text:{word}' for word in query)} text:f)", **{"phrase:text": 2.0})
    pairs = set(pairwise([*query, "f"]))
    for doc_id, score in found.items():
        has = pairs & set(pairwise(texts[doc_id]))
        assert score == pytest.approx(2.0 * len(has) / len(pairs)), (doc_id, texts[doc_id])


@pytest.mark.parametrize("slop", [1, 2, 4])
def test_with_slop_the_phrases_are_those_of_the_expression(collection: Collection, slop: int) -> None:
    found = scores(collection, "(or text:a text:b text:c)", **{"phrase:text": {"slop": slop}})
    phrases = [set(collection.search(f"(phrase text {two} :slop {slop})", limit=100).ids) for two in ("a b", "b c")]
    assert found == {doc_id: sum(doc_id in phrase for phrase in phrases) / 2 for doc_id in found}
    assert set(found.values()) >= {0.0, 0.5}


def test_an_or_within_is_a_word_with_synonyms(collection: Collection, texts: dict[str, list[str]]) -> None:
    found = scores(collection, "(and text:a (or text:b text:c) (not text:f))", **{"phrase:text": 1})
    for doc_id, score in found.items():
        assert score == bool({("a", "b"), ("a", "c")} & set(pairwise(texts[doc_id]))), texts[doc_id]
    assert set(found.values()) == {0.0, 1.0}


def test_it_is_a_part_of_sums_and_of_fusions(collection: Collection) -> None:
    expression = "(or text:a text:b text:c)"
    words, near = (scores(collection, expression, **{part: 1}) for part in ("bm25", "phrase:text"))
    both = scores(collection, expression, bm25=1, **{"phrase:text": 0.5})
    assert both == pytest.approx({doc_id: words[doc_id] + 0.5 * near[doc_id] for doc_id in words})
    fused = collection.search(expression, limit=100, order_by={"rrf": ["phrase:text"], "k": 1})
    best = max(near.values())
    assert near[fused.ids[0]] == best
    assert [near[doc_id] for doc_id in fused.ids] == sorted(near.values(), reverse=True)


def test_positions_that_are_not_kept_and_options_of_other_parts_are_refused(collection: Collection) -> None:
    with pytest.raises(ConfigError, match=r"order_by phrase:title needs the positions .* keeps those of: text"):
        collection.search("text:a", order_by={"phrase:title": 1})
    with pytest.raises(ConfigError, match=r"slop of phrase must be a whole number from 0 to 100, got 1\.5"):
        collection.search("text:a", order_by={"phrase:text": {"slop": 1.5}})
    with pytest.raises(ConfigError, match="bm25 takes weight, half_at, log and fields, got 'slop'"):
        collection.search("text:a", order_by={"bm25": {"slop": 1}})


def test_pages_go_on_behind_a_cursor(collection: Collection) -> None:
    expression, order = "(or text:a text:b text:c)", {"phrase:text": 1}
    whole = collection.search(expression, limit=100, order_by=order).ids
    first = collection.search(expression, limit=7, order_by=order)
    second = collection.search(expression, limit=100, order_by=order, after=first.cursor)
    assert first.ids + second.ids == whole
    with pytest.raises(ConfigError, match="cursor"):
        collection.search("(or text:b text:a text:c)", order_by=order, after=first.cursor)
