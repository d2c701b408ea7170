"""A bar on a terminal for work that counts what is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_shown: list[Progress] = []  # at most one: two would write over each other


@contextmanager
def progress_bar(console: Console, what: str) -> Iterator[Callable[[int, int], None]]:
    """Yields a function of (done, total); the bar appears with its first call, and only where there is a terminal.

    Inside the block of another bar it is a further line of that one.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with ExitStack() as stack:
        bar = _shown[-1] if _shown else None
        if bar is None:
            bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
            stack.enter_context(bar)
            _shown.append(bar)
            stack.callback(_shown.remove, bar)
        task = bar.add_task(what, total=None, visible=False)
        stack.callback(bar.remove_task, task)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)
