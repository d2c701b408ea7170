"""The contract of Collection: orders, scores, totals, notices, explain, and clear errors."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from alicorn.errors import ConfigError, QueryError, VectorError
from alicorn.query import Collection

TEXTS = {
    "d1": ["text:john", "text:smith"],
    "d2": ["text:john", "text:john", "text:doe"],
    "d3": ["text:jane", "text:smith", "tag:red"],
    "d4": ["tag:red"],
    "d5": ["text:john", "text:smith", "text:junior", "text:the", "text:third"],
}
VECTORS = {"d1": [1, 0, 0], "d2": [0.9, 0.1, 0], "d3": [0, 1, 0], "d4": None, "d5": [-1, 0, 0]}
RANKS = {"d1": 1.0, "d2": 5.0, "d3": 5.0, "d4": 0.0, "d5": 2.0}


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Collection]:
    """Five documents over two segments, one of them replaced."""
    collection = Collection.create(tmp_path / "people", {"face": 3})
    ids = list(TEXTS)
    for part in (["d1", "d5"], [*ids[1:4], "d1"]):
        collection.upsert(
            pa.table(
                {
                    "doc_id": part,
                    "terms": [TEXTS[doc_id] for doc_id in part],
                    "embedding:face": pa.array([VECTORS[doc_id] for doc_id in part], pa.list_(pa.float32())),
                    "static_rank": [RANKS[doc_id] for doc_id in part],
                    "age": [int(doc_id[1]) * 10 for doc_id in part],
                    "name": [doc_id.upper() for doc_id in part],
                }
            )
        )
        collection.flush()
    yield collection
    collection.close()


def test_orders(people: Collection) -> None:
    everyone = "(or (prefix text:) tag:red)"
    assert people.search(everyone).ids == ["d2", "d3", "d5", "d1", "d4"]  # d2 and d3 tie: by doc_id
    assert people.search(everyone).scores.tolist() == [5, 5, 2, 1, 0]
    near = people.search(f"(or {everyone} (nn face :k 1))", vectors={"face": [2, 0, 0]})
    assert near.ids == ["d1", "d2", "d3", "d5", "d4"]  # d4 has no face: last
    assert near.scores[0] == 1.0
    assert near.scores[-1] == -math.inf
    by_rank = people.search(f"(or {everyone} (nn face :k 1))", vectors={"face": [2, 0, 0]}, order_by="static_rank")
    assert by_rank.ids == ["d2", "d3", "d5", "d1", "d4"]


def test_weighted_sum_of_orders(people: Collection) -> None:
    expression = "(or (prefix text:) (nn face :k 1))"
    result = people.search(
        expression, vectors={"face": [0, 1, 0]}, order_by={"nn": 1.0, "static_rank": 0.5, "bm25": 0.0}
    )
    cosines = {"d1": 0.0, "d2": 0.1 / math.hypot(0.9, 0.1), "d3": 1.0, "d5": 0.0}
    expected = {doc_id: cosines[doc_id] + 0.5 * RANKS[doc_id] for doc_id in cosines}
    assert result.ids == ["d3", "d2", "d5", "d1"]
    assert result.scores.tolist() == pytest.approx([expected[doc_id] for doc_id in result.ids], abs=1e-6)


def test_bm25_is_the_formula(people: Collection) -> None:
    result = people.search("(or text:john text:smith)", order_by="bm25")
    lengths = {doc_id: sum(term.startswith("text:") for term in terms) for doc_id, terms in TEXTS.items()}
    average = sum(lengths.values()) / 5
    expected = {}
    for doc_id, terms in TEXTS.items():
        score = 0.0
        for term in ("text:john", "text:smith"):
            frequency = sum(term in other for other in TEXTS.values())
            idf = math.log(1 + (5 - frequency + 0.5) / (frequency + 0.5))
            tf = terms.count(term)
            score += idf * tf / (tf + 1.2 * (1 - 0.75 + 0.75 * lengths[doc_id] / average))
        if score:
            expected[doc_id] = score
    assert result.ids == sorted(expected, key=lambda doc_id: (-expected[doc_id], doc_id))
    assert result.scores.tolist() == pytest.approx(sorted(expected.values(), reverse=True))


def test_bm25_of_a_tag_does_not_depend_on_how_long_the_text_is(tmp_path: Path) -> None:
    with Collection.create(tmp_path / "c", {}) as collection:
        texts = [["text:a"], ["text:a"] * 30, ["text:b"]]
        terms = [[*text, "name:x"] if i < 2 else text for i, text in enumerate(texts)]
        collection.upsert(pa.table({"doc_id": ["d0", "d1", "d2"], "terms": terms}))
        by_name = collection.search("name:x", order_by="bm25").scores
        assert by_name[0] == by_name[1] > 0
        by_word = collection.search("text:a", order_by="bm25").scores
        assert by_word[0] != by_word[1]


def test_total_counts_all_and_limit_is_a_prefix_of_the_order(people: Collection) -> None:
    whole = people.search("(prefix text:)", limit=100)
    for limit in range(6):
        cut = people.search("(prefix text:)", limit=limit)
        assert (cut.total, cut.ids) == (4, whole.ids[:limit])


def test_top_k_inside_and_carries_a_notice(people: Collection) -> None:
    result = people.search("(and tag:red (nn face :k 2))", vectors={"face": [1, 0, 0]})
    assert result.ids == []
    assert ":filter" in result.notices[0]
    assert people.search("(nn face :k 2 :filter tag:red)", vectors={"face": [1, 0, 0]}).ids == ["d3"]


def test_apply_says_when_it_was_cut(people: Collection) -> None:
    assert people.search("(apply friend: (prefix text:) :limit 2)").notices == (
        "apply: the inner expression has 4 documents, cut to :limit 2",
    )


def test_explain_shows_every_node_with_counts_and_plans(people: Collection) -> None:
    expression = "(and text:john (nn face :radius 0.5))"
    step = people.search(expression, vectors={"face": [1, 0, 0]}, explain=True).explanation
    assert step is not None
    assert step.expression == expression
    assert [child.expression for child in step.children] == ["text:john", "(nn face :radius 0.5)"]
    assert step.children[0].estimated == 4  # the replaced d1 still has its posting
    assert step.children[1].narrowed_to == 4
    assert step.children[1].actual >= 2
    described = step.to_dict()["children"][1]
    assert set(described["plans"]) <= {"exact", "slice", "scan"}
    assert described["bytes_read"] >= described["exact_distances"] * 3 * 4 > 0
    assert "documents scanned" in str(step)


def test_search_sees_an_upsert_and_a_delete_at_once(people: Collection) -> None:
    people.upsert(pa.table({"doc_id": ["d9"], "terms": [["text:john"]]}))
    assert "d9" in people.search("text:john").ids
    people.delete(["d9", "d2"])
    assert people.search("text:john").ids == ["d5", "d1"]
    assert people.search("(nn face :k 2)", vectors={"face": [1, 0, 0]}).ids == ["d1", "d3"]


def test_an_empty_collection_answers(tmp_path: Path) -> None:
    with Collection.create(tmp_path / "c", {"x": 2}) as collection:
        assert collection.search("(or tag:a (nn x :k 3))", vectors={"x": [1, 2]}).total == 0
        assert collection.search("(nn x :radius 2)", vectors={"x": [1, 2]}).ids == []
        assert collection.search("(or tag:a)", order_by="bm25").ids == []


@pytest.mark.parametrize(
    ("expression", "vectors", "error", "message"),
    [
        ("(nn face :k 1)", {"face": [1, float("nan"), 0]}, VectorError, "'face': component 1 is nan"),
        ("(nn face :k 1)", {"face": [1, float("inf"), 0]}, VectorError, "component 1 is inf"),
        ("(nn face :k 1)", {"face": [0, 0, 0]}, VectorError, "'face' is zero"),
        ("(nn face :k 1)", {"face": [1, 0]}, VectorError, "embedding 'face' has 3 dimensions, got 2"),
        ("(nn face :k 1)", {"face": [[1, 0, 0]]}, VectorError, r"got shape \(1, 3\)"),
        ("(nn face :k 1)", {"face": "abc"}, VectorError, "expected a list or array of numbers, got str"),
        ("(nn face :k 1)", {}, QueryError, "needs the request's vector 'face'; given: none"),
        (
            "(nn face :k 1 :vector other)",
            {"face": [1, 0, 0]},
            QueryError,
            "needs the request's vector 'other'; given: face",
        ),
        (
            "(and text:x (nn voice :k 1))",
            {},
            QueryError,
            "offset 12: the collection has no embedding 'voice'; it has: face",
        ),
        ("(range size :min 1)", {}, QueryError, "there is no 'size'; the collection has: age"),
        ("(range name :min 1)", {}, QueryError, "'name' is string"),
        ("(extract age text:john)", {}, QueryError, "needs a stored column of document ids, but 'age' is int64"),
        ("(and text:nobody (range size :min 1))", {}, QueryError, "there is no 'size'"),
    ],
)
def test_a_request_that_does_not_fit_is_refused(
    people: Collection, expression: str, vectors: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        people.search(expression, vectors=vectors)


def test_bad_orders_and_limits(people: Collection) -> None:
    with pytest.raises(ConfigError, match=r"no stored column 'random'\. Allowed are nn, static_rank, bm25"):
        people.search("tag:red", order_by="random")
    with pytest.raises(ConfigError, match="order_by must be a name, weights of names, or a list of them, got int"):
        people.search("tag:red", order_by=3)
    with pytest.raises(ConfigError, match="must be a finite number"):
        people.search("tag:red", order_by={"bm25": 10**400})
    with pytest.raises(QueryError, match=r"order_by nn needs an \(nn ...\) in the expression"):
        people.search("tag:red", order_by="nn")
    with pytest.raises(ConfigError, match="the weight of 'bm25' must be a finite number, got nan"):
        people.search("tag:red", order_by={"bm25": math.nan})
    for limit in (-1, 2.5, True):
        with pytest.raises(ConfigError, match="limit must be a whole number from 0"):
            people.search("tag:red", limit=limit)
    with pytest.raises(VectorError, match=r"expected shape \(2, dim\), one row per expression, got \(1, 3\)"):
        people.search_many(["tag:red"] * 2, vectors={"face": np.ones((1, 3))})


@pytest.mark.parametrize(("dim", "codec"), [(8_192, "sq8"), (8_193, "none")])
def test_the_widest_embeddings_are_searched_exactly(tmp_path: Path, dim: int, codec: str) -> None:
    """Up to 8,192 dimensions by whole-number sums, which asking for them beyond is refused; there without codes."""
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((100, dim)).astype(np.float32)
    rows[:, 0] = np.where(np.arange(100) % 2, 60, -60)  # one large component: the others have coarse weights
    query = rows[7] + 0.5 * rng.standard_normal(dim).astype(np.float32)
    with Collection.create(tmp_path / "c", {"x": dim}) as collection:
        collection.upsert(pa.table({"doc_id": [f"d{i}" for i in range(100)], "embedding:x": list(rows)}))
        if codec == "none":
            with pytest.raises(ConfigError, match="'x': codec 'sq8' takes at most 8192 dimensions, there are 8193"):
                collection.train(codec="sq8", num_clusters=4)
        collection.train(num_clusters=4)
        assert collection.snapshot().quantizers["x"].settings.codec == codec
        found = collection.search("(nn x :k 10)", {"x": query}).ids
    cosines = rows.astype(np.float64) @ query / np.linalg.norm(rows.astype(np.float64), axis=1)
    assert found == [f"d{i}" for i in np.argsort(-cosines)[:10]]
