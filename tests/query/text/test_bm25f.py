"""BM25F against its formula, one document after the other: segments, deletes, several fields, sums and fusions."""

import math
import random

import pyarrow as pa
import pytest

from alicorn import Collection
from alicorn.errors import ConfigError

WORDS = ["shoe", "red", "run", "of", "lace"]
FIELDS = ["title", "brand", "text"]
K1, B = 1.2, 0.75


def random_terms(rng):
    """Words in fields, some several times, some in several fields; tags."""
    fields = rng.sample(FIELDS, rng.randint(0, 3))
    terms = [f"{field}:{rng.choice(WORDS)}" for field in fields for _ in range(rng.randint(1, 6))]
    return [*terms, f"tag:{rng.randint(0, 2)}"]


def bm25f(documents, words, weights):
    """doc_id -> score, by the formula."""
    lengths = {
        field: {doc_id: sum(term.startswith(f"{field}:") for term in terms) for doc_id, terms in documents.items()}
        for field in weights
    }
    scores = dict.fromkeys(documents, 0.0)
    for word in words:
        df = sum(any(f"{field}:{word}" in terms for field in weights) for terms in documents.values())
        idf = math.log(1 + (len(documents) - df + 0.5) / (df + 0.5))
        for doc_id, terms in documents.items():
            tf = 0.0
            for field, weight in weights.items():
                average = sum(lengths[field].values()) / len(documents) or 1.0
                tf += weight * terms.count(f"{field}:{word}") / (1 - B + B * lengths[field][doc_id] / average)
            scores[doc_id] += idf * tf / (tf + K1)
    return scores


@pytest.fixture(scope="module", params=["one segment", "several segments, some documents deleted"])
def world(request, tmp_path_factory):
    """A collection, and its live documents: doc_id -> terms."""
    rng = random.Random(7)
    documents = {f"d{number:03d}": random_terms(rng) for number in range(300)}
    with Collection.create(tmp_path_factory.mktemp("bm25f") / "c", {}) as collection:
        num_segments = 1 if request.param == "one segment" else 4
        for at in range(num_segments):
            ids = list(documents)[at::num_segments]
            terms = pa.array([documents[doc_id] for doc_id in ids], pa.list_(pa.string()))
            collection.upsert(pa.table({"doc_id": ids, "terms": terms}))
            collection.flush()
        if num_segments > 1:
            gone = rng.sample(sorted(documents), 80)
            collection.delete(gone)
            documents = {doc_id: terms for doc_id, terms in documents.items() if doc_id not in gone}
        yield collection, documents


@pytest.mark.parametrize(
    "weights", [{"title": 3.0, "text": 1.0}, {"brand": 0.5}, {"title": 2, "brand": 5.5, "text": 1, "nothing": 9}]
)
def test_every_hit_has_the_score_of_the_formula_and_the_best_come_first(world, weights):
    collection, documents = world
    rng = random.Random(len(weights))
    for _ in range(10):
        words = rng.sample([*WORDS, "unknown"], rng.randint(1, 4))
        expected = bm25f(documents, words, weights)
        hits = "(prefix tag:)"  # every document
        expression = f"(and {hits} (or {hits} {' '.join(f'text:{word}' for word in words)}))"
        result = collection.search(expression, order_by={"bm25": {"fields": weights}}, limit=1000)
        assert dict(zip(result.ids, result.scores.tolist(), strict=True)) == pytest.approx(expected, rel=1e-12)
        assert result.scores.tolist() == sorted(result.scores.tolist(), reverse=True)
        page = collection.search(expression, order_by={"bm25": {"fields": weights}}, limit=7)
        assert page.ids == result.ids[:7]


def test_one_field_of_weight_1_is_bm25(world):
    collection, _ = world
    for expression in ("text:shoe", "(or text:shoe text:red tag:1)", "(and text:run (not text:of))"):
        plain = collection.search(expression, order_by="bm25", limit=1000)
        fields = collection.search(expression, order_by={"bm25": {"fields": {"text": 1}}}, limit=1000)
        scores = dict(zip(fields.ids, fields.scores.tolist(), strict=True))
        assert scores == pytest.approx(dict(zip(plain.ids, plain.scores.tolist(), strict=True)), rel=1e-12)


