"""From activity to interests and back to vectors, over a real collection."""

import datetime
import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from alicorn.errors import AlicornError, TableError
from alicorn.interests import PinnerSage, interest_regions, searcher_interests
from alicorn.query import Collection

NOW = datetime.datetime(2026, 1, 10, tzinfo=datetime.UTC)
NO_LUCK = np.random.default_rng(0)
VECTORS = {"x1": [1.0, 0.0, 0.0], "x2": [0.98, 0.199, 0.0], "y1": [0.0, 1.0, 0.0], "z1": [0.0, 0.0, 1.0]}


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    made = Collection.create(tmp_path_factory.mktemp("histories") / "c", {"a": 3})
    made.upsert(pa.table({"doc_id": list(VECTORS), "embedding:a": list(VECTORS.values())}))
    made.flush()
    return made


def activity(*rows: tuple[str, int, str]) -> pa.Table:
    """(searcher, day of January, document)."""
    return pa.table(
        {
            "searcher_id": [row[0] for row in rows],
            "time": pa.array([datetime.datetime(2026, 1, row[1]) for row in rows], pa.timestamp("us")),
            "doc_id": [row[2] for row in rows],
        }
    )


LOG = activity(("u", 1, "x1"), ("u", 2, "x2"), ("u", 9, "y1"), ("v", 3, "z1"), ("u", 3, "gone"), ("w", 3, "gone"))


def test_a_table_of_interests_and_what_could_not_be_read(collection: Collection) -> None:
    found = searcher_interests(LOG, collection.snapshot(), "a", PinnerSage(threshold=0.5, decay=0.05), NOW)
    assert found.without_vector == 2
    rows = found.table.to_pylist()
    assert [row["searcher_id"] for row in rows] == ["u", "v"]
    assert rows[0]["doc_ids"] == ["x1", "y1"]
    assert rows[0]["sizes"] == [2, 1]
    assert rows[0]["importance"] == pytest.approx([np.exp(-0.45) + np.exp(-0.4), np.exp(-0.05)])


def test_rows_after_now_and_older_than_the_newest_are_not_read(collection: Collection) -> None:
    day_8 = datetime.datetime(2026, 1, 8, tzinfo=datetime.UTC)
    early = searcher_interests(LOG, collection.snapshot(), "a", PinnerSage(threshold=0.5), day_8)
    assert early.table["doc_ids"].to_pylist()[0] == ["x1"]
    newest = searcher_interests(LOG, collection.snapshot(), "a", PinnerSage(newest=1), NOW)
    assert newest.table["doc_ids"].to_pylist()[0] == ["y1"]


def test_interests_become_the_vectors_of_their_medoids(collection: Collection) -> None:
    snapshot, rng = collection.snapshot(), np.random.default_rng(0)
    table = searcher_interests(LOG, snapshot, "a", PinnerSage(threshold=0.5), NOW).table
    regions = interest_regions(table, "u", collection, 3, rng)
    assert list(regions) == ["interest-1", "interest-2"]
    assert [one.radius for one in regions.values()] == table["radii"][0].as_py()
    vectors = {name: one.vector for name, one in regions.items()}
    np.testing.assert_allclose(vectors["interest-1"], VECTORS["x1"], atol=1e-6)
    found = collection.search("(or (nn a :k 2 :vector interest-1) (nn a :k 1 :vector interest-2))", vectors, limit=9)
    assert found.ids == ["x1", "y1", "x2"]
    with pytest.raises(TableError, match="none that `alicorn interests` wrote"):
        interest_regions(table.replace_schema_metadata(None), "u", collection, 3, rng)
    with pytest.raises(TableError, match="it is of 'b', the collection has: a"):
        interest_regions(table.replace_schema_metadata({"key": "b"}), "u", collection, 3, rng)
    with pytest.raises(AlicornError, match="'nobody' is not in the table of interests"):
        interest_regions(table, "nobody", collection, 3, rng)


