"""The signs of a text are counts of what words alone find."""

from math import log

import pytest
from served_people import UNIFIED, VERTICAL, make_collection

from alicorn.language import parse
from alicorn.retrieval.reading.by_words import ByWords
from alicorn.retrieval.retriever import Retriever
from alicorn.vertical import Selection


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    with make_collection(tmp_path_factory.mktemp("words") / "collection") as opened:
        yield opened


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("john smith", {"words": log(2), "found": log(2), "words_of_some": log(2)}),
        ("jane doe", {"words": log(2), "one": 1.0, "words_of_one": log(2), "words_of_some": log(2)}),
        ("jane smith", {"words": log(2), "none": 1.0}),
        ("Bergen", {"none": 1.0, "names": log(2)}),  # of a city nobody's name has a word
        ("", {"none": 1.0}),
    ],
)
def test_what_words_say(collection, text, signs):
    found = ByWords(collection, VERTICAL, text, {}, lambda days: ()).signs()
    assert {sign: value for sign, value in found.items() if value} == {"constant": 1.0, **signs}


def test_what_may_not_be_seen_is_not_counted(collection):
    signs = ByWords(collection, VERTICAL, "john smith", {}, lambda days: (), only=parse("city:oslo")).signs()
    assert (signs["one"], signs["found"]) == (1.0, 0.0)


def test_a_learned_rule_is_asked_with_these_signs(collection):
    rule = {"kind": "learned", "at_most": 0.1, "weights": {"constant": 0.0, "one": -9.0}}
    selection = Selection.model_validate({"requests": [rule]})
    retriever = Retriever(collection, [UNIFIED.with_vertical(VERTICAL.model_copy(update={"selection": selection}))])
    closed = retriever.request(text="jane doe")
    assert str(closed.expression) == "(and text:jane text:doe)"
    assert closed.notices == ("answered without nn: the search is expected to lose at most 0.1 of NDCG@10 without nn",)
    assert retriever.request(text="john smith").without_nn is None
