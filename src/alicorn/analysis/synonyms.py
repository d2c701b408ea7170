"""Rules that widen a query: `tv, television` asks for either, `ny => new york` for the right side instead of the left.

One rule a line, as in Solr's and Lucene's synonym files: expressions of one or more words, separated by commas; `#`
begins a comment. Both sides are read by the analyzer of the column. Of the rules that fit at a word, the longest left
side wins; what a rule has given is not widened again.
"""

from collections.abc import Callable, Iterable, Sequence

Alternatives = tuple[tuple[str, ...], ...]
"""What a query asks for at one place: one of the alternatives, of which each is terms that a document must all have."""

Read = Callable[[str], Sequence[str]]


class Synonyms:
    """The rules, by the first term of their left sides."""

    def __init__(self, lines: Iterable[str], read: Read) -> None:
        """lines: of a synonym file. read: the terms of an expression. Raises ValueError for a line that is no rule."""
        self._rules: dict[tuple[str, ...], Alternatives] = {}
        for number, line in enumerate(lines, 1):
            rule = line.partition("#")[0].strip()
            if rule:
                self._add(rule, read, f"line {number}: {line.strip()!r}")
        self._longest = max(map(len, self._rules), default=0)

    def widened(self, terms: Sequence[str]) -> list[Alternatives]:
        """The terms of a query, in order, with the alternatives that the rules give."""
        found: list[Alternatives] = []
        at = 0
        while at < len(terms):
            for length in range(min(self._longest, len(terms) - at), 0, -1):
                rule = self._rules.get(tuple(terms[at : at + length]))
                if rule is not None:
                    found.append(rule)
                    at += length
                    break
            else:
                found.append(((terms[at],),))
                at += 1
        return found

    def _add(self, rule: str, read: Read, where: str) -> None:
        left, arrow, right = rule.partition("=>")
        lefts = [tuple(read(part)) for part in left.split(",")]
        rights = [tuple(read(part)) for part in right.split(",")] if arrow else lefts
        if not all(lefts) or not all(rights) or (not arrow and len(lefts) < 2):
            raise ValueError(f"{where}: a rule is `tv, television` or `ny => new york`, with a word in every part")
        for terms in lefts:
            self._rules[terms] = tuple(dict.fromkeys((*self._rules.get(terms, ()), *rights)))
