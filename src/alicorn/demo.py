"""`alicorn demo`: the whole loop on the generated people world, from a search log to answered hybrid queries.

Every step is the one a user runs on his own data; only the first, the world that searches and clicks, is a simulation.
It leaves logs/, pairs/, models, collection/ and reports/ below one folder, so that any verb can go on from there.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from alicorn.errors import ConfigError
from alicorn.evaluation.metrics.bootstrap import Interval
from alicorn.evaluation.metrics.comparison import Comparison, compare
from alicorn.evaluation.reports.comparison_report import SIMULATION, write_report
from alicorn.evaluation.searches import Searches, read_searches
from alicorn.evaluation.systems import runs as systems
from alicorn.evaluation.systems.served import any_word, served
from alicorn.logs import mine
from alicorn.publishing.publish import CALIBRATING, publish
from alicorn.query import Collection
from alicorn.reporting.progress import progress_bar
from alicorn.retrieval.retriever import Retriever
from alicorn.towers import AnyModel, Model
from alicorn.training import Recipe, train
from alicorn.vertical import Vertical
from alicorn.worlds.people.world import PeopleWorld

NUM_SEARCHES = {"small": 100_000, "medium": 1_000_000, "large": 10_000_000}
SHOWN = ("exact", "misspelled", "nickname", "ambiguous")  # segments of the printed table; the report has all
BOOLEAN, BM25, TEXT, UNIFIED, HYBRID, INDEX = (
    "Boolean engine",
    "BM25",
    "text embedding",
    "unified embedding",
    "hybrid",
    "unified, through the index",
)
_PAGE = 10  # results that the production engine shows
_DEPTH = 100
_EVALUATED = 10_000  # searches, as in EBR


def run_demo(out: Path, size: str, seed: int, console: Console) -> None:
    """World, log, pairs, two models, collection, tables. `out` must be new, or the folder of an earlier demo."""
    _make_room(out)
    started = time.perf_counter()
    steps = _Steps(console)
    vertical_file = out / "vertical.yaml"
    vertical_file.write_bytes(resources.files("alicorn.worlds.people").joinpath("vertical.yaml").read_bytes())
    recipes = resources.files("alicorn.training")
    for name in ("people_recipe.yaml", "people_text_recipe.yaml"):
        target = "recipe.yaml" if name == "people_recipe.yaml" else "text_recipe.yaml"
        (out / target).write_bytes(recipes.joinpath(name).read_bytes())
    vertical = Vertical.load(vertical_file)
    _write_world(out, vertical, size, seed, steps)
    with steps("mine the log into pairs"):
        mined = mine(out / "logs", vertical, out / "pairs")
    console.print(f"  {mined['pairs']:,} pairs, {mined['pairs_hard_train']:,} of them from failed searches")
    models: dict[str, AnyModel] = {}
    for name, recipe_file in (("text", "text_recipe.yaml"), ("unified", "recipe.yaml")):
        with steps(f"train the {name} embedding"):
            train(out / "pairs", vertical, Recipe.load(out / recipe_file), out / f"model-{name}")
        models[name] = Model.load(out / f"model-{name}")
    with steps("publish documents with both embeddings") as advance:
        calibrating = read_searches(out / "pairs", CALIBRATING, seed, "valid").requests
        documents = out / "logs" / "documents"
        publish(documents, out / "collection", list(models.values()), advance, requests=calibrating)
    with Collection.open(out / "collection", read_only=True) as collection:
        with steps("evaluate six systems") as advance:
            searches = read_searches(out / "pairs", _EVALUATED, seed)
            comparison = _evaluate(collection, vertical, models, searches, seed, advance)
            write_report(comparison, out / "reports", title="People world", notes=[SIMULATION])
        _print_tables(comparison, console)
        _print_examples(Retriever(collection, [models["unified"]]), searches, console)
    seconds = time.perf_counter() - started
    console.print(
        f"\nDone in {seconds:.0f} s. Report: {out / 'reports' / 'report.md'}. Every verb can go on from {out}:"
    )
    example = f"alicorn query {out / 'collection'} --text 'john smith' --model {out / 'model-unified'}"
    console.print(f"  {example} --explain", soft_wrap=True)


def serve_demo(out: Path, port: int, console: Console) -> None:
    """The search page over the demo's collection; returns when interrupted."""
    from alicorn.serving import serve

    models = [Model.load(out / f"model-{name}") for name in ("text", "unified")]
    console.print(f"Search page: http://127.0.0.1:{port}/  (stop with Ctrl-C)")
    serve(
        out / "collection",
        models,
        searchers=out / "pairs" / "searchers.parquet",
        served_log=out / "served",
        host="127.0.0.1",
        port=port,
    )


