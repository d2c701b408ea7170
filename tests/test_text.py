"""The one normalisation and the one cut: a table of languages, the stated rules, and a slow oracle for any text."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alicorn
from alicorn.text import document_terms, normalize, phrase, query_terms, words
from alicorn.vertical import Vertical

# language: a phrase, and its words with one blank between
LANGUAGES = {
    "Amharic": ("ሰላም፡ለዓለም", "ሰላም ለዓለም"),
    "Arabic": ("مرحبا، أيها العالم!", "مرحبا أيها العالم"),
    "Arabic with vowels": ("العِلْمُ نُورٌ", "العِلْمُ نُورٌ"),
    "Armenian": ("Բարեւ, աշխարհ։", "բարեւ աշխարհ"),
    "Azerbaijani": ("İçərişəhər qapısı", "içərişəhər qapısı"),
    "Bengali": ("বাংলা ভাষা, দিন ও দান", "বাংলা ভাষা দিন ও দান"),
    "Burmese": ("မြန်မာ စကား။", "မြန်မာ စကား"),
    "Catalan": ("L'Anna és intel·ligent", "l anna és intel ligent"),
    "Cherokee": ("ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ", "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ"),
    "Chinese": ("我喜欢iPhone手机，2024年。", "我喜欢 iphone 手机 2024 年"),
    "Czech": ("Příliš žluťoučký kůň", "příliš žluťoučký kůň"),
    "Dhivehi": ("ދިވެހި ބަސް", "ދިވެހި ބަސް"),
    "English": ("Don't miss O'Brien's e-mail", "don t miss o brien s e mail"),
    "French": ("L’été à Saint-Étienne, aujourd’hui", "l été à saint étienne aujourd hui"),
    "Georgian": ("ᲡᲐᲥᲐᲠᲗᲕᲔᲚᲝ საქართველო", "საქართველო საქართველო"),
    "German": ("Die GROẞE Straße der Grüße", "die grosse strasse der grüsse"),
    "Greek": ("ΟΔΥΣΣΕΎΣ, Οδυσσεύς;", "οδυσσεύσ οδυσσεύσ"),
    "Gujarati": ("ગુજરાતી ભાષા", "ગુજરાતી ભાષા"),
    "Hawaiian": ("Hawaiʻi Hawai'i", "hawai i hawai i"),
    "Hebrew": ("שלום עולם", "שלום עולם"),
    "Hebrew with vowels": ("בְּרֵאשִׁית בָּרָא", "בְּרֵאשִׁית בָּרָא"),
    "Hindi": ("हिन्दी में दिन और दान।", "हिन्दी में दिन और दान"),
    "Japanese": ("東京タワーへ行く。ﾗｰﾒﾝ", "東京タワーへ行く ラーメン"),
    "Kannada": ("ಕನ್ನಡ ಮನೆ", "ಕನ್ನಡ ಮನೆ"),
    "Khmer": ("ភាសា\u200bខ្មែរ", "ភាសា ខ្មែរ"),
    "Korean": ("안녕하세요, 세계!", "안녕하세요 세계"),
    "Lao": ("ພາສາລາວ", "ພາສາລາວ"),
    "Malayalam": ("മലയാളം ഭാഷ", "മലയാളം ഭാഷ"),
    "Marathi": ("मराठी भाषा", "मराठी भाषा"),
    "Mongolian": ("ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ", "ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ"),
    "Nepali": ("काठमाडौँ उपत्यका", "काठमाडौँ उपत्यका"),
    "Odia": ("ଓଡ଼ିଆ ଭାଷା", "ଓଡ଼ିଆ ଭାଷା"),
    "Persian": ("می\u200cخواهم کتاب‌ها", "میخواهم کتابها"),
    "Polish": ("Zażółć gęślą jaźń", "zażółć gęślą jaźń"),
    "Punjabi": ("ਪੰਜਾਬੀ ਭਾਸ਼ਾ", "ਪੰਜਾਬੀ ਭਾਸ਼ਾ"),
    "Russian": ("Ёлка и йод", "ёлка и йод"),
    "Sinhala": ("ශ්\u200dරී ලංකා", "ශ්රී ලංකා"),
    "Tamil": ("தமிழ் மொழி", "தமிழ் மொழி"),
    "Telugu": ("తెలుగు పాట పేట", "తెలుగు పాట పేట"),
    "Thai": ("ภาษาไทย น้ำ ๑๒", "ภาษาไทย น้ํา ๑๒"),  # SARA AM is compatible with its two signs
    "Tibetan": ("བོད་སྐད།", "བོད སྐད"),
    "Turkish": ("İSTANBUL'da ılık", "istanbul da ılık"),
    "Ukrainian": ("П'ять п’ять пʼять", "п ять п ять п ять"),
    "Urdu": ("اُردُو زبان", "اُردُو زبان"),
    "Vietnamese": ("Tiếng Việt, HÀ NỘI", "tiếng việt hà nội"),
    "Yiddish": ("ייִדיש לשון", "ייִדיש לשון"),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_of_a_language(language):
    text, expected = LANGUAGES[language]
    expected_words = unicodedata.normalize("NFKC", expected).casefold().split(" ")
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert words(unicodedata.normalize(form, text)) == expected_words, form


RULES = {
    "combining marks stay": ("दिन দান", ["दिन", "দান"]),
    "a mark without a letter is none": ("\u0301a \u0301 \u093f", ["a"]),
    "an enclosing mark divides": ("1\ufe0f\u20e3 a\u20ddb", ["1", "a", "b"]),
    "ZWJ and ZWNJ join": ("क्\u200dष क्\u200cष", ["क्ष", "क्ष"]),
    "invisible characters vanish": ("co\u00adop\u2060era\ufefftion \u200fab\u200ec", ["cooperation", "abc"]),
    "the zero-width space divides": ("a\u200bb", ["a", "b"]),
    "a tatweel stretches": ("عـــلم", ["علم"]),
    "an apostrophe divides however written": ("don't don’t don‘t donʼt donʻt don＇t", ["don", "t"] * 6),
    "hyphens divide": ("e-mail e‐mail e‑mail e–mail", ["e", "mail"] * 4),
    "a middle dot divides": ("paral·lel paraŀlel", ["paral", "lel"] * 2),
    "separators divide digits": ("3.14 1,000 12:30 1/2 ½", ["3", "14", "1", "000", "12", "30", "1", "2", "1", "2"]),
    "an underscore joins": ("the_boy _x_", ["the_boy", "_x_"]),
    "digits and letters join": ("mp3 4k H₂O m²", ["mp3", "4k", "h2o", "m2"]),
    "dotted capital I": ("İstanbul i\u0307stanbul ISTANBUL", ["istanbul"] * 3),
    "dotless i is a letter of its own": ("kır kir KIR", ["kır", "kir", "kir"]),
    "emoji are words": ("pizza🍕🍕 ❤️ I♥NY", ["pizza", "🍕", "🍕", "❤", "i", "♥", "ny"]),
    "emoji without skin tone, family members one by one": ("👍🏽👩‍👧", ["👍", "👩", "👧"]),
    "a flag is one word": ("🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"]),
    "signs that are no emoji divide": ("a©b ® 5€ ™ a→b a─b", ["a", "b", "5", "tm", "a", "b", "a", "b"]),
    "scripts with and without blanks part": ("東京Tokyo東京 ไทย4G", ["東京", "tokyo", "東京", "ไทย", "4g"]),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_stated_rule(rule):
    text, expected = RULES[rule]
    assert words(text) == expected


@pytest.mark.parametrize(
    "pair",
    ["दिन दान", "দিন দান", "పాట పేట", "ಮನೆ ಮಾನ", "عِلْم عَلَم", "ตา ตี", "မာ မီ", "kır kir", "ağ ag", "はか ばか", "日本 本日"],
)
def test_different_words_stay_different_and_only_the_right_document_is_found(pair, tmp_path):
    vertical = Vertical.load(_vertical(tmp_path))
    one, other = pair.split()
    with alicorn.Collection.create(tmp_path / "c", embeddings={"books": 2}) as collection:
        documents = pa.table({"doc_id": ["one", "other", "both"], "title": [one, other, f"({other}, {one})"]})
        collection.upsert(vertical.index_table(documents))
        for word, expected in ((one, "one"), (other, "other")):
            assert sorted(collection.search(vertical.expression("boolean", word)).ids) == sorted(["both", expected])
            assert sorted(collection.search(f'"text:{normalize(word)}"').ids) == sorted(["both", expected])


def test_a_word_without_vowel_points_finds_it_with_any_and_a_pointed_one_only_its_like(tmp_path):
    vertical = Vertical.load(_vertical(tmp_path))
    titles = {"ilm": "عِلْم", "alam": "عَلَم", "bare": "علم", "dibber": "דִּבֵּר", "davar": "דָּבָר", "dvr": "דבר"}
    with alicorn.Collection.create(tmp_path / "c", embeddings={"books": 2}) as collection:
        documents = pa.table({"doc_id": list(titles), "title": list(titles.values())})
        collection.upsert(vertical.index_table(documents))
        for query, expected in {
            "علم": ["alam", "bare", "ilm"],
            "عِلْم": ["ilm"],
            "דבר": ["davar", "dibber", "dvr"],
            "דָּבָר": ["davar"],
        }.items():
            assert sorted(collection.search(vertical.expression("boolean", query)).ids) == expected
    assert document_terms("\ufb2aלום") == ["ש\u05c1לום", "שלום"], "one character for a letter and its point"
    assert document_terms("أَمْر") == [normalize("أَمْر"), "أمر"], "a hamza makes another letter"


def slow_words(text: str) -> list[str]:
    """Character by character, by what Unicode says of each."""
    found: list[tuple[str, str]] = []  # a word and its kind
    open_kind = None
    for character in normalize(text):
        kind = _kind(character)
        if kind == "mark":
            kind = open_kind if open_kind in ("spaced", "unspaced") else None
        elif kind == "flag" and open_kind == "flag" and len(found[-1][0]) == 1:
            found[-1] = (found[-1][0] + character, "flag")
            open_kind = None
            continue
        if kind is None:
            open_kind = None
        elif kind == open_kind and kind not in ("symbol", "flag"):
            found[-1] = (found[-1][0] + character, kind)
        else:
            found.append((character, kind))
            open_kind = kind
    return [word for word, _ in found]


def _kind(character: str) -> str | None:
    category, name = unicodedata.category(character), unicodedata.name(character, "")
    if category in ("Mn", "Mc"):
        return "mark"
    if character.isalnum() or character == "_":
        return "unspaced" if category in ("Lo", "Lm", "Nl") and name.startswith(UNSPACED) else "spaced"
    if category == "So" and any(ord(character) in block for block in EMOJI_BLOCKS):
        return "flag" if name.startswith("REGIONAL INDICATOR") else "symbol"
    return None


UNSPACED = (
    *("THAI ", "LAO ", "MYANMAR ", "KHMER ", "TAI LE ", "NEW TAI LUE ", "TAI THAM ", "TAI VIET ", "AHOM "),
    *("CJK ", "IDEOGRAPHIC ", "HIRAGANA ", "KATAKANA", "VERTICAL KANA ", "HENTAIGANA "),
)
EMOJI_BLOCKS = (range(0x2300, 0x2400), range(0x2600, 0x27C0), range(0x2B00, 0x2C00), range(0x1F000, 0x1FB00))


def _vertical(folder):
    path = folder / "vertical.yaml"
    path.write_text(
        "{name: books, embedding: books, split: {valid: 0.1}, request: {features: {text: {kind: text, column: query}}},"
        " document: {features: {title: {kind: text, column: title}},"
        " terms: [{prefix: text, column: title, kind: words}]}}",
        encoding="utf-8",
    )
    return path


def test_a_script_without_blanks_is_found_by_what_it_contains():
    assert words("東京都庁") == ["東京都庁"]
    assert set(document_terms("東京都庁")) == {"東京都庁", "東", "京", "都", "庁", "東京", "京都", "都庁"}
    assert query_terms("東京都") == ["東京", "京都"]
    assert query_terms("猫") == ["猫"]
    assert query_terms("กินข้าว") == ["กิน", "นข้", "ข้า", "าว"]  # letters: กิ, น, ข้, า, ว
    assert query_terms("Café 東") == ["café", "東"]


any_text = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from("aIiİıßΣ ẞŉſ'’ʼ_-·1\u0301\u0307\u0323\u0345\u0327\u00ad\u0640\u200b\u200d\ufe0f\u20e3"),
        st.sampled_from("दिनक्षമലയാളംกิข้าວမြន្ខ東京カタがﾗｰ한ᄒ\u3099🍕👍🏽🇩🇪❤©"),
    ),
    max_size=20,
)


@given(any_text)
@settings(max_examples=500)
def test_words_are_what_the_oracle_says(text):
    assert words(text) == slow_words(text)


@given(any_text)
@settings(max_examples=500)
def test_every_document_has_the_terms_of_a_query_for_any_of_its_words(text):
    terms = set(document_terms(text))
    assert set(words(text)) | set(query_terms(text)) <= terms
    assert all(set(query_terms(word)) <= terms for word in words(text))


@given(any_text)
@settings(max_examples=500)
def test_normalising_twice_changes_nothing(text):
    assert normalize(normalize(text)) == normalize(text)


@given(any_text)
@settings(max_examples=500)
def test_a_word_is_its_own_only_word(text):
    for word in words(text):
        assert words(word) == [word]


@given(st.text(alphabet=st.characters(codec="ascii")))
def test_ascii_is_lowered_and_nothing_else(text):
    assert normalize(text) == text.lower()


def test_a_phrase_is_the_words_without_accents_of_letters_that_have_them():
    assert phrase("Saint-Étienne  (Loire)") == "saint etienne loire"
    assert phrase("Rafaḩ") == "rafah"
    assert phrase("DİYARBAKIR") == phrase("Diyarbakır") == "diyarbakir"
    assert phrase("Йошкар-Ола") == "иошкар ола"
    assert phrase("がか") == "がか"  # a voicing mark makes another letter
    assert phrase("हिन्दी") == "हिन्दी"
    assert phrase("-- !") == ""
