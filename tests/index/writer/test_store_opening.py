"""Creating, opening and following a collection; one writer, and readers that ask."""

from __future__ import annotations

from pathlib import Path

import pytest
from index_tables import assert_holds, fill

from alicorn.errors import CollectionError, ConfigError
from alicorn.index import Store, verify
from alicorn.index.durability import archive
from alicorn.index.state import loading


def test_create_refuses_what_is_there_and_what_makes_no_sense(tmp_path: Path, store: Store) -> None:
    with pytest.raises(CollectionError, match="not empty"):
        Store.create(store.path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(CollectionError, match="file"):
        Store.create(tmp_path / "file")
    for embeddings, part in (({"a b": 3}, "a b"), ({"": 3}, "key"), ({"a": 0}, "1 to 65536"), ({"a": True}, "True")):
        with pytest.raises(ConfigError, match=part):
            Store.create(tmp_path / "new", embeddings=embeddings)
    assert not (tmp_path / "new").exists()


def test_an_interrupted_creation_can_be_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / "manifest.creating").write_bytes(b"half")
    with pytest.raises(CollectionError, match="no collection"):
        Store.open(folder)
    Store.create(folder).close()
    Store.open(folder).close()


@pytest.mark.parametrize("kind", ["segments", "quantizers"])
@pytest.mark.parametrize("found", [1, 3])
def test_files_of_an_older_format_are_read_and_of_a_newer_one_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch, kind: str, found: int
) -> None:
    fill(store, 3)
    if kind == "segments":
        store.train(num_clusters=1)
    with monkeypatch.context() as patch:
        patch.setattr(archive, "FORMAT_VERSION", found)
        store.flush() if kind == "segments" else store.train(num_clusters=1)
        fill(store, 3)
        store.flush()
        store.close()
    path = store.path
    if found == 1:
        verify(path)
        Store.open(path).close()
        return
    message = rf"{kind}/.*\.zip has format 3, and this alicorn reads formats up to 2: upgrade alicorn"
    for opened in (verify, Store.open, lambda folder: Store.open(folder, read_only=True)):
        with pytest.raises(CollectionError, match=message):
            opened(path)


def test_open_needs_a_collection(tmp_path: Path) -> None:
    with pytest.raises(CollectionError, match="not a folder"):
        Store.open(tmp_path / "none")
    with pytest.raises(CollectionError, match="no collection"):
        Store.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_is_refused_until_the_first_closes(store: Store) -> None:
    with pytest.raises(CollectionError, match=r"open for writing elsewhere \(process \d+\).*read_only=True"):
        Store.open(store.path)
    store.close()
    store.close()
    Store.open(store.path).close()


def test_a_closed_or_read_only_collection_refuses_to_write(store: Store) -> None:
    fill(store, 3)
    with Store.open(store.path, read_only=True) as reader:
        for write in (lambda: reader.delete(["d0"]), reader.flush, reader.merge, reader.train, lambda: fill(reader, 1)):
            with pytest.raises(CollectionError, match="read_only=True"):
                write()
    store.close()
    with pytest.raises(CollectionError, match="closed"):
        store.flush()
    assert len(store) == 3


def test_a_reader_follows_the_writer_when_it_asks(store: Store) -> None:
    model = fill(store, 10)
    with Store.open(store.path, read_only=True) as reader:
        assert_holds(reader, model)
        assert reader.refresh() is False
        steps = (
            lambda: fill(store, 4, seed=2),
            lambda: store.flush() or {},
            lambda: fill(store, 4, seed=3, prefix="e"),
            lambda: store.merge() or {},
            lambda: store.train(num_clusters=2) or {},
            lambda: store.delete(["d9"]) and {},
            lambda: fill(store, 2, seed=4),
            lambda: store.set_metadata({"model": "m9"}) or {},
        )
        for step in steps:
            before = reader.snapshot()
            more = step()
            assert reader.snapshot() is before
            assert_holds(reader, model)
            assert reader.refresh() is True
            model |= more
            if store.get("d9") is None:
                model.pop("d9", None)
            assert_holds(reader, model)
            assert_holds(store, model)
        assert reader.metadata == {"model": "m9"}


def test_a_reader_that_finds_files_replaced_reads_again(store: Store, monkeypatch) -> None:
    model = fill(store, 10)
    store.flush()
    with Store.open(store.path, read_only=True) as reader:
        model |= fill(store, 10, prefix="e")
        store.flush()
        real = loading.open_segment
        raced = []

        def racing(folder, checksum, quantizers):
            if not raced:
                raced.append(True)
                store.merge()  # removes the folder that the reader is about to open
            return real(folder, checksum, quantizers)

        monkeypatch.setattr(loading, "open_segment", racing)
        reader.refresh()
        assert raced
        assert_holds(reader, model)
