"""The documents of a collection as several collections that share its quantizers: shards.

A document keeps its stored vectors, clusters and codes, so every score and every cluster is as before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa

from alicorn.index.durability.journal import Journal, SegmentRecord
from alicorn.index.segment.building.documents import Documents
from alicorn.index.segment.files.quantizer_file import quantizer_path, write_quantizers
from alicorn.index.segment.files.segment_file import segment_path, write_segment
from alicorn.index.state.version import Version
from alicorn.index.writer.rewriting import groups, reported_writing


def split(version: Version, paths: Sequence[Path], place_of: Callable[[pa.StringArray], np.ndarray]) -> list[int]:
    """Write a collection in each of the paths, which do not exist. place_of: doc_ids -> (n,) places in `paths`.

    Returns the number of documents of each. Raises CollectionError when they cannot be written.
    """
    counts = []
    places = [place_of(view.segment.doc_ids) for view in version.views]
    for at, path in enumerate(paths):
        with reported_writing(path):
            path.mkdir(parents=True)
            Journal.create(path, version.declared(), version.metadata, version.positions)
        sources = []
        for view, place in zip(version.views, places, strict=True):
            kept = place == at if view.deleted is None else (place == at) & ~view.deleted
            if kept.any():
                sources.append(Documents.of_segment(view.segment, None).where(kept))
        _write(version, path, sources)
        counts.append(sum(source.num_docs for source in sources))
    return counts


def _write(version: Version, path: Path, sources: Sequence[Documents]) -> None:
    generation = version.generation + 1
    records = []
    for number, group in enumerate(groups(sources)):
        name = f"{generation:08d}-{number}"
        with reported_writing(path):
            checksum = write_segment(group, version.quantizers, segment_path(path, name), lambda: None)
        records.append(SegmentRecord(name, checksum, np.empty(0, dtype=np.uint32)))
    quantizers = None
    if version.quantizer_file is not None:
        name = f"{generation:08d}"
        with reported_writing(path):
            quantizers = name, write_quantizers(version.quantizers, quantizer_path(path, name))
    with closing(Journal(path, read_only=False)) as journal:
        journal.swap(generation, records, quantizers, 0, version.columns)
