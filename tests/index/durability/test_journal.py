"""The manifest notices damage of itself, and refuses what is newer. Of index/durability/journal.py and verify.py."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from index_tables import DIMS, documents, table

from alicorn.errors import CollectionError, CorruptionError
from alicorn.index import Store, verify
from alicorn.index.durability import failpoints, journal
from alicorn.index.durability.mark import MARK
from alicorn.index.durability.seal import SEAL, page_digests, write_seal
from alicorn.index.durability.sqlite_file import MANIFEST


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
    assert {file.name for file in (tmp_path / "c").iterdir() if "manifest" in file.name} == {MANIFEST, SEAL, MARK}
    return tmp_path / "c"


def test_verify_counts_what_it_read(path: Path) -> None:
    found = verify(path)
    apart = ("writer.lock", f"{MANIFEST}-shm", f"{MANIFEST}-wal")  # the latter empty, for verify to read
    files = [file for file in path.rglob("*") if file.is_file() and file.name not in apart]
    assert found.num_files == len(files)
    assert found.num_bytes == sum(file.stat().st_size for file in files)
    assert found.operations == 2


def test_verify_names_every_damaged_file(path: Path) -> None:
    files = [*(path / "segments").iterdir(), *(path / "quantizers").iterdir()]
    assert len(files) == 3
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
        file = next((path / "segments").iterdir())
        file.write_bytes(file.read_bytes()[:-1])
        with pytest.raises(CorruptionError, match=file.name):
            store.verify()


def test_a_collection_that_is_not_closed_keeps_its_log(path: Path) -> None:
    """Closed by SQLite alone, as the garbage collector or the end of a program would, the log would have no seal."""
    script = f"""
import gc, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import numpy as np
from index_tables import abandon, documents, table
from alicorn.index import Store
store = Store.open({str(path)!r})
store.upsert(table(documents(np.random.default_rng(1), ["late"])))
abandon(store)
del store
gc.collect()
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    assert (path / f"{MANIFEST}-wal").stat().st_size
    with Store.open(path) as again:
        assert again.get("late")
    assert not (path / f"{MANIFEST}-wal").exists()


def test_a_long_log_is_copied_and_sealed_while_a_reader_holds_it(path: Path, monkeypatch) -> None:
    monkeypatch.setattr(journal, "CHECKPOINT_BYTES", 100_000)
    rng = np.random.default_rng(2)
    with Store.open(path) as store, Store.open(path, read_only=True) as reader:
        for batch in range(30):
            if batch == 10:
                reader._journal._database.execute("BEGIN")
                reader._journal.read_state()
            if batch == 20:
                reader._journal._database.execute("COMMIT")
            store.upsert(table(documents(rng, [f"{batch}-{i}" for i in range(20)])))
            verify(path)
            shutil.copytree(path, path.with_name(f"copy{batch}"))
        expected = contents(store)
        assert (path / f"{MANIFEST}-wal").stat().st_size < 1_000_000
    for batch in range(30):
        with Store.open(path.with_name(f"copy{batch}")) as copy:
            assert len(copy) >= 20 * batch
    with Store.open(path) as again:
        assert contents(again) == expected


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
def test_a_changed_row_is_noticed_although_the_seal_fits(path: Path, statement: str, part: str) -> None:
    change(path, statement)
    with pytest.raises(CorruptionError, match=part):
        Store.open(path)


def test_a_newer_manifest_asks_for_an_upgrade(path: Path) -> None:
    change(path, "PRAGMA user_version = 9")
    for read_only in (False, True):
        with pytest.raises(CollectionError, match=r"format 9.*upgrade alicorn"):
            Store.open(path, read_only=read_only)


def test_a_file_that_is_no_database_is_noticed(path: Path) -> None:
    (path / MANIFEST).write_bytes(b"not a database, but as long as one of some pages, 50" * 4096)
    with pytest.raises(CorruptionError, match="do not match manifest"):
        Store.open(path)
    write_seal(path / MANIFEST, page_digests((path / MANIFEST).read_bytes()))
    with pytest.raises(CorruptionError, match="not a database"):
        Store.open(path)


def change(path: Path, statement: str) -> None:
    """Change the manifest as an SQLite tool would, and seal it."""
    database = sqlite3.connect(path / MANIFEST)
    database.execute(statement)
    database.commit()
    database.close()
    write_seal(path / MANIFEST, page_digests((path / MANIFEST).read_bytes()))


@pytest.mark.parametrize("step", ["before commit", "after commit"])
@pytest.mark.parametrize("what", ["operation", "swap", "metadata"])
def test_ctrl_c_at_any_moment_leaves_memory_as_the_manifest_is(path: Path, monkeypatch, step: str, what: str) -> None:
    """A notebook goes on after an interrupt: what was committed must be in the next segment."""
    rng = np.random.default_rng(3)

    def interrupt(name: str) -> None:
        if name == f"{step} {what}":
            raise KeyboardInterrupt

    with Store.open(path) as store:
        store.upsert(table(documents(rng, ["a", "b"])))
        expected = contents(store)
        with monkeypatch.context() as patch:
            patch.setattr(failpoints, "armed", interrupt)
            writes = {
                "operation": lambda: store.upsert(table(documents(rng, ["c"]))),
                "swap": store.merge,
                "metadata": lambda: store.set_metadata({"x": 1}),
            }
            with pytest.raises(KeyboardInterrupt):
                writes[what]()
        store.upsert(table(documents(rng, ["d"])))
        store.flush()
        found = contents(store)
        assert expected.items() <= found.items()
        assert found.keys() - expected.keys() == (
            {"c", "d"} if (step, what) == ("after commit", "operation") else {"d"}
        )
        assert store.metadata == ({"x": 1} if (step, what) == ("after commit", "metadata") else {"model": "m1"})
        files = {file.stem for file in (path / "segments").iterdir()}
        assert files == {view.segment.name for view in store.snapshot().segments}
    with Store.open(path) as again:
        assert contents(again) == found
