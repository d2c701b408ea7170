"""pairs/ as arrays: the right request beside the right document, batches without a known positive as a negative."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from channel_names import document, request
from hashing_oracle import id_bucket
from training_toy import NUM_DOCUMENTS, VERTICAL, recipe, write_pairs

from alicorn.errors import ConfigError, TableError
from alicorn.features import Bag
from alicorn.towers import Model
from alicorn.towers.layout.layout import layout
from alicorn.training.examples.batches import by_weight, epoch_batches
from alicorn.training.examples.data import Pairs, TrainingData
from alicorn.training.recipe.recipe import Recipe
from alicorn.vertical import Split

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("data") / "pairs", num_pairs=300, num_valid=40)


def model(given: Recipe) -> Model:
    return Model.new(VERTICAL, given.plain(), "", {}, 0)


def training_data(folder: Path, work: Path, given: Recipe) -> TrainingData:
    return Pairs(folder, VERTICAL).training(model(given), given, work)


def test_rows_are_the_pairs_of_the_recipe(folder: Path, tmp_path: Path) -> None:
    pairs = pq.read_table(folder / "pairs.parquet").to_pylist()
    cities = dict(zip(*pq.read_table(folder / "searchers.parquet", columns=["searcher_id", "city"]), strict=True))
    cities = {str(key): value.as_py() for key, value in cities.items()}
    wanted = [pair for pair in pairs if pair["split"] == "train" and pair["source"] == "hard"]
    data = training_data(folder, tmp_path, recipe(positives=["hard"]))
    assert data.positives.tolist() == [int(pair["doc_id"][1:]) for pair in wanted]
    assert len(data.documents) == NUM_DOCUMENTS
    city = data.requests.channels[request("city")]
    assert isinstance(city, Bag)
    for row, pair in enumerate(wanted):
        got = city.indices[city.offsets[row] : city.offsets[row + 1]].tolist()
        name = cities.get(pair["searcher_id"])
        assert got == ([id_bucket(name, 1 << 14)] if name else [])


def test_impressions_are_positives_where_the_recipe_says_so(folder: Path, tmp_path: Path) -> None:
    assert len(training_data(folder, tmp_path / "a", recipe(positives=["impression"])).positives) == 300
    assert len(training_data(folder, tmp_path / "b", recipe(positives=["click", "hard"])).positives) == 300


def test_no_batch_allows_a_known_positive_as_a_negative(folder: Path, tmp_path: Path) -> None:
    """Also one that is a positive by a source that this recipe does not learn from."""
    given = recipe(positives=["hard"], batch=16, negatives={"random": 200})
    data = training_data(folder, tmp_path, given)
    every = training_data(folder, tmp_path / "every", recipe())
    pairs = [p for p in pq.read_table(folder / "pairs.parquet").to_pylist() if p["split"] == "train"]
    chosen = {(p["query"], p["searcher_id"], int(p["doc_id"][1:])) for p in pairs}
    hard = [pair for pair in pairs if pair["source"] == "hard"]
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, len(hard), 50), rng.integers(0, NUM_DOCUMENTS, 400)
    mask = data.known.mask(rows, columns)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            assert mask[i, j] == ((hard[row]["query"], hard[row]["searcher_id"], column) in chosen)
    assert len(every.known.groups) == 300
    for batch in epoch_batches(data, given, 1, CPU):
        assert not batch.allowed[:, : batch.size].diagonal().any()


def test_an_epoch_has_every_pair_once_and_is_the_same_again(folder: Path, tmp_path: Path) -> None:
    given = recipe(batch=64, negatives={"random": 10})
    data = training_data(folder, tmp_path, given)
    first, again, other = ([*epoch_batches(data, given, epoch, CPU)] for epoch in (1, 1, 2))
    assert [batch.size for batch in first] == [64, 64, 64, 64, 44]
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a.allowed, b.allowed)
        for x, y in zip(a.documents[document("name")], b.documents[document("name")], strict=True):
            assert torch.equal(x, y)
    assert not torch.equal(first[0].requests[request("text")][0], other[0].requests[request("text")][0])


def test_dropout_leaves_out_its_share(folder: Path, tmp_path: Path) -> None:
    data = training_data(folder, tmp_path, recipe())
    counts = {}
    for dropout in (0.0, 0.25):
        given = recipe(dropout=dropout, negatives={"random": 0})
        counts[dropout] = sum(len(batch.documents[document("name")][0]) for batch in epoch_batches(data, given, 1, CPU))
    assert counts[0.25] / counts[0.0] == pytest.approx(0.75, abs=0.03)


def test_without_in_batch_only_random_documents_are_negatives(folder: Path, tmp_path: Path) -> None:
    given = recipe(negatives={"random": 50, "in_batch": False})
    data = training_data(folder, tmp_path, given)
    batch = next(iter(epoch_batches(data, given, 1, CPU)))
    assert not batch.allowed[:, : batch.size].any()
    assert batch.allowed[:, batch.size :].float().mean() > 0.9


def test_a_folder_of_another_vertical_is_refused(folder: Path, tmp_path: Path) -> None:
    other = VERTICAL.model_copy(update={"split": Split(valid=0.3), "unknown_documents": "leave_out"})
    with pytest.raises(ConfigError, match=r"another split and unknown_documents than 'toy' has now.*alicorn mine"):
        Pairs(folder, other)
    terms = VERTICAL.document.model_copy(update={"stored": ("name",), "terms": ()})
    Pairs(folder, VERTICAL.model_copy(update={"document": terms}))  # of documents, not of examples


def broken(folder: Path, to: Path, name: str, change) -> Path:  # type: ignore[no-untyped-def]
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    pq.write_table(change(pq.read_table(folder / f"{name}.parquet")), to / f"{name}.parquet")
    return to


def test_ids_that_do_not_exist_are_named(folder: Path, tmp_path: Path) -> None:
    def with_value(column: int, name: str):  # type: ignore[no-untyped-def]
        return lambda t: t.set_column(column, name, pa.array(["zz", *t[name].to_pylist()[1:]]))

    lost = broken(folder, tmp_path / "a", "pairs", with_value(4, "doc_id"))
    with pytest.raises(TableError, match=r"column 'doc_id', row 0: 'zz'.*1 such row"):
        training_data(lost, tmp_path / "wa", recipe())
    lost = broken(folder, tmp_path / "b", "pairs", with_value(1, "searcher_id"))
    with pytest.raises(TableError, match=r"column 'searcher_id': 'zz' is not in searchers\.parquet.*first bad row 0"):
        training_data(lost, tmp_path / "wb", recipe())


def test_a_missing_or_damaged_file_is_named(folder: Path, tmp_path: Path) -> None:
    copy = broken(folder, tmp_path / "c", "pairs", lambda t: t)
    (copy / "pairs.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(TableError, match=r"pairs\.parquet cannot be read"):
        training_data(copy, tmp_path / "w", recipe())
    (copy / "documents.parquet").unlink()
    with pytest.raises(TableError, match=r"documents\.parquet.*alicorn mine"):
        Pairs(copy, VERTICAL)
    (copy / "manifest.json").unlink()
    with pytest.raises(TableError, match=r"manifest\.json"):
        Pairs(copy, VERTICAL)


def test_no_pair_of_the_sources_is_an_error(folder: Path, tmp_path: Path) -> None:
    def with_clicks(table: pa.Table) -> pa.Table:
        return table.drop_columns(["source"]).append_column("source", pa.array(["click"] * len(table)))

    only_clicks = broken(folder, tmp_path / "d", "pairs", with_clicks)
    with pytest.raises(TableError, match="no training pair is of hard"):
        training_data(only_clicks, tmp_path / "w", recipe(positives=["hard"]))


def test_numbers_of_both_sides_are_standardised_by_their_tables(folder: Path) -> None:
    fitted = Pairs(folder, VERTICAL).standardizations(layout(recipe().towers, VERTICAL))
    assert fitted["request"]["age"]["mean"] == pytest.approx(14.5)
    assert json.dumps(fitted)
    assert 40 < fitted["document"]["age"]["mean"] < 50


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training pairs of grades 1, 2, 3, 1, 2, 3, ...; every third weighs 3; grades 1 and 2 of validation searches."""
    folder = write_pairs(tmp_path_factory.mktemp("graded") / "pairs", num_pairs=300, num_valid=40)
    for name, counted in (("pairs", True), ("searches", False)):
        table = pq.read_table(folder / f"{name}.parquet")
        rows = range(len(table))
        given = {"grade": [1.0 + row % 3 for row in rows], "weight": [3.0 if row % 3 == 1 else 1.0 for row in rows]}
        if not counted:
            given = {"grades": [[1.0 + row % 2] for row in rows]}
        for column, values in given.items():
            table = table.set_column(table.schema.get_field_index(column), column, pa.array(values))
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def test_grades_have_a_threshold_for_each_use(graded: Path, tmp_path: Path) -> None:
    def count(name: str, **grades: float) -> int:
        return len(training_data(graded, tmp_path / name, recipe(grades=grades)).positives)

    assert count("all") == 300
    assert count("right", positive=2) == 200
    assert count("best", positive=2, negative=2) == 100
    with pytest.raises(TableError, match="with a grade of 4 or more"):
        count("none", positive=4)
    searches = [
        len(Pairs(graded, VERTICAL).validation(model(given), given).targets)
        for given in (recipe(), recipe(grades={"validation": 2}), recipe(grades={"validation": 3}))
    ]
    assert searches == [40, 20, 0]


