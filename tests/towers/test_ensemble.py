"""Several models as one embedding: EBR's equations 4-6, and a folder that is a model like any other."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from towers_toy import VERTICAL, documents, requests, toy_model

from alicorn.errors import ConfigError, ModelError
from alicorn.towers import Ensemble, Model
from alicorn.vertical import Vertical


class Fixed:
    """A member whose vectors are drawn, of unit length."""

    vertical = VERTICAL
    fingerprint = "fixed"
    num_interests = 1

    def __init__(self, dim: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.dim = dim
        self.sides = [rng.standard_normal((5, dim)) for _ in range(2)]
        self.sides = [(side / np.linalg.norm(side, axis=1, keepdims=True)).astype(np.float32) for side in self.sides]

    def reads(self, vertical: Vertical) -> dict[str, str]:
        return {}

    def encode_requests(self, table: object) -> np.ndarray:
        return self.sides[0]

    def encode_documents(self, table: object) -> np.ndarray:
        return self.sides[1]


WEIGHTS = st.lists(st.floats(0.01, 100), min_size=2, max_size=5)


@settings(max_examples=200, deadline=None)
@given(weights=WEIGHTS, dims=st.lists(st.integers(2, 64), min_size=5, max_size=5), seed=st.integers(0, 2**32 - 1))
def test_the_cosine_is_the_weighted_sum_of_cosines(weights: list[float], dims: list[int], seed: int) -> None:
    """cos(E_q, E_d) = S_w / (sqrt(sum a^2) sqrt(n)), EBR 6.2."""
    members = [Fixed(dim, seed + at) for at, dim in enumerate(dims[: len(weights)])]
    ensemble = Ensemble.of(members, weights)  # type: ignore[arg-type]
    q, d = ensemble.encode_requests(None), ensemble.encode_documents(None)  # type: ignore[arg-type]
    assert q.shape == d.shape == (5, ensemble.dim)
    np.testing.assert_allclose(np.linalg.norm(q, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(d, axis=1), 1, atol=1e-6)
    summed = sum(
        weight * np.sum(member.sides[0].astype(float) * member.sides[1], axis=1)
        for weight, member in zip(weights, members, strict=True)
    )
    expected = summed / (np.sqrt(np.sum(np.square(weights))) * np.sqrt(len(weights)))
    cosines = np.sum(q.astype(float) * d, axis=1) / np.linalg.norm(q.astype(float), axis=1)
    cosines /= np.linalg.norm(d.astype(float), axis=1)
    np.testing.assert_allclose(cosines, expected, atol=1e-6)


@pytest.mark.parametrize("weights", [[1e200, 1e200], [1e-200, 1e-200], [1e300, 1e-300]])
def test_weights_of_any_size_give_unit_length(weights: list[float]) -> None:
    ensemble = Ensemble.of([Fixed(3, 0), Fixed(4, 1)], weights)  # type: ignore[list-item]
    lengths = np.linalg.norm(ensemble.encode_requests(requests()), axis=1)
    np.testing.assert_allclose(lengths, 1.0, rtol=1e-6)


def test_weights_are_on_the_request_s_side_only() -> None:
    members = [toy_model(seed=1), toy_model(seed=2)]
    some, other = (Ensemble.of(members, weights) for weights in ([1, 1], [1, 5]))
    np.testing.assert_allclose(some.encode_documents(documents()), other.encode_documents(documents()), atol=1e-6)
    assert not np.allclose(some.encode_requests(requests()), other.encode_requests(requests()))


def test_a_folder_is_a_model_like_any_other(tmp_path: Path) -> None:
    members = [toy_model(seed=seed).save(tmp_path / str(seed)) for seed in (1, 2)]
    saved = Ensemble.of(members, [1.0, 0.3], key="both").save(tmp_path / "both")
    loaded = Model.load(tmp_path / "both")
    assert isinstance(loaded, Ensemble)
    assert (loaded.key, loaded.dim, loaded.weights) == ("both", 16, (1.0, 0.3))
    assert loaded.fingerprint == saved.fingerprint
    assert loaded.vertical == VERTICAL
    np.testing.assert_allclose(loaded.encode_requests(requests()), saved.encode_requests(requests()), atol=1e-6)
    np.testing.assert_allclose(loaded.encode_documents(documents()), saved.encode_documents(documents()), atol=1e-6)


def test_an_ensemble_may_be_a_member(tmp_path: Path) -> None:
    a, b, c = (toy_model(seed=seed) for seed in (1, 2, 3))
    inner = Ensemble.of([a, b], [1.0, 2.0])
    loaded = Model.load(_saved(Ensemble.of([inner, c], [1.0, 1.0]), tmp_path / "nested"))
    assert loaded.dim == 24
    assert loaded.encode_requests(requests()).shape == (4, 24)


def test_fingerprints_tell_members_and_weights_apart_but_not_keys(tmp_path: Path) -> None:
    a, b = (toy_model(seed=seed).save(tmp_path / str(seed)) for seed in (1, 2))
    different = [
        Ensemble.of([a, b], [1, 1]),
        Ensemble.of([b, a], [1, 1]),
        Ensemble.of([a, b], [1, 2]),
    ]
    assert len({ensemble.fingerprint for ensemble in different}) == 3
    assert different[0].with_key("x").fingerprint == different[0].fingerprint
    assert Ensemble.of([a, b], [1, 1]).fingerprint == different[0].fingerprint


def test_features_are_those_that_any_member_reads() -> None:
    text = toy_model({"features": {"request": ["text"], "document": ["name"]}})
    place = toy_model({"features": {"request": ["text", "city"], "document": ["place"]}})
    ensemble = Ensemble.of([text, place], [1, 1])
    assert set(ensemble.request_features) == {"text", "city"}
    assert set(ensemble.document_features) == {"name", "place"}


@pytest.mark.parametrize(
    ("count", "weights", "message"),
    [
        (1, [1.0], "two members or more, got 1"),
        (2, [1.0], "one weight per member, got 1 for 2"),
        (2, [1.0, 0.0], "above 0, got 1.0, 0.0"),
        (2, [1.0, float("nan")], "above 0"),
        (2, [1.0, float("inf")], "above 0"),
    ],
)
def test_what_is_no_ensemble_is_refused(count: int, weights: list[float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Ensemble.of([toy_model()] * count, weights)


def test_members_that_read_different_features_are_refused() -> None:
    changed = VERTICAL.model_dump()
    changed["document"]["features"]["place"]["column"] = "town"
    other = Vertical.model_validate(changed)
    stranger = replace(toy_model(), vertical=other)
    with pytest.raises(ConfigError, match=r"search one vertical: .* another document\.features\.place than"):
        Ensemble.of([toy_model(), stranger], [1, 1])
    renamed = replace(toy_model(), vertical=Vertical.model_validate({**VERTICAL.model_dump(), "name": "other"}))
    assert Ensemble.of([toy_model(), renamed], [1, 1]).dim == 2 * toy_model().dim


def test_a_changed_weight_or_member_is_noticed(tmp_path: Path) -> None:
    folder = _saved(Ensemble.of([toy_model(seed=1), toy_model(seed=2)], [1, 2]), tmp_path / "e")
    header = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**header, "weights": [1, 3]}))
    with pytest.raises(ModelError, match="member or a weight was changed"):
        Model.load(folder)
    (folder / "model.json").write_text(json.dumps({**header, "weights": [1, -3]}))
    with pytest.raises(ModelError, match="does not fit the members: weights of an ensemble are above 0"):
        Model.load(folder)
    (folder / "model.json").write_text(json.dumps(header))
    toy_model(seed=3).save(folder / "members" / "1")
    with pytest.raises(ModelError, match="member or a weight was changed"):
        Model.load(folder)
    (folder / "members" / "0" / "model.json").unlink()
    with pytest.raises(ModelError, match="no finished model"):
        Model.load(folder)


def _saved(ensemble: Ensemble, folder: Path) -> Path:
    ensemble.save(folder)
    return folder
