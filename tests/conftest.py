"""One tiny people world that went through every step by the shell's own verbs, made once for the tests beside it.

The rule of equality (docs/machines.md): bits are asked only of our own kernels, which fix the order of a sum, and of
the same operations repeated on one machine (a resumed run, a seed). What PyTorch, BLAS, Faiss or ONNX Runtime computed
is compared within a tolerance that follows from the arithmetic: 1e-6 for components of unit vectors.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import settings
from shell import Done, succeed

from alicorn.features.pretrained import disk
from alicorn.text import words
from alicorn.worlds import PEOPLE_VERTICAL, PeopleWorld

# The first example of a test may wait until kernels are compiled, and machines differ.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

RECIPE = """
towers:
  dim: 16
  hidden: 16
  tables: {text: {buckets: 4096, dim: 16}}
negatives: {random: 64}
optimizer: {rate: 0.002, table_rate: 0.05}
batch: 128
epochs: 2
channel_balance: equal
validation: {interpolate: []}
"""
TEXT_RECIPE = "embedding: people-text\n" + RECIPE.replace(
    "dim: 16\n", "dim: 16\n  features: {request: [text], document: [name]}\n", 1
)


@dataclass(frozen=True)
class Loop:
    """What the verbs left: folders, and what they printed as JSON."""

    folder: Path
    mined: Done
    trained: Done
    published: Done

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def pairs(self) -> Path:
        return self.folder / "pairs"

    @property
    def vertical(self) -> Path:
        return self.folder / "vertical.yaml"

    @property
    def recipe(self) -> Path:
        return self.folder / "recipe.yaml"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def text_model(self) -> Path:
        return self.folder / "text-model"

    @property
    def collection(self) -> Path:
        return self.folder / "collection"


@pytest.fixture(scope="session", autouse=True)
def _encoded_texts_of_this_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the vectors of texts that the user keeps."""
    file = tmp_path_factory.mktemp("caches") / "vectors.sqlite"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "path", lambda: file)
        yield


@pytest.fixture(scope="session")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    folder = tmp_path_factory.mktemp("loop")
    world = PeopleWorld.generate(300, seed=1)
    world.write_logs(folder / "logs", 800, _engine(world.documents()))
    vertical, recipe, text_recipe = folder / "vertical.yaml", folder / "recipe.yaml", folder / "text_recipe.yaml"
    vertical.write_bytes(PEOPLE_VERTICAL.read_bytes())
    recipe.write_text(RECIPE)
    text_recipe.write_text(TEXT_RECIPE)
    mined = succeed("mine", folder / "logs", "--vertical", vertical, "--out", folder / "pairs", "--json")
    train = ("train", folder / "pairs", "--vertical", vertical, "--json")
    trained = succeed(*train, "--recipe", recipe, "--out", folder / "model")
    succeed(*train, "--recipe", text_recipe, "--out", folder / "text-model")
    into = ("--into", folder / "collection", "--model", folder / "model", "--model", folder / "text-model")
    published = succeed("publish", folder / "logs" / "documents", *into, "--json")
    return Loop(folder, mined, trained, published)


def _engine(documents: pa.Table):
    """A production engine: names that have every word of the query, most popular first."""
    by_rank = documents.take(pc.sort_indices(documents["popularity"], sort_keys=[("", "descending")]))
    names, doc_ids = (by_rank[column].to_pylist() for column in ("name", "doc_id"))
    people = [(set(words(name)), doc_id) for name, doc_id in zip(names, doc_ids, strict=True)]
    return lambda queries: [[doc_id for name, doc_id in people if set(words(query)) <= name] for query in queries]
