"""What becomes of a text, step by step: the terms of a document that has it, and those of a query with it."""

from __future__ import annotations

from dataclasses import dataclass

from alicorn.analysis import Analyzer
from alicorn.language.tree import Phrase
from alicorn.vertical import Vertical
from alicorn.vertical.analysis import operands


@dataclass(frozen=True, slots=True)
class AnalysisStep:
    """document: its terms after the step. query: the operands of its expression."""

    step: str
    document: list[str]
    query: list[str]


@dataclass(frozen=True, slots=True)
class PrefixAnalysis:
    """columns: whose words become terms of the prefix."""

    columns: list[str]
    steps: list[AnalysisStep]


def analysis_steps(vertical: Vertical, text: str) -> dict[str, PrefixAnalysis]:
    """By each prefix whose terms are words."""
    columns: dict[str, list[str]] = {}
    for column, prefixes in vertical.word_columns().items():
        for prefix in prefixes:
            columns.setdefault(prefix, []).append(column)
    return {prefix: PrefixAnalysis(of, _steps(vertical, prefix, text)) for prefix, of in columns.items()}


def _steps(vertical: Vertical, prefix: str, text: str) -> list[AnalysisStep]:
    steps = []
    for name, analyzer in vertical.analyzer(prefix).steps():
        terms = [f"{prefix}:{term}" for term in analyzer.document_terms(text)]
        steps.append(AnalysisStep(name, terms, [str(operand) for operand in operands(analyzer, prefix, text)]))
    if prefix in vertical.positions():
        steps.append(_positions(vertical.analyzer(prefix), prefix, text))
    return steps


def _positions(analyzer: Analyzer, prefix: str, text: str) -> AnalysisStep:
    """The terms of a document with their positions, and the phrase of a query."""
    terms, _ = analyzer.positioned_terms(text)
    words = tuple(analyzer.phrase_terms(text))
    phrase = [str(Phrase(prefix, words))] if words else []
    return AnalysisStep("positions", [f"{at} {prefix}:{term}" for term, at in terms], phrase)
