"""The movie example: what becomes of the set's own columns, and the real set through the checks and mining."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from examples_source import EXAMPLES, prepare_script, real_set, run

from alicorn.logs import mine
from alicorn.vertical import Vertical

CORPUS = pa.table(
    {
        "doc_id": ["m1", "m2"],
        "title": ["Harry Potter", "Alien"],
        "overview": ["A boy.", ""],
        "tags": [["magic"], []],
        "genres": [["Science Fiction"], ["Horror"]],
        "director": ["Chris Columbus", "Ridley Scott"],
        "actors": [["Emma Watson"], ["Sigourney Weaver"]],
        "characters": [["Hermione"], ["Ripley"]],
        "year": [2001, 0],
        "votes": [100, 50],
        "rating": [7.0, 8.0],
    }
)
QUERIES = pa.table(
    {
        "query_id": ["q1", "q2", "q3"],
        "query": ["emma watson 2001", "ripley", "Ridley SCOTT film"],
        "split": ["train", "valid", "train"],
    }
)
QRELS = pa.table({"query_id": ["q1", "q2", "q1", "q3"], "doc_id": ["m2", "m2", "m1", "m2"], "grade": [0, 1, 1, 1]})


@pytest.fixture
def script():
    return prepare_script("movies")


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    for name, table in (("corpus", CORPUS), ("queries", QUERIES), ("qrels", QRELS)):
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def test_judgements_become_impressions_in_the_order_of_the_pool(script):
    rows = script.impressions(QUERIES, QRELS).to_pylist()
    assert [(row["search_id"], row["doc_id"], row["position"], row["clicked"]) for row in rows] == [
        ("q1", "m2", 1, False),
        ("q2", "m2", 1, True),
        ("q1", "m1", 2, True),
        ("q3", "m2", 1, True),
    ]
    assert {row["searcher_id"] for row in rows} == {None}


def test_an_unknown_year_is_null(script):
    table = script.documents(CORPUS)
    assert table["year"].to_pylist() == [2001, None]
    assert table["release_year"].to_pylist() == ["2001", None]


def test_queries_are_labelled(script):
    labels = dict(
        zip(QUERIES["query_id"].to_pylist(), script.segments(QUERIES, CORPUS)["segment"].to_pylist(), strict=True)
    )
    assert labels == {"q1": ["person", "year"], "q2": ["other"], "q3": ["person"]}


def test_valid_queries_of_the_set_are_test_and_whole_movies_are_held_out_of_train(script):
    count = 400
    queries = pa.table(
        {
            "query_id": [f"q{i}" for i in range(count)],
            "query": ["x"] * count,
            "split": ["valid" if i % 5 == 0 else "train" for i in range(count)],
        }
    )
    movies = [f"m{i % 40}" for i in range(count)]
    qrels = pa.table({"query_id": queries["query_id"], "doc_id": movies, "grade": [1] * count})
    found = script.splits(queries, qrels)
    assert all((split == "test") == (i % 5 == 0) for i, split in enumerate(found))
    held_out = {movie for movie, split in zip(movies, found, strict=True) if split == "valid"}
    learned = {movie for movie, split in zip(movies, found, strict=True) if split == "train"}
    assert held_out
    assert learned
    assert not held_out & learned


def test_a_source_without_its_files_is_refused(script, tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as caught:
        run(script, monkeypatch, tmp_path, tmp_path / "logs")
    assert caught.value.code == 2
    assert "no corpus.parquet, queries.parquet, qrels.parquet in" in capsys.readouterr().err
    assert not (tmp_path / "logs").exists()


def test_terms_of_a_movie():
    vertical = Vertical.load(EXAMPLES / "movies" / "vertical.yaml")
    terms = vertical.terms(prepare_script("movies").documents(CORPUS)).to_pylist()[0]
    assert {"text:harri", "text:emma", "text:2001", "genre:science fiction", "actor:emma watson"} <= set(terms)


def test_the_real_set_passes_the_checks_and_is_mined_whole(script, tmp_path, monkeypatch):
    run(script, monkeypatch, real_set("msrd"), tmp_path / "logs")
    counts = mine(tmp_path / "logs", Vertical.load(EXAMPLES / "movies" / "vertical.yaml"), tmp_path / "pairs")
    assert counts["searches_train"] == 10_212
    assert counts["searches_valid"] == 1_465  # held out of the set's 11,677 to train on
    assert counts["searches_test"] == 1_888  # the set's own valid queries
    assert counts["impressions"] == 319_984
    assert counts["pairs"] == 49_601
    assert counts["non_clicks"] == 319_984 - 49_601
