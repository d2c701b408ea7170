"""What does a searcher type to find a person? The name, with the errors people make.

Each error happens on its own, at its own rate; a query without any is "exact". Rates are assumptions, see
docs/people-world.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from alicorn.worlds.people.population.names import nickname_table
from alicorn.worlds.people.searching.misspelling import misspell, without_accents

ERRORS = ("misspelled", "nickname", "missing_word", "extra_word", "swapped")


@dataclass(frozen=True)
class QueryModel:
    """Rates in [0, 1] of each error; nickname and misspelled only where the name allows them."""

    misspelled: float = 0.14
    unaccented: float = 0.60  # of names with accents; counts as misspelled
    nickname: float = 0.10
    missing_word: float = 0.10
    missing_last: float = 0.60  # of missing words, the last name is the missing one
    extra_word: float = 0.07
    swapped: float = 0.05
    lower_case: float = 0.75
    draws: int = 11  # uniform numbers one query consumes


@dataclass(frozen=True)
class Typed:
    query: str
    errors: tuple[str, ...]  # in the order of ERRORS; empty: exact


def type_query(first: str, last: str, extras: list[str], model: QueryModel, chance: Sequence[float]) -> Typed:
    """The query for a person of this name.

    extras: words a searcher may add (town, school, employer, an initial), one of which is taken.
    chance: float (model.draws,), uniform in [0, 1), each number used for one decision.
    """
    errors: set[str] = set()
    nicknames = nickname_table().get(first.lower(), ())
    if nicknames and chance[0] < model.nickname:
        first = nicknames[int(chance[1] * len(nicknames))].capitalize()
        errors.add("nickname")
    parts = [first, last]
    if chance[2] < model.missing_word:
        parts = parts[:1] if chance[3] < model.missing_last else parts[1:]
        errors.add("missing_word")
    elif chance[4] < model.swapped:
        parts.reverse()
        errors.add("swapped")
    words = " ".join(parts).split()
    if chance[5] < model.unaccented:
        plain = [without_accents(word) for word in words]
        if plain != words:
            words = plain
            errors.add("misspelled")
    if chance[6] < model.misspelled:
        place = _longer_more_often(words, chance[7])
        wrong = misspell(words[place], chance[8], chance[7] * 1009 % 1.0)
        if wrong != words[place].lower():
            words[place] = wrong.capitalize()
            errors.add("misspelled")
    if chance[9] < model.extra_word:
        words.append(extras[int(chance[9] / model.extra_word * len(extras))])
        errors.add("extra_word")
    query = " ".join(words)
    return Typed(query.lower() if chance[10] < model.lower_case else query, tuple(e for e in ERRORS if e in errors))


def _longer_more_often(words: list[str], chance: float) -> int:
    """The word an error falls into, in proportion to the number of letters."""
    target = chance * sum(map(len, words))
    for place, word in enumerate(words):
        target -= len(word)
        if target < 0:
            return place
    return len(words) - 1
