"""A segment as a file: the byte layout, writing and opening. Between segment_builder.py and rewriting.py, loading.py.

The container (header.json, checksums, .npy, .arrow) is that of archive.py, with magic "alicorn segment". Its members,
where n = documents, t = terms, p = postings, o = occurrences of terms, r = rows of an embedding, c = its clusters:

    fields.arrow          doc_id string, static_rank double, then the stored columns; row = document number
    terms.arrow           term string, t rows, ascending by UTF-8 bytes
    term_codes            int32 (o,)     term numbers of document 0 as upserted, then of document 1, ...
    term_starts           int32 (n+1,)   document d has term_codes[term_starts[d]:term_starts[d+1]]
    posting_starts        int64 (t+1,)   term i has postings[posting_starts[i]:posting_starts[i+1]]
    postings              uint32 (p,)    document numbers, ascending within a term
    frequencies           uint8 (p,)     occurrences of the term in the document, 255 for 255 and more
    static_rank           float64 (n,)
    id_order              uint32 (n,)    rank of the doc_id by UTF-8 bytes
    static_order          uint32 (n,)    rank by static_rank descending, then doc_id
    doc_lengths           uint32 (n,)    number of `text:` terms with repetition
    id_hashes             uint64 (n,)    xxh3-64 of the doc_ids, ascending
    id_docs               uint32 (n,)    document number of each hash
    column-<i>-values     float64 or int64 (n,)     i: place in content.columns of the header
    column-<i>-valid      bool (n,)
    column-<i>-sorted_values, -sorted_docs          as values, uint32: the valid ones by (value, document number)
    embedding-<i>-vectors float32 (r, dim)          i: place in content.embeddings of the header; rows by cluster
    embedding-<i>-codes   uint8 (r, scan_size)      codes of the residuals by the key's quantizer: what a scan reads
    embedding-<i>-fine    uint8 (r, code_size - scan_size)         and what it reads where that does not decide
    embedding-<i>-errors  float32 (r,)              |vector - decoded codes|, rounded up
    embedding-<i>-fine_errors float32 (r, 1 or 0)   |vector - decoded codes and fine|, rounded up
    embedding-<i>-starts  int64 (c+1,)              cluster k has the rows starts[k] to starts[k+1]
    embedding-<i>-docs    uint32 (r,)               document number of each row
    embedding-<i>-rows_of int32 (n,)                row of each document, -1 for none
    embedding-<i>-min_cosines float32 (c,)          no member of the cluster has a smaller cosine to its centroid

Everything without an ending is a .npy member. header.json's content:
    num_docs    n
    columns     names of the numeric columns
    embeddings  list of {key, dim, quantizer_version, identity}; identity: docs is 0, 1, 2 ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa

from alicorn.errors import CorruptionError
from alicorn.index.archive import ArchiveReader, ArchiveWriter
from alicorn.index.doc_ids import IdIndex
from alicorn.index.documents import Documents, one_chunk
from alicorn.index.segment import EmbeddingBlock, NumericColumn, Segment
from alicorn.index.segment_builder import build_segment
from alicorn.index.terms import TermDictionary, TermLists
from alicorn.quantization import Codes, KeyQuantizer

MAGIC = "alicorn segment"
_ARRAYS = (
    "posting_starts",
    "postings",
    "frequencies",
    "static_rank",
    "id_order",
    "static_order",
    "doc_lengths",
)
_COLUMN_ARRAYS = ("values", "valid", "sorted_values", "sorted_docs")
_EMBEDDING_ARRAYS = ("starts", "docs", "rows_of", "min_cosines")
_CODE_ARRAYS = tuple(field.name for field in fields(Codes))


def segment_path(collection: Path, name: str) -> Path:
    return collection / "segments" / f"{name}.zip"


def write_segment(
    sources: Sequence[Documents],
    quantizers: Mapping[str, KeyQuantizer],
    path: Path,
    go_on: Callable[[], None] = lambda: None,
) -> str:
    """Build a segment in a file that does not exist yet, durably -> the checksum for the manifest.

    The vectors pass through memory in blocks; go_on: called before each, and may raise.
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
    """All but the vectors, which are there."""
    writer.table("fields", segment.fields)
    writer.table("terms", pa.table({"term": segment.terms.terms}))
    writer.array("term_codes", segment.term_lists.codes)
    writer.array("term_starts", segment.term_lists.starts)
    writer.array("id_hashes", segment.ids.hashes)
    writer.array("id_docs", segment.ids.docs)
    for name in _ARRAYS:
        writer.array(name, getattr(segment, name))
    for i, column in enumerate(segment.columns.values()):
        for name in _COLUMN_ARRAYS:
            writer.array(f"column-{i}-{name}", getattr(column, name))
    embeddings = []
    for i, (key, block) in enumerate(segment.embeddings.items()):
        for name in _EMBEDDING_ARRAYS:
            writer.array(f"embedding-{i}-{name}", getattr(block, name))
        for name in _CODE_ARRAYS:
            writer.array(f"embedding-{i}-{name}", getattr(block.coded, name))
        embeddings.append(
            {
                "key": key,
                "dim": block.quantizer.dim,
                "quantizer_version": block.quantizer.version,
                "identity": block.identity,
            }
        )
    return writer.finish({"num_docs": segment.num_docs, "columns": list(segment.columns), "embeddings": embeddings})


def open_segment(path: Path, checksum: str, quantizers: Mapping[str, KeyQuantizer]) -> Segment:
    """Map it, with every byte verified. Raises CorruptionError, and CollectionError for a newer format."""
    reader = ArchiveReader(path, MAGIC, checksum)
    stored = reader.table("fields")
    terms = one_chunk(reader.table("terms").column("term"))
    arrays = {name: reader.array(name) for name in _ARRAYS}
    ids = IdIndex(reader.array("id_hashes"), reader.array("id_docs"), one_chunk(stored.column("doc_id")))
    columns = {
        name: NumericColumn(**{part: reader.array(f"column-{i}-{part}") for part in _COLUMN_ARRAYS})
        for i, name in enumerate(reader.content["columns"])
    }
    embeddings = {}
    for i, entry in enumerate(reader.content["embeddings"]):
        quantizer = quantizers.get(entry["key"])
        if quantizer is None or (quantizer.version, quantizer.dim) != (entry["quantizer_version"], entry["dim"]):
            raise CorruptionError(
                f"{path}: embedding '{entry['key']}' was written with quantizer version {entry['quantizer_version']} "
                f"and the collection has {'none' if quantizer is None else quantizer.version}: restore it from a backup"
            )
        names = ("vectors", *_EMBEDDING_ARRAYS)
        block: dict[str, np.ndarray] = {name: reader.array(f"embedding-{i}-{name}") for name in names}
        coded = Codes(*(reader.array(f"embedding-{i}-{name}") for name in _CODE_ARRAYS))
        embeddings[entry["key"]] = EmbeddingBlock(quantizer=quantizer, identity=entry["identity"], coded=coded, **block)
    return Segment(
        fields=stored,
        term_lists=TermLists(terms, reader.array("term_codes"), reader.array("term_starts")),
        terms=TermDictionary(terms),
        ids=ids,
        columns=columns,
        embeddings=embeddings,
        name=path.stem,
        **arrays,
    )
