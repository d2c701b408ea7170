"""A folder of training examples takes its place when it is whole; a failure leaves the place as it was."""

from pathlib import Path

import pyarrow as pa
import pytest
from pairs_toy import write_folder

from alicorn.errors import ConfigError
from alicorn.pairs import PairsFolder, new_folder

DOCUMENTS = {"documents": pa.table({"doc_id": ["d1"]})}


class InterruptedRunError(Exception):
    pass


def interrupted(folder: Path, *, overwrite: bool = True) -> None:
    with new_folder(folder, overwrite) as writer:
        writer.write("documents", pa.table({"doc_id": ["d2"]}))
        raise InterruptedRunError


def test_an_interrupted_writer_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError):
        interrupted(tmp_path / "pairs")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_replaced_as_a_whole_and_only_when_asked(tmp_path: Path) -> None:
    write_folder(tmp_path / "pairs", DOCUMENTS, data="first")
    with pytest.raises(ConfigError, match="exists and is not empty"):
        interrupted(tmp_path / "pairs", overwrite=False)
    with pytest.raises(InterruptedRunError):
        interrupted(tmp_path / "pairs")
    assert PairsFolder(tmp_path / "pairs").manifest.data_fingerprint == "first"
    manifest = PairsFolder(tmp_path / "pairs").manifest
    with new_folder(tmp_path / "pairs", overwrite=True) as writer:
        for name in ("pairs", "impressions", "non_clicks", "searches", "popularity"):
            writer.write(name, PairsFolder(tmp_path / "pairs").read(name))
        writer.write("documents", pa.table({"doc_id": ["d2"]}))
        writer.finish(manifest.model_copy(update={"data_fingerprint": "second"}))
    found = PairsFolder(tmp_path / "pairs")
    assert found.manifest.data_fingerprint == "second"
    assert found.read("documents")["doc_id"].to_pylist() == ["d2"]
    assert [path.name for path in tmp_path.iterdir()] == ["pairs"]


def test_parts_are_one_table_in_the_types_of_the_schema(tmp_path: Path) -> None:
    parts = [
        pa.table({"clicks": pa.array([n], pa.int16()), "doc_id": pa.array([f"d{n}"], kind)})
        for n, kind in enumerate([pa.large_string(), pa.string_view()])
    ]
    with new_folder(tmp_path / "pairs") as writer:
        assert writer.write("popularity", parts) == 2
        for name in ("pairs", "impressions", "non_clicks", "searches", "documents"):
            writer.write(name, PairsFolder(write_folder(tmp_path / f"other-{name}", {})).read(name))
        writer.finish(PairsFolder(tmp_path / "other-pairs").manifest)
    found = PairsFolder(tmp_path / "pairs").read("popularity")
    assert found.to_pydict() == {"doc_id": ["d0", "d1"], "clicks": [0, 1]}
    assert found.schema.types == [pa.string(), pa.int64()]
