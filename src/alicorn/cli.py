"""How is it asked from a shell? One thin verb per room; each reads and writes files, so any step can be replaced.

Results go to standard output (as JSON with --json), progress and counts to standard error. Exit code 2 with one
message for a user's mistake. Imports that cost seconds stand inside the verbs that need them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pyarrow as pa
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from alicorn import __version__
from alicorn.errors import AlicornError, ConfigError

if TYPE_CHECKING:
    from alicorn.query import Collection, Result
    from alicorn.towers import AnyModel

app = typer.Typer(
    name="alicorn",
    help="Embedding-based retrieval inside a Boolean search engine: from a search log to an answered hybrid query.\n\n"
    "The steps, each reading what the one before wrote: mine, train, evaluate, publish, query, serve."
    " Start with `alicorn demo`, which runs them all on a generated world.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
log = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
OtherVertical = Annotated[
    Path | None,
    typer.Option(
        "--vertical",
        help="vertical.yaml whose expressions and selection act, instead of those that the model keeps.",
        exists=True,
        dir_okay=False,
    ),
]
VerticalFile = Annotated[
    Path, typer.Option("--vertical", help="vertical.yaml: what is searched.", exists=True, dir_okay=False)
]
ModelFolder = Annotated[Path, typer.Argument(help="Folder that `alicorn train` wrote.", exists=True, file_okay=False)]
CollectionFolder = Annotated[
    Path, typer.Argument(help="Folder that `alicorn publish` wrote.", exists=True, file_okay=False)
]


class How(StrEnum):
    """How a feature is taken away: its values become unknown, or those of other rows."""

    zero = "zero"
    shuffle = "shuffle"


class Size(StrEnum):
    """Sizes of the people world: 20k people and 100k searches; 200k and 1M; 2M and 10M."""

    small = "small"
    medium = "medium"
    large = "large"


@app.command()
def demo(
    size: Annotated[Size, typer.Option(help="People and searches: 20k/100k, 200k/1M or 2M/10M.")] = Size.small,
    out: Annotated[Path, typer.Option(help="Folder for logs, models, collection and reports.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same world and same models.")] = 0,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Start the search page at the end.")] = True,
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8080,
) -> None:
    """Run the whole loop on a generated people-search world (a simulation), print the tables, start the search page.

    Example: alicorn demo --size small --out demo --no-serve
    """
    _say_when_compiling()
    from alicorn.demo import run_demo, serve_demo

    run_demo(out, str(size), seed, log)
    if serve:
        serve_demo(out, port, log)


@app.command()
def mine(
    logs: Annotated[Path, typer.Argument(help="Folder with documents, impressions, searchers, activity.", exists=True)],
    vertical: VerticalFile,
    out: Annotated[Path, typer.Option(help="Folder for the pairs.")],
    as_json: Json = False,
) -> None:
    """Check the log tables and turn them into training examples: clicks, hard positives, non-clicks, popularity.

    Example: alicorn mine logs/ --vertical vertical.yaml --out pairs/
    """
    from alicorn.logs import mine as mine_logs
    from alicorn.vertical import Vertical

    with log.status("reading and checking the log"):
        counts = mine_logs(logs, Vertical.load(vertical), out)
    _print(counts, as_json)


@app.command()
def train(
    pairs: Annotated[Path, typer.Argument(help="Folder that `alicorn mine` wrote.", exists=True, file_okay=False)],
    vertical: VerticalFile,
    recipe: Annotated[Path, typer.Option(help="recipe.yaml: how to learn.", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option(help="Folder for the model.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")] = False,
    start: Annotated[
        Path | None, typer.Option(help="Model folder whose weights are learned on; same towers.", exists=True)
    ] = None,
    as_json: Json = False,
) -> None:
    """Learn the two towers; early stop on validation recall or AUC; a checkpoint every epoch.

    The recipe's stages run one after another; those with `mined` negatives publish a shard and mine it first.

    Example: alicorn train pairs/ --vertical vertical.yaml --recipe recipe.yaml --out model/
    """
    _say_when_compiling()
    from alicorn.publish import nearest
    from alicorn.towers import Model
    from alicorn.training import Recipe
    from alicorn.training import train as train_model
    from alicorn.vertical import Vertical

    given = None if start is None else Model.load(start)
    trained = train_model(
        pairs, Vertical.load(vertical), Recipe.load(recipe), out, resume=resume, start=given, search=nearest
    )
    _print(trained.summary(), as_json)


@app.command()
def evaluate(
    model: ModelFolder,
    logs: Annotated[Path, typer.Option(help="Log folder, or the pairs/ folder mined from it.", exists=True)],
    collection: Annotated[
        Path | None, typer.Option(help="Also score through this quantized index.", exists=True)
    ] = None,
    k: Annotated[str, typer.Option(help="Cut-offs of recall, separated by commas.")] = "10,100,1000",
    searches: Annotated[int, typer.Option(min=1, help="Sample at most this many searches.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample and of the intervals.")] = 0,
    nprobe: Annotated[
        int | None, typer.Option(min=1, help="Clusters to look in; as the vertical's hybrid expression unless given.")
    ] = None,
    ablate: Annotated[
        How | None, typer.Option(help="Also the recall lost without each feature: unknown, or of another row.")
    ] = None,
    rerank: Annotated[
        Path | None, typer.Option(help="Model that orders the first --depths results anew: a cascade.", exists=True)
    ] = None,
    depths: Annotated[str, typer.Option(help="For --rerank, separated by commas.")] = "10,30,100,300,1000",
    labels: Annotated[
        Path | None,
        typer.Option(help="Parquet of query, doc_id, grade: also P_good, by a relevance model of it.", exists=True),
    ] = None,
    control: Annotated[
        str | None, typer.Option(help="Template such as '(or {terms})': how many of the nearest pass it, and go on.")
    ] = None,
    pre_rank: Annotated[int, typer.Option(min=1, help="For --control: candidates kept after it, by BM25.")] = 100,
    out: Annotated[Path | None, typer.Option(help="Folder for evaluation.md, .json, .png; ablation.*.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="HTML file: all that is known of the model on one page, which opens offline.")
    ] = None,
    map_by: Annotated[
        str | None, typer.Option(help="Column that colours the report's map; the first id feature unless given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Recall@K by exact search over the whole corpus, overall and by segment, with 95 % intervals.

    Examples:

    alicorn evaluate model/ --logs logs/ --collection collection/ --k 10,100 --ablate shuffle --out reports/

    alicorn evaluate model/ --logs pairs/ --rerank second-model/ --depths 30,100

    alicorn evaluate model/ --logs pairs/ --collection collection/ --report report.html

    alicorn evaluate model/ --logs pairs/ --labels labels.parquet --collection collection/ --control '(or {terms})'
    """
    _say_when_compiling()
    from alicorn.evaluation.ablation import ablate as ablate_model
    from alicorn.evaluation.channel_weights import channel_weights
    from alicorn.evaluation.evaluate import evaluate as evaluate_model
    from alicorn.evaluation.page import Measured, check_page, page
    from alicorn.evaluation.relevance import relevance
    from alicorn.evaluation.relevance_model import RelevanceModel, read_labels
    from alicorn.evaluation.searches import open_searches
    from alicorn.evaluation.stages import check_control, survivors
    from alicorn.evaluation.systems import search_vectors
    from alicorn.publish import default_nprobe
    from alicorn.query import Collection
    from alicorn.towers import Model

    if control is not None and collection is None:
        raise ConfigError("--control asks the engine which documents pass: give --collection too")
    if control is not None:
        check_control(control)
    loaded = Model.load(model)
    second = None if rerank is None else Model.load(rerank)
    ks, sampled = _cutoffs(k, "--k"), open_searches(logs, loaded.vertical, searches, seed)
    if report is not None:
        check_page(report, sampled, map_by)
    judge = None if labels is None else RelevanceModel(read_labels(labels), sampled.documents, loaded.vertical, seed)
    opened = None if collection is None else Collection.open(collection, read_only=True)
    found = evaluate_model(
        loaded,
        sampled,
        loaded.vertical,
        ks,
        collection=opened,
        seed=seed,
        nprobe=default_nprobe(loaded.vertical) if nprobe is None else nprobe,
        second=second,
        depths=_cutoffs(depths, "--depths"),
    )
    ablation = None if ablate is None else ablate_model(loaded, sampled, ablate.value, ks, seed)
    weights = channel_weights(loaded, sampled)
    good = None if judge is None else relevance(found.runs, sampled, judge, ks, judge.auc, judge.num_labels)
    stages = None
    if control is not None and opened is not None:
        vectors = search_vectors(loaded, sampled.requests)
        vertical = loaded.vertical
        stages = survivors(opened, loaded.key, vertical, sampled, vectors, control, max(ks), pre_rank, nprobe)
    if out is not None:
        found.write(out)
    if out is not None and ablation is not None:
        ablation.write(out)
    if report is not None:
        ablated = ablation or ablate_model(loaded, sampled, "shuffle", ks, seed)
        measured = Measured(loaded, model, sampled, found, ablated, map_by, seed)
        report.write_text(page(measured), encoding="utf-8")
    if as_json:
        told = found.to_dict() | ({} if ablation is None else {"ablation": ablation.to_dict()})
        named = {"channel_weights": weights, "relevance": good, "stages": stages}
        told |= {name: part.to_dict() for name, part in named.items() if part is not None}
        sys.stdout.write(json.dumps(told) + "\n")
        return
    further = [part.markdown() for part in (ablation, weights, good, stages) if part is not None]
    sys.stdout.write("\n".join([found.markdown(), *further]) + "\n")


