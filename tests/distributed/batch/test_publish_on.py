"""Documents published by a job, and shards written by one: the collection that one process makes."""

import datetime
import importlib.util
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from towers_toy import VERTICAL, toy_model
from towers_toy import documents as toy_documents

from alicorn.config import dump_yaml
from alicorn.distributed.batch import BatchEngine
from alicorn.distributed.batch.documents import IndexingJob
from alicorn.distributed.batch.job import Job
from alicorn.distributed.batch.shards import ShardsJob
from alicorn.distributed.publishing import publish_shards
from alicorn.distributed.router import ShardedCollection
from alicorn.errors import CollectionError, TableError
from alicorn.publishing.model_folders import ModelFolders
from alicorn.publishing.publish import Published, publish
from alicorn.query import Collection
from alicorn.vertical.selection.selection import Selection

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
ENGINES = {BatchEngine.RAY: "ray", BatchEngine.SPARK: "pyspark"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> ModelFolders:
    """A model, and a vertical of its that stores two columns and leaves out who is not old enough."""
    made = tmp_path_factory.mktemp("model")
    toy_model().save(made / "model")
    stored = VERTICAL.document.model_copy(update={"stored": ("name", "age"), "static_rank": "rank"})
    rules = Selection.model_validate({"documents": [{"kind": "range", "column": "age", "min": 40}]})
    vertical = VERTICAL.model_copy(update={"document": stored, "selection": rules})
    (made / "vertical.yaml").write_text(dump_yaml(vertical))
    return ModelFolders((made / "model",), made / "vertical.yaml", "here")


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """60 documents in two files, of 4 and 3 row groups."""
    folder = tmp_path / "documents"
    folder.mkdir()
    table = pa.concat_tables([toy_documents()] * 15)
    table = table.append_column("doc_id", pa.array([f"d{row}" for row in range(60)]))
    table = table.append_column("rank", pa.array(np.arange(60.0)))
    table = table.set_column(table.schema.get_field_index("age"), "age", pa.array([row % 80 for row in range(60)]))
    pq.write_table(table.slice(0, 36), folder / "a.parquet", row_group_size=9)
    pq.write_table(table.slice(36), folder / "b.parquet", row_group_size=8)
    return folder


def job(documents: Path, folders: ModelFolders, folder: Path, engine: BatchEngine = BatchEngine.LOCAL) -> IndexingJob:
    return IndexingJob(documents, folders, NOW, engine, folder, lambda done, total: None)


def published(documents: Path, into: Path, folders: ModelFolders, index: IndexingJob | None) -> Published:
    return publish(documents, into, folders.load(), now=NOW, index=index)


def assert_equal(one: Path, other: Path) -> None:
    """All that a collection gives of its documents: ids, order by static rank, terms, columns, and vectors to 1e-6."""
    with Collection.open(one, read_only=True) as first, Collection.open(other, read_only=True) as second:
        assert first.metadata == second.metadata
        answers = [each.search("(range age :min 0)", limit=100) for each in (first, second)]
        assert answers[0].ids == answers[1].ids
        assert [first.get(doc_id) for doc_id in answers[0].ids] == [second.get(doc_id) for doc_id in answers[0].ids]
        for vector in np.eye(8, dtype=np.float32):
            found = [each.search("(nn here :k 40)", vectors={"here": vector}, limit=40) for each in (first, second)]
            assert found[0].ids == found[1].ids
            np.testing.assert_allclose(found[0].scores, found[1].scores, atol=1e-6)


def test_a_job_makes_the_collection_that_one_process_makes(folders, documents, tmp_path):
    here = published(documents, tmp_path / "here", folders, None)
    made = job(documents, folders, tmp_path / "parts")
    there = published(documents, tmp_path / "there", folders, made)
    assert (here.documents, here.left_out) == (there.documents, there.left_out) == (20, {"age min 40": 40})
    assert_equal(tmp_path / "here", tmp_path / "there")
    made.remove()
    assert not (tmp_path / "parts").exists()


def test_a_changed_document_and_one_that_is_left_out_now_are_published_again(folders, documents, tmp_path):
    for into in ("here", "there"):
        published(documents, tmp_path / into, folders, None)
    table = pq.read_table(documents / "b.parquet")
    ages = pa.array([1 if row % 2 else 50 for row in range(24)])
    pq.write_table(table.set_column(table.schema.get_field_index("age"), "age", ages), documents / "b.parquet")
    here = published(documents, tmp_path / "here", folders, None)
    there = published(documents, tmp_path / "there", folders, job(documents, folders, tmp_path / "parts"))
    assert here.removed == there.removed == 10
    assert_equal(tmp_path / "here", tmp_path / "there")


def test_a_killed_job_goes_on_and_another_vertical_begins_anew(folders, documents, tmp_path, monkeypatch):
    asked, do = [], Job.do

    def killed_at(last):
        def run(self, number):
            asked.append(number)
            if number == last:
                raise KeyboardInterrupt
            return do(self, number)

        return run

    made = job(documents, folders, tmp_path / "parts")
    monkeypatch.setattr(Job, "do", killed_at(3))
    with pytest.raises(KeyboardInterrupt):
        published(documents, tmp_path / "there", folders, made)
    assert not (tmp_path / "there").exists()
    monkeypatch.setattr(Job, "do", killed_at(None))
    published(documents, tmp_path / "there", folders, made)
    assert asked == [0, 1, 2, 3, 3, 4, 5, 6]
    own = ModelFolders(folders.folders, None, "here")
    published(documents, tmp_path / "other", own, job(documents, own, tmp_path / "parts"))
    assert asked[8:] == [0, 1, 2, 3, 4, 5, 6]
    with Collection.open(tmp_path / "other", read_only=True) as other:
        assert len(other) == 60


def test_an_error_says_where_the_row_is(folders, documents, tmp_path):
    table = pq.read_table(documents / "b.parquet")
    social = pa.array([[1.0] * (2 if row == 10 else 3) for row in range(24)], pa.list_(pa.float32()))
    pq.write_table(table.set_column(table.schema.get_field_index("social"), "social", social), documents / "b.parquet")
    with pytest.raises(TableError, match=r"'social'.*that is row 10 of .*b\.parquet") as raised:
        published(documents, tmp_path / "there", folders, job(documents, folders, tmp_path / "parts"))
    assert raised.value.row == 46
    assert not (tmp_path / "there").exists()


def test_shards_are_those_of_one_process_and_a_task_that_runs_twice_changes_nothing(tmp_path):
    with Collection.create(tmp_path / "whole", {"x": 4}) as whole:
        vectors = np.random.default_rng(3).normal(size=(50, 4)).astype(np.float32)
        names = pa.array([f"d{row}" for row in range(50)])
        whole.upsert(pa.table({"doc_id": names, "terms": [["tag:1"]] * 50, "embedding:x": list(vectors)}))
        whole.delete(["d7"])
        shards = tuple(tmp_path / f"shard-{number}" for number in range(3))
        work = ShardsJob(whole.path, shards)
        counts = [work.do(number) for number in (0, 1, 2)]
        assert work.do(1) == counts[1]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["shard-0", "shard-1", "shard-2", "whole"]
        publish_shards(whole, tmp_path / "sharded", 3)
    with ShardedCollection.open(tmp_path / "sharded") as sharded:
        assert [shard.num_docs for shard in sharded.manifest.shards] == counts
        assert sum(counts) == 49


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the engines warn of themselves
@pytest.mark.parametrize("engine", list(ENGINES))
def test_every_engine_makes_the_same_collection_and_shards(engine, folders, documents, tmp_path, monkeypatch):
    if importlib.util.find_spec(ENGINES[engine]) is None:
        pytest.skip(f"{ENGINES[engine]} is not installed: pip install 'alicorn[{engine}]'")
    if engine is BatchEngine.SPARK and not (shutil.which("java") or "JAVA_HOME" in os.environ):
        pytest.skip("Spark needs Java: Debian package openjdk-17-jre-headless")
    here = published(documents, tmp_path / "here", folders, None)
    there = published(documents, tmp_path / "there", folders, job(documents, folders, tmp_path / "parts", engine))
    assert here.left_out == there.left_out
    assert_equal(tmp_path / "here", tmp_path / "there")
    with Collection.open(tmp_path / "there", read_only=True) as whole:
        publish_shards(whole, tmp_path / "sharded", 3, engine)
        wanted = whole.search("(nn here :k 20)", vectors={"here": np.eye(8, dtype=np.float32)[0]}, limit=20)
    with ShardedCollection.open(tmp_path / "sharded") as sharded:
        found = sharded.search("(nn here :k 20)", vectors={"here": np.eye(8, dtype=np.float32)[0]}, limit=20)
        assert (found.ids, found.scores.tolist()) == (wanted.ids, wanted.scores.tolist())
    table = pq.read_table(documents / "b.parquet")
    broken = table.set_column(0, "name", pa.array([None if row else 3 for row in range(24)]))
    pq.write_table(broken, documents / "b.parquet")
    with pytest.raises(TableError, match="name"):
        published(documents, tmp_path / "broken", folders, job(documents, folders, tmp_path / "parts", engine))


def test_a_collection_that_is_written_meanwhile_is_refused(tmp_path, monkeypatch):
    with Collection.create(tmp_path / "whole") as whole:
        whole.upsert(pa.table({"doc_id": ["a", "b", "c"], "terms": [["tag:1"]] * 3}))
        do = ShardsJob.do

        def with_a_write(self, number):
            whole.upsert(pa.table({"doc_id": [f"later{number}"], "terms": [["tag:1"]]}))
            return do(self, number)

        monkeypatch.setattr(ShardsJob, "do", with_a_write)
        monkeypatch.setattr("alicorn.distributed.publishing.run_on", lambda _, work, numbers: map(work.do, numbers))
        with pytest.raises(CollectionError, match="was written while its shards were"):
            publish_shards(whole, tmp_path / "sharded", 2, BatchEngine.RAY)
        assert not (tmp_path / "sharded" / "version.json").exists()
