"""What do the rules of a vertical's `selection` cost in recall, and what do they save? With and without, side by side.

    python benchmarks/learning/selection.py [--demo FOLDER] [--searches 10000] [--timed 1000] [--json FILE]
    python benchmarks/learning/selection.py --built FOLDER movies places

Data: the people world, small, as `alicorn demo` leaves it in FOLDER (made there where it is missing); the test split. A
simulation. The hybrid expression answers every search; recall over all searches, with paired differences to no rule.

Documents. Every rule counts back from the first search of the test split and sees the log before it only:
  active     the person searched, or visited or added somebody, within so many days (EBR: "monthly-active users")
  chosen     somebody clicked, visited or added the person within so many days
  popularity the static rank, by quantile
In this world whom one wants is independent of how active that person is, so that `active` can only lose; on a real site
the two go together. A target that is not indexed counts as missed.

Requests. A search goes without nn if it is shorter than so many characters, or repeats one after which the same
searcher chose a document that the Boolean expression still shows among its first 10; earlier searches of the test split
count as history. Times are of one request at a time, encoding included: compare within a table.

--built: instead, the gate that `alicorn tune --gate` learns beside rules of short texts, on the valid split of examples
that were built in FOLDER/<name> as their README says: pairs/, model/, collection/. Half of the searches teach, the
table is of the other half. Each example also with the Boolean expression of any word, which finds more documents.
"""

import argparse
import datetime
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from rich.console import Console

from alicorn import Collection, Model
from alicorn.demo import run_demo
from alicorn.evaluation.gates.report import markdown
from alicorn.evaluation.gates.search import search_gate
from alicorn.evaluation.metrics.bootstrap import mean_interval, paired_difference
from alicorn.evaluation.metrics.ranking import recall_at
from alicorn.evaluation.searches import Searches, read_searches
from alicorn.feedback.choices import Choices
from alicorn.language.templates import Template
from alicorn.publishing.publish import publish
from alicorn.query.explain.step import Step
from alicorn.retrieval.reading.by_words import ByWords
from alicorn.retrieval.retriever import Retriever
from alicorn.towers import AnyModel
from alicorn.vertical import Selection, Vertical

History = Mapping[int, list[list[str]]]  # days -> of each search, what its searcher had chosen for its words
DEPTH = 100
LOST = 0.005  # of NDCG@10, by the gate
PAGE = 10  # results that the Boolean engine shows: what a repeat must be among
REMEMBERED = (7, 30)  # days
INDEX_RULES: dict[str, list[dict[str, Any]]] = {
    "no rule": [],
    **{f"active within {days} days": [{"kind": "recent", "column": "active", "days": days}] for days in (14, 7, 3)},
    **{f"chosen within {days} days": [{"kind": "recent", "column": "chosen", "days": days}] for days in (24, 14, 7)},
}
REQUEST_RULES: dict[str, list[dict[str, Any]]] = {
    "no rule": [],
    "short: 4 characters": [{"kind": "short", "characters": 4}],
    "short: 6 characters": [{"kind": "short", "characters": 6}],
    "repeat: 7 days": [{"kind": "repeat", "days": 7}],
    "repeat: 30 days": [{"kind": "repeat", "days": 30}],
    "both: 4 characters, 30 days": [{"kind": "short", "characters": 4}, {"kind": "repeat", "days": 30}],
}


@dataclass(frozen=True)
class World:
    """What both tables share. as_of: the first search of the test split. vectors: of the requests, (searches, dim)."""

    folder: Path
    vertical: Vertical
    model: AnyModel
    searches: Searches
    searchers: list[str | None]
    times: np.ndarray
    vectors: np.ndarray
    as_of: datetime.datetime

    def selecting(self, **rules: Sequence[dict[str, Any]]) -> AnyModel:
        selection = Selection.model_validate({side: list(given) for side, given in rules.items()})
        return self.model.with_vertical(self.vertical.model_copy(update={"selection": selection}))


@dataclass(frozen=True)
class Asked:
    """A run over all searches: the first hits, documents scanned by nn for each, and how many had no nn."""

    run: np.ndarray
    scanned: np.ndarray
    without_nn: int


def open_world(folder: Path, num_searches: int) -> World:
    if not (folder / "model-unified" / "model.json").exists():
        run_demo(folder, "small", 0, Console(stderr=True))
    model = Model.load(folder / "model-unified")
    searches = read_searches(folder / "pairs", num_searches, split="test")
    every = pq.read_table(folder / "pairs" / "searches.parquet", columns=["search_id", "searcher_id", "time", "split"])
    as_of = pc.min(every.filter(pc.equal(every["split"], "test"))["time"]).as_py().replace(tzinfo=datetime.UTC)
    rows = every.take(pc.index_in(searches.search_ids, every["search_id"].combine_chunks()))
    times = rows["time"].cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_numpy()
    searchers = rows["searcher_id"].to_pylist()
    vectors = model.encode_requests(searches.requests)
    return World(folder, model.vertical, model, searches, searchers, times, vectors, as_of)


