import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from evaluation_fakes import NUM_SEARCHES, write_searches

from alicorn.errors import TableError
from alicorn.evaluation.searches import read_searches


def test_searches_without_targets_are_counted_and_left_out(pairs):
    searches = read_searches(pairs)
    assert searches.split == "test"
    assert (len(searches), searches.num_in_split, searches.num_without_targets) == (290, 290, 10)
    assert searches.segments[2] == ["misspelled"], "search 12"


def test_requests_carry_the_searcher_and_null_without_one(pairs):
    requests = read_searches(pairs).requests
    assert requests.column_names == ["query", "city"]
    assert requests["city"].to_pylist()[:4] == ["bath", None, "york", "bath"], "searches 10 to 13"


def test_sampling_is_seeded_and_keeps_rows_together(pairs):
    first, again = read_searches(pairs, num_searches=50, seed=3), read_searches(pairs, num_searches=50, seed=3)
    other = read_searches(pairs, num_searches=50, seed=4)
    assert len(first) == 50
    assert first.search_ids == again.search_ids
    assert first.search_ids != other.search_ids
    doc_ids = first.documents["doc_id"].to_pylist()
    assert [doc_ids[number] for number in first.targets.documents] == first.queries


def test_documents_are_numbered_by_doc_id(pairs):
    doc_ids = read_searches(pairs).documents["doc_id"].to_pylist()
    assert doc_ids == sorted(doc_ids)
    assert doc_ids[:3] == ["d0", "d1", "d10"]


def test_valid_is_used_where_there_is_no_test(pairs):
    write_searches(pairs, ["d1"], [["d1"]], split="valid")
    assert read_searches(pairs).split == "valid"


def test_a_target_outside_the_corpus_has_number_minus_one(pairs):
    write_searches(pairs, ["x"], [["gone", "d0"]])
    targets = read_searches(pairs).targets
    assert targets.documents.tolist() == [-1, 0]
    assert targets.grades.tolist() == [1.0, 2.0]


def test_ids_become_a_run_of_numbers(pairs):
    searches = read_searches(pairs, num_searches=3)
    run = searches.run([["d10", "unknown", "d0", "d1"], [], ["d1"]], 3)
    assert run.tolist() == [[2, 0, -1], [-1, -1, -1], [1, -1, -1]]
    assert searches.run([], 2).shape == (0, 2)


def test_a_folder_without_searchers_has_only_queries(pairs):
    (pairs / "searchers.parquet").unlink()
    assert read_searches(pairs).requests.column_names == ["query"]


def test_nothing_to_evaluate_on_says_so(pairs):
    write_searches(pairs, ["d1"] * NUM_SEARCHES, [[]] * NUM_SEARCHES)
    with pytest.raises(TableError, match="no search of the test split has a target"):
        read_searches(pairs)


def test_a_folder_that_is_no_pairs_folder(tmp_path):
    with pytest.raises(TableError, match=r"no readable manifest\.json: it is no folder that `alicorn mine` wrote"):
        read_searches(tmp_path)


def test_an_empty_table(pairs):
    schema = pq.read_schema(pairs / "searches.parquet")
    pq.write_table(pa.Table.from_pylist([], schema=schema), pairs / "searches.parquet")
    with pytest.raises(TableError, match="there is nothing to evaluate on"):
        read_searches(pairs)


def test_what_training_has_not_seen_is_a_segment(pairs):
    """Of documents all targets, of words any; without a train split nothing is told apart."""
    write_searches(pairs, ["Old word", "old new", "word", None], [["d0", "d1"], ["d0"], ["d1"], ["d2"]])
    assert read_searches(pairs).segments == [["misspelled"], ["exact"], ["exact"], ["misspelled"]]
    row = {"query": ["old WORD", "new"], "doc_id": ["d0", "d1"], "split": ["train", "test"]}
    schema = pq.read_schema(pairs / "pairs.parquet")
    missing = {field.name: pa.nulls(2, field.type) for field in schema}
    pq.write_table(pa.table({**missing, **row}), pairs / "pairs.parquet")
    assert read_searches(pairs).segments == [
        ["misspelled"],
        ["exact", "unseen word"],
        ["exact", "unseen documents"],
        ["misspelled", "unseen documents"],
    ]