def test_a_word_of_a_heavier_field_counts_for_more_but_is_not_a_second_word(tmp_path):
    with Collection.create(tmp_path / "c", {}) as few:
        terms = {"a": ["title:shoe", "text:shoe"], "b": ["text:shoe"] * 2, "c": ["title:shoe"], "d": ["text:boot"]}
        few.upsert(pa.table({"doc_id": list(terms), "terms": pa.array(terms.values(), pa.list_(pa.string()))}))
        result = few.search("(prefix t)", order_by={"bm25": {"fields": {"title": 5}}})
        assert result.scores.tolist() == [0.0] * 4
        expression = "(or text:shoe (prefix t))"
        assert few.search(expression, order_by={"bm25": {"fields": {"title": 5, "text": 1}}}).ids == [
            "a",
            "c",
            "b",
            "d",
        ]
        assert few.search(expression, order_by={"bm25": {"fields": {"title": 0.01, "text": 1}}}).ids[0] != "c"


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """4,000 documents of few words, so that many scores are equal; half of them in each of two segments."""
    rng = random.Random(3)
    common = [*(f"text:{word}" for word in WORDS), *(f"title:{word}" for word in WORDS[:3]), "brand:shoe", "tag:1"]
    with Collection.create(tmp_path_factory.mktemp("many") / "c", {}) as collection:
        for start in (0, 2_000):
            terms = []
            for number in range(2_000):
                rare = ["title:lace"] * rng.randint(1, 9) if number % 700 == start // 10 else []
                terms.append(rng.choices(common, k=rng.randint(0, 5)) + rare)
            ids = [f"d{(number * 7919 + start) % 9973:04d}{start}" for number in range(2_000)]
            collection.upsert(pa.table({"doc_id": ids, "terms": pa.array(terms, pa.list_(pa.string()))}))
            collection.flush()
        collection.delete(ids[::9])
        yield collection


@pytest.mark.parametrize("limit", [1, 10, 300])
def test_the_first_of_many_are_those_of_scoring_all(many, limit, monkeypatch):
    weights = {"title": 3.0, "brand": 0.25, "text": 1.0}
    every = "(prefix t)"
    expressions = [
        "(or text:shoe text:red)",
        "(or text:lace text:of tag:1)",
        f"(and {every} (or {every} text:lace))",
        "(difference (or text:red text:run) text:of)",
        f"(and (or {every} text:shoe tag:1 text:unknown) (not text:of))",
    ]
    orders = [
        {"bm25": {"fields": weights}},
        [{"bm25": {"fields": weights}}, "static_rank"],
        {"bm25": {"fields": weights, "half_at": 3, "weight": 2.0}, "static_rank": 1.0},
        "bm25:text",
    ]
    for expression in expressions:
        for order in orders:
            found = many.search(expression, order_by=order, limit=limit)
            with monkeypatch.context() as scoring_all:
                scoring_all.setattr("alicorn.query.order.bm25.MOST", 0)
                scoring_all.setattr("alicorn.query.order.by_sum._SHARE", 1 << 40)
                expected = many.search(expression, order_by=order, limit=limit)
            assert len(found.ids) == limit
            assert found.ids == expected.ids, (expression, order)
            assert found.scores.tolist() == expected.scores.tolist()


def test_fields_take_part_in_sums_fusions_and_pages(world):
    collection, documents = world
    fields = {"weight": 0.5, "half_at": 3, "fields": {"title": 3, "text": 1}}
    expression = "(or text:shoe text:red)"
    scores = bm25f(documents, ["shoe", "red"], fields["fields"])
    result = collection.search(expression, order_by={"bm25": fields, "static_rank": 2}, limit=1000)
    expected = {doc_id: 0.5 * scores[doc_id] / (scores[doc_id] + 3) for doc_id in result.ids}
    assert dict(zip(result.ids, result.scores.tolist(), strict=True)) == pytest.approx(expected, rel=1e-12)
    order = [{"bm25": {"fields": fields["fields"]}}, "static_rank"]
    whole = collection.search(expression, order_by=order, limit=1000)
    assert [scores[doc_id] for doc_id in whole.ids] == pytest.approx(
        sorted((scores[i] for i in whole.ids), reverse=True)
    )
    first = collection.search(expression, order_by=order, limit=5)
    rest = collection.search(expression, order_by=order, limit=1000, after=first.cursor)
    assert first.ids + rest.ids == whole.ids
    with pytest.raises(ConfigError, match="another order"):
        collection.search(expression, order_by=[{"bm25": {"fields": {"title": 2}}}, "static_rank"], after=first.cursor)
    fused = collection.search(expression, order_by={"rrf": {"bm25": {"fields": fields["fields"]}}}, limit=1000)
    assert fused.scores[0] == pytest.approx(1 / 61)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"bm25": {"fields": {}}}, "1 to 16 prefixes of terms"),
        ({"bm25": {"fields": dict.fromkeys(map(str, range(17)), 1)}}, "1 to 16 prefixes of terms"),
        ({"bm25": {"fields": ["title"]}}, "1 to 16 prefixes of terms"),
        ({"bm25": {"fields": {"title:": 1}}}, "without its colon, got 'title:'"),
        (
            {"bm25": {"fields": {"title": 0}}},
            "field 'title' must be a number above 0, at most 1,000,000, got 0",
        ),
        ({"bm25": {"fields": {"title": float("nan")}}}, "must be a number above 0"),
        ({"bm25": {"fields": {"title": True}}}, "must be a number above 0"),
        ({"bm25:title": {"fields": {"title": 1}}}, "bm25:title takes weight, half_at and log, got 'fields'"),
        ({"static_rank": {"fields": {"title": 1}}}, "static_rank takes weight, half_at and log, got 'fields'"),
    ],
)
def test_fields_that_are_none_are_refused(world, order, message):
    with pytest.raises(ConfigError, match=message):
        world[0].search("text:shoe", order_by=order)
