"""The `alicorn` command in this process: arguments in, exit code and both outputs back. Used by tests of the shell."""

import contextlib
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow.parquet as pq

from alicorn.cli import main


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def refusal(self) -> str:
        """The message of a user's mistake: exit code 2, one line of ours, no traceback, no result."""
        assert self.code == 2, f"exit code {self.code}: {self.err}{self.out}"
        assert self.out == ""
        lines = [line for line in self.err.splitlines() if not line.startswith("compiling")]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("alicorn: ")
        return lines[0]

    def usage_error(self) -> str:
        """What the parser of the command line says, in one string; exit code 2, no traceback, no result."""
        assert self.code == 2, f"exit code {self.code}: {self.err}{self.out}"
        assert self.out == ""
        assert "Traceback" not in self.err
        assert "Usage: alicorn" in self.err
        return " ".join(self.err.replace("│", " ").split())


def alicorn(*args: str | Path) -> Done:
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["alicorn", *map(str, args)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return Done(code, out.getvalue(), err.getvalue())


def succeed(*args: str | Path) -> Done:
    done = alicorn(*args)
    assert done.code == 0, done.err
    return done


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def name_of(loop, row: int = 7) -> tuple[str, str]:
    """(doc_id, name) of a person of the world."""
    documents = pq.read_table(loop.logs / "documents", columns=["doc_id", "name"])
    return documents["doc_id"][row].as_py(), documents["name"][row].as_py()