@app.command()
def ensemble(
    models: Annotated[list[Path], typer.Argument(help="Model folders, two or more.", exists=True, file_okay=False)],
    logs: Annotated[Path, typer.Option(help="Log folder, or the pairs/ folder mined from it.", exists=True)],
    out: Annotated[Path, typer.Option(help="Folder for the ensemble: a model like any other.")],
    embedding: Annotated[str | None, typer.Option(help="Key of its vectors; the vertical's unless given.")] = None,
    k: Annotated[int, typer.Option(min=1, help="Weights are chosen by recall at this cut-off.")] = 10,
    searches: Annotated[int, typer.Option(min=1, help="Sample at most this many of the valid split.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample.")] = 0,
    as_json: Json = False,
) -> None:
    """Join models into one embedding by weighted concatenation; the weights are searched on the valid split.

    Example: alicorn ensemble model-a/ model-b/ --logs pairs/ --out model-ab/
    """
    _say_when_compiling()
    from alicorn.evaluation.ensembles import make_ensemble

    made, found = make_ensemble(_models(models), logs, out, embedding, k, searches, seed)
    summary = {
        "key": made.key,
        "dim": made.dim,
        "fingerprint": made.fingerprint,
        "weights": list(made.weights),
        f"recall@{k}": round(found.recall, 6),
        f"recall@{k} with equal weights": round(dict(found.tried)[(1.0,) * len(models)], 6),
        "validation_searches": found.num_searches,
    }
    _print(summary, as_json)