class _Steps:
    """Says what is being done, with a bar where the step counts, and how long it took."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def __call__(self, what: str) -> Iterator[Callable[[int, int], None]]:
        started = time.perf_counter()
        self.console.print(f"[bold]{what}[/bold]")
        with progress_bar(self.console, f"  {what}") as advance:
            yield advance
        self.console.print(f"  {time.perf_counter() - started:.1f} s")


def _make_room(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file: give a folder with --out")
    if out.exists() and any(out.iterdir()):
        if not (out / "vertical.yaml").exists() or not (out / "logs").exists():
            raise ConfigError(f"{out} is not empty and not the folder of an earlier demo: give another with --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)


def _write_world(out: Path, vertical: Vertical, size: str, seed: int, steps: _Steps) -> None:
    """The simulation: people, and what they searched, were shown by the Boolean engine, and clicked."""
    with steps(f"generate the people world ({size}; a simulation)"):
        world = PeopleWorld.generate(size, seed)
    with steps("index the documents for the production engine: Boolean, no embeddings") as advance:
        production = Collection.create(out / "production")
        for start, stop in world.parts():
            production.upsert(vertical.index_table(world.documents(start, stop), None))
            advance(stop, world.num_people)
        production.flush()

    def engine(queries: list[str]) -> list[list[str]]:
        expressions = [vertical.expression("boolean", query) for query in queries]
        return [result.ids for result in production.search_many(expressions, limit=_PAGE)]

    with production, steps("let people search it, and log what they see and click") as advance:
        world.write_logs(out / "logs", NUM_SEARCHES[size], engine, advance)
    shutil.rmtree(out / "production")


def _evaluate(
    collection: Collection,
    vertical: Vertical,
    models: dict[str, AnyModel],
    searches: Searches,
    seed: int,
    advance: Callable[[int, int], None],
) -> Comparison:
    """Six systems over the same searches."""
    requests = {name: model.encode_requests(searches.requests) for name, model in models.items()}
    documents = {name: model.encode_documents(searches.documents) for name, model in models.items()}
    retriever = Retriever(collection, [models["unified"]])
    unified, key = requests["unified"], models["unified"].key
    ask: dict[str, Callable[[], np.ndarray]] = {
        BOOLEAN: lambda: served(retriever, searches, _DEPTH, "boolean").run,
        BM25: lambda: any_word(collection, vertical, searches, _DEPTH).run,
        TEXT: lambda: systems.embedding_run(requests["text"], documents["text"], _DEPTH),
        UNIFIED: lambda: systems.embedding_run(unified, documents["unified"], _DEPTH),
        INDEX: lambda: systems.index_run(collection, key, searches, unified, _DEPTH),
        HYBRID: lambda: served(retriever, searches, _DEPTH, "hybrid", key, {key: unified}).run,
    }
    runs = {}
    for done, (system, answer) in enumerate(ask.items()):
        advance(done, len(ask))
        runs[system] = answer()
    return compare(runs, searches.targets, segments=searches.segments, baseline=TEXT, seed=seed)


def _print_tables(comparison: Comparison, console: Console) -> None:
    console.print(f"\n[bold]Recall, and how far the unified embedding is above the text embedding[/bold]\n{SIMULATION}")
    console.print("\u00b1 is half of the 95 % bootstrap interval.")
    for segment in ("overall", *SHOWN):
        if segment not in comparison.segments:
            continue
        table = Table(title=f"{segment} ({comparison.segments[segment]:,} searches)", title_justify="left")
        table.add_column("system")
        for measure in comparison.measures:
            table.add_column(measure, justify="right")
        for system in comparison.systems:
            cells = [comparison.mean(system, measure, segment) for measure in comparison.measures]
            table.add_row(system, *(f"{cell.mean:.3f} \u00b1{_half(cell):.3f}" for cell in cells))
        cells = [comparison.difference(UNIFIED, measure, segment) for measure in comparison.measures]
        table.add_section()
        table.add_row("unified - text", *(f"{cell.mean:+.3f} \u00b1{_half(cell):.3f}" for cell in cells))
        console.print(table)
    exact, indexed = (comparison.mean(system, "recall@100").mean for system in (UNIFIED, INDEX))
    console.print(
        Markdown(
            f"- Through the quantized index recall@100 is {indexed / exact:.3f} of exact search.\n"
            "- EBR reports +18 % (events) and +16 % (groups) recall of unified over text embeddings."
        )
    )


def _half(cell: Interval) -> float:
    return (cell.high - cell.low) / 2


def _print_examples(retriever: Retriever, searches: Searches, console: Console) -> None:
    """Five searches of the test split, one per segment where there is one, answered by the hybrid expression."""
    console.print("\n[bold]Five searches of the test split, answered by the hybrid expression[/bold]")
    assert retriever.searchers is not None
    labels = [next((s for s in SHOWN if s in row), "other") for row in searches.segments]
    chosen = [labels.index(label) for label in (*SHOWN, "other") if label in labels]
    for at in chosen:
        query = searches.queries[at]
        columns = {name: searches.requests[name][at].as_py() for name in retriever.searchers.columns}
        request = retriever.request(text=query, searcher=columns, limit=3)
        result = retriever.search(request)
        city = searches.requests["city"][at].as_py()
        console.print(f"\n{query!r} by a searcher in {city} ({', '.join(searches.segments[at])})")
        console.print(f"  {request.expression}   {result.total} documents, {result.took_ms:.2f} ms", style="dim")
        wanted = _targets(searches, at)
        for place, (doc_id, score) in enumerate(zip(result.ids, result.scores.tolist(), strict=True)):
            stored = result.document(place)
            mark = "  <- chosen by the searcher" if doc_id in wanted else ""
            console.print(f"  {score:6.3f}  {stored.get('name')}, {stored.get('city')}{mark}")


def _targets(searches: Searches, at: int) -> set[str]:
    numbers = searches.targets.take(np.array([at])).documents
    return set(searches.documents["doc_id"].take(pa.array(numbers[numbers >= 0])).to_pylist())
