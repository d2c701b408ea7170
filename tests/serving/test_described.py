"""The description of the API is true: schemathesis sends what it allows and what it forbids, and sees no difference."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from running_server import running_server

_CONFIG = Path(__file__).parent / "schemathesis.toml"


@pytest.mark.slow
def test_every_answer_is_as_described_whatever_is_sent(tmp_path):
    program = shutil.which("st", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip("pip install schemathesis")
    with running_server(tmp_path) as url:
        command = [program, "--config-file", str(_CONFIG), "run", f"{url}/openapi.json"]
        command += ["--checks", "all", "--mode", "all", "--max-examples", "40", "--no-color", "--seed", "0"]
        # Of a path whose one parameter is any text, there is little that is forbidden: most of what it draws it drops.
        command += ["--suppress-health-check", "filter_too_much"]
        extended = {**os.environ, "SCHEMATHESIS_HOOKS": str(_CONFIG.with_name("schemathesis_bodies.py"))}
        ran = subprocess.run(command, cwd=tmp_path, env=extended, capture_output=True, text=True)
        assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    assert ran.returncode == 0, ran.stdout[-10_000:]
