"""The towers of MGDSPR as a fusion: 25 tokens, unit length, what each part of a request moves, what is refused."""

import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from channel_names import document, request
from semantic_toy import SEMANTIC, SHOP, products, shop_model, shoppers

from alicorn.errors import ConfigError
from alicorn.towers import Model
from alicorn.towers.channels.tensors import batch_tensors
from alicorn.towers.semantic.reading import LongTerm, Recent
from alicorn.towers.semantic.towers import SemanticDocument, SemanticRequest

WINDOWS = ("realtime", "short", "long")


def request_tower(model: Model) -> SemanticRequest:
    assert isinstance(model.module.request, SemanticRequest)
    return model.module.request


def test_the_paper_s_25_tokens() -> None:
    model = shop_model(features={"request": ["text", "past", *WINDOWS]})
    tower = request_tower(model)
    seen = []
    tower.layers[0].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].shape))
    vectors = model.encode_requests(shoppers())
    assert seen == [(3, 1 + 4 * 6, 16)]
    assert vectors.shape == (3, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)


def test_other_channels_are_tokens_and_parts_of_a_document() -> None:
    model = shop_model()
    assert tuple(map(str, model.module.channel_names)) == (
        *("request.text", "request.past", "request.realtime", "request.short", "request.long", "request.city"),
        *("document.title", "document.item", "document.brand"),
    )
    vectors = model.encode_documents(products())
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)
    for column in ("title", "brand", "doc_id"):
        changed = products().set_column(products().schema.get_field_index(column), column, pa.array(["x", "x", "x"]))
        assert np.abs(model.encode_documents(changed)[0] - vectors[0]).max() > 1e-4


