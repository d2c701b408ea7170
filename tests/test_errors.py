"""Every error survives pickling, copying, other processes and threads unchanged."""

from __future__ import annotations

import ast
import builtins
import copy
import importlib
import inspect
import multiprocessing
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import alicorn
from alicorn import errors
from alicorn.errors import AlicornError, QueryError, TableError, cause

SOURCE = Path(alicorn.__file__).parent


class UnusualError(AlicornError):
    """What a later subclass might do: another message than its argument, attributes, two required arguments."""

    def __init__(self, where: str, *, what: list[int]) -> None:
        super().__init__(f"{where}: {what}")
        self.what = what


def subclasses(kind: type[AlicornError]) -> Iterator[type[AlicornError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from subclasses(below)


def example(kind: type[AlicornError]) -> AlicornError:
    """An error with a value for every argument of its __init__ that has a name."""
    named = [one for one in inspect.signature(kind.__init__).parameters.values() if one.kind is one.KEYWORD_ONLY]
    error = kind("what, where, why", **{one.name: [7] for one in named})
    error.add_note("while the demo ran")
    return error


def assert_same(one: BaseException, other: AlicornError) -> None:
    assert type(one) is type(other)
    assert (str(one), one.args, vars(one)) == (str(other), other.args, vars(other))


@pytest.mark.parametrize("kind", [*subclasses(AlicornError)], ids=lambda kind: kind.__name__)
def test_an_error_is_pickled_and_copied_unchanged(kind: type[AlicornError]) -> None:
    error = example(kind)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert_same(pickle.loads(pickle.dumps(error, protocol)), error)
    assert_same(pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(error)))), error)
    assert_same(copy.copy(error), error)
    assert_same(copy.deepcopy(error), error)


def test_all_errors_are_in_one_file() -> None:
    """So that the walk above sees them all."""
    seen = {kind for kind in subclasses(AlicornError) if kind is not UnusualError}
    assert seen == {kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, AlicornError)}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            bases = [ast.unparse(base) for base in node.bases] if isinstance(node, ast.ClassDef) else []
            is_error = any(base.rpartition(".")[2] in vars(errors) for base in bases)
            assert not is_error or path == SOURCE / "errors.py", f"{path}:{node.lineno}: errors belong into errors.py"


def test_errors_of_no_user_are_pickled_too() -> None:
    """Those below ValueError and TypeError, which one room raises and catches."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and any(_is_builtin_error(ast.unparse(base)) for base in node.bases):
                module = ".".join(("alicorn", *path.relative_to(SOURCE).with_suffix("").parts))
                error = getattr(importlib.import_module(module), node.name)("what")
                again = pickle.loads(pickle.dumps(error))
                assert (type(again), again.args, vars(again)) == (type(error), error.args, vars(error))


def _is_builtin_error(name: str) -> bool:
    kind = getattr(builtins, name, None)
    return inspect.isclass(kind) and issubclass(kind, BaseException)


def fail(number: int) -> None:
    raise [QueryError("a term is missing", 7), TableError("a bad row", table="documents", row=3, count=1)][number]


def test_an_error_comes_back_from_a_worker_process_or_thread() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool, ThreadPoolExecutor(1) as threads:
        for number in range(2):
            with pytest.raises(AlicornError) as here:
                fail(number)
            with pytest.raises(AlicornError) as there:
                pool.apply_async(fail, (number,)).get(timeout=60)
            assert str(there.value) == str(here.value)
            assert vars(there.value) == vars(here.value)
            with pytest.raises(AlicornError) as threaded:
                threads.submit(fail, number).result(timeout=60)
            assert_same(threaded.value, here.value)


def test_no_message_has_the_number_of_an_error_of_the_system(tmp_path: Path) -> None:
    """`[Errno 2] No such file or directory: 'x'` is for programmers: `cause` says what a user needs of it."""
    path = tmp_path / "no" / "file"
    for reading in (path.read_text, lambda: pq.read_table(str(path))):
        with pytest.raises(FileNotFoundError) as missing:
            reading()
        assert cause(missing.value) == "No such file or directory"
    with pytest.raises(IsADirectoryError) as folder:
        tmp_path.read_text()
    assert cause(folder.value) == "Is a directory"
    assert cause(OSError("Failed to open local file '/x'. Detail: [errno 13] Permission denied")) == "Permission denied"
    assert cause(ValueError("no number")) == "no number"
    assert cause(EOFError()) == "EOFError"
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler) and node.type is not None and "OSError" in ast.unparse(node.type):
                told = [part.value for part in ast.walk(node) if isinstance(part, ast.FormattedValue)]
                raw = [one.lineno for one in told if isinstance(one, ast.Name) and one.id == node.name]
                assert not raw, f"{path}:{raw[0]}: say cause({node.name})"
