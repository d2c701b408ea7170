"""The MovieLens example: searches from ratings, queries of another set, and real behaviour through mining."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from examples_source import DATA, EXAMPLES, prepare_script, run

from alicorn.logs import mine
from alicorn.vertical import Vertical

RATINGS = pa.table(
    {
        "userId": [7, 7, 8, 7],
        "movieId": [1, 2, 1, 3],
        "rating": [5.0, 2.0, 4.0, 4.5],
        "timestamp": [1000, 2000, 1500, 3000],
    }
)
MOVIES = pa.table(
    {
        "movieId": [1, 2, 3],
        "title": ["Matrix, The (1999)", "Alien (1979)", "Babylon 5"],
        "genres": ["Action|Sci-Fi", "Horror", "(no genres listed)"],
    }
)
LINKS = pa.table({"movieId": [1, 2, 3], "imdbId": [10, 20, 30], "tmdbId": [603.0, None, 77.0]})
CORPUS = pa.table(
    {
        "doc_id": ["603", "604"],
        "overview": ["A hacker.", "More."],
        "director": ["Lana Wachowski", "Lana Wachowski"],
        "actors": [["Keanu Reeves"], []],
        "votes": [99, 9],
    }
)
QUERIES = pa.table({"query_id": ["q1", "q2"], "query": ["neo film", "matrix reloaded"]})
QRELS = pa.table({"query_id": ["q1", "q2", "q2"], "doc_id": ["603", "604", "603"], "grade": [1, 1, 0]})


@pytest.fixture
def script():
    return prepare_script("movielens")


def test_documents_are_the_movies_with_what_the_other_set_knows(script):
    table = script.documents(MOVIES, LINKS, CORPUS)
    assert table["title"].to_pylist() == ["The Matrix", "Alien", "Babylon 5"]
    assert table["release_year"].to_pylist() == ["1999", "1979", None]
    assert table["genre"].to_pylist() == ["Action", "Horror", None]
    assert table["director"].to_pylist() == ["Lana Wachowski", None, None]
    assert table["log_votes"].to_pylist() == [2.0, None, None]
    assert script.documents(MOVIES, LINKS, None).schema == table.schema


def test_every_liked_movie_is_a_search_and_every_rating_is_behaviour(script):
    ordered = script.in_time(RATINGS)
    assert script.activity(ordered)["kind"].to_pylist() == ["liked", "liked", "rated", "liked"]
    impressions, segments = script.searches(ordered, {})
    assert impressions["doc_id"].to_pylist() == ["1", "1", "3"]
    assert impressions["searcher_id"].to_pylist() == ["7", "8", "7"]
    assert pc.unique(impressions["query"]).to_pylist() == [""]
    assert segments["segment"].to_pylist() == [["next", "new"], ["next", "new"], ["next", "known"]]


def test_half_of_the_searches_for_a_movie_with_queries_carry_one_that_means_it(script):
    queries = script.queries_of(LINKS, QUERIES, QRELS)
    assert queries == {"1": ["neo film"]}
    count = 1000
    ratings = pa.table(
        {"userId": [1] * count, "movieId": [1] * count, "rating": [5.0] * count, "timestamp": list(range(count))}
    )
    typed = script.searches(script.in_time(ratings), queries)[0]["query"].to_pylist()
    assert set(typed) == {"neo film", ""}
    assert 400 < typed.count("neo film") < 600


def test_the_real_sets_are_mined_with_real_sequences(script, tmp_path, monkeypatch):
    source, queries = DATA / "ml-latest-small", DATA / "msrd"
    if not ((source / "ratings.parquet").is_file() and (queries / "qrels.parquet").is_file()):
        pytest.skip("ml-latest-small and msrd are not beside the repository (shared/data)")
    run(script, monkeypatch, source, tmp_path / "logs", "--queries", queries)
    counts = mine(tmp_path / "logs", Vertical.load(EXAMPLES / "movielens" / "vertical.yaml"), tmp_path / "pairs")
    assert counts["searches"] == counts["pairs"] == 48_580
    assert counts["behaviour_events"] == 100_836
    assert counts["searches_with_behaviour"] == 47_939
    documents = pq.read_table(tmp_path / "logs" / "documents.parquet")
    assert len(documents) - documents["director"].null_count == 4_157  # two of them share a TMDB id
    searchers = pq.read_table(tmp_path / "pairs" / "searchers.parquet")
    assert len(searchers) == 610
    assert pc.max(pc.list_value_length(searchers["before_item"])).as_py() == 50
