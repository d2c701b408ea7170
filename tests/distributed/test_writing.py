"""Shards that are written answer as the one collection with the same writes: upserts, updates, deletes, refusals."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from random_documents import random_documents, table_of
from random_trees import vocabulary
from sharded_world import DIMS, OverAWire, World
from test_equal import check, random_request

from alicorn.distributed.protocol.manifest import read_manifest
from alicorn.distributed.protocol.messages import AskStatus, Lead, Status
from alicorn.distributed.publishing import publish_shards
from alicorn.distributed.router.sharded import ShardedCollection
from alicorn.distributed.router.transport import LocalShards
from alicorn.distributed.shard.versions import ShardVersions, Writable
from alicorn.errors import AlicornError, CollectionError, TableError, UnreachableError
from alicorn.index.writer import maintenance
from alicorn.query import Collection

COUNTS = (1, 2, 4)


def written_shards(folder: Path, data: Path, count: int) -> LocalShards:
    """Shards in this process, each led by its one copy."""
    shards = [ShardVersions(folder, number, Writable(data / str(number))) for number in range(count)]
    version = read_manifest(folder).version
    for shard in shards:
        if not status(shard, version).leads:
            assert isinstance(shard.answer(Lead(version, 1)), Status)
    return LocalShards(shards)


def look_again(shards: LocalShards) -> None:
    """At the folder, as a process that takes writes does each second."""
    for shard in shards._shards:
        shard.refresh()


def status(shard: ShardVersions, version: str) -> Status:
    found = shard.answer(AskStatus(version))
    assert isinstance(found, Status)
    return found


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder, rng = tmp_path_factory.mktemp("written"), random.Random(21)
    whole = Collection.create(folder / "whole", DIMS, positions=["text"])
    whole.upsert(table_of(random_documents(rng, 200, DIMS)))
    whole.train(num_clusters=7, codec="sq8")
    sharded = {}
    for count in COUNTS:
        publish_shards(whole, folder / str(count), count)
        local = written_shards(folder / str(count), folder / f"data-{count}", count)
        sharded[count] = ShardedCollection(folder / str(count), OverAWire(local) if count == 2 else local)
    words = vocabulary(DIMS)
    words = replace(words, vectors=words.vectors | {"first": (None, "other")}, recalls=(0.5, 0.9))
    world = World(whole, sharded, words)
    yield world
    world.close()


def write_everywhere(world: World, rng: random.Random) -> None:
    """One random write, to the collection and to all shards: their answers are alike."""
    collections = [world.whole, *world.sharded.values()]
    kind = rng.random()
    ids = [f"d{rng.randrange(260)}" for _ in range(rng.randint(1, 12))]
    if kind < 0.5:
        table = table_of(random_documents(rng, rng.randint(1, 15), DIMS, first=rng.randrange(250)))
        left_out = ids if kind < 0.2 else []
        answers = [one.apply(table, left_out) for one in collections]
    elif kind < 0.75:
        changed = list(dict.fromkeys(ids))
        table = pa.table({"doc_id": changed, "static_rank": [rng.choice([0.0, 1.5, 7.0]) for _ in changed]})
        given = {"static_rank": [rng.random() < 0.7 for _ in changed]}
        answers = [one.update(table, given) for one in collections]
    else:
        answers = [one.delete(ids) for one in collections]
    assert answers == [answers[0]] * len(answers)


def test_random_writes_and_trees(written: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "FLUSH_OPERATIONS", 7)  # so that shards flush, each when it likes
    rng = random.Random(22)
    answered = 0
    for _ in range(30):
        write_everywhere(written, rng)
        for _ in range(3):
            answered += check(written, *random_request(rng, written), counts=COUNTS)
    assert answered > 60
    assert all(len(one) == len(written.whole) for one in written.sharded.values())
    for doc_id in ("d3", "d77", "d255"):
        assert all(one.get(doc_id) == written.whole.get(doc_id) for one in written.sharded.values())


def test_a_snapshot_stays_as_it_was(written: World) -> None:
    sharded = written.sharded[4]
    before = sharded.snapshot()
    found = sharded.search("tag:3", limit=500)
    sharded.delete(found.ids[:5])
    assert sharded.search("tag:3", limit=500, snapshot=before).ids == found.ids
    assert sharded.search("tag:3", limit=500).ids == found.ids[5:]
    assert len(found.table()) == len(found.ids)  # hits of the moment before are read as they were
    written.sharded[1].delete(found.ids[:5])
    written.sharded[2].delete(found.ids[:5])
    written.whole.delete(found.ids[:5])


def test_a_refused_write_leaves_no_part(written: World) -> None:
    """It is refused with the row of the whole table, and no shard has written."""
    held = written.whole.search("(or tag:1 tag:2 tag:3)", limit=6).ids
    incomplete = pa.table({"doc_id": ["new-1", *held, "new-2"]})
    wrong = pa.table({"doc_id": ["new-1", "new-2"], "embedding:first": [[1.0] * 8, [0.0] * 8]})
    for table in (incomplete, wrong, pa.table({"doc_id": ["new-1", ""]})):
        with pytest.raises(AlicornError) as whole:
            written.whole.upsert(table)
        for one in written.sharded.values():
            with pytest.raises(type(whole.value)) as sharded:
                one.upsert(table)
            assert str(sharded.value).split(":")[0] == str(whole.value).split(":")[0]
            assert getattr(sharded.value, "row", None) == getattr(whole.value, "row", None)
            assert one.get("new-1") is None


def test_what_shards_refuse(written: World) -> None:
    for one in written.sharded.values():
        with pytest.raises(TableError, match="'colour' of type string would be new"):
            one.upsert(pa.table({"doc_id": ["d1"], "colour": ["red"]}))
        with pytest.raises(CollectionError, match="embedding keys"):
            one.add_key("third", 4)
        with pytest.raises(CollectionError, match="metadata"):
            one.set_metadata({})


def one_shard(folder: Path) -> tuple[Path, Path]:
    with Collection.create(folder / "whole") as whole:
        whole.upsert(pa.table({"doc_id": ["a", "b"], "terms": [["tag:1"], ["tag:1"]]}))
        publish_shards(whole, folder / "sharded", 1)
    return folder / "sharded", folder / "data"


def test_writes_are_there_after_a_restart_and_to_other_routers(tmp_path: Path) -> None:
    folder, data = one_shard(tmp_path)
    local = written_shards(folder, data, 1)
    with ShardedCollection(folder, local) as first:
        second = ShardedCollection(folder, local)
        first.upsert(pa.table({"doc_id": ["c"], "terms": [["tag:1"]]}))
        assert first.search("tag:1").ids == ["a", "b", "c"]
        assert second.search("tag:1").ids == ["a", "b"]
        assert second.refresh()
        assert second.search("tag:1").ids == ["a", "b", "c"]
    with ShardedCollection(folder, written_shards(folder, data, 1)) as opened:
        assert opened.search("tag:1").ids == ["a", "b", "c"]
        assert len(opened) == 3


def test_another_version_is_refused_while_there_are_writes_that_it_has_not(tmp_path: Path) -> None:
    folder, data = one_shard(tmp_path)
    local = written_shards(folder, data, 1)
    with ShardedCollection(folder, local) as sharded:
        with Collection.open(tmp_path / "whole") as whole:
            whole.upsert(pa.table({"doc_id": ["z"], "terms": [["tag:1"]]}))
            publish_shards(whole, folder, 1)
            look_again(local)
            assert sharded.refresh()  # nothing was written yet
            assert sharded.search("tag:1").ids == ["a", "b", "z"]
            sharded.delete(["a"])
            whole.delete(["z"])
            publish_shards(whole, folder, 1)
        look_again(local)
        assert not sharded.refresh()
        assert sharded.search("tag:1").ids == ["b", "z"]
        sharded.delete(["b"])
        assert sharded.search("tag:1").ids == ["z"]


def test_a_version_that_cannot_be_opened_stops_no_write(tmp_path: Path) -> None:
    folder, data = one_shard(tmp_path)
    with ShardedCollection(folder, written_shards(folder, data, 1)) as sharded:
        with Collection.open(tmp_path / "whole") as whole:
            whole.upsert(pa.table({"doc_id": ["z"], "terms": [["tag:1"]]}))
            manifest = publish_shards(whole, folder, 1)
        (folder / "versions" / manifest.version / "shard-0" / "manifest.sqlite").unlink()
        assert not sharded.refresh()
        sharded.delete(["a"])
        assert sharded.search("tag:1").ids == ["b"]


def test_a_shard_that_is_only_read_refuses(tmp_path: Path) -> None:
    folder, _ = one_shard(tmp_path)
    with ShardedCollection.open(folder) as sharded:
        assert sharded.read_only
        with pytest.raises(CollectionError, match="start its processes with --data"):
            sharded.delete(["a"])


def test_no_copy_leads(tmp_path: Path) -> None:
    folder, data = one_shard(tmp_path)
    local = LocalShards([ShardVersions(folder, 0, Writable(data))])
    with ShardedCollection(folder, local) as sharded:
        assert not sharded.read_only
        with pytest.raises(UnreachableError, match="no copy of it leads"):
            sharded.delete(["a"])
        assert sharded.search("tag:1").ids == ["a", "b"]
