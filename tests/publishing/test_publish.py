"""Publishing plain tables: accepted whole or not at all."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alicorn.errors import AlicornError, CollectionError, ConfigError, TableError, VectorError
from alicorn.publishing.publish import publish
from alicorn.query import Collection

VECTORS = pa.list_(pa.float32())


def written(folder: Path, **columns: object) -> Path:
    path = folder / "documents.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def plain(folder: Path, **changes: object) -> Path:
    columns = {
        "doc_id": ["d1", "d2"],
        "terms": [["tag:a"], ["tag:b"]],
        "embedding:x": pa.array([[1.0, 0.0], None], VECTORS),
    }
    return written(folder, **(columns | changes))


def test_a_plain_table_needs_no_model(tmp_path: Path) -> None:
    done = publish(plain(tmp_path), tmp_path / "c")
    assert (done.documents, done.embeddings) == (2, {"x": 2})
    with Collection.open(tmp_path / "c", read_only=True) as collection:
        assert collection.search("(or tag:b (nn x :k 1))", vectors={"x": [1, 0]}).ids == ["d1", "d2"]


def test_vectors_are_kept_as_codes_where_that_is_asked_for(tmp_path: Path) -> None:
    publish(plain(tmp_path), tmp_path / "c", stored="codes")
    publish(plain(tmp_path, doc_id=["d2", "d3"]), tmp_path / "c")
    with Collection.open(tmp_path / "c", read_only=True) as collection:
        assert collection.stored == {"x": "codes"}
        assert collection.search("(nn x :k 2)", vectors={"x": [1, 0]}).scores.tolist() == [1.0, 1.0]
    with pytest.raises(
        CollectionError, match="not as 'float16': how they are kept is chosen when a collection is made"
    ):
        publish(plain(tmp_path), tmp_path / "c", stored="float16")
    with pytest.raises(ConfigError, match="stored must be one of float32, float16, codes, got 'int8'"):
        publish(plain(tmp_path), tmp_path / "other", stored="int8")


def test_positions_of_a_plain_table_are_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    terms = [["text:new", "text:york"], ["text:york", "text:new"]]
    publish(plain(tmp_path, terms=terms), tmp_path / "c", positions=["text"])
    publish(plain(tmp_path, terms=terms, doc_id=["d2", "d3"], term_positions=[[0, 1], [4, 9]]), tmp_path / "c")
    with Collection.open(tmp_path / "c", read_only=True) as collection:
        assert collection.search("(phrase text new york)").ids == ["d1", "d2"]
        assert collection.search("(phrase text york new :slop 4)").ids == ["d1", "d2", "d3"]
    publish(
        plain(tmp_path, terms=[["title:a", "title:b"], ["text:x"]], doc_id=["d8", "d9"]),
        tmp_path / "c",
        positions=["title"],
    )
    with Collection.open(tmp_path / "c", read_only=True) as collection:
        assert collection.positions == ("text", "title")
        assert collection.search("(or (phrase title a b) (phrase text new york))").ids == ["d1", "d2", "d8"]
    with pytest.raises(TableError, match="this collection keeps none"):
        publish(plain(tmp_path, term_positions=[[0], [0]]), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_publishing_again_replaces_and_adds(tmp_path: Path) -> None:
    publish(plain(tmp_path), tmp_path / "c")
    publish(plain(tmp_path, doc_id=["d2", "d3"]), tmp_path / "c")
    with Collection.open(tmp_path / "c", read_only=True) as collection:
        assert len(collection) == 3
        assert collection.search("tag:a").ids == ["d1", "d2"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"doc_id": ["d1", "d1"]}, TableError, "row 1: repeats the id 'd1'"),
        ({"doc_id": [1, 2]}, TableError, "doc_id"),
        ({"doc_id": ["d1", None]}, TableError, "doc_id"),
        ({"embedding:x": pa.array([[1.0, float("nan")], None], VECTORS)}, VectorError, "nan|NaN"),
        ({"embedding:x": pa.array([[1.0, 0.0], [1.0]], VECTORS)}, VectorError, "2"),
        ({"embedding:x": pa.array([[0.0, 0.0], None], VECTORS)}, VectorError, "zero"),
    ],
)
def test_a_refused_table_leaves_no_folder(
    tmp_path: Path, changes: dict, error: type[AlicornError], message: str
) -> None:
    with pytest.raises(error, match=message):
        publish(plain(tmp_path, **changes), tmp_path / "c")
    assert [path.name for path in tmp_path.iterdir()] == ["documents.parquet"]


def test_an_id_that_stands_in_two_batches_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alicorn.publishing.publish.BATCH_ROWS", 1)
    with pytest.raises(TableError, match="row 1: repeats the id 'd1'"):
        publish(plain(tmp_path, doc_id=["d1", "d1"]), tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_an_empty_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="is empty"):
        publish(written(tmp_path, doc_id=pa.array([], pa.string())), tmp_path / "c")


def test_another_dimension_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    publish(plain(tmp_path), tmp_path / "c")
    wider = plain(tmp_path, **{"embedding:x": pa.array([[1.0, 0.0, 0.0], None], VECTORS)})
    with pytest.raises(CollectionError, match="does not fit the collection"):
        publish(wider, tmp_path / "c")
    with Collection.open(tmp_path / "c", read_only=True) as collection:
        assert len(collection) == 2
