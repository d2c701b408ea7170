"""The analysis of a text, one chain: words, codes, Chinese words, stems, n-grams; of a query also stop words, synonyms.

Stop words and synonyms act on queries only, so that they change without a new collection; and a query of nothing but
stop words (`the who`) keeps them, and finds.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from operator import itemgetter

from alicorn.analysis import chinese
from alicorn.analysis.codes import with_codes, with_measures
from alicorn.analysis.stems import Stems
from alicorn.analysis.synonyms import Alternatives, Synonyms
from alicorn.analysis.tokens import NormalizedString, Token, Word, normalized_strings, plain_word, word_spans
from alicorn.text import query_terms


@dataclass(frozen=True)
class Analyzer:
    """The defaults read a text as alicorn.text.document_terms and query_terms do.

    whole_codes: numbers and codes stay whole (codes.py). units: written after a number, they are part of it.
    chinese_words: Chinese is cut by jieba, not into bigrams. stem: one of stems.LANGUAGES.
    word_ngrams: terms are so many neighbouring words, one blank apart; a shorter text has none.
    stop_words, synonyms: a query leaves out the first and is widened by the second, lines of a synonym file.
    """

    whole_codes: bool = False
    units: tuple[str, ...] = ()
    chinese_words: bool = False
    stem: str | None = None
    word_ngrams: int = 1
    stop_words: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()

    def document_terms(self, text: str) -> list[str]:
        """What a document is found by, in order; a word's own terms once each."""
        return [term for word in self.words(text) for term in dict.fromkeys(token.text for token in word.found)]

    def positioned_terms(self, text: str) -> tuple[list[tuple[str, int]], int]:
        """The terms of a document with their positions, ascending, and how many positions the text has.

        As `document_terms`, but a term is given at each of its positions.
        """
        found: list[tuple[str, int]] = []
        start = 0
        for word in self.words(text):
            own = dict.fromkeys((token.position, token.text) for token in word.found)
            found += ((term, start + at) for at, term in sorted(own, key=itemgetter(0)))
            start += len(word.asked)
        return found, start

    def phrase_terms(self, text: str) -> list[str]:
        """What a phrase asks for, one position after the other: stop words, too, and no synonyms."""
        if self.stems_alone:
            return self.stemmed(query_terms(text))
        return [term for word in self.words(text) for term in word.asked]

    def query_terms(self, text: str) -> list[Alternatives]:
        """What a query asks for, in order: at each place one or more alternatives."""
        return self._synonyms.widened(self._asked(text))

    def words(self, text: str) -> list[Word]:
        """The words of a text, or its n-grams, with their places."""
        found = [word for string in normalized_strings(text) for word in self._of_string(string)]
        if self.units:
            found = with_measures(found, frozenset(self.units))
        if self.chinese_words:
            found = [part for word in found for part in chinese.cut(word)]
        if self.stem is not None:
            found = self._stemmed(found)
        return found if self.word_ngrams == 1 else _ngrams(found, self.word_ngrams)

    @property
    def stems_alone(self) -> bool:
        """Whether a document's terms are those of alicorn.text.document_terms, each stemmed."""
        return not (self.whole_codes or self.units or self.chinese_words) and self.word_ngrams == 1

    def stemmed(self, terms: list[str]) -> list[str]:
        """The stem of each term; without a language, the terms."""
        return terms if self._stems is None else self._stems.of(terms)

    def steps(self) -> list[tuple[str, "Analyzer"]]:
        """The chain: of each step its name and the analyzer of the steps so far. The last one is this analyzer."""
        chain = (
            ("numbers and codes whole", {"whole_codes": self.whole_codes}),
            ("measures whole", {"units": self.units}),
            ("Chinese words", {"chinese_words": self.chinese_words}),
            (f"stems, {self.stem}", {"stem": self.stem}),
            (f"n-grams of {self.word_ngrams} words", {"word_ngrams": self.word_ngrams}),
            ("stop words", {"stop_words": self.stop_words}),
            ("synonyms", {"synonyms": self.synonyms}),
        )
        default = Analyzer()
        found = [("words", default)]
        for name, settings in chain:
            if any(value != getattr(default, key) for key, value in settings.items()):
                found.append((name, replace(found[-1][1], **settings)))  # type: ignore[arg-type]
        return found

    def _asked(self, text: str) -> list[str]:
        """The terms of a query before synonyms; of plain words without a look at their places."""
        if self.stems_alone and (text.isascii() or not self.stop_words):  # a term is a word
            terms = self.phrase_terms(text)
            return [term for term in terms if term not in self._stops] or terms
        words = self._without_stop_words(self.words(text))
        return [term for word in words for term in word.asked]

    def _of_string(self, string: NormalizedString) -> list[Word]:
        if self.whole_codes:
            return with_codes(string)
        return [plain_word(string.token(*span)) for span in word_spans(string.normal)]

    def _stemmed(self, words: list[Word]) -> list[Word]:
        stems = iter(self.stemmed([text for word in words for text in (*_texts(word), *word.asked)]))
        result = []
        for word in words:
            found = tuple(token._replace(text=next(stems)) for token in word.found)
            result.append(Word(found, tuple(next(stems) for _ in word.asked)))
        return result

    def _without_stop_words(self, words: list[Word]) -> list[Word]:
        return [word for word in words if not self._stops.issuperset(word.asked)] or words

    @cached_property
    def _stems(self) -> Stems | None:
        return None if self.stem is None else Stems(self.stem)

    @cached_property
    def _stops(self) -> frozenset[str]:
        """Stop words as a query has them at the end of the chain."""
        plain = replace(self, stop_words=(), synonyms=())
        return frozenset(term for text in self.stop_words for term in plain._asked(text))

    @cached_property
    def _synonyms(self) -> Synonyms:
        return Synonyms(self.synonyms, replace(self, stop_words=(), synonyms=())._asked)


def _texts(word: Word) -> list[str]:
    return [token.text for token in word.found]


def _ngrams(words: list[Word], n: int) -> list[Word]:
    """Each n neighbouring words as one, one blank apart."""
    firsts = [word.found[0] for word in words]
    found = []
    for at in range(len(firsts) - n + 1):
        run = firsts[at : at + n]
        text = " ".join(token.text for token in run)
        found.append(Word((Token(text, run[0].start, run[-1].end),), (text,)))
    return found
