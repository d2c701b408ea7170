"""Random trees over every operator, and the vocabulary that they speak of."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from alicorn.language.tree import (
    And,
    Apply,
    Difference,
    Extract,
    Fuzzy,
    Nn,
    Node,
    Not,
    Or,
    Phrase,
    Prefix,
    Range,
    StrongOr,
    Term,
    WeakAnd,
)


@dataclass(frozen=True)
class Vocabulary:
    """What random trees speak of."""

    terms: Sequence[str]
    prefixes: Sequence[str]
    columns: Mapping[str, tuple[float, float]]  # numeric column -> smallest and largest bound asked for
    vectors: Mapping[str, Sequence[str | None]]  # embedding key -> names of vectors (None: the key's own)
    apply_prefixes: Sequence[str]
    extract_columns: Sequence[str]
    words: Mapping[str, Sequence[str]]  # prefix whose positions are kept -> words of phrases
    largest_count: int = 50
    nprobes: Sequence[int | None] = field(default=(None, 1, 3, 16))
    recalls: Sequence[float] = ()


def random_tree(rng: random.Random, words: Vocabulary, depth: int = 6) -> Node:
    """A valid tree of at most `depth` levels, over every operator."""
    leaves = [_random_term, _random_term, _random_term, _random_prefix, _random_fuzzy, _random_phrase]
    leaves += [_random_range, _random_nn]
    inner = [_random_and, _random_and, _random_or, _random_difference, _random_filtered_nn, _random_weak_and]
    inner += [_random_strong_or, _random_apply, _random_extract]
    return rng.choice(leaves if depth <= 1 or rng.random() < 0.2 else inner)(rng, words, depth - 1)


def trees(words: Vocabulary, depth: int = 6) -> st.SearchStrategy[Node]:
    """Hypothesis strategy of valid trees: a depth, which shrinks, and a seed."""
    seeds = st.integers(0, 2**32 - 1)
    return st.builds(lambda depth, seed: random_tree(random.Random(seed), words, depth), st.integers(1, depth), seeds)


def vocabulary(dims: Mapping[str, int], vector_names: Sequence[str | None] = (None,)) -> Vocabulary:
    """The words of `random_documents`, and a few that no document has."""
    return Vocabulary(
        terms=[f"tag:{i}" for i in range(14)] + ["text:john", "text:smith", "friend:d3", "friend:d8", "text:nobody"],
        prefixes=["text:jo", "text:smith", "tag:1", "friend:d1", "nothing:"],
        columns={"price": (0.0, 100.0), "year": (1985, 2025)},
        vectors=dict.fromkeys(dims, vector_names),
        apply_prefixes=["friend:", "nothing:"],
        extract_columns=["friends", "best"],
        words={"text": ["john", "joan", "jo", "smith", "smithe", "nobody"]},
    )


def _random_term(rng: random.Random, words: Vocabulary, depth: int) -> Node:
    return Term(rng.choice(words.terms))


def _random_prefix(rng: random.Random, words: Vocabulary, depth: int) -> Node:
    return Prefix(rng.choice(words.prefixes), rng.choice([10_000, rng.randint(1, 4)]))


def _random_fuzzy(rng: random.Random, words: Vocabulary, depth: int) -> Node:
    term = rng.choice(words.terms)
    exact, terms = rng.choice([None, None, 1, 3]), rng.choice([50, rng.randint(1, 4)])
    return Fuzzy(term, rng.randint(1, 2), exact, terms, rng.choice([None, None, 1, 30]))


def _random_phrase(rng: random.Random, words: Vocabulary, depth: int) -> Node:
    prefix = rng.choice(list(words.words))
    known = words.words[prefix]
    phrase = tuple(rng.choice(known[:5] if rng.random() < 0.97 else known) for _ in range(rng.randint(1, 4)))
    return Phrase(prefix, phrase, rng.choice([0, 0, 1, 2, 3, 7]))


def _random_range(rng: random.Random, words: Vocabulary, depth: int) -> Node:
    column = rng.choice(list(words.columns))
    low, high = words.columns[column]
    bounds = sorted(
        rng.randint(int(low), int(high)) if rng.random() < 0.5 else round(rng.uniform(low, high), 3) for _ in range(2)
    )
    open_end = rng.randrange(4)
    return Range(column, None if open_end == 0 else bounds[0], None if open_end == 1 else bounds[1])


def _random_nn(rng: random.Random, words: Vocabulary, depth: int) -> Node:
    key = rng.choice(list(words.vectors))
    vector, clusters = rng.choice(words.vectors[key]), _random_clusters(rng, words)
    if rng.random() < 0.5:
        return Nn(key, k=rng.randint(1, words.largest_count), vector=vector, **(_random_recall(rng, words) or clusters))
    return Nn(key, radius=rng.uniform(0.01, 1.6), vector=vector, **clusters)


def _random_clusters(rng: random.Random, words: Vocabulary) -> dict[str, int | None]:
    """In how many clusters an nn looks: in all, by a number of clusters, or by a number of documents."""
    if rng.random() < 0.3:
        return {"scan": rng.randint(1, 4 * words.largest_count)}
    return {"nprobe": rng.choice(words.nprobes)}


def _random_recall(rng: random.Random, words: Vocabulary) -> dict[str, float]:
    return {"recall": rng.choice(words.recalls)} if words.recalls and rng.random() < 0.5 else {}


def _random_filtered_nn(rng: random.Random, words: Vocabulary, depth: int) -> Node:
    key = rng.choice(list(words.vectors))
    return Nn(
        key,
        k=rng.randint(1, words.largest_count),
        filter=random_tree(rng, words, depth),
        vector=rng.choice(words.vectors[key]),
        **(_random_recall(rng, words) or _random_clusters(rng, words)),
    )


def _operands(rng: random.Random, words: Vocabulary, depth: int, least: int) -> tuple[Node, ...]:
    return tuple(random_tree(rng, words, depth) for _ in range(rng.randint(least, 4)))


def _random_and(rng: random.Random, words: Vocabulary, depth: int) -> Node:
    operands = list(_operands(rng, words, depth, 1))
    nots = [Not(random_tree(rng, words, depth - 1)) for _ in range(rng.choice([0, 0, 1, 2]) if depth > 1 else 0)]
    operands += nots
    rng.shuffle(operands)
    return And(tuple(operands))


def _random_or(rng: random.Random, words: Vocabulary, depth: int) -> Node:
    return Or(_operands(rng, words, depth, 0))


def _random_difference(rng: random.Random, words: Vocabulary, depth: int) -> Node:
    return Difference(_operands(rng, words, depth, 2))


def _random_weak_and(rng: random.Random, words: Vocabulary, depth: int) -> Node:
    operands = _operands(rng, words, depth, 1)
    return WeakAnd(operands, tuple(rng.choice([None, rng.randint(1, words.largest_count)]) for _ in operands))


def _random_strong_or(rng: random.Random, words: Vocabulary, depth: int) -> Node:
    operands = _operands(rng, words, depth, 1)
    return StrongOr(operands, tuple(rng.choice([None, round(rng.uniform(0.01, 1.0), 3)]) for _ in operands))


def _random_apply(rng: random.Random, words: Vocabulary, depth: int) -> Node:
    limit = rng.choice([5000, rng.randint(1, words.largest_count)])
    return Apply(rng.choice(words.apply_prefixes), random_tree(rng, words, depth), limit)


def _random_extract(rng: random.Random, words: Vocabulary, depth: int) -> Node:
    limit = rng.choice([5000, rng.randint(1, words.largest_count)])
    return Extract(rng.choice(words.extract_columns), random_tree(rng, words, depth), limit)
