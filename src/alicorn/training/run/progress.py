"""What a person sees while a model trains: a bar on a terminal, a line per epoch elsewhere."""

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Progress:
    """A context manager; silent unless `shown`. Writes to standard error."""

    def __init__(self, shown: bool, num_epochs: int, k: int) -> None:
        self._console = Console(stderr=True, quiet=not shown)
        self._num_epochs = num_epochs
        self._k = k
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._bar = Bar(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._task = self._bar.add_task("start", total=float(num_epochs))

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, epoch: int, batch: int, num_batches: int) -> None:
        """After each batch; epochs count from 1."""
        description = f"epoch {epoch}/{self._num_epochs}"
        self._bar.update(self._task, completed=epoch - 1 + batch / num_batches, description=description)

    def finish_epoch(self, epoch: Any) -> None:
        """epoch: a loop.Epoch."""
        words = [f"epoch {epoch.number}"]
        if epoch.loss is not None:
            words += [f"loss {epoch.loss:.4f}", f"{epoch.pairs_per_s:,.0f} pairs/s"]
        if epoch.share < 1:
            words = [f"{epoch.share:.0%} of what was learned"]
        recall = epoch.recall.get(str(self._k))
        words += ["no validation searches" if recall is None else f"recall@{self._k} {recall:.4f}"]
        words += [] if epoch.auc is None else [f"AUC {epoch.auc:.4f}"]
        self._console.print("  ".join(words), highlight=False)
