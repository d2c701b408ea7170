"""The tutorial is done as it is written: its commands, in order, in an empty folder, on the two files of a shop."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from shell import Done, succeed

from alicorn.vertical import Vertical

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
ENDLESS = "alicorn serve"


def commands() -> list[str]:
    lines = re.findall(r"^ {4}((?:printf|alicorn) .*)$", PAGE, re.MULTILINE)
    return [line for line in lines if not line.startswith(ENDLESS)]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """What each command of alicorn printed, by its verb, and update by its --vertical too; and the folder."""
    folder = tmp_path_factory.mktemp("tutorial") / "shop"
    export = [sys.executable, str(ROOT / "examples" / "shop" / "export.py"), str(folder / "export")]
    subprocess.run([*export, "--products", "1000", "--searches", "4000"], check=True, capture_output=True)
    printed: dict[str, Done] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in commands():
            if line.startswith("alicorn"):
                _, verb, *words = shlex.split(line)
                named = f"{verb} --vertical" if verb == "update" and "--vertical" in words else verb
                printed[named] = succeed(verb, *words)
            else:
                subprocess.run(line, shell=True, check=True)
    return folder, printed


@pytest.mark.slow
def test_the_commands_end_with_a_search_that_is_better_than_words(done):
    folder, printed = done
    assert {"mine", "train", "publish", "tune", "evaluate", "query", "update", "update --vertical"} <= printed.keys()
    table = [line.split("|") for line in printed["evaluate"].out.splitlines() if line.startswith("| ")]
    rows = {cells[1].strip(): cells for cells in reversed(table)}
    recall = {name: float(rows[name][2].split()[0]) for name in ("hybrid", "BM25, any word")}
    assert recall["hybrid"] > recall["BM25, any word"] + 0.02
    assert "brand" in printed["query"].out
    assert "order:" in (folder / "vertical.yaml").read_text() or "Not worth" in printed["tune"].out


@pytest.mark.slow
def test_the_draft_is_the_one_that_the_page_shows(done, tmp_path):
    """But for the comments, whose numbers are of more products."""
    folder, printed = done
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "vertical.yaml").write_text(shown, encoding="utf-8")
    drafted, page = Vertical.load(folder / "vertical.yaml"), Vertical.load(tmp_path / "vertical.yaml")
    assert (drafted.name, drafted.document, drafted.request) == (page.name, page.document, page.request)
    assert "clicks.csv is the table impressions: product is doc_id" in printed["init"].out


@pytest.mark.slow
def test_prices_with_commas_are_numbers(done):
    folder, printed = done
    assert "'price' has numbers with commas" in printed["init"].err
    assert printed["update"].out.split()[:2] == ["updated", "1"]
    found = succeed("query", folder / "collection", "(range price :min 3498 :max 3500)", "--json").json()
    assert "i0000006" in [hit["doc_id"] for hit in found["hits"]]


def test_the_page_serves_what_it_tuned():
    assert f"    {ENDLESS} collection --model model --vertical vertical.yaml" in PAGE
