"""The command as a whole: help, version, a process, and folders of the wrong kind."""

import json
import subprocess
import sys

import pytest
import typer
from shell import alicorn, files_below, succeed

from alicorn import __version__
from alicorn.cli import app

VERBS = sorted(typer.main.get_command(app).commands)


def test_what_the_command_line_cannot_be(loop, tmp_path):
    assert "does not exist" in alicorn("query", tmp_path / "nothing", "a:b").usage_error()
    assert "'--limit'" in alicorn("query", loop.collection, "a:b", "--limit", "-1").usage_error()
    assert "No such option: --vertcal" in alicorn("mine", loop.logs, "--vertcal", "x", "--out", "y").usage_error()
    assert "'--out'" in alicorn("mine", loop.logs, "--vertical", loop.vertical).usage_error()
    assert "No such command 'qwery'" in alicorn("qwery").usage_error()


def test_folders_of_the_wrong_kind_are_refused(loop, tmp_path):
    out = tmp_path / "out"
    assert "holds no collection" in alicorn("query", loop.logs, "a:b").refusal()
    assert "holds no collection" in alicorn("verify", loop.pairs).refusal()
    assert "holds no finished model" in alicorn("evaluate", loop.pairs, "--logs", loop.pairs).refusal()
    assert "documents" in alicorn("mine", loop.model, "--vertical", loop.vertical, "--out", out).refusal()
    train = ("train", loop.logs, "--vertical", loop.vertical, "--recipe", loop.recipe, "--out", out)
    assert "no folder that `alicorn mine` wrote" in alicorn(*train).refusal()
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("verb", VERBS)
def test_help_teaches_by_an_example(verb):
    shown = succeed(verb, "--help").out
    assert "Example" in shown
    assert f"alicorn {verb} " in shown


def test_help_of_the_command_names_every_verb():
    shown = succeed("--help").out
    assert set(VERBS) >= {"demo", "mine", "train", "evaluate", "embed", "publish", "query", "serve", "verify"}
    for verb in VERBS:
        assert f" {verb} " in shown


def test_version():
    assert succeed("--version").out == f"alicorn {__version__}\n"


def test_as_a_process(loop):
    """Exit code, and which output carries what, without anything of this test's own in between."""

    def run(*args):
        program = "from alicorn.cli import main; main()"
        return subprocess.run([sys.executable, "-W", "error", "-c", program, *args], capture_output=True, text=True)

    done = run(
        "query", str(loop.collection), "(nn people :k 3)", "--text", "maria", "--model", str(loop.model), "--json"
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["hits"]) == 3
    assert [line for line in done.stderr.splitlines() if "is compiling loops" not in line] == []
    done = run("query", str(loop.collection), "(and text:john")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == ["alicorn: offset 0: this parenthesis is never closed: add )"]


def test_serve_hands_over_what_it_was_given(loop, monkeypatch):
    from alicorn.serving.security.request_limits import NO_LIMITS

    served = []
    monkeypatch.setattr("alicorn.serving.serve", lambda collection, models, **rest: served.append((models, rest)))
    succeed("serve", loop.collection, "--model", loop.model, "--searchers", loop.logs / "searchers", "--port", "0")
    ((models, rest),) = served
    assert [model.key for model in models()] == ["people"]
    assert rest == {
        "searchers": loop.logs / "searchers",
        "served_log": None,
        "popular_queries": None,
        "model_folder": None,
        "limits": NO_LIMITS,
        "allowed_hosts": (),
        "proxies": (),
        "tls": None,
        "swap": 0.0,
        "degrade_ms": None,
        "per_second": None,
        "intents": None,
        "interests": None,
        "keys": None,
        "ranker": None,
        "host": "127.0.0.1",
        "port": 0,
        "json_logs": False,
        "traces": None,
        "workers": 1,
        "shards": (),
        "shard_secret": None,
    }


def test_keys_are_made_listed_rotated_and_revoked(tmp_path):
    file = ("--file", tmp_path / "keys.json")
    secrets = [succeed("key", "create", "web", "--scope", "search", "--only", "tag:x", *file).out]
    secrets.append(succeed("key", "rotate", "web", *file).out)
    assert all(secret.startswith("alicorn_") for secret in secrets)
    succeed("key", "revoke", json.loads(succeed("key", "list", "--json", *file).out)[0]["id"], *file)
    listed = json.loads(succeed("key", "list", "--json", *file).out)
    assert [(key["valid"], key["only"]) for key in listed] == [(False, "tag:x"), (True, "tag:x")]
    assert "no valid key 'nobody'" in alicorn("key", "revoke", "nobody", *file).refusal()


def test_a_flag_comes_before_a_variable_before_the_file_before_the_default(loop, tmp_path, monkeypatch):
    file = tmp_path / "serve.yaml"
    file.write_text(f"collection: {loop.collection}\nport: 1\nhost: a\nserved_log: x\nmodel: [{loop.model}]\n")
    monkeypatch.setenv("ALICORN_PORT", "2")
    monkeypatch.setenv("ALICORN_HOST", "b")
    printed = succeed("serve", "--config", file, "--host", "c", "--print-config").out
    assert 'host: "c"  # flag' in printed
    assert "port: 2  # variable" in printed
    assert 'served_log: "x"  # file' in printed
    assert "keys: null  # default" in printed
    (tmp_path / "again.yaml").write_text(printed)
    assert succeed("serve", "--config", tmp_path / "again.yaml", "--print-config").out.count("# file") >= 3
    file.write_text("prt: 1")
    assert "unknown key 'prt'; did you mean 'port'?" in alicorn("serve", "--config", file).refusal()
    monkeypatch.delenv("ALICORN_PORT")
    file.write_text("port: many")
    assert "integer" in alicorn("serve", loop.collection, "--config", file).usage_error()
