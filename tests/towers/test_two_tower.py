"""The two encoders: unit length whatever is known, shared tables, a start that already measures overlap."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from channel_names import document, request
from towers_toy import VERTICAL, documents, requests, toy_model

from alicorn.config import parse_config
from alicorn.errors import ConfigError
from alicorn.towers import Model, Towers
from alicorn.towers.layout.layout import layout
from alicorn.training import Recipe
from alicorn.vertical import Vertical


def lay_out(**towers):  # type: ignore[no-untyped-def]
    return layout(parse_config(towers, Towers, where="recipe, towers"), VERTICAL)


def test_every_row_has_unit_length_even_without_a_known_feature() -> None:
    for model in (toy_model(), toy_model({"hidden": 0})):
        for vectors in (model.encode_documents(documents()), model.encode_requests(requests())):
            assert vectors.dtype == np.float32
            np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)
    vectors = toy_model().encode_requests(requests())
    np.testing.assert_allclose(vectors[2], vectors[3], atol=1e-6)  # null and empty say the same
    assert np.abs(vectors[1] - vectors[2]).max() > 0.1


def test_before_training_overlap_of_words_is_likeness() -> None:
    text = {"features": {"request": ["text"], "document": ["name"]}}
    names = pa.table({"name": ["ada lovelace", "alan turing", "grace hopper", "barbara liskov"]})
    queries = pa.table({"query": ["ada lovelace", "allan turing", "grace", "babara liskow"]})
    model = toy_model({**text, "dim": 64, "tables": {"text": {"buckets": 5000, "dim": 64}}})
    cosines = model.encode_requests(queries) @ model.encode_documents(names).T
    assert cosines.argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert cosines[0, 0] > 0.95


def test_text_is_shared_and_ids_where_a_table_lists_them() -> None:
    found = lay_out()
    assert found.request.tables == {request("text"): ("text",), request("city"): ("city",)}
    assert found.document.tables == {
        document("name"): ("text",),
        document("place"): ("place",),
        document("clusters"): ("clusters",),
    }
    assert list(found.tables) == ["text", "city", "place", "clusters"]
    found = lay_out(tables={"where": {"buckets": 9, "dim": 2, "features": ["request.city", "document.place"]}})
    assert found.request.tables[request("city")] == found.document.tables[document("place")] == ("where",)
    assert found.tables["where"].buckets == 9


def test_a_subset_of_the_features_is_a_smaller_model() -> None:
    found = lay_out(features={"request": ["text"], "document": ["name"]})
    assert list(found.request.features) == ["text"]
    assert list(found.tables) == ["text"]
    model = toy_model({"features": {"request": ["text"], "document": ["name"]}}, embedding="toy-text")
    assert model.key == "toy-text"
    assert model.encode_requests(pa.table({"query": ["ada"]})).shape == (1, 8)


@pytest.mark.parametrize(
    ("towers", "words"),
    [
        ({"features": {"request": ["txt"]}}, "no request feature 'txt'; did you mean 'text'"),
        ({"tables": {"t": {"buckets": 9, "dim": 2, "features": ["query.city"]}}}, "request.<name> or document.<name>"),
        ({"tables": {"t": {"buckets": 9, "dim": 2, "features": ["document.age"]}}}, "'document.age' is numeric"),
        (
            {"tables": {name: {"buckets": 9, "dim": 2, "features": ["request.city"]} for name in ("t", "u")}},
            "listed by t and by u",
        ),
        ({"dimension": 3}, "unknown key 'dimension'"),
        ({"text": {"trigrams": False, "word_ngrams": 0}}, "trigrams"),
        ({"dim": 0}, "dim"),
    ],
)
def test_a_layout_that_does_not_fit_is_refused(towers, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=words):
        lay_out(**towers)


def test_the_seed_decides_the_start_and_leaves_other_randomness_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, same, other = (toy_model(seed=seed).encode_documents(documents()) for seed in (1, 1, 2))
    assert torch.rand(1) == expected
    np.testing.assert_allclose(one, same, atol=1e-6)
    assert np.abs(one - other).max() > 0.01


def test_a_visited_brand_is_near_documents_of_that_brand_before_training() -> None:
    words = [{"prefix": "text", "column": "name", "kind": "words"}]
    vertical = {
        "name": "toy",
        "embedding": "toy",
        "document": {"features": {"brand": {"kind": "id", "column": "brand"}}, "terms": words},
        "request": {"features": {"visits": {"kind": "sequence", "parts": {"brand": "seen"}}}},
        "split": {"valid": 0.1},
    }
    recipe = Recipe.model_validate({"towers": {"dim": 32, "tables": {"brand": {"buckets": 100, "dim": 16}}}}).plain()
    model = Model.new(Vertical.model_validate(vertical), recipe, "data", {}, 0)
    brands = pa.table({"brand": ["a", "b", "c"]})
    seen = pa.table({"seen": pa.array([["b"], ["c", "c"], None], pa.list_(pa.string()))})
    requests = model.encode_requests(seen)
    assert (requests @ model.encode_documents(brands).T).argmax(axis=1)[:2].tolist() == [1, 2]
    np.testing.assert_allclose(requests[:1], model.encode_requests(seen.slice(0, 1)), atol=1e-6)  # padding says nothing
