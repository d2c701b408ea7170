"""How far do document embeddings move within a few batches, and when have they come to rest?

    python benchmarks/learning/drift.py PAIRS [--batch 256] [--batches 2000]

What cross-batch negatives rest on (CBNS): D(t; dt), the mean over documents of the L2 norm of
g(I; theta_t) - g(I; theta_t-dt), for dt of 1, 5 and 10 batches. Embeddings are unit vectors, so that D is at most 2.
PAIRS: as `alicorn mine` wrote it from a people world. In-batch softmax with logQ; other settings as the shipped recipe.
"""

import argparse
import os
import tempfile
from collections import deque
from itertools import chain, count
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

import alicorn.training
from alicorn import Model, Vertical
from alicorn.towers.channels.tensors import batch_tensors
from alicorn.towers.layout.layout import layout
from alicorn.training import Recipe
from alicorn.training.examples.batches import epoch_batches
from alicorn.training.examples.data import Pairs
from alicorn.training.objective.objective import Objective
from alicorn.training.run.optimizer import Optimizers
from alicorn.worlds import PEOPLE_VERTICAL

STEPS = (1, 5, 10)
SAMPLE = 2000  # documents


def drifts(pairs: Pairs, recipe: Recipe, batches: int) -> list[dict[int, float]]:
    """For each batch from the 11th: dt -> D."""
    numbers = pairs.standardizations(layout(recipe.towers, pairs.vertical))
    model = Model.new(pairs.vertical, recipe.plain(), "", numbers, recipe.seed)
    device, module = torch.device("cpu"), model.module
    with tempfile.TemporaryDirectory() as work:
        data = pairs.training(model, recipe, Path(work))
        rng = np.random.default_rng(recipe.seed)
        rows = np.sort(rng.choice(len(data.documents), min(SAMPLE, len(data.documents)), replace=False))
        sample = batch_tensors(data.documents.take(rows))
        objective, optimizers = Objective(recipe, data, module.dim, None, device), Optimizers(module, recipe.optimizer)
        seen: deque[torch.Tensor] = deque(maxlen=max(STEPS) + 1)
        found = []
        stream = chain.from_iterable(epoch_batches(data, recipe, epoch, device) for epoch in count(1))
        for _, batch in zip(range(batches), stream, strict=False):
            objective.loss(batch, objective.embedded(module, batch)).backward()
            optimizers.step()
            with torch.inference_mode():
                seen.append(module.encode_documents(sample))
            if len(seen) > max(STEPS):
                found.append({dt: float((seen[-1] - seen[-1 - dt]).norm(dim=1).mean()) for dt in STEPS})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--batches", type=int, default=2000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shipped = Recipe.load(Path(alicorn.training.__file__).parent / "people_recipe.yaml")
    changes = {"negatives": {"random": 0, "log_q": True}, "batch": arguments.batch}
    recipe = Recipe.model_validate({**shipped.plain(), **changes})
    found = drifts(Pairs(arguments.pairs, Vertical.load(PEOPLE_VERTICAL)), recipe, arguments.batches)
    print(f"batch {arguments.batch}; mean over 10 batches around each. Simulated data.\n")
    print("| batches | " + " | ".join(f"D({dt})" for dt in STEPS) + " |\n|--:|" + "--:|" * len(STEPS))
    for at in [20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]:
        if at + 5 <= len(found) + max(STEPS):
            near = found[at - 5 - max(STEPS) : at + 5 - max(STEPS)]
            print(f"| {at:,} | " + " | ".join(f"{np.mean([one[dt] for one in near]):.4f}" for dt in STEPS) + " |")


if __name__ == "__main__":
    main()
