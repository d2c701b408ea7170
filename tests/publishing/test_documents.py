"""What a collection is given of documents; and that a refused table neither deletes nor counts rows anew."""

import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from served_people import DOCUMENTS, UNIFIED, VERTICAL, Model, make_collection

from alicorn.errors import CollectionError, ConfigError, TableError, VectorError
from alicorn.publishing.documents import indexed
from alicorn.publishing.publish import publish
from alicorn.query import Collection
from alicorn.vertical import Selection
from alicorn.vertical.analysis import Analysis

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
NAMES = ("smyth", "smith")  # of the two that are kept


def selective() -> Model:
    """The model of people, whose vertical leaves out whom has no year from 1991 on."""
    model = Model("people", personal=True)
    rules = Selection.model_validate({"documents": [{"kind": "range", "column": "year", "min": 1991.0}]})
    model.vertical = VERTICAL.model_copy(update={"selection": rules})
    return model


def test_the_kept_documents_have_terms_stored_columns_and_the_models_vectors():
    chosen = indexed(DOCUMENTS, [selective()], NOW)
    assert chosen.left_out == {"year min 1991": ["p1", "p3"]}
    assert chosen.documents["doc_id"].to_pylist() == ["p2", "p/4"]
    assert chosen.documents["terms"].to_pylist() == [["text:john", f"text:{name}", "city:bergen"] for name in NAMES]
    alone = UNIFIED.encode_documents(DOCUMENTS.take([1, 3]))
    assert chosen.documents["embedding:people"].to_pylist() == alone.tolist()
    assert indexed(DOCUMENTS, [], NOW) == (DOCUMENTS, {})


def test_a_vector_that_a_document_brings_is_kept():
    vectors = pa.FixedSizeListArray.from_arrays(pa.array([float(i) for i in range(32)], pa.float32()), 8)
    chosen = indexed(DOCUMENTS.append_column("embedding:people", vectors), [selective()], NOW)
    assert [vector[0] for vector in chosen.documents["embedding:people"].to_pylist()] == [8.0, 24.0]


@pytest.mark.parametrize(
    ("column", "values", "error", "message"),
    [
        ("doc_id", ["p1", "p2", "p3", ""], TableError, "row 3: is empty"),
        ("doc_id", ["p1", "p2", "p3", "p1"], TableError, "row 3: repeats the id 'p1'"),
        ("popularity", [1.0, 2.0, 3.0, float("inf")], TableError, "row 3"),
        ("embedding:people", pa.array([[1.0] * 8] * 3 + [[0.0] * 8], pa.list_(pa.float32())), VectorError, "row 3"),
    ],
)
def test_a_refused_table_deletes_nothing_and_rows_are_counted_before_the_selection(
    tmp_path, column, values, error, message
):
    make_collection(tmp_path / "collection", [UNIFIED]).close()
    at = DOCUMENTS.schema.get_field_index(column)
    bad = DOCUMENTS.set_column(at, column, [values]) if at >= 0 else DOCUMENTS.append_column(column, values)
    pq.write_table(bad, tmp_path / "documents.parquet")
    with pytest.raises(error, match=message):
        publish(tmp_path / "documents.parquet", tmp_path / "collection", [selective()], now=NOW)
    with Collection.open(tmp_path / "collection", read_only=True) as collection:
        assert len(collection) == 4


def test_positions_are_kept_where_the_analysis_of_the_vertical_says_so(tmp_path):
    model = selective()
    model.vertical = model.vertical.model_copy(update={"analysis": {"text": Analysis(positions=True)}})
    pq.write_table(DOCUMENTS, tmp_path / "documents.parquet")
    publish(tmp_path / "documents.parquet", tmp_path / "c", [model], now=NOW)
    publish(tmp_path / "documents.parquet", tmp_path / "c", [model], now=NOW)
    with Collection.open(tmp_path / "c", read_only=True) as collection:
        assert collection.positions == ("text",)
        assert collection.search("(phrase text john smith)").ids == ["p/4"]
        assert collection.search("(phrase text smith john)").ids == []
    with pytest.raises(CollectionError, match="was published with another analysis"):
        publish(tmp_path / "documents.parquet", tmp_path / "c", [selective()], now=NOW)
    with pytest.raises(ConfigError, match="the vertical says which positions are kept"):
        publish(tmp_path / "documents.parquet", tmp_path / "c", [model], now=NOW, positions=["text"])


def test_the_requests_of_a_log_calibrate_a_new_collection_and_no_other(tmp_path):
    pq.write_table(DOCUMENTS, tmp_path / "documents.parquet")
    requests = pa.table({"query": ["smith", "john"], "city": ["bergen", "oslo"]})
    model = selective()
    publish(tmp_path / "documents.parquet", tmp_path / "c", [model], now=NOW, requests=requests)
    with Collection.open(tmp_path / "c", read_only=True) as collection:
        asked = collection.snapshot().quantizers["people"].asked
        assert asked == pytest.approx(model.encode_requests(requests), abs=1e-6)
    for models, folder in (([model], "c"), ([], "other")):
        with pytest.raises(ConfigError, match="requests calibrate the keys of models in a new collection"):
            publish(tmp_path / "documents.parquet", tmp_path / folder, models, now=NOW, requests=requests)
