"""Which settings a grid tries."""

import re

import pytest

from alicorn.errors import ConfigError
from alicorn.quantization import Settings
from alicorn.tuning import Grid
from alicorn.tuning.recommend import for_collection


def test_a_grid_from_the_shell() -> None:
    grid = Grid.parse(["codec=sq8,opq pq_bytes=8", "num_clusters=16,32 nprobe=1,2"])
    assert grid == Grid(codec=("sq8", "opq"), pq_bytes=(8,), num_clusters=(16, 32), nprobe=(1, 2))
    assert grid.settings(1_000, 16) == [
        Settings("ivf", 16, "sq8"),
        Settings("ivf", 16, "opq", 8),
        Settings("ivf", 32, "sq8"),
        Settings("ivf", 32, "opq", 8),
    ]


def test_sizes_go_with_their_codecs_alone() -> None:
    grid = Grid(codec=("none", "pq", "rabitq"), pq_bytes=(4, 8), bits=(1, 4))
    assert [(one.codec, one.pq_bytes, one.bits) for one in grid.settings(1_000, 16)] == [
        ("none", None, None),
        ("pq", 4, None),
        ("pq", 8, None),
        ("rabitq", None, 1),
        ("rabitq", None, 4),
    ]


def test_without_a_grid_clusters_and_codecs_are_compared_around_the_default() -> None:
    tried = Grid().settings(20_000, 64)
    default = Settings("ivf", 512, "sq8")
    assert default in tried
    assert len(set(tried)) == len(tried)
    for one in tried:
        assert (one.codec == "sq8") or (one.coarse, one.num_clusters) == ("ivf", 512)
    assert {one.codec for one in tried} == {"none", "sq8", "pq", "opq", "pca-pq", "rabitq"}
    assert {(one.coarse, one.num_clusters) for one in tried} == {
        *(("ivf", count) for count in (256, 512, 1024, 2048)),
        *(("imi", count) for count in (1024, 4096)),
    }


def test_few_vectors_of_few_dimensions_have_a_comparison_too() -> None:
    assert {one.codec for one in Grid().settings(100, 3)} == {"none", "sq8", "rabitq"}


def test_the_ladder_ends_with_all_clusters() -> None:
    assert Grid().ladder(20) == [1, 2, 3, 4, 6, 8, 12, 16, 20]
    assert Grid().ladder(1) == [1]
    assert Grid(nprobe=(4, 2, 99)).ladder(20) == [2, 4, 20]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["codecs=sq8"], "a grid is name=value,value of coarse, num_clusters, codec, pq_bytes, bits, nprobe"),
        (["codec"], "got 'codec'"),
        (["codec=sq8", "codec=opq"], "the grid names codec twice"),
        (["nprobe=0"], "nprobe in a grid is a whole number from 1, got '0'"),
        (["nprobe=1,x"], "nprobe in a grid is a whole number from 1, got 'x'"),
    ],
)
def test_a_wrong_grid_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Grid.parse(texts)


def test_a_grid_that_would_take_hours_is_refused() -> None:
    grid = Grid(num_clusters=tuple(range(1, 202)))
    with pytest.raises(ConfigError, match="the grid has 201 settings, at most 200 are tried"):
        grid.settings(1_000, 16)


@pytest.mark.parametrize(
    ("measured", "whole"),
    [
        (Settings("ivf", 512, "sq8"), Settings("ivf", None, "sq8")),
        (Settings("ivf", 1024, "sq8"), Settings("ivf", 8192, "sq8")),
        (Settings("ivf", 100, "opq", 8), Settings("ivf", 800, "opq", 8)),
        (Settings("imi", 1024, "sq8"), Settings("imi", None, "sq8")),
        (Settings("imi", 4096, "sq8"), Settings("imi", 16_384, "sq8")),
    ],
)
def test_a_million_documents_get_the_same_multiple_of_the_default(measured: Settings, whole: Settings) -> None:
    assert for_collection(measured, 20_000, 1_000_000) == whole
