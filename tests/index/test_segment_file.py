"""A segment on disk equals the one in memory, and damage is noticed. Of segment_file.py and checked_folder.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from index_tables import DIMS, documents, table

from alicorn.errors import CollectionError, CorruptionError
from alicorn.index.checked_folder import FORMAT_VERSION, HEADER
from alicorn.index.checking import check_documents
from alicorn.index.quantizer_file import open_quantizers, write_quantizers
from alicorn.index.segment import Segment
from alicorn.index.segment_builder import build_segment
from alicorn.index.segment_file import open_segment, write_segment
from alicorn.quantization import KeyQuantizer


def kinds(codec: str) -> dict[str, KeyQuantizer]:
    rng = np.random.default_rng(0)
    if codec == "untrained":
        return {key: KeyQuantizer.untrained(dim) for key, dim in DIMS.items()}
    rows = {key: rng.normal(size=(400, dim)).astype(np.float32) for key, dim in DIMS.items()}
    rows = {key: row / np.linalg.norm(row, axis=1, keepdims=True) for key, row in rows.items()}
    return {key: KeyQuantizer.train(row, version=1, num_clusters=3, codec=codec) for key, row in rows.items()}


def segment(codec: str = "sq8", count: int = 40) -> Segment:
    rows = documents(np.random.default_rng(1), [f"d{i}" for i in range(count)])
    [checked] = check_documents(table(rows), DIMS, {})
    return build_segment([checked], kinds(codec))


def assert_equal_segments(one: Segment, other: Segment) -> None:
    for name in ("fields", "stored"):
        assert repr(getattr(one, name).to_pylist()) == repr(getattr(other, name).to_pylist())
    assert one.terms.terms.equals(other.terms.terms)
    pairs = [
        (getattr(one, name), getattr(other, name)) for name in vars(one) if isinstance(vars(one)[name], np.ndarray)
    ]
    assert len(pairs) == 7
    pairs += [(one.ids.hashes, other.ids.hashes), (one.ids.docs, other.ids.docs)]
    assert list(one.columns) == list(other.columns)
    assert list(one.embeddings) == list(other.embeddings)
    for name, column in one.columns.items():
        pairs += list(zip(vars(column).values(), vars(other.columns[name]).values(), strict=True))
    for key, block in one.embeddings.items():
        theirs = vars(other.embeddings[key])
        assert block.identity == theirs["identity"]
        pairs += [(a, theirs[name]) for name, a in vars(block).items() if isinstance(a, np.ndarray)]
    for mine, theirs in pairs:
        assert mine.dtype == theirs.dtype
        for flags in (mine.flags, theirs.flags):
            assert flags.writeable  # compiled kernels take no read-only arrays
            assert flags.c_contiguous
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("codec", ["untrained", "none", "sq8", "opq"])
def test_written_and_opened_it_is_the_same_segment(tmp_path: Path, codec: str) -> None:
    checksum = write_quantizers(kinds(codec), tmp_path / "q")
    opened = open_quantizers(tmp_path / "q", checksum)
    built = segment(codec)
    checksum = write_segment(built, tmp_path / "s")
    assert_equal_segments(built, open_segment(tmp_path / "s", checksum, opened))


def test_a_segment_of_one_document_without_anything(tmp_path: Path) -> None:
    [checked] = check_documents(pa.table({"doc_id": ["only"]}), DIMS, {})
    built = build_segment([checked], kinds("sq8"))
    checksum = write_segment(built, tmp_path / "s")
    opened = open_segment(tmp_path / "s", checksum, kinds("sq8"))
    assert_equal_segments(built, opened)
    assert opened.document(0) == {"doc_id": "only", "terms": [], "static_rank": 0.0}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Path, str]:
    folder = tmp_path_factory.mktemp("written")
    return (
        folder / "s",
        write_segment(segment(), folder / "s"),
        folder / "q",
        write_quantizers(kinds("sq8"), folder / "q"),
    )


def _open_all(written: tuple[Path, str, Path, str]) -> None:
    open_segment(written[0], written[1], open_quantizers(written[2], written[3]))


def test_a_flipped_byte_in_any_file_is_noticed(written) -> None:
    rng = np.random.default_rng(0)
    files = [*written[0].iterdir(), *written[2].iterdir()]
    assert len(files) > 40
    for file in files:
        whole = file.read_bytes()
        for offset in {0, len(whole) - 1, *rng.integers(len(whole), size=3).tolist()}:
            file.write_bytes(
                whole[:offset] + bytes([whole[offset] ^ (1 << int(rng.integers(8)))]) + whole[offset + 1 :]
            )
            with pytest.raises(CorruptionError, match=file.name):
                _open_all(written)
        file.write_bytes(whole)
    _open_all(written)


@pytest.mark.parametrize("left", [0.0, 0.5, -1])
def test_a_truncated_file_is_noticed(written, left: float) -> None:
    for file in [*written[0].iterdir(), *written[2].iterdir()]:
        whole = file.read_bytes()
        file.write_bytes(whole[: int(left) if left < 0 else int(len(whole) * left)])
        with pytest.raises(CorruptionError, match=file.name):
            _open_all(written)
        file.write_bytes(whole)
    _open_all(written)


def test_a_missing_file_is_noticed(written) -> None:
    for file in [*written[0].iterdir(), *written[2].iterdir()]:
        file.rename(file.with_suffix(".away"))
        with pytest.raises(CorruptionError, match="missing"):
            _open_all(written)
        file.with_suffix(".away").rename(file)


def test_swapped_files_are_noticed(written) -> None:
    one, other = written[0] / "id_order.npy", written[0] / "static_order.npy"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second), other.write_bytes(first)
    with pytest.raises(CorruptionError):
        _open_all(written)
    one.write_bytes(first), other.write_bytes(second)


def test_a_newer_format_asks_for_an_upgrade(tmp_path: Path) -> None:
    write_segment(segment(), tmp_path / "s")
    header = json.loads((tmp_path / "s" / HEADER).read_text())
    header["format_version"] = FORMAT_VERSION + 1
    newer = json.dumps(header).encode()
    (tmp_path / "s" / HEADER).write_bytes(newer)
    with pytest.raises(CollectionError, match=r"format 2.*up to 1.*upgrade alicorn") as caught:
        open_segment(tmp_path / "s", xxhash.xxh3_64_hexdigest(newer), kinds("sq8"))
    assert not isinstance(caught.value, CorruptionError)


def test_a_segment_of_other_quantizers_is_refused(written) -> None:
    with pytest.raises(CorruptionError, match="quantizer version 1"):
        open_segment(written[0], written[1], kinds("untrained"))
