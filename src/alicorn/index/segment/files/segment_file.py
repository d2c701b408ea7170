"""The file of a segment: its byte layout, how it is written and opened.

The container (header.json, checksums, .npy, .arrow) is that of archive.py, with magic "alicorn segment". Its members,
where n = documents, t = terms, p = postings, o = occurrences of terms, r = rows of an embedding, c = its clusters:

    fields.arrow          doc_id string, static_rank double (left out if it is 0 everywhere), then the stored columns;
                          row = document number
    terms.arrow           term string, t rows, ascending by UTF-8 bytes
    term_codes            uint16, or int32 for more than 65,536 terms (o,)      term numbers of document 0 as upserted,
                          then of document 1, ...
    term_starts           int32 (n+1,)   document d has term_codes[term_starts[d]:term_starts[d+1]]
    posting_starts        int64 (t+1,)   term i has postings[posting_starts[i]:posting_starts[i+1]]
    postings              uint32 (p,)    document numbers, ascending within a term
    frequencies           uint8 (p,)     occurrences of the term in the document, 255 for 255 and more [1]
    static_rank           float64 (n,)   [0]
    id_order              uint32 (n,)    rank of the doc_id by UTF-8 bytes
    static_order          uint32 (n,)    rank by static_rank descending, then doc_id [id_order]
    doc_lengths           uint32 (n,)    number of `text:` terms with repetition [0]
    impacts               uint64 (ceil(p/128),)   a bound of BM25 for each 128 postings (impacts.py)
    frequent              uint64 (f, ceil(n/64))  bitmaps of the f terms with more than n/32 postings, in their order
    id_hashes             uint32 (n,)    xxh32 of the doc_ids, ascending
    id_docs               uint32 (n,)    document number of each hash
    positions-<i>-blocks  int64          i: place in content.positions of the header; PositionLists says what they are
    positions-<i>-numbers uint8, uint16 or uint32                  the positions of each posting of the prefix
    column-<i>-values     float64, int64 or uint64 (n,)   i: place in content.columns of the header [0.0]; what the
                                                    values are: NumericColumn
    column-<i>-valid      bool (n,)      [true]
    column-<i>-sorted_values, -sorted_docs          as values, uint32: the valid ones by (value, document number)
                                                    [0.0; 0, 1, 2 ...]
    embedding-<i>-vectors float32 or float16 (r, dim), or (r, 0) if only codes and fine are stored;
                                                    i: place in content.embeddings of the header; rows by cluster
    embedding-<i>-codes   uint8 (r, scan_size)      codes of the residuals by the key's quantizer, or of the vectors
                                                    (int8): what a scan reads
    embedding-<i>-fine    uint8 (r, code_size - scan_size)    second part of the codes, read if the first is not enough
    embedding-<i>-errors  float32 (r,)              |stored vector - decoded codes|, rounded up
    embedding-<i>-fine_errors float32 (r, 1 or 0)   |stored vector - decoded codes and fine|, rounded up
    embedding-<i>-starts  int64 (c+1,)              cluster k has the rows starts[k] to starts[k+1]
    embedding-<i>-docs    uint32 (r,)               document number of each row [0, 1, 2 ...]
    embedding-<i>-rows_of int32 (n,)                row of each document, -1 for none [0, 1, 2 ...]
    embedding-<i>-min_cosines float32 (c,)          no member of the cluster has a smaller cosine to its centroid

Everything without an ending is a .npy member. A member whose values are all as given in brackets is left out;
impacts and frequent are computed again if they are missing.
header.json's content:
    num_docs    n
    columns     list of {name, num_valid}: the numeric columns
    embeddings  list of {key, dim, quantizer_version, identity, num_rows}; identity: docs is 0, 1, 2 ...; a key that was
                added to the collection later is missing
    positions   list of prefixes of terms; may be missing
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from alicorn.errors import CorruptionError
from alicorn.index.durability.archive import ArchiveReader, ArchiveWriter
from alicorn.index.segment.building.builder import build_segment
from alicorn.index.segment.building.documents import Documents
from alicorn.index.segment.numeric import numeric_columns
from alicorn.index.segment.parts.doc_ids import IdIndex
from alicorn.index.segment.parts.frequent import FrequentTerms, frequent_numbers
from alicorn.index.segment.parts.impacts import impacts_of
from alicorn.index.segment.parts.implied import (
    Implied,
    all_valid,
    in_order,
    in_order_signed,
    no_lengths,
    no_ranks,
    once,
)
from alicorn.index.segment.parts.positions import PositionLists
from alicorn.index.segment.parts.terms import TermDictionary, TermLists
from alicorn.index.segment.segment import EmbeddingBlock, NumericColumn, Segment
from alicorn.quantization import Codes, KeyQuantizer
from alicorn.tables import one_chunk

MAGIC = "alicorn segment"
_OWN_TYPES = 2
"""The first archive format whose NumericColumn has the column's own type; earlier, times were in microseconds."""
_ARRAYS: dict[str, Implied | None] = {
    "posting_starts": None,
    "postings": None,
    "frequencies": once,
    "static_rank": no_ranks,
    "doc_lengths": no_lengths,
    "id_order": None,
}
_COLUMN_ARRAYS: dict[str, Implied] = {
    "values": no_ranks,
    "valid": all_valid,
    "sorted_values": no_ranks,
    "sorted_docs": in_order,
}
_EMBEDDING_ARRAYS: dict[str, Implied | None] = {
    "starts": None,
    "docs": in_order,
    "rows_of": in_order_signed,
    "min_cosines": None,
}
_CODE_ARRAYS = tuple(field.name for field in fields(Codes))


