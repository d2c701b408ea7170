"""Channels with a network of their own: numbers, sets of vectors, texts in order; recipes that name them rightly."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from alicorn.errors import ConfigError, TableError
from alicorn.towers import Model
from alicorn.towers.channels.deep_set import DeepSet
from alicorn.towers.channels.numbers import AutoDisNumber, BinnedNumber
from alicorn.towers.channels.tensors import TokenTensors
from alicorn.towers.channels.transformer import TextTransformer
from alicorn.training import Recipe
from alicorn.vertical import Vertical

VERTICAL = Vertical.model_validate(
    {
        "name": "toy",
        "embedding": "toy",
        "document": {
            "features": {
                "title": {"kind": "text", "column": "title"},
                "price": {"kind": "numeric", "column": "price"},
                "images": {"kind": "vectors", "column": "images", "dim": 3},
            },
            "terms": [{"prefix": "text", "column": "title", "kind": "words"}],
        },
        "request": {
            "features": {
                "text": {"kind": "text", "column": "query"},
                "budget": {"kind": "numeric", "column": "budget"},
            }
        },
        "split": {"valid": 0.1},
    }
)
TRANSFORMER = {"kind": "transformer", "layers": 1, "heads": 2, "dim": 8}
IMAGES = pa.list_(pa.list_(pa.float32()))


def model(channels: dict[str, Any], **towers: Any) -> Model:
    tables = {"text": {"buckets": 300, "dim": 8}}
    given = {"dim": 8, "hidden": 0, "tables": tables, "channels": channels, **towers}
    return Model.new(VERTICAL, Recipe.model_validate({"towers": given}).plain(), "data", {}, 0)


def documents(images: list[Any]) -> pa.Table:
    rows = len(images)
    return pa.table({"title": ["red shoe"] * rows, "price": [1.0] * rows, "images": pa.array(images, IMAGES)})


def requests(*queries: str | None) -> pa.Table:
    return pa.table({"query": pa.array(queries, pa.string()), "budget": pa.array([None] * len(queries), pa.float64())})


# -- numbers


def channel(*values: float | None) -> torch.Tensor:
    return torch.tensor([[0.0, 0.0] if value is None else [value, 1.0] for value in values])


def test_autodis_is_the_papers_mixture_of_meta_embeddings() -> None:
    torch.manual_seed(0)
    number = AutoDisNumber(count=5, dim=3, temperature=0.1, skip=0.8)
    w, mixing, meta = (one.detach().numpy().astype(float) for one in (number.scale, number.mixing, number.meta))
    found = number(channel(0.7, None)).detach().numpy()
    h = np.where(0.7 * w > 0, 0.7 * w, 0.01 * 0.7 * w)
    logits = (mixing @ h + 0.8 * h) / 0.1
    p = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    np.testing.assert_allclose(found[0], p @ meta, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found[1], 0)


def test_autodis_moves_smoothly_and_its_temperature_decides_how_softly() -> None:
    torch.manual_seed(1)
    hard, soft = AutoDisNumber(8, 4, 1e-5, 0.8), AutoDisNumber(8, 4, 1e3, 0.8)
    values = channel(*np.linspace(-2, 2, 9).tolist())
    with torch.no_grad():
        shares, even = hard.shares(values), soft.shares(values)
    assert float(shares[[0, -1]].max(dim=1).values.min()) > 0.999, "one meta-embedding for each number"
    np.testing.assert_allclose(even, 1 / 8, atol=1e-2)
    usual = AutoDisNumber(8, 4, 0.1, 0.8)
    one, near, far = usual(channel(0.5, 0.501, -2.0)).detach()
    assert float((one - near).norm()) < 0.05 * float((one - far).norm())


def test_a_binned_number_is_that_of_its_quantile() -> None:
    torch.manual_seed(0)
    number = BinnedNumber(count=4, dim=2)
    found = number(channel(-0.7, -0.1, -0.6, 0.1, 9.0, None)).detach()
    expected = number.vectors[[0, 1, 1, 2, 3]].detach()  # quartiles of the normal distribution: -0.674, 0, 0.674
    np.testing.assert_array_equal(found[:5], expected)
    np.testing.assert_array_equal(found[5], 0)


# -- sets of vectors


def test_a_deep_set_knows_no_order_no_padding_and_no_empty_set() -> None:
    torch.manual_seed(0)
    network = DeepSet(3, 5)
    a, b, nothing = [1.0, 2.0, 3.0], [0.0, -1.0, 1.0], [0.0] * 3
    hidden = torch.tensor([[a, b, nothing], [b, a, nothing], [a, nothing, nothing], [nothing] * 3])
    found = network(TokenTensors(hidden, torch.tensor([2, 2, 1, 0]))).detach()
    torch.testing.assert_close(found[0], found[1])
    alone = network(TokenTensors(hidden[2:3, :1], torch.tensor([1]))).detach()
    torch.testing.assert_close(found[2], alone[0])
    assert float((found[0] - found[2]).abs().max()) > 1e-3
    np.testing.assert_array_equal(found[3], 0)
    expected = network.whole(torch.stack([network.each(torch.tensor(x)) for x in (a, b)]).mean(dim=0))
    torch.testing.assert_close(found[0], expected)


def test_images_are_read_by_a_deep_set_unless_the_recipe_says_otherwise() -> None:
    one, other = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]
    found = model({}).encode_documents(documents([[one, other], [other, one], [one], [], None]))
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    np.testing.assert_allclose(found[3], found[4], atol=1e-6)
    assert np.abs(found[0] - found[2]).max() > 1e-4
    assert model({"document.images": {"kind": "deep_set", "width": 5}}).module.networks[0].width == 5


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([[[1.0, 2.0, 3.0]], [[1.0, 2.0]]], "must have 3 numbers; first bad row 1"),
        ([[[1.0, 2.0, 3.0], None]], "must have 3 numbers; first bad row 0"),
        ([None, [[1.0, float("nan"), 3.0]]], "infinite number inside a vector; first bad row 1"),
    ],
)
def test_vectors_that_cannot_be_read_are_refused(images: list[Any], words: str) -> None:
    with pytest.raises(TableError, match=words):
        model({}).encode_documents(documents(images))


# -- texts in order


def test_a_transformer_reads_order_and_a_bag_of_words_does_not() -> None:
    bag = {"text": {"trigrams": False, "word_ngrams": 1}}
    queries = requests("red shoe", "shoe red")
    one, other = model({}, **bag).encode_requests(queries)
    np.testing.assert_allclose(one, other, atol=1e-6)
    one, other = model({"request.text": TRANSFORMER}, **bag).encode_requests(queries)
    assert np.abs(one - other).max() > 1e-3


def test_a_text_is_encoded_alike_whatever_stands_beside_it() -> None:
    torch.manual_seed(0)
    network = TextTransformer(4, 8, 2, 2, places=6)
    rng = np.random.default_rng(0)
    lengths = torch.from_numpy(rng.integers(0, 7, 1100))
    tokens = torch.from_numpy(rng.normal(size=(1100, 6, 4)).astype(np.float32))
    tokens *= (torch.arange(6) < lengths[:, None])[:, :, None]
    with torch.no_grad():
        found = network(tokens, lengths)  # in parts, as no gradient is kept
        for row in (0, 1, 500, 1099):
            alone = network(tokens[row : row + 1, : max(1, int(lengths[row]))], lengths[row : row + 1])
            torch.testing.assert_close(alone[0], found[row], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(network(tokens, lengths).detach(), found, atol=1e-5, rtol=1e-4)
    np.testing.assert_array_equal(found[lengths == 0], 0)


def test_a_shared_transformer_is_one_network_on_both_sides() -> None:
    channels = {"request.text": TRANSFORMER, "document.title": {"kind": "shared", "channel": "request.text"}}
    made = model(channels, features={"request": ["budget"], "document": ["price"]})
    assert tuple(map(str, made.module.channel_names)) == (
        *("request.budget", "request.text@transformer", "document.price", "document.title@transformer"),
    )
    assert len(made.module.networks) == 1
    vectors = made.encode_requests(requests("red shoe", "blue hat"))
    titles = made.encode_documents(documents([None])) @ vectors.T
    assert titles[0, 0] > titles[0, 1] + 0.01, "likeness is there before training"


def test_the_rest_of_a_long_text_is_cut() -> None:
    made = model({"request.text": {**TRANSFORMER, "max_tokens": 2}}, features={"request": ["budget"]})
    one, same, other = made.encode_requests(requests("red shoe", "red shoe size nine", "red hat"))
    np.testing.assert_allclose(one, same, atol=1e-6)
    assert np.abs(one - other).max() > 1e-4


def test_all_kinds_come_back_from_disk(tmp_path) -> None:  # type: ignore[no-untyped-def]
    channels = {
        "request.text": {**TRANSFORMER, "tokens": "trigrams"},
        "request.budget": {"kind": "autodis", "dim": 4},
        "document.price": {"kind": "bins", "dim": 4},
    }
    made = model(channels, fusion={"kind": "attention"})
    rows = documents([[[1.0, 0.0, 0.0]], None])
    saved = made.save(tmp_path)
    loaded = Model.load(tmp_path)
    assert loaded.fingerprint == saved.fingerprint
    np.testing.assert_allclose(loaded.encode_documents(rows), made.encode_documents(rows), atol=1e-6)
    np.testing.assert_allclose(loaded.encode_requests(requests("a")), made.encode_requests(requests("a")), atol=1e-6)


@pytest.mark.parametrize(
    ("channels", "words"),
    [
        ({"request.txt": TRANSFORMER}, "no feature 'request.txt'; did you mean 'request.text'"),
        ({"document.price": TRANSFORMER}, "'document.price' is numeric: transformer reads text"),
        ({"request.text": {"kind": "autodis"}}, "'request.text' is text: autodis reads numeric"),
        ({"request.text": {**TRANSFORMER, "heads": 3}}, "3 heads do not divide dim, 8"),
        ({"request.text": {"kind": "shared", "channel": "document.title"}}, "'document.title' has no network"),
        (
            {"request.budget": {"kind": "shared", "channel": "request.text"}, "request.text": TRANSFORMER},
            "'request.budget' is numeric, 'request.text' text: they cannot share",
        ),
    ],
)
def test_a_network_that_does_not_fit_is_refused(channels: dict[str, Any], words: str) -> None:
    with pytest.raises((ConfigError, ValueError), match=words):
        model(channels)
    with pytest.raises(ConfigError, match="features leaves it out"):
        model({"document.price": {"kind": "autodis"}}, features={"document": ["title"]})
