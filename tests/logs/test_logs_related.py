"""Item to item: Swing and co-occurrence of a log are what loops over its searchers find."""

import math
import random
from itertools import combinations

import pyarrow.parquet as pq
import pytest
from logs_world import activity, documents, good_tables, impressions, vertical, write_logs

from alicorn.errors import ConfigError
from alicorn.logs.related import write_related

DOCUMENTS = "abcdefgh"
SEARCHERS = [f"u{number}" for number in range(12)]


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A folder, and what each searcher chose."""
    rng = random.Random(3)
    chosen = {who: set(rng.sample(DOCUMENTS, rng.randint(1, 6))) for who in SEARCHERS}
    rows = [(who, doc_id) for who, docs in sorted(chosen.items()) for doc_id in sorted(docs)]
    clicked = [(f"s{n}", who, n, doc_id, 1, True) for n, (who, doc_id) in enumerate(rows) if n % 2]
    unclicked = [(f"s{n}", "u0", n, doc_id, 2, False) for n, doc_id in enumerate(DOCUMENTS, start=900)]
    tables = {
        "documents": documents(DOCUMENTS),
        "searchers": good_tables()["searchers"].schema.empty_table(),
        "impressions": impressions(*clicked, *unclicked, ("nobody", None, 999, "a", 1, True)),
        "activity": activity(*((who, n, doc_id) for n, (who, doc_id) in enumerate(rows) if not n % 2)),
    }
    del tables["searchers"]
    return write_logs(tmp_path_factory.mktemp("related"), tables), chosen


def swing(chosen, i, j):
    both = [who for who, docs in chosen.items() if {i, j} <= docs]
    return sum(
        1 / math.sqrt(len(chosen[u]) * len(chosen[v])) / (1 + len(chosen[u] & chosen[v]))
        for u, v in combinations(both, 2)
    )


def cosine(chosen, i, j):
    of = {d: {who for who, docs in chosen.items() if d in docs} for d in (i, j)}
    return len(of[i] & of[j]) / math.sqrt(len(of[i]) * len(of[j]))


@pytest.mark.parametrize(("by", "score"), [("swing", swing), ("co-occurrence", cosine)])
def test_the_related_documents_are_those_of_loops(tmp_path, log, by, score):
    folder, chosen = log
    made = vertical(city="again: {kind: text, column: query}")
    counts = write_related(folder, made, tmp_path / "out.parquet", by, count=5)
    found = {row["doc_id"]: row["related"] for row in pq.read_table(tmp_path / "out.parquet").to_pylist()}
    assert counts == {"documents": len(found), "related": sum(map(len, found.values()))}
    for i in DOCUMENTS:
        scores = {j: score(chosen, i, j) for j in DOCUMENTS if j != i}
        best = sorted((round(-value, 9), j) for j, value in scores.items() if value > 0)[:5]
        assert [(round(-scores[j], 9), j) for j in found.get(i, [])] == best


def test_a_file_that_is_there_is_not_written_over(tmp_path, log):
    (tmp_path / "out.parquet").write_text("")
    with pytest.raises(ConfigError, match="exists: choose another file, or give --overwrite"):
        write_related(log[0], vertical(), tmp_path / "out.parquet")
    made = vertical(city="again: {kind: text, column: query}")
    counts = write_related(log[0], made, tmp_path / "out.parquet", overwrite=True)
    assert len(pq.read_table(tmp_path / "out.parquet")) == counts["documents"] > 0