def segment_path(collection: Path, name: str) -> Path:
    return collection / "segments" / f"{name}.zip"


def write_segment(
    sources: Sequence[Documents],
    quantizers: Mapping[str, KeyQuantizer],
    path: Path,
    go_on: Callable[[], None] = lambda: None,
) -> str:
    """Build a segment in a new file, durably -> the checksum for the manifest.

    The vectors pass through memory in blocks. go_on: called before each block; it may raise.
    """
    with ArchiveWriter(path, MAGIC) as writer:

        def keep(key: str, shape: tuple[int, int], blocks: Iterator[np.ndarray]) -> np.ndarray:
            return writer.rows(f"embedding-{list(quantizers).index(key)}-vectors", shape, _watched(blocks, go_on))

        return _write(build_segment(sources, quantizers, keep), writer)


def _watched(blocks: Iterator[np.ndarray], go_on: Callable[[], None]) -> Iterator[np.ndarray]:
    for block in blocks:
        go_on()
        yield block


def _write(segment: Segment, writer: ArchiveWriter) -> str:
    """Write all members but the vectors, which are written already."""

    def write(name: str, array: np.ndarray, implied: Implied | None = None) -> None:
        if implied is None or not _is(array, implied(len(array))):
            writer.array(name, array)

    has_ranks = not _is(segment.static_rank, no_ranks(segment.num_docs))
    writer.table("fields", segment.fields if has_ranks else segment.fields.drop_columns("static_rank"))
    writer.table("terms", pa.table({"term": segment.terms.terms}))
    writer.array("term_codes", segment.term_lists.narrowed())
    writer.array("term_starts", segment.term_lists.starts)
    writer.array("id_hashes", segment.ids.hashes)
    writer.array("id_docs", segment.ids.docs)
    writer.array("impacts", segment.impacts)
    writer.array("frequent", segment.frequent.words)
    for name, implied in _ARRAYS.items():
        write(name, getattr(segment, name), implied)
    if not _is(segment.static_order, segment.id_order):
        writer.array("static_order", segment.static_order)
    columns, embeddings = [], []
    for i, (column_name, column) in enumerate(segment.columns.items()):
        for name, one in _COLUMN_ARRAYS.items():
            write(f"column-{i}-{name}", getattr(column, name), one)
        columns.append({"name": column_name, "num_valid": len(column.sorted_docs)})
    for i, (key, block) in enumerate(segment.embeddings.items()):
        for name, implied in _EMBEDDING_ARRAYS.items():
            write(f"embedding-{i}-{name}", getattr(block, name), implied)
        for name in _CODE_ARRAYS:
            writer.array(f"embedding-{i}-{name}", getattr(block.coded, name))
        described = {"key": key, "dim": block.quantizer.dim, "quantizer_version": block.quantizer.version}
        embeddings.append(described | {"identity": block.identity, "num_rows": len(block.docs)})
    for i, lists in enumerate(segment.positions.values()):
        writer.array(f"positions-{i}-blocks", lists.blocks)
        writer.array(f"positions-{i}-numbers", lists.numbers)
    content = {"num_docs": segment.num_docs, "columns": columns, "embeddings": embeddings}
    return writer.finish(content | ({"positions": list(segment.positions)} if segment.positions else {}))


def _is(array: np.ndarray, implied: np.ndarray) -> bool:
    return array.dtype == implied.dtype and np.array_equal(array, implied)


