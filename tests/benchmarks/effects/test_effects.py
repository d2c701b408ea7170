"""The table of effects: its interval covers what it says, its verdicts follow the rule, its ranks are exact."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alicorn.evaluation.metrics.ranking import Targets, recall_at
from alicorn.evaluation.systems.exact import exact_top_k


def row(expected: str, size: float | None = None):
    from rows.ebr import Row

    return Row("section", "compared", "claim", expected, lambda lab: None, size)


@pytest.mark.parametrize(
    ("expected", "size", "interval", "verdict"),
    [
        ("up", None, (0.001, 0.002), "agree"),
        ("up", None, (-0.001, 0.002), "cannot say"),
        ("up", None, (-0.002, -0.001), "disagree"),
        ("up", 0.08, (-0.001, 0.019), "disagree"),  # even its far end is below a quarter of the figure
        ("up", 0.08, (-0.001, 0.021), "cannot say"),
        ("up", 0.08, (0.001, 0.002), "agree"),
        ("down", 0.55, (-0.6, -0.1), "agree"),
        ("down", 0.55, (-0.1, 0.1), "disagree"),
        ("down", None, (0.01, 0.1), "disagree"),
        ("equal", None, (-0.009, 0.009), "agree"),
        ("equal", None, (-0.02, 0.009), "cannot say"),
        ("equal", None, (0.011, 0.02), "disagree"),
        ("no gain", None, (-0.5, 0.009), "agree"),
        ("no gain", None, (-0.5, 0.02), "cannot say"),
        ("no gain", None, (0.001, 0.02), "disagree"),
    ],
)
def test_verdicts(expected: str, size: float | None, interval: tuple[float, float], verdict: str) -> None:
    from effects import Effect

    assert Effect(1, 0.5, 0.5, sum(interval) / 2, *interval).verdict(row(expected, size)) == verdict


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_interval_covers_the_true_change(seeds: int) -> None:
    """Found in 60 % of the searches against 50 %, and a little more or less of each in every world."""
    from effects import effect

    rng = np.random.default_rng(seeds)
    covered, widths = [], []
    for _ in range(200):
        recalls = []
        for _ in range(seeds):
            chance, better = rng.random(1000), 0.6 + (0.01 * rng.normal() if seeds > 1 else 0.0)
            baseline, variant = chance < 0.5, chance + 0.1 * rng.normal(size=1000) < better
            recalls.append((baseline.astype(float), variant.astype(float)))
        found = effect(recalls)
        covered.append(found.low <= 0.2 <= found.high)
        widths.append(found.high - found.low)
    assert np.mean(covered) > 0.85
    assert np.median(widths) < 0.2


def test_ranks_are_those_of_exact_search() -> None:
    from lab.people import Lab, recall, run_ranks

    rng = np.random.default_rng(0)
    requests, documents = rng.normal(size=(30, 4)).astype(np.float32), rng.normal(size=(200, 4)).astype(np.float32)
    documents[50:60] = documents[40:50]  # ties go to the lower number
    targets = Targets.of([rng.choice(200, 1 + search % 3, replace=False) for search in range(30)])
    lab = SimpleNamespace(searches=SimpleNamespace(targets=targets))
    ranks = Lab.target_ranks(lab, requests, documents)
    run, _ = exact_top_k(requests, documents, 200)
    np.testing.assert_array_equal(ranks, run_ranks(run, targets))
    np.testing.assert_allclose(recall(ranks, targets, 10), recall_at(run, targets, 10))


def test_every_row_says_what_it_compares_once() -> None:
    from effects import SETS

    for rows in SETS.values():
        names = [(one.section, one.compared) for one in rows]
        assert len(names) == len(set(names)) > 5


def test_ranks_on_the_page_are_among_what_the_search_showed(tmp_path: Path) -> None:
    from rows.learning import page_ranks

    rng = np.random.default_rng(0)
    requests, documents = rng.normal(size=(6, 3)).astype(np.float32), rng.normal(size=(40, 3)).astype(np.float32)
    targets = [[1], [2, 3], [4], [5], [6], [7]]
    shown = [(search, int(number)) for search in range(5) for number in rng.choice(np.arange(10, 40), 8)]
    pages = pa.table({"search_id": [f"s{s}" for s, _ in shown], "doc_id": [f"d{d:02}" for _, d in shown]})
    elsewhere = pa.table({"search_id": ["of train"], "doc_id": ["d10"]})
    pq.write_table(pa.concat_tables([elsewhere, pages]), tmp_path / "non_clicks.parquet")
    searches = SimpleNamespace(
        targets=Targets.of(targets),
        search_ids=pa.chunked_array([[f"s{search}" for search in range(6)]]),
        documents=pa.table({"doc_id": [f"d{number:02}" for number in range(40)]}),
    )
    lab = SimpleNamespace(
        searches=searches,
        pairs=tmp_path,
        trained=lambda recipe: tmp_path,
        vectors=lambda recipe: (requests, documents),
        kept=lambda name, make: make(),
    )
    expected = [
        1 + sum(requests[s] @ documents[d] > requests[s] @ documents[target] for at, d in shown if at == s)
        for s, of_search in enumerate(targets)
        for target in of_search
    ]
    assert page_ranks(lab, None).tolist() == expected
    assert max(expected) > 2


def test_documents_like_the_query_have_half_of_its_trigrams() -> None:
    from rows.learning import likes, share

    names = ["ada lovelace", "ada byron", "alan turing", *(f"nobody {number}" for number in range(20))]
    documents = np.eye(len(names), dtype=np.float32)
    requests = np.zeros((2, len(names)), dtype=np.float32)
    requests[0, [1, 2, 0]], requests[1, [2, 0]] = (3, 2, 1), (2, 1)
    searches = SimpleNamespace(
        queries=["ada lovelace", "turing"],
        documents=pa.table({"doc_id": [f"d{number:02}" for number in range(len(names))], "name": names}),
    )
    lab = SimpleNamespace(
        searches=searches,
        trained=lambda recipe: Path("m"),
        vectors=lambda recipe: (requests, documents),
        kept=lambda name, make: make(),
    )
    found = likes(lab, None)
    assert found[:, :3].tolist() == [[False, False, True], [True, False, False]]
    assert share(found, None, 2).tolist() == [0.0, 0.5]


def test_rows_of_the_semantic_towers_differ_in_what_they_compare() -> None:
    from semantic import BASE, WHOLE, ablations

    rows = ablations()
    assert len({row.compared for row in rows}) == len(rows)
    for row in rows:
        assert row.baseline.fingerprint() != row.variant.fingerprint(), row.compared
        assert row.baseline.epochs == row.variant.epochs == BASE.epochs
    temperature = next(row for row in rows if row.compared == "temperature doubled")
    assert temperature.baseline.loss.scale == 2 * temperature.variant.loss.scale
    assert temperature.expected == ("down", "up")
    assert temperature.size == pytest.approx((0.1 / 85.6, 7.8 / 71.2))
    assert rows[5].variant is WHOLE
