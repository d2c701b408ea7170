"""A segment on disk equals the one in memory."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from index_tables import DIMS, documents, table

from alicorn.errors import CorruptionError
from alicorn.index.durability.archive import ArchiveWriter
from alicorn.index.segment.building.builder import build_segment
from alicorn.index.segment.building.documents import Documents
from alicorn.index.segment.files.quantizer_file import open_quantizers, write_quantizers
from alicorn.index.segment.files.segment_file import open_segment, write_segment
from alicorn.index.segment.segment import Segment
from alicorn.index.writer.checks.documents import check_documents
from alicorn.quantization import KeyQuantizer, Settings


def kinds(codec: str) -> dict[str, KeyQuantizer]:
    rng = np.random.default_rng(0)
    if codec == "untrained":
        return {key: KeyQuantizer.untrained(dim) for key, dim in DIMS.items()}
    rows = {key: rng.normal(size=(400, dim)).astype(np.float32) for key, dim in DIMS.items()}
    rows = {key: row / np.linalg.norm(row, axis=1, keepdims=True) for key, row in rows.items()}
    return {key: KeyQuantizer.train(row, 1, Settings(num_clusters=3, codec=codec)) for key, row in rows.items()}


def checked(count: int = 40) -> list[Documents]:
    return check_documents(table(documents(np.random.default_rng(1), [f"d{i}" for i in range(count)])), DIMS, {})


def assert_equal_segments(one: Segment, other: Segment) -> None:
    for name in ("fields", "stored"):
        assert repr(getattr(one, name).to_pylist()) == repr(getattr(other, name).to_pylist())
    assert one.terms.terms.equals(other.terms.terms)
    pairs = [
        (getattr(one, name), getattr(other, name)) for name in vars(one) if isinstance(vars(one)[name], np.ndarray)
    ]
    assert len(pairs) == 8
    pairs += [(one.frequent.numbers, other.frequent.numbers), (one.frequent.words, other.frequent.words)]
    pairs += [(one.ids.hashes, other.ids.hashes), (one.ids.docs, other.ids.docs)]
    assert list(one.columns) == list(other.columns)
    assert list(one.embeddings) == list(other.embeddings)
    for name, column in one.columns.items():
        pairs += list(zip(vars(column).values(), vars(other.columns[name]).values(), strict=True))
    for key, block in one.embeddings.items():
        theirs = vars(other.embeddings[key])
        assert block.identity == theirs["identity"]
        pairs += [(a, theirs[name]) for name, a in vars(block).items() if isinstance(a, np.ndarray)]
        pairs += zip(block.coded.arrays(), theirs["coded"].arrays(), strict=True)
    for mine, theirs in pairs:
        assert mine.dtype == theirs.dtype
        for flags in (mine.flags, theirs.flags):
            assert flags.writeable  # compiled kernels take no read-only arrays
            assert flags.c_contiguous
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("codec", ["untrained", "none", "sq8", "opq"])
def test_written_and_opened_it_is_the_same_segment(tmp_path: Path, codec: str) -> None:
    checksum = write_quantizers(kinds(codec), tmp_path / "q.zip")
    opened = open_quantizers(tmp_path / "q.zip", checksum)
    checksum = write_segment(checked(), kinds(codec), tmp_path / "s.zip")
    built = build_segment(checked(), kinds(codec))
    assert_equal_segments(built, open_segment(tmp_path / "s.zip", checksum, opened))


def test_a_segment_of_one_document_without_anything(tmp_path: Path) -> None:
    only = check_documents(pa.table({"doc_id": ["only"]}), DIMS, {})
    checksum = write_segment(only, kinds("sq8"), tmp_path / "s.zip")
    opened = open_segment(tmp_path / "s.zip", checksum, kinds("sq8"))
    assert_equal_segments(build_segment(only, kinds("sq8")), opened)
    assert opened.document(0) == {"doc_id": "only", "terms": [], "static_rank": 0.0}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Path, str]:
    folder = tmp_path_factory.mktemp("written")
    return (
        folder / "s.zip",
        write_segment(checked(), kinds("sq8"), folder / "s.zip"),
        folder / "q.zip",
        write_quantizers(kinds("sq8"), folder / "q.zip"),
    )


def test_a_segment_of_other_quantizers_is_refused(written) -> None:
    with pytest.raises(CorruptionError, match="quantizer version 1"):
        open_segment(written[0], written[1], kinds("untrained"))


def plain(count: int, **columns: list) -> list[Documents]:
    """Documents with a tag and both embeddings, and whatever columns are given."""
    vectors = np.random.default_rng(4).normal(size=(count, sum(DIMS.values()))).astype(np.float32)
    rows = pa.table(
        {
            "doc_id": [f"d{i:04}" for i in range(count)],
            "terms": [[f"tag:{i % 7}"] for i in range(count)],
            "embedding:a": vectors[:, : DIMS["a"]].tolist(),
            "embedding:b": vectors[:, DIMS["a"] :].tolist(),
            **columns,
        }
    )
    return check_documents(rows, DIMS, {})


def members(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_impacts_and_bitmaps_are_made_where_a_file_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = ArchiveWriter.array
    derived = ("impacts", "frequent")
    monkeypatch.setattr(ArchiveWriter, "array", lambda *args: None if args[1] in derived else write(*args))
    checksum = write_segment(plain(300), kinds("sq8"), tmp_path / "0.zip")
    assert not members(tmp_path / "0.zip") & {f"{name}.npy" for name in derived}
    opened = open_segment(tmp_path / "0.zip", checksum, kinds("sq8"))
    assert_equal_segments(build_segment(plain(300), kinds("sq8")), opened)


def test_what_follows_from_the_number_of_documents_is_not_stored(tmp_path: Path) -> None:
    implied = {f"{name}.npy" for name in ("static_rank", "static_order", "doc_lengths", "frequencies")}
    without, ranked = plain(300), plain(300, static_rank=[float(i % 3) for i in range(300)])
    for number, given in enumerate((without, ranked)):
        path = tmp_path / f"{number}.zip"
        checksum = write_segment(given, kinds("sq8"), path)
        assert_equal_segments(build_segment(given, kinds("sq8")), open_segment(path, checksum, kinds("sq8")))
    assert not members(tmp_path / "0.zip") & (implied | {"embedding-0-docs.npy", "embedding-0-rows_of.npy"})
    assert members(tmp_path / "1.zip") & implied == {"static_rank.npy", "static_order.npy"}
    assert (tmp_path / "0.zip").stat().st_size < (tmp_path / "1.zip").stat().st_size - 300 * 12