# -- documents


def dated_documents(world: World, out: Path) -> Path:
    """The documents with `active` and `chosen`, the last such times before the test split, and their vectors."""
    documents = world.searches.documents
    seen = ds.dataset(world.folder / "logs" / "impressions").to_table(filter=_before("time", world.as_of))
    done = ds.dataset(world.folder / "logs" / "activity").to_table(filter=_before("time", world.as_of))
    clicked = seen.filter(seen["clicked"])
    columns = {
        "active": [(seen, "searcher_id"), (done, "searcher_id")],
        "chosen": [(clicked, "doc_id"), (done, "doc_id")],
    }
    for name, parts in columns.items():
        events = pa.concat_tables([pa.table({"id": table[id], "time": table["time"]}) for table, id in parts])
        last = events.group_by("id").aggregate([("time", "max")])
        rows = pc.index_in(documents["doc_id"], last["id"].combine_chunks())
        documents = documents.append_column(name, last["time_max"].take(rows))
    vectors = world.model.encode_documents(world.searches.documents)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    path = out / "documents.parquet"
    pq.write_table(documents.append_column(f"embedding:{world.model.key}", column), path)
    return path


def _before(column: str, moment: datetime.datetime) -> ds.Expression:
    return ds.field(column) < pa.scalar(moment.replace(tzinfo=None), pa.timestamp("us"))


def index_rules(world: World, documents: Path, out: Path, timed: int) -> list[dict[str, Any]]:
    popularity = pq.read_table(documents, columns=["popularity"])["popularity"].to_numpy()
    rules = dict(INDEX_RULES)
    for share in (0.25, 0.5):
        bound = float(np.quantile(popularity, share))
        rules[f"popularity, upper {1 - share:.0%}"] = [{"kind": "range", "column": "popularity", "min": bound}]
    rows, base = [], None
    for number, (name, given) in enumerate(rules.items()):
        target = out / f"collection-{number}"
        model = world.selecting(documents=given)
        published = publish(documents, target, [model], now=world.as_of)
        with Collection.open(target, read_only=True) as collection:
            asked = ask(world, collection, model.vertical, {})
            base = base or asked
            size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
            us = time_requests(world, collection, model.vertical, {}, timed)
            rows.append(
                {"rule": name, "documents": published.documents, "bytes": size, **measured(world, asked, base, us)}
            )
    return rows


# -- requests


def request_rules(world: World, collection: Collection, timed: int) -> list[dict[str, Any]]:
    history = {days: choices_before(world, days) for days in REMEMBERED}
    rows, base = [], None
    for name, given in REQUEST_RULES.items():
        vertical = world.selecting(requests=given).vertical
        asked = ask(world, collection, vertical, history)
        base = base or asked
        us = time_requests(world, collection, vertical, history, timed)
        row = {"rule": name, "without_nn": asked.without_nn / len(world.searches), **measured(world, asked, base, us)}
        rows.append(row)
    return rows


def untried(collection: Collection, vertical: Vertical, query: str, history: History, at: int) -> ByWords:
    """A search as the rules of requests ask about it: a repeat is decided as the server does."""
    return ByWords(collection, vertical, query, {}, lambda days: history[int(days)][at] if history else (), PAGE)


def choices_before(world: World, days: float) -> list[list[str]]:
    """For each search what its searcher chose for its words in the `days` before it: the log, played in order."""
    seen = ds.dataset(world.folder / "logs" / "impressions").to_table(filter=ds.field("clicked"))
    seen = seen.sort_by("time")
    clicks = list(
        zip(
            *(seen[name].to_pylist() for name in ("searcher_id", "query", "doc_id")),
            seen["time"].cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_pylist(),
            strict=True,
        )
    )
    choices, played = Choices(days), 0
    found: list[list[str]] = [[] for _ in range(len(world.searches))]
    for at in np.argsort(world.times, kind="stable").tolist():
        now_us = int(world.times[at])
        while played < len(clicks) and clicks[played][3] < now_us:
            choices.add(*clicks[played])
            played += 1
        found[at] = list(choices.of(world.searchers[at], world.searches.queries[at], now_us))
    return found


# -- asking


def ask(world: World, collection: Collection, vertical: Vertical, history: History) -> Asked:
    """Every search once, as it would be served."""
    ids, scanned, without = [], np.zeros(len(world.searches)), 0
    for at, query in enumerate(world.searches.queries):
        expression, rule = vertical.request_expression(query, untried(collection, vertical, query, history, at))
        vectors = {world.model.key: world.vectors[at]} if rule is None else {}
        result = collection.search(expression, vectors, limit=DEPTH, explain=True)
        assert result.explanation is not None
        scanned[at] = documents_scanned(result.explanation)
        without += rule is not None
        ids.append(result.ids)
    return Asked(world.searches.run(ids, DEPTH), scanned, without)


