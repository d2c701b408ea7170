"""Capsules against the routing written out; models of several interests: unit length, offline as online, refusals."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.nn.functional import normalize

from alicorn.config import parse_config
from alicorn.errors import ConfigError
from alicorn.towers import Ensemble, Model
from alicorn.towers.channels.capsules import Capsules
from alicorn.training import Recipe
from alicorn.vertical import Vertical

VERTICAL = Vertical.model_validate(
    {
        "name": "shop",
        "embedding": "shop",
        "document": {"features": {"item": {"kind": "id", "column": "doc_id"}}},
        "request": {
            "features": {
                "text": {"kind": "text", "column": "query"},
                "history": {"kind": "sequence", "parts": {"item": "seen"}, "last": 6},
            }
        },
        "split": {"valid": 0.1},
        "expressions": {"boolean": "(or)", "hybrid": "(nn {key} :k 5)"},
    }
)
REQUESTS = pa.table(
    {
        "query": ["red shoes", "", None, "lamp"],
        "seen": [["a", "b", "c", "a"], ["d"], None, [f"{i}" for i in range(9)]],
    }
)


def model(seed: int = 0, **towers: object) -> Model:
    interests = {"feature": "history", "count": 3}
    tables = {"text": {"buckets": 100, "dim": 8}, "item": {"buckets": 100, "dim": 8}}
    plain = Recipe.model_validate({"towers": {"dim": 8, "interests": interests, "tables": tables, **towers}}).plain()
    return Model.new(VERTICAL, plain, "data", {}, seed)


def routed(capsules: Capsules, elements: np.ndarray) -> np.ndarray:
    """The routing of DRIM, a number at a time. elements: (n, width) -> (interests, width)."""
    mapped = [capsules.shared.weight.detach().numpy() @ element for element in elements]
    logits = capsules.start.numpy()[:, : len(elements)].astype(np.float64)
    for _ in range(capsules.rounds):
        shares = np.exp(logits) / np.exp(logits).sum(axis=0)
        found = []
        for share in shares:
            z = sum(c * one for c, one in zip(share, mapped, strict=True))
            length = np.linalg.norm(z)
            found.append(length**2 / (1 + length**2) * z / length)
        logits = logits + np.array([[v @ one for one in mapped] for v in found])
    return np.array(found)


@pytest.mark.parametrize("rounds", [1, 3])
def test_capsules_are_the_routing_written_out(rounds: int) -> None:
    torch.manual_seed(0)
    capsules = Capsules(count=3, rounds=rounds, longest=7, width=4)
    with torch.no_grad():
        capsules.shared.weight.add_(0.1 * torch.randn(4, 4))
    elements, lengths = torch.randn(3, 5, 4), torch.tensor([5, 2, 0])
    found = capsules(elements, lengths).detach().numpy()
    for row, length in enumerate(lengths[:2]):
        np.testing.assert_allclose(found[row], routed(capsules, elements[row, :length].numpy()), atol=1e-4)
    assert (found[2] == 0).all()
    assert (np.linalg.norm(found, axis=2) < 1).all()


def test_a_history_of_three_topics_gives_an_interest_to_each() -> None:
    """And every gradient is finite, those of rows without elements among them."""
    torch.manual_seed(1)
    topics = torch.eye(3, 8)
    elements = normalize(topics[torch.arange(30) % 3] + 0.05 * torch.randn(30, 8), dim=1)[None].repeat(2, 1, 1)
    elements.requires_grad_()
    capsules = Capsules(count=6, rounds=3, longest=30, width=8)
    found = capsules(elements, torch.tensor([30, 0]))
    cosines = normalize(found[0], dim=1) @ topics.T
    assert (cosines.max(dim=0).values > 0.95).all()
    found.sum().backward()
    assert elements.grad is not None
    assert elements.grad.isfinite().all()


def test_interests_are_of_unit_length_and_differ_only_where_there_is_a_history() -> None:
    for one in (model(), model(fusion={"kind": "attention"})):
        interests = one.encode_interests(REQUESTS)
        assert interests.shape == (4, one.num_interests, one.dim) == (4, 3, 8)
        np.testing.assert_allclose(np.linalg.norm(interests, axis=2), 1.0, rtol=1e-5)
        spread = np.abs(interests - interests[:, :1]).max(axis=(1, 2))
        assert (spread[[0, 3]] > 0.05).all()
        assert spread[2] == 0
        total = interests.sum(axis=1)
        np.testing.assert_allclose(
            one.encode_requests(REQUESTS), total / np.linalg.norm(total, axis=1, keepdims=True), atol=1e-6
        )


def test_the_query_is_part_of_every_interest() -> None:
    other = REQUESTS.set_column(0, "query", pa.array(["blue hat"] * 4))
    moved = np.abs(model().encode_interests(REQUESTS) - model().encode_interests(other)).max(axis=2)
    assert (moved[0] > 0.05).all()


def test_a_request_has_the_same_interests_alone_in_a_batch_and_after_loading(tmp_path) -> None:  # type: ignore[no-untyped-def]
    made = model(seed=5)
    together = made.encode_interests(REQUESTS)
    loaded = made.save(tmp_path / "model")
    assert isinstance(loaded, Model)
    for row in range(4):
        np.testing.assert_allclose(loaded.encode_interests(REQUESTS.slice(row, 1))[0], together[row], atol=1e-6)
    assert np.abs(model(seed=6).encode_interests(REQUESTS) - together).max() > 0.05


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="'text' is no sequence that the request reads; sequences: history"):
        model(interests={"feature": "text"})
    with pytest.raises(ConfigError, match="did you mean 'history'"):
        model(interests={"feature": "histroy"})
    with pytest.raises(ConfigError, match="use concat or attention"):
        parse_config(
            {"towers": {"fusion": {"kind": "semantic"}, "interests": {"feature": "history"}}}, Recipe, where="recipe"
        )
    with pytest.raises(ConfigError, match="one vector of each member"):
        Ensemble.of([model(), model()], [1.0, 1.0])
