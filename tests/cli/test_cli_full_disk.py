"""A full disk, for every verb that writes: one sentence that names the folder, and nothing that is taken for whole."""

import contextlib
import resource

import pytest
from shell import alicorn, succeed

EXPORT = pytest.param("export", marks=pytest.mark.slow)  # each export traces the tower: 5 s


@contextlib.contextmanager
def no_room():
    """The system lets no file grow beyond so few bytes that nothing is whole."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def command(loop, verb, out):
    models = (loop.model, loop.folder / "text-model")
    return {
        "mine": (loop.logs, "--vertical", loop.vertical, "--out", out),
        "train": (loop.pairs, "--vertical", loop.vertical, "--recipe", loop.recipe, "--out", out),
        "publish": (loop.logs / "documents", "--into", out, "--model", loop.model),
        "embed": (loop.model, "--documents", loop.logs / "documents", "--out", out),
        "export": (loop.model, "--out", out),
        "ensemble": (*models, "--logs", loop.pairs, "--searches", "20", "--out", out),
        "evaluate": (loop.model, "--logs", loop.pairs, "--searches", "20", "--out", out),
    }[verb]


@pytest.mark.parametrize("verb", ["mine", "train", "publish", "embed", "ensemble", "evaluate", EXPORT])
def test_a_full_disk_is_one_sentence_that_names_the_folder(loop, tmp_path, verb):
    out = tmp_path / "out"
    with no_room():
        done = alicorn(verb, *command(loop, verb, out))
    last = done.err.strip().splitlines()[-1]
    assert (done.code, done.out) == (2, ""), done.err
    assert last.startswith("alicorn: ")
    assert str(tmp_path) in last
    assert "Traceback" not in done.err
    assert not (out / "manifest.json").exists()
    assert alicorn("query", out, "a:b").code == 2
    if verb != "publish":
        assert alicorn("embed", out, "--documents", loop.logs / "documents", "--out", tmp_path / "e").code == 2


@pytest.mark.parametrize("verb", ["mine", "train", "publish", "embed", "ensemble", EXPORT])
def test_the_same_command_works_when_there_is_room(loop, tmp_path, verb):
    arguments = command(loop, verb, tmp_path / "out")
    with no_room():
        assert alicorn(verb, *arguments).code == 2
    succeed(verb, *arguments)
