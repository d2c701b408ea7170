"""Every kind of feature gives what its sentence says, over several segments, and NaN where nothing is known."""

import datetime
import math

import numpy as np
import pyarrow as pa
import pytest

from alicorn.config import parse_config
from alicorn.errors import ConfigError
from alicorn.query import Collection
from alicorn.ranking.features import Candidates, ClickHistory, FeatureSet
from alicorn.retrieval.asked import Asked
from alicorn.text import words
from alicorn.vertical import Vertical

NAN = math.nan
DAY_US = 86_400_000_000
VERTICAL = Vertical.model_validate(
    {
        "name": "people",
        "embedding": "people",
        "document": {
            "features": {"name": {"kind": "text", "column": "name"}},
            "terms": [
                {"prefix": "text", "column": "name", "kind": "words"},
                {"prefix": "name", "column": "name", "kind": "phrase"},
            ],
            "stored": ["name", "city", "friends", "born", "seen", "latitude", "longitude", "votes"],
        },
        "request": {
            "features": {
                "text": {"kind": "text", "column": "query"},
                "city": {"kind": "id", "column": "city"},
                "friends": {"kind": "ids", "column": "friends"},
                "clicked": {"kind": "ids", "column": "clicked"},
                "lat": {"kind": "numeric", "column": "lat"},
                "lon": {"kind": "numeric", "column": "lon"},
            }
        },
        "split": {"valid": 0.1},
    }
)
DOCUMENTS = pa.table(
    {
        "doc_id": ["a", "b", "c", "d"],
        "terms": [
            ["text:john", "text:smith", "name:john smith"],
            ["text:john", "text:doe", "name:john doe"],
            ["text:jane", "name:jane"],
            ["text:smith", "text:smith", "name:smith smith"],
        ],
        "static_rank": [4.0, 3.0, 2.0, 1.0],
        "embedding:people": pa.array([[1.0, 0.0], [0.6, 0.8], None, [0.0, -1.0]], pa.list_(pa.float32())),
        "city": ["Oslo", "Bergen", None, "Oslo"],
        "friends": [["b", "c"], [], None, ["a"]],
        "born": pa.array([datetime.date(1990, 1, 1), None, None, datetime.date(1970, 1, 2)]),
        "seen": pa.array([0, DAY_US, None, 3 * DAY_US], pa.timestamp("us")),
        "latitude": [0.0, 0.0, 90.0, None],
        "longitude": [0.0, 90.0, 0.0, 0.0],
        "votes": pa.array([7, None, 0, 2], pa.int32()),
    }
)
SHOWN = pa.table(
    {  # two searches: a is first in both, b second; only b is clicked, in the first
        "doc_id": ["a", "b", "a", "b"],
        "time": pa.array([0, 0, DAY_US, DAY_US], pa.timestamp("us")),
        "position": [1, 2, 1, 2],
        "clicked": [False, True, True, False],
    }
)
ASKED = Asked(
    "John Smith",
    {"people": np.array([[1.0, 0.0], [0.0, -1.0]], dtype=np.float32)},
    {"city": "Oslo", "friends": ["c", "a", "b"], "clicked": ["b", "b", "d"], "lat": 0.0, "lon": 0.0},
    2 * DAY_US,
)


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    with Collection.create(tmp_path_factory.mktemp("features") / "collection", {"people": 2}) as opened:
        opened.upsert(DOCUMENTS.slice(1))
        opened.flush()
        opened.upsert(DOCUMENTS.slice(0, 1))
        yield opened


def features(**kinds):
    return FeatureSet.model_validate({"features": kinds})


def matrix(collection, wanted, asked=ASKED, ids=("d", "a", "c", "b"), history=None):
    snapshot = collection.snapshot()
    assert len(snapshot.segments) == 2
    found = [snapshot.find(doc_id) for doc_id in ids]
    segments = np.array([next(at for at, view in enumerate(snapshot.segments) if view is one) for one, _ in found])
    numbers = np.array([number for _, number in found])
    return wanted.matrix(Candidates(snapshot, segments, numbers, asked, VERTICAL, history))


