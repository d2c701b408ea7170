"""An answer without hits says which terms no document has, and what to write."""

import pyarrow as pa
import pytest

from alicorn import Collection
from alicorn.errors import QueryError
from alicorn.language import parse


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


def test_nothing_is_said_of_terms_that_documents_have(collection):
    assert collection.search("(and text:new text:york)").notices == ()
    assert collection.search("(or text:shoe text:Shoe)").notices == ()  # there are hits
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
