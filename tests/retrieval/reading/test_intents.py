"""What a query names, and what that does to its `nn`."""

import numpy as np
import pyarrow as pa
import pytest
from served_people import DOCUMENTS, SEARCHERS, UNIFIED, VERTICAL, Model, make_collection

from alicorn.config import parse_config
from alicorn.errors import ConfigError
from alicorn.evaluation.metrics.ranking import Targets
from alicorn.evaluation.reports.control import control_report
from alicorn.evaluation.searches import Searches
from alicorn.language import parse
from alicorn.retrieval.reading.intents import Intent, allows, controlled
from alicorn.retrieval.retriever import Retriever
from alicorn.retrieval.searchers import Searchers
from alicorn.vertical import Vertical
from alicorn.vertical.expressions import RelevanceControl

WHILE, AFTERWARDS = (RelevanceControl(intents=("city",), filter=place) for place in ("while_searching", "afterwards"))


def retriever_with(collection, control):
    model = Model("people", personal=True)
    model.fingerprint = UNIFIED.fingerprint
    plain = VERTICAL.model_dump(mode="json")
    expressions = {"hybrid": "(or (and {terms}) (nn {key} :k 2))"}
    model.vertical = parse_config({**plain, "expressions": expressions, "control": control}, Vertical, where="v")
    return Retriever(collection, [model], Searchers(VERTICAL, SEARCHERS))


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    with make_collection(tmp_path_factory.mktemp("intents") / "collection") as opened:
        yield opened


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("John Bergen", [("city:bergen", "bergen")]),
        ("oslo BERGEN", [("city:oslo", "oslo"), ("city:bergen", "bergen")]),
        ("john smith", []),
        ("", []),
    ],
)
def test_a_query_names_the_values_that_documents_have(collection, text, named):
    request = retriever_with(collection, {"intents": ["city"]}).request(text=text)
    assert [(intent.term, intent.words) for intent in request.intents] == named


def test_long_names_are_found_before_short_ones():
    from alicorn.retrieval.reading.intents import _named

    class Terms:
        def find(self, term):
            return 0 if term in ("city:new york", "city:york", "city:new") else -1

    view = type("View", (), {"deleted": None, "segment": type("Segment", (), {"terms": Terms()})})
    snapshot = type("Snapshot", (), {"segments": [view], "whole": None})
    found = [intent.term for intent in _named(VERTICAL, snapshot, "city", ["york", "new", "york"])]
    assert found == ["city:new york", "city:york"]


@pytest.mark.parametrize(
    ("control", "expression"),
    [
        (WHILE, "(or (and text:john text:bergen) (nn people :k 2 :filter city:bergen))"),
        (AFTERWARDS, "(or (and text:john text:bergen) (and (nn people :k 2) city:bergen))"),
    ],
)
def test_the_nearest_documents_have_what_is_named(collection, control, expression):
    retriever = retriever_with(collection, control.model_dump())
    request = retriever.request(text="john bergen", searcher="p3")
    assert str(request.expression) == expression
    assert request.order_by == {"nn": 1, "bm25:text": {"weight": 2, "half_at": 16}}
    found = retriever.search(request)
    assert set(found.table(["city"])["city"].to_pylist()) == {"Bergen"}
    survive = collection.search(request.root.operands[1], request.vectors, limit=0).total
    assert request.candidates(found) == survive
    unnamed = retriever.request(text="john")
    assert unnamed.candidates(retriever.search(unnamed)) is None
    assert retriever.request(text="john bergen", mode="embedding").intents == ()
    assert str(retriever.request(text="john").expression) == "(or (and text:john) (nn people :k 2))"


