"""The cache of text vectors holds what was used last, counts its bytes, and may be shared by threads."""

import sys
import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alicorn.features.pretrained.cache import VectorCache


def vectors(text: str) -> np.ndarray:
    return np.full((len(text), 2), len(text), dtype=np.float32)


@given(st.lists(st.lists(st.sampled_from(["", "a", "bb", "ccc", "dddd", "e"]), max_size=4), max_size=30))
def test_it_is_a_dictionary_of_the_texts_used_last(calls: list[list[str]]) -> None:
    """Against a list of texts in the order of their use: the slow oracle."""
    cache = VectorCache(most_bytes=48)
    used: list[str] = []
    for texts in calls:
        wanted = [text for text in dict.fromkeys(texts) if text in used]
        found = cache.found(dict.fromkeys(texts))
        assert list(found) == wanted
        used = [text for text in used if text not in wanted] + wanted
        new = [text for text in dict.fromkeys(texts) if text not in used]
        cache.add({text: vectors(text) for text in new})
        used += new
        while sum(8 * len(text) for text in used) > 48:
            used.pop(0)
        assert len(cache) == len(used)
        assert cache.size_bytes == sum(8 * len(text) for text in used)


def test_threads_that_add_and_look_up_leave_the_bytes_that_are_there() -> None:
    cache = VectorCache(most_bytes=200)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    errors: list[Exception] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        try:
            for _ in range(2000):
                texts = {"x" * int(size): vectors("x" * int(size)) for size in rng.integers(1, 12, 3)}
                for text, found in cache.found(texts).items():
                    assert len(found) == len(text)
                cache.add(texts)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not errors
    assert cache.size_bytes == sum(8 * len(text) for text in cache._vectors) <= 200
