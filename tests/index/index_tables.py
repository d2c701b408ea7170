"""Small seeded tables of documents, and the plain Python documents they hold. Shared by the tests of index/."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from alicorn.index import Store

DIMS = {"a": 8, "b": 4}
SCHEMA = pa.schema(
    [
        ("doc_id", pa.string()),
        ("terms", pa.list_(pa.string())),
        ("embedding:a", pa.list_(pa.float32())),
        ("embedding:b", pa.list_(pa.float64())),
        ("static_rank", pa.float64()),
        ("name", pa.string()),
        ("price", pa.float64()),
        ("stock", pa.int32()),
        ("new", pa.bool_()),
        ("time", pa.timestamp("ms", "UTC")),
        ("day", pa.date32()),
        ("friends", pa.list_(pa.string())),
    ]
)


def abandon(store: Store) -> None:
    """Release the lock, and close nothing: as after a kill."""
    found = store._release.detach()
    assert found is not None
    found[2][-1].release()


def unit(rng: np.random.Generator, dim: int) -> list[float]:
    """A vector near one of a few directions, as a list of floats that float32 holds exactly."""
    centre = np.eye(dim)[rng.integers(dim)]
    vector = (centre + 0.3 * rng.normal(size=dim)).astype(np.float32)
    return [float(x) for x in vector]


def document(rng: np.random.Generator, doc_id: str) -> dict[str, Any]:
    """One document as a row of SCHEMA; many values are null, many tie."""

    def maybe(value: Any) -> Any:
        return value if rng.random() < 0.8 else None

    return {
        "doc_id": doc_id,
        "terms": maybe([f"{rng.choice(['text', 'tag'])}:w{rng.integers(8)}" for _ in range(rng.integers(6))]),
        "embedding:a": maybe(unit(rng, DIMS["a"])),
        "embedding:b": maybe(unit(rng, DIMS["b"])),
        "static_rank": float(rng.integers(3)),
        "name": maybe(f"név {rng.integers(100)}"),
        "price": maybe(float(rng.choice([0.5, 1.5, np.nan, np.inf]))),
        "stock": maybe(int(rng.integers(-3, 3))),
        "new": maybe(bool(rng.integers(2))),
        "time": maybe(datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=int(rng.integers(-1000, 1000)))),
        "day": maybe(date(1969, 12, 30) + timedelta(days=int(rng.integers(5)))),
        "friends": maybe([f"d{i}" for i in rng.integers(20, size=2)]),
    }


def documents(rng: np.random.Generator, doc_ids: list[str]) -> list[dict[str, Any]]:
    return [document(rng, doc_id) for doc_id in doc_ids]


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def stored(row: dict[str, Any]) -> dict[str, Any]:
    """What `get` gives for an upserted row."""
    kept = {name: value for name, value in row.items() if not name.startswith("embedding:")}
    return {**kept, "terms": row["terms"] or []}


def same(one: dict[str, Any] | None, other: dict[str, Any] | None) -> bool:
    """Equality in which NaN equals NaN."""

    def comparable(row: dict[str, Any]) -> dict[str, Any]:
        return {name: "NaN" if value != value else value for name, value in row.items()}

    return one == other if one is None or other is None else comparable(one) == comparable(other)


def normalized(vector: list[float]) -> np.ndarray:
    exact = np.array(vector, dtype=np.float64)
    return (exact / np.sqrt((exact**2).sum())).astype(np.float32)


def assert_holds(store: Store, model: dict[str, dict[str, Any]]) -> None:
    """The store holds exactly these documents: fields, terms, vectors, and one live copy of each."""
    snapshot = store.snapshot()
    assert len(store) == snapshot.num_docs == len(model)
    live: dict[str, int] = {}
    for view in snapshot.segments:
        segment = view.segment
        assert view.num_live == segment.num_docs - (0 if view.deleted is None else view.deleted.sum())
        for number, doc_id in enumerate(segment.doc_ids.to_pylist()):
            if view.deleted is not None and view.deleted[number]:
                continue
            live[doc_id] = live.get(doc_id, 0) + 1
            row = model[doc_id]
            shown = {name: value for name, value in segment.document(number).items() if value is not None}
            assert same(shown, {name: value for name, value in stored(row).items() if value is not None})
            for key in DIMS:
                block = segment.embeddings[key]
                assert block.quantizer is snapshot.quantizers[key] or block.quantizer.version == 0
                at = block.rows_of[number]
                if row[f"embedding:{key}"] is None:
                    assert at == -1
                else:
                    np.testing.assert_array_equal(block.vectors[at], normalized(row[f"embedding:{key}"]))
    assert live == dict.fromkeys(model, 1)


def fill(store: Store, count: int, seed: int = 0, prefix: str = "d") -> dict[str, dict[str, Any]]:
    rows = documents(np.random.default_rng(seed), [f"{prefix}{i}" for i in range(count)])
    store.upsert(table(rows))
    return {row["doc_id"]: row for row in rows}
