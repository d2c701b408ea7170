"""The `alicorn` command: its verbs, its version, and exit code 2 with one message for a user's mistake."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from alicorn import __version__
from alicorn.cli.collection import alias, backup, drop, embed, interests, update, verify
from alicorn.cli.compiling import compile
from alicorn.cli.configuration import analyze, init, schema
from alicorn.cli.demo import demo
from alicorn.cli.distributed.plan import plan
from alicorn.cli.distributed.promote import promote
from alicorn.cli.distributed.shard import shard
from alicorn.cli.distributed.storage import pull, push
from alicorn.cli.lacking import naming_what_is_lacking
from alicorn.cli.learn import ensemble, export, mine, train
from alicorn.cli.logs.formats import logs
from alicorn.cli.logs.intents import intents
from alicorn.cli.logs.propensity import propensity
from alicorn.cli.logs.related import refine, related
from alicorn.cli.logs.replay import replay
from alicorn.cli.measuring.evaluate import evaluate
from alicorn.cli.measuring.tune import tune
from alicorn.cli.output import NOTES
from alicorn.cli.publish import publish
from alicorn.cli.rank import explain as rank_explain
from alicorn.cli.rank import train as rank_train
from alicorn.cli.searching.query import query
from alicorn.cli.serving.feed import feed
from alicorn.cli.serving.key import key
from alicorn.cli.serving.serve import serve
from alicorn.errors import AlicornError

# In the order of the loop, which is that of `alicorn --help`.
VERBS = (
    demo,
    init,
    mine,
    train,
    evaluate,
    ensemble,
    embed,
    export,
    publish,
    update,
    drop,
    alias,
    interests,
    related,
    refine,
    propensity,
    intents,
    schema,
    analyze,
    query,
    serve,
    shard,
    promote,
    push,
    pull,
    feed,
    replay,
    tune,
    plan,
    verify,
    backup,
    compile,
)

app = typer.Typer(
    name="alicorn",
    help="Embedding-based retrieval inside a Boolean search engine: from a search log to an answered hybrid query.\n\n"
    "The steps, each reading what the one before wrote: init, mine, train, evaluate, publish, query, serve."
    " Start with `alicorn demo`, which runs them all on a generated world.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in VERBS:
    settings = {"auto_envvar_prefix": "ALICORN"} if verb is serve else {}
    app.command(context_settings=settings)(naming_what_is_lacking(verb))
app.add_typer(key, name="key")
app.add_typer(logs, name="logs")
rank = typer.Typer(
    help="The order of hits, learned from a log.\n\nExample: alicorn rank train pairs/ --collection collection/"
    " --model model/ --features features.yaml --out ranker/",
    no_args_is_help=True,
)
rank.command("train")(naming_what_is_lacking(rank_train, "rank train"))
rank.command("explain")(naming_what_is_lacking(rank_explain, "rank explain"))
app.add_typer(rank, name="rank")


def main() -> None:
    """The `alicorn` command."""
    logging.getLogger("alicorn.tables").addHandler(NOTES)
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
