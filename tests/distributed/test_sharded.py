"""What a ShardedCollection has beside search, and how a version is published."""

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from random_trees import random_tree
from sharded_world import NUM_SHARDS, World
from test_equal import check, random_request

from alicorn.distributed.protocol.manifest import read_manifest
from alicorn.distributed.protocol.messages import Answer, Message
from alicorn.distributed.protocol.routing import shard_of
from alicorn.distributed.publishing import publish_shards
from alicorn.distributed.router import ShardedCollection, reaching
from alicorn.distributed.router.transport import LocalShards, Lost, Transport
from alicorn.distributed.shard import agreeing
from alicorn.distributed.shard.shard import OpenShard
from alicorn.errors import CollectionError, ConfigError, CorruptionError, UnreachableError, VectorError
from alicorn.language import tree
from alicorn.quantization import Calibration
from alicorn.quantization.calibration import KS, RECALLS
from alicorn.query import Collection
from alicorn.query.nn import few
from alicorn.query.nn import recall as recall_module


def opened(local: Transport) -> list[OpenShard]:
    assert isinstance(local, LocalShards)
    return [shard for versions in local._shards if (shard := versions.newest.at((0, 0))) is not None]


CALIBRATION = Calibration(
    spread=0.8,
    slopes=np.full(len(KS), 0.5),
    bases=np.linspace(-0.9, 0.2, len(RECALLS)) * np.ones((len(KS), 1)),
    measured_on=50,
    growth=np.full(len(KS), 0.1),
)


