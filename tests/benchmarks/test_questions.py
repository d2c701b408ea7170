"""benchmarks/README.md is complete and true: every script is a question there, and every path in the project exists."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = re.findall(r"`python (benchmarks/[^`]+)`", (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8"))
SCRIPTS = sorted(
    str(path.relative_to(ROOT))
    for path in ROOT.glob("benchmarks/*/*.py")
    if "__main__" in path.read_text(encoding="utf-8")
)


def test_every_script_is_a_question_of_the_readme() -> None:
    assert sorted({command.split()[0] for command in COMMANDS}) == SCRIPTS


@pytest.mark.parametrize("folder", ["benchmarks", "docs", "src", "tests", "examples", "."])
def test_benchmarks_that_are_named_exist(folder: str) -> None:
    pages = (ROOT / folder).glob("*.*") if folder == "." else (ROOT / folder).rglob("*.*")
    for page in pages:
        if page.suffix in (".md", ".py", ".toml"):
            for named in re.findall(r"\bbenchmarks/[\w/]+\.py", page.read_text(encoding="utf-8")):
                assert (ROOT / named).exists(), f"{page.relative_to(ROOT)} names {named}"


@pytest.mark.parametrize("command", COMMANDS)
def test_options_of_the_commands_exist(command: str) -> None:
    script, *words = shlex.split(command)
    source = (ROOT / script).read_text(encoding="utf-8")
    assert [word for word in words if word.startswith("--") and f'"{word}"' not in source] == []
