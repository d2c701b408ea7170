"""Hashed n-grams, characters and ids, slow and obvious: on Python's integers and strings, one row at a time."""

from typing import Literal

from alicorn.features.kinds.hashing import (
    BIGRAM_SEED,
    CHARACTER_SEED,
    FNV_PRIME,
    ID_SEED,
    TRIGRAM_SEED,
    WORD_SEED,
)
from alicorn.features.kinds.text import TextSettings
from alicorn.text import words

_MASK = (1 << 64) - 1


def mixed(h: int) -> int:
    """hashing.mix on Python's integers."""
    h = ((h ^ (h >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    h = ((h ^ (h >> 27)) * 0x94D049BB133111EB) & _MASK
    return h ^ (h >> 31)


def bucket_of(h: int, buckets: int) -> int:
    """hashing.bucket on Python's integers."""
    return 1 + (((h >> 32) * buckets) >> 32)


def id_bucket(value: str, buckets: int) -> int:
    """The bucket of one non-empty id, slow and obvious: the oracle of hashed_ids."""
    h = ID_SEED
    for byte in value.encode():
        h = ((h ^ byte) * FNV_PRIME) & _MASK
    return bucket_of(mixed(h), buckets)


def text_grams(text: str | None, buckets: int, settings: TextSettings) -> list[int]:
    """The bag of one text, slow and obvious: the oracle of text_bags."""
    bag: list[int] = []
    before = None
    for word in words(text or ""):
        marked = [1, *map(ord, word), 2]
        hashed = WORD_SEED
        for symbol in map(ord, word):
            hashed = ((hashed ^ symbol) * FNV_PRIME) & _MASK
        if settings.trigrams:
            for a, b, c in zip(marked, marked[1:], marked[2:], strict=False):
                bag.append(bucket_of(mixed((a | b << 21 | c << 42) ^ TRIGRAM_SEED), buckets))
        if settings.word_ngrams >= 1:
            bag.append(bucket_of(mixed(hashed), buckets))
        if settings.word_ngrams >= 2 and before is not None:
            bag.append(bucket_of(mixed((((before ^ BIGRAM_SEED) ^ hashed) * FNV_PRIME) & _MASK), buckets))
        before = mixed(hashed)
    return bag


def character_grams(text: str | None, buckets: int, length: Literal[1, 2]) -> list[int]:
    """The bag of one text, slow and obvious: the oracle of character_bags."""
    bag = []
    for word in words(text or ""):
        for at in range(len(word) - length + 1):
            key = ord(word[at]) | (ord(word[at + 1]) << 21 if length == 2 else 0)
            bag.append(bucket_of(mixed(key ^ CHARACTER_SEED), buckets))
    return bag
