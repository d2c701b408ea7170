"""Why a document is where it is in a ranked answer: the same places, features and stages as of the answer itself."""

from dataclasses import replace

import pytest
from ranked_people import save_ranker
from served_people import SEARCHERS, UNIFIED, VERTICAL, make_collection

from alicorn.errors import ConfigError
from alicorn.language import parse
from alicorn.ranking.stages import Pipeline
from alicorn.ranking.stages.explained import explained
from alicorn.reporting.json_text import to_json
from alicorn.retrieval.reading.intents import Intent
from alicorn.retrieval.retriever import Retriever
from alicorn.retrieval.searchers import Searchers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained")
    save_ranker(folder / "ranker")
    return folder


@pytest.fixture(scope="module")
def collection(folder):
    with make_collection(folder / "collection") as opened:
        yield opened


@pytest.fixture
def asked(folder, collection):
    """A request for john, and an explanation of a document by stages."""

    def of(stages="{kind: forest}", text="john", candidates=200):
        (folder / "ranking.yaml").write_text(f"ranker: ranker\ncandidates: {candidates}\nstages: [{stages}]\n")
        pipeline = Pipeline.load(folder / "ranking.yaml", VERTICAL, collection)
        retriever = Retriever(collection, [UNIFIED], Searchers(VERTICAL, SEARCHERS), pipeline)
        request = retriever.request(text=text, searcher="p3", limit=10)

        def explain(doc_id, **options):
            found = explained(pipeline, collection, request, doc_id, **options)
            to_json(found.to_dict())  # all of it can be written
            return found

        return retriever.search(request), pipeline, explain

    return of


def test_a_hit_is_explained_as_it_is_served(asked):
    result, pipeline, explain = asked()
    assert result.ids == ["p/4", "p3", "p2", "p1"]
    found = explain("p1", to_rank=2)
    assert (found.rank, found.forest.forest_rank, found.forest.score) == (4, 4, result.scores[3])
    assert found.features == dict(zip(pipeline.ranker.features.names, result.features[3], strict=True))
    assert next(iter(found.forest.contributions)) == "rank"
    (lift,) = (one for one in found.forest.lifts if one.feature == "rank")
    assert lift.needed < lift.value == 4.0
    assert lift.rank <= 2
    assert "to rank 2, alone:\n  rank from 4 to" in str(found)
    assert explain("p/4").forest.lifts == ()


def test_two_hits_differ_by_what_their_features_gave(asked):
    _, _, explain = asked()
    lower, upper = explain("p1", beside="p/4").forest, explain("p/4").forest
    assert (lower.beside.doc_id, lower.beside.forest_rank, lower.beside.score) == ("p/4", 1, upper.score)
    assert next(iter(lower.beside.differences)) == "rank"
    assert sum(lower.beside.differences.values()) == pytest.approx(lower.score - upper.score)
    for name, gain in lower.beside.differences.items():
        assert gain == pytest.approx(lower.contributions[name] - upper.contributions[name])
    assert "beside p/4: 1 of the forest" in str(lower)
    assert "rank = 4 and not 1" in str(lower)


def test_every_stage_says_what_it_did(asked):
    """Those of john have matched; the sum by static rank keeps p1 and p2, and the forest turns them round."""
    stages = "{kind: filter, feature: matched, at_least: 0.5}, {kind: sum, weights: {rank: 1}, keep: 2}, {kind: forest}"
    result, _, explain = asked(stages)
    assert result.ids == ["p2", "p1", "p/4"]
    for doc_id in result.ids:
        assert explain(doc_id).rank == result.ids.index(doc_id) + 1
    first, left, away = explain("p2"), explain("p/4"), explain("p3")
    assert [stage.stage for stage in first.stages] == ["filter", "sum", "forest"]
    assert first.stages[-1][1:] == (2, 1, False)
    assert left.stages[-1] == ("sum", 2, 3, True)
    assert (left.forest, away.forest) == (None, None)
    assert (away.rank, away.stages[-1].stage, away.stages[-1].after) == (None, "filter", None)
    assert f"filter: takes it away, from {away.place}" in str(away)
    assert "matched = 0" in str(away)
    with pytest.raises(ConfigError, match="'p/4' does not reach a stage forest"):
        explain("p1", beside="p/4")


def test_a_document_that_is_no_candidate_is_explained_by_the_expression(asked):
    result, _, explain = asked(candidates=1)
    behind = explain(result.ids[2])
    assert (behind.rank, behind.place, behind.stages, behind.reason.matches) == (3, 3, (), True)
    with pytest.raises(ConfigError, match="the collection has no document 'nobody'"):
        explain("nobody")


def test_what_the_control_keeps_out_is_said_node_by_node(folder, collection, asked):
    _, pipeline, _ = asked()
    retriever = Retriever(collection, [UNIFIED], Searchers(VERTICAL, SEARCHERS), pipeline)
    request = retriever.request(text="john", searcher="p3")
    near = parse("(nn people :k 4 :filter city:oslo)")
    narrowed = replace(request, expression=near, root=near, intents=(Intent("city", "city:oslo", "oslo"),))
    kept_out = explained(pipeline, collection, narrowed, "p2")
    assert (kept_out.rank, kept_out.place, kept_out.reason.matches) == (None, None, False)
    assert "understood: city:oslo" in str(kept_out)
    assert "city:oslo" in str(kept_out.reason.to_dict()["children"])
