"""From a log to models: mine, train, ensemble, export."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from alicorn.cli.options import Json, ModelFolder, Overwrite, VerticalFile, load_models
from alicorn.cli.output import log, print_values
from alicorn.errors import ConfigError
from alicorn.extras import check_installed
from alicorn.folders import MODEL_FOLDER, TOWER_FOLDER, replacing


def mine(
    logs: Annotated[Path, typer.Argument(help="Folder with documents, impressions, searchers, activity.", exists=True)],
    vertical: VerticalFile,
    out: Annotated[Path, typer.Option(help="Folder for the pairs.")],
    overwrite: Overwrite = False,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="module:function that scores queries and documents, for the loss margin_mse (docs/models.md)."
        ),
    ] = None,
    propensities: Annotated[
        Path | None,
        typer.Option(help="File of `alicorn propensity --out`: clicks weigh by their rank.", exists=True),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the log tables and turn them into training examples: clicks, hard positives, non-clicks, popularity.

    Examples:

    alicorn mine logs/ --vertical vertical.yaml --out pairs/

    alicorn mine logs/ --vertical vertical.yaml --out pairs/ --teacher alicorn.evaluation.judges.word_overlap:teacher
    """
    from alicorn.logs import mine as mine_logs
    from alicorn.vertical import Vertical

    asked = None if teacher is None else _function(teacher, "--teacher")
    with log.status("reading and checking the log"):
        counts = mine_logs(
            logs, Vertical.load(vertical), out, overwrite=overwrite, teacher=asked, propensities=propensities
        )
    print_values(counts, as_json)


def _function(name: str, option: str) -> Callable[..., Any]:
    """The function `module:function`, of the current folder or installed. Raises ConfigError."""
    module, _, function = name.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        found = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{option} names a function as module:function, got '{name}': {error}") from error
    finally:
        sys.path.pop(0)
    if not callable(found):
        raise ConfigError(f"{option} names a function as module:function, and '{name}' is {found!r}")
    return cast("Callable[..., Any]", found)