@app.command()
def embed(
    model: ModelFolder,
    documents: Annotated[Path, typer.Option(help="Documents as Parquet.", exists=True)],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    as_json: Json = False,
) -> None:
    """Write doc_id and embedding:<key> for every document: what `publish` would index.

    Example: alicorn embed model/ --documents documents.parquet --out embeddings.parquet
    """
    _say_when_compiling()
    from alicorn.publish import embed as embed_documents
    from alicorn.towers import Model

    loaded = Model.load(model)
    with _progress("embed") as advance:
        count = embed_documents(documents, loaded, out, advance)
    _print({"documents": count, "dim": loaded.dim, "key": loaded.key, "out": str(out)}, as_json)


@app.command()
def export(
    model: ModelFolder,
    out: Annotated[Path, typer.Option(help="New folder for query_tower.onnx and query_tower.json.")],
    as_json: Json = False,
) -> None:
    """Write the request tower as ONNX, for a service without torch; alicorn.serving.query_tower reads it.

    Example: alicorn export model/ --out query_tower/
    """
    _say_when_compiling()
    from alicorn.towers import Model
    from alicorn.towers.onnx_export import export_query_tower

    loaded = Model.load(model)
    folder = export_query_tower(loaded, out)
    size = (folder / "query_tower.onnx").stat().st_size
    _print({"key": loaded.key, "dim": loaded.dim, "bytes": size, "out": str(folder)}, as_json)


