"""The vertical: what is refused and why, terms against the slow tokenizer, expressions, and what the index takes."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yaml_text import parse_yaml

from alicorn.config import dump_yaml
from alicorn.errors import ConfigError, TableError, VectorError
from alicorn.text import document_terms, normalize
from alicorn.vertical import Vertical

PEOPLE = """
name: people
embedding: people
document:
  features:
    name:     {kind: text,  column: name}
    city:     {kind: id,    column: city}
    clusters: {kind: ids,   column: clusters, weights: cluster_weights}
    social:   {kind: dense, column: social, dim: 2}
    age:      {kind: numeric, column: age}
  terms:
    - {prefix: text, column: name, kind: words}
    - {prefix: city, column: city, kind: value}
    - {prefix: cluster, column: clusters, kind: value}
  stored: [name, city]
  static_rank: popularity
request:
  features:
    text: {kind: text, column: query}
    city: {kind: id, column: city}
split: {valid: 0.1, test: 0.1}
"""


def people(old: str = "", new: str = "") -> Vertical:
    """PEOPLE, with a piece of its text replaced."""
    assert old in PEOPLE
    return parse_yaml(PEOPLE.replace(old, new) if old else PEOPLE, Vertical, where="vertical.yaml")


def refused(old: str, new: str) -> str:
    with pytest.raises(ConfigError) as caught:
        people(old, new)
    return str(caught.value)


def documents(**columns) -> pa.Table:
    table = {
        "doc_id": ["a", "b"],
        "name": ["José Ñandú", "Ann O'Neil-Smith"],
        "city": ["New York", None],
        "clusters": [["x", "Y"], []],
        "cluster_weights": pa.array([[1.0, 0.5], None], pa.list_(pa.float32())),
        "social": pa.array([[1.0, 2.0], None], pa.list_(pa.float32())),
        "age": [30, None],
        "popularity": [1.5, None],
    }
    return pa.table({name: column for name, column in (table | columns).items() if column is not None})


def test_a_vertical_is_loaded_from_a_file(tmp_path):
    (tmp_path / "vertical.yaml").write_text(PEOPLE)
    vertical = Vertical.load(tmp_path / "vertical.yaml")
    assert vertical == people()
    assert vertical.failed_search_window_s == 86_400
    assert vertical.document.features["clusters"].weights == "cluster_weights"


def test_it_is_written_and_read_back_the_same():
    vertical = people("{valid: 0.1, test: 0.1}", "{valid_from: 2026-01-01}")
    again = parse_yaml(dump_yaml(vertical), Vertical, where="again")
    assert again == vertical
    assert again.fingerprint() == vertical.fingerprint() != people().fingerprint()


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("column: name}\n    city", "colum: name}\n    city", ["'colum' at document.features.name", "'column'"]),
        ("kind: id,    column: city", "kind: idd, column: city", ["document.features.city", "'id'", "'idd'"]),
        ("dim: 2", "dim: 0", ["document.features.social.dim", "greater than or equal to 1"]),
        ("dim: 2", "dim: '2'", ["document.features.social.dim", "integer", "'2'"]),
        ("name: people", "name: my people", ["name", "my people"]),
        ("embedding: people", "embedding: 'a b'", ["embedding", "a b"]),
        ("prefix: city", "prefix: 'city:'", ["document.terms[1].prefix", "'city:'"]),
        ("prefix: city", "prefix: 'in city'", ["document.terms[1].prefix"]),
        ("{prefix: city, column: city", "{prefix: cluster, column: clusters", ["document", "'cluster'", "given twice"]),
        ("stored: [name, city]", "stored: [name, name]", ["stored", "'name' is given twice"]),
        ("stored: [name, city]", "stored: [doc_id]", ["'doc_id' has its own place"]),
        ("stored: [name, city]", "stored: ['embedding:people']", ["has its own place"]),
        ("kind: text, column: query", "kind: id, column: query", ["request", "query", "text, not id"]),
        ("text: {kind: text, column: query}", "text: {kind: text}", ["missing key request.features.text.column"]),
        ("valid: 0.1, test: 0.1", "valid: 0.6, test: 0.5", ["split", "at most 1", "1.1"]),
        ("valid: 0.1, test: 0.1", "valid: 0.0", ["split.valid", "greater than 0"]),
        ("valid: 0.1, test: 0.1", "by: time", ["split", "give valid or test", "a time"]),
        ("valid: 0.1, test: 0.1", "by: query", ["split", "give valid or test"]),
        ("valid: 0.1, test: 0.1", "by: query, valid_from: 2026-01-01", ["split", "by query: give shares"]),
        ("valid: 0.1, test: 0.1", "valid: 0.1, column: fold", ["split", "by: column", "'fold'"]),
        ("valid: 0.1, test: 0.1", "by: column", ["split", "name of a column"]),
        ("valid: 0.1, test: 0.1", "by: column, column: fold, valid: 0.1", ["split", "lists of values"]),
        ("valid: 0.1, test: 0.1", "by: column, column: c, valid: [a], test: [b, a]", ["split", "'a'", "both"]),
        ("valid: 0.1, test: 0.1", "valid: [a]", ["split", "shares above 0"]),
        ("split:", "unknown_documents: drop\nsplit:", ["unknown_documents", "'leave_out'"]),
        ("valid: 0.1, test: 0.1", "valid: 0.1, valid_from: 2026-01-01", ["split", "not both"]),
        ("valid: 0.1, test: 0.1", "valid_from: 2026-01-02, test_from: 2026-01-01", ["test_from must be after"]),
        ("{prefix: text, ", "{prefix: name, ", ["{terms}", "prefix: text"]),
        ("split:", "failed_search_window_s: 0\nsplit:", ["failed_search_window_s", "greater than 0"]),
        ("split:", "expressions: {boolean: '(and {term})'}\nsplit:", ["expressions.boolean", "{term}", "{terms}"]),
        ("split:", "expressions: {boolean: '(and {terms}'}\nsplit:", ["offset 0", "never closed"]),
        ("split:", "expressions: {boolean: '(and {terms}))'}\nsplit:", ["offset 13", "one expression is expected"]),
        ("split:", "expressions: {boolean: '{terms}'}\nsplit:", ["directly inside and, or"]),
        ("split:", "expressions: {boolean: '(and a (not {terms}))'}\nsplit:", ["directly inside and, or"]),
        ("split:", "expressions: {boolean: '(and {terms}) (or)'}\nsplit:", ["offset 14", "one expression is expected"]),
        ("split:", "expressions: {boolean: '(and {terms} \"a)'}\nsplit:", ["offset 13", "quote is never closed"]),
        ("split:", "expressions: {boolean: '(adn {terms})'}\nsplit:", ["offset 1", "unknown operator adn", "and?"]),
        ("split:", "expressions: {boolean: 3}\nsplit:", ["expressions.boolean", "a template is a string"]),
        ("split:", "expressions: {bool: '(and {terms})'}\nsplit:", ["'bool' at expressions", "'boolean'"]),
    ],
)
def test_mistakes_are_told_with_their_place(old, new, parts):
    message = refused(old, new)
    for part in parts:
        assert part in message


def test_times_of_a_split_are_utc():
    split = people("{valid: 0.1, test: 0.1}", "{valid_from: 2026-01-01T02:00:00+02:00, test_from: 2026-02-01}").split
    assert split.valid_from == datetime.datetime(2026, 1, 1)
    assert split.test_from == datetime.datetime(2026, 2, 1)


def test_a_query_becomes_an_expression():
    vertical = people()
    assert str(vertical.expression("boolean", "José  O'Neil")) == "(and text:josé text:o text:neil)"
    assert str(vertical.expression("hybrid", "Ann")) == "(or text:ann (nn people :k 100 :recall 0.95))"


@pytest.mark.parametrize("query", ["", "  ", "--!", '")('])
def test_a_query_without_words_matches_nothing_by_words(query):
    assert str(people().expression("boolean", query)) == "(or)"
    assert str(people().expression("hybrid", query)) == "(or (nn people :k 100 :recall 0.95))"


def test_words_under_or_just_disappear():
    template = "expressions: {hybrid: '(or {terms} (nn {key} :radius 0.2) \"city:new york\")'}\nsplit:"
    vertical = people("split:", template)
    assert str(vertical.expression("hybrid", "")) == '(or (nn people :radius 0.2) "city:new york")'
    assert str(vertical.expression("hybrid", "a b")) == '(or text:a text:b (nn people :radius 0.2) "city:new york")'


def test_a_whole_query_can_be_one_term():
    template = "  terms:\n    - {prefix: name, column: name, kind: phrase}\n"
    expressions = "expressions: {hybrid: '(or \"name:{query}\" (nn {key} :k 9))'}\nsplit:"
    text = PEOPLE.replace("  terms:\n", template).replace("split:", expressions)
    vertical = parse_yaml(text, Vertical, where="vertical.yaml")
    assert str(vertical.expression("hybrid", "Saint-Étienne, Loire")) == (
        '(or "name:saint etienne loire" (nn people :k 9))'
    )
    assert str(vertical.expression("hybrid", '")(')) == "(or name: (nn people :k 9))"
    with pytest.raises(ConfigError, match=r"unknown placeholder '\{query\}'.*within a quoted string"):
        people("split:", "expressions: {hybrid: '(or {query} (nn {key} :k 9))'}\nsplit:")


def test_phrases_are_the_words_of_a_value():
    rule = "{prefix: cluster, column: clusters, kind: "
    vertical = people(rule + "value", rule + "phrase")
    rows = [{"name": None, "city": None, "clusters": ["Saint-Étienne  (Loire)", "--", None, "b"]}]
    assert vertical.terms(pa.Table.from_pylist(rows, SCHEMA)).to_pylist() == [
        ["cluster:saint etienne loire", "cluster:b"]
    ]


def slow_terms(row: dict) -> list[str]:
    """The oracle of `Vertical.terms` for PEOPLE. A value that is normalised to nothing gives no term."""
    found = [f"text:{term}" for term in document_terms(row["name"] or "")]
    found += [f"city:{normalize(row['city'])}"] if normalize(row["city"] or "") else []
    return found + [f"cluster:{normalize(value)}" for value in row["clusters"] or [] if normalize(value or "")]


row = st.fixed_dictionaries(
    {
        "name": st.none() | st.text() | st.text(alphabet=st.characters(codec="ascii")) | st.text(alphabet="aB_ -9"),
        "city": st.none() | st.text(max_size=5),
        "clusters": st.none() | st.lists(st.none() | st.text(max_size=3), max_size=3),
    }
)
SCHEMA = pa.schema({"name": pa.string(), "city": pa.string(), "clusters": pa.list_(pa.string())})


@example([{"name": None, "city": "\xad", "clusters": ["\xad"]}], 0, False)
@given(st.lists(row, max_size=12), st.integers(0, 3), st.booleans())
def test_terms_are_those_of_the_slow_tokenizer(rows, skipped, large):
    table = pa.Table.from_pylist(rows, SCHEMA)
    if large:
        table = table.set_column(0, "name", table["name"].cast(pa.large_string()))
    table = pa.concat_tables([table.slice(0, 2), table.slice(2)])  # two chunks
    terms = people().terms(table.slice(skipped))
    assert terms.type == pa.list_(pa.string())
    assert terms.to_pylist() == [slow_terms(row) for row in rows[skipped:]]


def test_terms_of_lists_integers_and_dictionaries():
    vertical = people("{prefix: cluster, column: clusters", "{prefix: year, column: year")
    table = pa.table(
        {
            "name": [["Harry Potter", None, "the film"], []],
            "city": pa.array(["Rome", "Rome"]).dictionary_encode(),
            "year": [2001, None],
        }
    )
    assert vertical.terms(table).to_pylist() == [
        ["text:harry", "text:potter", "text:the", "text:film", "city:rome", "year:2001"],
        ["city:rome"],
    ]


def test_a_vertical_without_terms_gives_empty_lists():
    vertical = parse_yaml(
        "name: a\nembedding: a\ndocument: {features: {x: {kind: id, column: x}}}\n"
        "request: {features: {x: {kind: text, column: query}}}\nsplit: {valid: 0.1}\n"
        "expressions: {boolean: '(or)', hybrid: '(nn {key} :k 10)'}",
        Vertical,
        where="a",
    )
    assert vertical.terms(pa.table({"x": ["1", "2"]})).to_pylist() == [[], []]


def test_the_index_gets_terms_stored_columns_rank_and_vectors():
    table = people().index_table(documents(), np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32))
    assert table.column_names == ["doc_id", "terms", "name", "city", "static_rank", "embedding:people"]
    assert table.to_pylist()[1] == {
        "doc_id": "b",
        "terms": ["text:ann", "text:o", "text:neil", "text:smith"],
        "name": "Ann O'Neil-Smith",
        "city": None,
        "static_rank": 0.0,
        "embedding:people": [4.0, 5.0, 6.0],
    }
    assert table["embedding:people"].type == pa.list_(pa.float32())


def test_vectors_may_be_absent_or_in_the_table():
    assert "embedding:people" not in people().index_table(documents()).column_names
    given_vectors = documents(**{"embedding:people": [[1.0], None]})
    assert people().index_table(given_vectors)["embedding:people"].to_pylist() == [[1.0], None]


@pytest.mark.parametrize("shape", [(3, 2), (2,), (1, 2)])
def test_vectors_of_another_number_of_rows_are_refused(shape):
    with pytest.raises(VectorError, match=r"\(2, dim\)"):
        people().index_table(documents(), np.ones(shape, dtype=np.float32))


NO = pa.list_(pa.float32())


@pytest.mark.parametrize(
    ("columns", "column", "row", "count", "parts"),
    [
        ({"name": None}, "name", None, None, ["'name'", "missing", "document.features.name", "columns: doc_id, city"]),
        ({"name": [1, 2]}, "name", None, None, ["must be string or list<string>", "int64"]),
        ({"city": [1.5, 2.5]}, "city", None, None, ["must be string", "document.features.city", "double"]),
        ({"social": ["a", "b"]}, "social", None, None, ["must be list<float>", "got string"]),
        ({"age": ["1", "2"]}, "age", None, None, ["must be integer or float", "got string"]),
        ({"doc_id": [1, 2]}, "doc_id", None, None, ["must be string", "got int64"]),
        ({"popularity": ["1", "2"]}, "popularity", None, None, ["document.static_rank"]),
        ({"doc_id": ["a", None]}, "doc_id", 1, 1, ["got null"]),
        ({"doc_id": ["a", "a"]}, "doc_id", 1, 1, ["an earlier row again"]),
        ({"social": pa.array([None, [1.0]], NO)}, "social", 1, 1, ["must have 2 numbers"]),
        ({"social": pa.array([[1.0, float("nan")], [1.0, None]], NO)}, "social", 0, 2, ["null, NaN or infinite"]),
        ({"cluster_weights": pa.array([[1.0], None], NO)}, "cluster_weights", 0, 1, ["as many as the ids"]),
        ({"cluster_weights": pa.array([[1.0, float("inf")], []], NO)}, "cluster_weights", 0, 1, ["infinite"]),
        ({"popularity": [1.0, float("nan")]}, "popularity", 1, 1, ["finite"]),
    ],
)
def test_documents_that_break_the_contract_are_refused(columns, column, row, count, parts):
    with pytest.raises(TableError) as caught:
        people().index_table(documents(**columns))
    error = caught.value
    assert (error.table, error.column, error.row, error.count) == ("documents", column, row, count)
    for part in parts:
        assert part in str(error)
    if row is not None:
        assert f"first bad row {row} (from 0), {count} row" in str(error)


def test_a_column_that_is_there_twice_is_refused():
    table = documents().append_column("name", pa.array(["x", "y"]))
    with pytest.raises(TableError, match="'name' is there 2 times"):
        people().index_table(table)
