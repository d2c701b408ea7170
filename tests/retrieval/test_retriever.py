"""A text with its searcher becomes an expression, vectors and an order; the same for every caller."""

import numpy as np
import pyarrow as pa
import pytest
import yaml
from served_people import SEARCHERS, TEXT, UNIFIED, VERTICAL, Model, make_collection

from alicorn.errors import AlicornError, CollectionError, ConfigError, VectorError
from alicorn.language import parse
from alicorn.retrieval.retriever import Retriever
from alicorn.retrieval.searchers import Searchers
from alicorn.vertical import HitOrders, Selection


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    with make_collection(tmp_path_factory.mktemp("retriever") / "collection") as opened:
        yield opened


@pytest.fixture(scope="module")
def retriever(collection):
    return Retriever(collection, [TEXT, UNIFIED], Searchers(VERTICAL, SEARCHERS))


@pytest.mark.parametrize(
    ("asked", "expression"),
    [
        ({"text": "John"}, "(or text:john (nn people :k 100 :recall 0.95))"),
        ({"text": "John", "key": "people-text"}, "(or text:john (nn people-text :k 100 :recall 0.95))"),
        ({"text": "John", "mode": "boolean"}, "(and text:john)"),
        ({"text": "John", "mode": "embedding"}, "(nn people :k 100 :recall 0.95)"),
        ({"text": "John", "mode": "embedding", "key": "people-text"}, "(nn people-text :k 100 :recall 0.95)"),
        ({"expression": "text:john"}, "text:john"),
        ({"expression": parse("(or a  b)")}, "(or a b)"),
    ],
)
def test_what_is_asked(retriever, asked, expression):
    request = retriever.request(**asked)
    assert str(request.expression) == expression
    assert request.root == parse(expression)
    assert retriever.search(request).ids == retriever.collection.search(expression, request.vectors).ids


def test_a_text_comes_in_the_order_of_the_vertical(collection):
    orders = {"hybrid": {"nn": 1, "bm25": 0.5}, "boolean": "static_rank"}
    by_default = {"hybrid": {"nn": 1, "bm25": {"weight": 2, "half_at": 16}}, "boolean": ("bm25", "static_rank")}
    ordered = Model("people", personal=True)
    ordered.vertical = VERTICAL.model_copy(update={"order": HitOrders(**orders)})
    for model, expected_orders in ((UNIFIED, by_default), (ordered, orders)):
        retriever = Retriever(collection, [model])
        for mode, order in expected_orders.items():
            request = retriever.request(text="John", mode=mode)
            assert request.order_by == order
            expected = collection.search(request.expression, request.vectors, order_by=order)
            assert retriever.search(request).ids == expected.ids
            assert retriever.request(text="John", mode=mode, order_by="static_rank").order_by == "static_rank"
        assert retriever.request(text="John", mode="embedding").order_by is None
        assert retriever.request("(or text:john)").order_by is None


def test_only_the_vectors_that_are_looked_for_are_encoded_and_of_unit_length(retriever, monkeypatch):
    encoded = []
    whole = Model.encode_requests
    monkeypatch.setattr(Model, "encode_requests", lambda self, rows: encoded.append(self.key) or whole(self, rows) * 3)
    request = retriever.request(text="john smith", searcher="p3")
    assert encoded == ["people"]
    assert list(request.vectors) == ["people"]
    row = pa.table({"query": ["john smith"], "city": ["Oslo"]})
    np.testing.assert_allclose(request.vectors["people"], whole(UNIFIED, row)[0], atol=1e-6)
    assert retriever.request(text="john", mode="boolean").vectors == {}
    assert encoded == ["people"]
    given = retriever.request(
        "(or (nn people-text :k 1) (nn people :k 1 :vector mine))", vectors={"mine": [2] + [0] * 7}, text="x"
    )
    assert sorted(given.vectors) == ["mine", "people-text"]
    assert given.vectors["mine"].tolist() == [1] + [0] * 7


