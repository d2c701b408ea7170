"""The rooms' one-way order, read from the imports: a room uses earlier rooms, never later ones."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import alicorn

SOURCE = Path(alicorn.__file__).parent
ROOMS = [
    "errors",
    "extras",
    "folders",
    "processes",
    "text",
    "iso_times",
    "interval",
    "compiled",
    "config",
    "json_schema",
    "reporting",
    "tables",
    "analysis",
    "language",
    "vertical",
    "drafting",
    "worlds",
    "pairs",
    "logs",
    "features",
    "losses",
    "negatives",
    "towers",
    "training",
    "quantization",
    "index",
    "query",
    "tuning",
    "publishing",
    "distributed",
    "intents",
    "retrieval",
    "evaluation",
    "interests",
    "ranking",
    "feedback",
    "serving",
    "demo",
    "client",
    "cli",
]
# Rooms inside a room, in the same one-way order; what is not listed may be used by all of them.
INSIDE = {
    "training": ["ranks", "recipe", "examples", "objective", "run", "search_space", "successive_halving"],
    "towers": [
        "settings",
        "layout",
        "tables",
        "channels",
        "fusions",
        "semantic",
        "weights_file",
        "model_folder",
        "concat_arrays",
        "request_tower",
        "model_base",
        "ensemble",
        "two_tower",
        "model",
        "export",
        "without_torch",
    ],
    "worlds/people": ["population", "searching", "log_writer", "world"],
    "features": ["channel_id", "arrays", "kinds", "pretrained", "padded", "store", "featurizer"],
    "logs": [
        "tables",
        "timelines",
        "splits",
        "positives",
        "context",
        "popularity",
        "likeness",
        "leaks",
        "behaviour",
        "mine",
        "related",
        "propensity",
    ],
    "logs/formats": ["rest", "ubi", "metarank", "convert"],
    "logs/tables": ["contract", "outcomes", "checks", "fingerprint", "reading"],
    "index": ["durability", "segment", "state", "writer"],
    "index/segment": ["parts", "segment", "snapshot", "numeric", "building", "files"],
    "distributed": ["protocol", "publishing", "shard", "router", "processes", "storage"],
    "distributed/storage": ["objects", "transfer"],
    "distributed/processes": [
        *("frames", "secret", "ready", "server", "telling", "client", "opening", "following", "promoting", "on_ray"),
    ],
    "distributed/shard": ["execution", "agreeing", "answering", "shard", "epochs", "written", "versions"],
    "distributed/router": [
        "reach",
        "transport",
        "rounds",
        "facts",
        "merging",
        "fetched",
        "version",
        "search",
        "writing",
        "sharded",
    ],
    "evaluation": ["metrics", "unseen", "searches", "systems", "judges", "reports", "orders", "gates"],
}
# The engine stands alone: no vertical, no model, no log tooling.
ENGINE = ("language", "quantization", "index", "query")
ENGINE_MAY_USE = ("errors", "processes", "text", "iso_times", "interval", "compiled", "tables", "analysis", *ENGINE)
NOT_IN_ENGINE = ("torch", "ibis", "duckdb", "pydantic")


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, those inside functions included; `from a import b` gives a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "." * node.level
            elif node.module == "alicorn":
                yield from ((node.lineno, f"alicorn.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module or ""


def type_checking_lines(tree: ast.AST) -> set[int]:
    """Lines under `if TYPE_CHECKING:`: they name types and are never run."""
    blocks = [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
    ]
    return {line for block in blocks for node in block.body for line in range(node.lineno, (node.end_lineno or 0) + 1)}


def violations(source: str, room: str, path: str) -> list[str]:
    """What one file of a room does against the house, each as `path:line: rule`."""
    tree = ast.parse(source)
    never_run = type_checking_lines(tree)
    found = []
    for line, name in imports(tree):
        package, _, rest = name.partition(".")
        other = rest.partition(".")[0]
        if name.startswith("."):
            found.append(f"{path}:{line}: relative import: write the room's name, alicorn.{room}")
        elif package == "alicorn" and other in ROOMS:
            if ROOMS.index(other) > ROOMS.index(room):
                found.append(f"{path}:{line}: {room} imports {other}, a later room: {' < '.join(ROOMS)}")
            elif room in ENGINE and other not in ENGINE_MAY_USE:
                found.append(f"{path}:{line}: {room} imports {other}: the engine uses {', '.join(ENGINE_MAY_USE)} only")
        elif package == "alicorn" and rest and other != "__version__":
            found.append(f"{path}:{line}: {name} belongs to no room of tests/test_house.py: {' < '.join(ROOMS)}")
        elif room in ENGINE and package in NOT_IN_ENGINE and line not in never_run:
            found.append(f"{path}:{line}: {room} imports {package}: the engine stands alone")
    return found


def violations_inside(source: str, room: str, inner: str, path: str) -> list[str]:
    """What one file of a room inside a room does against their order, each as `path:line: rule`."""
    order = INSIDE[room]
    found = []
    tree = ast.parse(source)
    never_run = type_checking_lines(tree)
    prefix = f"alicorn.{room.replace('/', '.')}."
    for line, name in imports(tree):
        other = name.removeprefix(prefix).partition(".")[0]
        if (
            line not in never_run
            and name.startswith(prefix)
            and other in order
            and order.index(other) > order.index(inner)
        ):
            found.append(f"{path}:{line}: {room}/{inner} imports {room}/{other}, a later room: {' < '.join(order)}")
    return found


def type_names(source: str) -> set[str]:
    """The classes of a file, and the names that it gives to types: a name in camel case that is assigned at its top."""
    tree = ast.parse(source)
    classes = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    assigned = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id[0].isupper() and not target.id.isupper()
    }
    return classes | assigned


def files() -> list[tuple[str, Path]]:
    """(room, file) of every source file but the package's own __init__, which loads lazily what users import."""
    paths = [path for path in sorted(SOURCE.rglob("*.py")) if path != SOURCE / "__init__.py"]
    return [(path.relative_to(SOURCE).parts[0].removesuffix(".py"), path) for path in paths]