def test_the_document_tower_is_the_paper_s_formula() -> None:
    model = shop_model(features={"document": ["title", "item"]})
    tower, tables = model.module.document, dict(zip(model.module._names, model.module.tables, strict=True))
    assert isinstance(tower, SemanticDocument)
    channels = model.documents.transform(products()).channels
    words = channels[document("title@segments")].indices[:3].tolist()  # type: ignore[union-attr]
    item = channels[document("item")].indices[:1].tolist()  # type: ignore[union-attr]
    with torch.no_grad():
        title = torch.tanh(tower.title(tables["text"].weight[words].mean(dim=0)))
        e = tower.bias + tower.others.project[0](tables["item"].weight[item[0]])
        expected = torch.nn.functional.normalize(e + title, dim=0)
    np.testing.assert_allclose(model.encode_documents(products())[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    "column", ["query", "city", "past_queries", "realtime_item", "realtime_brand", "short_item", "long_brand"]
)
def test_every_part_of_a_request_moves_it(column: str) -> None:
    model = shop_model()
    given = shoppers()[column].to_pylist()
    other = pa.array([["x", "y"] if isinstance(given[0], list) else "x y", *given[1:]], shoppers()[column].type)
    changed = shoppers().set_column(shoppers().schema.get_field_index(column), column, other)
    before, after = model.encode_requests(shoppers()), model.encode_requests(changed)
    assert np.abs(before[0] - after[0]).max() > 1e-4
    np.testing.assert_allclose(before[1:], after[1:], atol=1e-6)


def test_a_row_does_not_depend_on_the_rest_of_its_batch() -> None:
    model = shop_model()
    together = model.encode_requests(shoppers())
    alone = np.concatenate([model.encode_requests(shoppers().slice(row, 1)) for row in range(3)])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_many_rows_are_read_in_groups_of_like_length(monkeypatch: pytest.MonkeyPatch) -> None:
    model = shop_model()
    whole = model.encode_requests(shoppers())
    monkeypatch.setattr("alicorn.towers.semantic.towers._GROUP", 2)
    np.testing.assert_allclose(model.encode_requests(shoppers()), whole, atol=1e-6)


def test_long_behaviour_is_pooled_by_kind() -> None:
    """What was bought is not what was clicked; with no kinds of its own the list has one element."""
    turned = shoppers().set_column(
        shoppers().schema.get_field_index("long_kind"),
        "long_kind",
        pa.array([["bought", "click"], [], None], pa.list_(pa.string())),
    )
    model = shop_model()
    long = next(window for window in request_tower(model).behaviour if isinstance(window, LongTerm))
    queries = torch.randn(3, 6, 16, generator=torch.Generator().manual_seed(0))
    tables = dict(zip(model.module._names, model.module.tables, strict=True))
    channel = batch_tensors(model.requests.transform(shoppers()))[request("long")]
    with torch.no_grad():
        found = long(queries, channel, tables)
        swapped = long(queries, batch_tensors(model.requests.transform(turned))[request("long")], tables)
    torch.testing.assert_close(found, swapped)  # two means in another order: a list has no order
    assert found[1:].abs().max() == 0
    unknown = shop_model({"kinds": ["collected"]})  # a kind that nothing is of
    assert np.abs(unknown.encode_requests(shoppers()) - unknown.encode_requests(turned)).max() < 1e-6


def test_irrelevant_behaviour_can_be_left_out_only_with_the_zero_vector() -> None:
    for zero_vector in (True, False):
        model = shop_model({"zero_vector": zero_vector})
        recent = next(window for window in request_tower(model).behaviour if isinstance(window, Recent))
        channel = batch_tensors(model.requests.transform(shoppers()))[request("realtime")]
        tables = dict(zip(model.module._names, model.module.tables, strict=True))
        with torch.no_grad():
            weights = recent.reads(torch.randn(3, 6, 16), channel, tables)[1]
        assert weights.shape[2] == 2 + zero_vector
        assert (weights[1, :, 0] == 1).all() == zero_vector


def test_by_channel_is_the_embedding_and_each_channel_alone() -> None:
    model = shop_model()
    batch = batch_tensors(model.requests.transform(shoppers()))
    with torch.inference_mode():
        found = model.module.request_channels(batch)
        documents = model.module.document_channels(batch_tensors(model.documents.transform(products())))
    np.testing.assert_allclose(found.embedding, model.encode_requests(shoppers()), atol=1e-6)
    only = shoppers().select(["query"])
    for name in shoppers().column_names[1:]:
        only = only.append_column(name, pa.nulls(3, shoppers().schema.field(name).type))
    np.testing.assert_allclose(found.channels[request("text")], model.encode_requests(only), atol=1e-6)
    assert list(documents.channels) == [document(name) for name in ("title", "item", "brand")]


def test_fewer_parts_make_a_smaller_tower() -> None:
    plain = {"past_queries": None, "realtime": None, "short": None, "long": None, "kinds": []}
    features = {"request": ["text"], "document": ["title"]}
    model = shop_model({**plain, "granularities": ["segments"], "pool": "mean"}, features=features)
    assert list(model.requests.transform(shoppers()).channels) == [request("text@sequence")]
    assert not len(request_tower(model).layers)
    vectors = model.encode_requests(shoppers()) @ model.encode_documents(products()).T
    assert vectors[:2].argmax(axis=1).tolist() == [0, 1]  # before training, shared words are likeness


def test_saved_and_loaded_it_is_the_same(tmp_path) -> None:  # type: ignore[no-untyped-def]
    model = shop_model()
    loaded = Model.load(model.save(tmp_path / "model") and tmp_path / "model")
    np.testing.assert_allclose(loaded.encode_requests(shoppers()), model.encode_requests(shoppers()), atol=1e-6)
    fusion = loaded.recipe["towers"]["fusion"]
    assert json.loads(json.dumps(fusion))["kinds"] == SEMANTIC["kinds"]


@pytest.mark.parametrize(
    ("fusion", "words"),
    [
        ({"query": "txt"}, "fusion.query: that side reads no feature 'txt'; did you mean 'text'"),
        ({"query": "city"}, "fusion.query: 'city' is id: it must be text"),
        ({"short": "text"}, "fusion.short: 'text' is text: it must be a sequence"),
        ({"title": "name"}, "fusion.title: that side reads no feature 'name'"),
        ({"heads": 5}, "5 heads do not divide towers.dim, 16"),
    ],
)
def test_what_does_not_fit_is_refused(fusion, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=words):
        shop_model(fusion)


def test_settings_that_contradict_are_refused() -> None:
    for fusion, words in (({"long": None}, "kinds"), ({"past_queries": None, "granularities": ["history"]}, "past")):
        with pytest.raises(ValueError, match=words):
            shop_model(fusion)
    assert "kind" in SHOP.request.features["long"].parts  # type: ignore[union-attr]
