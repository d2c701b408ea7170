"""A gate closes where words alone find what is wanted, loses no more than it may, and is written into a vertical."""

import numpy as np
import pyarrow as pa
import pytest
import yaml
from served_people import DOCUMENTS, UNIFIED, VERTICAL, make_collection

from alicorn.errors import ConfigError
from alicorn.evaluation.gates.report import markdown, selection_block, verdict, write_report
from alicorn.evaluation.gates.search import search_gate
from alicorn.evaluation.metrics.ranking import Targets
from alicorn.evaluation.searches import Searches
from alicorn.retrieval.retriever import Retriever
from alicorn.vertical import Selection


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    with make_collection(tmp_path_factory.mktemp("gates") / "collection") as opened:
        yield opened


def searches_for(wanted: list[tuple[str, str]]) -> Searches:
    documents = DOCUMENTS.sort_by("doc_id")
    ids = documents["doc_id"].to_pylist()
    queries = [query for query, _ in wanted]
    return Searches(
        split="valid",
        search_ids=pa.chunked_array([[f"s{row}" for row in range(len(wanted))]]),
        times_us=np.zeros(len(wanted), dtype=np.int64),
        requests=pa.table({"query": queries, "city": pa.nulls(len(wanted), pa.string())}),
        documents=documents,
        targets=Targets.of([[ids.index(doc_id)] for _, doc_id in wanted]),
        segments=[[] for _ in wanted],
        num_in_split=len(wanted),
        num_without_targets=0,
        simulated=False,
    )


def test_it_closes_where_words_find_what_is_wanted(collection, tmp_path):
    """Who is called Jane Doe is found by words alone; who is called Smyth and asked for as Smith only by nn."""
    searches = searches_for([("jane doe", "p3"), ("smith smyth", "p2")] * 100)
    found = search_gate(Retriever(collection, [UNIFIED]), searches, "people", lost=0.02)
    assert found.is_worth_having
    assert 0.35 < found.chosen.share < 0.65
    assert found.chosen.lost["recall@10"].mean == 0
    assert found.curve[-1].share == 1
    assert 0.35 < found.curve[-1].lost["recall@10"].mean < 0.65, "half of the wanted documents are found by nn alone"
    assert "Worth having" in markdown(found)
    assert [path.name for path in write_report(found, tmp_path)] == ["gate.md", "gate.json", "gate.svg"]
    assert "recall@10" in (tmp_path / "gate.svg").read_text()
    learned = yaml.safe_load(selection_block(Selection(), found))["selection"]
    vertical = VERTICAL.model_copy(update={"selection": Selection.model_validate(learned)})
    retriever = Retriever(collection, [UNIFIED.with_vertical(vertical)])
    assert retriever.request(text="jane doe").without_nn
    assert retriever.request(text="smith smyth").without_nn is None


def test_where_words_alone_find_nothing_it_never_closes(collection):
    found = search_gate(Retriever(collection, [UNIFIED]), searches_for([("smith smyth", "p2")] * 40), "people", 0.01)
    assert found.rule is None
    assert not found.is_worth_having
    assert "Not worth having" in verdict(found)


def test_the_rules_that_exist_are_measured_beside_it_and_kept(collection):
    rules = {
        "documents": [{"kind": "range", "column": "year", "min": 1900}],
        "requests": [{"kind": "short", "characters": 5}, {"kind": "learned", "at_most": 0.5, "weights": {"one": 1}}],
    }
    selection = Selection.model_validate(rules)
    model = UNIFIED.with_vertical(VERTICAL.model_copy(update={"selection": selection}))
    searches = searches_for([("jane doe", "p3"), ("doe", "p3")] * 50)
    found = search_gate(Retriever(collection, [model]), searches, "people", 0.02)
    (short,) = found.rules
    assert short.by == "fewer than 5 characters"
    assert 0.3 < short.share < 0.7
    assert short.lost["NDCG@10"].mean == 0
    written = Selection.model_validate(yaml.safe_load(selection_block(selection, found))["selection"])
    assert written.documents == selection.documents
    assert [rule.kind for rule in written.requests] == ["short", "learned"]
    assert written.requests[1] == found.rule


def test_too_few_searches_are_refused(collection):
    with pytest.raises(ConfigError, match="20 are the least, got 2"):
        search_gate(Retriever(collection, [UNIFIED]), searches_for([("jane", "p3")] * 2), "people", 0.01)
