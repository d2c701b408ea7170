"""The propensity of a rank is that of the searchers who made the log, within its interval."""

import numpy as np
import pyarrow as pa
import pytest
from logs_world import documents, vertical, write_logs

from alicorn.logs.propensity import all_pairs, propensities

RANKS, QUERIES, SEARCHES = 10, 400, 12_000
EXAMINED = np.arange(1, RANKS + 1) ** -1.0


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Two rankers, whose pages are shuffled a little; better documents are higher, and a click is look times like."""
    rng = np.random.default_rng(5)
    query = rng.integers(0, QUERIES, SEARCHES)
    liked = np.sort(rng.random((QUERIES, RANKS)) ** 2, axis=1)[:, ::-1]
    ranker = rng.integers(0, 2, SEARCHES)
    noise = rng.normal(0, 0.25, (SEARCHES, RANKS)) + rng.normal(0, 0.3, (2, QUERIES, RANKS))[ranker, query]
    page = np.argsort(-(liked[query] + noise), axis=1)  # the document at each rank
    clicked = rng.random((SEARCHES, RANKS)) < EXAMINED * liked[query[:, None], page]
    rows = SEARCHES * RANKS
    table = pa.table(
        {
            "search_id": np.char.add("s", np.repeat(np.arange(SEARCHES), RANKS).astype(str)),
            "searcher_id": pa.nulls(rows, pa.string()),
            "time": np.repeat(np.arange(SEARCHES), RANKS).astype("M8[s]"),
            "query": np.char.add("q", np.repeat(query, RANKS).astype(str)),
            "doc_id": np.array(list("abcdefghij"))[page.ravel()],
            "position": np.tile(np.arange(1, RANKS + 1), SEARCHES),
            "clicked": clicked.ravel(),
        }
    )
    tables = {"documents": documents("abcdefghij"), "impressions": table}
    return write_logs(tmp_path_factory.mktemp("propensity"), tables), clicked.mean(axis=0)


def test_propensities_are_those_of_the_searchers(log):
    folder, rates = log
    found = propensities(folder, vertical(city="again: {kind: text, column: query}"), RANKS)
    value = np.array([one.value for one in found])
    assert value[0] == 1.0
    assert np.abs(value / EXAMINED - 1).max() < 0.1
    naive = rates / rates[0]
    assert np.abs(naive / EXAMINED - 1).max() > 0.3, "clicks alone are far off, as better documents are higher"
    inside = [one.low <= truth <= one.high for one, truth in zip(found, EXAMINED, strict=True)]
    assert sum(inside) >= 9


def test_exact_rates_give_exact_propensities():
    p = np.array([1.0, 0.5, 0.2])
    showings = np.array([[0, 9.0, 4], [9, 0, 2], [4, 2, 0]])
    liked = np.array([[0, 0.5, 0.3], [0.5, 0, 0.9], [0.3, 0.9, 0]])
    assert all_pairs(p[:, None] * showings * liked, showings) == pytest.approx(p, abs=1e-5)


def test_ranks_that_nothing_ties_to_the_first_are_not_known():
    clicked, showings = np.zeros((2, 4, 4))
    for k, other in ((0, 1), (1, 0), (2, 3), (3, 2)):
        clicked[k, other], showings[k, other] = 1.0, 2.0
    found = all_pairs(clicked, showings)
    assert found[:2] == pytest.approx([1.0, 1.0])
    assert np.isnan(found[2:]).all()
