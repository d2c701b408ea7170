"""What was written part by part is what is read."""

import json
from pathlib import Path

import numpy as np
import pytest
from channel_names import document

from alicorn.errors import ModelError
from alicorn.features import Bag, Features, open_features, write_features
from alicorn.features.store import is_written


def part(seed: int, num_rows: int) -> Features:
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 4, num_rows))])
    indices = rng.integers(1, 50, offsets[-1]).astype(np.int32)
    weights = rng.random(offsets[-1], dtype=np.float32)
    dense = rng.random((num_rows, 3), dtype=np.float32)
    return Features(
        {
            document("text"): Bag(offsets, indices),
            document("tags"): Bag(offsets, indices, weights),
            document("v"): dense,
        },
        num_rows,
    )


def test_parts_are_concatenated(tmp_path: Path) -> None:
    parts = [part(1, 5), part(2, 0), part(3, 7)]
    assert not is_written(tmp_path / "f")
    assert write_features(tmp_path / "f", iter(parts)) == 12
    assert is_written(tmp_path / "f")
    stored = open_features(tmp_path / "f")
    wanted = [(p, row) for p in parts for row in range(len(p))]
    rows = np.random.default_rng(0).integers(0, 12, 30)
    taken = stored.take(rows)
    assert len(stored) == 12
    for i, (source, row) in enumerate(wanted[r] for r in rows):
        one = source.take(np.array([row]))
        for name in ("text", "tags"):
            bag, alone = taken.channels[document(name)], one.channels[document(name)]
            assert isinstance(bag, Bag)
            assert isinstance(alone, Bag)
            part_of = slice(bag.offsets[i], bag.offsets[i + 1])
            np.testing.assert_array_equal(bag.indices[part_of], alone.indices)
            if name == "tags":
                np.testing.assert_array_equal(bag.weights[part_of], alone.weights)
        np.testing.assert_array_equal(taken.channels[document("v")][i], one.channels[document("v")][0])


def test_a_table_without_rows_can_be_stored(tmp_path: Path) -> None:
    write_features(tmp_path, [part(1, 0)])
    stored = open_features(tmp_path)
    assert len(stored) == 0
    assert len(stored.take(np.empty(0, dtype=np.int64))) == 0


def test_features_of_another_format_are_refused(tmp_path: Path) -> None:
    write_features(tmp_path, [part(1, 4)])
    header = json.loads((tmp_path / "features.json").read_text())
    (tmp_path / "features.json").write_text(json.dumps({**header, "format": 2}))
    with pytest.raises(ModelError, match=r"features\.json has format 2, .* reads format 1: train into a new folder"):
        open_features(tmp_path)