@pytest.mark.parametrize(
    ("text", "while_searching", "afterwards"),
    [
        ("(nn p :k 3)", "(nn p :k 3 :filter (or c:a c:b))", "(and (nn p :k 3) (or c:a c:b))"),
        (
            "(nn p :k 3 :filter x)",
            "(nn p :k 3 :filter (and x (or c:a c:b)))",
            "(and (nn p :k 3 :filter x) (or c:a c:b))",
        ),
        ("(nn p :radius 0.3)", *["(and (nn p :radius 0.3) (or c:a c:b))"] * 2),
        ("(and x (not (nn p :k 3)))", *["(and x (not (nn p :k 3)))"] * 2),
        ("(extract friends (nn p :k 3))", *["(extract friends (nn p :k 3))"] * 2),
        (
            "(difference (nn p :radius 1) (nn p :k 3))",
            *["(difference (and (nn p :radius 1) (or c:a c:b)) (nn p :k 3))"] * 2,
        ),
    ],
)
def test_the_control_is_around_each_nn_whose_documents_are_in_the_answer(text, while_searching, afterwards):
    intents = [Intent("c", "c:a", "a"), Intent("c", "c:b", "b")]
    assert controlled(parse(text), intents, WHILE) == parse(while_searching)
    assert controlled(parse(text), intents, AFTERWARDS) == parse(afterwards)
    assert controlled(parse(text), [], WHILE) == parse(text)


def test_a_document_needs_one_term_of_each_prefix():
    intents = [Intent("c", "c:a", "a"), Intent("c", "c:b", "b"), Intent("d", "d:x", "x")]
    assert allows(intents, {"c:b", "d:x"})
    assert not allows(intents, {"c:a", "c:b"})
    assert allows([], {"c:a"})


def test_an_unknown_intent_is_refused(collection):
    with pytest.raises(ConfigError, match=r"control\.intents: ciity: did you mean 'city'"):
        retriever_with(collection, {"intents": ["ciity"]})
    with pytest.raises(ConfigError, match="prefixes of kind value or phrase: city"):
        retriever_with(collection, {"intents": ["text"]})


def test_evaluate_says_what_survives_and_which_targets_are_lost(collection):
    documents = DOCUMENTS.sort_by("doc_id")
    ids = documents["doc_id"].to_pylist()
    searches = Searches(
        split="valid",
        search_ids=pa.chunked_array([["s1", "s2", "s3"]]),
        times_us=np.zeros(3, dtype=np.int64),
        requests=pa.table({"query": ["john bergen", "jane oslo", "john"], "city": ["Oslo", "Oslo", None]}),
        documents=documents,
        targets=Targets.of([[ids.index("p/4"), ids.index("p1")], [ids.index("p3")], [0]]),
        segments=[[], [], []],
        num_in_split=3,
        num_without_targets=0,
        simulated=False,
    )
    retriever = retriever_with(collection, {"intents": ["city"]})
    report = control_report(retriever, searches, "people", 2)
    assert report.num_understood == 2
    assert report.kept.mean == pytest.approx((1 / 2 + 1) / 2)
    after = []
    for row, city in enumerate(["bergen", "oslo"]):
        request = retriever.request(text=searches.queries[row], searcher={"city": "Oslo"})
        after.append(collection.search(f"(and (nn people :k 2) city:{city})", request.vectors).total)
    assert report.candidates["none"].mean == 2
    assert report.candidates["while_searching"].mean == 2
    assert report.candidates["afterwards"].mean == np.mean(after) < 2
    assert "2 have an intent" in report.markdown()
    assert control_report(retriever_with(collection, None), searches, "people", 2) is None


class Sure:
    """A classifier that is sure of one term."""

    def __init__(self, term):
        self.term = term

    def confident(self, text, prefixes):
        return [(self.term, 0.97)] if "city" in prefixes else []


def test_what_is_learned_is_understood_where_nothing_is_named(collection):
    def intents(text, term):
        retriever = retriever_with(collection, {"intents": ["city"]})
        retriever.classifier = Sure(term)
        request = retriever.request(text=text)
        return str(request.root.operands[1]), [(intent.term, intent.probability) for intent in request.intents]

    assert intents("john", "city:oslo") == ("(nn people :k 2 :filter city:oslo)", [("city:oslo", 0.97)])
    assert intents("john bergen", "city:oslo")[1] == [("city:bergen", 1.0)]
    assert intents("john", "city:rome") == ("(nn people :k 2)", []), "no document is in Rome"


def test_intents_without_a_control_are_refused(collection):
    with pytest.raises(ConfigError, match="there is none"):
        Retriever(collection, [UNIFIED], classifier=Sure("city:oslo"))
