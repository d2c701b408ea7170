"""The propensity of a rank is that of the searchers who made the log, within its interval."""

import random

import numpy as np
import pyarrow as pa
import pytest
from logs_world import documents, vertical, write_logs

from alicorn.feedback.exploration import swapped
from alicorn.logs.propensity import Varied, estimated, propensities

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
    found = propensities(folder, vertical(city="again: {kind: text, column: query}"), RANKS).ranks
    value = np.array([one.value for one in found])
    assert value[0] == 1.0
    assert np.abs(value / EXAMINED - 1).max() < 0.1
    naive = rates / rates[0]
    assert np.abs(naive / EXAMINED - 1).max() > 0.3, "clicks alone are far off, as better documents are higher"
    inside = [one.low <= truth <= one.high for one, truth in zip(found, EXAMINED, strict=True)]
    assert sum(inside) >= 9


@pytest.fixture(scope="module")
def personal(tmp_path_factory):
    """A ranker that knows what each searcher likes, so that a document is higher for those who will click it; some
    neighbours are swapped. Returns the tables."""
    rng, draws = np.random.default_rng(1), random.Random(1)
    query = rng.integers(0, 20, SEARCHES)
    liked = (rng.random((20, RANKS))[query] + rng.random((SEARCHES, RANKS))) / 2
    ranked = np.argsort(-liked, axis=1)
    swaps = [swapped(RANKS, 0.4, draws.random) for _ in range(SEARCHES)]
    places, probability = (np.array(each) for each in zip(*swaps, strict=True))
    page = np.take_along_axis(ranked, places, axis=1)
    clicked = rng.random((SEARCHES, RANKS)) < EXAMINED * np.take_along_axis(liked, page, axis=1)
    ids = np.char.add("s", np.arange(SEARCHES).astype(str))
    rows = np.repeat(np.arange(SEARCHES), RANKS)
    times = np.arange(SEARCHES).astype("M8[s]")
    shown = {"search_id": ids[rows], "doc_id": np.array(list("abcdefghij"))[page.ravel()]}
    shown |= {"position": np.tile(np.arange(1, RANKS + 1), SEARCHES), "rank": places.ravel() + 1}
    hit = np.flatnonzero(clicked.ravel())
    events = {name: shown[name][hit] for name in ("search_id", "doc_id")}
    nobody = pa.nulls(SEARCHES, pa.string())
    return {
        "documents": documents("abcdefghij"),
        "searches": pa.table({"search_id": ids, "searcher_id": nobody, "time": times, "query": query.astype(str)}),
        "shown": pa.table(shown | {"probability": probability.ravel()}),
        "events": pa.table(
            events
            | {"time": times[rows[hit]], "searcher_id": pa.nulls(len(hit), pa.string()), "action": ["click"] * len(hit)}
        ),
    }


def test_swaps_tell_positions_from_a_ranker_that_knows_the_searcher(personal, tmp_path):
    without = personal | {"shown": personal["shown"].drop_columns(["rank", "probability"])}
    kind = vertical(city="again: {kind: text, column: query}")
    off = {}
    for name, tables in (("swaps", personal), ("by itself", without)):
        found = propensities(write_logs(tmp_path / name, tables), kind, RANKS)
        assert found.swapped == (name == "swaps")
        truth = [one.low <= one_truth <= one.high for one, one_truth in zip(found.ranks, EXAMINED, strict=True)]
        off[name] = np.abs(np.array([one.value for one in found.ranks[:5]]) / EXAMINED[:5] - 1).max(), sum(truth)
    assert off["swaps"][0] < 0.15
    assert off["swaps"][1] >= 9
    assert off["by itself"][0] > 0.2
    assert off["by itself"][1] <= 3


def varied(showings, clicks):
    """showings, clicks: (documents, ranks)."""
    units, ranks = np.nonzero(showings)
    return Varied(units, units % 7, ranks, showings[units, ranks], clicks[units, ranks])


def test_exact_rates_give_exact_propensities():
    p = np.array([1.0, 0.5, 0.2])
    showings = np.array([[9.0, 4, 0], [0, 3, 5], [2, 7, 11], [1, 0, 1]])
    liked = np.array([[0.5], [0.3], [0.1], [0.9]])
    found = estimated(varied(showings, showings * p * liked), 3)
    assert [one.value for one in found] == pytest.approx(p, abs=1e-9)


def test_no_other_propensities_make_the_clicks_as_likely():
    rng = np.random.default_rng(0)
    showings = rng.integers(0, 5, (200, 4)).astype(float)
    clicks = rng.binomial(showings.astype(int), 0.4 / np.arange(1, 5)).astype(float)
    found = np.array([one.value for one in estimated(varied(showings, clicks), 4)])

    def likelihood(p):
        shares = showings * p / np.maximum((showings * p).sum(axis=1, keepdims=True), 1e-12)
        return (clicks * np.log(np.maximum(shares, 1e-12))).sum()

    assert all(likelihood(found) > likelihood(found * np.exp(rng.normal(0, 0.01, 4))) for _ in range(50))


def test_ranks_that_nothing_ties_to_the_first_are_not_known():
    showings = np.array([[2.0, 2, 0, 0], [0, 0, 2, 2]])
    found = estimated(varied(showings, showings / 2), 4)
    assert [one.value for one in found[:2]] == pytest.approx([1.0, 1.0])
    assert [one.value for one in found[2:]] == [None, None]
