"""How is it asked from a shell? One thin verb per room; each reads and writes files, so any step can be replaced.

Results go to standard output (as JSON with --json), progress and counts to standard error. Imports that cost seconds
are inside the verbs that need them, so that `alicorn --help` is quick.
"""

from alicorn.cli.app import app, main

__all__ = ["app", "main"]