def train(
    pairs: Annotated[Path, typer.Argument(help="Folder that `alicorn mine` wrote.", exists=True, file_okay=False)],
    vertical: VerticalFile,
    out: Annotated[Path, typer.Option(help="Folder for the model.")],
    recipe: Annotated[
        Path | None,
        typer.Option(help="recipe.yaml: how to learn; the default recipe unless given.", exists=True, dir_okay=False),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="Time, such as 90s, 20m or 2h, to search near the recipe on the valid split for a better one."
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")] = False,
    start: Annotated[
        Path | None, typer.Option(help="Model folder whose weights are learned on; same towers.", exists=True)
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Learn the two towers; early stop on validation recall or AUC; a checkpoint every epoch.

    The recipe's stages run one after another; those with `mined` negatives publish a shard and mine it first.

    With --budget, recipes near the one given are tried first. The model learns by the best of them, its recipe.yaml;
    search.md beside it is the table of what was tried.

    Started by torchrun, several processes share the rows of every batch (docs/beyond-one-machine.md).

    Examples:

    alicorn train pairs/ --vertical vertical.yaml --recipe recipe.yaml --out model/

    torchrun --nproc-per-node 4 --no-python alicorn train pairs/ --vertical vertical.yaml --out model/
    """
    from rich.markdown import Markdown

    from alicorn.publishing.shard_search import search_shard
    from alicorn.towers import Model
    from alicorn.training import Recipe, search_recipe, seconds_of
    from alicorn.training import train as train_model
    from alicorn.training.ranks import launched
    from alicorn.vertical import Vertical

    plan = Recipe() if recipe is None else Recipe.load(recipe)
    searched = Vertical.load(vertical)
    if budget is not None:
        if start is not None:
            raise ConfigError("--start is a model of one recipe's towers, and --budget tries others: leave one out")
        if launched().size > 1:
            raise ConfigError("--budget searches in one process: leave torchrun out, then train its recipe.yaml by it")
    given = None if start is None else Model.load(start)
    with replacing(out, MODEL_FOLDER, overwrite=overwrite, resume=resume, swap=launched().is_first) as place:
        if budget is None:
            trained = train_model(pairs, searched, plan, place, resume=resume, start=given, search=search_shard)
        else:
            tell = partial(log.print, soft_wrap=True)
            trained = search_recipe(pairs, searched, plan, place, seconds_of(budget), tell, resume, search_shard)
        if launched().is_first:
            _export_where_needed(place, out)
    if budget is not None:
        log.print(Markdown((out / "search.md").read_text(encoding="utf-8")))
    if launched().is_first:
        print_values(trained.summary(), as_json)


def _export_where_needed(place: Path, out: Path) -> None:
    """Into the folder of a model that is to be `out`; or a line that says what its server will need."""
    from alicorn.towers.export.onnx_export import export_for_service, is_exportable

    if not is_exportable(place):
        return
    try:
        then = f", then `alicorn export {out}`"
        check_installed(f"{out}: a service without torch", "onnx", "onnxscript", otherwise=then)
    except ConfigError as lacking:
        log.print(str(lacking), soft_wrap=True, markup=False)
        return
    with log.status("exporting the request tower"):
        export_for_service(place)


def ensemble(
    models: Annotated[list[Path], typer.Argument(help="Model folders, two or more.", exists=True, file_okay=False)],
    logs: Annotated[Path, typer.Option(help="Log folder, or the pairs/ folder mined from it.", exists=True)],
    out: Annotated[Path, typer.Option(help="Folder for the ensemble: a model like any other.")],
    embedding: Annotated[str | None, typer.Option(help="Key of its vectors; the vertical's unless given.")] = None,
    k: Annotated[int, typer.Option(min=1, help="Weights are chosen by recall at this cut-off.")] = 10,
    searches: Annotated[int, typer.Option(min=1, help="Sample at most this many of the valid split.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample.")] = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Join models into one embedding by weighted concatenation; the weights are searched on the valid split.

    Example: alicorn ensemble model-a/ model-b/ --logs pairs/ --out model-ab/
    """
    from alicorn.evaluation.systems.ensemble_weights import make_ensemble

    with replacing(out, MODEL_FOLDER, overwrite=overwrite) as place:
        made, found = make_ensemble(load_models(models), logs, place, embedding, k, searches, seed)
    summary = {
        "key": made.key,
        "dim": made.dim,
        "fingerprint": made.fingerprint,
        "weights": list(made.weights),
        f"recall@{k}": round(found.recall, 6),
        f"recall@{k} with equal weights": round(dict(found.tried)[(1.0,) * len(models)], 6),
        "validation_searches": found.num_searches,
    }
    print_values(summary, as_json)


def export(
    model: ModelFolder,
    out: Annotated[
        Path | None, typer.Option(help="Folder for query_tower.onnx and query_tower.json; into MODEL unless given.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write the request tower as ONNX, by which a server answers without torch where arrays do not compute it.

    Without --out it goes into the model's folder, where `serve` and `query` look for it, as `train` has put it where
    the extra onnx is installed. alicorn.towers.export.query_tower reads it from any folder.

    Examples:

    alicorn export model/

    alicorn export model/ --out query_tower/
    """
    from alicorn.towers import Model
    from alicorn.towers.export.onnx_export import export_for_service, export_query_tower

    if out is None:
        if not (written := export_for_service(model)):
            raise ConfigError(f"{model} needs no export to be served: give --out for a tower of another service")
        print_values({"out": [str(folder) for folder in written]}, as_json)
        return
    loaded = Model.load(model)
    with replacing(out, TOWER_FOLDER, overwrite=overwrite) as place:
        export_query_tower(loaded, place)
    size = (out / "query_tower.onnx").stat().st_size
    print_values({"key": loaded.key, "dim": loaded.dim, "bytes": size, "out": str(out)}, as_json)
