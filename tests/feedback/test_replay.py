"""A served log is scored again to the last bit, or the first hit, stage and feature that differ are named."""

import shutil

import numpy as np
import pyarrow as pa
import pytest
from ranked_people import save_ranker
from served_people import SEARCHERS, UNIFIED, VERTICAL, make_collection
from shell import alicorn

from alicorn.config import dump_yaml
from alicorn.errors import AlicornError
from alicorn.feedback import ServedLog
from alicorn.feedback.replay import Replayer
from alicorn.query import Collection
from alicorn.ranking.features import FeatureSet
from alicorn.ranking.stages import Pipeline
from alicorn.ranking.stages.pipeline import load_ranking
from alicorn.retrieval.retriever import Retriever
from alicorn.retrieval.searchers import Searchers
from alicorn.serving.api.messages import SearchRequest
from alicorn.serving.api.search_endpoint import SearchEndpoint
from alicorn.vertical import Vertical

PLAIN = {
    "cosine": {"kind": "cosine", "key": "people"},
    "words": {"kind": "bm25", "prefix": "text"},
    "rank": {"kind": "static_rank"},
    "same_city": {"kind": "common", "document": "city", "searcher": "city"},
}
NAMES = [f"feature {name}" for name in PLAIN]
STAGES = "[{kind: sum, weights: {words: 1, rank: 0.3}}, {kind: forest}, {kind: at_most, column: city, most: 3}]"


def save(folder, features=PLAIN, stages=STAGES):
    folder.mkdir()
    save_ranker(folder / "ranker", FeatureSet.model_validate({"features": features}))
    (folder / "ranking.yaml").write_text(f"ranker: ranker\nstages: {stages}\n")
    return folder / "ranking.yaml"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The folder of a collection whose segments are on disk, a ranking.yaml and the log of searches."""
    folder = tmp_path_factory.mktemp("replayed")
    with make_collection(folder / "collection") as collection, ServedLog(folder / "log") as log:
        collection.flush()
        ranking = save(folder / "ranking")
        pipeline = Pipeline.load(ranking, VERTICAL, collection)
        retriever = Retriever(collection, [UNIFIED], Searchers(VERTICAL, SEARCHERS), pipeline)
        endpoint = SearchEndpoint(retriever, log)
        for text, searcher in [("john", "p3"), ("john smith", "p2"), ("jane", None), ("doe", "p3")]:
            endpoint.search(SearchRequest(text=text, searcher=searcher))
        endpoint.search(SearchRequest(text="john", order_by="static_rank"))  # which no ranker ordered
    return folder


def replayed(served, ranking=None, collection=None, vertical=VERTICAL, log=None):
    with Collection.open(collection or served / "collection", read_only=True) as opened:
        ranker, config = load_ranking(ranking or served / "ranking" / "ranking.yaml")
        return Replayer(ranker, config, vertical, opened).replay(log or served / "log")


def test_the_same_ranker_gives_the_same_bits(served):
    found = replayed(served)
    assert found.is_same
    assert found.changed == []
    assert (found.searches, found.hits) == (4, 16)
    assert found.compared == dict.fromkeys(["stage sum", "stage forest", *NAMES], 16)
    assert found.not_repeated == ["at_most"]
    assert found.passed == {}


def test_a_changed_definition_is_named_with_the_first_hit(served, tmp_path):
    other = PLAIN | {"rank": {"kind": "column", "column": "year"}}
    found = replayed(served, save(tmp_path / "ranking", other))
    assert set(found.differing) == {"feature rank"}
    assert found.differing["feature rank"] == 16
    assert "feature rank: StaticRankScore" in found.changed[0]
    first = found.first["feature rank"]
    assert (first.logged, first.computed) in [(4.0, 1990.0), (3.0, 1991.0), (1.0, 1993.0)]
    assert "feature rank: 16 of 16 differ; first of search" in str(found)


def test_a_changed_forest_is_named(served, tmp_path):
    path = save(tmp_path / "ranking")
    forest = path.parent / "ranker" / "forest.txt"
    lines = forest.read_text().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if line.startswith("leaf_value="))
    values = [float(one) for one in lines[at].removeprefix("leaf_value=").split()]
    values = [float(np.nextafter(one, 1.0)) for one in values]
    lines[at] = "leaf_value=" + " ".join(map(repr, values)) + "\n"
    forest.write_text("".join(lines))
    found = replayed(served, path)
    assert set(found.differing) == {"stage forest"}
    assert found.changed[0].startswith("forest: ")


def test_words_that_are_read_another_way_are_named(served):
    plain = VERTICAL.model_dump(exclude_none=True) | {"analysis": {"text": {"stem": "english", "stop_words": ["john"]}}}
    other = Vertical.model_validate(plain)
    found = replayed(served, vertical=other)
    assert [one.split(":")[0] for one in found.changed] == ["vertical's analysis", "vertical's analysis of text"]
    assert set(found.differing) == {"feature words"}
    assert found.first["feature words"].search_id in str(found)


def test_what_was_written_since_is_counted_and_not_compared(served, tmp_path):
    shutil.copytree(served / "collection", folder := tmp_path / "collection")
    with Collection.open(folder) as collection:
        collection.update(pa.table({"doc_id": ["p1"], "year": [1994]}))
    found = replayed(served, collection=folder)
    assert found.is_same
    assert found.passed == {"their document, or the segment that held it, has been written since": 4}
    assert found.compared["feature rank"] == 12
    assert found.compared["feature words"] == 0, "its numbers are of all documents"
    assert found.compared["stage forest"] == 16


def test_the_shell_says_so_and_ends_with_1(served, tmp_path):
    (tmp_path / "vertical.yaml").write_text(dump_yaml(VERTICAL))
    place = ("replay", served / "log", "--collection", served / "collection", "--vertical", tmp_path / "vertical.yaml")
    done = alicorn(*place, "--ranker", served / "ranking" / "ranking.yaml")
    assert (done.code, done.out.splitlines()[0]) == (0, "4 searches, 16 hits, 0 numbers differ")
    other = save(tmp_path / "ranking", PLAIN | {"rank": {"kind": "column", "column": "year"}})
    assert alicorn(*place, "--ranker", other).code == 1
    assert "no search of 2001-02-03" in alicorn(*place, "--ranker", other, "--day", "2001-02-03").refusal()


def test_a_log_that_nothing_ranked_is_refused(served, tmp_path):
    with pytest.raises(AlicornError, match="has no search that a ranker ordered"):
        replayed(served, log=tmp_path)
