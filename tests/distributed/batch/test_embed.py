"""Vectors of documents, part by part: what a job makes, what it goes on with, what every engine makes alike."""

import importlib.util
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from towers_toy import documents as toy_documents
from towers_toy import toy_model

from alicorn.distributed.batch import BatchEngine, embed
from alicorn.distributed.batch.job import Job
from alicorn.errors import ConfigError, TableError
from alicorn.tables import read_table
from alicorn.towers import Model

ENGINES = {BatchEngine.RAY: "ray", BatchEngine.SPARK: "pyspark"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    toy_model().save(folder)
    return folder


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """40 documents in two files, of 3 and 2 row groups."""
    folder = tmp_path / "documents"
    folder.mkdir()
    table = pa.concat_tables([toy_documents()] * 10)
    table = table.append_column("doc_id", pa.array([f"d{row}" for row in range(len(table))]))
    pq.write_table(table.slice(0, 24), folder / "a.parquet", row_group_size=9)
    pq.write_table(table.slice(24), folder / "b.parquet", row_group_size=8)
    return folder


def test_a_file_and_a_folder_have_the_vectors_of_all_documents_in_their_order(model, documents, tmp_path):
    done = embed(documents, model, tmp_path / "one.parquet")
    assert (done.documents, done.kept, done.key, done.dim) == (40, 0, "toy", 8)
    embed(documents, model, tmp_path / "parts")
    one, parts = pq.read_table(tmp_path / "one.parquet"), read_table(tmp_path / "parts", "embeddings")
    assert one["doc_id"].to_pylist() == [f"d{row}" for row in range(40)]
    vectors = np.array(one["embedding:toy"].to_pylist(), dtype=np.float32)
    wanted = Model.load(model).encode_documents(read_table(documents, "documents"))
    np.testing.assert_allclose(vectors, wanted, atol=1e-6)
    assert parts.cast(one.schema).equals(one)
    assert [pq.read_metadata(part).num_rows for part in sorted((tmp_path / "parts").glob("*.parquet"))] == [
        9,
        9,
        6,
        8,
        8,
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["documents", "one.parquet", "parts"]


def test_a_killed_job_goes_on_where_it_stopped(model, documents, tmp_path, monkeypatch):
    asked, do = [], Job.do

    def killed_at(last):
        def run(job, number):
            asked.append(number)
            if number == last:
                raise KeyboardInterrupt
            return do(job, number)

        return run

    with monkeypatch.context() as patched:
        patched.setattr(Job, "do", killed_at(3))
        with pytest.raises(KeyboardInterrupt):
            embed(documents, model, tmp_path / "parts")
        assert not (tmp_path / "parts").exists(), "it is there when it is complete"
        patched.setattr(Job, "do", killed_at(None))
        assert embed(documents, model, tmp_path / "parts").kept == 24
    assert asked == [0, 1, 2, 3, 3, 4]
    embed(documents, model, tmp_path / "at once")
    assert read_table(tmp_path / "parts", "t").equals(read_table(tmp_path / "at once", "t"))


def test_a_job_over_other_documents_begins_anew(model, documents, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Job, "do", lambda job, number, do=Job.do: do(job, number) if number < 3 else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            embed(documents, model, tmp_path / "parts")
    shutil.copy(documents / "a.parquet", documents / "c.parquet")
    table = pq.read_table(documents / "c.parquet")
    renamed = table.set_column(table.schema.get_field_index("doc_id"), "doc_id", pa.array(f"e{n}" for n in range(24)))
    pq.write_table(renamed, documents / "c.parquet")
    assert embed(documents, model, tmp_path / "parts").kept == 0
    assert len(read_table(tmp_path / "parts", "t")) == 64


def test_an_error_says_where_the_row_is_and_leaves_nothing_at_out(model, documents, tmp_path):
    table = pq.read_table(documents / "b.parquet")
    social = pa.array([[1.0] * (2 if row == 10 else 3) for row in range(16)], pa.list_(pa.float32()))
    pq.write_table(table.set_column(table.schema.get_field_index("social"), "social", social), documents / "b.parquet")
    with pytest.raises(TableError, match=r"'social'.*that is row 10 of .*b\.parquet") as raised:
        embed(documents, model, tmp_path / "parts")
    assert raised.value.row == 34
    assert not (tmp_path / "parts").exists()


def test_what_is_there_is_not_written_over(model, documents, tmp_path):
    with pytest.raises(ConfigError, match="is not empty: choose another folder, or give --overwrite"):
        embed(documents, model, documents)
    with pytest.raises(ConfigError, match=r"has no _job\.json: it holds something else"):
        embed(documents, model, documents, overwrite=True)
    for out in (tmp_path / "parts", tmp_path / "one.parquet"):
        embed(documents, model, out)
        with pytest.raises(ConfigError, match="or give --overwrite"):
            embed(documents, model, out)
        embed(documents, model, out, overwrite=True)
        assert len(read_table(out, "t")) == 40
    with pytest.raises(ConfigError, match="there is no folder"):
        embed(documents, model, tmp_path / "nowhere" / "out.parquet")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the engines warn of themselves
@pytest.mark.parametrize("engine", list(ENGINES))
def test_every_engine_makes_the_same_parts(engine, model, documents, tmp_path, monkeypatch):
    if importlib.util.find_spec(ENGINES[engine]) is None:
        pytest.skip(f"{ENGINES[engine]} is not installed: pip install 'alicorn[{engine}]'")
    if engine is BatchEngine.SPARK and not (shutil.which("java") or "JAVA_HOME" in os.environ):
        pytest.skip("Spark needs Java: Debian package openjdk-17-jre-headless")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    embed(documents, model, tmp_path / "here")
    embed(documents, model, tmp_path / "there", engine)
    for part in sorted((tmp_path / "here").glob("*.parquet")):
        here, there = pq.read_table(part), pq.read_table(tmp_path / "there" / part.name)
        assert here["doc_id"].equals(there["doc_id"])
        vectors = [np.array(one["embedding:toy"].to_pylist(), dtype=np.float32) for one in (here, there)]
        np.testing.assert_allclose(*vectors, atol=1e-6)
    pq.write_table(pq.read_table(documents / "b.parquet").drop_columns(["name"]), documents / "b.parquet")
    (documents / "a.parquet").unlink()
    with pytest.raises(TableError, match="name"):
        embed(documents, model, tmp_path / "without", engine)