def test_recall_follows_all_shards(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (recall_module, few, agreeing):
        monkeypatch.setattr(module, "FEW", 12)
    rng, looked = random.Random(4), 0
    quantizers = world.whole.snapshot().quantizers
    calibrated = {key: replace(one, calibration=CALIBRATION) for key, one in quantizers.items()}
    whole = replace(world.whole.snapshot(), quantizers=calibrated)
    local = world.sharded[4]._transport
    for shard in opened(local):
        monkeypatch.setattr(shard, "_own", replace(shard._own, quantizers=calibrated))
        monkeypatch.setattr(shard, "_knowing", {})
    for _ in range(60):
        root = tree.Nn("first", k=rng.randint(1, 12), recall=rng.choice([0.5, 0.9, 0.97]))
        if rng.random() < 0.5:
            root = replace(root, filter=random_tree(rng, world.words, 2))
        vectors = world.vectors(rng)
        wanted = world.whole.search(root, vectors, limit=50, snapshot=whole)
        assert world.sharded[4].search(root, vectors, limit=50).ids == wanted.ids, root
        looked += wanted.ids != world.whole.search(replace(root, recall=None), vectors, limit=50).ids
    assert looked > 5  # `:recall` left documents out


def test_pages_follow_one_another(world: World) -> None:
    rng = random.Random(6)
    vectors = world.vectors(rng)
    for order in ("static_rank", "bm25", "price desc", ["best", "year desc"], {"nn": 1.0, "bm25": 0.3}):
        expression = "(or text:john tag:3 (nn first :radius 0.6))"
        whole = world.whole.search(expression, vectors, limit=1000, order_by=order)
        for count in NUM_SHARDS:
            ids: list[str] = []
            after = None
            while len(ids) < whole.total:
                page = world.sharded[count].search(expression, vectors, 17, order, after=after)
                ids += page.ids
                after = page.cursor
            assert ids == whole.ids


def test_documents_of_hits_and_by_id(world: World) -> None:
    for count in NUM_SHARDS:
        sharded = world.sharded[count]
        found, wanted = (one.search("(or text:john tag:3)", limit=20) for one in (sharded, world.whole))
        assert found.table().equals(wanted.table())
        assert found.table(["price"]).equals(wanted.table(["price"]))
        assert found.document(3) == wanted.document(3)
        assert sharded.get("d5") == world.whole.get("d5")
        assert sharded.get("d0") is None  # deleted
        assert len(sharded) == len(world.whole)
        assert sharded.embeddings == world.whole.embeddings


def test_the_reason_of_a_document_is_that_of_one_collection(world: World) -> None:
    rng = random.Random(8)
    for _ in range(25):
        root, vectors = random_tree(rng, world.words, 4), world.vectors(rng)
        if any(
            isinstance(node, tree.Nn) and node.key == "second" and node.vector == "other" for node in tree.walk(root)
        ):
            continue
        doc_id = rng.choice(world.whole.search("(or text:john tag:3 tag:4)", limit=100).ids)
        wanted = world.whole.explain(root, doc_id, vectors)
        for count in (1, 4, 7):
            assert world.sharded[count].explain(root, doc_id, vectors) == wanted, root
    assert world.sharded[4].explain("tag:1", "nobody") is None


def test_terms_that_no_shard_has_are_named(world: World) -> None:
    for expression in ("tag:unknown", "john", "text:John", "text:jhn", "text:johnny"):
        wanted = world.whole.search(expression)
        assert ("near to it" in wanted.notices[0]) == (expression in ("text:jhn", "text:johnny"))
        assert all(world.sharded[count].search(expression).notices == wanted.notices for count in NUM_SHARDS)


def test_many_at_once(world: World) -> None:
    rng = random.Random(9)
    vectors = [world.vectors(rng)["first"] for _ in range(4)]
    asked = ["(nn first :k 3)", "tag:1", "(nn first :radius 0.4)", "(or)"]
    found, wanted = (one.search_many(asked, {"first": np.stack(vectors)}) for one in (world.sharded[4], world.whole))
    assert [one.ids for one in found] == [one.ids for one in wanted]
    with pytest.raises(VectorError):
        world.sharded[4].search_many(asked, {"first": np.stack(vectors[:3])})


def test_a_search_goes_on_in_a_shard_that_has_not_seen_its_rounds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = world.sharded[4]._transport

    class Forgetful(dict):
        def __setitem__(self, key: object, value: object) -> None:
            """Keeps nothing."""

    for shard in opened(local):
        monkeypatch.setattr(shard, "_searches", Forgetful())
    rng = random.Random(10)
    for _ in range(15):
        check(world, *random_request(rng, world), counts=(4,))


class Losing:
    """A transport that loses a shard."""

    def __init__(self, inner: Transport, lost: int) -> None:
        self.inner, self.lost = inner, lost

    def ask(self, asked: Mapping[int, Message], deadline: float | None) -> dict[int, Answer | Lost]:
        answers = self.inner.ask(asked, deadline)
        return {shard: Lost("it is away") if shard == self.lost else answer for shard, answer in answers.items()}

    def close(self) -> None:
        """The shards are the world's."""


def test_a_partial_answer_is_that_of_the_other_documents(world: World, tmp_path: Path) -> None:
    expression, order = "(or text:john tag:3 (fuzzy text:smith))", {"bm25": 1.0, "static_rank": 0.1}
    sharded = world.sharded[4]
    whole = sharded.search(expression, limit=50, order_by=order)
    part = ShardedCollection(sharded.folder, Losing(sharded._transport, 2))
    with pytest.raises(UnreachableError, match="shard 2: it is away"):
        part.search(expression, order_by=order)
    with reaching(partial_answer=True):
        found = part.search(expression, limit=50, order_by=order)
    world.whole.backup(tmp_path / "others")
    with Collection.open(tmp_path / "others") as others:
        others.delete([f"d{number}" for number in range(400) if shard_of(f"d{number}", 4) == 2])
        wanted = others.search(expression, limit=50, order_by=order)
        assert found.coverage.answered_documents == len(others) < len(sharded)
    assert (found.ids, found.scores.tolist(), found.total) == (wanted.ids, wanted.scores.tolist(), wanted.total)
    again = sharded.search(expression, limit=50, order_by=order)
    assert (again.ids, again.scores.tolist()) == (whole.ids, whole.scores.tolist())  # the part left nothing behind


def documents(words: list[str]) -> pa.Table:
    return pa.table({"doc_id": [f"d{at}" for at in range(len(words))], "terms": [[f"text:{word}"] for word in words]})


def test_fewer_documents_than_shards(tmp_path: Path) -> None:
    with Collection.create(tmp_path / "c") as whole:
        whole.upsert(documents(["a", "b"]))
        publish_shards(whole, tmp_path / "s", 7)
    with ShardedCollection.open(tmp_path / "s") as sharded:
        assert sharded.search("(or text:a text:b)", order_by="bm25").ids == ["d0", "d1"]
        assert sharded.search("(prefix text: :terms 1)").ids == ["d0"]
        assert sharded.search("(or)").ids == []


def fail(*_: object) -> None:
    raise OSError("disk full")


def test_a_version_becomes_current_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Collection.create(tmp_path / "c") as whole:
        whole.upsert(documents(["a", "b", "c"]))
        first = publish_shards(whole, tmp_path / "s", 2)
        reader = ShardedCollection.open(tmp_path / "s")
        whole.upsert(documents(["x"]))
        with monkeypatch.context() as patch:
            patch.setattr("alicorn.distributed.publishing.write_manifest", fail)
            with pytest.raises(OSError, match="disk full"):
                publish_shards(whole, tmp_path / "s", 2)
        assert read_manifest(tmp_path / "s") == first
        second = publish_shards(whole, tmp_path / "s", 3)
    assert second.version != first.version
    assert reader.search("text:a").ids == ["d0"]  # the version that it was opened with
    with ShardedCollection.open(tmp_path / "s") as sharded:
        assert sharded.search("text:a").ids == []
        assert sharded.search("text:x").ids == ["d0"]
    reader.close()


def test_the_last_versions_stay_and_older_ones_are_read_by_those_who_have_them_open(tmp_path: Path) -> None:
    with Collection.create(tmp_path / "c") as whole:
        whole.upsert(documents(["a", "b", "c"]))
        made = [publish_shards(whole, tmp_path / "s", 2).version]
        reader = ShardedCollection.open(tmp_path / "s")
        for word in ("p", "q", "r"):
            whole.upsert(documents([word]))
            made.append(publish_shards(whole, tmp_path / "s", 2).version)
        kept = {path.name for path in (tmp_path / "s" / "versions").iterdir()}
        assert kept == set(made[1:])
        assert reader.search("text:a").document(0)["terms"] == ["text:a"]  # its files have no names any more
        assert reader.refresh()
        assert reader.search("text:r").ids == ["d0"]
        reader.close()


def test_other_folders_and_numbers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with Collection.create(tmp_path / "c") as whole:
        with pytest.raises(ConfigError, match="from 1 to"):
            publish_shards(whole, tmp_path / "s", 0)
        with pytest.raises(CollectionError, match="something else"):
            publish_shards(whole, tmp_path / "other", 2)
    with pytest.raises(CollectionError, match="--shards"):
        ShardedCollection.open(tmp_path / "c")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "version.json").write_text("{}")
    with pytest.raises(CorruptionError):
        ShardedCollection.open(tmp_path / "broken")


def test_the_shard_of_a_document_is_the_same_for_ever() -> None:
    assert [shard_of(doc_id, 7) for doc_id in ("d0", "d1", "ü", "")] == [4, 0, 5, 4]
