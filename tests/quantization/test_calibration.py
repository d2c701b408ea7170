"""What is measured on some vectors holds for other queries and other filters, and is kept as it was measured."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alicorn.quantization import Calibration, CoarseQuantizer, held_out, least_cosine, measure
from alicorn.quantization.calibration import KS, RECALLS, first_scan, needed_slack
from alicorn.quantization.fitting import Case, bases_of, growth_of, slopes_of

DIM, NUM_CLUSTERS = 24, 64


class Block:
    """Vectors by cluster, as a segment has them."""

    def __init__(self, vectors: np.ndarray, clusters: np.ndarray, num_clusters: int = NUM_CLUSTERS) -> None:
        order = np.argsort(clusters, kind="stable")
        self.vectors, self.clusters = vectors[order], clusters[order]
        self.starts = np.searchsorted(self.clusters, np.arange(num_clusters + 1))

    def stored(self, rows: np.ndarray) -> np.ndarray:
        return self.vectors[rows]


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def drawn(rng: np.random.Generator, count: int) -> np.ndarray:
    centres = np.random.default_rng(7).normal(size=(40, DIM))
    vectors = centres[rng.integers(40, size=count)] + 0.6 * rng.normal(size=(count, DIM))
    return unit(vectors)


@pytest.fixture(scope="module")
def measured() -> tuple[list[Block], CoarseQuantizer, Calibration]:
    vectors = drawn(np.random.default_rng(0), 12_000)
    coarse = CoarseQuantizer.fit(vectors[~held_out(vectors)], NUM_CLUSTERS)
    clusters = coarse.assign(vectors)
    blocks = [Block(vectors[part], clusters[part]) for part in (slice(0, 9_000), slice(9_000, None))]
    calibration = measure(blocks, coarse.centroids)
    assert calibration is not None
    return blocks, coarse, calibration


def recall_of(measured, query: np.ndarray, allowed, k: int, recall: float) -> tuple[float, float]:
    """The rule in its slow obvious form -> the recall of one query, and the share of the clusters that it read."""
    blocks, coarse, calibration = measured
    vectors = np.concatenate([block.vectors for block in blocks])
    clusters = np.concatenate([block.clusters for block in blocks])
    mask = allowed(vectors, clusters)
    cosines, of_cluster = vectors[mask] @ query, clusters[mask]
    nearest_first = np.argsort(-(coarse.centroids @ query), kind="stable")
    read: set[int] = set()
    held = 0
    for cluster in nearest_first:
        if held >= first_scan(k):
            break
        read.add(int(cluster))
        held += int((of_cluster == cluster).sum())
    bound = np.sort(cosines[np.isin(of_cluster, list(read))])[-k]
    slack = calibration.slack(k, recall, len(vectors))
    least = least_cosine(calibration.spread, slack.slope, slack.base, float(bound))
    read |= {int(cluster) for cluster in nearest_first if coarse.centroids[cluster] @ query >= least}
    best = np.argsort(-cosines)[:k]
    return float(np.isin(of_cluster[best], list(read)).mean()), len(read) / len(coarse.centroids)


FILTERS = {
    "all": lambda vectors, clusters: np.ones(len(vectors), dtype=bool),
    "a tenth": lambda vectors, clusters: np.arange(len(vectors)) % 10 == 3,
    "some clusters": lambda vectors, clusters: clusters % 7 == 2,
    "one side": lambda vectors, clusters: vectors[:, 0] > np.quantile(vectors[:, 0], 0.8),
    "the other side": lambda vectors, clusters: vectors[:, 0] < np.quantile(vectors[:, 0], 0.1),
}


def far_from(query: np.ndarray, vectors: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    cosines = vectors @ query
    return cosines < np.quantile(cosines, 0.95)


@pytest.mark.parametrize("k", [1, 10, 100])
@pytest.mark.parametrize("recall", [0.8, 0.95])
def test_the_recall_is_met_for_other_queries_and_filters(measured, k, recall):
    queries = drawn(np.random.default_rng(99), 60)
    for name, allowed in FILTERS.items():
        found = [recall_of(measured, query, allowed, k, recall) for query in queries]
        assert np.mean([reached for reached, _ in found]) >= recall - 0.01, name
    own = [recall_of(measured, query, partial(far_from, query), k, recall) for query in queries]
    assert np.mean([reached for reached, _ in own]) >= recall - 0.01, "all but the query's own region"
    everything = [recall_of(measured, query, FILTERS["all"], k, recall) for query in queries]
    assert np.mean([read for _, read in everything]) < 0.6


def named(count: int, dim: int = 48) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Documents that are a first name, a last name and a place; and queries that lack or misspell some of it."""
    rng = np.random.default_rng(1)
    first, last, place = (
        weight * unit(rng.normal(size=(number, dim)))[(number * rng.random(count) ** 2).astype(int)]
        for weight, number in ((0.8, 60), (1.0, 200), (0.8, 30))
    )

    def noise(size: int, scale: float) -> np.ndarray:
        return scale * unit(rng.normal(size=(size, dim)))

    documents = unit(first + last + place + noise(count, 1.0))
    asked = rng.choice(count, 200, replace=False)
    first, last, place = first[asked], last[asked], place[asked]
    queries = {
        "whole": first + last + place,
        "first name alone": first + 0.5 * place,
        "last name alone": last + 0.5 * place,
        "misspelt": first + 0.5 * last + place + noise(200, 0.5),
    }
    return documents, {kind: unit(query + noise(200, 0.4)) for kind, query in queries.items()}


