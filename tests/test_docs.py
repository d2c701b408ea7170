"""The documentation is true: its commands parse, its Python runs and prints what it says, its links and paths exist."""

import ast
import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
import typer

import alicorn
from alicorn.cli import app

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "alicorn"
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md"), *ROOT.glob("benchmarks/**/*.md")]
)
VERBS = typer.main.get_command(app).commands
PARTS = {verb: getattr(command, "commands", {}) for verb, command in VERBS.items()}  # such as `rank train`
COMMANDS = VERBS | {f"{verb} {name}": part for verb, parts in PARTS.items() for name, part in parts.items()}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


# -- commands


def command_lines(text: str) -> list[str]:
    """`alicorn VERB ...` in blocks, continued lines joined, and between backticks, where brackets mean optional."""
    joined = re.sub(r"\\\n\s*", " ", text)
    commands = re.findall(r"^[ $]*(?:\.venv/bin/)?(alicorn [a-z]+ (?:'[^']*'|[^'\n])*)", joined, re.MULTILINE)
    inline = [re.sub(r"[][]", "", code) for code in re.findall(r"`(alicorn [a-z]+(?: [^`\n]*)?)`", joined)]
    return commands + inline


def check_command(line: str) -> None:
    """Every option exists, has its value, and what a bare verb would lack is there."""
    _, verb, *words = shlex.split(line.split("  #")[0].replace("...", ""))
    if f"{verb} {words[0] if words else ''}" in COMMANDS:
        verb = f"{verb} {words.pop(0)}"
    assert verb in COMMANDS, f"no verb {verb!r}: {line}"
    command = COMMANDS[verb]
    if words and hasattr(command, "commands"):  # `alicorn key create`
        command = command.commands[words.pop(0)]
    context = command.context_class(command, info_name=verb)
    given, rest, _ = command.make_parser(context).parse_args(args=list(words))
    assert not rest, f"{rest} too much: {line}"
    if words and not given.get("config"):  # `alicorn mine` in a sentence names the verb; a file may say the rest
        missing = [param.name for param in command.params if param.required and given.get(param.name) is None]
        assert not missing, f"{missing} missing: {line}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_of_the_pages_parse(page):
    for line in command_lines(page.read_text(encoding="utf-8")):
        check_command(line)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_the_examples_of_the_help_parse(verb):
    whole = "\n\n".join(command.help for command in (VERBS[verb], *PARTS[verb].values()))
    help_text = re.sub(r"\n(?!\n)", " ", whole)
    lines = re.findall(rf"alicorn {verb} [^\n]*", help_text)
    assert lines
    for line in lines:
        check_command(line.strip())


@pytest.mark.parametrize(
    "line",
    [
        "alicorn qwery collection/ a:b",
        "alicorn query collection/ a:b --modle m/",
        "alicorn query collection/ a:b c:d",
        "alicorn mine logs/ --out pairs/",
        "alicorn publish docs.parquet --into",
    ],
)
def test_the_check_of_commands_sees_a_mistake(line):
    with pytest.raises(Exception, match=r"qwery|modle|too much|vertical|into"):
        check_command(line)


def test_the_readme_shows_every_step():
    verbs = {line.split()[1] for line in command_lines((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert verbs >= {"mine", "train", "evaluate", "publish", "query", "serve"}


def test_the_makefile_has_the_targets_that_the_pages_name():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        named = re.findall(r"(?:^\s{4}|`)make ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(named) <= targets, page


# -- Python


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "docs" / "tables.md", ROOT / "docs" / "beyond-one-machine.md"], ids=name_of
)
def test_the_python_of_the_pages_prints_what_it_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    block = "\n".join(python_blocks(page))
    said = re.findall(r"^print\(.*\) +# (.*)$", block, re.MULTILINE)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(block, page.name, "exec"), {})
    assert said
    assert out.getvalue().splitlines() == said


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_imports_only_what_exists(page):
    for block in python_blocks(page):
        tree = ast.parse(block)
        lines = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        exec("\n".join(lines), {})


# -- links and paths


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_exist(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{name_of(page)} links to {target}"


def exists_somewhere(named: str, near: Path) -> bool:
    """A path of the project as prose writes it: from the root, from the package, beside the text, or in its room."""
    if any((base / named).exists() for base in (near.parent, SOURCE, ROOT, ROOT / "src", ROOT / "tests")):
        return True
    room = near.relative_to(SOURCE).parts[0] if SOURCE in near.parents else ""
    return bool(room) and any((SOURCE / room).glob(f"**/{named}"))


@pytest.mark.parametrize("page", [ROOT / "ARCHITECTURE.md", ROOT / "README.md"], ids=name_of)
def test_paths_of_the_walk_exist(page):
    """`query/run.py`, `tests/query/`, `losses/`: every path between backticks that is one of the project's."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    paths = re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.[a-z]+)?|[a-z_]+\.py)`", text)
    data = {"pairs/", "logs/", "collection/", "model/"}  # what a run writes
    files = {path.name for path in SOURCE.rglob("*.py")}  # a bare name stands beside its room in the text
    for path in set(paths) - data - files:
        assert exists_somewhere(path, page), f"{name_of(page)} names {path}"


def test_the_walk_names_every_room():
    walk = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = [path for path in SOURCE.iterdir() if (path / "__init__.py").exists()]
    files = [path for path in SOURCE.glob("*.py") if path.name != "__init__.py"]
    assert [path.name for path in rooms if f"`{path.name}/`" not in walk] == []
    assert [path.name for path in files if f"`{path.name}`" not in walk] == []


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_first_docstrings_exist_and_name_files_that_exist(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, "the first line says what the file is and where it sits"
    for named in re.findall(r"(?<![\w/.*<>-])((?:[a-z_]+/)*[a-z_0-9]+\.py|docs/[\w/-]+\.md)", docstring):
        assert exists_somewhere(named, path), f"{path.name} names {named}"


def test_the_version_is_that_of_the_project_and_of_the_changelog():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{alicorn.__version__}"' in project
    assert alicorn.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


OUTSIDE = re.compile(r"\bDESIGN\b|\bSTYLE\.md|HOUSE-REVIEW|\bpapers\.md|\(papers [0-9]|\.\./shared|\bissue #?[0-9]")
"""Documents that a reader of the repository does not have."""


def references_outside(text: str) -> list[str]:
    """The lines that refer to such a document."""
    return [line for line in text.splitlines() if OUTSIDE.search(line)]


def test_no_text_refers_to_documents_outside_the_repository():
    folders = ("src", "docs", "benchmarks", "examples", "tests")
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*")) if path != Path(__file__)]
    texts = [path for path in [*ROOT.glob("*.md"), *paths] if path.suffix in {".md", ".py", ".yaml", ".jinja", ".toml"}]
    found = {name_of(path): lines for path in texts if (lines := references_outside(path.read_text(encoding="utf-8")))}
    assert not found, "cite paper and section (docs/references.md), or state it: " + str(found)


@pytest.mark.parametrize("line", ["as DESIGN 2.1 has it", "papers.md 1", "(papers 15.2)", "issue 5", "../shared/x"])
def test_the_check_of_references_sees_one(line):
    assert references_outside(line)
    assert not references_outside("the design of EBR 2.3, index.shared, papers of 2020, an issue of 5 pages")


def test_pages_have_no_placeholder_left():
    for page in PAGES:
        for line in page.read_text(encoding="utf-8").splitlines():
            assert not re.fullmatch(r"[A-Z]{4,}|TODO.*|TBD.*|XXX.*", line.strip()), f"{name_of(page)}: {line}"