@app.command()
def publish(
    documents: Annotated[Path, typer.Argument(help="Documents as Parquet: a file or a folder.", exists=True)],
    into: Annotated[Path, typer.Option(help="Collection folder, new or existing.")],
    model: Annotated[
        list[Path] | None, typer.Option(help="Model folder; again for a further embedding key.", exists=True)
    ] = None,
    vertical: OtherVertical = None,
    as_of: Annotated[
        datetime | None, typer.Option(help="UTC time from which the selection's rule `recent` counts back; now.")
    ] = None,
    stored: Annotated[
        str | None, typer.Option(help="How a new collection keeps vectors: float32 (default), float16 or codes.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Embed documents and write them into a collection. Without --model the table brings terms and vectors itself.

    Documents that the vertical's selection leaves out are not written, and counted rule by rule.

    Example: alicorn publish documents.parquet --into collection/ --model model/
    """
    _say_when_compiling()
    from alicorn.publish import publish as publish_documents

    now = None if as_of is None else as_of.replace(tzinfo=UTC)
    with _progress("publish") as advance:
        done = publish_documents(documents, into, _models(model, vertical), advance, now, stored)
    rate = (done.documents + sum(done.left_out.values())) / done.seconds
    for rule, count in done.left_out.items():
        log.print(f"left out, not {rule}: {count:,} documents")
    _print(
        {
            "documents": done.documents,
            "left_out": sum(done.left_out.values()) if not as_json else done.left_out,
            "removed": done.removed,
            "embeddings": done.embeddings,
            "seconds": round(done.seconds, 2),
            "documents_per_s": round(rate),
        },
        as_json,
    )


@app.command()
def interests(
    activity: Annotated[
        Path, typer.Argument(help="searcher_id, time, doc_id as Parquet: file or folder.", exists=True)
    ],
    collection: Annotated[
        Path, typer.Option(help="Folder that `alicorn publish` wrote.", exists=True, file_okay=False)
    ],
    key: Annotated[str, typer.Option(help="Embedding key of the documents.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    threshold: Annotated[float, typer.Option(min=0.0, help="Ward's distance at which clusters stay apart.")] = 1.5,
    decay: Annotated[float, typer.Option(min=0.0, help="Of importance, a day; 0 counts documents alone.")] = 0.01,
    newest: Annotated[int, typer.Option(min=1, help="Read so many documents of a history; cost is quadratic.")] = 500,
    as_of: Annotated[datetime | None, typer.Option(help="UTC time that ages count from; the last row's.")] = None,
    as_json: Json = False,
) -> None:
    """Write each searcher's interests: clusters of what they chose, each as one of its documents (PinnerSage).

    Nothing is learned; `alicorn query --interests FILE --of SEARCHER` looks for three of them.

    Example: alicorn interests logs/activity.parquet --collection collection/ --key movies --out interests.parquet
    """
    _say_when_compiling()
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    from alicorn.interests import PinnerSage, searcher_interests
    from alicorn.query import Collection

    settings = PinnerSage(threshold=threshold, decay=decay, newest=newest)
    now = None if as_of is None else as_of.replace(tzinfo=UTC)
    with Collection.open(collection, read_only=True) as opened:
        if key not in opened.embeddings:
            raise ConfigError(f"--key: the collection has {', '.join(sorted(opened.embeddings))}, got {key!r}")
        found = searcher_interests(
            ds.dataset(activity, format="parquet").to_table(), opened.snapshot(), key, settings, now
        )
    pq.write_table(found.table, out)
    counts = [len(ids) for ids in found.table["doc_ids"].to_pylist()]
    summary = {"searchers": len(counts), "interests": sum(counts), "rows_without_vector": found.without_vector}
    _print(summary | {"out": str(out)}, as_json)


@app.command()
def query(
    collection: CollectionFolder,
    expression: Annotated[
        str | None,
        typer.Argument(help="Expression; without one, the vertical's hybrid expression of --text and the first model."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="Query text for the model's query tower.")] = None,
    searcher: Annotated[str, typer.Option(help="Columns of the searcher, as a JSON object.")] = "{}",
    model: Annotated[
        list[Path] | None, typer.Option(help="Model folder; again for a further key.", exists=True)
    ] = None,
    limit: Annotated[int, typer.Option(min=0)] = 10,
    order_by: Annotated[
        str | None, typer.Option(help="nn, static_rank, bm25, or a sum of them such as nn=0.7,bm25=0.3.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show plan, counts and times of every node.")] = False,
    why: Annotated[
        str | None, typer.Option(help="Say node by node why this document is in the result, or not.")
    ] = None,
    vertical: OtherVertical = None,
    interests: Annotated[
        Path | None, typer.Option(help="File of `alicorn interests`: look for three interests of --of.", exists=True)
    ] = None,
    of: Annotated[str | None, typer.Option(help="Id of the searcher in --interests.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the interests that are drawn.")] = 0,
    as_json: Json = False,
) -> None:
    """Answer one expression.

    Examples:

    alicorn query collection/ '(and text:john (range age :min 30))'

    alicorn query collection/ '(or (and text:john text:smithe) (nn people :radius 0.3))' --text 'john smithe'
    --searcher '{"city": "Seattle"}' --model model/

    alicorn query collection/ --interests interests.parquet --of u17
    """
    _say_when_compiling()
    from alicorn.publish import check_models
    from alicorn.query import Collection

    models = _models(model, vertical)
    if (interests is None) != (of is None):
        raise ConfigError("--interests and --of belong together: a file of `alicorn interests`, and whose")
    if interests is None and expression is None and not (models and text is not None):
        raise ConfigError("give an expression, or --text with --model for the vertical's hybrid expression")
    if models and text is None:
        raise ConfigError("--model encodes a request: give its query with --text")
    if text is not None and not models:
        raise ConfigError("--text is encoded by a query tower: give its folder with --model")
    with Collection.open(collection, read_only=True) as opened:
        check_models(opened, models)
        vectors = _vectors(models, text or "", searcher)
        if interests is not None and of is not None:
            nearest, drawn = _drawn_interests(opened, interests, of, seed)
            vectors, expression = vectors | drawn, expression or nearest
        asked, rule = (expression, None) if expression is not None else _hybrid(models[0], text or "")
        order: str | Mapping[str, float] | None = _order(order_by)
        if rule is not None:
            from alicorn.vertical.selection import order_without_nn

            order = order_without_nn(order)
            log.print(f"note: answered without nn: the search is {rule}")
        if why is not None:
            found = opened.explain(asked, why, vectors=vectors)
            if found is None:
                raise ConfigError(f"--why: the collection has no document {why!r}")
            sys.stdout.write((json.dumps(found.to_dict()) if as_json else str(found)) + "\n")
            return
        result = opened.search(asked, vectors=vectors, limit=limit, order_by=order, explain=explain)
        stored = [opened.get(doc_id) for doc_id in result.ids]
    _print_result(result, stored, as_json)


@app.command()
def serve(
    collection: CollectionFolder,
    model: Annotated[
        list[Path] | None, typer.Option(help="Model folder; again for a further key.", exists=True)
    ] = None,
    searchers: Annotated[Path | None, typer.Option(help="Searchers as Parquet, for the page.", exists=True)] = None,
    served_log: Annotated[Path | None, typer.Option(help="Folder for the log of served searches.")] = None,
    vertical: OtherVertical = None,
    host: str = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8080,
) -> None:
    """Answer over HTTP, with a search page at /.

    Example: alicorn serve collection/ --model model/ --searchers logs/searchers.parquet
    """
    _say_when_compiling()
    from alicorn.serving import serve as serve_collection

    models = _models(model, vertical)
    serve_collection(collection, models, searchers=searchers, served_log=served_log, host=host, port=port)


@app.command()
def tune(
    collection: CollectionFolder,
    key: Annotated[str, typer.Option(help="Embedding key to tune.")],
    out: Annotated[Path, typer.Option(help="Folder for tuning.md, tuning.json and tuning.png.")],
    queries: Annotated[
        Path | None,
        typer.Option(help="Query vectors as Parquet; without it, documents look for their neighbours."),
    ] = None,
    sample: Annotated[int, typer.Option(min=1, help="Use at most this many queries.")] = 200,
    documents: Annotated[int, typer.Option(min=1, help="Measure on at most this many vectors.")] = 100_000,
    grid: Annotated[
        list[str] | None,
        typer.Option(help="What to try, such as 'codec=sq8,opq pq_bytes=16,32 num_clusters=512 nprobe=4,8,16'."),
    ] = None,
    k: Annotated[int, typer.Option(min=1, help="Of recall@k.")] = 10,
    target_recall: Annotated[float, typer.Option(min=0.0, max=1.0)] = 0.95,
    apply: Annotated[bool, typer.Option("--apply", help="Train the collection with what is recommended.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the samples.")] = 0,
    as_json: Json = False,
) -> None:
    """Measure quantizer settings on a collection's own vectors: recall, documents scanned, bytes, latency.

    Examples:

    alicorn tune collection/ --key people --out tuning/

    alicorn tune collection/ --key people --queries queries.parquet --grid 'codec=sq8,rabitq bits=2,4' --apply
    --out tuning/
    """
    _say_when_compiling()
    from alicorn.query import Collection
    from alicorn.tuning import Grid
    from alicorn.tuning import tune as tune_key
    from alicorn.tuning.report import check_drawing, markdown, write_report

    check_drawing()
    tried = Grid.parse(grid or [])
    out.mkdir(parents=True, exist_ok=True)
    with Collection.open(collection, read_only=not apply) as opened, _progress("tune") as advance:
        found = tune_key(
            opened,
            key,
            queries,
            sample=sample,
            documents=documents,
            grid=tried,
            k=k,
            target_recall=target_recall,
            apply=apply,
            scratch=out,
            seed=seed,
            on_progress=advance,
        )
    write_report(found, out)
    sys.stdout.write((json.dumps(found.to_dict()) if as_json else markdown(found)) + "\n")


@app.command()
def verify(collection: CollectionFolder, as_json: Json = False) -> None:
    """Check every file of a collection against its checksum.

    Example: alicorn verify collection/
    """
    _say_when_compiling()
    from alicorn.index import verify as verify_collection

    found = verify_collection(collection)
    _print({"files": found.num_files, "bytes": found.num_bytes, "journal operations": found.operations}, as_json)


def main() -> None:
    """The `alicorn` command."""
    try:
        app(prog_name="alicorn")
    except AlicornError as error:
        sys.stderr.write(f"alicorn: {error}\n")
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(0)
    except (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        sys.stderr.write(f"alicorn: {error.filename or 'a file'}: {error.strerror or error}\n")
        sys.exit(2)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        sys.stdout.write(f"alicorn {__version__}\n")
        raise typer.Exit


@contextmanager
def _progress(what: str) -> Iterator[Any]:
    """A bar on standard error, where that is a terminal, while a callback (done, total) is called."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=log, transient=True, disable=not log.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@cache
def _say_when_compiling() -> None:
    """Loops are compiled when they are first imported on a machine: up to ten seconds that would look like a hang."""
    from numba.core import event

    class Once(event.Listener):  # type: ignore[misc]
        said = False

        def on_start(self, event: Any) -> None:
            if not self.said:
                self.said = True
                log.print("compiling for this machine: up to a minute, and only the first time")

        def on_end(self, event: Any) -> None: ...

    event.register("numba:compile", Once())


def _models(folders: list[Path] | None, vertical: Path | None = None) -> list[AnyModel]:
    """The models; with a vertical, each serves this version of its own."""
    if not folders:
        if vertical is not None:
            raise ConfigError("--vertical is of a model: give its folder with --model")
        return []
    from alicorn.towers import Model
    from alicorn.vertical import Vertical

    models = [Model.load(folder) for folder in folders]
    if vertical is None:
        return models
    served = Vertical.load(vertical)
    return [model.with_vertical(served) for model in models]


def _hybrid(model: AnyModel, text: str) -> tuple[str, str | None]:
    """What the text becomes, and the rule of the selection by which it has no nn, with the key of this model: its
    recipe may publish under one of its own."""
    from alicorn.publish import interests_of

    vectors = interests_of([model]).get(model.key, ())
    return model.vertical.request_expression(text, model.key, vectors=vectors)


def _vectors(models: list[AnyModel], text: str, searcher: str) -> dict[str, Any]:
    """The request's vector of each model, or those of its interests, by name."""
    from alicorn.evaluation.systems import search_vectors
    from alicorn.language.templates import named_vectors
    from alicorn.publish import interests_of

    interests_of(models)
    vectors = {}
    for model in models:
        encoded = named_vectors(model.key, search_vectors(model, _request(model, text, searcher)))
        vectors.update({name: rows[0] for name, rows in encoded.items()})
    return vectors


def _request(model: AnyModel, text: str, searcher: str) -> pa.Table:
    """One row: the query and the searcher's columns. A column that is not given is null: unknown to the model."""
    from alicorn.vertical.searchers import Searchers

    try:
        columns = json.loads(searcher)
    except json.JSONDecodeError as error:
        raise ConfigError(f"--searcher must be a JSON object of context columns: {error}") from error
    if not isinstance(columns, dict):
        raise ConfigError(f"--searcher must be a JSON object of context columns, got {type(columns).__name__}")
    return Searchers(model.vertical, None).request(text, columns)


def _drawn_interests(collection: Collection, table: Path, searcher: str, seed: int) -> tuple[str, dict[str, Any]]:
    """An expression for the 100 nearest documents to each of three interests drawn by importance, and the vectors."""
    import numpy as np
    import pyarrow.parquet as pq

    from alicorn.interests import interest_vectors, key_of
    from alicorn.language import tree

    read = pq.read_table(table)
    vectors = interest_vectors(read, searcher, collection.snapshot(), 3, np.random.default_rng(seed))
    return str(tree.Or(tuple(tree.Nn(key_of(read), k=100, vector=name) for name in vectors))), dict(vectors)


def _order(text: str | None) -> str | dict[str, float] | None:
    if text is None or "=" not in text:
        return text
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = part.partition("=")
        try:
            weights[name.strip()] = float(weight)
        except ValueError:
            raise ConfigError(f"--order-by: expected name=weight, such as nn=0.7,bm25=0.3, got {part!r}") from None
    return weights


def _cutoffs(text: str, option: str) -> list[int]:
    try:
        ks = sorted({int(part) for part in text.split(",")})
    except ValueError:
        message = f"{option}: expected whole numbers separated by commas, such as 10,100, got {text!r}"
        raise ConfigError(message) from None
    if ks[0] < 1:
        raise ConfigError(f"{option}: cut-offs are from 1, got {ks[0]}")
    return ks


def _print(values: dict[str, Any], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(values) + "\n")
        return
    width = max(map(len, values))
    for name, value in values.items():
        shown = f"{value:,}" if isinstance(value, int) else value
        sys.stdout.write(f"{name:<{width}}  {shown}\n")


def _print_result(result: Result, stored: list[dict[str, Any] | None], as_json: bool) -> None:
    if as_json:
        hits = [
            {"doc_id": doc_id, "score": score if score > float("-inf") else None, "stored": fields}
            for doc_id, score, fields in zip(result.ids, result.scores.tolist(), stored, strict=True)
        ]
        answer: dict[str, Any] = {"total": result.total, "took_ms": round(result.took_ms, 3), "hits": hits}
        answer["notices"] = list(result.notices)
        if result.explanation is not None:
            answer["explanation"] = result.explanation.to_dict()
        sys.stdout.write(json.dumps(answer, default=str) + "\n")
        return
    for doc_id, score, fields in zip(result.ids, result.scores.tolist(), stored, strict=True):
        shown = "  ".join(f"{name}: {value}" for name, value in (fields or {}).items() if _is_short(name, value))
        sys.stdout.write(f"{score:9.4f}  {doc_id}  {shown}\n")
    sys.stdout.write(f"{len(result.ids)} of {result.total} in {result.took_ms:.2f} ms\n")
    for notice in result.notices:
        log.print(f"note: {notice}")
    if result.explanation is not None:
        sys.stdout.write(f"{result.explanation}\n")


def _is_short(name: str, value: object) -> bool:
    return name not in ("doc_id", "terms") and value is not None and len(str(value)) <= 80
