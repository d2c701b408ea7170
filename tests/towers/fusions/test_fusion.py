"""Fusions: what a channel alone says, weights that sum to 1, and that attention learns whom to listen to."""

import numpy as np
import pytest
import torch
from channel_names import request
from towers_toy import documents, requests, toy_model

from alicorn.features import Bag, Features
from alicorn.towers import Model
from alicorn.towers.channels.tensors import Batch, batch_tensors
from alicorn.towers.fusions.encoder import ByChannel

ATTENTION = {"fusion": {"kind": "attention"}}


def request_batch(model: Model) -> Batch:
    return batch_tensors(model.requests.transform(requests()))


def moved(model: Model) -> Model:
    """Weights that start at zero moved from there, so that every path has a part."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.module.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return model


def by_channel(model: Model, batch: Batch) -> ByChannel:
    with torch.inference_mode():
        return model.module.request_channels(batch)


@pytest.mark.parametrize("towers", [{}, {"hidden": 0}, ATTENTION])
def test_by_channel_is_the_embedding_and_channels_of_unit_length(towers) -> None:  # type: ignore[no-untyped-def]
    model = moved(toy_model(towers))
    found = by_channel(model, request_batch(model))
    np.testing.assert_allclose(found.embedding, model.encode_requests(requests()), atol=1e-6)
    assert list(found.channels) == [request(name) for name in ("text", "city", "social.v1")]
    for channel in found.channels.values():
        np.testing.assert_allclose(torch.linalg.vector_norm(channel, dim=1), 1.0, rtol=1e-5)
    assert len(model.module.document_channels(batch_tensors(model.documents.transform(documents()))).channels) == 5


def test_a_channel_alone_in_a_concat_is_a_row_where_all_else_is_null() -> None:
    model = moved(toy_model())
    features = model.requests.transform(requests())
    text = features.channels[request("text")]
    nothing = Bag(np.zeros(len(features) + 1, dtype=np.int64), np.empty(0, dtype=np.int32))
    dense = np.zeros((len(features), 3), dtype=np.float32)
    alone = Features({request("text"): text, request("city"): nothing, request("social.v1"): dense}, len(features))
    with torch.inference_mode():
        expected = model.module.encode_requests(batch_tensors(alone))
    np.testing.assert_allclose(
        by_channel(model, batch_tensors(features)).channels[request("text")], expected, atol=1e-6
    )


def test_attention_is_the_weighted_sum_of_its_projected_channels() -> None:
    model = moved(toy_model(ATTENTION))
    state = {name: value.numpy() for name, value in model.module.state_dict().items()}
    channels = model.requests.transform(requests()).channels
    text, city = channels[request("text")], channels[request("city")]
    tables = dict(zip(["text", "city"], (state["tables.0.weight"], state["tables.1.weight"]), strict=True))
    for row in range(len(requests())):
        bags = []
        for name, bag in (("text", text), ("city", city)):
            indices = bag.indices[bag.offsets[row] : bag.offsets[row + 1]]
            bags.append(tables[name][indices].sum(axis=0) / max(len(indices), 1) ** 0.5)
        inputs = [*bags, channels[request("social.v1")][row]]
        phi = [
            state[f"request.projections.{i}.weight"] @ x + state[f"request.projections.{i}.bias"]
            for i, x in enumerate(inputs)
        ]
        logits = state["request.attention.weight"] @ np.concatenate(phi) + state["request.attention.bias"]
        shares = np.exp(logits) / np.exp(logits).sum()
        y = sum(share * one for share, one in zip(shares, phi, strict=True))
        found = by_channel(model, request_batch(model))
        np.testing.assert_allclose(found.embedding[row], y / np.linalg.norm(y), atol=1e-5)
        assert found.weights is not None
        np.testing.assert_allclose([one[row] for one in found.weights.values()], shares, atol=1e-5)


def test_attention_starts_by_listening_to_all_alike() -> None:
    model = toy_model(ATTENTION)
    weights = by_channel(model, request_batch(model)).weights
    assert weights is not None
    for one in weights.values():
        np.testing.assert_allclose(one, 1 / 3, atol=1e-6)


def test_attention_learns_to_leave_out_a_channel_of_noise() -> None:
    model = toy_model({**ATTENTION, "features": {"request": ["text", "social.v1"], "document": ["name"]}})
    rng = np.random.default_rng(0)
    optimizer = torch.optim.Adam(model.module.request.parameters(), lr=0.02)
    batch = batch_tensors(model.requests.transform(requests()))
    target = model.module.request_channels(batch).channels[request("text")].detach()
    for _ in range(200):
        batch[request("social.v1")] = torch.from_numpy(rng.normal(size=(4, 3)).astype(np.float32))
        loss = (1 - (model.module.encode_requests(batch) * target).sum(dim=1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weights = by_channel(model, batch).weights
    assert weights is not None
    assert float(weights[request("text")].mean()) > 0.8
