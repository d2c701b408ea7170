"""One request at a time, as arrays: the vectors are those of `encode_requests`."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from towers_toy import requests, toy_model

from alicorn.errors import ModelError, TableError
from alicorn.retrieval.given import given_columns
from alicorn.towers import Ensemble, Model
from alicorn.training import Recipe
from alicorn.vertical import Vertical

WIDE = Vertical.model_validate(
    {
        "name": "toy",
        "embedding": "toy",
        "document": {
            "features": {"item": {"kind": "id", "column": "doc_id"}},
            "terms": [{"prefix": "text", "column": "title", "kind": "words"}],
        },
        "request": {
            "features": {
                "text": {"kind": "text", "column": "query"},
                "name": {"kind": "text", "column": "name"},
                "city": {"kind": "id", "column": "city"},
                "clusters": {"kind": "ids", "column": "clusters", "weights": "shares"},
                "social": {"kind": "dense", "column": "social", "dim": 3},
                "age": {"kind": "numeric", "column": "age"},
                "device": {"kind": "id", "column": "device"},
                "page": {"kind": "numeric", "column": "page"},
                "path": {"kind": "text", "column": "path"},
                "seen": {"kind": "text", "column": "seen"},
                "cart": {"kind": "ids", "column": "cart", "weights": "amounts"},
                "labels": {"kind": "ids", "column": "labels"},
                "place": {"kind": "dense", "column": "place", "dim": 2},
            },
            "context": ["device", "page", "path", "seen", "cart", "amounts", "labels", "place"],
        },
        "split": {"valid": 0.1},
    }
)
SEARCHERS = pa.table(
    {
        "name": pa.array(["Ada Lovelace", None, "İpek Çelik"]),
        "city": pa.array(["London", None, "Ankara"]),
        "clusters": pa.array([["a", "b", "a"], None, []], pa.list_(pa.string())),
        "shares": pa.array([[0.5, -0.25, 2.0], None, []], pa.list_(pa.float32())),
        "social": pa.array([[1.0, 0.5, -3.0], None, [0.0, 0.0, 0.1]], pa.list_(pa.float32())),
        "age": pa.array([36, None, 130]),
    }
)


def wide_model(seed: int = 0, **towers: Any) -> Model:
    plain = Recipe.model_validate({"towers": {"dim": 8, "hidden": 6, **towers}}).plain()
    return Model.new(WIDE, plain, "data", {"request": {"age": {"mean": 40.0, "deviation": 10.0}}}, seed)


MODELS = [wide_model(), wide_model(1, hidden=0), Ensemble.of([wide_model(2), wide_model(3)], [1.0, 3.0])]


CONTEXT = {column.name: column for column in WIDE.context_columns()}
STRINGS = st.none() | st.sampled_from(["", "phone", "red shoes", "Straße 東京"])
NUMBERS = st.floats(-3, 3, width=32)
SOME = {
    "device": STRINGS,
    "page": st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 3),
    "path": STRINGS,
    "seen": st.none() | st.lists(STRINGS, max_size=3),
    "labels": st.none() | st.lists(STRINGS, max_size=3),
    "place": st.none() | st.lists(NUMBERS, min_size=2, max_size=2),
}
CARTS = st.lists(st.tuples(STRINGS, NUMBERS), max_size=3).map(
    lambda pairs: {"cart": [name for name, _ in pairs], "amounts": [amount for _, amount in pairs]}
)
FULL = {"device": "phone", "page": 2, "path": "shop/Straße", "seen": ["red shoes", None, "shoes"], "place": [0.5, -2.0]}


@pytest.mark.parametrize("model", MODELS, ids=["concat", "linear", "ensemble"])
@settings(max_examples=60, deadline=None)
@given(
    query=st.text(max_size=30),
    row=st.integers(0, len(SEARCHERS) - 1),
    context=st.builds(lambda some, cart: some | cart, st.fixed_dictionaries({}, optional=SOME), CARTS),
)
@example(query="", row=1, context={})
@example(query="ada 東京 Straße", row=2, context=FULL | {"cart": ["a", "", "a"], "amounts": [2.0, 1.0, -0.5]})
def test_its_vectors_are_those_of_the_batch(
    model: Model | Ensemble, query: str, row: int, context: dict[str, Any]
) -> None:
    tower = model.request_tower(SEARCHERS)
    assert tower is not None
    around = given_columns(context, CONTEXT, "context")
    table = SEARCHERS.slice(row, 1).add_column(0, "query", pa.array([query]))
    for name, column in around.items():
        table = table.append_column(name, column)
    vector = tower.encode(query, row, around)
    assert (vector.dtype, vector.shape) == (np.float32, (model.dim,))
    np.testing.assert_allclose(vector, model.encode_requests(table)[0], atol=1e-6)


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ({"cart": ["a", "b"], "amounts": [1.0]}, "weights must be as many as the ids of the row"),
        ({"place": [1.0]}, "a vector must have 2 numbers"),
        ({"place": [1.0, 1e30]}, "a number beyond 1e"),
    ],
)
def test_what_a_batch_refuses_is_refused(context: dict[str, Any], said: str) -> None:
    tower = MODELS[0].request_tower(SEARCHERS)
    assert tower is not None
    with pytest.raises(TableError, match=said):
        tower.encode("ada", 0, given_columns(context, CONTEXT, "context"))


def test_what_is_not_made_of_tables_and_numbers_is_asked_in_batches() -> None:
    rows = requests()
    searchers = rows.drop_columns("query")
    assert toy_model().request_tower(searchers) is not None
    for towers in (
        {"fusion": {"kind": "attention"}},
        {"channels": {"request.text": {"kind": "transformer", "dim": 8, "heads": 2}}},
        {"tables": {"text": {"kind": "hashed", "dim": 4, "buckets": 9}}},
    ):
        assert toy_model(towers).request_tower(searchers) is None
    assert toy_model().request_tower(searchers.drop_columns("city")) is None


def test_weights_that_make_no_vector_are_an_error() -> None:
    model = wide_model()
    for weight in model.module.parameters():
        weight.data.fill_(float("nan"))
    tower = model.request_tower(SEARCHERS)
    assert tower is not None
    with pytest.raises(ModelError, match="no vector for this request"):
        tower.encode("ada", 0, given_columns({}, CONTEXT, "context"))