def open_segment(path: Path, checksum: str, quantizers: Mapping[str, KeyQuantizer]) -> Segment:
    """Map a segment and verify every byte. Raises CorruptionError, or CollectionError for a newer format."""
    reader = ArchiveReader(path, MAGIC, checksum)
    read = _Arrays(reader, set(reader.names()))
    terms = one_chunk(reader.table("terms").column("term"))
    dictionary = TermDictionary(terms)
    arrays = _segment_arrays(reader, read)
    stored = reader.table("fields")
    if "static_rank" not in stored.column_names:
        stored = stored.add_column(1, "static_rank", pa.array(arrays["static_rank"]))
    return Segment(
        fields=stored,
        term_lists=TermLists(terms, reader.array("term_codes"), reader.array("term_starts")),
        terms=dictionary,
        static_order=read("static_order", lambda _: arrays["id_order"]),
        ids=IdIndex(reader.array("id_hashes"), reader.array("id_docs"), one_chunk(stored.column("doc_id"))),
        impacts=_impacts(read, arrays),
        frequent=_frequent(read, arrays),
        columns=numeric_columns(stored) if reader.format_version < _OWN_TYPES else _columns(reader, read),
        embeddings={
            entry["key"]: _embedding(reader, read, i, _quantizer_of(path, entry, quantizers))
            for i, entry in enumerate(reader.content["embeddings"])
        },
        positions={
            prefix: _positions(reader, i, dictionary, prefix, arrays["posting_starts"])
            for i, prefix in enumerate(reader.content.get("positions", ()))
        },
        name=path.stem,
        checksum=checksum,
        **arrays,
    )


@dataclass(frozen=True)
class _Arrays:
    """Reads an array of the file, or rebuilds one that was left out."""

    reader: ArchiveReader
    written: set[str]

    def __call__(self, name: str, implied: Implied | None = None, count: int = 0) -> np.ndarray:
        return self.reader.array(name) if implied is None or f"{name}.npy" in self.written else implied(count)


def _segment_arrays(reader: ArchiveReader, read: _Arrays) -> dict[str, np.ndarray]:
    num_docs, postings = reader.content["num_docs"], read("postings")
    counts = {"frequencies": len(postings)}
    others = {name: implied for name, implied in _ARRAYS.items() if name != "postings"}
    return {"postings": postings} | {name: read(name, one, counts.get(name, num_docs)) for name, one in others.items()}


def _impacts(read: _Arrays, arrays: dict[str, np.ndarray]) -> np.ndarray:
    of = (arrays[name] for name in ("postings", "frequencies", "doc_lengths", "id_order"))
    return read("impacts", lambda _: impacts_of(*of))


def _frequent(read: _Arrays, arrays: dict[str, np.ndarray]) -> FrequentTerms:
    posting_starts, num_docs = arrays["posting_starts"], len(arrays["id_order"])
    if "frequent.npy" not in read.written:
        return FrequentTerms.of(posting_starts, arrays["postings"], num_docs)
    return FrequentTerms(frequent_numbers(posting_starts, num_docs), read("frequent"))


def _positions(
    reader: ArchiveReader, i: int, dictionary: TermDictionary, prefix: str, posting_starts: np.ndarray
) -> PositionLists:
    low, _ = dictionary.prefix(f"{prefix}:")
    numbers = reader.array(f"positions-{i}-numbers")
    return PositionLists(int(posting_starts[low]), reader.array(f"positions-{i}-blocks"), numbers)


def _columns(reader: ArchiveReader, read: _Arrays) -> dict[str, NumericColumn]:
    num_docs = reader.content["num_docs"]
    columns = {}
    for i, entry in enumerate(reader.content["columns"]):
        parts = {
            part: read(f"column-{i}-{part}", implied, entry["num_valid"] if "sorted" in part else num_docs)
            for part, implied in _COLUMN_ARRAYS.items()
        }
        columns[entry["name"]] = NumericColumn(**parts)
    return columns


def _quantizer_of(path: Path, entry: Mapping[str, Any], quantizers: Mapping[str, KeyQuantizer]) -> KeyQuantizer:
    quantizer = quantizers.get(entry["key"])
    if quantizer is None or (quantizer.version, quantizer.dim) != (entry["quantizer_version"], entry["dim"]):
        raise CorruptionError(
            f"{path}: embedding '{entry['key']}' was written with quantizer version {entry['quantizer_version']} "
            f"and the collection has {'none' if quantizer is None else quantizer.version}: restore it from a backup"
        )
    return quantizer


def _embedding(reader: ArchiveReader, read: _Arrays, i: int, quantizer: KeyQuantizer) -> EmbeddingBlock:
    entry, num_docs = reader.content["embeddings"][i], reader.content["num_docs"]
    arrays = {
        name: read(f"embedding-{i}-{name}", implied, num_docs if name == "rows_of" else entry["num_rows"])
        for name, implied in _EMBEDDING_ARRAYS.items()
    }
    return EmbeddingBlock(
        quantizer=quantizer,
        vectors=reader.array(f"embedding-{i}-vectors"),
        coded=Codes(*(reader.array(f"embedding-{i}-{name}") for name in _CODE_ARRAYS)),
        identity=entry["identity"],
        **arrays,
    )
