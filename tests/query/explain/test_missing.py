"""An answer without hits says which terms no document has, and what to write."""

import pyarrow as pa
import pytest

from alicorn import Collection
from alicorn.errors import QueryError
from alicorn.language import parse
from alicorn.query.explain import missing


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    with Collection.create(tmp_path_factory.mktemp("missing") / "c", {}) as made:
        made.upsert(pa.table({"doc_id": ["a", "b"], "terms": [["text:shoe", "text:new"], ["text:york"]]}))
        yield made


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("text:Shoe", "no document has 'text:Shoe', but some have 'text:shoe': terms of words are folded"),
        ('"text:New York"', "some have 'text:new' and 'text:york'"),
        ("shoe", "some have 'text:shoe': a term is written with its prefix"),
        ("text:shoe^2", "no document has 'text:shoe^2': weights belong to the order"),
        ("(and text:shoe text:sho*)", "no document has 'text:sho*': terms that begin so are (prefix text:jo)"),
        ("text:shoo~1", "(fuzzy text:jon :edits 1)"),
        ("(and text:shoe price:>5)", "(range price :min 1 :max 5)"),
        ("(and text:shoe -text:new)", "a without b is (difference a b)"),
    ],
)
def test_what_is_said(collection, expression, said):
    (notice,) = collection.search(expression).notices
    assert said in notice


@pytest.fixture(scope="module")
def analyzed(tmp_path_factory):
    """Words of `text` are stemmed; values keep their case."""
    terms = [
        ["text:run", "text:shoe", "city:Seattle", "place:saint etienne"],
        ["text:cafe", "brand:NIKE"],
        ["text:john"],
    ]
    metadata = {"analysis": {"text": {"stem": "english"}}}
    with Collection.create(tmp_path_factory.mktemp("analyzed") / "c", {}, metadata) as made:
        made.upsert(pa.table({"doc_id": ["a", "b", "c"], "terms": terms}))
        yield made


@pytest.mark.parametrize(
    ("term", "written", "why"),
    [
        ("text:running", "'text:run'", "the analysis of 'text' makes that of it"),
        ("running", "'text:run'", "a term is written with its prefix"),
        ("title:Shoes", "'text:shoe'", "it is no term of 'title'"),
        ("text:Café", "'text:cafe'", "without accents"),
        ("place:Saint-Étienne", '"place:saint etienne"', "without accents"),
        ("city:seattle", "'city:Seattle'", "upper and lower case differ"),
        ("brand:nike", "'brand:NIKE'", "upper and lower case differ"),
    ],
)
def test_folding_and_analysis_say_which_term_to_write(analyzed, term, written, why):
    (notice,) = analyzed.search(f'"{term}"').notices
    assert notice.startswith(f"no document has {term!r}, but some have {written}: ")
    assert why in notice
    assert analyzed.search(written.strip("'")).total == 1


@pytest.mark.parametrize(
    ("term", "near", "fuzzy"),
    [
        ("text:jhon", "'text:john'", "(fuzzy text:jhon)"),
        ("text:shoos", "'text:shoe'", "(fuzzy text:shoo)"),  # of what the analysis makes of it
        ("place:sant etine", '"place:saint etienne"', None),  # three edits
        ("place:saint etine", '"place:saint etienne"', '(fuzzy "place:saint etine" :edits 2)'),
        ("text:joan", "'text:john'", "(fuzzy text:joan)"),
        ("text:jo", "'text:john'", None),  # too short
        ("text:j0hn", "'text:john'", None),  # a number or a code
    ],
)
def test_near_terms_are_named_with_the_fuzzy_that_finds_them(analyzed, term, near, fuzzy):
    (notice,) = analyzed.search(f'"{term}"').notices
    if fuzzy is None:
        assert notice == f"no document has {term!r}"
    else:
        assert notice == f"no document has {term!r}; near to it: {near}, as {fuzzy} finds"
        assert analyzed.search(fuzzy).total == 1


def test_the_nearest_that_most_documents_have_are_named(tmp_path):
    terms = [["text:card"]] * 3 + [["text:cart"]] * 2 + [["text:care"]]
    with Collection.create(tmp_path / "c", {}) as made:
        made.upsert(pa.table({"doc_id": [f"d{at}" for at in range(6)], "terms": terms}))
        assert "near to it: 'text:card', 'text:cart', as" in made.search("text:carf").notices[0]
        made.delete(["d0", "d1", "d2"])
        assert "near to it: 'text:care', 'text:cart', as" in made.search("text:carf").notices[0]


@pytest.mark.parametrize(
    "analysis", [None, "english", {"text": 3}, {"text": {"language": "x"}}, {"text": {"stem": "x"}}]
)
def test_metadata_of_another_meaning_is_no_analysis(tmp_path, analysis):
    with Collection.create(tmp_path / "c", {}, {"analysis": analysis}) as made:
        made.upsert(pa.table({"doc_id": ["a"], "terms": [["text:run"]]}))
        assert made.search("text:running").notices == ("no document has 'text:running'",)


def test_words_of_a_phrase_are_terms(tmp_path):
    with Collection.create(tmp_path / "c", {}, positions=["text"]) as made:
        made.upsert(pa.table({"doc_id": ["a"], "terms": [["text:new", "text:york"]]}))
        assert "'text:New', but some have 'text:new'" in made.search("(phrase text New york)").notices[0]


def test_terms_that_documents_have_cost_a_look_up_each(collection, monkeypatch):
    asked = []
    monkeypatch.setattr(missing, "_other_spellings", lambda *of: asked.append(of) or iter(()))
    monkeypatch.setattr(missing, "nearest_spellings", lambda *of: asked.append(of) or [])
    assert collection.search("(and text:new text:york)").unknown_terms() == ()
    assert asked == []
    assert len(collection.search("(or " + " ".join(f"text:wrong{'x' * n}" for n in range(50)) + ")").notices) == 3
    assert len(asked) <= 9  # of three terms


def test_nothing_is_said_of_terms_that_documents_have(collection):
    assert collection.search("(and text:new text:york)").notices == ()
    found = collection.search("(or text:shoe text:Shoe)")  # there are hits
    assert found.notices == ()
    assert "some have 'text:shoe'" in found.unknown_terms()[0]
    assert len(collection.search("(and a b c d e)").notices) == 3


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("text:a AND text:b", "all of them is (and a b)"),
        ("text:a OR text:b", "any of them is (or a b)"),
        ("+text:a text:b", "all of them is (and a b)"),
        ("NOT text:a", "a without b is (difference a b)"),
        ("price:[1 TO 5]", "(range price :min 1 :max 5)"),
        ("title:(a b)", "(or title:a title:b)"),
        ('text:"new york"', "(phrase text new york)"),
        ("text:a text:b", "join them with (and ...) or (or ...)"),
    ],
)
def test_what_other_languages_write_is_refused_with_what_to_write(expression, said):
    with pytest.raises(QueryError) as refused:
        parse(expression)
    assert said in str(refused.value)
