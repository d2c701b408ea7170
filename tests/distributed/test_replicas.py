"""Copies of a shard: what one that follows has, what is confirmed, who may lead."""

import random
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from alicorn.distributed.protocol.codec import to_stream
from alicorn.distributed.protocol.messages import (
    AskLog,
    AskWrite,
    Diverged,
    Fence,
    Lead,
    LogPart,
    NotHere,
    Status,
    Unconfirmed,
    Written,
)
from alicorn.distributed.shard.epochs import Epochs
from alicorn.distributed.shard.written import WrittenShard
from alicorn.errors import CorruptionError
from alicorn.index.writer import maintenance
from alicorn.query import Collection

VERSION = "v"


def table(*ids: str) -> pa.Table:
    return pa.table({"doc_id": list(ids), "terms": [["tag:1"] for _ in ids]})


class Copies:
    """Copies of one shard, whose log is asked for by hand."""

    def __init__(self, folder: Path, count: int, copies: int) -> None:
        self.folder, self.copies = folder, copies
        with Collection.create(folder / "whole") as whole:
            whole.upsert(table("a", "b"))
            whole.split([folder / "published"], lambda ids: np.zeros(len(ids), dtype=np.int64))
        self.shards = [self.opened(at) for at in range(count)]

    def opened(self, at: int) -> WrittenShard:
        own = self.folder / str(at)
        if not own.exists():
            shutil.copytree(self.folder / "published", own)
        return WrittenShard(
            Collection.open(own, as_shard=True), VERSION, Epochs(self.folder / f"{at}.json"), self.copies
        )

    def restart(self, at: int) -> None:
        self.shards[at].collection.close()
        self.shards[at] = self.opened(at)

    def follow(self, at: int, leader: int) -> object:
        """One message to the copy that leads, and what it gives."""
        one = self.shards[at]
        answer = self.shards[leader].answer(AskLog(VERSION, one.epochs.highest, f"copy {at}", one.last, 0.0))
        if isinstance(answer, LogPart):
            one.follow(answer)
        return answer

    def write(self, at: int, *ids: str, epoch: int = 1) -> object:
        return self.shards[at].answer(AskWrite(VERSION, epoch, to_stream(table(*ids)), None, [], {}, False))

    def ids(self, at: int) -> list[str]:
        return self.shards[at].collection.search("tag:1", limit=100).ids


def test_a_copy_that_follows_has_every_write_and_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "FLUSH_OPERATIONS", 3)
    copies, rng = Copies(tmp_path, 2, 1), random.Random(1)
    first, second = copies.shards
    assert first.answer(Lead(VERSION, 1)) == Status((1, 1), 2, (1, 1), 1, True)
    moments = []
    for number in range(20):
        written = copies.write(0, *{f"d{rng.randrange(8)}", f"e{number}"})
        assert isinstance(written, Written)
        first.answer(AskWrite(VERSION, 1, None, None, ["a", f"d{rng.randrange(8)}"], {}, False))
        moments.append(first.last)
        if number % 4 == 3:
            copies.follow(1, 0)
            if number == 11:
                copies.restart(1)
                second = copies.shards[1]
            assert second.last == first.last
            assert copies.ids(1) == copies.ids(0)
    for moment in moments[12:]:
        ours, theirs = first.at(moment), second.at(moment)
        assert ours is not None
        assert theirs is not None
        assert ours.snapshot.num_docs == theirs.snapshot.num_docs
    assert second.at((1, 1_000)) is None


def test_a_write_is_acknowledged_when_the_copies_have_it(tmp_path: Path) -> None:
    copies = Copies(tmp_path, 3, 2)
    copies.shards[0].answer(Lead(VERSION, 1))
    refused = copies.write(0, "c")
    assert isinstance(refused, Unconfirmed)
    assert not refused.is_written
    assert copies.ids(0) == ["a", "b"]
    for _ in range(2):
        copies.follow(1, 0)
        copies.follow(2, 0)
    answers: list[object] = []
    writing = threading.Thread(target=lambda: answers.append(copies.write(0, "c")))
    writing.start()
    while copies.shards[0].last != (1, 2):
        time.sleep(0.01)
    copies.follow(1, 0)
    copies.follow(1, 0)  # it asks after the write: it is on its disk
    assert copies.shards[0].status().confirmed == (1, 1)
    assert not answers
    copies.follow(2, 0)
    copies.follow(2, 0)
    writing.join(5.0)
    assert isinstance(answers[0], Written)
    assert copies.shards[0].status().confirmed == (1, 2)
    copies.follow(2, 0)
    assert copies.shards[2].status().confirmed == (1, 2)


def test_an_older_epoch_is_over(tmp_path: Path) -> None:
    """Copy 1 leads after copy 0, which has a write that nobody else has: it is thrown away when copy 0 comes back."""
    copies = Copies(tmp_path, 2, 1)
    copies.shards[0].answer(Lead(VERSION, 1))
    copies.write(0, "c")
    copies.follow(1, 0)
    copies.write(0, "lost")
    fenced = copies.shards[1].answer(Fence(VERSION, 2))
    assert isinstance(fenced, Status)
    assert fenced.last == (1, 2)
    assert not fenced.leads
    part = copies.shards[0].answer(AskLog(VERSION, 1, "copy 1", (1, 2), 0.0))
    assert isinstance(part, LogPart)
    assert not copies.shards[1].follow(part)
    assert isinstance(copies.shards[1].answer(Lead(VERSION, 2)), Status)
    assert isinstance(copies.write(1, "d", epoch=2), Written)
    copies.restart(0)
    assert copies.shards[0].epochs.leads  # it has not heard yet
    assert isinstance(copies.write(0, "e", epoch=2), NotHere)  # a router has
    assert isinstance(copies.write(0, "e", epoch=1), NotHere)
    assert copies.shards[0].at((2, 3)) is None  # its own third operation is another
    assert isinstance(copies.follow(0, 1), Diverged)
    assert isinstance(copies.shards[1].answer(Lead(VERSION, 1)), NotHere)
    assert copies.ids(1) == ["a", "b", "c", "d"]


def test_a_damaged_record_of_epochs_is_named(tmp_path: Path) -> None:
    (tmp_path / "epochs.json").write_text("{")
    with pytest.raises(CorruptionError, match="no record of epochs"):
        Epochs(tmp_path / "epochs.json")