def test_the_recall_is_met_for_each_kind_of_the_queries_that_calibrate():
    """Other queries of the same kinds. By one slope for every K, a last name alone had 0.93."""
    vectors, kinds = named(12_000)
    coarse = CoarseQuantizer.fit(vectors[~held_out(vectors)], 4 * NUM_CLUSTERS)
    block = Block(vectors, coarse.assign(vectors), 4 * NUM_CLUSTERS)
    calibrating = np.concatenate([queries[:32] for queries in kinds.values()])
    made = [block], coarse, measure([block], coarse.centroids, calibrating)
    for kind, queries in kinds.items():
        found = [recall_of(made, query, FILTERS["all"], 10, 0.95) for query in queries[32:]]
        assert np.mean([reached for reached, _ in found]) >= 0.94, kind


def test_each_third_of_the_queries_by_their_bound_reaches_the_recall():
    """What queries need rises by 1.0 with their bound, in the mean a slope of 0 would do as well."""
    rng = np.random.default_rng(0)
    bounds = rng.uniform(0.1, 0.7, 120)
    cases = [{2: Case(bounds, np.maximum(0.0, bounds[:, None] + rng.normal(0.0, 0.1, (120, 100))))}]
    slopes = slopes_of(cases, unfiltered=[0])
    bases = bases_of(cases[0], slopes, in_parts=True)
    assert slopes[2] == pytest.approx(1.0, abs=0.1)
    for third in np.array_split(np.argsort(bounds), 3):
        found = cases[0][2].needed[third] <= (bases[2, 3] + slopes[2] * bounds[third])[:, None] + 1e-9
        assert 0.95 <= found.mean() < 0.98


def test_more_recall_and_farther_neighbours_need_more_clusters(measured):
    calibration = measured[2]
    assert np.all(np.diff(calibration.bases, axis=1) >= 0)
    for bound in (-0.5, 0.0, 0.4, 0.8, 0.99):
        cosines = [least_cosine(calibration.spread, 0.0, slack, bound) for slack in (0.0, 0.2, 0.6, 1.0)]
        assert cosines == sorted(cosines, reverse=True)
    for slack in (0.0, 0.3, 1.0):
        cosines = [least_cosine(calibration.spread, 0.0, slack, bound) for bound in (-0.9, 0.0, 0.5, 0.9)]
        assert cosines == sorted(cosines)


def test_a_cluster_is_left_out_just_where_a_member_would_need_more_slack(measured):
    """The equation of the module's docstring, by numbers."""
    spread = measured[2].spread
    for bound, slack in ((0.7, 0.3), (0.5, 0.1), (0.2, 0.5)):
        least = least_cosine(spread, 0.0, slack, bound)
        needed = [
            (bound - s * spread) / math.sqrt((1 - s * s) * (1 - spread * spread)) for s in (least - 0.01, least + 0.01)
        ]
        assert needed[0] > slack > needed[1]


@settings(deadline=None)
@given(st.floats(0.05, 0.98), st.floats(-0.3, 0.99), st.floats(-0.9, 0.99))
def test_the_slack_that_a_cluster_needs_is_the_least_that_searches_it(spread, bound, cosine):
    needed = float(needed_slack(spread, np.array([cosine]), np.array([bound]))[0])
    assert least_cosine(spread, 0.0, needed + 1e-6, bound) <= cosine + 1e-9
    if needed > 1e-3:
        assert least_cosine(spread, 0.0, needed - 1e-3, bound) > cosine


def test_the_slack_rises_with_the_bound_and_is_never_negative():
    assert least_cosine(0.7, 0.5, 0.1, 0.4) == least_cosine(0.7, 0.0, 0.1 + 0.5 * 0.4, 0.4)
    assert least_cosine(0.7, 0.5, -0.9, 0.4) == least_cosine(0.7, 0.0, 0.0, 0.4)


def test_recalls_beyond_what_was_measured_take_all_clusters(measured):
    calibration = measured[2]
    everything = calibration.slack(10, 1.0, 12_000)
    assert math.isinf(everything.base)
    assert least_cosine(0.7, everything.slope, everything.base, 0.9) < -1
    assert calibration.slack(5_000, 0.9, 12_000) == calibration.slack(KS[-1], 0.9, 12_000)
    assert calibration.slack(10, 0.9, 12_000) == (calibration.slopes[1], calibration.bases[1, RECALLS.index(0.9)])


def test_the_same_vectors_in_other_blocks_give_nearly_the_same(measured):
    blocks, coarse, calibration = measured
    vectors = np.concatenate([block.vectors for block in blocks])
    clusters = np.concatenate([block.clusters for block in blocks])
    again = measure([Block(vectors, clusters)], coarse.centroids)
    assert again is not None
    np.testing.assert_allclose(again.bases, calibration.bases, atol=0.15)


def test_too_few_vectors_are_not_measured():
    vectors = drawn(np.random.default_rng(1), 100)
    coarse = CoarseQuantizer.fit(vectors, NUM_CLUSTERS)
    assert measure([Block(vectors, coarse.assign(vectors))], coarse.centroids) is None


def test_a_recall_that_no_slack_reaches_says_nothing_of_growth():
    reached, unreached = [0.4, 0.5], [0.4, np.inf]
    growth = growth_of(np.array([unreached, reached]), np.array([unreached, [0.2, 0.4]]))
    assert growth[0] == pytest.approx(0.025 + 0.025)
    assert growth[1] == pytest.approx((0.2 + 0.1) / 2)


def test_it_is_kept_exactly(measured):
    kept = Calibration.from_arrays(measured[2].to_arrays())
    assert kept.spread == measured[2].spread
    np.testing.assert_array_equal(kept.bases, measured[2].bases)
    assert kept.slack(10, 0.9, 48_000) == measured[2].slack(10, 0.9, 48_000)
    assert kept.slack(10, 0.9, 48_000).base > kept.slack(10, 0.9, 12_000).base
