"""The nearest of a corpus by a job over its row groups: those of exact_top_k, on every engine."""

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pairs_toy import write_folder
from towers_toy import documents as toy_documents
from towers_toy import toy_model

from alicorn.distributed.batch import BatchEngine
from alicorn.distributed.batch.job import Job
from alicorn.errors import ConfigError
from alicorn.evaluation.systems.exact import exact_top_k
from alicorn.evaluation.systems.whole_corpus import check_engine, top_k_of_corpus
from alicorn.towers import Model

ENGINES = {BatchEngine.RAY: "ray", BatchEngine.SPARK: "pyspark"}
EQUAL = 4  # documents of each vector


@dataclass
class Corpus:
    """What `Searches` has of documents; the toy's documents, each several times, in row groups of 7."""

    documents: pa.Table

    def numbers(self, doc_ids: pa.Array) -> np.ndarray:
        known = {doc_id: at for at, doc_id in enumerate(self.documents["doc_id"].to_pylist())}
        return np.array([known[doc_id] for doc_id in doc_ids.to_pylist()], dtype=np.int32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    toy_model().save(tmp_path / "model")
    table = pa.concat_tables([toy_documents()] * EQUAL)
    shuffled = np.random.default_rng(0).permutation(len(table))
    table = table.append_column("doc_id", pa.array([f"d{at:02}" for at in shuffled]))
    write_folder(tmp_path / "pairs", {"documents": table})
    pq.write_table(table, tmp_path / "pairs" / "documents.parquet", row_group_size=7)
    return tmp_path


def asked(folder: Path, engine: BatchEngine, k: int) -> tuple[np.ndarray, np.ndarray]:
    corpus = Corpus(pq.read_table(folder / "pairs" / "documents.parquet").sort_by("doc_id"))
    return top_k_of_corpus(folder / "model", folder / "pairs", corpus, engine, requests(), k)


def requests() -> np.ndarray:
    vectors = np.random.default_rng(1).normal(size=(5, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def wanted(folder: Path, k: int) -> tuple[np.ndarray, np.ndarray]:
    documents = pq.read_table(folder / "pairs" / "documents.parquet").sort_by("doc_id")
    return exact_top_k(requests(), Model.load(folder / "model").encode_documents(documents), k)


@pytest.mark.parametrize("k", [1, 6, 50])
def test_the_nearest_of_row_groups_are_those_of_the_corpus(folder, k):
    numbers, scores = asked(folder, BatchEngine.LOCAL, k)
    of_corpus = wanted(folder, k)
    np.testing.assert_allclose(scores, of_corpus[1], atol=1e-6)
    assert numbers.shape == of_corpus[0].shape
    if k == 50:
        np.testing.assert_array_equal(np.sort(numbers), np.sort(of_corpus[0]))
    assert sorted(path.name for path in folder.iterdir()) == ["model", "pairs"]


def test_a_killed_run_goes_on_where_it_stopped(folder, monkeypatch):
    done, do = [], Job.do

    def killed(job, number):
        done.append(number)
        if done == [0, 1]:
            raise KeyboardInterrupt
        return do(job, number)

    monkeypatch.setattr(Job, "do", killed)
    with pytest.raises(KeyboardInterrupt):
        asked(folder, BatchEngine.LOCAL, 3)
    _, scores = asked(folder, BatchEngine.LOCAL, 3)
    np.testing.assert_allclose(scores, wanted(folder, 3)[1], atol=1e-6)
    assert done[:3] == [0, 1, 1], "the first row group is not encoded again"


def test_an_engine_needs_a_folder_that_its_workers_read(tmp_path):
    check_engine(BatchEngine.LOCAL, tmp_path)
    for engine, package in ENGINES.items():
        runs_here = importlib.util.find_spec(package) and (package == "ray" or shutil.which("java"))
        with pytest.raises(ConfigError, match="mine.* it first" if runs_here else "pip install|Java"):
            check_engine(engine, tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the engines warn of themselves
@pytest.mark.parametrize("engine", list(ENGINES))
def test_every_engine_finds_the_same(engine, folder, monkeypatch):
    if importlib.util.find_spec(ENGINES[engine]) is None:
        pytest.skip(f"{ENGINES[engine]} is not installed: pip install 'alicorn[{engine}]'")
    if engine is BatchEngine.SPARK and not (shutil.which("java") or "JAVA_HOME" in os.environ):
        pytest.skip("Spark needs Java: Debian package openjdk-17-jre-headless")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    here, there = asked(folder, BatchEngine.LOCAL, 6), asked(folder, engine, 6)
    np.testing.assert_allclose(there[1], here[1], atol=1e-6)
    np.testing.assert_array_equal(there[0], here[0])
