"""Every verb where the packages of an extra are missing: one sentence that says what to install, or the work itself."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from alicorn.cli.app import VERBS
from alicorn.extras import EXTRAS

ROOT = Path(__file__).parents[2]
# What a verb needs; with several, any of those that are missing may be named first. A model is
# published, asked and served without torch.
NEEDS = {
    "demo": {"learn", "serve"},
    "init": set(),
    "mine": {"learn"},
    "train": {"learn"},
    "evaluate": {"learn"},
    "ensemble": set(),
    "embed": {"learn"},
    "export": {"learn", "onnx"},
    "publish": set(),
    "update": set(),
    "drop": set(),
    "alias": set(),
    "interests": {"learn"},
    "related": {"learn"},
    "refine": {"learn"},
    "intents": set(),
    "replay": set(),
    "propensity": {"learn"},
    "schema": set(),
    "analyze": set(),
    "query": set(),
    "serve": {"serve"},
    "shard": {"serve"},
    "promote": {"serve"},
    "push": {"serve"},
    "pull": {"serve"},
    "feed": {"client"},
    "backup": set(),
    "tune": {"learn"},
    "plan": {"serve"},
    "verify": set(),
    "compile": set(),
}
# The packages in the first argument are hidden; then every verb in turn -> exit code and standard error.
PROGRAM = """
import contextlib, io, json, sys
hidden, verbs = json.loads(sys.argv[1])
sys.modules.update(dict.fromkeys(hidden))
from alicorn.cli import main
found = {}
for verb, arguments in verbs.items():
    sys.argv = ["alicorn", verb, *arguments]
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code
    found[verb] = [code, said.getvalue()]
print(json.dumps(found))
"""


def arguments(loop, out):
    """Arguments of each verb with which it would begin its work, without writing into the loop's own folders."""
    vertical, model, collection = ("--vertical", loop.vertical), ("--model", loop.model), loop.collection
    documents, made = loop.logs / "documents", out.with_name(f"{out.name}-made")  # by verbs that need nothing
    nobody = loop.folder / "nobody.csv"
    nobody.write_text("doc_id,name\nnobody,x\n")
    return {
        "demo": ["--out", out / "demo"],
        "init": [loop.logs, "--out", made / "draft"],
        "mine": [loop.logs, *vertical, "--out", out / "pairs"],
        "train": [loop.pairs, *vertical, "--recipe", loop.recipe, "--out", out / "model"],
        "evaluate": [loop.model, "--logs", loop.pairs],
        "ensemble": [loop.model, loop.model, "--logs", loop.pairs, "--out", made / "both"],
        "embed": [loop.model, "--documents", documents, "--out", out / "embeddings.parquet"],
        "export": [loop.model, "--out", out / "onnx"],
        "publish": [documents, "--into", made / "collection", *model],
        "update": [nobody, "--into", collection],
        "drop": [collection, "--key", "none"],
        "alias": [collection, "current=none"],
        "propensity": [loop.logs, *vertical],
        "related": [loop.logs, *vertical, "--out", out / "related.parquet"],
        "refine": [loop.pairs, "--collection", collection, "--key", "people", "--out", out / "refined.parquet"],
        "intents": ["--help"],  # it needs a vertical with a control
        "replay": ["--help"],  # it needs a served log of a ranker
        "interests": [loop.logs / "activity", "--collection", collection, "--key", "people", "--out", out / "i"],
        "schema": ["vertical"],
        "analyze": ["john smith", *vertical],
        "query": [collection, "--text", "john smith", *model],
        "serve": [collection, *model],
        "shard": [collection, "0", "--listen", "unix:/nowhere"],
        "promote": [collection, "--shard", "0=unix:/nowhere"],
        "push": [collection, (out / "objects").as_uri()],
        "pull": [(out / "objects").as_uri(), out / "pulled"],
        "feed": ["/dev/null"],
        "tune": [collection, "--key", "people", "--out", out / "tuning"],
        "plan": [collection, "--documents", "1e6", "--rate", "10"],
        "verify": [collection],
        "backup": ["--help"],  # it needs a place of its own
        "compile": ["--help"],  # the work itself takes a minute
    }


@pytest.mark.parametrize("installed", [None, "learn", "serve", "onnx", "encoder"])
def test_a_verb_names_the_extra_that_is_missing(loop, tmp_path, installed):
    asked = {verb: list(map(str, given)) for verb, given in arguments(loop, tmp_path).items()}
    alone = {verb for verb, needs in NEEDS.items() if not needs and installed is None}
    asked = {verb: given for verb, given in asked.items() if verb in alone or NEEDS[verb] - {installed}}
    hidden = [package for extra, packages in EXTRAS.items() if extra != installed for package in packages]
    told = json.dumps([hidden, asked])
    done = subprocess.run([sys.executable, "-c", PROGRAM, told], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for verb, (code, said) in json.loads(done.stdout).items():
        if NEEDS[verb]:
            assert code == 2, (verb, said)
            assert said.startswith("alicorn: "), (verb, said)
            assert said.count("\n") == 1, (verb, said)
            assert any(extra in said.split("alicorn[")[1] for extra in NEEDS[verb] - {installed}), (verb, said)
        else:
            assert "pip install" not in said, (verb, said)
            assert code == (2 if verb in ("drop", "alias") else 0), (verb, said)
    assert not list(tmp_path.iterdir())


def test_every_verb_is_here():
    assert set(NEEDS) == {verb.__name__ for verb in VERBS}


def test_the_packages_of_an_extra_are_those_of_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    brought_by = packages_distributions()
    for extra, packages in EXTRAS.items():
        required = {re.match(r"[\w-]+", one)[0] for one in project["optional-dependencies"][extra]}
        assert {
            re.sub("[_.]", "-", name.lower()) for package in packages for name in brought_by.get(package, [package])
        } == required
    assert set(project["optional-dependencies"]) - set(EXTRAS) == {"bench", "peers", "dev"}
