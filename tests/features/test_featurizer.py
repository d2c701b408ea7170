"""Every kind of feature: known, unknown, null and empty values; errors that name the column."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from channel_names import document, request
from hashing_oracle import id_bucket
from hypothesis import given
from hypothesis import strategies as st

from alicorn.errors import TableError
from alicorn.features import (
    Bag,
    ChannelId,
    Features,
    Featurizer,
    Sequences,
    TextSettings,
    open_features,
    standardizations,
    write_features,
)
from alicorn.features.kinds.ids import id_bags
from alicorn.vertical import DenseFeature, Feature, IdFeature, IdsFeature, NumericFeature, SequenceFeature, TextFeature

FEATURES = {
    "name": TextFeature(kind="text", column="name"),
    "city": IdFeature(kind="id", column="city"),
    "clusters": IdsFeature(kind="ids", column="clusters", weights="shares"),
    "tags": IdsFeature(kind="ids", column="tags"),
    "social": DenseFeature(kind="dense", column="social", dim=2),
    "age": NumericFeature(kind="numeric", column="age"),
}
BUCKETS = {document(name): (size,) for name, size in {"name": 1000, "city": 100, "clusters": 100, "tags": 100}.items()}


def featurizer() -> Featurizer:
    return Featurizer("document", FEATURES, BUCKETS, TextSettings(), {})


def fitted(features: dict[str, Feature], buckets: dict[ChannelId, tuple[int, ...]], numbers: pa.Table) -> Featurizer:
    """With numeric features standardised by the rows of `numbers`."""
    found = standardizations(features, numbers, "documents")
    return Featurizer("document", features, buckets, TextSettings(), found)


def table() -> pa.Table:
    return pa.table(
        {
            "name": ["Ada", None, ""],
            "city": ["Rome", None, "Rome"],
            "clusters": [["a", None, "b"], None, []],
            "shares": [[0.5, 0.2, 2.0], [], None],
            "tags": pa.array([["x", "y"], [""], None], pa.list_(pa.string())),
            "social": [[1.0, 2.0], None, [3.0, 4.0]],
            "age": [10, None, 30],
        }
    )


def rows(bag: Bag | np.ndarray) -> list[list[int]]:
    assert isinstance(bag, Bag)
    return [bag.indices[a:b].tolist() for a, b in zip(bag.offsets, bag.offsets[1:], strict=False)]


def test_every_kind_of_value_has_a_defined_meaning() -> None:
    features = fitted(FEATURES, BUCKETS, table()).transform(table())
    channels = features.channels
    assert [len(row) for row in rows(channels[document("name")])] == [4, 0, 0]
    assert rows(channels[document("city")]) == [[id_bucket("Rome", 100)], [], [id_bucket("Rome", 100)]]
    assert rows(channels[document("clusters")]) == [[id_bucket("a", 100), id_bucket("b", 100)], [], []]
    assert channels[document("clusters")].weights.tolist() == [0.5, 2.0]  # type: ignore[union-attr]
    assert rows(channels[document("tags")]) == [[id_bucket("x", 100), id_bucket("y", 100)], [], []]
    np.testing.assert_array_equal(channels[document("social")], [[1, 2], [0, 0], [3, 4]])
    np.testing.assert_allclose(channels[document("age")], [[-1, 1], [0, 0], [1, 1]])


def test_a_row_alone_and_a_row_among_others_are_the_same() -> None:
    given = fitted(FEATURES, BUCKETS, table())
    together = given.transform(table()).take(np.array([2, 0, 1, 0]))
    for i, row in enumerate([2, 0, 1, 0]):
        alone = given.transform(table().slice(row, 1))
        for name, channel in alone.channels.items():
            among = together.channels[name]
            assert rows(channel)[0] == rows(among)[i] if isinstance(channel, Bag) else (channel[0] == among[i]).all()


def test_a_list_of_strings_is_the_text_of_its_members() -> None:
    aliases = Featurizer("document", {"name": FEATURES["name"]}, BUCKETS, TextSettings(), {})
    listed = aliases.transform(pa.table({"name": [["New", "York"], [None, "Rome"], None]}))
    plain = aliases.transform(pa.table({"name": ["New York", "Rome", ""]}))
    assert rows(listed.channels[document("name")]) == rows(plain.channels[document("name")])


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_every_arrow_string_is_read_alike(kind: pa.DataType) -> None:
    strings = Featurizer("document", {k: FEATURES[k] for k in ("name", "city")}, BUCKETS, TextSettings(), {})
    got = strings.transform(table().select(["name", "city"]).set_column(0, "name", table()["name"].cast(kind)))
    assert [len(row) for row in rows(got.channels[document("name")])] == [4, 0, 0]


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)))
def test_ids_equal_their_oracle(ids: list[str | None]) -> None:
    got = rows(id_bags(pa.array(ids, pa.large_string()), 1000))
    assert got == [[id_bucket(value, 1000)] if value else [] for value in ids]


def test_unknown_numbers_are_told_from_the_mean_and_absurd_ones_are_cut() -> None:
    ages = fitted({"age": FEATURES["age"]}, {}, pa.table({"age": [0.0, 2.0]}))
    got = ages.transform(pa.table({"age": [1.0, float("nan"), 1e300, float("-inf")]})).channels[document("age")]
    np.testing.assert_array_equal(got, [[0, 1], [0, 0], [8, 1], [-8, 1]])


def test_a_column_without_any_value_is_standardised_by_the_neutral_numbers() -> None:
    features = {"age": FEATURES["age"]}
    unknown = fitted(features, {}, pa.table({"age": pa.array([None, None], pa.float64())}))
    assert unknown.standardizations["age"].deviation == 1.0
    equal = fitted(features, {}, pa.table({"age": [7, 7]}))
    np.testing.assert_array_equal(equal.transform(pa.table({"age": [7]})).channels[document("age")], [[0, 1]])


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (lambda t: t.drop_columns(["city"]), "city"),
        (lambda t: t.set_column(1, "city", pa.array([1, 2, 3])), "city"),
        (lambda t: t.set_column(5, "social", pa.array([[1.0, 2.0], [1.0], None])), "social"),
        (lambda t: t.set_column(5, "social", pa.array([[1.0, float("nan")], None, None])), "social"),
        (lambda t: t.set_column(3, "shares", pa.array([[1.0], None, None])), "shares"),
    ],
)
def test_a_column_that_cannot_be_read_is_named(change, column: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TableError, match=column) as caught:
        featurizer().transform(change(table()))
    assert caught.value.column == column


def test_a_table_without_rows_has_features_without_rows() -> None:
    features = featurizer().transform(table().slice(0, 0))
    assert len(features) == 0
    assert features.channels[document("social")].shape == (0, 2)  # type: ignore[union-attr]


WORDS = st.lists(st.sampled_from(["york", "new york", "nova iorque", "", None]), max_size=6)


@given(lists=st.lists(WORDS, min_size=1, max_size=4))
def test_a_list_of_texts_has_length_one_however_often_its_names_share_an_n_gram(lists: list[list[str | None]]) -> None:
    names = Featurizer(
        "document", {"n": TextFeature(kind="text", column="n")}, {document("n"): (1000,)}, TextSettings(), {}
    )
    bags = names.transform(pa.table({"n": pa.array(lists, pa.list_(pa.string()))})).channels[document("n")]
    assert isinstance(bags, Bag)
    assert bags.weights is not None
    for start, end in zip(bags.offsets, bags.offsets[1:], strict=False):
        counts = np.zeros(1001)  # one orthonormal row per n-gram: the sum is the vector itself
        np.add.at(counts, bags.indices[start:end], bags.weights[start:end])
        assert np.linalg.norm(counts) == pytest.approx(1.0 if end > start else 0.0, abs=1e-6)


VISITS = SequenceFeature(kind="sequence", parts={"shop": "seen_shop", "brand": "seen_brand"}, last=2)


def visits(shops: list[list[str | None] | None], brands: list[list[str | None] | None]) -> Features:
    lists = pa.list_(pa.string())
    rows = pa.table({"seen_shop": pa.array(shops, lists), "seen_brand": pa.array(brands, lists)})
    buckets = {request("visits"): (50, 60)}
    return Featurizer("request", {"visits": VISITS}, buckets, TextSettings(), {}).transform(rows)


def test_a_sequence_keeps_its_newest_elements_in_order_and_each_part_has_its_own_buckets(tmp_path: Path) -> None:
    found = visits([["a", "b", "c"], None, [], ["d"]], [["x", None, "y"], None, None, [""]])
    b, c, d = (id_bucket(shop, 50) for shop in "bcd")
    wanted = [[[b, 0], [c, id_bucket("y", 60)]], [], [], [[d, 0]]]
    write_features(tmp_path, [found, found.take(np.array([3, 0]))])
    for features, rows in ((found, [0, 1, 2, 3]), (open_features(tmp_path), [0, 1, 2, 3, 3, 0])):
        channel = features.channels[request("visits")]
        assert isinstance(channel, Sequences)
        ends = zip(channel.offsets, channel.offsets[1:], strict=False)
        assert [channel.ids[start:end].tolist() for start, end in ends] == [wanted[row] for row in rows]


def test_lists_of_a_sequence_must_be_equally_long() -> None:
    with pytest.raises(TableError, match="column 'seen_brand': a list must be as long as that of column 'seen_shop'"):
        visits([["a"], ["b", "c"]], [["x"], ["y"]])
