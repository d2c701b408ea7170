"""The manifest notices damage of itself, and refuses what is newer. Of index/journal.py and verify.py."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from index_tables import DIMS, documents, table

from alicorn.errors import AlicornError, CollectionError, CorruptionError
from alicorn.index import Store, verify
from alicorn.index.journal import MANIFEST
from alicorn.index.seal import SEAL


def contents(store: Store) -> dict[str, str]:
    found = {}
    for view in store.snapshot().segments:
        for number, row in enumerate(view.segment.stored.to_pylist()):
            if view.deleted is None or not view.deleted[number]:
                found[row["doc_id"]] = repr(row)
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed collection with segments, tombstones, quantizers, metadata and a journal."""
    rng = np.random.default_rng(0)
    with Store.create(tmp_path / "c", embeddings=DIMS, metadata={"model": "m1"}) as store:
        store.upsert(table(documents(rng, [f"d{i}" for i in range(60)])))
        store.train(num_clusters=3)
        store.upsert(table(documents(rng, [f"d{i}" for i in range(50, 55)])))
        store.flush()
        store.upsert(table(documents(rng, [f"d{i}" for i in range(20, 25)])))
        store.delete(["d1", "d2"])
    assert {file.name for file in (tmp_path / "c").iterdir() if "manifest" in file.name} == {MANIFEST, SEAL}
    return tmp_path / "c"


def test_verify_counts_what_it_read(path: Path) -> None:
    found = verify(path)
    apart = ("writer.lock", "manifest.xxh3", "manifest.sqlite-shm", "manifest.sqlite-wal")
    files = [file for file in path.rglob("*") if file.is_file() and file.name not in apart]
    assert found.num_files == len(files)
    assert found.num_bytes == sum(file.stat().st_size for file in files)
    assert found.operations == 2


def test_verify_names_every_damaged_file(path: Path) -> None:
    files = sorted((path / "segments").rglob("*.npy"))[:2] + sorted((path / "quantizers").rglob("*.npy"))[:1]
    for file in files:
        whole = bytearray(file.read_bytes())
        whole[len(whole) // 2] ^= 1
        file.write_bytes(whole)
    with pytest.raises(CorruptionError) as caught:
        verify(path)
    assert all(str(file) in str(caught.value) for file in files)
    with pytest.raises(CorruptionError):
        Store.open(path)


def test_verify_of_an_open_collection_notices_damage_that_came_later(path: Path) -> None:
    with Store.open(path) as store:
        store.verify()
        file = next((path / "segments").rglob("postings.npy"))
        file.write_bytes(file.read_bytes()[:-1])
        with pytest.raises(CorruptionError, match=r"postings\.npy"):
            store.verify()


def flipped(whole: bytes, offset: int, rng: np.random.Generator) -> bytes:
    damaged = bytearray(whole)
    damaged[offset] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def test_any_flipped_byte_of_a_closed_manifest_is_noticed(path: Path) -> None:
    rng = np.random.default_rng(0)
    for file in (path / MANIFEST, path / SEAL):
        whole = file.read_bytes()
        for offset in {0, len(whole) - 1, *rng.integers(len(whole), size=30).tolist()}:
            file.write_bytes(flipped(whole, offset, rng))
            for read_only in (False, True):
                with pytest.raises(CorruptionError, match="manifest"):
                    Store.open(path, read_only=read_only)
            with pytest.raises(CorruptionError, match="manifest"):
                verify(path)
        file.write_bytes(whole)
    Store.open(path).close()


def test_after_a_crash_a_flipped_byte_of_the_manifest_is_noticed_or_harmless(path: Path) -> None:
    """Without the seal free space may change unnoticed; documents, settings and the journal may not."""
    (path / SEAL).unlink()
    manifest = path / MANIFEST
    whole = manifest.read_bytes()
    with Store.open(path, read_only=True) as store:
        expected = contents(store), store.metadata, store.embeddings
    rng = np.random.default_rng(0)
    errors = []
    for offset in [*range(0, 100, 7), *rng.integers(len(whole), size=100).tolist()]:
        manifest.write_bytes(flipped(whole, offset, rng))
        try:
            verify(path)
            with Store.open(path, read_only=True) as store:
                assert (contents(store), store.metadata, store.embeddings) == expected
        except AlicornError as error:
            errors.append(str(error))
        for extra in path.glob("manifest.sqlite-*"):
            extra.unlink()
    assert len(errors) > 10
    assert all(str(manifest) in error for error in errors)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_manifest_is_noticed(path: Path, share: float) -> None:
    whole = (path / MANIFEST).read_bytes()
    (path / MANIFEST).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CorruptionError, match="manifest"):
        Store.open(path)


@pytest.mark.parametrize(
    ("statement", "part"),
    [
        ("DELETE FROM journal WHERE sequence = (SELECT max(sequence) FROM journal)", "missing from the journal"),
        ("DELETE FROM journal WHERE sequence = (SELECT min(sequence) FROM journal)", "missing from the journal"),
        ("DELETE FROM segments WHERE rowid = (SELECT max(rowid) FROM segments)", "lists the segments"),
        ("UPDATE segments SET tombstones = x'00000000'", "has changed"),
        ("UPDATE journal SET kind = 'delete'", "has changed"),
        ("UPDATE journal SET body = zeroblob(10)", "has changed"),
        ("UPDATE settings SET value = x'7b7d' WHERE name = 'metadata'", "'metadata' has changed"),
        ("DELETE FROM settings WHERE name = 'columns'", "'columns' is missing"),
        ("DROP TABLE journal", "no such table"),
        ("PRAGMA application_id = 7", "application_id"),
    ],
)
def test_a_changed_row_is_noticed(path: Path, statement: str, part: str) -> None:
    (path / SEAL).unlink()
    database = sqlite3.connect(path / MANIFEST)
    database.execute(statement)
    database.commit()
    database.close()
    with pytest.raises(CorruptionError, match=part):
        Store.open(path)


def test_a_newer_manifest_asks_for_an_upgrade(path: Path) -> None:
    database = sqlite3.connect(path / MANIFEST)
    database.execute("PRAGMA user_version = 9")
    (path / SEAL).unlink()
    database.close()
    for read_only in (False, True):
        with pytest.raises(CollectionError, match=r"format 9.*upgrade alicorn"):
            Store.open(path, read_only=read_only)


def test_a_file_that_is_no_database_is_noticed(path: Path) -> None:
    (path / SEAL).unlink()
    (path / MANIFEST).write_bytes(b"not a database, but long enough to be read as one" * 100)
    with pytest.raises(CorruptionError, match="not a database"):
        Store.open(path)
