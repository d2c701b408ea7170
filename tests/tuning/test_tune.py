"""Tuning end to end: the measured recall is the true one, the recommended point is the cheapest, applying holds."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alicorn.errors import AlicornError, CollectionError, ConfigError, TableError, VectorError
from alicorn.quantization import Settings
from alicorn.query import Collection
from alicorn.tuning import Grid, tune, write_report
from alicorn.tuning.report import recommendation
from alicorn.tuning.sample import documents_of, num_vectors, read_queries, sampled_queries

SMALL = Grid(num_clusters=(8, 32), codec=("sq8", "none"), nprobe=(1, 4, 32))


@pytest.fixture
def query_file(tmp_path: Path, queries: np.ndarray) -> Path:
    pq.write_table(pa.table({"embedding:x": list(3 * queries)}), tmp_path / "queries.parquet")
    return tmp_path / "queries.parquet"


def oracle(
    collection: Collection, vectors: np.ndarray, queries: np.ndarray, k: int, nprobe: int
) -> tuple[float, float]:
    """Recall@k and 1-recall@10 by brute force over clusters and vectors."""
    coarse = collection.snapshot().quantizers["x"].coarse
    live = np.arange(2, len(vectors))
    clusters = coarse.assign(vectors[live])
    recalls, firsts = [], []
    for query in queries:
        probed = np.argsort(-coarse.cosines(query), kind="stable")[:nprobe]
        order = live[np.argsort(-(vectors[live] @ query))]
        found = [number for number in order if clusters[number - 2] in probed]
        recalls.append(len(set(found[:k]) & set(order[:k])) / k)
        firsts.append(order[0] in found[:10])
    return float(np.mean(recalls)), float(np.mean(firsts))


def test_points_are_what_brute_force_finds(
    collection: Collection, query_file: Path, vectors: np.ndarray, queries: np.ndarray
) -> None:
    found = tune(collection, "x", query_file, grid=Grid(num_clusters=(32,), nprobe=(1, 2, 4)), k=5, target_recall=1.0)
    collection.train(num_clusters=32, key="x")
    assert [point.nprobe for point in found.points] == [1, 2, 4]
    for point in found.points:
        recall, first = oracle(collection, vectors, queries, 5, point.nprobe)
        assert point.recall == pytest.approx(recall)
        assert point.one_recall_at_10 == pytest.approx(first)
        assert point.settings == Settings("ivf", 32, "sq8")
        assert 0 < point.p50_us <= point.p99_us
        assert point.bytes_read >= point.documents_scanned * (point.code_bytes // 2)
    scanned = [point.documents_scanned for point in found.points]
    assert 0 < scanned[0] < scanned[1] < scanned[2] < len(vectors)
    assert found.points[0].recall < found.points[2].recall


def test_documents_as_queries_do_not_find_themselves(tmp_path: Path) -> None:
    """Opposite documents: each has no neighbour but those at distance 1 and 2."""
    with Collection.create(tmp_path / "c", {"x": 2}) as collection:
        ways = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
        collection.upsert(pa.table({"doc_id": list("abcd"), "embedding:x": ways}))
        found = tune(collection, "x", sample=4, grid=Grid(num_clusters=(4,), nprobe=(1, 4)), k=3, target_recall=1.0)
    assert [point.recall for point in found.points] == [0.0, 1.0], "alone in its cluster, it finds nobody"
    assert found.queries_are_documents


def test_of_stored_codes_clusters_alone_are_compared(tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).normal(size=(400, 8)).astype(np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 8)
    with Collection.create(tmp_path / "c", {"x": {"dim": 8, "stored": "codes"}}) as collection:
        collection.upsert(pa.table({"doc_id": [f"d{row}" for row in range(400)], "embedding:x": column}))
        found = tune(collection, "x", sample=5, apply=True)
        assert {point.settings.codec for point in found.points} == {None}
        assert len({point.settings for point in found.points}) > 3
        assert collection.snapshot().quantizers["x"].num_clusters == found.applied[0].settings.num_clusters
        with pytest.raises(ConfigError, match="leave codec, pq_bytes and bits out of the grid"):
            tune(collection, "x", sample=5, grid=Grid(codec=("sq8",)))


def test_the_recommended_point_is_the_fastest_that_is_good_enough(collection: Collection, query_file: Path) -> None:
    found = tune(collection, "x", query_file, grid=SMALL, target_recall=0.9)
    good = [point for point in found.points if point.recall >= 0.9]
    assert found.recommended in good
    assert found.recommended.p50_us <= 1.05 * min(point.p50_us for point in good)
    assert found.expression == "(nn x :k 10 :recall 0.9)"
    assert not found.applied
    assert collection.snapshot().quantizers["x"].version == 0, "nothing is changed without apply"


def test_applying_trains_the_collection_and_holds_for_later_trainings(collection: Collection, query_file: Path) -> None:
    grid = Grid(num_clusters=(24,), codec=("none",), nprobe=(24,))
    found = tune(collection, "x", query_file, grid=grid, apply=True)
    assert (found.applied[0].recall, found.applied[0].nprobe) == (1.0, 24)
    assert found.calibrated is not None
    assert found.calibrated >= 0.9
    assert f"reaches {found.calibrated:.3f} here" in recommendation(found)
    assert collection.snapshot().quantizers["x"].settings == Settings("ivf", 24, "none")
    assert collection.snapshot().quantizers["y"].version == 0
    collection.train()
    assert collection.snapshot().quantizers["x"].settings == Settings("ivf", 24, "none")
    result = collection.search(found.expression, {"x": np.ones(12)})
    assert len(result.ids) == 10


def test_a_target_that_is_not_reached_changes_nothing(collection: Collection, query_file: Path) -> None:
    found = tune(collection, "x", query_file, grid=Grid(num_clusters=(64,), nprobe=(1,)), target_recall=1.0, apply=True)
    assert (found.recommended, found.expression, found.applied) == (None, None, ())
    assert collection.snapshot().quantizers["x"].version == 0


def test_a_sample_of_the_documents_scales_the_clusters(collection: Collection, query_file: Path) -> None:
    grid = Grid(num_clusters=(20,), nprobe=(20,))
    found = tune(collection, "x", query_file, grid=grid, documents=300, apply=True)
    assert (found.num_measured, found.num_vectors) == (300, 1_498)
    assert found.points[0].settings.num_clusters == 20
    assert found.settings == Settings("ivf", 40, "sq8"), "64 and 128 are the defaults of 300 and 1,498"
    assert found.applied[0].settings.num_clusters == 40
    assert found.applied[0].nprobe == 20


def test_the_report_has_a_row_a_setting_and_every_point(
    collection: Collection, query_file: Path, tmp_path: Path
) -> None:
    found = tune(collection, "x", query_file, grid=SMALL, target_recall=0.9)
    paths = write_report(found, tmp_path / "out")
    text, content = paths[0].read_text(), json.loads(paths[1].read_text())
    assert text.count("| ivf |") == 4
    assert f"Ask: {found.expression}" in text
    assert len(content["points"]) == len(found.points)
    assert content["points"][0]["settings"]["num_clusters"] == 8
    assert content["recommended"]["nprobe"] == found.recommended.nprobe
    assert paths[2].read_text().startswith("<svg ")


def test_same_seed_same_samples(collection: Collection) -> None:
    snapshot = collection.snapshot()
    assert num_vectors(snapshot, "x") == 1_498
    ids, vectors = documents_of(snapshot, "x", 200, seed=1)
    again, _ = documents_of(snapshot, "x", 200, seed=1)
    other, _ = documents_of(snapshot, "x", 200, seed=2)
    assert ids == again != other
    assert len(set(ids)) == 200
    assert not {"d0", "d1"} & set(documents_of(snapshot, "x", 5_000, seed=1)[0]), "they are deleted"
    asked = sampled_queries(ids, vectors, 30, seed=1)
    assert asked.own is not None
    assert set(asked.own) <= set(ids)
    assert np.array_equal(asked.vectors[0], vectors[ids.index(asked.own[0])])


def test_queries_are_read_normalised_and_cut(tmp_path: Path, query_file: Path, queries: np.ndarray) -> None:
    assert np.allclose(read_queries(query_file, "x", 12, 100, 0).vectors, queries, atol=1e-6)
    assert len(read_queries(query_file, "x", 12, 7, 0)) == 7


@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e300])
def test_queries_of_any_length_keep_their_direction(tmp_path: Path, size: float) -> None:
    pq.write_table(pa.table({"v": [[size, 0.0, size]]}), tmp_path / "q.parquet")
    found = read_queries(tmp_path / "q.parquet", "x", 3, 10, 0).vectors
    assert np.allclose(found, [[0.5**0.5, 0.0, 0.5**0.5]], atol=1e-7)


def test_documents_of_one_vector_are_all_found(tmp_path: Path) -> None:
    with Collection.create(tmp_path / "c", {"x": 4}) as equal:
        rows = pa.table({"doc_id": [f"d{i}" for i in range(60)], "embedding:x": [[1.0, 0.0, 0.0, 0.0]] * 60})
        equal.upsert(rows)
        found = tune(equal, "x", grid=Grid(num_clusters=(2,), codec=("none", "sq8")), k=3)
    assert {point.recall for point in found.points} == {1.0}


@pytest.mark.parametrize(
    ("columns", "kind", "message"),
    [
        ({"q": ["john"]}, TableError, "a column 'embedding:x' or one column of lists"),
        ({"a": [[1.0]], "b": [[1.0]]}, TableError, "a column 'embedding:x' or one column of lists"),
        ({"v": [[1.0] * 12, None]}, TableError, "it has 1 rows without a vector"),
        ({"v": [[1.0, 2.0]]}, VectorError, "embedding 'x' has 12 dimensions, got [2]"),
        ({"v": [[1.0] * 12, [0.0] * 12]}, VectorError, "row 1: a vector is finite and not zero"),
        ({"v": [[1.0] * 12, [np.nan] * 12]}, VectorError, "row 1: a vector is finite and not zero"),
        ({"v": [[1.0] * 12, [np.inf] + [1.0] * 11]}, VectorError, "row 1: a vector is finite and not zero"),
        ({"v": [[1.0] * 12, [None] + [1.0] * 11]}, VectorError, "row 1: a vector is finite and not zero"),
    ],
)
def test_wrong_queries_are_refused(tmp_path: Path, columns: dict, kind: type[AlicornError], message: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "q.parquet")
    with pytest.raises(kind) as raised:
        read_queries(tmp_path / "q.parquet", "x", 12, 10, 0)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"key": "z"}, ConfigError, "no embedding 'z' (it has: x, y)"),
        ({"key": "y"}, CollectionError, "no document of the collection has the embedding 'y'"),
        ({"sample": 0}, ConfigError, "sample must be in [1, 10,000], got 0"),
        ({"target_recall": 1.5}, ConfigError, "target_recall must be in (0, 1], got 1.5"),
        ({"grid": Grid(pq_bytes=(5,))}, ConfigError, "pq_bytes must divide the dimension, 12; got 5"),
    ],
)
def test_what_cannot_be_tuned_is_refused_before_the_work(
    collection: Collection, arguments: dict, kind: type[AlicornError], message: str
) -> None:
    with pytest.raises(kind) as raised:
        tune(collection, **{"key": "x", **arguments})
    assert message in str(raised.value)


def test_applying_needs_a_collection_opened_for_writing(collection: Collection) -> None:
    collection.flush()
    with (
        Collection.open(collection.path, read_only=True) as readable,
        pytest.raises(ConfigError, match="open it for writing"),
    ):
        tune(readable, "x", apply=True)
