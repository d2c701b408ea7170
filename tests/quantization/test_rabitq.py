"""RaBitQ of one bit and of several: unbiased, bounded with high probability, and near the best levels there are."""

import numpy as np
import pytest
from estimates import estimates

from alicorn.quantization import ExtendedRaBitQ, RaBitQ
from alicorn.quantization.codecs.rabitq import EPSILON, random_rotation

BITS = range(1, 9)


def fit(residuals: np.ndarray, bits: int, seed: int = 0) -> RaBitQ | ExtendedRaBitQ:
    return RaBitQ.fit(residuals, seed) if bits == 1 else ExtendedRaBitQ.fit(residuals, bits, seed)


@pytest.fixture(scope="module")
def residuals() -> np.ndarray:
    """(2000, 100) float32 of unequal lengths and variances."""
    rng = np.random.default_rng(11)
    lengths = rng.uniform(0.05, 0.8, size=(2000, 1))
    points = rng.normal(size=(2000, 100)) * np.exp(-np.arange(100) / 40)
    return (lengths * points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def queries() -> np.ndarray:
    points = np.random.default_rng(12).normal(size=(50, 100))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def all_estimates(codec: RaBitQ | ExtendedRaBitQ, codes: np.ndarray, queries: np.ndarray) -> np.ndarray:
    return np.array([estimates(codec, query, codes) for query in queries])


@pytest.mark.parametrize("bits", BITS)
def test_the_bound_is_so_many_deviations_of_the_error(bits: int, residuals: np.ndarray, queries: np.ndarray) -> None:
    codec = fit(residuals, bits)
    codes = codec.encode(residuals)
    shares = (all_estimates(codec, codes, queries) - queries @ residuals.T) / codec.bounds(residuals, codes)
    assert np.count_nonzero(np.abs(shares) > 1) <= 5, "7 in a million are expected, and these are 100,000"
    assert 0.6 < shares.std() * EPSILON < 1.1, "a bound that is not loose either"


@pytest.mark.parametrize("bits", BITS)
def test_the_estimate_is_unbiased_over_rotations(bits: int, residuals: np.ndarray) -> None:
    """Also for the vector itself as the query, which the plain decoded code would score too low."""
    residual = residuals[:1]
    query = residual[0] / np.linalg.norm(residual)
    exact = float(query @ residual[0])
    found = []
    for seed in range(60):
        codec = fit(residual, bits, seed)
        found.append(estimates(codec, query, codec.encode(residual))[0])
    assert abs(np.mean(found) / exact - 1) < 4 * np.std(found) / exact / np.sqrt(len(found)) + 1e-5


def test_every_bit_halves_the_error(residuals: np.ndarray) -> None:
    lost = []
    for bits in BITS:
        codec = fit(residuals, bits)
        lost.append(np.linalg.norm(residuals - codec.decode(codec.encode(residuals)), axis=1).mean())
    ratios = np.array(lost[1:]) / np.array(lost[:-1])
    assert (ratios < 0.6).all()
    assert (ratios > 0.4).all()


def best_cosine(row: np.ndarray, bits: int) -> float:
    """The largest cosine of any grid vector to the row: every scale at which a level changes, one after the other."""
    sizes, top = np.abs(row).astype(np.float64), 2 ** (bits - 1) - 1
    scales = sorted({float(level / size) for size in sizes for level in range(1, top + 1)} | {0.0})
    best = 0.0
    for scale in scales:
        middles = np.minimum(np.floor(sizes * scale * (1 + 1e-12)), top) + 0.5
        best = max(best, float(middles @ sizes / np.linalg.norm(middles)))
    return best / float(np.linalg.norm(sizes))


@pytest.mark.parametrize(("bits", "most"), [(2, 1.01), (3, 1.01), (4, 1.02), (5, 1.04), (8, 1.15)])
def test_the_levels_are_nearly_the_best(bits: int, most: float) -> None:
    """The sine of the angle between code and vector, against a search through all scales."""
    rows = np.random.default_rng(5).normal(size=(4, 64)).astype(np.float32)
    codec = ExtendedRaBitQ.fit(rows, bits)
    decoded = codec.decode(codec.encode(rows))
    cosines = np.einsum("ij,ij->i", decoded, rows) / np.linalg.norm(decoded, axis=1) / np.linalg.norm(rows, axis=1)
    best = np.array([best_cosine(row @ codec.rotation.T, bits) for row in rows])
    assert (np.sqrt(1 - cosines.astype(np.float64) ** 2) <= most * np.sqrt(1 - best**2) + 1e-4).all()


@pytest.mark.parametrize("bits", [0, 1, 9])
def test_bits_outside_the_range_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match=rf"bits must be in \[2, 8\], got {bits}"):
        ExtendedRaBitQ.fit(np.ones((1, 4), dtype=np.float32), bits)


def test_the_rotation_is_orthogonal_and_unlike_vectors_of_the_same_seed() -> None:
    rotation = random_rotation(100, 0)
    assert rotation.shape == (128, 128)
    assert np.allclose(rotation @ rotation.T, np.eye(128), atol=1e-10)
    drawn = np.random.default_rng(0).normal(size=(128, 128))
    assert np.abs(np.diag(rotation @ drawn.T)).mean() < 2


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("dim", [3, 64, 130, 300])
def test_the_estimate_is_that_of_the_decoded_vector(bits: int, dim: int) -> None:
    """But for the rounding of the query's weights, which stays within what `prepare` says of it."""
    rng = np.random.default_rng(bits)
    residuals = rng.standard_normal((500, dim)).astype(np.float32)
    residuals /= np.linalg.norm(residuals, axis=1, keepdims=True)
    query = residuals[0] + 0.1 * residuals[1]
    query /= np.linalg.norm(query)
    codec = ExtendedRaBitQ.fit(residuals, bits)
    codes = codec.encode(residuals)
    rounding = codec.prepare(query).rounding
    assert np.abs(estimates(codec, query, codes) - codec.decode(codes) @ query).max() <= rounding + 2e-6
    assert rounding < 1e-3
    assert (rounding == 0) == (bits < 4)
