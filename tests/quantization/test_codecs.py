"""What every codec must do: the shared conformance suite of quantization/. A new codec is a line in FIT."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from estimates import estimates
from numpy.testing import assert_allclose, assert_array_equal

from alicorn.errors import ConfigError
from alicorn.quantization import OPQ, PCAPQ, PQ, SQ8, ExtendedRaBitQ, Int8, KeyQuantizer, NoCodec, RaBitQ, Settings
from alicorn.quantization.kernels.levels import plane_width

DIM = 16
PRODUCT = {"pq": PQ, "opq": OPQ, "pca-pq": PCAPQ}
EXTENDED = {f"rabitq {bits}": partial(ExtendedRaBitQ.fit, bits=bits) for bits in range(2, 9)}
FIT = {
    "none": lambda points: NoCodec.train(points, None, 0),
    "sq8": SQ8.fit,
    "int8": lambda points: Int8.train(points, None, 0),
    **{name: partial(kind.fit, code_size=4) for name, kind in PRODUCT.items()},
    "rabitq 1": RaBitQ.fit,
    **EXTENDED,
}
CODED = [name for name in FIT if name != "none"]
LOSS = {  # mean of |vector - decoded|, at most
    "sq8": 0.02,
    "int8": 0.006,
    "pq": 0.75,
    "opq": 0.75,
    "pca-pq": 0.75,
    "rabitq 1": 0.8,
    "rabitq 2": 0.39,
    "rabitq 3": 0.21,
    "rabitq 4": 0.11,
    "rabitq 5": 0.055,
    "rabitq 6": 0.03,
    "rabitq 7": 0.015,
    "rabitq 8": 0.008,
}
ALL = pytest.mark.parametrize("name", FIT)
WITH_CODES = pytest.mark.parametrize("name", CODED)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Clustered, low-rank, unit length: (3000, 16)."""
    rng = np.random.default_rng(7)
    centers = rng.normal(size=(20, DIM))
    return unit(centers[rng.integers(20, size=3000)] + 0.4 * rng.normal(size=(3000, DIM)))


@pytest.fixture(scope="module")
def fitted(vectors: np.ndarray) -> dict:
    """One of each codec, trained on `vectors`."""
    return {name: fit(vectors) for name, fit in FIT.items()}


@WITH_CODES
def test_an_estimate_is_the_inner_product_with_the_decoded_vector(name: str, vectors: np.ndarray, fitted: dict) -> None:
    """As near as the codec says that rounding the query leaves it; rabitq of one bit says it in its bounds."""
    codec = fitted[name]
    codes = codec.encode(vectors[:500])
    assert codes.shape == (500, codec.code_size)
    assert codes.dtype == np.uint8
    query = vectors[600]
    off = codec.prepare(query).rounding + 1e-5
    if name == "rabitq 1":
        off = codec.bounds(vectors[:500], codes)
    assert (np.abs(estimates(codec, query, codes) - codec.decode(codes) @ query) <= off).all()
    by_first_part = codec.decode(codes[:, : codec.scan_size]) @ query
    assert (np.abs(estimates(codec, query, codes, whole=False) - by_first_part) <= off).all()


@WITH_CODES
def test_decoding_comes_near_the_vector(name: str, vectors: np.ndarray, fitted: dict) -> None:
    codec = fitted[name]
    errors = np.linalg.norm(codec.decode(codec.encode(vectors)) - vectors, axis=1)
    assert 0 < errors.mean() < LOSS[name]  # it does compress


