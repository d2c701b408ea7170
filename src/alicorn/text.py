"""What is a word? The one normalisation that terms, features and queries share.

It stands before every room.
"""

import re
import unicodedata

_WORD = re.compile(r"\w+", re.UNICODE)
_ACCENTS = re.compile("[\u0300-\u036f]")  # of Latin, Greek and Cyrillic letters; other scripts keep their marks


def normalize(text: str) -> str:
    """NFKC, then case-folded, then NFKC again, because case-folding may leave a form that NFKC would change."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def words(text: str) -> list[str]:
    """Maximal runs of letters, digits and underscores of the normalised text, in order. An empty text has none."""
    return _WORD.findall(normalize(text))


def phrase(text: str) -> str:
    """The words one blank apart, letters without their accents: `Saint-Étienne` is `saint etienne`."""
    found = " ".join(words(text))
    if found.isascii():
        return found
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", found)))
