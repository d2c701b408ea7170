"""SQLite's write-ahead log, read without SQLite: the pages that it replaces, and a check for lost commits.

    manifest.sqlite-wal, all numbers uint32 big-endian (sqlite.org/fileformat2.html, section 4):
      header   magic 0x377f0682, version, page size, checkpoint number, salt 1, salt 2, checksum 1, checksum 2
      frame    page number, pages of the database after a commit (0: no commit), salt 1, salt 2, checksum 1, checksum 2;
               then the page. The checksum continues that of the frame before, over the first 8 bytes and the page
      ...

SQLite reads the frames up to the first invalid one and silently drops the rest, for example a transaction that a power
cut left half written. But a transaction begins only after the fsync of the one before. So if a commit after the first
invalid frame has a successor in the same chain, the commit was acknowledged, and the invalid frame is damage. Only for
the last transaction this file cannot tell an incomplete transaction from a damaged one; mark.py can.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xxhash

from alicorn.compiled import kernel

_MAGIC = 0x377F0682  # checksums over little-endian words
_HEADER = 32  # bytes
_FRAME = 24  # bytes before each page


@dataclass(frozen=True)
class WriteAheadLog:
    """pages: page number (from 1) -> xxh3-64 of its newest committed contents; num_frames: committed frames;
    num_pages: pages of the database after the last commit, 0 without one; most_pages: after any of the commits;
    is_damaged: an acknowledged frame is invalid."""

    pages: dict[int, int]
    num_frames: int
    num_pages: int
    most_pages: int
    is_damaged: bool


EMPTY = WriteAheadLog({}, 0, 0, 0, False)


def read_wal(path: Path, page_size: int) -> WriteAheadLog:
    """Read the log as it is now; a writer may be appending to it."""
    try:
        whole = np.fromfile(path, np.uint8)
    except FileNotFoundError:
        return EMPTY
    count = (len(whole) - _HEADER) // (_FRAME + page_size)
    if count < 1 or not whole[:_HEADER].any():
        return EMPTY
    header = whole[:_HEADER].view(">u4").astype(np.uint32)
    words = whole[:_HEADER].view("<u4")
    if header[0] != _MAGIC or header[2] != page_size or _checksum(words[:6], 0, 0) != (header[6], header[7]):
        return WriteAheadLog({}, 0, 0, 0, True)
    frames = whole[_HEADER : _HEADER + count * (_FRAME + page_size)].reshape(count, -1)
    heads = np.ascontiguousarray(frames[:, :_FRAME]).view(">u4").astype(np.uint32)
    own = (heads[:, 2:4] == header[4:6]).all(axis=1)  # of this generation: a new one overwrites the file from its start
    linked = own & _linked(frames.reshape(-1).view("<u4").reshape(count, -1), heads, header[6], header[7])
    fitting = count if linked.all() else int(np.argmin(linked))
    commits = np.flatnonzero(heads[:, 1])
    is_damaged = bool(linked[commits[(commits >= fitting) & (commits < count - 1)] + 1].any())
    committed = commits[commits < fitting]
    if not len(committed):
        return WriteAheadLog({}, 0, 0, 0, is_damaged)
    num_frames = int(committed[-1]) + 1
    newest = {int(page): at for at, page in enumerate(heads[:num_frames, 0])}
    pages = {page: xxhash.xxh3_64_intdigest(frames[at, _FRAME:].data) for page, at in newest.items()}
    lengths = heads[committed, 1]
    return WriteAheadLog(pages, num_frames, int(lengths[-1]), int(lengths.max()), is_damaged)


@kernel("UniTuple(uint32, 2)(Array(uint32, 1, 'C', readonly=True), uint32, uint32)")
def _checksum(words, s0, s1):
    for i in range(0, len(words), 2):
        s0 = np.uint32(s0 + words[i] + s1)
        s1 = np.uint32(s1 + words[i + 1] + s0)
    return s0, s1


@kernel("boolean[::1](Array(uint32, 2, 'C', readonly=True), uint32[:, ::1], uint32, uint32)")
def _linked(words, heads, s0, s1):
    """Whether each frame continues the one before: by the checksum written in that frame, or by that of its contents.

    words: (frames, 6 + words of a page), heads: (frames, 6) as numbers; s0, s1: the checksum in the header.
    """
    linked = np.empty(len(words), dtype=np.bool_)
    t0, t1 = s0, s1  # of the contents
    for i in range(len(words)):
        u0, u1 = _checksum(words[i, :2], s0, s1)
        u0, u1 = _checksum(words[i, 6:], u0, u1)
        if (u0 != heads[i, 4] or u1 != heads[i, 5]) and (t0 != s0 or t1 != s1):
            v0, v1 = _checksum(words[i, :2], t0, t1)
            v0, v1 = _checksum(words[i, 6:], v0, v1)
            if v0 == heads[i, 4] and v1 == heads[i, 5]:
                u0, u1 = v0, v1
        linked[i] = u0 == heads[i, 4] and u1 == heads[i, 5]
        s0, s1, t0, t1 = heads[i, 4], heads[i, 5], u0, u1
    return linked