def test_a_document_of_a_low_grade_is_a_negative_of_its_search(graded: Path, tmp_path: Path) -> None:
    pairs = pq.read_table(graded / "pairs.parquet")
    search_id = pa.array(["q0"] * 3 + pairs["search_id"].to_pylist()[3:])  # one search with grades 1, 2, 3
    pq.write_table(pairs.set_column(0, "search_id", search_id), graded / "pairs.parquet")
    given = recipe(grades={"positive": 3, "negative": 1}, negatives={"random": 0, "non_click": 4})
    data = training_data(graded, tmp_path, given)
    documents = [int(doc_id[1:]) for doc_id in pairs["doc_id"].to_pylist()[:3]]
    assert data.non_clicks is not None
    first = slice(*data.non_clicks.offsets[:2])
    assert data.positives[0] == documents[2]
    assert data.non_clicks.documents[first].tolist() == [documents[0]]
    assert documents[0] not in data.known.documents[slice(*data.known.offsets[data.known.groups[0] :][:2])]


def test_pairs_are_drawn_by_their_weight(graded: Path, tmp_path: Path) -> None:
    drawn = np.zeros(300)
    given = recipe(grades={"weighting": "linear"})
    data = training_data(graded, tmp_path, given)
    assert data.weights is not None
    assert data.weights[:4].tolist() == [1.0, 6.0, 3.0, 1.0]
    for epoch in range(20):
        for batch in epoch_batches(data, given, epoch, CPU):
            drawn += np.bincount(batch.pairs, minlength=300)
    assert drawn.sum() == 300 * 20
    np.testing.assert_allclose(drawn.reshape(100, 3).sum(axis=0) / 2000, [0.3, 1.8, 0.9], atol=0.04)  # four deviations


def test_equal_weights_draw_every_pair_once_and_weight_0_none() -> None:
    rng = np.random.default_rng(0)
    assert sorted(by_weight(np.full(50, 0.3), rng)) == list(range(50))
    weights = np.array([0.0, 1.0, 0.0, 3.0, 0.0])
    for _ in range(20):
        found = np.bincount(by_weight(weights, rng), minlength=5)
        assert found.sum() == 5
        assert found[weights == 0].sum() == 0
        assert found[3] in (3, 4)
