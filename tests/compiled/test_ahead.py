"""What is compiled ahead where the packages of an extra are missing: all that can be imported there."""

import json
import subprocess
import sys

PROGRAM = """
import json, sys
sys.modules.update(dict.fromkeys(["torch", "ibis", "duckdb", "scipy"]))
from alicorn.compiled.ahead import tasks
tasks()  # modules stay loaded whose package failed
modules = sorted({task.module for task in tasks()})
print(json.dumps([modules, [name for name in modules if name.rpartition(".")[0] not in sys.modules]]))
"""


def test_a_module_whose_package_lacks_an_extra_is_left_out():
    """A worker would have to import the package, and fail."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    modules, without_package = json.loads(done.stdout)
    assert without_package == []
    assert "alicorn.query.nn.loop.kernel" in modules
    assert not any(
        name.startswith(("alicorn.towers.tables.table", "alicorn.training", "alicorn.losses")) for name in modules
    )
