"""How do people misspell a name? One wrong stroke or one wrong sound in one word.

Pure functions of a word and numbers drawn outside. Kinds and shares are assumptions, see docs/people-world.md.
"""

import unicodedata
from itertools import accumulate

# Neighbours on a QWERTY keyboard: the keys left, right, above and below.
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
NEIGHBOURS: dict[str, str] = {}
for _y, _row in enumerate(_ROWS):
    for _x, _key in enumerate(_row):
        _near = _row[max(0, _x - 1) : _x] + _row[_x + 1 : _x + 2]
        _near += "".join(_ROWS[_v][_x] for _v in (_y - 1, _y + 1) if 0 <= _v < 3 and _x < len(_ROWS[_v]))
        NEIGHBOURS[_key] = _near

# Spellings of nearly one sound: what is written instead of the left side.
SOUNDS = (
    ("ph", "f"), ("f", "ph"), ("ck", "k"), ("k", "ck"), ("c", "k"), ("k", "c"), ("y", "i"), ("i", "y"), ("ie", "ei"),
    ("ei", "ie"), ("ey", "y"), ("y", "ie"), ("ea", "ee"), ("ee", "ea"), ("ae", "e"), ("ll", "l"), ("l", "ll"),
    ("nn", "n"), ("n", "nn"), ("tt", "t"), ("t", "tt"), ("rr", "r"), ("ss", "s"), ("s", "ss"), ("z", "s"), ("s", "z"),
    ("th", "t"), ("w", "v"), ("v", "w"), ("x", "ks"), ("sh", "sch"), ("sch", "sh"), ("o", "au"), ("son", "sen"),
    ("a", "e"), ("e", "a"), ("ou", "u"), ("qu", "kw"), ("dt", "t"),
)  # fmt: skip

KINDS = ("neighbour", "deletion", "transposition", "doubling", "sound")
SHARES = (0.20, 0.25, 0.15, 0.15, 0.25)
_CUMULATIVE = tuple(accumulate(SHARES))


def misspell(word: str, kind: float, where: float) -> str:
    """The word with one error, in lower case and never equal to `word.lower()`. Words below three letters stay.

    kind, where: uniform in [0, 1); they choose the kind of the error and its place. The first letter is rarely wrong,
    so errors start at the second, except sounds. A kind that does not apply gives way to a deletion, and a deletion
    always changes the word.
    """
    word = word.lower()
    if len(word) < 3:
        return word
    place = 1 + int(where * (len(word) - 1))
    name = next((kind_name for kind_name, up_to in zip(KINDS, _CUMULATIVE, strict=True) if kind < up_to), KINDS[-1])
    if name == "sound":
        changed = _other_sound(word, where)
    elif name == "neighbour":
        near = NEIGHBOURS.get(word[place], "")
        changed = word[:place] + near[int(where * 997) % len(near)] + word[place + 1 :] if near else word
    elif name == "transposition":
        place = min(place, len(word) - 2)
        changed = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    elif name == "doubling":
        changed = word[: place + 1] + word[place:]
    else:
        changed = word
    return changed if changed != word else word[:place] + word[place + 1 :]


def without_accents(word: str) -> str:
    """Letters without their marks, as typed on a keyboard without them: "Peña" -> "Pena"."""
    if word.isascii():
        return word
    return "".join(letter for letter in unicodedata.normalize("NFKD", word) if not unicodedata.combining(letter))


def _other_sound(word: str, where: float) -> str:
    applicable = [(written, instead) for written, instead in SOUNDS if written in word]
    if not applicable:
        return word
    written, instead = applicable[int(where * len(applicable))]
    at = word.rfind(written)
    return word[:at] + instead + word[at + len(written) :]
