"""From a log folder to pairs/, the folder that training and evaluation read (pairs/schema.py). The verb `alicorn mine`.

The same logs give the same rows in the same order.
"""

import datetime
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash
from ibis import _
from ibis.expr.datatypes import DataType

from alicorn.errors import TableError
from alicorn.folders import PAIRS_FOLDER, check_place
from alicorn.logs import positives, splits
from alicorn.logs.behaviour import write_behaviour
from alicorn.logs.click_weights import PropensityFile
from alicorn.logs.context import context, searches_before_their_searcher
from alicorn.logs.leaks import check_leaks
from alicorn.logs.likeness import likeness
from alicorn.logs.popularity import popularity
from alicorn.logs.tables import MEMORY_LIMIT, Logs, data_fingerprint, read_logs
from alicorn.pairs import Manifest, PairsWriter, new_folder
from alicorn.pairs.schema import TABLES as PAIRS
from alicorn.tables import noted, read_table, row_batches
from alicorn.vertical import TextFeature, Vertical
from alicorn.vertical.failed_searches import FACTS
from alicorn.vertical.parts import of_examples

_ORDER = ("time", "search_id", "doc_id")

Teacher = Callable[[pa.Table, pa.Table, Vertical], np.ndarray]
"""(scored, documents, vertical) -> a score of each row of `scored`, greater where the document answers the query
better. scored: query, doc_id, grade (0: not chosen); each query and document once. documents: as in the log."""


def mine(
    logs_folder: str | Path,
    vertical: Vertical,
    out: str | Path,
    *,
    overwrite: bool = False,
    teacher: Teacher | None = None,
    propensities: Path | None = None,
    memory_limit: str = MEMORY_LIMIT,
    on_step: Callable[[str], None] = lambda step: None,
) -> dict[str, int]:
    """Write pairs/ to `out`. Returns counts of everything read, made and left out; the manifest has them too.

    overwrite: replace a folder that is not empty; without it that is a ConfigError.
    teacher: scores what the searches of the train split showed or led to, for the loss margin_mse.
    propensities: file of `alicorn propensity --out`: a click weighs as much as its rank is seldom looked at.
    memory_limit: of DuckDB. on_step is called with what is about to be done.
    Raises TableError when the logs break their contract; then nothing is written.
    """
    check_place(Path(out), PAIRS_FOLDER, overwrite=overwrite)
    weights = () if propensities is None else PropensityFile.load(propensities).weights()
    on_step("check the logs")
    with (
        noted() as notes,
        read_logs(logs_folder, vertical, memory_limit=memory_limit) as logs,
        new_folder(out, overwrite) as writer,
    ):
        simulated = _is_simulated(Path(logs_folder))
        manifest = _write(logs, vertical, writer, on_step, weights, simulated)
        if teacher is not None:
            on_step("ask the teacher")
            scores = _scores(teacher, vertical, writer)
            manifest = manifest.model_copy(
                update={
                    "counts": manifest.counts | {"scores": writer.write("scores", scores)},
                    "data_fingerprint": _with_scores(manifest.data_fingerprint, scores),
                }
            )
        writer.finish(manifest.model_copy(update={"notes": tuple(notes)}))
    return manifest.counts


