"""Segments against a slow builder in plain Python."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from index_tables import DIMS, SCHEMA, documents, normalized, same, stored, table

from alicorn.index.segment.building.builder import build_segment
from alicorn.index.segment.building.documents import Documents
from alicorn.index.segment.numeric import numeric_column
from alicorn.index.segment.segment import Segment
from alicorn.index.writer.checks.documents import check_documents
from alicorn.quantization import KeyQuantizer, Settings


def quantizers(rng: np.random.Generator, codec: str = "sq8") -> dict[str, KeyQuantizer]:
    return {
        key: KeyQuantizer.train(_unit_rows(rng, 300, dim), 3, Settings(num_clusters=5, codec=codec))
        for key, dim in DIMS.items()
    }


def untrained() -> dict[str, KeyQuantizer]:
    return {key: KeyQuantizer.untrained(dim) for key, dim in DIMS.items()}


def _unit_rows(rng: np.random.Generator, count: int, dim: int) -> np.ndarray:
    rows = rng.normal(size=(count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def checked(rows: list[dict[str, Any]]) -> Documents:
    [piece] = check_documents(table(rows), DIMS, {})
    return piece


def check_against_oracle(segment: Segment, rows: list[dict[str, Any]], kinds: dict[str, KeyQuantizer]) -> None:
    """Everything a segment says, from the rows alone."""
    first = next((key for key in kinds if any(row[f"embedding:{key}"] for row in rows)), None)

    def cluster(row: dict[str, Any], key: str) -> int:
        return int(kinds[key].assign(normalized(row[f"embedding:{key}"])[None])[0])

    def place(row: dict[str, Any]) -> tuple[float, bytes]:
        has = first is not None and row[f"embedding:{first}"]
        return (cluster(row, first) if has else math.inf), row["doc_id"].encode()

    rows = sorted(rows, key=place)
    assert segment.num_docs == len(rows)
    assert segment.doc_ids.to_pylist() == [row["doc_id"] for row in rows]
    assert all(same(segment.document(i), stored(row)) for i, row in enumerate(rows))
    assert segment.numbers_of([row["doc_id"] for row in rows] + ["absent"]).tolist() == [*range(len(rows)), -1]
    by_id = sorted(range(len(rows)), key=lambda i: rows[i]["doc_id"].encode())
    assert segment.id_order.tolist() == [by_id.index(i) for i in range(len(rows))]
    by_rank = sorted(range(len(rows)), key=lambda i: (-rows[i]["static_rank"], rows[i]["doc_id"].encode()))
    assert segment.static_order.tolist() == [by_rank.index(i) for i in range(len(rows))]
    assert segment.static_rank.tolist() == [row["static_rank"] for row in rows]
    lists = [row["terms"] or [] for row in rows]
    assert segment.doc_lengths.tolist() == [sum(term.startswith("text:") for term in terms) for terms in lists]

    vocabulary = sorted({term for terms in lists for term in terms}, key=str.encode)
    assert segment.terms.terms.to_pylist() == vocabulary
    for number, term in enumerate(vocabulary):
        low, high = segment.posting_starts[number : number + 2]
        holders = [i for i, terms in enumerate(lists) if term in terms]
        assert segment.postings[low:high].tolist() == holders
        assert segment.frequencies[low:high].tolist() == [lists[i].count(term) for i in holders]
    assert segment.posting_starts[-1] == len(segment.postings)

    for name in ("static_rank", "price", "stock", "new", "time", "day"):
        _check_column(segment, name, [row[name] for row in rows])
    assert set(segment.columns) == {"static_rank", "price", "stock", "new", "time", "day"}
    assert list(segment.embeddings) == list(kinds)
    for key in kinds:
        _check_block(segment, key, rows, kinds[key], cluster, is_first=key == first)


def _check_column(segment: Segment, name: str, given: list[Any]) -> None:
    def number(value: Any) -> float | int:
        if isinstance(value, datetime):
            return round((value - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e3)  # the column is in ms
        return (value - date(1970, 1, 1)).days if isinstance(value, date) else value

    column = segment.columns[name]
    valid = [value is not None and value == value for value in given]
    assert column.valid.tolist() == valid
    assert [v for v, ok in zip(column.values.tolist(), valid, strict=True) if ok] == [
        number(v) for v, ok in zip(given, valid, strict=True) if ok
    ]
    pairs = sorted((number(value), i) for i, (value, ok) in enumerate(zip(given, valid, strict=True)) if ok)
    assert list(zip(column.sorted_values.tolist(), column.sorted_docs.tolist(), strict=True)) == pairs
    assert column.values.dtype == (np.float64 if name in ("static_rank", "price") else np.int64)


def _check_block(segment, key, rows, quantizer, cluster, *, is_first) -> None:
    block = segment.embeddings[key]
    members = [(cluster(row, key), i) for i, row in enumerate(rows) if row[f"embedding:{key}"]]
    members.sort()
    assert block.identity == is_first
    assert block.docs.tolist() == [i for _, i in members]
    if is_first:
        assert block.docs.tolist() == list(range(len(members)))
    clusters = [c for c, _ in members]
    assert block.starts.tolist() == [sum(c < k for c in clusters) for k in range(quantizer.num_clusters + 1)]
    rows_of = {i: row for row, (_, i) in enumerate(members)}
    assert block.rows_of.tolist() == [rows_of.get(i, -1) for i in range(len(rows))]
    vectors = [normalized(rows[i][f"embedding:{key}"]) for _, i in members]
    dim = quantizer.dim
    np.testing.assert_array_equal(block.vectors, np.array(vectors, dtype=np.float32).reshape(-1, dim))
    for row, vector in enumerate(vectors):
        centroid = quantizer.coarse.centroids[clusters[row]]
        assert block.min_cosines[clusters[row]] <= float(vector.astype(np.float64) @ centroid)
        codes = block.coded.codes[row : row + 1], block.coded.fine[row : row + 1]
        if not quantizer.codec.code_size:
            assert block.coded.errors[row] == 0
            continue
        for code, errors in ((codes[0], block.coded.errors), (np.hstack(codes), block.coded.fine_errors[:, 0])):
            error = np.linalg.norm(vector.astype(np.float64) - centroid - quantizer.codec.decode(code)[0])
            assert error <= errors[row] <= error * 1.01 + 1e-5
    for k in set(range(quantizer.num_clusters)) - set(clusters):
        assert block.min_cosines[k] == 1
    for k in set(clusters):
        cosines = [float(v @ quantizer.coarse.centroids[k]) for v, c in zip(vectors, clusters, strict=True) if c == k]
        assert block.min_cosines[k] >= min(cosines) - 1e-4


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("trained", ["untrained", "sq8", "none"])
def test_a_segment_says_what_its_rows_say(seed: int, trained: str) -> None:
    rng = np.random.default_rng(seed)
    rows = documents(rng, [f"d{i}" for i in rng.permutation(rng.integers(1, 60))])
    kinds = untrained() if trained == "untrained" else quantizers(rng, trained)
    check_against_oracle(build_segment([checked(rows)], kinds), rows, kinds)


@pytest.mark.parametrize("seed", range(4))
def test_a_merge_is_the_segment_of_the_live_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = quantizers(rng)
    parts, live = [], []
    for part in range(4):
        rows = documents(rng, [f"d{part}-{i}" for i in range(rng.integers(1, 30))])
        segment = build_segment([checked(rows)], kinds if part % 2 else untrained())
        deleted = rng.random(len(rows)) < 0.4
        gone = {segment.doc_ids[int(i)].as_py() for i in np.flatnonzero(deleted)}
        live += [row for row in rows if row["doc_id"] not in gone]
        parts.append(Documents.of_segment(segment, deleted))
    check_against_oracle(build_segment([part for part in parts if part.num_docs], kinds), live, kinds)


def test_when_no_document_has_the_first_key_the_second_orders_the_documents() -> None:
    rng = np.random.default_rng(1)
    kinds = quantizers(rng)
    rows = [{**row, "embedding:a": None} for row in documents(rng, [f"d{i}" for i in range(40)])]
    segment = build_segment([checked(rows)], kinds)
    assert segment.embeddings["b"].identity
    check_against_oracle(segment, rows, kinds)


def test_documents_without_any_embedding_or_term() -> None:
    rng = np.random.default_rng(1)
    rows = [{**row, "embedding:a": None, "embedding:b": None, "terms": None} for row in documents(rng, ["z", "y", "é"])]
    segment = build_segment([checked(rows)], untrained())
    check_against_oracle(segment, rows, untrained())
    assert len(segment.terms) == 0
    assert len(segment.postings) == 0


def test_a_term_of_three_hundred_occurrences_saturates() -> None:
    rng = np.random.default_rng(1)
    row = {**documents(rng, ["d"])[0], "terms": ["text:a"] * 300}
    segment = build_segment([checked([row])], untrained())
    assert segment.frequencies.tolist() == [255]
    assert segment.doc_lengths.tolist() == [300]


def test_times_keep_their_own_unit() -> None:
    column = numeric_column(pa.array([1999, -1, None], pa.timestamp("ns")))
    assert column is not None
    assert column.values[:2].tolist() == [1999, -1]
    assert column.valid.tolist() == [True, True, False]


def test_the_journal_table_gives_the_same_documents_back() -> None:
    rng = np.random.default_rng(2)
    given = checked(documents(rng, [f"d{i}" for i in range(30)]))
    again = Documents.from_table(given.to_table(), DIMS)
    assert again.terms.array.to_pylist() == given.terms.array.to_pylist()
    assert again.fields.equals(given.fields) or repr(again.fields.to_pylist()) == repr(given.fields.to_pylist())
    for key in DIMS:
        np.testing.assert_array_equal(again.vectors[key].docs, given.vectors[key].docs)
        np.testing.assert_array_equal(again.vectors[key].vectors, given.vectors[key].vectors)
    assert set(SCHEMA.names) - {"embedding:a", "embedding:b", "terms"} == set(again.fields.column_names)