@WITH_CODES
def test_a_code_has_the_size_that_was_asked_for(name: str, fitted: dict) -> None:
    padded = 64  # dimensions of rabitq
    sizes = {
        "sq8": 2 * plane_width(DIM),
        "int8": 2 * plane_width(DIM) + 4,
        "rabitq 1": padded // 8 + 8,
        **{f"rabitq {b}": padded * b // 8 + 4 for b in range(2, 9)},
    }
    assert fitted[name].code_size == sizes.get(name, 4)
    assert 0 < fitted[name].scan_size <= fitted[name].code_size


@ALL
def test_arrays_round_trip(name: str, vectors: np.ndarray, fitted: dict) -> None:
    codec = fitted[name]
    again = type(codec).from_arrays(codec.to_arrays())
    assert_array_equal(again.encode(vectors[:50]), codec.encode(vectors[:50]))
    assert again.code_size == codec.code_size


@ALL
def test_same_seed_same_codes(name: str, vectors: np.ndarray, fitted: dict) -> None:
    """But for borders: Faiss and BLAS, which train most codecs, add in an order of their own."""
    codes = FIT[name](vectors).encode(vectors[:50])
    assert np.count_nonzero(codes != fitted[name].encode(vectors[:50])) <= 0.01 * codes.size


@ALL
def test_nothing_to_encode(name: str, fitted: dict) -> None:
    codec = fitted[name]
    nothing = codec.encode(np.empty((0, DIM), dtype=np.float32))
    assert nothing.shape == (0, codec.code_size)
    assert codec.decode(nothing).shape == (0, DIM)
    if name != "none":
        assert estimates(codec, np.ones(DIM, dtype=np.float32), nothing).shape == (0,)


@ALL
def test_a_code_depends_on_its_vector_alone(name: str, vectors: np.ndarray, fitted: dict) -> None:
    codec = fitted[name]
    one = codec.encode(vectors[7:8])
    assert_allclose(codec.decode(one), codec.decode(codec.encode(vectors))[7:8], atol=1e-5)
    if name != "none":
        assert estimates(codec, vectors[0], one).shape == (1,)


@pytest.mark.parametrize("name", ["sq8", "rabitq 1", *EXTENDED])
def test_a_vector_without_length_decodes_to_about_nothing(name: str, fitted: dict) -> None:
    """A document that is its own centroid: its residual is zero."""
    codec = fitted[name]
    decoded = codec.decode(codec.encode(np.zeros((1, DIM), dtype=np.float32)))
    assert np.linalg.norm(decoded) <= (LOSS["sq8"] if name == "sq8" else 0)


@pytest.mark.parametrize("name", [name for name in FIT if name not in PRODUCT])
def test_one_point_is_enough_to_train(name: str) -> None:
    point = np.full((1, DIM), 0.25, dtype=np.float32)
    codec = FIT[name](point)
    lost = np.linalg.norm(codec.decode(codec.encode(point)) - point)
    assert lost <= (1.0 if name == "none" else LOSS[name] + 0.1)


def test_one_point_is_coded_exactly_by_sq8() -> None:
    point = np.full((1, DIM), 0.25, dtype=np.float32)
    codec = SQ8.fit(point)
    assert_allclose(codec.decode(codec.encode(point)), point, atol=1e-6)


def test_sq8_clips_what_it_was_not_trained_on() -> None:
    codec = SQ8.fit(np.array([[0.0, 0.0], [1.0, 1.0]], dtype=np.float32))
    assert_allclose(codec.decode(codec.encode(np.array([[5.0, -5.0]], dtype=np.float32))), [[1.0, 0.0]], atol=1e-5)


@pytest.mark.parametrize("name", PRODUCT)
def test_the_same_point_over_and_over_is_coded_exactly(name: str) -> None:
    point = np.linspace(-0.3, 0.3, DIM, dtype=np.float32)
    codec = FIT[name](np.tile(point, (300, 1)))
    assert_allclose(codec.decode(codec.encode(point[None])), point[None], atol=1e-5)


@pytest.mark.parametrize("name", PRODUCT)
def test_training_on_few_points_prints_nothing(name: str, vectors: np.ndarray, capfd: pytest.CaptureFixture) -> None:
    FIT[name](vectors[:300])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", PRODUCT)
def test_product_codes_refuse_what_they_cannot_train(name: str) -> None:
    if name != "pca-pq":  # which projects
        with pytest.raises(ValueError, match="code_size must divide the dimension 16, got 5"):
            PRODUCT[name].fit(np.zeros((300, DIM), dtype=np.float32), code_size=5)
    with pytest.raises(ValueError, match=f"{name} needs at least 256 training vectors, got 10"):
        PRODUCT[name].fit(np.zeros((10, DIM), dtype=np.float32), code_size=4)


def test_pca_pq_projects_where_the_bytes_do_not_divide_the_dimension(vectors: np.ndarray) -> None:
    codec = PCAPQ.fit(vectors, code_size=5)
    assert codec.components.shape == (15, DIM)
    assert codec.decode(codec.encode(vectors[:3])).shape == (3, DIM)


def test_a_rotation_pays_where_few_directions_carry_the_variance() -> None:
    """EBR 4.1, tip 3: always try OPQ."""
    rng = np.random.default_rng(2)
    rotation = np.linalg.qr(rng.normal(size=(32, 32)))[0]
    points = ((rng.normal(size=(3000, 32)) * np.exp(-np.arange(32) / 4)) @ rotation).astype(np.float32)
    errors = {}
    for name, kind in PRODUCT.items():
        codec = kind.fit(points, code_size=8)
        errors[name] = np.linalg.norm(codec.decode(codec.encode(points)) - points, axis=1).mean()
    assert errors["opq"] < 0.5 * errors["pq"]
    assert errors["pca-pq"] < 0.5 * errors["pq"]


@pytest.mark.parametrize("codec", ["none", "sq8", *PRODUCT])
@pytest.mark.parametrize("coarse", ["ivf", "imi"])
def test_the_stored_error_bounds_every_estimate(coarse: str, codec: str, vectors: np.ndarray) -> None:
    quantizer = KeyQuantizer.train(vectors, 1, Settings(coarse, 16, codec))
    clusters = quantizer.assign(vectors)
    codes = quantizer.encode(vectors, clusters)
    assert (codes.errors >= 0).all()
    if codec == "none":
        assert not codes.errors.any()
        return
    whole = np.hstack([codes.codes, codes.fine])
    parts = [(whole, codes.fine_errors[:, 0] if codes.fine.size else codes.errors)]
    queries = unit(np.random.default_rng(1).normal(size=(20, DIM)))
    for part, errors in parts:
        for query in queries:
            found = estimates(quantizer.codec, query, part) + quantizer.coarse.cosines(query)[clusters]
            rounding = quantizer.codec.prepare(query).rounding
            assert (np.abs(found - vectors @ query) <= errors + rounding).all()
            assert np.abs(found - vectors @ query).max() > 0
    lost = vectors - quantizer.coarse.centroids[clusters] - quantizer.codec.decode(codes.codes)
    assert (np.linalg.norm(lost, axis=1) <= codes.errors).all(), "the first part of the code alone has its own bound"


@pytest.mark.parametrize("coarse", ["ivf", "imi"])
@pytest.mark.parametrize(
    "chosen",
    [
        *(Settings(codec=codec) for codec in ("none", "sq8", "rabitq")),
        *(Settings(codec=codec, pq_bytes=8) for codec in PRODUCT),
        *(Settings(codec="rabitq", bits=bits) for bits in (2, 5, 8)),
    ],
    ids=str,
)
def test_key_quantizer_round_trip_keeps_version_and_codes(chosen: Settings, coarse: str, vectors: np.ndarray) -> None:
    chosen = replace(chosen, coarse=coarse, num_clusters=9)
    quantizer = KeyQuantizer.train(vectors, 3, chosen)
    again = KeyQuantizer.from_arrays(quantizer.to_arrays())
    assert (again.version, again.trained_on, again.num_clusters) == (3, len(vectors), 9)
    assert again.settings == quantizer.settings == chosen.complete(len(vectors), DIM)
    assert again.chosen == chosen
    clusters = quantizer.assign(vectors)
    assert_array_equal(again.assign(vectors), clusters)
    assert_array_equal(again.encode(vectors, clusters).codes, quantizer.encode(vectors, clusters).codes)


def test_training_refuses_an_unknown_codec() -> None:
    with pytest.raises(ConfigError, match="codec must be one of none, sq8, pq, opq, pca-pq, rabitq, got 'sq9'"):
        KeyQuantizer.train(np.eye(4, dtype=np.float32), 1, Settings(codec="sq9"))