def documents_scanned(step: Step) -> int:
    own = 0 if step.counters is None else int(step.counters.documents_scanned)
    return own + sum(map(documents_scanned, step.children))


def time_requests(world: World, collection: Collection, vertical: Vertical, history: History, timed: int) -> np.ndarray:
    """float64 (timed,): microseconds of a request, from its text and searcher to its hits."""
    sample = np.linspace(0, len(world.searches) - 1, min(timed, len(world.searches))).astype(int)
    us = np.empty(len(sample))
    for row, at in enumerate(sample.tolist()):
        request = world.searches.requests.slice(at, 1)
        started = time.perf_counter_ns()
        query = world.searches.queries[at]
        expression, rule = vertical.request_expression(query, untried(collection, vertical, query, history, at))
        vectors = {world.model.key: world.model.encode_requests(request)[0]} if rule is None else {}
        collection.search(expression, vectors, limit=PAGE)
        us[row] = (time.perf_counter_ns() - started) / 1000
    return us


def measured(world: World, asked: Asked, base: Asked, us: np.ndarray) -> dict[str, Any]:
    """Recall and its paired difference to no rule, documents scanned, times."""
    row: dict[str, Any] = {}
    for k in (10, 100):
        values, before = (recall_at(one.run, world.searches.targets, k) for one in (asked, base))
        row[f"recall@{k}"] = asdict(mean_interval(values))
        row[f"difference@{k}"] = asdict(paired_difference(values, before))
    row |= {"scanned": float(asked.scanned.mean()), "mean_us": float(us.mean()), "p50_us": float(np.median(us))}
    return row


# -- the learned gate


def gate(folder: Path, name: str, num_searches: int) -> str:
    """The tables of one example."""
    written = Vertical.load(Path("examples") / name / "vertical.yaml")
    rules = Selection.model_validate({"requests": [{"kind": "short", "characters": n} for n in (4, 6)]})
    any_word = written.expressions.model_copy(update={"boolean": Template.parse("(or {terms})")})
    parts = []
    with Collection.open(folder / name / "collection", read_only=True) as collection:
        for title, expressions in (("", written.expressions), (", Boolean of any word", any_word)):
            vertical = written.model_copy(update={"selection": rules, "expressions": expressions})
            model = Model.load(folder / name / "model").with_vertical(vertical)
            searches = read_searches(folder / name / "pairs", num_searches, split="valid")
            found = search_gate(Retriever(collection, [model]), searches, model.key, LOST)
            parts.append(f"## {name}{title}\n\n{markdown(found).partition(chr(10))[2].strip()}\n")
    return "\n".join(parts)


# -- printing


def show(title: str, rows: list[dict[str, Any]], own: Mapping[str, Callable[[Any], str]]) -> str:
    """A Markdown table. own: columns that only this table has, and how each is written."""
    header = ["rule", *own, "recall@10", "minus no rule", "recall@100", "minus no rule", "scanned", "mean us", "p50 us"]
    lines = [f"## {title}", "", "| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for row in rows:
        cells = [row["rule"], *(write(row[name]) for name, write in own.items())]
        for k in (10, 100):
            cells += [_interval(row[f"recall@{k}"], ""), _interval(row[f"difference@{k}"], "+")]
        cells += [f"{row['scanned']:,.0f}", f"{row['mean_us']:,.0f}", f"{row['p50_us']:,.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _interval(cell: Mapping[str, float], sign: str) -> str:
    return f"{cell['mean']:{sign}.3f} [{cell['low']:{sign}.3f}, {cell['high']:{sign}.3f}]"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", type=Path, default=Path("demo"), help="folder that `alicorn demo` wrote, or will")
    parser.add_argument("--searches", type=int, default=10_000)
    parser.add_argument("--timed", type=int, default=1000, help="requests whose time is taken, per rule")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--built", type=Path, help="folder of built examples, for the learned gate")
    parser.add_argument("examples", nargs="*", help="with --built: movies, places, ...")
    parsed = parser.parse_args(arguments)
    if parsed.built is not None:
        print("\n".join(gate(parsed.built, name, parsed.searches) for name in parsed.examples))
        return
    world = open_world(parsed.demo, parsed.searches)
    print(f"{len(world.searches):,} searches of the test split, from {world.as_of:%Y-%m-%d %H:%M}; a simulation.\n")
    with tempfile.TemporaryDirectory() as folder:
        documents = dated_documents(world, Path(folder))
        indexed = index_rules(world, documents, Path(folder), parsed.timed)
    print(show("Documents", indexed, {"documents": "{:,}".format, "bytes": "{:,}".format}), "\n")
    with Collection.open(world.folder / "collection", read_only=True) as collection:
        requested = request_rules(world, collection, parsed.timed)
    print(show("Requests", requested, {"without_nn": "{:.1%}".format}))
    if parsed.json:
        parsed.json.write_text(json.dumps({"documents": indexed, "requests": requested}, indent=1) + "\n")


if __name__ == "__main__":
    main()
