"""What to measure of a model: the options of an evaluation, and what it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from alicorn.distributed.batch.engines import BatchEngine
from alicorn.errors import ConfigError
from alicorn.evaluation.reports.ablation import How
from alicorn.evaluation.reports.recall import DEPTHS
from alicorn.retrieval.reading.nearest import RECALL


@dataclass(frozen=True)
class Questions:
    """The measurements to make of a model. An option that is None is left out.

    ks: cut-offs of recall. num_searches, seed: of the sample of searches and of the intervals.
    collection: the folder published with the model; recall is measured through it too, by `:recall index_recall`, and
    what is served. ablate: how each feature is taken away.
    rerank: folder of a second model, which orders the first `depths` documents anew. labels: Parquet that a judge of
    relevance is learned from. control: a template of the documents that may pass, of which the first `pre_rank` by BM25
    go on; needs the collection. split: which searches; a look at "test" is counted in the folders of the models.
    vertical: a version of the model's vertical that serves instead. qrels: a TREC file of graded judgements by
    search_id, which replace the targets of the log. compare: another model, vertical or collection, or one of each,
    whose systems are scored over the same searches; needs the collection. page: the file to which the page of the model
    will be written. map_by: the column that colours its map; None: the first id feature. intents: a file of
    `alicorn intents`, for the vertical's control. interests: a file of `alicorn interests`, for its {regions}.
    engine: that encodes the corpus and searches it exactly. writes_runs: whether the runs will be written for TREC.
    """

    ks: Sequence[int] = (10, 100, 1000)
    num_searches: int = 10_000
    seed: int = 0
    collection: Path | None = None
    index_recall: float = RECALL
    ablate: How | None = None
    rerank: Path | None = None
    depths: Sequence[int] = DEPTHS
    labels: Path | None = None
    control: str | None = None
    pre_rank: int = 100
    page: Path | None = None
    map_by: str | None = None
    split: Literal["valid", "test"] = "valid"
    vertical: Path | None = None
    qrels: Path | None = None
    compare: Sequence[Path] = ()
    intents: Path | None = None
    interests: Path | None = None
    engine: BatchEngine = BatchEngine.LOCAL
    writes_runs: bool = False


class Other(NamedTuple):
    """What a model, its vertical and its collection are compared with: None is the same one."""

    model: Path | None
    vertical: Path | None
    collection: Path | None

    @classmethod
    def of(cls, paths: Sequence[Path]) -> Other:
        """A file is a vertical, a folder with model.json a model, one with a manifest a collection. Raises ConfigError
        for two of a kind, and for a folder of another."""
        verticals = [path for path in paths if path.is_file()]
        models = [path for path in paths if (path / "model.json").exists()]
        collections = [path for path in paths if path not in (*models, *verticals)]
        for path in collections:
            if not (path / "manifest.sqlite").exists():
                raise ConfigError(
                    f"--compare: {path} is no folder of a model, nor of a collection, nor a vertical.yaml"
                )
        for some in (models, verticals, collections):
            if len(some) > 1:
                raise ConfigError(
                    "--compare takes one model, one vertical and one collection at most, got "
                    + " and ".join(map(str, some))
                )
        return cls(*(next(iter(some), None) for some in (models, verticals, collections)))

    @property
    def vertical_file(self) -> Path | None:
        """Of what is compared with; None where it is the same."""
        return self.model / "vertical.yaml" if self.vertical is None and self.model is not None else self.vertical

    @property
    def label(self) -> str:
        return " in ".join(path.name for path in self if path is not None)
