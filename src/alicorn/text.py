"""What is a word? The one normalisation and the one cut that terms, queries, n-grams and features share.

Normalising is Unicode's NFKC_Casefold (UAX #44) with four changes: the zero-width space divides words and is kept;
Arabic's tatweel, which only stretches a word, is dropped; `i` with a dot above is `i`, so that İstanbul is istanbul;
an apostrophe is `'` in all its spellings. Words follow UAX #29 but where docs/text.md says otherwise. The combining
marks come from Python's own tables of Unicode, as NFKC does.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from itertools import pairwise

RULES = 3
"""Raise it when a text is read differently: models trained and collections published before are then refused."""

_WORD = re.compile(r"\w+")
_ACCENTS = re.compile("[\u0300-\u036f]")  # of Latin, Greek and Cyrillic letters; other scripts keep their marks

# Default_Ignorable_Code_Point (UAX #44) without the zero-width space; and tatweel.
_DROPPED = (
    "\u00ad\u034f\u061c\u0640\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200c-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_APOSTROPHES = "\u02bb\u02bc\u2018\u2019"  # ʻokina, п'ять, and the typographic quotes
# Vowel points and signs of recitation, which most writers leave out: of Hebrew, and of Arabic but for madda and hamza.
_POINTS = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u0652\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed]"
)
_BEYOND_LATIN = re.compile("[^\\0-\xac\xae-\u024f]")  # what is there needs no more than folding and \\w
_TO_CHANGE = re.compile(f"[{_DROPPED}{_APOSTROPHES}\u0307]")
_CHANGES = (
    (re.compile(f"[{_DROPPED}]"), ""),
    (re.compile(f"[{_APOSTROPHES}]"), "'"),
    (re.compile("i\u0307+"), "i"),
)

# Written without blanks between words: Thai, Lao, Myanmar, Khmer, Tai (line breaking class SA, UAX #14), Han and kana.
_UNSPACED = (
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u0edc-\u0edf\u1000-\u102a\u103f"
    "\u1050-\u1055\u105a-\u105d\u1061\u1065\u1066\u106e-\u1070\u1075-\u1081\u108e\u1780-\u17b3\u17d7\u17dc"
    "\u1950-\u197f\u1980-\u19c9\u1a20-\u1a54\u1aa7\ua9e0-\ua9e4\ua9e6-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa76\uaa7a\uaa7e-\uaaaf\uaab1\uaab5\uaab6\uaab9-\uaabd\uaac0\uaac2-\uaadd"
    "\u3005-\u3007\u3031-\u3035\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
)
_UNSPACED_ASTRAL = "\U00011700-\U0001171a\U00011740-\U00011746\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_LETTER = re.compile("[{0}][^{0}]*".format(_UNSPACED + _UNSPACED_ASTRAL))
_SYMBOLS = ((0x2300, 0x23FF), (0x2600, 0x27BF), (0x2B00, 0x2BFF), (0x1F000, 0x1FAFF))  # the blocks of emoji


def normalize(text: str) -> str:
    """The form in which texts are compared. Normalising twice changes nothing."""
    if text.isascii():
        return text.lower()
    text = _folded(text)
    if _BEYOND_LATIN.search(text) and _TO_CHANGE.search(text):
        for pattern, replacement in _CHANGES:
            text = pattern.sub(replacement, text)
        text = _folded(text)
    return text


def words(text: str) -> list[str]:
    """The words of the normalised text, in order: runs of letters, digits and underscores with their combining marks,
    cut where a script with blanks meets one without; and emoji, one by one. An empty text has none."""
    text = normalize(text)
    if text.isascii() or not _BEYOND_LATIN.search(text):
        return _WORD.findall(text)
    return _cut(_ASTRAL.search(text) is not None)(text)


def document_terms(text: str) -> list[str]:
    """What a document is found by: its words. Of a run of a script without blanks also its letters and its bigrams,
    a letter being taken with its marks; of a Hebrew or Arabic word with vowel points also the word without them."""
    found = words(text)
    if text.isascii() or not _BEYOND_LATIN.search(text):
        return found
    return [term for word in found for term in _parts(word)]


def query_terms(text: str) -> list[str]:
    """What a query asks for: its words. Of a run of a script without blanks its bigrams, which every document with
    that run has; a letter alone is itself."""
    found = words(text)
    return found if text.isascii() else [term for word in found for term in (_bigrams(letters(word)) or [word])]


def phrase(text: str) -> str:
    """The words one blank apart, letters without their accents: `Saint-Étienne` is `saint etienne`, `Diyarbakır` is
    `diyarbakir`."""
    found = " ".join(words(text))
    if found.isascii():
        return found
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", found))).replace("ı", "i")


def letters(word: str) -> list[str]:
    """The letters of a word of a script without blanks, each with its marks; of another word none."""
    return _LETTER.findall(word)


def without_points(word: str) -> str:
    """A Hebrew or Arabic word without its vowel points; another word, or one of points alone, as it is."""
    return _POINTS.sub("", word) or word


def _folded(text: str) -> str:
    """NFKC, case-folded, and NFKC again, because case-folding may leave a form that NFKC would change."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


@cache
def _cut(astral: bool) -> Callable[[str], list[str]]:
    """Cuts a normalised text; without `astral`, one of the basic plane alone, which takes a third of the time.

    Made when it is first needed: 10 ms.
    """
    last = 0x1FFFF if astral else 0xFFFF
    marks = _class(0x300, last, ("Mn", "Mc"))
    symbols = "".join(_class(first, min(end, last), ("So",)) for first, end in _SYMBOLS)
    unspaced = _UNSPACED + _UNSPACED_ASTRAL if astral else _UNSPACED
    run = rf"\w[\w{marks}]*"
    simple = re.compile(run)
    special = re.compile(f"[{unspaced}{symbols}]")
    every = re.compile(f"{run}|[\U0001f1e6-\U0001f1ff]{{2}}|[{symbols}]")  # a flag is two regional indicators
    parts = re.compile(f"[{unspaced}][{unspaced}{marks}]*|[^{unspaced}]+")

    def cut(text: str) -> list[str]:
        if not special.search(text):
            return simple.findall(text)
        return [part for run in every.findall(text) for part in parts.findall(run)]

    return cut


def _class(first: int, last: int, categories: tuple[str, ...]) -> str:
    """The code points of these general categories, as ranges within the brackets of a regular expression."""
    ranges: list[list[int]] = []
    for point in range(first, last + 1):
        if unicodedata.category(chr(point)) in categories:
            if ranges and ranges[-1][1] == point - 1:
                ranges[-1][1] = point
            else:
                ranges.append([point, point])
    return "".join(f"{chr(low)}-{chr(high)}" for low, high in ranges)


def _parts(word: str) -> list[str]:
    """The word; of a script without blanks its letters and bigrams; of one with vowel points the word without them."""
    of = letters(word)
    return list(dict.fromkeys((word, *of, *_bigrams(of), without_points(word))))


def _bigrams(letters: list[str]) -> list[str]:
    return [first + second for first, second in pairwise(letters)]