def test_without_a_model_of_the_verticals_key_a_text_looks_in_the_first_models(collection):
    request = Retriever(collection, [TEXT]).request(text="john", searcher={"city": "Oslo"})
    assert str(request.expression) == "(or text:john (nn people-text :k 100 :recall 0.95))"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "give an expression, or a text"),
        ({"expression": "a", "mode": "boolean"}, "leave them out beside an expression"),
        ({"expression": "a", "key": "people"}, "leave them out beside an expression"),
        ({"expression": "a", "searcher": "p3"}, "a searcher belongs to a text"),
        ({"text": "a", "mode": "boolean", "key": "people"}, "mode boolean has none"),
        ({"text": "a", "key": "nothing"}, "no model encodes 'nothing'; there are models for: people-text, people"),
        ({"text": "a", "searcher": "nobody"}, "searcher 'nobody' is not in the table of searchers"),
        ({"text": "a", "searcher": {"ctiy": "Oslo"}}, "did you mean 'city'?"),
        ({"expression": "(nn people", "text": "a"}, "never closed"),
    ],
)
def test_a_mistake_is_told(retriever, asked, message):
    with pytest.raises(AlicornError, match=message.replace("(", r"\(").replace("?", r"\?")):
        retriever.request(**asked)


def test_vectors_models_and_texts_must_fit(collection, retriever):
    with pytest.raises(VectorError, match="is zero"):
        retriever.request("(nn people :k 1)", vectors={"people": [0] * 8})
    with pytest.raises(CollectionError, match="has no embedding 'other'"):
        Retriever(collection, [Model("other", personal=True)])
    with pytest.raises(AlicornError, match="a text is encoded by a model, and there is none"):
        Retriever(collection).request(text="john")
    several = [Model("people", personal=True), Model("people-text", personal=False)]
    for model in several:
        model.num_interests = 2
    with pytest.raises(ConfigError, match="one model of several interests"):
        Retriever(collection, several)


def selective(selection):
    rules = Selection.model_validate(yaml.safe_load(selection))
    model = Model("people", personal=True)
    model.vertical = VERTICAL.model_copy(update={"selection": rules})
    return [model]


def test_a_rule_of_the_selection_leaves_out_nn_and_its_part_of_the_order(collection):
    retriever = Retriever(collection, selective("{requests: [{kind: short, characters: 3}]}"))
    short = retriever.request(text="jo", order_by={"nn": 1.0, "bm25": 0.5})
    assert (str(short.expression), short.order_by) == ("(and text:jo)", {"bm25": 0.5})
    assert short.notices == ("answered without nn: the search is fewer than 3 characters",)
    long = retriever.request(text="john", order_by="nn")
    assert (long.order_by, long.notices, list(long.vectors)) == ("nn", (), ["people"])


def test_a_repeat_is_a_chosen_document_that_words_still_find(collection):
    retriever = Retriever(collection, selective("{requests: [{kind: repeat, days: 7}]}"))

    def is_boolean(chosen, limit=10):
        asked = []
        request = retriever.request(text="john smith", limit=limit, chosen=lambda days: asked.append(days) or chosen)
        assert asked == [7]
        return request.without_nn is not None

    assert is_boolean(["p1"])
    assert not is_boolean([])
    assert not is_boolean(["p3"]), "words do not find Jane"
    assert not is_boolean(["p/4"], limit=1), "beyond the first page"


def test_a_searcher_whose_id_is_a_uuid_is_asked_for_by_its_canonical_text():
    numbers = range(1, len(SEARCHERS) + 1)
    raw = pa.array([number.to_bytes(16) for number in numbers], pa.binary(16))
    at = SEARCHERS.column_names.index("searcher_id")
    table = SEARCHERS.set_column(at, "searcher_id", pa.ExtensionArray.from_storage(pa.uuid(), raw))
    named, plain = Searchers(VERTICAL, table), Searchers(VERTICAL, SEARCHERS)
    name = SEARCHERS["searcher_id"][1].as_py()
    asked = named.request("john", "00000000-0000-0000-0000-000000000002")
    assert asked.equals(plain.request("john", name))
