"""The examples of tags and misspellings: what becomes of the sets' own columns."""

import pyarrow as pa
import pyarrow.parquet as pq
from examples_source import EXAMPLES, prepare_script, run

from alicorn.logs import mine
from alicorn.vertical import Vertical

YEAR_S = 365 * 24 * 3600
TAGS = pa.table(
    {
        "userId": [1, 1, 2, 1],
        "movieId": [10, 20, 10, 30],
        "tag": ["Funny ", "funny", "funny", "In Netflix queue"],
        "timestamp": [40 * YEAR_S, 48 * YEAR_S, 49 * YEAR_S, 49 * YEAR_S],
    }
)


def test_a_tag_of_a_user_is_one_search_at_its_first_time():
    script = prepare_script("tags")
    rows = script.searches(script.given(TAGS)).to_pylist()
    assert [(row["search_id"], row["searcher_id"], row["query"], row["doc_id"]) for row in rows] == [
        ("t00000", "1", "funny", "10"),
        ("t00000", "1", "funny", "20"),
        ("t00001", "2", "funny", "10"),
    ]
    assert rows[0]["time"] == rows[1]["time"] < rows[2]["time"]


def test_a_movie_has_the_tags_that_were_given_before_the_valid_split():
    script = prepare_script("tags")
    documents = pa.table({"doc_id": ["10", "20", "30"]})
    assert script.with_tags(documents, script.given(TAGS))["tags"].to_pylist() == [["funny"], [], []]


def test_the_words_of_a_dictionary_are_mined(tmp_path, monkeypatch):
    wrong = [f"wrogn{number}" for number in range(40)]
    right = [[f"wrong{number}"] if number else ["wrong", "wrung"] for number in range(40)]
    source = tmp_path / "source"
    source.mkdir()
    pq.write_table(pa.table({"misspelling": wrong, "corrections": right}), source / "codespell.parquet")
    run(prepare_script("misspellings"), monkeypatch, source, tmp_path / "logs")
    vertical = Vertical.load(EXAMPLES / "misspellings" / "vertical.yaml")
    counts = mine(tmp_path / "logs", vertical, tmp_path / "pairs")
    assert counts["documents_read"] == 41
    assert counts["searches"] == 40
    assert min(counts[f"searches_{split}"] for split in ("train", "valid", "test")) > 0
    assert str(vertical.expression("boolean", "wrogn7")) == "(or (fuzzy text:wrogn7 :edits 2))"