@pytest.mark.parametrize("stored", ["float32", "codes"])
def test_medoids_that_are_gone_are_left_out(tmp_path: Path, stored: str) -> None:
    with Collection.create(tmp_path / "c", {"a": {"dim": 3, "stored": stored}}) as collection:
        collection.upsert(pa.table({"doc_id": list(VECTORS), "embedding:a": list(VECTORS.values())}))
        table = searcher_interests(LOG, collection.snapshot(), "a", PinnerSage(threshold=0.5), NOW).table
        collection.delete(["x1", "z1"])
        (region,) = interest_regions(table, "u", collection, 3, np.random.default_rng(0)).values()
        np.testing.assert_allclose(region.vector, VECTORS["y1"], atol=1e-6)
        with pytest.raises(AlicornError, match="no vector 'a'"):
            interest_regions(table, "v", collection, 3, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (LOG.drop_columns(["time"]), "column 'time' is missing"),
        (LOG.set_column(1, "time", pa.array([1] * 6)), "must be timestamp"),
        (activity(("u", 1, None)), "a value is null"),  # type: ignore[arg-type]
        (LOG.set_column(1, "time", pa.array([2**62] * 6, pa.timestamp("s"))), "outside of the years 1 to 9999"),
        (LOG.set_column(1, "time", pa.array([2**63 - 1] * 6, pa.timestamp("us"))), "outside of the years 1 to 9999"),
    ],
)
def test_an_activity_that_cannot_be_read_is_refused(collection: Collection, table: pa.Table, words: str) -> None:
    with pytest.raises(TableError, match=words):
        searcher_interests(table, collection.snapshot(), "a", PinnerSage(), NOW)


@pytest.mark.parametrize(
    ("column", "allowed", "given"),
    [
        *(
            ("importance", "from 0", one)
            for one in ([np.nan, 1.0], [np.inf, 1.0], [-1.0, 1.0], [None, 1.0], [1.0], None)
        ),
        *(("radii", r"in \(0, 2\]", one) for one in ([0.0, 1.0], [1.0, 2.5], [1.0])),
    ],
)
def test_a_number_that_no_interest_can_have_is_named(
    collection: Collection, column: str, allowed: str, given: object
) -> None:
    numbers = {"importance": [1.0, 1.0], "radii": [1.0, 1.0], column: given}
    lists = {name: pa.array([values], pa.list_(pa.float64())) for name, values in numbers.items()}
    table = pa.table({"searcher_id": ["u"], "doc_ids": [["x1", "y1"]], "sizes": [[1, 1]], **lists})
    with pytest.raises(TableError, match=rf"column '{column}', row 0: .* finite number {allowed} .*alicorn interests"):
        interest_regions(table.replace_schema_metadata({"key": "a"}), "u", collection, 1, NO_LUCK)


def test_the_first_and_the_last_year_are_read(collection: Collection) -> None:
    times = pa.array([datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31)], pa.timestamp("us"))
    log = pa.table({"searcher_id": ["u", "u"], "time": times, "doc_id": ["x1", "x2"]})
    found = searcher_interests(log, collection.snapshot(), "a", PinnerSage())
    assert found.table["importance"].to_pylist() == [[1.0]]


def test_uuids_of_searchers_and_documents_are_their_canonical_text(tmp_path: Path) -> None:
    who, document = uuid.UUID(int=7), uuid.UUID(int=8)

    def uuids(value: uuid.UUID) -> pa.Array:
        return pa.ExtensionArray.from_storage(pa.uuid(), pa.array([value.bytes], pa.binary(16)))

    with Collection.create(tmp_path / "c", {"a": 2}) as made:
        made.upsert(pa.table({"doc_id": uuids(document), "embedding:a": [[1.0, 0.0]]}))
        times = pa.array([NOW], pa.timestamp("us", "Europe/Rome"))
        log = pa.table({"searcher_id": uuids(who), "time": times, "doc_id": uuids(document)})
        found = searcher_interests(log, made.snapshot(), "a", PinnerSage())
        assert found.table["doc_ids"].to_pylist() == [[str(document)]]
        regions = interest_regions(found.table, str(who), made, 1, np.random.default_rng(0))
    assert regions["interest-1"].vector.tolist() == [1.0, 0.0]