@pytest.mark.parametrize(
    ("kind", "expected"),  # of the documents d, a, c, b
    [
        ({"kind": "cosine", "key": "people"}, [1.0, 1.0, NAN, 0.6]),
        ({"kind": "matched", "prefix": "text"}, [0.5, 1.0, 0.0, 0.5]),
        ({"kind": "exact", "prefix": "name"}, [0.0, 1.0, 0.0, 0.0]),
        ({"kind": "query_words", "prefix": "text"}, [2.0, 2.0, 2.0, 2.0]),
        ({"kind": "static_rank"}, [1.0, 4.0, 2.0, 3.0]),
        ({"kind": "column", "column": "votes"}, [2.0, 7.0, 0.0, NAN]),
        ({"kind": "column", "column": "born"}, [1.0, 7305.0, NAN, NAN]),
        ({"kind": "age", "column": "seen"}, [-1.0, 2.0, NAN, 1.0]),
        ({"kind": "common", "document": "city", "searcher": "city"}, [1.0, 1.0, NAN, 0.0]),
        ({"kind": "common", "document": "friends", "searcher": "friends"}, [1.0, 2.0, NAN, 0.0]),
        ({"kind": "common", "document": "votes", "searcher": "city"}, [0.0, 0.0, 0.0, NAN]),
        ({"kind": "past", "searcher": "clicked"}, [1.0, 0.0, 0.0, 2.0]),
        ({"kind": "past", "searcher": "city"}, [0.0, 0.0, 0.0, 0.0]),  # one value, whose letters are no documents
        ({"kind": "clicks", "half_life_days": 1.0}, [NAN, 0.5, NAN, 0.25]),
        ({"kind": "clicks", "half_life_days": None}, [NAN, 1.0, NAN, 1.0]),
        ({"kind": "popularity"}, [NAN, 1.0, NAN, 1.0]),
    ],
)
def test_a_feature_is_what_it_says(collection, kind, expected):
    found = matrix(collection, features(one=kind), history=ClickHistory.of(SHOWN))
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-6)


def test_products_and_vectors_are_those_of_the_nearest_interest(collection):
    wanted = features(
        cosine={"kind": "cosine", "key": "people"},
        product={"kind": "hadamard", "key": "people", "dim": 2},
        raw={"kind": "vectors", "key": "people", "dim": 2},
    )
    raw = ("raw.request.0", "raw.request.1", "raw.document.0", "raw.document.1")
    assert wanted.names == ("cosine", "product.0", "product.1", *raw)
    assert wanted.keys == ("people",)
    found = matrix(collection, wanted)
    request = [[0, -1], [1, 0], [1, 0], [1, 0]]  # of c nothing is known, and the first interest stays
    document = [[0, -1], [1, 0], [NAN, NAN], [0.6, 0.8]]
    np.testing.assert_allclose(found[:, 3:5], request)
    np.testing.assert_allclose(found[:, 5:], document, atol=1e-6)
    np.testing.assert_allclose(found[:, 1:3], np.multiply(request, document), atol=1e-6)
    np.testing.assert_allclose(found[:, 1:3].sum(axis=1), found[:, 0], atol=1e-6)
    unknown = matrix(collection, wanted, Asked("x", {}, {}, 0))
    assert np.isnan(unknown[:, :5]).all()
    np.testing.assert_allclose(unknown[:, 5:], document, atol=1e-6)


def test_columns_of_wide_features_have_names_of_their_own():
    wide = {"kind": "hadamard", "key": "people", "dim": 2}
    with pytest.raises(ValueError, match=r"two features have a column 'one\.1': rename one"):
        features(**{"one": wide, "one.1": {"kind": "static_rank"}})


