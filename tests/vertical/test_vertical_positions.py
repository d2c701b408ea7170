"""Positions of terms, from the columns of documents to the phrases of queries. Of vertical/indexing/positions.py."""

import random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shell import alicorn
from yaml_text import parse_yaml

from alicorn.analysis import Analyzer
from alicorn.errors import ConfigError
from alicorn.query import Collection
from alicorn.vertical import Vertical
from alicorn.vertical.indexing.positions import GAP, positioned_words

YAML = """
name: shop
embedding: shop
document:
  features: {title: {kind: text, column: title}}
  terms:
    - {prefix: text, column: title, kind: words}
    - {prefix: brand, column: brand, kind: value}
    - {prefix: text, column: names, kind: words}
    - {prefix: text, column: brand, kind: value}
request:
  features: {text: {kind: text, column: query}}
split: {valid: 0.1}
expressions: {boolean: "(phrase text {terms})", hybrid: "(or (phrase text {terms} :slop 1) (nn {key} :k 3))"}
analysis: {text: {positions: true, stem: english, whole_codes: true}}
"""


PARTS = ["running", "東京都庁", "東", "DCB107-2", "3/4 in", "naïve", "עִבְרִית", "😀"]
ANALYZERS = [
    Analyzer(),
    Analyzer(stem="english", stop_words=("running",)),
    Analyzer(whole_codes=True, units=("in",)),
    Analyzer(word_ngrams=2),
]


def positioned(yaml: str, **columns) -> list[list[tuple[str, int]]]:
    """The terms of each document with their positions."""
    count = len(columns["title"])
    documents = pa.table({"doc_id": list(map(str, range(count))), **columns})
    table = parse_yaml(yaml, Vertical, where="v").index_table(documents)
    terms, positions = table["terms"].to_pylist(), table["term_positions"].to_pylist()
    return [list(zip(own, at, strict=True)) for own, at in zip(terms, positions, strict=True)]


def test_the_positions_of_words_go_on_behind_a_gap_from_value_to_value():
    rows = positioned(
        YAML,
        title=["Running the DCB107-2 drill", None],
        brand=["Acme Inc", None],
        names=[["a b", "", None, "東京都庁 x"], ["old"]],
    )
    title = [("text:run", 0), ("text:the", 1), *((f"text:{term}", 2) for term in ("dcb107-2", "dcb107", "2"))]
    title += [("text:drill", 3)]
    first = 4 + GAP
    names = [("text:a", first), ("text:b", first + 1)]
    run = first + 2 + GAP
    names += [(f"text:{term}", run) for term in ("東京都庁", "東", "東京")]
    names += [(f"text:{term}", run + 1) for term in ("京", "京都")]
    names += [(f"text:{term}", run + 2) for term in ("都", "庁", "都庁")]
    names += [("text:x", run + 3)]
    assert rows[0] == [*title, ("brand:acme inc", 0), *names, ("text:acme inc", run + 4 + GAP)]
    assert rows[1] == [("text:old", 0)]


def test_the_fast_path_gives_the_positions_of_the_analyzer():
    rng = random.Random(4)
    words = ["running", "Shoes", "東京都", "naïve", "2", "", "they're", "עִבְרִית", "x_y"]
    texts = [" ".join(rng.choices(words, k=rng.randrange(6))) for _ in range(200)]
    for analyzer in ANALYZERS:
        found = positioned_words(pa.chunked_array([texts]), "text", analyzer)
        read = [analyzer.positioned_terms(text) for text in texts]
        assert found.lengths.tolist() == [length for _, length in read]
        expected = [(f"text:{term}", at, value) for value, (terms, _) in enumerate(read) for term, at in terms]
        given = zip(found.terms.to_pylist(), found.positions.tolist(), found.values.tolist(), strict=True)
        assert list(given) == expected


def test_what_a_phrase_asks_for_is_found_in_every_text_with_it(tmp_path):
    vertical = parse_yaml(YAML, Vertical, where="v")
    titles = ["The running shoes of 東京都庁 hotel", "Drill DCB107-2 battery", "shoes running", "東京庁都 hotel"]
    others = {"brand": ["x"] * 4, "names": [["shoes", "of men"]] * 4}
    documents = pa.table({"doc_id": list("1234"), "title": titles, **others})
    with Collection.create(tmp_path / "c", positions=vertical.positions()) as collection:
        collection.upsert(vertical.index_table(documents))
        for query, ids in {
            "run shoe": ["1"],
            "the running shoes of": ["1"],
            "shoes of 東京都": ["1"],
            "東京都庁 Hotel": ["1"],
            "drill dcb107-2 battery": ["2"],
            "dcb107 battery": ["2"],
            "drill 2": ["2"],
            "東京都": ["1"],
            "shoes of men": [],  # of two values
            "--": [],
        }.items():
            assert sorted(collection.search(vertical.expression("boolean", query)).ids) == ids, query


@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=6))
def test_the_terms_of_a_phrase_are_one_after_the_other_in_the_text_itself(parts):
    text = " ".join(parts)
    for analyzer in ANALYZERS:
        terms, length = analyzer.positioned_terms(text)
        asked = analyzer.phrase_terms(text)
        assert len(asked) == length
        assert set(zip(asked, range(length), strict=True)) <= set(terms)
        assert [at for _, at in terms] == sorted(at for _, at in terms)
        assert {term for term, _ in terms} == set(analyzer.document_terms(text))


def test_a_phrase_in_a_template_needs_positions():
    with pytest.raises(ConfigError, match=r"\(phrase text ...\) needs .* set `positions: true` in analysis.text"):
        parse_yaml(YAML.replace("positions: true, ", ""), Vertical, where="v")


def test_analyze_shows_the_positions_and_the_phrase(tmp_path):
    (tmp_path / "v.yaml").write_text(YAML, encoding="utf-8")
    shown = alicorn("analyze", "--vertical", str(tmp_path / "v.yaml"), "Drill 3/4 running").out
    last = shown.split("  positions\n")[1]
    assert last.splitlines() == [
        "    document  0 text:drill  1 text:3/4  1 text:3  1 text:4  2 text:run",
        "    query     (phrase text drill 3/4 run)",
    ]
