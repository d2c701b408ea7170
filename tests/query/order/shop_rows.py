"""A shop of random rows in several segments, with deletes: stored columns of all types, words, vectors, static rank."""

import datetime as dt
import math
import random
from decimal import Decimal

import pyarrow as pa

import alicorn

TYPES = {
    "price": pa.float32(),
    "stock": pa.int64(),
    "huge": pa.uint64(),
    "cost": pa.decimal128(10, 2),
    "wide": pa.decimal256(60, 4),
    "day": pa.date32(),
    "moment": pa.timestamp("ns", "UTC"),
    "clock": pa.time64("us"),
    "lasts": pa.duration("s"),
    "sold": pa.bool_(),
    "name": pa.string(),
    "nothing": pa.int8(),
}


def random_value(rng, kind):
    if rng.random() < 0.15:
        return None
    n = rng.randint(-6, 6)
    if pa.types.is_floating(kind):
        return rng.choice([float(n), -0.0, math.nan, math.inf, n / 3])
    if pa.types.is_boolean(kind):
        return n > 0
    if pa.types.is_string(kind):
        return rng.choice(["", "a", "ab", "b", "ä", "\U0001f40d", "\uffff", str(n)])
    if pa.types.is_decimal(kind):
        return Decimal(n) / 4
    if kind == pa.uint64():
        return 2**64 - 1 - abs(n)
    if pa.types.is_date(kind):
        return dt.date(2024, 1, 15) + dt.timedelta(days=n)
    if pa.types.is_timestamp(kind):
        return (1_700_000_000_000_000_000 + n) if n % 2 else 1_700_000_000_000_000_000
    if pa.types.is_time(kind):
        return dt.time(12, 10 + n)
    if pa.types.is_duration(kind):
        return dt.timedelta(seconds=n)
    return n


def random_rows(rng, ids):
    rows = []
    for doc_id in ids:
        row = {name: random_value(rng, kind) for name, kind in TYPES.items() if name != "nothing"}
        row |= {"doc_id": doc_id, "nothing": None, "static_rank": float(rng.randint(0, 3))}
        row["terms"] = [f"text:{word}" for word in "abcd" for _ in range(rng.choice([0, 0, 1, 2]))]
        row["v"] = None if rng.random() < 0.1 else [rng.choice([-1.0, 0.5, 1.0]) for _ in range(3)]
        rows.append(row)
    return rows


def table_of(rows, without=()):
    columns = {name: pa.array([row[name] for row in rows], kind) for name, kind in TYPES.items() if name not in without}
    columns["doc_id"] = pa.array([row["doc_id"] for row in rows])
    columns["static_rank"] = pa.array([row["static_rank"] for row in rows])
    columns["terms"] = pa.array([row["terms"] for row in rows], pa.list_(pa.string()))
    columns["embedding:v"] = pa.array([row["v"] for row in rows], pa.list_(pa.float32()))
    return pa.table(columns)


class Shop:
    def __init__(self, path, seed):
        self.rng = rng = random.Random(seed)
        self.rows = {}
        self.collection = alicorn.Collection.create(path, {"v": 3})
        self.upsert(random_rows(rng, [f"d{i}" for i in range(90)]))
        self.collection.flush()
        self.upsert(random_rows(rng, [f"d{i}" for i in range(70, 130)]))
        self.collection.flush()
        few = random_rows(rng, [f"e{i}" for i in range(5)])
        for row in few:  # a segment without two of the columns
            row["name"] = row["stock"] = None
        self.upsert(few, without=("name", "stock"))
        self.delete([f"d{i}" for i in range(0, 130, 11)])

    def upsert(self, rows, without=()):
        self.collection.upsert(table_of(rows, without))
        self.rows |= {row["doc_id"]: row for row in rows}

    def delete(self, ids):
        self.collection.delete(ids)
        for doc_id in ids:
            self.rows.pop(doc_id, None)