def _write(
    logs: Logs,
    vertical: Vertical,
    writer: PairsWriter,
    on_step: Callable[[str], None],
    click_weights: Sequence[float],
    simulated: bool,
) -> Manifest:
    """All tables; the manifest is returned. click_weights: of a click on rank 1, 2, ..."""
    on_step("split the searches")
    searches, boundaries = splits.split_searches(logs, vertical.split)
    shown = logs.keep("shown", positives.shown(logs.impressions))
    clicks = positives.clicks(shown)
    clicks = clicks.mutate(by_rank=positives.by_rank(clicks.position, click_weights))
    on_step("find what failed searches were after")
    reached = _reached(logs, searches, vertical)
    hard = logs.keep("hard", positives.before_split_ends(reached, boundaries))
    rows = hard.to_pyarrow()
    wanted = logs.keep("wanted", rows.filter(pa.array(vertical.failed_search_targets.mask(rows))))
    on_step("write the pairs")
    hard_pairs = _pairs(hard.mutate(grade=ibis.literal(1.0), weight=ibis.literal(1.0)), searches, "hard")
    pairs = logs.keep(
        "pairs", _pairs(_without_facts(clicks.mutate(weight=_.weight * _.by_rank)), searches, "click").union(hard_pairs)
    )
    not_chosen = positives.non_clicks(shown).drop("grade", "weight")
    placed = shown.mutate(position=_.position.cast("int64"))
    further = ("weight",) if click_weights else ()
    targets = logs.keep("targets", _targets(searches, clicks, wanted, logs.segments, further))
    tables = {
        "pairs": pairs.order_by(*_ORDER),
        "impressions": _pairs(placed, searches, "impression", "position").order_by(*_ORDER),
        "non_clicks": _pairs(not_chosen, searches, "non_click").order_by(*_ORDER),
        "searches": targets.order_by("time", "search_id"),
        "popularity": popularity(logs.documents, clicks, searches).order_by("doc_id"),
    }
    for name, table in tables.items():
        table.to_parquet(writer.path(name))
        writer.adopt(name)
    for name in ("documents", "searchers"):
        if name in logs.copies:
            writer.copy(name, logs.copies[name])
    if "shown" in logs.copies and "features" in pq.read_schema(logs.copies["shown"]).names:
        writer.write("features", _logged_features(logs.copies["shown"]))
    if vertical.request.context:
        context(logs.impressions, vertical.request.context).to_parquet(writer.path("context"))
        writer.adopt("context")
    behaviour = vertical.request.behaviour
    if behaviour is not None:
        on_step("look up what searchers did before")
    looked_up = write_behaviour(logs, searches, behaviour, writer) if behaviour else {}
    on_step("look for leaks")
    told = check_leaks(logs, clicks, searches, vertical.document.features, vertical.split)
    on_step("count")
    return Manifest(
        vertical=of_examples(vertical),
        data_fingerprint=data_fingerprint(logs.files),
        valid_from=_written(boundaries.valid_from),
        test_from=_written(boundaries.test_from),
        counts=_counts(logs, searches, pairs, reached, writer.counts) | looked_up,
        click_weights=tuple(click_weights),
        told={name: {"train": of.train, "valid": of.valid} for name, of in told.items()},
        simulated=simulated,
    )


def _logged_features(shown: Path) -> Iterator[pa.Table]:
    """What rankers read, as it was served. It passes DuckDB by: it is the widest column of a log."""
    columns = list(PAIRS["features"].columns)
    with pq.ParquetFile(shown) as file:
        yield file.schema_arrow.empty_table().select(columns)
        for batch in row_batches(file, columns):
            yield pa.table(batch).filter(pc.field("features").is_valid())


def _scores(teacher: Teacher, vertical: Vertical, writer: PairsWriter) -> pa.Table:
    """Raises TableError where the teacher does not give each row a number."""
    parts = [pq.read_table(writer.path(name), partitioning=None) for name in ("pairs", "impressions")]
    train = [part.filter(pc.equal(part["split"], "train")).select(["query", "doc_id", "grade"]) for part in parts]
    scored = pa.concat_tables(train).group_by(["query", "doc_id"]).aggregate([("grade", "max")])
    scored = scored.rename_columns(["query", "doc_id", "grade"])
    scored = scored.sort_by([("query", "ascending"), ("doc_id", "ascending")])
    documents = pq.read_table(writer.path("documents"), partitioning=None)
    scores = np.asarray(teacher(scored, documents, vertical), dtype=np.float64)
    if scores.shape != (len(scored),) or not np.isfinite(scores).all():
        raise TableError(
            f"the teacher must give each of {len(scored)} rows of query and doc_id one finite number, got "
            f"{scores.shape} numbers, of which {int(np.isfinite(scores).sum())} are finite",
            table="scores",
            column="score",
        )
    return scored.drop_columns(["grade"]).append_column("score", pa.array(scores))


def _with_scores(fingerprint: str, scores: pa.Table) -> str:
    digest = xxhash.xxh3_128(fingerprint.encode())
    digest.update(scores["score"].to_numpy().tobytes())
    return digest.hexdigest()