def test_bm25_is_that_of_the_engine(collection):
    found = matrix(collection, features(words={"kind": "bm25", "prefix": "text"}), ids=("a", "b", "d"))
    hits = collection.search("(or text:john text:smith)", order_by="bm25")
    assert found[:, 0].tolist() == [dict(zip(hits.ids, hits.scores, strict=True))[one] for one in ("a", "b", "d")]


def test_a_distance_is_in_kilometres(collection):
    place = {"kind": "distance", "document": ["latitude", "longitude"], "searcher": ["lat", "lon"]}
    found = matrix(collection, features(km=place))
    np.testing.assert_allclose(found[:, 0], [NAN, 0.0, 10_007.5, 10_007.5], atol=0.1)


def test_positions_far_down_are_counted_together(collection):
    far = SHOWN.set_column(2, "position", pa.array([1, 2_000_000_000, 1, 2_000_000_001]))
    found = matrix(collection, features(one={"kind": "popularity"}), history=ClickHistory.of(far))
    expected = matrix(collection, features(one={"kind": "popularity"}), history=ClickHistory.of(SHOWN))
    np.testing.assert_array_equal(found, expected)


def test_what_is_not_known_of_a_request_is_missing(collection):
    kinds = {
        "cosine": {"kind": "cosine", "key": "people"},
        "words": {"kind": "bm25", "prefix": "text"},
        "matched": {"kind": "matched", "prefix": "text"},
        "exact": {"kind": "exact", "prefix": "name"},
        "city": {"kind": "common", "document": "city", "searcher": "city"},
        "past": {"kind": "past", "searcher": "clicked"},
        "km": {"kind": "distance", "document": ["latitude", "longitude"], "searcher": ["lat", "lon"]},
        "clicks": {"kind": "clicks"},
        "popularity": {"kind": "popularity"},
    }
    asked = Asked("?!", {}, {"city": None}, 0)
    assert np.isnan(matrix(collection, features(**kinds), asked)).all()
    before_the_log = matrix(collection, features(clicks={"kind": "clicks"}), asked, history=ClickHistory.of(SHOWN))
    assert np.isnan(before_the_log).all()


def test_a_search_does_not_see_its_own_click_or_a_later_one(collection):
    history = ClickHistory.of(SHOWN)
    wanted = features(clicks={"kind": "clicks", "half_life_days": None})
    for time_us, expected in ((0, [NAN, NAN]), (DAY_US, [0.0, 1.0]), (DAY_US + 1_000_000, [1.0, 1.0])):
        found = matrix(collection, wanted, Asked("x", {}, {}, time_us), ("a", "b"), history)
        np.testing.assert_array_equal(found[:, 0], expected)


def test_clicks_with_decay_are_those_of_a_plain_sum(collection, tmp_path):
    rng = np.random.default_rng(0)
    seconds, clicked = rng.integers(0, 40 * 86_400, 500), rng.random(500) < 0.4
    ids = rng.choice(["a", "b", "c", "gone"], 500)
    positions = rng.integers(1, 4, 500)
    shown = {"doc_id": ids, "time": pa.array(seconds * 1_000_000, pa.timestamp("us")), "position": positions}
    ClickHistory.of(pa.table({**shown, "clicked": clicked})).save(tmp_path / "clicks.parquet")
    history = ClickHistory.load(tmp_path / "clicks.parquet")
    now = 35 * 86_400
    wanted = features(clicks={"kind": "clicks", "half_life_days": 7.0}, popularity={"kind": "popularity"})
    found = matrix(collection, wanted, Asked("x", {}, {}, now * 1_000_000), ("a", "b", "c"), history)
    share = {at: clicked[positions == at].mean() for at in (1, 2, 3)}
    for row, doc_id in enumerate(("a", "b", "c")):
        own = np.flatnonzero((ids == doc_id) & (seconds < now))
        decayed = sum(clicked[at] * 2.0 ** (-(now - seconds[at]) / 86_400 / 7) for at in own)
        expected = sum(share[positions[at]] for at in own)
        np.testing.assert_allclose(found[row], [decayed, (clicked[own].sum() + 1) / (expected + 1)])


