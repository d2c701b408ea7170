import datetime
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from evaluation_fakes import NUM_DOCUMENTS, FakeCollection, FakeModel

from alicorn.errors import CollectionError, ConfigError
from alicorn.evaluation.reports.comparison_report import SIMULATION
from alicorn.evaluation.reports.recall import EXACT, INDEX, measure_recall
from alicorn.evaluation.searches import read_searches


def published(encoder, pairs, **options):
    documents = read_searches(pairs).documents
    return FakeCollection(documents["doc_id"].to_pylist(), encoder.encode_documents(documents), **options)


def test_a_perfect_model_finds_every_target_first(pairs, vertical):
    found = measure_recall(FakeModel(perfect=True), pairs, vertical)
    for k in (1, 10, 100):
        cell = found.comparison.mean(EXACT, f"recall@{k}")
        assert (cell.mean, cell.low, cell.high) == (1.0, 1.0, 1.0)
    assert found.comparison.segments == {"overall": 290, "exact": 194, "misspelled": 96}
    assert found.ratios == {}


def test_a_random_model_finds_k_of_n(pairs, vertical):
    found = measure_recall(FakeModel(perfect=False), pairs, vertical, ks=(10, 50, 200))
    for k in (10, 50):
        cell = found.comparison.mean(EXACT, f"recall@{k}")
        assert cell.low <= k / NUM_DOCUMENTS <= cell.high
    assert found.comparison.mean(EXACT, "recall@200").mean == 1.0


def test_through_an_index_that_lost_documents(pairs, vertical):
    model = FakeModel(perfect=True)
    lost = [f"d{n}" for n in range(20)]
    collection = published(model, pairs, lost=lost)
    found = measure_recall(model, pairs, vertical, ks=(1, 5), collection=collection, index_recall=0.8)
    searches = read_searches(pairs)
    expected = 1 - np.mean([query in lost for query in searches.queries])
    assert found.comparison.mean(INDEX, "recall@5").mean == pytest.approx(expected)
    assert found.ratios == pytest.approx({"recall@1": expected, "recall@5": expected})
    assert found.comparison.difference(INDEX, "recall@1").excludes_zero
    expressions, limit, _ = collection.asked[0]
    assert expressions == ["(nn people :k 5 :recall 0.8)"] * 290
    assert limit == 5


def test_requests_are_encoded_with_their_context(pairs, vertical):
    model = FakeModel(perfect=True)
    measure_recall(model, pairs, vertical, num_searches=20)
    assert model.seen.column_names == ["query", "city"]
    assert len(model.seen) == 20


def test_report_files(pairs, vertical, tmp_path):
    model = FakeModel(perfect=True)
    found = measure_recall(model, pairs, vertical, collection=published(model, pairs))
    paths = found.write(tmp_path / "report", title="People", notes=[SIMULATION])
    assert [path.name for path in paths] == ["evaluation.md", "evaluation.json", "evaluation.svg"]
    text = paths[0].read_text()
    assert SIMULATION in text
    assert "290 of 290 searches of the test split over 200 documents; model m1." in text
    assert "Through the index by :recall 0.95, relative to exact search: recall@1 1.000" in text
    content = json.loads(paths[1].read_text())
    assert content["ratios"] == {"recall@1": 1.0, "recall@10": 1.0, "recall@100": 1.0}
    assert content["split"] == "test"
    assert content["means"]["misspelled"][EXACT]["recall@1"]["mean"] == 1.0


def test_a_collection_of_another_model_is_refused_before_encoding(pairs, vertical):
    model = FakeModel(perfect=True, fingerprint="m2")
    with pytest.raises(CollectionError, match="published with model m1, this is model m2: publish"):
        measure_recall(model, pairs, vertical, collection=published(model, pairs))
    with pytest.raises(CollectionError, match="does not say which model made its embedding 'people'"):
        measure_recall(model, pairs, vertical, collection=published(model, pairs, model=None))
    assert model.seen is None


def test_bad_arguments(pairs, vertical):
    model = FakeModel(perfect=True)
    with pytest.raises(ConfigError, match=r"k must be one or more numbers from 1, got \[0, 10\]"):
        measure_recall(model, pairs, vertical, ks=(0, 10))
    with pytest.raises(ConfigError, match="number of searches must be 1 or more, got 0"):
        measure_recall(model, pairs, vertical, num_searches=0)


def test_a_model_may_publish_under_a_key_of_its_own(pairs, vertical):
    """A recipe names the key (`embedding:`) where a vertical has several models."""
    model = FakeModel(perfect=True)
    model.key = "people-text"
    assert measure_recall(model, pairs, vertical).comparison.mean(EXACT, "recall@1").mean == 1.0


def test_a_log_folder_is_mined_on_the_way_and_a_generated_world_says_so(vertical, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    rows = range(40)
    doc_ids = [f"d{n}" for n in range(NUM_DOCUMENTS)]
    pq.write_table(pa.table({"doc_id": doc_ids, "name": doc_ids}), logs / "documents.parquet")
    pq.write_table(pa.table({"searcher_id": ["s0"], "city": ["york"]}), logs / "searchers.parquet")
    impressions = {
        "search_id": [f"t{row}" for row in rows],
        "searcher_id": ["s0"] * 40,
        "time": [datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=row) for row in rows],
        "query": [f"d{row}" for row in rows],
        "doc_id": [f"d{row}" for row in rows],
        "position": [1] * 40,
        "clicked": [True] * 40,
    }
    pq.write_table(pa.table(impressions), logs / "impressions.parquet")
    found = measure_recall(FakeModel(perfect=True), logs, vertical)
    assert found.facts["num_searches"] == 4, "the last tenth by time"
    assert found.comparison.mean(EXACT, "recall@1").mean == 1.0
    assert SIMULATION not in found.markdown()
    pq.write_table(pa.table({"search_id": ["t0"], "doc_id": ["d0"]}), logs / "truth.parquet")
    assert SIMULATION in measure_recall(FakeModel(perfect=True), logs, vertical).markdown()
