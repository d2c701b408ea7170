"""The places of the terms that matched, in the text as it is stored."""

from collections.abc import Collection, Iterable

from alicorn.analysis.analyzer import Analyzer

Span = tuple[int, int]


def highlights(wanted: Iterable[tuple[Analyzer, Collection[str]]], text: str) -> list[Span]:
    """Where the text has any of the terms: (start, end) in characters (Unicode code points), end excluded.

    wanted: analyzers, each with the terms that it makes of a document, without prefix. Places that overlap are one.
    """
    places = sorted(
        (token.start, token.end)
        for analyzer, terms in wanted
        if terms
        for word in analyzer.words(text)
        for token in word.found
        if token.text in terms
    )
    found: list[Span] = []
    for start, end in places:
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def marked(text: str, spans: list[Span], before: str, after: str) -> str:
    """The text with `before` and `after` around each span."""
    parts, at = [], 0
    for start, end in spans:
        parts += [text[at:start], before, text[start:end], after]
        at = end
    return "".join((*parts, text[at:]))