def test_every_file_is_in_a_room():
    assert {room for room, _ in files()} <= set(ROOMS)


def test_imports_go_to_earlier_rooms_only():
    found = [
        message
        for room, path in files()
        for message in violations(path.read_text(encoding="utf-8"), room, str(path.relative_to(SOURCE.parent)))
    ]
    assert not found, "\n" + "\n".join(found)


def test_rooms_inside_a_room_import_earlier_ones_only():
    found = []
    for room, order in INSIDE.items():
        for path in sorted((SOURCE / room).rglob("*.py")):
            inner = path.relative_to(SOURCE / room).parts[0].removesuffix(".py")
            if inner in order:
                text = path.read_text(encoding="utf-8")
                found += violations_inside(text, room, inner, str(path.relative_to(SOURCE.parent)))
    assert not found, "\n" + "\n".join(found)


def test_the_inner_rooms_that_have_an_order_exist():
    for room, order in INSIDE.items():
        names = {path.name.removesuffix(".py") for path in (SOURCE / room).iterdir()}
        assert set(order) <= names, room


def test_no_room_has_many_files():
    """Past some twelve files a reader no longer finds the place for a change by its name."""
    counts = Counter(path.parent for path in SOURCE.rglob("*.py") if path.name != "__init__.py")
    assert not {str(folder): count for folder, count in counts.items() if count > 13}


def test_no_function_has_a_long_body():
    """At most 60 lines below the arguments, which a verb of the command line declares with their help."""
    long = [
        f"{path.relative_to(SOURCE)}:{node.lineno}: {node.name}"
        for _, path in files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.body[0].lineno >= 60
    ]
    assert not long


