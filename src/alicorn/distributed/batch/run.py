"""A job from beginning to end: what is left of it, and its parts put in place when all are there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from alicorn.distributed.batch.engines import BatchEngine, run_on
from alicorn.distributed.batch.job import Job
from alicorn.errors import ConfigError
from alicorn.folders import JOB_FOLDER, check_file, check_place, put_in_place
from alicorn.tables import PartFiles


def unfinished(out: Path, overwrite: bool) -> Path:
    """Where the parts are until all are there. Raises ConfigError for a place that cannot be written."""
    if out.suffix == ".parquet":
        check_file(out, overwrite=overwrite)
    else:
        check_place(out, JOB_FOLDER, overwrite=overwrite)
    if not out.parent.is_dir():
        raise ConfigError(f"{out}: there is no folder {out.parent}: make it first, or write elsewhere")
    return out.with_name(f".{out.name}.unfinished")


def run(job: Job, source: PartFiles, engine: BatchEngine, out: Path, on_progress: Callable[[int, int], None]) -> int:
    """`make_parts`, then write `out`: a file that ends in .parquet, or a folder that gets a part file for each row
    group."""
    before = make_parts(job, source, engine, on_progress)
    if out.suffix == ".parquet":
        _join([job.part(number) for number in range(len(source.row_groups()))], out)
        shutil.rmtree(job.folder)
    else:
        put_in_place(job.folder, out)
    return before


def make_parts(job: Job, source: PartFiles, engine: BatchEngine, on_progress: Callable[[int, int], None]) -> int:
    """Make the parts that are missing in the folder of the job -> the rows that a killed run had made already.

    source: the job's table. on_progress(done, total) is called after every part.
    """
    groups = source.row_groups()
    _prepare(job.folder, job.fingerprint)
    missing = [number for number in range(len(groups)) if not job.part(number).is_file()]
    before = done = sum(group.num_rows for group in groups) - sum(groups[number].num_rows for number in missing)
    on_progress(done, source.num_rows)
    try:
        for rows in run_on(engine, job, missing) if missing else ():
            done += rows
            on_progress(done, source.num_rows)
    finally:
        if not any(job.part(number).exists() for number in range(len(groups))):
            shutil.rmtree(job.folder)  # nothing to go on with
    return before


def _prepare(folder: Path, fingerprint: str) -> None:
    """The folder of a job: kept if it is of this one, else made anew."""
    wanted = json.dumps({"fingerprint": fingerprint}, allow_nan=False)
    kept = folder / JOB_FOLDER[0]  # readers of tables pass over names that begin so
    if not (kept.is_file() and kept.read_text() == wanted):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        kept.write_text(wanted)


def _join(parts: Sequence[Path], out: Path) -> None:
    """One file of all parts, there when it is complete; a row group for each part."""
    joined = out.with_name(f".{out.name}.joining")
    try:
        with pq.ParquetWriter(joined, pq.read_schema(parts[0])) as writer:
            for part in parts:
                writer.write_table(pq.read_table(part))
        os.replace(joined, out)
    finally:
        joined.unlink(missing_ok=True)
