"""The objective: what is remembered is masked and corrected, what is made is hard, a run with all of it can be cut."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_toy import VERTICAL, recipe, write_pairs

from alicorn.features.channel_id import ChannelId, Side
from alicorn.losses import bpr_loss, softmax_loss, triplet_loss
from alicorn.negatives import interpolated
from alicorn.towers import Model
from alicorn.training import Epoch, Recipe, train
from alicorn.training.examples.batches import PairBatch, epoch_batches
from alicorn.training.examples.data import Pairs, TrainingData
from alicorn.training.objective.objective import EmbeddedBatch, NegativeColumns, Objective, batch_loss, batch_recall

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("objective") / "pairs", num_pairs=600)


def prepared(pairs: Path, given: Recipe, work: Path) -> tuple[TrainingData, list[PairBatch]]:
    data = Pairs(pairs, VERTICAL).training(Model.new(VERTICAL, given.plain(), "", {}, 0), given, work)
    objective = Objective(given, data, given.towers.dim, None, CPU)
    return data, list(epoch_batches(data, given, 1, CPU, streaming=objective.streaming))


def embeddings(batch: PairBatch, seed: int, channels: int = 0) -> EmbeddedBatch:
    """Random directions for requests and documents, and for so many channels of each."""
    generator = torch.Generator().manual_seed(seed)

    def unit(rows: int) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.randn(rows, 16, generator=generator), dim=1)

    sizes: dict[Side, int] = {"request": batch.size, "document": len(batch.numbers)}
    by_channel = [{ChannelId(side, str(c)): unit(rows) for c in range(channels)} for side, rows in sizes.items()]
    return EmbeddedBatch(unit(batch.size), unit(len(batch.numbers)), *by_channel)


def test_what_is_remembered_are_more_columns_corrected_as_then_and_known_positives_masked(
    pairs: Path, tmp_path: Path
) -> None:
    """Three batches by hand: the first is only kept, as the warm-up is of two; the third sees both before it."""
    given = recipe(negatives={"random": 8, "log_q": True, "memory": {"size": 200, "warm_up": 2}})
    data, batches = prepared(pairs, given, tmp_path)
    objective = Objective(given, data, 16, None, CPU)
    kept: list[tuple[torch.Tensor, np.ndarray, torch.Tensor]] = []
    for number, batch in enumerate(batches[:3]):
        embedded = embeddings(batch, number)
        requests, documents, *_ = embedded
        assert batch.log_q is not None
        got = objective.loss(batch, embedded).item()
        seen = kept if number == 2 else []
        columns = torch.cat([documents, *(vectors for vectors, _, _ in seen)])
        numbers = np.concatenate([documents_ for _, documents_, _ in seen]) if seen else np.empty(0, dtype=np.int64)
        chosen = torch.from_numpy(data.known.mask(batch.pairs, numbers))
        allowed = torch.cat([batch.allowed, ~chosen], dim=1)
        log_q = torch.cat([batch.log_q, *(values for _, _, values in seen)])
        if number == 2:  # the newest 200 of 256
            columns, allowed, log_q = (
                torch.cat([columns[:136], columns[192:]]),
                torch.cat([allowed[:, :136], allowed[:, 192:]], dim=1),
                torch.cat([log_q[:136], log_q[192:]]),
            )
            assert chosen.any()
        assert got == pytest.approx(softmax_loss(requests, columns, allowed, 20.0, log_q).item(), rel=1e-5)
        kept.append((documents[: batch.size], batch.numbers[: batch.size], batch.log_q[: batch.size]))


def test_log_q_counts_what_is_remembered_among_the_columns_drawn_by_popularity(pairs: Path, tmp_path: Path) -> None:
    given = recipe(negatives={"random": 32, "log_q": True, "memory": {"size": 384}})
    data, batches = prepared(pairs, given, tmp_path)
    assert batches[0].log_q is not None
    clicks = np.bincount(data.positives, minlength=300)[batches[0].numbers[:128]]
    expected = (512 * clicks / 600 + 32 / 300) / (512 + 32)
    np.testing.assert_allclose(batches[0].log_q[:128], np.log(expected), rtol=1e-5)


def test_a_streamed_log_q_comes_near_the_counted_one(pairs: Path, tmp_path: Path) -> None:
    plain = {"random": 8, "log_q": True}
    counted = recipe(negatives=plain, batch=50)
    streamed = recipe(negatives={**plain, "streaming": {"rate": 0.03}}, batch=50)
    data, batches = prepared(pairs, counted, tmp_path)
    objective = Objective(streamed, data, 16, None, CPU)
    for epoch in range(1, 16):
        last = list(epoch_batches(data, streamed, epoch, CPU, streaming=objective.streaming))
    log_q = {int(number): float(value) for b in batches for number, value in zip(b.numbers, b.log_q, strict=True)}
    errors = [
        float(value) - log_q[int(number)]
        for batch in last
        for number, value in zip(batch.numbers[: batch.size], batch.log_q[: batch.size], strict=True)
    ]
    assert abs(np.mean(errors)) < 0.2
    assert np.std(errors) < 0.35
    spread = np.std([log_q[int(number)] for number in data.positives])
    assert np.std(errors) < spread


@pytest.mark.parametrize(
    ("loss", "mean"),
    [
        ({"kind": "triplet", "margin": 0.7}, lambda q, d, a: triplet_loss(q, d, a, 0.7)),
        ({"kind": "bpr", "scale": 5}, lambda q, d, a: bpr_loss(q, d, a, 5.0)),
    ],
)
def test_a_sum_is_the_mean_times_the_requests(pairs: Path, tmp_path: Path, loss: dict[str, Any], mean: Any) -> None:
    _, batches = prepared(pairs, recipe(), tmp_path)
    requests, documents, *_ = embeddings(batches[0], 0)
    nothing = NegativeColumns(documents[:0], batches[0].allowed, None, None, None, None)
    expected = mean(requests, documents, batches[0].allowed).item()
    for reduction, factor in (("mean", 1), ("sum", 128)):
        given = recipe(loss={**loss, "reduction": reduction}).loss
        assert batch_loss(given, requests, documents, nothing).item() == pytest.approx(factor * expected)


def test_generated_negatives_stand_beside_the_others_with_shares_that_differ_by_request(
    pairs: Path, tmp_path: Path
) -> None:
    given = recipe(negatives={"random": 32, "in_batch": False, "interpolated": 5})
    data, batches = prepared(pairs, given, tmp_path)
    mixing = batches[0].mixing
    assert mixing is not None
    assert mixing.shape == (128, 5)
    assert 0.4 <= mixing.min() < 0.41 < 0.59 < mixing.max() <= 0.6
    embedded = embeddings(batches[0], 0)
    requests, documents, *_ = embedded
    own = interpolated(requests, documents, batches[0].allowed, mixing)
    got = Objective(given, data, 16, None, CPU).loss(batches[0], embedded)
    expected = softmax_loss(requests, documents, batches[0].allowed, 20.0, own=own)
    assert got.item() == pytest.approx(expected.item())
    assert expected > softmax_loss(requests, documents, batches[0].allowed, 20.0)


def test_blended_gradients_are_those_of_m_and_n_and_one_losses(pairs: Path, tmp_path: Path) -> None:
    """Gradient blending by hand: two channels of each side, one weight by its name, one of nothing."""
    blending = {"fused": 0.5, "channel": 0.2, "channels": {"request.1": 0.7, "document.0": 0.0}}
    given = recipe(negatives={"random": 16, "memory": {"size": 50, "warm_up": 1}}, blending=blending)
    data, batches = prepared(pairs, given, tmp_path)
    objective = Objective(given, data, 16, None, CPU)
    objective.loss(batches[0], embeddings(batches[0], 0, channels=2))
    batch, embedded = batches[1], embeddings(batches[1], 1, channels=2)
    requests, documents, of_request, of_document, _ = embedded
    remembered = embeddings(batches[0], 0, channels=2).documents[78:128]
    chosen = torch.from_numpy(data.known.mask(batch.pairs, batches[0].numbers[78:128]))
    columns, allowed = torch.cat([documents, remembered]), torch.cat([batch.allowed, ~chosen], dim=1)
    expected = (
        0.5 * softmax_loss(requests, columns, allowed, 20.0)
        + 0.2 * softmax_loss(of_request[ChannelId("request", "0")], columns, allowed, 20.0)
        + 0.7 * softmax_loss(of_request[ChannelId("request", "1")], columns, allowed, 20.0)
        + 0.2 * softmax_loss(requests, of_document[ChannelId("document", "1")], batch.allowed, 20.0)
    )
    assert objective.loss(batch, embedded).item() == pytest.approx(expected.item(), rel=1e-5)


def test_batch_recall_is_that_of_a_sort() -> None:
    generator = torch.Generator().manual_seed(0)
    requests, documents = (
        torch.nn.functional.normalize(torch.randn(40, 3, generator=generator), dim=1) for _ in range(2)
    )
    order = torch.argsort(requests @ documents.T, dim=1, descending=True).tolist()
    for k in (1, 10, 40):
        assert batch_recall(requests, documents, k) == pytest.approx(np.mean([i in order[i][:k] for i in range(40)]))


EVERYTHING = {
    "negatives": {
        "random": 16,
        "log_q": True,
        "memory": {"size": 300, "warm_up": 3},
        "streaming": {"rate": 0.05, "slots": 4096},
    },
    "loss": {"kind": "softmax", "symmetric": True},
    "auxiliary": {"queries": 50, "hidden": 8},
    "optimizer": {"kind": "adagrad", "rate": 0.05, "clip": 3.0},
    "validation": {"metric": "auc", "interpolate": []},
    "epochs": 2,
}
SECOND = {
    "loss": {"kind": "bpr", "reduction": "sum"},
    "negatives": {"random": 0, "in_batch": False, "online_hard": 1, "memory": {"size": 100, "warm_up": 0}},
    "epochs": 2,
}
GENERATED = {"loss": {"kind": "softmax"}, "negatives": {"random": 16, "interpolated": 4}, "epochs": 1}
STAGED = {**EVERYTHING, "stages": [{}, SECOND, GENERATED]}


class InterruptedRunError(Exception):
    pass


@pytest.fixture(scope="module")
def whole(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return train(pairs, VERTICAL, recipe(**STAGED), tmp_path_factory.mktemp("whole") / "m", progress=False)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_run_with_all_of_it_cut_after_an_epoch_ends_in_the_same_bits(
    pairs: Path, tmp_path: Path, number: int, whole: Any
) -> None:
    def stop(epoch: Epoch) -> None:
        if epoch.number == number:
            raise InterruptedRunError

    with pytest.raises(InterruptedRunError):
        train(pairs, VERTICAL, recipe(**STAGED), tmp_path / "m", progress=False, on_epoch=stop)
    resumed = train(pairs, VERTICAL, recipe(**STAGED), tmp_path / "m", progress=False, resume=True)
    assert [epoch.stage for epoch in resumed.epochs] == [0, 1, 1, 2, 2, 3]
    assert resumed.model.fingerprint == whole.model.fingerprint
    assert [(e.loss, e.auc, e.batch_recall) for e in resumed.epochs] == [
        (e.loss, e.auc, e.batch_recall) for e in whole.epochs
    ]
