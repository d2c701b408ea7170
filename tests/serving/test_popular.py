"""Suggested queries are those of several searchers, and never shown to a key that sees some documents."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from served_people import SEARCHERS, TEXT, UNIFIED

from alicorn.errors import TableError
from alicorn.serving.popular import LEAST, PopularQueries
from alicorn.serving.security.keys import create_key, new_key

SEARCHES = [("John Smith", f"u{at}") for at in range(5)] + [("john smith", "u1"), ("john doe", "u1")]
SEARCHES += [("JÖHN", f"u{at}") for at in range(LEAST)] + [("secret", "u9")] * 50 + [("jane", None)] * LEAST
SEARCHES += [("jonas", f"u{at}") for at in range(4)] + [("", "u1"), ("john doe", "u2")]


@pytest.fixture
def popular(tmp_path):
    queries, searchers = zip(*SEARCHES, strict=True)
    pq.write_table(pa.table({"query": queries, "searcher_id": searchers}), tmp_path / "searches.parquet")
    return PopularQueries.read(tmp_path / "searches.parquet")


def test_a_query_counts_once_for_each_searcher_and_needs_several(popular):
    everything = [("john smith", 5), ("jonas", 4), ("jane", 3), ("jöhn", 3)]
    assert popular.beginning("", 10) == everything
    assert popular.beginning("JO", 10) == [one for one in everything if one[0].startswith("jo")]
    assert popular.beginning("jo", 1) == [("john smith", 5)]
    assert popular.beginning("john s", 10) == [("john smith", 5)]
    assert popular.beginning("secret", 10) == []  # of one searcher


def test_without_searchers_each_search_counts_and_a_table_needs_queries(tmp_path):
    (tmp_path / "queries.csv").write_text("query\nabc\nabc\nAbc\nabd\n")
    assert PopularQueries.read(tmp_path / "queries.csv").beginning("ab", 10) == [("abc", 3)]
    (tmp_path / "other.csv").write_text("text\nabc\n")
    with pytest.raises(TableError, match="there is none"):
        PopularQueries.read(tmp_path / "other.csv")


def test_they_are_suggested_beside_terms_but_not_to_a_key_of_some_documents(popular, collection, start, tmp_path):
    now = datetime.now(UTC)
    keys = tmp_path / "keys.json"
    named = [("whole", None), ("part", "city:oslo")]
    whole, part = (create_key(keys, new_key(name, ["search"], now, only=only), now) for name, only in named)
    client = start(collection, [TEXT, UNIFIED], searchers=SEARCHERS, popular=popular, keys=keys)
    asked = {"begins": "jo", "limit": 1}
    found = client.get("/v1/suggest", params=asked, headers={"api-key": whole}).json()
    assert found["queries"] == [{"query": "john smith", "count": 5}]
    assert client.get("/v1/suggest", params=asked, headers={"api-key": part}).json()["queries"] == []
