"""Settings of a key: defaults by size, and what does not fit together."""

import re

import pytest

from alicorn.errors import ConfigError
from alicorn.quantization import Settings, default_num_clusters, should_train
from alicorn.quantization.settings import default_num_cells


def test_defaults_follow_the_size() -> None:
    assert [default_num_clusters(n) for n in (1, 20_000, 1_000_000)] == [4, 512, 4096]
    assert [default_num_cells(n) for n in (1, 20_000, 200_000, 10**12)] == [4, 1024, 4096, 65_536]
    assert not should_train(9_999, 0)
    assert should_train(10_000, 0)
    assert not should_train(39_999, 10_000)
    assert should_train(40_000, 10_000)


@pytest.mark.parametrize(
    ("given", "vectors", "dim", "complete"),
    [
        (Settings(), 20_000, 64, Settings("ivf", 512, "sq8", None)),
        (Settings(codec="opq"), 20_000, 100, Settings("ivf", 512, "opq", 25)),
        (Settings(pq_bytes=8), 20_000, 64, Settings("ivf", 512, "opq", 8)),
        (Settings(coarse="imi"), 20_000, 64, Settings("imi", 1024, "sq8", None)),
        (Settings(num_clusters=64), 10, 64, Settings("ivf", 10, "sq8", None)),
        (Settings("imi", 64), 5, 64, Settings("imi", 25, "sq8", None)),
        (Settings(codec="pca-pq", pq_bytes=7), 300, 64, Settings("ivf", 64, "pca-pq", 7)),
        (Settings(codec="rabitq"), 300, 64, Settings("ivf", 64, "rabitq", bits=1)),
        (Settings(bits=4), 300, 64, Settings("ivf", 64, "rabitq", bits=4)),
        (Settings(codec="pq"), 300, 7, Settings("ivf", 64, "pq", 1)),
        (Settings(), 300, 8_192, Settings("ivf", 64, "sq8")),
        (Settings(), 300, 8_193, Settings("ivf", 64, "none")),
        (Settings(codec="pq", pq_bytes=3), 300, 8_193, Settings("ivf", 64, "pq", 3)),
    ],
)
def test_complete_fills_in_the_rest(given: Settings, vectors: int, dim: int, complete: Settings) -> None:
    assert given.complete(vectors, dim) == complete


@pytest.mark.parametrize("codec", ["sq8", "rabitq"])
def test_codes_scored_in_whole_numbers_end_at_8192_dimensions(codec: str) -> None:
    assert Settings(codec=codec).complete(300, 8_192).codec == codec
    with pytest.raises(ConfigError, match=f"'{codec}' takes at most 8192 dimensions, there are 8193: use 'none'"):
        Settings(codec=codec).complete(300, 8_193)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"coarse": "hnsw"}, "coarse must be one of ivf, imi, got 'hnsw'"),
        ({"codec": "sq9"}, "codec must be one of none, sq8, pq, opq, pca-pq, rabitq, got 'sq9'"),
        ({"num_clusters": 0}, "num_clusters must be an integer of at least 1, got 0"),
        ({"num_clusters": True}, "num_clusters must be an integer of at least 1, got True"),
        ({"pq_bytes": 1.5}, "pq_bytes must be an integer of at least 1, got 1.5"),
        ({"codec": "sq8", "pq_bytes": 8}, "pq_bytes is for codec pq or opq or pca-pq; the size of 'sq8' is its own"),
        ({"codec": "opq", "bits": 4}, "bits is for codec rabitq; the size of 'opq' is its own: leave bits out"),
        ({"bits": 9}, "bits, of codec 'rabitq', is at most 8; got 9"),
        ({"bits": 4, "pq_bytes": 8}, "pq_bytes and bits are of different codecs: leave one out; got 8 and 4"),
        ({"coarse": "imi", "num_clusters": 1000}, "must be a square, got 1000; use 961 or 1024"),
        ({"coarse": "imi", "num_clusters": 512**2}, "takes at most 65,536 cells, got 262,144"),
    ],
)
def test_impossible_settings_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Settings(**arguments)


@pytest.mark.parametrize(
    ("given", "vectors", "dim", "message"),
    [
        (Settings(codec="pq"), 255, 16, "codec 'pq' needs 256 vectors, there are 255: use 'sq8'"),
        (Settings(codec="opq", pq_bytes=5), 300, 16, "must divide the dimension, 16; got 5: use 4, or codec 'pca-pq'"),
        (Settings(codec="pca-pq", pq_bytes=17), 300, 16, "pq_bytes must be at most the dimension, 16; got 17"),
        (Settings(coarse="imi"), 300, 3, "needs 4, there are 3: use 'ivf'"),
    ],
)
def test_what_these_vectors_cannot_train_is_refused(given: Settings, vectors: int, dim: int, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        given.complete(vectors, dim)
