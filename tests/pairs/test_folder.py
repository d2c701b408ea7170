"""A folder of training examples is read in the types of its schema, whatever dialect of Arrow a file has."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pairs_toy import write_folder

from alicorn.errors import TableError
from alicorn.pairs import PairsFolder, is_pairs_folder

ROWS = pa.table(
    {
        "search_id": ["q1", "q2"],
        "searcher_id": ["s1", None],
        "time": pa.array([1000, 2000], pa.timestamp("us")),
        "query": ["red shoes", ""],
        "doc_id": ["d1", "d2"],
        "source": ["click", "hard"],
        "split": ["train", "train"],
    }
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    documents = pa.table({"name": ["a", "b"], "doc_id": ["d1", "d2"], "price": [1.5, None]})
    return write_folder(tmp_path / "pairs", {"pairs": ROWS, "documents": documents}, {"split": "v1"}, "logs 1")


def test_what_was_written_is_read(folder: Path) -> None:
    found = PairsFolder(folder)
    assert (found.manifest.vertical, found.manifest.data_fingerprint) == ({"split": "v1"}, "logs 1")
    assert found.manifest.counts == {"pairs": 2, "impressions": 0, "non_clicks": 0, "searches": 0} | {
        "popularity": 0,
        "documents": 2,
    }
    assert found.read("pairs").select(ROWS.column_names).equals(ROWS)
    assert found.read("documents").column_names == ["doc_id", "name", "price"]
    assert found.read("pairs", ["query"]).to_pydict() == {"query": ["red shoes", ""]}
    assert found.read("pairs", search_ids=pa.array(["q2", "q9"]))["doc_id"].to_pylist() == ["d2"]
    assert found.searchers is None
    assert not found.has("behaviour")


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_every_encoding_of_strings_is_read_as_strings(folder: Path, kind: pa.DataType) -> None:
    """As a table of pairs would be that another program wrote in the place of ours."""
    strings = {name: ROWS[name].cast(kind) for name in ROWS.column_names if name != "time"}
    pq.write_table(pa.table({**strings, "time": ROWS["time"].cast(pa.timestamp("ms"))}), folder / "pairs.parquet")
    found = PairsFolder(folder).read("pairs", ROWS.column_names)
    assert found.select(ROWS.column_names).equals(ROWS)


def test_the_folder_is_absolute_from_opening_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    found = PairsFolder(folder.name)
    monkeypatch.chdir("/")
    assert len(found.read("documents")) == 2


def test_a_name_with_an_equals_sign_is_a_name(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "query=x" / "pairs", {"pairs": ROWS})
    assert PairsFolder(folder).read("pairs")["query"].to_pylist() == ["red shoes", ""]


def changed(folder: Path, **values: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **values}))


def test_what_is_no_such_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    assert is_pairs_folder(folder)
    assert not is_pairs_folder(tmp_path)
    with pytest.raises(TableError, match=r"no readable manifest\.json: it is no folder that `alicorn mine` wrote"):
        PairsFolder(tmp_path)
    changed(folder, format=7)
    with pytest.raises(TableError, match=r"manifest\.json has format 7, .* reads format 3: run `alicorn mine` again"):
        PairsFolder(folder)
    changed(folder, format=3, counts="many")
    with pytest.raises(TableError, match=r"counts: .*; run `alicorn mine` again"):
        PairsFolder(folder)


def test_a_missing_file_or_column_and_a_wrong_type_are_named(folder: Path) -> None:
    pq.write_table(ROWS.drop_columns(["doc_id"]), folder / "pairs.parquet")
    with pytest.raises(TableError, match=r"pairs\.parquet has no column 'doc_id'"):
        PairsFolder(folder).read("pairs")
    pq.write_table(ROWS.set_column(2, "time", pa.array(["noon", "one"])), folder / "pairs.parquet")
    with pytest.raises(TableError, match=r"pairs\.parquet cannot be read: .*; run `alicorn mine` again"):
        PairsFolder(folder).read("pairs", ["time"])
    (folder / "pairs.parquet").unlink()
    with pytest.raises(TableError, match=r"has no pairs\.parquet"):
        PairsFolder(folder).read("pairs")