def _written(time: datetime.datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _is_simulated(logs_folder: Path) -> bool:
    """Only a generated world knows whom its searchers wanted; every table of its searches says that it is one."""
    return (logs_folder / "truth").exists() or (logs_folder / "truth.parquet").exists()


def _reached(logs: Logs, searches: ibis.Table, vertical: Vertical) -> ibis.Table:
    """Documents that failed searches may have looked for: positives.reached, with the likeness of each to the query."""
    if logs.activity is None:
        strings, times = ("search_id", "doc_id"), ("search_time", "reached")
        columns = dict.fromkeys(strings, pa.string()) | dict.fromkeys(times, pa.timestamp("us")) | FACTS
        return logs.keep("reached", pa.schema(columns).empty_table())
    found = positives.reached(searches, logs.activity, vertical.failed_search_window_s).to_pyarrow()
    read = [f.column for f in vertical.document.features.values() if isinstance(f, TextFeature)]
    texts = read_table(logs.copies["documents"], "documents", ["doc_id", *read])
    like = likeness(found["query"], found["doc_id"], texts)
    return logs.keep("reached", found.drop_columns(["query"]).append_column("likeness", pa.array(like)))


def _pairs(pairs: ibis.Table, searches: ibis.Table, source: str, *further: str) -> ibis.Table:
    """(search_id, doc_id, ...) with the columns of the search; grade, weight and FACTS where `pairs` has them.

    further: other columns of `pairs` that are kept.
    """
    facts = [*further, *(name for name in (*FACTS, "grade", "weight") if name in pairs.columns)]
    return pairs.join(searches, "search_id").select(
        "search_id", "searcher_id", "time", "query", "doc_id", *facts, source=ibis.literal(source), split=_.split
    )


def _without_facts(clicks: ibis.Table) -> ibis.Table:
    return clicks.mutate(**{name: ibis.null(DataType.from_pyarrow(kind)) for name, kind in FACTS.items()})


def _targets(
    searches: ibis.Table,
    clicks: ibis.Table,
    reached: ibis.Table,
    segments: ibis.Table | None,
    further: Sequence[str],
) -> ibis.Table:
    """Held-out searches with what they should find. A search has clicks, or what it failed to find; never both.

    further: "weight", where clicks have one by their rank.
    """
    position = ibis.literal(0).cast(clicks.position.type())
    wanted = clicks.select("search_id", "doc_id", "position", "grade", "by_rank").union(
        reached.select("search_id", "doc_id", position=position, grade=ibis.literal(1.0), by_rank=ibis.literal(1.0))
    )
    order = (_.position, _.doc_id)
    targets = wanted.group_by("search_id").aggregate(
        targets=_.doc_id.collect(order_by=order), grades=_.grade.collect(order_by=order), weight=_.by_rank.mean()
    )
    held_out = searches.filter(_.split != "train").join(targets, "search_id")
    none = ibis.literal([], type="array<string>")
    if segments is None:
        held_out = held_out.mutate(segment=none)
    else:
        labels = segments.select("search_id", "segment")
        held_out = held_out.left_join(labels, "search_id").mutate(segment=_.segment.coalesce(none))
    own = ("search_id", "searcher_id", "time", "query", "targets", "grades", "segment", "split")
    return held_out.select(*own, *further)


def _counts(
    logs: Logs, searches: ibis.Table, pairs: ibis.Table, reached: ibis.Table, written: dict[str, int]
) -> dict[str, int]:
    """Rows read by table, rows written by table, and the reasons for the difference."""
    splits_found = searches.group_by("split").aggregate(count=_.count()).to_pyarrow().to_pylist()
    sources = pairs.group_by("source", "split").aggregate(count=_.count()).to_pyarrow().to_pylist()
    totals = searches.aggregate(
        searches=_.count(),
        without_click=(_.num_clicked == 0).sum(),
        showing_nothing=(_.num_shown == 0).sum(),
        held_out=(_.split != "train").sum(),
    )
    total = totals.to_pyarrow().to_pylist()[0]
    hard = sum(row["count"] for row in sources if row["source"] == "hard")
    return {
        **{f"{name}_read": count for name, count in logs.counts.items()},
        **logs.filled,
        **searches_before_their_searcher(searches, logs.searchers),
        "searches": total["searches"],
        **dict.fromkeys((f"searches_{split}" for split in splits.SPLITS), 0),
        **{f"searches_{row['split']}": row["count"] for row in splits_found},
        "searches_without_click": total["without_click"],
        "searches_showing_nothing": total["showing_nothing"],
        "impressions_repeated_in_a_search": logs.impressions.doc_id.count().to_pyarrow().as_py()
        - written["impressions"],
        **_in_order({f"pairs_{row['source']}_{row['split']}": row["count"] for row in sources}),
        "reached_after_their_split": reached.count().to_pyarrow().as_py() - hard,
        "pairs": written["pairs"],
        "impressions": written["impressions"],
        "non_clicks": written["non_clicks"],
        "searches_held_out_with_target": written["searches"],
        "searches_held_out_without_target": total["held_out"] - written["searches"],
    }


def _in_order(counts: dict[str, int]) -> dict[str, int]:
    """By source, then train, valid, test."""
    return dict(
        sorted(
            counts.items(), key=lambda item: (item[0].rsplit("_", 1)[0], splits.SPLITS.index(item[0].rsplit("_", 1)[1]))
        )
    )
