"""What becomes of a text: the same words as alicorn.text without settings; with each, the terms that it is for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alicorn.analysis import Analyzer
from alicorn.analysis.highlight import highlights, marked
from alicorn.text import document_terms, normalize, query_terms, without_points

LETTERS = "בִּאَ aBßé ﬁ東京都ไทยकि\u0301\u00ad\u200b\u200dİi\u0307가\u1100\u1161¾½2-/.,'’👍🇩🇪 \n"
TEXTS = st.text(st.sampled_from(LETTERS), max_size=20) | st.text(max_size=20)


def asked(analyzer: Analyzer, text: str) -> list[str]:
    """The terms of a query that has one alternative at each place, of one term."""
    return [term for ((term,),) in analyzer.query_terms(text)]


@settings(max_examples=400)
@given(TEXTS)
def test_without_settings_the_terms_are_those_of_alicorn_text(text):
    assert Analyzer().document_terms(text) == document_terms(text)
    assert asked(Analyzer(), text) == query_terms(text)


@settings(max_examples=400)
@given(TEXTS)
def test_a_word_is_in_its_place(text):
    """The place of a word, cut out of the text and normalised, holds the word."""
    for word in Analyzer().words(text):
        for token in word.found:
            assert 0 <= token.start < token.end <= len(text)
            assert token.text in normalize(text[token.start : token.end]) or token.text == without_points(
                word.found[0].text
            )


@settings(max_examples=200)
@given(TEXTS, st.booleans(), st.sampled_from([None, "english", "turkish"]))
def test_a_document_is_found_by_its_own_text(text, whole_codes, stem):
    analyzer = Analyzer(whole_codes=whole_codes, units=("in",) if whole_codes else (), stem=stem)
    assert set(asked(analyzer, text)) <= set(analyzer.document_terms(text))


@settings(max_examples=200)
@given(TEXTS, st.sampled_from([(), ("a", "東京", "2")]), st.sampled_from([None, "english"]))
def test_terms_without_places_are_those_of_the_words(text, stop_words, stem):
    analyzer = Analyzer(stem=stem, stop_words=stop_words)
    words = analyzer.words(text)
    kept = [word for word in words if not set(word.asked) <= set(stop_words)] or words
    assert asked(analyzer, text) == [term for word in kept for term in word.asked]


def test_stems_join_the_forms_of_a_word_and_leave_codes_alone():
    english = Analyzer(stem="english")
    assert english.document_terms("Running shoes 501s") == ["run", "shoe", "501s"]
    assert asked(english, "shoe RUNS 501s") == ["shoe", "run", "501s"]
    assert Analyzer(stem="german").document_terms("Häuser") == Analyzer(stem="german").document_terms("Häusern")


def test_codes_and_numbers_stay_whole_and_their_parts_find_the_document():
    analyzer = Analyzer(whole_codes=True)
    assert analyzer.document_terms("DCB107-2, 3/4 in and well-known") == [
        *("dcb107-2", "dcb107", "2", "3/4", "3", "4", "in", "and", "well", "known")
    ]
    assert asked(analyzer, "(dcb107-2) 1.25") == ["dcb107-2", "1.25"]
    assert asked(analyzer, "¾") == ["3/4"]


def test_a_measure_is_one_term_with_a_blank_and_without():
    analyzer = Analyzer(whole_codes=True, units=("in", "mm"))
    assert asked(analyzer, "3/4 in") == asked(analyzer, "3/4in") == ["3/4in"]
    assert asked(analyzer, "10 mm 10mm in") == ["10mm", "10mm", "in"]
    assert {"10mm", "10", "mm"} <= set(analyzer.document_terms("10 mm")) & set(analyzer.document_terms("10mm"))


def test_stop_words_leave_queries_but_not_documents():
    analyzer = Analyzer(stop_words=("the", "who"))
    assert asked(analyzer, "The cat") == ["cat"]
    assert asked(analyzer, "the who") == ["the", "who"], "nothing else is asked for"
    assert analyzer.document_terms("the who") == ["the", "who"]


def test_stop_words_are_compared_after_stems():
    assert asked(Analyzer(stem="english", stop_words=("having",)), "having a cat") == ["a", "cat"]


def test_synonyms_widen_a_query_and_the_longest_rule_wins():
    analyzer = Analyzer(synonyms=("tv, television  # sets", "# nothing", "ny, new york", "new => fresh", "usa => us"))
    assert analyzer.query_terms("TV") == [(("tv",), ("television",))]
    assert analyzer.query_terms("new york tv") == [(("ny",), ("new", "york")), (("tv",), ("television",))]
    assert analyzer.query_terms("new usa") == [(("fresh",),), (("us",),)]
    assert analyzer.document_terms("new tv") == ["new", "tv"]


def test_synonyms_are_read_by_the_same_chain():
    analyzer = Analyzer(stem="english", synonyms=("sneakers, running shoes",))
    assert analyzer.query_terms("sneaker") == [(("sneaker",), ("run", "shoe"))]
    assert analyzer.query_terms("run shoes") == [(("sneaker",), ("run", "shoe"))]


@pytest.mark.parametrize("line", ["alone", "a =>", "=> b", "a, , b", "a, -"])
def test_a_line_that_is_no_rule_is_named(line):
    with pytest.raises(ValueError, match="line 2"):
        Analyzer(synonyms=("a, b", line)).query_terms("x")


def test_ngrams_are_neighbouring_words():
    pairs = Analyzer(word_ngrams=2, stem="english")
    assert pairs.document_terms("New York Cities") == ["new york", "york citi"]
    assert asked(pairs, "New York") == ["new york"]
    assert asked(pairs, "York") == []


def test_chinese_words_instead_of_bigrams():
    pytest.importorskip("jieba")
    analyzer = Analyzer(chinese_words=True)
    assert asked(analyzer, "北京大学 Beijing") == ["北京大学", "beijing"]
    assert {"北京大学", "北京", "大学"} <= set(analyzer.document_terms("北京大学"))


def test_the_steps_end_with_the_whole_chain():
    analyzer = Analyzer(stem="english", stop_words=("the",))
    assert [name for name, _ in analyzer.steps()] == ["words", "stems, english", "stop words"]
    assert analyzer.steps()[-1][1] == analyzer


def test_highlights_are_places_of_the_stored_text():
    english = Analyzer(stem="english", whole_codes=True, units=("in",))
    text = "A ﬁne co\u00adoperative's Running-shoe, ¾ in"
    found = highlights([(english, {"fine", "run", "shoe", "3/4in"})], text)
    assert [text[start:end] for start, end in found] == ["ﬁne", "Running", "shoe", "¾ in"]
    assert marked("a b", [(2, 3)], "[", "]") == "a [b]"


def test_bigrams_that_overlap_are_one_place():
    text = "新東京都庁"
    assert [text[start:end] for start, end in highlights([(Analyzer(), {"東京", "京都"})], text)] == ["東京都"]
