"""A feature that was computed from the clicks it is to tell is told from one that was known before."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from logs_world import IMPRESSIONS, at, good_tables, vertical, write_logs
from yaml_text import parse_yaml

from alicorn.logs import mine
from alicorn.logs.leaks import Told, _auc
from alicorn.vertical import Vertical

NUM_DOCUMENTS, NUM_SEARCHES = 1500, 1200
VERTICAL = """
name: shop
embedding: shop
document:
  features:
    price: {kind: numeric, column: price}
    count_of_train: {kind: numeric, column: count_of_train}
    count_of_all: {kind: numeric, column: count_of_all}
    brand: {kind: id, column: brand}
    tags: {kind: text, column: tags}
    searched_for: {kind: text, column: searched_for}
  terms: [{prefix: text, column: tags, kind: words}]
request:
  features:
    text: {kind: text, column: query}
split: {valid: 0.3, test: 0.1}
"""


@pytest.fixture(scope="module")
def mined(tmp_path_factory) -> tuple[dict[str, dict[str, float]], list[str]]:
    """What each feature told, and the notes. Cheap things of good brands are chosen; queries are random words."""
    folder: Path = tmp_path_factory.mktemp("leaks")
    rng = np.random.default_rng(0)
    price, brand = rng.random(NUM_DOCUMENTS), rng.integers(0, 20, NUM_DOCUMENTS)
    chances = np.exp(-1.5 * price) * (1 + (brand < 5))
    chosen = rng.choice(NUM_DOCUMENTS, NUM_SEARCHES, p=chances / chances.sum())
    words = np.array([f"w{i:03d}x" for i in range(300)])
    queries = words[rng.integers(0, 300, NUM_SEARCHES)]
    in_train = np.arange(NUM_SEARCHES) < 0.6 * NUM_SEARCHES
    searched: list[list[str]] = [[] for _ in range(NUM_DOCUMENTS)]
    for document, query in zip(chosen[in_train], queries[in_train], strict=True):
        searched[document].append(str(query))
    documents = pa.table(
        {
            "doc_id": [f"d{i}" for i in range(NUM_DOCUMENTS)],
            "price": price,
            "count_of_train": np.bincount(chosen[in_train], minlength=NUM_DOCUMENTS),
            "count_of_all": np.bincount(chosen, minlength=NUM_DOCUMENTS),
            "brand": [f"b{i}" for i in brand],
            "tags": [" ".join(words[rng.integers(0, 300, 3)]) for _ in range(NUM_DOCUMENTS)],
            "searched_for": searched,
        }
    )
    impressions = pa.table(
        {
            "search_id": [f"s{i}" for i in range(NUM_SEARCHES)],
            "searcher_id": pa.nulls(NUM_SEARCHES, pa.string()),
            "time": [at(i) for i in range(NUM_SEARCHES)],
            "query": queries.tolist(),
            "doc_id": [f"d{i}" for i in chosen],
            "position": pa.array([1] * NUM_SEARCHES, pa.int32()),
            "clicked": [True] * NUM_SEARCHES,
        },
        schema=IMPRESSIONS,
    )
    logs = write_logs(folder / "logs", {"documents": documents, "impressions": impressions})
    mine(logs, parse_yaml(VERTICAL, Vertical, where="vertical.yaml"), folder / "pairs")
    manifest = json.loads((folder / "pairs" / "manifest.json").read_text())
    return manifest["told"], [note for note in manifest["notes"] if note.startswith("leak?")]


@pytest.mark.parametrize("feature", ["count_of_train", "searched_for"])
def test_what_is_made_of_the_clicks_of_train_tells_train_better(mined, feature):
    told, notes = mined
    assert told[feature]["train"] > 0.95
    assert told[feature]["valid"] < 0.6
    better = told[feature]["train"] - told[feature]["valid"]
    assert any(f"document.features.{feature} " in note and f"{better:.3f} better" in note for note in notes)


def test_a_number_made_of_the_whole_log_tells_valid_too_well(mined):
    told, notes = mined
    assert told["count_of_all"] == pytest.approx({"train": 1.0, "valid": 1.0}, abs=0.1)
    assert any("count_of_all" in note and "of the whole log" in note for note in notes)


@pytest.mark.parametrize("feature", ["price", "brand", "tags"])
def test_what_was_known_before_tells_both_alike(mined, feature):
    told, notes = mined
    assert abs(told[feature]["train"] - told[feature]["valid"]) < 0.1
    assert (told[feature]["valid"] > 0.55) == (feature != "tags"), "what is worth something is seen"
    assert not any(f".{feature} " in note for note in notes)


@pytest.mark.parametrize("by", ["query", "searcher"])
def test_where_queries_or_searchers_are_held_out_an_honest_title_tells_both_alike(tmp_path, by):
    """Documents that many searches choose have the words of their queries; those that one chooses have other words."""
    rng = np.random.default_rng(1)
    often, once = 150, 600
    chosen = np.concatenate([np.repeat(np.arange(often), 8), np.arange(often, often + once)])
    words = np.array([f"w{i:03d}x" for i in range(400)])
    titles = [" ".join(words[rng.integers(0, 400, 3)]) for _ in range(1500)]
    queries = [
        f"{titles[doc] if doc < often else words[rng.integers(0, 400)]} {words[rng.integers(0, 400)]}" for doc in chosen
    ]
    count = np.bincount(chosen, minlength=1500)
    documents = pa.table({"doc_id": [f"d{i}" for i in range(1500)], "title": titles, "count": count})
    rows = len(chosen)
    impressions = pa.table(
        {
            "search_id": [f"s{i}" for i in range(rows)],
            "searcher_id": [f"u{i}" for i in range(rows)],
            "time": [at(0)] * rows,
            "query": queries,
            "doc_id": [f"d{i}" for i in chosen],
            "position": pa.array([1] * rows, pa.int32()),
            "clicked": [True] * rows,
        },
        schema=IMPRESSIONS,
    )
    text = f"""
name: shop
embedding: shop
document:
  features: {{title: {{kind: text, column: title}}, count: {{kind: numeric, column: count}}}}
  terms: [{{prefix: text, column: title, kind: words}}]
request: {{features: {{text: {{kind: text, column: query}}}}}}
split: {{by: {by}, valid: 0.15, test: 0.1}}
"""
    logs = write_logs(tmp_path / "logs", {"documents": documents, "impressions": impressions})
    mine(logs, parse_yaml(text, Vertical, where="vertical.yaml"), tmp_path / "pairs")
    manifest = json.loads((tmp_path / "pairs" / "manifest.json").read_text())
    told = manifest["told"]
    assert abs(told["title"]["train"] - told["title"]["valid"]) < 0.1
    (note,) = [note for note in manifest["notes"] if note.startswith("leak?")]
    assert "document.features.count " in note


def test_what_tells_valid_worse_than_chance_is_no_leak():
    assert Told(0.55, 0.36, 0.02).better == pytest.approx(0.05)
    assert Told(0.95, 0.36, 0.02).better == pytest.approx(0.45)


def test_of_few_choices_nothing_is_said(tmp_path):
    mine(write_logs(tmp_path / "logs", good_tables()), vertical(), tmp_path / "pairs")
    assert json.loads((tmp_path / "pairs" / "manifest.json").read_text())["told"] == {}


def test_the_auc_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(0)
    targets, others = rng.integers(0, 5, 30), rng.integers(0, 5, (30, 4))
    pairs = [(t > o) + 0.5 * (t == o) for t in targets for o in others.ravel()]
    assert _auc(targets, others) == pytest.approx(np.mean(pairs))
