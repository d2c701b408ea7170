"""How the words of a column become terms: the `analysis` of vertical.yaml, by the prefix of the terms.

    analysis:
      text:
        stem: english                   # Snowball, by PyStemmer
        stop_words: [the, of, in]       # or a file, one a line; a query leaves them out
        synonyms: synonyms.txt          # or a list of rules such as `tv, television` and `ny => new york`
        positions: true                 # kept in the index, for (phrase text ...)
        whole_codes: true               # DCB107-2, 3/4, 1.25 are terms, too
        units: [in, mm]                 # 3/4 in is the term 3/4in
        chinese: jieba                  # instead of bigrams
      pairs:
        word_ngrams: 2                  # terms are two neighbouring words: `pairs:new york`

A file is beside vertical.yaml; what it says becomes part of the vertical, so that a model folder is complete.
"""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import xxhash
from pydantic import Field, model_validator

from alicorn.analysis import Analyzer, chinese
from alicorn.analysis.stems import LANGUAGES
from alicorn.analysis.stems import RULES as STEM_RULES
from alicorn.config import Config, did_you_mean, read_text
from alicorn.errors import ConfigError
from alicorn.extras import how_to_install
from alicorn.language.tree import And, Node, Or, Term
from alicorn.text import words

MAX_LINES = 100_000
"""Of stop words, and of synonyms."""
Lines = Annotated[tuple[str, ...], Field(max_length=MAX_LINES)]
_OF_QUERIES = ("stop_words", "synonyms")


class Analysis(Config):
    """What becomes of the words of one prefix; the defaults are docs/text.md's words as they are."""

    stem: str | None = None
    stop_words: Lines = ()
    synonyms: Lines = ()
    whole_codes: bool = False
    units: Lines = ()
    chinese: Literal["bigrams", "jieba"] = "bigrams"
    word_ngrams: Annotated[int, Field(ge=1, le=5)] = 1
    positions: bool = False

    @model_validator(mode="after")
    def _check(self) -> "Analysis":
        if self.stem is not None and self.stem not in LANGUAGES:
            hint = did_you_mean(self.stem, list(LANGUAGES))
            raise ValueError(f"stem: no Snowball stemmer {self.stem!r}; {hint}there are: {', '.join(LANGUAGES)}")
        if self.units and not self.whole_codes:
            raise ValueError("units are joined to numbers that stay whole: set whole_codes: true beside them")
        for name, values in (("stop_words", self.stop_words), ("units", self.units)):
            bad = next((value for value in values if len(words(value)) != 1), None)
            if bad is not None:
                raise ValueError(f"{name}: each is one word, got {bad!r}")
        if self.word_ngrams > 1 and (self.stop_words or self.synonyms):
            raise ValueError(
                "word_ngrams above 1 are of neighbouring words: leave out stop_words and synonyms, or give the n-grams"
                " a prefix of their own"
            )
        if self.chinese == "jieba" and not chinese.installed():
            raise ValueError(f"chinese: jieba is not installed: {how_to_install('jieba')}, or take bigrams")
        self.analyzer.query_terms("")  # reads the synonyms
        return self

    @cached_property
    def analyzer(self) -> Analyzer:
        """The chain that documents and queries go through."""
        return Analyzer(
            whole_codes=self.whole_codes,
            units=tuple(word for unit in self.units for word in words(unit)),
            chinese_words=self.chinese == "jieba",
            stem=self.stem,
            word_ngrams=self.word_ngrams,
            stop_words=self.stop_words,
            synonyms=self.synonyms,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """Of the analyzer, those that decide the terms of a document, where they are not the default."""
        default, own = asdict(Analyzer()), asdict(self.analyzer)
        decides = (name for name in own if name not in _OF_QUERIES and own[name] != default[name])
        return {name: list(own[name]) if isinstance(own[name], tuple) else own[name] for name in decides}

    @property
    def of_documents(self) -> str:
        """What decides the terms of a document, as text; empty for the default."""
        decides = self.model_dump(mode="json", exclude_defaults=True, exclude=set(_OF_QUERIES))
        stems = f" Snowball {STEM_RULES}" if self.stem is not None else ""
        return f"{sorted(decides.items())}{stems}" if decides else ""


def operands(analyzer: Analyzer, prefix: str, query: str) -> list[Node]:
    """The terms of a query as operands: a term each, or an `or` of the alternatives that synonyms give."""
    return [_one_of(prefix, alternatives) for alternatives in analyzer.query_terms(query)]


def fingerprint(analyses: dict[str, Analysis]) -> str | None:
    """Of what decides the terms of documents; None where words stay as they are."""
    decides = {prefix: analysis.of_documents for prefix, analysis in analyses.items() if analysis.of_documents}
    return xxhash.xxh3_128_hexdigest(repr(sorted(decides.items())).encode()) if decides else None


def with_files(data: Any, folder: Path, where: str) -> Any:
    """Plain data of a vertical with the lines of the files that its analysis names. where: the name of the vertical's
    file in messages. Raises ConfigError."""
    analyses = data.get("analysis") if isinstance(data, dict) else None
    if not isinstance(analyses, dict):
        return data
    return {
        **data,
        "analysis": {
            prefix: _with_lines(of, folder, f"{where}: analysis.{prefix}") if isinstance(of, dict) else of
            for prefix, of in analyses.items()
        },
    }


def _with_lines(analysis: dict[str, Any], folder: Path, where: str) -> dict[str, Any]:
    named = {key: value for key, value in analysis.items() if key in _OF_QUERIES and isinstance(value, str)}
    return analysis | {key: _lines(folder / name, f"{where}.{key}") for key, name in named.items()}


def _lines(path: Path, where: str) -> list[str]:
    """The lines of a file that are neither empty nor a comment."""
    try:
        lines = [line.strip() for line in read_text(path).splitlines()]
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}; name a file beside the vertical, or give a list") from error
    return [line for line in lines if line and not line.startswith("#")]


def _one_of(prefix: str, alternatives: Sequence[Sequence[str]]) -> Node:
    nodes = [_all_of([Term(f"{prefix}:{term}") for term in terms]) for terms in alternatives]
    return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))


def _all_of(terms: list[Term]) -> Node:
    return terms[0] if len(terms) == 1 else And(tuple(terms))
