"""The `analysis` of a vertical: the same terms for documents and queries, in publishing, requests and the shell."""

import random

import pyarrow as pa
import pytest
from shell import alicorn
from yaml_text import parse_yaml

from alicorn.analysis import Analyzer
from alicorn.config import dump_yaml
from alicorn.errors import CollectionError, ConfigError
from alicorn.publishing.provenance import check_vertical, metadata_of
from alicorn.query import Collection
from alicorn.vertical import Vertical
from alicorn.vertical.indexing.terms import word_terms
from alicorn.vertical.parts import of_examples, of_vectors

YAML = """
name: shop
embedding: shop
document:
  features: {title: {kind: text, column: title}}
  terms:
    - {prefix: text, column: title, kind: words}
    - {prefix: pairs, column: title, kind: words}
  stored: [title]
request:
  features: {text: {kind: text, column: query}}
split: {valid: 0.1}
"""
ENGLISH = "analysis: {text: {stem: english, stop_words: [for], synonyms: ['sneakers, running shoes']}}\n"


def shop(extra: str = "") -> Vertical:
    return parse_yaml(YAML + extra, Vertical, where="vertical.yaml")


@pytest.mark.parametrize("stem", [None, "english"])
def test_the_fast_path_makes_the_terms_of_the_analyzer(stem):
    rng = random.Random(3)
    words = ["running", "Shoes", "東京都", "naïve", "2", "DCB107-2", "", "they're", "x_y"]
    texts = [" ".join(rng.choices(words, k=rng.randrange(5))) for _ in range(200)]
    analyzer = Analyzer(stem=stem)
    rows, terms = word_terms(pa.chunked_array([texts]), "text", analyzer)
    expected = [(row, f"text:{term}") for row, text in enumerate(texts) for term in analyzer.document_terms(text)]
    assert list(zip(rows.tolist(), terms.to_pylist(), strict=True)) == expected


def test_a_query_finds_the_documents_by_the_same_analysis(tmp_path):
    vertical = shop(ENGLISH)
    titles = ["Running shoe for men", "Sneakers", "A man ran"]
    table = vertical.index_table(pa.table({"doc_id": ["1", "2", "3"], "title": titles}))
    with Collection.create(tmp_path / "c", {}) as collection:
        collection.upsert(table)
        assert collection.search(vertical.expression("boolean", "run shoes for a man")).ids == []
        assert set(collection.search(vertical.expression("boolean", "sneaker")).ids) == {"1", "2"}
        assert str(vertical.expression("boolean", "shoes for men")) == "(and text:shoe text:men)"


def test_a_template_names_the_prefix_of_its_terms():
    vertical = shop(
        'expressions: {boolean: "(or {terms} {terms:pairs})", hybrid: "(nn {key} :k 3)"}\n'
        "analysis: {pairs: {word_ngrams: 2}}\n"
    )
    assert str(vertical.expression("boolean", "new york")) == '(or text:new text:york "pairs:new york")'
    with pytest.raises(ConfigError, match=r"{terms:title}.*add {prefix: title"):
        shop('expressions: {boolean: "(and {terms:title})"}')


def test_files_beside_the_vertical_become_part_of_it(tmp_path):
    (tmp_path / "synonyms.txt").write_text("# ours\ntv, television\n\n", encoding="utf-8")
    (tmp_path / "v.yaml").write_text(YAML + "analysis: {text: {synonyms: synonyms.txt}}", encoding="utf-8")
    vertical = Vertical.load(tmp_path / "v.yaml")
    assert vertical.analysis["text"].synonyms == ("tv, television",)
    assert parse_yaml(dump_yaml(vertical), Vertical, where="copy") == vertical
    (tmp_path / "synonyms.txt").unlink()
    named = (
        r"^v\.yaml: analysis\.text\.synonyms: .*synonyms\.txt: cannot be read: No such file or directory; name a file"
    )
    with pytest.raises(ConfigError, match=named):
        Vertical.load(tmp_path / "v.yaml")


@pytest.mark.parametrize(
    ("analysis", "message"),
    [
        ("{title: {stem: english}}", "no rule of document.terms of kind words has the prefix 'title'"),
        ("{text: {stem: englisch}}", "did you mean 'english'"),
        ("{text: {units: [in]}}", "whole_codes: true"),
        ("{text: {stop_words: [to be]}}", "each is one word, got 'to be'"),
        ("{text: {word_ngrams: 6}}", "word_ngrams"),
        ("{text: {word_ngrams: 2, stop_words: [a]}}", "a prefix of their own"),
        ("{text: {synonyms: [alone]}}", "line 1: 'alone'"),
        ("{text: {steem: english}}", "did you mean 'stem'"),
    ],
)
def test_what_is_wrong_is_said_when_the_vertical_is_loaded(analysis, message):
    with pytest.raises(ConfigError, match=message):
        shop(f"analysis: {analysis}")


def test_an_analysis_asks_for_other_terms_but_not_for_a_new_model(tmp_path):
    plain, stems, words = shop(), shop("analysis: {text: {stem: english}}"), shop(ENGLISH)
    assert of_examples(plain) == of_examples(stems) == of_examples(words)
    assert of_vectors(plain) == of_vectors(stems) == of_vectors(words)
    assert plain.analysis_fingerprint() is None
    assert stems.analysis_fingerprint() == words.analysis_fingerprint(), "queries alone are read differently"
    with Collection.create(tmp_path / "c", {}, metadata=metadata_of([], stems)) as collection:
        check_vertical(collection, words)
        with pytest.raises(CollectionError, match="`alicorn update DOCS --into COLLECTION --vertical FILE` brings"):
            check_vertical(collection, plain)
    with (
        Collection.create(tmp_path / "d", {}, metadata=metadata_of([], plain)) as collection,
        pytest.raises(CollectionError, match="published with another analysis than"),
    ):
        check_vertical(collection, stems)


def test_a_collection_knows_its_analysis_and_says_what_it_makes_of_a_term(tmp_path):
    vertical = shop("analysis: {text: {stem: english, whole_codes: true, units: [in], stop_words: [the]}}")
    with Collection.create(tmp_path / "c", {}, metadata=metadata_of([], vertical)) as collection:
        collection.upsert(vertical.index_table(pa.table({"doc_id": ["a"], "title": ["the running 3/4 in shoe"]})))
        settings = {"stem": "english", "whole_codes": True, "units": ["in"]}
        assert collection.metadata["analysis"] == {"text": settings}, "stop words are of queries"
        for asked, kept in (("text:Runs", "text:run"), ("text:3/4IN", "text:3/4in")):
            (notice,) = collection.search(asked).notices
            assert f"but some have '{kept}': the analysis of 'text' makes that of it" in notice


def test_analyze_shows_every_step(tmp_path):
    (tmp_path / "v.yaml").write_text(YAML + ENGLISH, encoding="utf-8")
    shown = alicorn("analyze", "--vertical", str(tmp_path / "v.yaml"), "Sneakers for men").out
    assert "stems, english" in shown
    assert "(or text:sneaker (and text:run text:shoe))" in shown
    found = alicorn("analyze", "--vertical", str(tmp_path / "v.yaml"), "--json", "Men").json()
    assert found["text"]["columns"] == ["title"]
    assert found["text"]["steps"][-1]["query"] == ["text:men"]