def test_a_type_has_a_name_of_its_own():
    """A name with two meanings is read wrong in every room but one."""
    found: dict[str, list[str]] = {}
    written = SOURCE / "client" / "api.py"  # the messages of serving/, written again for those who have httpx alone
    for _, path in files():
        for name in set() if path == written else type_names(path.read_text(encoding="utf-8")):
            found.setdefault(name, []).append(str(path.relative_to(SOURCE)))
    assert not {name: paths for name, paths in found.items() if len(paths) > 1}


def test_names_of_types_are_classes_and_aliases():
    source = "LIMIT = 3\nNames = list[str]\n_Own = int\nclass Word:\n    Inner = int\ndef f():\n    class Local: ..."
    assert type_names(source) == {"Names", "Word", "Local"}


def test_the_check_sees_a_violation_inside_a_room():
    source = "import os\nfrom alicorn.evaluation.reports.page import page"
    (message,) = violations_inside(source, "evaluation", "metrics", "x.py")
    assert message.startswith("x.py:2: evaluation/metrics imports evaluation/reports, a later room")
    assert violations_inside(source, "evaluation", "reports", "x.py") == []


@pytest.mark.parametrize(
    ("room", "source", "rule"),
    [
        ("logs", "import os\nimport alicorn.query", "x.py:2: logs imports query, a later room"),
        (
            "logs",
            "def f():\n    from alicorn.training import train",
            "x.py:2: logs imports training, a later room",
        ),
        ("vertical", "from alicorn import serving", "x.py:1: vertical imports serving, a later room"),
        ("query", "from alicorn.vertical import Vertical", "x.py:1: query imports vertical: the engine uses"),
        ("index", "import torch.nn", "x.py:1: index imports torch: the engine stands alone"),
        ("query", "from pydantic import Field", "x.py:1: query imports pydantic: the engine stands alone"),
        ("query", "from .parse import parse", "x.py:1: relative import"),
        ("query", "from alicorn.helpers import x", "x.py:1: alicorn.helpers belongs to no room"),
    ],
)
def test_the_check_sees_a_violation(room, source, rule):
    (message,) = violations(source, room, "x.py")
    assert message.startswith(rule)


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("query", "from alicorn.index import Store\nimport numpy\nfrom alicorn import __version__"),
        ("serving", "import torch\nfrom alicorn.query import Collection"),
        ("index", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
    ],
)
def test_the_check_lets_the_rest_pass(room, source):
    assert violations(source, room, "x.py") == []


def test_the_engine_loads_without_the_learning_side():
    """What the imports of imports bring in is seen only by loading it."""
    rooms = ("alicorn.vertical", "alicorn.config", "alicorn.logs", "alicorn.towers")
    unwanted = ("torch", "pandas", "ibis", "duckdb", *rooms)
    program = f"import alicorn.query, sys; print([name for name in {unwanted} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_tests_that_play_other_machines_exist():
    text = (SOURCE.parent.parent / ".ci" / "machines").read_text(encoding="utf-8")
    for path in re.findall(r'"(tests/[\w/.]+)"', text):
        assert (SOURCE.parent.parent / path).exists(), path


def test_every_test_file_has_a_name_of_its_own():
    """pytest imports a test file by its bare name: two of one name stop the whole run."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py")
    assert not [name for name, count in names.items() if count > 1]


def _defined(tree):
    """Names at the top level of a file."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (one.asname or one.name for one in node.names)
        else:
            yield from (one.id for one in ast.walk(node) if isinstance(one, ast.Name))


def test_scripts_import_what_the_script_beside_them_has():
    """No test runs every script of benchmarks/, and a script that imports a name of before would say so to its user."""
    looked = 0
    for path in sorted((SOURCE.parent.parent / "benchmarks").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            beside = path.parent / f"{str(getattr(node, 'module', None)).replace('.', '/')}.py"
            if isinstance(node, ast.ImportFrom) and beside.is_file():
                looked += 1
                known = set(_defined(ast.parse(beside.read_text(encoding="utf-8"))))
                assert {one.name for one in node.names} <= known, f"{path.name} imports from {beside.name}"
    assert looked > 10
