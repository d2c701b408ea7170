"""The one normalisation: what is a word, and that normalising is a projection."""

from hypothesis import given
from hypothesis import strategies as st

from alicorn.text import normalize, phrase, words


def test_words_are_runs_of_letters_digits_and_underscores():
    assert words("Harry Potter 2: the_boy, who-lived!") == ["harry", "potter", "2", "the_boy", "who", "lived"]


def test_nothing_has_no_words():
    assert words("") == words("  -- !? ") == []


def test_compatible_forms_and_cases_are_one_word():
    assert words("ＦＵＬＬ") == words("full") == ["full"]
    assert words("STRASSE") == words("straße") == ["strasse"]
    assert words("Jose\u0301") == words("JOSÉ") == ["josé"]


def test_scripts_without_case_are_kept():
    assert words("東京 Москва القاهرة") == ["東京", "москва", "القاهرة"]


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    assert normalize(normalize(text)) == normalize(text)


@given(st.text())
def test_a_word_is_its_own_only_word(text):
    for word in words(text):
        assert words(word) == [word]


@given(st.text(alphabet=st.characters(codec="ascii")))
def test_ascii_is_lowered_and_nothing_else(text):
    assert normalize(text) == text.lower()


def test_a_phrase_is_the_words_without_accents_of_letters_that_have_them():
    assert phrase("Saint-Étienne  (Loire)") == "saint etienne loire"
    assert phrase("Rafaḩ") == "rafah"
    assert phrase("Йошкар-Ола") == "иошкар ола"
    assert phrase("がか") == "がか"  # a voicing mark makes another letter
    assert phrase("-- !") == ""
