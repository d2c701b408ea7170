"""Ids without a row of their own: sums of hashed rows, and deep hash embeddings."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from towers_toy import documents, requests, toy_model

from alicorn.errors import ConfigError
from alicorn.towers import Model
from alicorn.towers.tables.dhe import DeepHash
from alicorn.towers.tables.hashed import HashedTable, UniversalHashes
from alicorn.towers.tables.table import EmbeddingTable

DHE = {"kind": "dhe", "dim": 4, "hashes": 16, "width": 8, "layers": 2}
HASHED = {"kind": "hashed", "dim": 4, "buckets": 7, "hashes": 2}


def bags(sizes: list[int], largest: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    indices = rng.integers(1, largest, sum(sizes)).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    return tuple(torch.from_numpy(x) for x in (indices, offsets, rng.random(sum(sizes), dtype=np.float32)))  # type: ignore[return-value]


def padded(indices: torch.Tensor, offsets: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    ends = [*offsets[1:].tolist(), len(indices)]
    longest = max(end - start for start, end in zip(offsets.tolist(), ends, strict=True))
    ids, shares = torch.zeros(len(offsets), longest, dtype=torch.int64), torch.zeros(len(offsets), longest)
    for row, (start, end) in enumerate(zip(offsets.tolist(), ends, strict=True)):
        ids[row, : end - start] = indices[start:end]
        shares[row, : end - start] = weights[start:end]
    return ids, shares


def test_universal_hashes_are_the_formula_and_share_little() -> None:
    hashes = UniversalHashes(50, 1000)
    ids = torch.tensor([1, 2, 2**31 - 2])
    found = hashes(ids)
    for column, (a, b) in enumerate(zip(hashes.a.tolist(), hashes.b.tolist(), strict=True)):
        assert found[:, column].tolist() == [(a * s + b) % (2**31 - 1) % 1000 for s in ids.tolist()]
    many = hashes(torch.arange(1, 2001))
    assert len(torch.unique(many, dim=0)) == 2000, "no two ids have all hashes alike"
    counts = np.bincount(many.numpy().ravel(), minlength=1000)
    assert 50 < counts.min() <= counts.max() < 200, "and all values are used about alike"
    assert torch.equal(UniversalHashes(50, 1000).a, hashes.a), "the same functions in every model"


@pytest.mark.parametrize(
    "make", [lambda: EmbeddingTable(99, 4), lambda: HashedTable(7, 4, 3), lambda: DeepHash(4, 16, 8, 2)]
)
def test_padded_bags_are_the_same_bags(make) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    table = make().eval()
    given = bags([3, 0, 1, 5], 99)
    with torch.no_grad():
        torch.testing.assert_close(table.padded(*padded(*given)), table(*given))


def test_a_hashed_id_is_the_sum_of_its_rows_and_tells_ids_of_one_row_apart() -> None:
    torch.manual_seed(0)
    table = HashedTable(5, 4, 2)
    ids = torch.arange(1, 12, dtype=torch.int32)
    starts, ones = torch.arange(11, dtype=torch.int32), torch.ones(11)
    with torch.no_grad():
        found = table(ids, starts, ones)
        rows = table.hashes(ids) + 1
        torch.testing.assert_close(found, table.table.weight[rows].sum(dim=1))
    sets = {tuple(sorted(row)) for row in rows.tolist()}
    assert len(sets) > 5, "more ids than rows are told apart"


def test_a_deep_hash_learns_ids_by_heart_with_less_than_a_table() -> None:
    torch.manual_seed(0)
    table = DeepHash(1, hashes=64, width=24, layers=2)
    assert sum(weight.numel() for weight in table.parameters()) < 3000
    ids = torch.arange(1, 301, dtype=torch.int32)
    starts, ones = torch.arange(300, dtype=torch.int32), torch.ones(300)
    labels = torch.randint(0, 2, (300,)).float()
    optimizer = torch.optim.Adam(table.parameters(), lr=0.01)
    for _ in range(150):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(table(ids, starts, ones)[:, 0], labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    table.eval()
    with torch.no_grad():
        right = (table(ids, starts, ones)[:, 0] > 0) == (labels > 0)
    assert float(right.float().mean()) > 0.9


def test_in_use_a_vector_does_not_depend_on_the_batch() -> None:
    torch.manual_seed(0)
    table = DeepHash(4, 16, 8, 2)
    given = bags([2, 2, 2], 1000)
    table(*given)  # moves what batch norm remembers
    table.eval()
    with torch.no_grad():
        all_of_them = table(*given)
        torch.testing.assert_close(table(given[0][:2], given[1][:1], given[2][:2]), all_of_them[:1])
        assert table(given[0][:0], given[1][:0], given[2][:0]).shape == (0, 4)
        torch.testing.assert_close(
            table(given[0][:0], torch.zeros(2, dtype=torch.int32), given[2][:0]), torch.zeros(2, 4)
        )
    table.train()
    assert torch.isfinite(table(given[0][:1], given[1][:1], given[2][:1])).all(), "one id is a batch too"


@pytest.mark.parametrize("place", [DHE, HASHED])
def test_towers_read_them_as_any_table_and_come_back_from_disk(place, tmp_path) -> None:  # type: ignore[no-untyped-def]
    towers = {"tables": {"place": {**place, "features": ["request.city"]}, "text": {"buckets": 500, "dim": 8}}}
    model = toy_model(towers)
    vectors = model.encode_documents(documents())
    saved = model.save(tmp_path)
    loaded = Model.load(tmp_path)
    np.testing.assert_allclose(loaded.encode_documents(documents()), vectors, atol=1e-6)
    assert loaded.fingerprint == saved.fingerprint
    unseen = pa.table(
        {**{name: requests()[name] for name in ("query", "social")}, "city": ["Nowhere", None, None, "Else"]}
    )
    found = model.encode_requests(unseen)
    assert np.abs(found[2] - found[3]).max() > 1e-4, "an id never seen has a vector of its own"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"kind": "dhe", "dim": 4, "buckets": 9}, "unknown key 'buckets'"),
        ({"kind": "hashed", "dim": 4, "buckets": 9, "hashes": 1}, "hashes"),
        ({"kind": "tree", "dim": 4}, "tree"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(table, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises((ConfigError, ValueError), match=words):
        toy_model({"tables": {"place": table}})