def trigrams(text):
    return {f"<{word}>"[at : at + 3] for word in words(text) for at in range(len(word))}


def test_likeness_is_the_share_of_trigrams_in_common_with_the_likest_name(tmp_path):
    rng = np.random.default_rng(0)
    known = ["aalborg", "ålborg", "banana", "gent", "Гент", "ghent", "gand", "new", "york", "yorck", "o"]
    names = [[" ".join(rng.choice(known, rng.integers(1, 4))) for _ in range(rng.integers(0, 4))] for _ in range(60)]
    with Collection.create(tmp_path / "collection", {}) as opened:
        ids = [f"d{at}" for at in range(len(names))]
        opened.upsert(pa.table({"doc_id": ids, "terms": [["x"]] * len(ids), "names": names}))
        snapshot = opened.snapshot()
        found = [snapshot.find(one) for one in ids]
        for text in ("new york", "Ghent", "banana banana", "?!"):
            place = np.zeros(len(ids), dtype=np.int64), np.array([number for _, number in found])
            candidates = Candidates(snapshot, *place, Asked(text, {}, {}, 0), VERTICAL)
            values = features(one={"kind": "similar", "column": "names"}).matrix(candidates)[:, 0]
            for row, of in enumerate(names):
                own = trigrams(text)
                alike = [2 * len(own & trigrams(one)) / (len(own) + len(trigrams(one))) for one in of if own]
                np.testing.assert_allclose(values[row], max(alike, default=NAN))


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ({"kind": "cosine", "key": "peple"}, "features.one: unknown embedding key 'peple'; did you mean 'people'?"),
        ({"kind": "hadamard", "key": "people", "dim": 3}, "features.one: dim must be 2, that of 'people', got 3"),
        ({"kind": "bm25", "prefix": "txt"}, "unknown prefix of terms 'txt'; did you mean 'text'?"),
        ({"kind": "column", "column": "vote"}, "unknown stored column 'vote'; did you mean 'votes'?"),
        ({"kind": "column", "column": "city"}, "column 'city' must be of numbers, got string"),
        ({"kind": "age", "column": "friends"}, "column 'friends' must be of dates or times, got list"),
        ({"kind": "age", "column": "votes"}, "column 'votes' must be of dates or times, got int32"),
        (
            {"kind": "exact", "prefix": "text"},
            "prefix 'text' is of words: the whole text is compared with terms of kind",
        ),
        ({"kind": "common", "document": "city", "searcher": "town"}, "unknown column of the searcher 'town'"),
        ({"kind": "past", "searcher": "clickd"}, "did you mean 'clicked'?"),
        ({"kind": "similar", "column": "votes"}, "column 'votes' must be of strings, got int32"),
        ({"kind": "distance", "document": ["latitude", "city"], "searcher": ["lat", "lon"]}, "must be of numbers"),
        (
            {"kind": "distance", "document": ["latitude", "longitude"], "searcher": ["lat", "city"]},
            "column 'city' of the searcher must be of numbers, got string",
        ),
    ],
)
def test_a_name_that_is_not_known_is_refused_with_the_nearest(collection, kind, problem):
    snapshot = collection.snapshot()
    with pytest.raises(ConfigError, match=problem.replace("?", r"\?")):
        features(one=kind).check(VERTICAL, snapshot.columns, snapshot.embeddings)


def test_the_file_is_strict_and_has_a_fingerprint(tmp_path):
    path = tmp_path / "features.yaml"
    path.write_text("features:\n  words: {kind: bm25, prefix: text}\n")
    first = FeatureSet.load(path)
    assert first.names == ("words",)
    path.write_text("features:\n  words: {kind: bm25, prefix: title}\n")
    assert FeatureSet.load(path).fingerprint() != first.fingerprint()
    with pytest.raises(ConfigError, match=r"unknown key 'prefx' at features\.words; did you mean 'prefix'"):
        parse_config({"features": {"words": {"kind": "bm25", "prefx": "text"}}}, FeatureSet, where="features.yaml")
