"""What each channel finds alone, checked by sets."""

import numpy as np
import pyarrow as pa
import pytest
from served_people import DOCUMENTS, SEARCHERS, UNIFIED, VERTICAL, Model, make_collection

from alicorn.evaluation.metrics.ranking import Targets
from alicorn.evaluation.reports.channel_report import channel_report
from alicorn.evaluation.searches import Searches
from alicorn.retrieval.retriever import Retriever
from alicorn.retrieval.searchers import Searchers
from alicorn.vertical.expressions import Expressions

CHANNELS = {
    "words": "(and {terms})",
    "near": "(nn {key} :k 2)",
    "friends": "(extract friends (or {searcher:city:city}))",
}
TARGETS = {"john smith": ["p/4", "p1"], "jane": ["p3", "p2"], "nobody": ["p2"]}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    documents = DOCUMENTS.sort_by("doc_id")
    ids = documents["doc_id"].to_pylist()
    searches = Searches(
        split="valid",
        search_ids=pa.chunked_array([["s1", "s2", "s3"]]),
        times_us=np.zeros(3, dtype=np.int64),
        requests=pa.table({"query": list(TARGETS), "city": ["Bergen", "Oslo", None]}),
        documents=documents,
        targets=Targets.of([[ids.index(one) for one in of] for of in TARGETS.values()]),
        segments=[[], [], []],
        num_in_split=3,
        num_without_targets=0,
        simulated=False,
    )
    model = Model("people", personal=True)
    model.fingerprint = UNIFIED.fingerprint
    with make_collection(tmp_path_factory.mktemp("channels") / "collection") as collection:
        plain = Retriever(collection, [UNIFIED])
        assert channel_report(plain, searches, "people", 3) is None
        model.vertical = VERTICAL.model_copy(update={"expressions": Expressions.model_validate({"hybrid": CHANNELS})})
        retriever = Retriever(collection, [model], Searchers(VERTICAL, SEARCHERS))
        found = {}
        for query, city in zip(TARGETS, ["Bergen", "Oslo", None], strict=True):
            request = retriever.request(text=query, searcher={"city": city})
            each = [set(collection.search(one, request.vectors, 3).ids) for one in request.root.operands]
            found[query] = dict(zip(CHANNELS, each, strict=True))
        return channel_report(retriever, searches, "people", 3), found


def test_it_counts_what_each_channel_finds_and_what_only_it_finds(report):
    measured, found = report
    for name in CHANNELS:
        others = {
            query: set().union(*(of for other, of in each.items() if other != name)) for query, each in found.items()
        }
        wanted = {query: set(of) for query, of in TARGETS.items()}
        share = {query: len(found[query][name] & of) / len(of) for query, of in wanted.items()}
        only = {query: len((found[query][name] & of) - others[query]) / len(of) for query, of in wanted.items()}
        assert measured.recall[name].mean == pytest.approx(np.mean(list(share.values())))
        assert measured.alone[name].mean == pytest.approx(np.mean(list(only.values())))
        assert measured.found[name].mean == pytest.approx(np.mean([len(each[name]) for each in found.values()]))
    assert measured.alone["friends"].mean > 0, "or nothing would be shown"


def test_it_says_how_much_of_a_channel_others_find_too(report):
    measured, found = report
    for name, others in measured.overlap.items():
        for other, share in others.items():
            each = [len(of[name] & of[other]) / len(of[name]) for of in found.values() if of[name]]
            assert share == pytest.approx(np.mean(each))
    assert "| near | 2.0 |" in measured.markdown()
    assert measured.to_dict()["channels"]["words"]["overlap"].keys() == {"near", "friends"}
