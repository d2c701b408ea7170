"""The Behavior Sequence Transformer, learned by torch and written as ONNX.

    token     a document: the embeddings of its parts (id, category, ...) and of how long before the search it was
              chosen, side by side; the candidate is the last token
    block     S' = LayerNorm(S + Dropout(attention(S))); F = LayerNorm(S' + Dropout(LeakyReLU(S' W1 + b1) W2 + b2))
    head      the features of the candidate and F of all tokens, side by side -> three layers -> log odds of a choice

One block, log loss and Adagrad as in BST (Chen et al., DLP-KDD 2019, section 2); its sizes and its single epoch are for
billions of clicks: here tables and layers are smaller, and epochs end when the loss of a tenth of the searches does not
fall. With positions, an offset of each position is learned beside the network and left out of its scores, as for the
forest.
"""

from __future__ import annotations

import copy
import itertools
import logging
import math
import warnings
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from alicorn.ranking.bst import FEATURES
from alicorn.ranking.features import FeatureSet
from alicorn.ranking.learning.examples import RankExamples

_BUCKETS, _DIM, _HEADS, _HIDDEN = 1 << 16, 16, 4, (128, 64)
_GAPS = 48  # two for each doubling of minutes: the last is of 90 days and more
_DROPOUT, _BATCH, _RATE, _DEEPEST = 0.2, 256, 0.01, 50
_EPOCHS, _PATIENCE, _EVERY = 20, 3, 10  # every tenth search says when to stop


class BstNetwork(nn.Module):
    """parts, last: of the sequence. features: (rows, columns) float32 that are learned from, to scale them by."""

    def __init__(self, parts: int, last: int, features: Tensor) -> None:
        super().__init__()
        width = _DIM * (parts + 1)
        self.tables = nn.ModuleList(nn.Embedding(_BUCKETS, _DIM, padding_idx=0, sparse=True) for _ in range(parts))
        self.gaps = nn.Embedding(_GAPS, _DIM)
        for table in (*self.tables, self.gaps):
            nn.init.normal_(table.weight, std=0.05)
        self.inner = nn.Linear(width, 3 * width)
        self.outer = nn.Linear(width, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.forward_layer = nn.Sequential(nn.Linear(width, width), nn.LeakyReLU(), nn.Linear(width, width))
        self.dropout = nn.Dropout(_DROPOUT)
        sizes = (2 * features.shape[1] + (last + 1) * width, *_HIDDEN)
        layers = [nn.Sequential(nn.Linear(*pair), nn.LeakyReLU()) for pair in itertools.pairwise(sizes)]
        self.head = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))
        self.mean, self.spread = (nn.Buffer(of) for of in _scale(features))

    def forward(self, documents: Tensor, history: Tensor, ages: Tensor, features: Tensor) -> Tensor:
        """(rows,). documents: int64 (rows, parts). history: int64 (rows, last, parts). ages: (rows, last)."""
        codes = torch.cat([history, documents[:, None]], dim=1)
        codes = torch.where(codes > 0, 1 + codes % (_BUCKETS - 1), 0)
        gaps = 1 + torch.clamp(2 * torch.log2(1 + 1440 * torch.clamp(ages, min=0)), max=_GAPS - 2).long()
        gaps = torch.cat([gaps, torch.zeros_like(gaps[:, :1])], dim=1)
        tokens = torch.cat([*(table(codes[..., at]) for at, table in enumerate(self.tables)), self.gaps(gaps)], dim=2)
        is_there = torch.cat([history.amax(dim=2) > 0, torch.ones_like(gaps[:, :1], dtype=torch.bool)], dim=1)
        tokens = self.norms[0](tokens + self.dropout(self._attended(tokens, is_there)))
        tokens = self.norms[1](tokens + self.dropout(self.forward_layer(tokens)))
        tokens = tokens * is_there[:, :, None]
        is_known = ~torch.isnan(features)
        scaled = torch.where(is_known, (features - self.mean) / self.spread, 0.0)
        beside = torch.cat([scaled, is_known.float(), tokens.flatten(1)], dim=1)
        scores: Tensor = self.head(beside)[:, 0]
        return scores

    def _attended(self, tokens: Tensor, is_there: Tensor) -> Tensor:
        """Of several heads; nothing attends to a place that is empty."""
        rows, places, width = tokens.shape
        inner = self.inner(tokens).view(rows, places, 3, _HEADS, width // _HEADS).permute(2, 0, 3, 1, 4)
        weights = inner[0] @ inner[1].transpose(2, 3) * (width // _HEADS) ** -0.5
        weights = torch.softmax(weights.masked_fill(~is_there[:, None, None], -1e9), dim=3)
        attended: Tensor = self.outer((weights @ inner[2]).transpose(1, 2).reshape(rows, places, width))
        return attended


def learn_bst(examples: RankExamples, features: FeatureSet, positions: bool, seed: int) -> bytes:
    """The file, as `Bst` reads it. positions: whether clicks depend on the position; not so for judgements."""
    assert features.sequence is not None
    is_stopping = np.arange(len(examples)) % _EVERY == 0
    learning, stopping = (_Rows.of(examples.take(np.flatnonzero(some))) for some in (~is_stopping, is_stopping))
    no_checks = torch.sparse.check_sparse_tensor_invariants(False)  # of gradients of tables, which torch makes itself
    with torch.random.fork_rng(devices=[]), no_checks:
        torch.manual_seed(seed)
        network = BstNetwork(len(features.sequence.parts), features.sequence.last, learning.features)
        _learn(network, learning, stopping, positions)
    return _exported(network.eval(), features)


class _Rows(NamedTuple):
    """Of each shown document its tokens, its place among the searches, features, position, share of a choice, weight;
    of each search history and ages."""

    documents: Tensor
    history: Tensor
    ages: Tensor
    searches: Tensor
    features: Tensor
    positions: Tensor
    labels: Tensor
    weights: Tensor

    @classmethod
    def of(cls, examples: RankExamples) -> _Rows:
        """A grade below the greatest is a share of a choice."""
        assert examples.tokens is not None
        documents, history, ages = map(torch.from_numpy, examples.tokens)
        return cls(
            documents,
            history,
            ages,
            torch.from_numpy(np.repeat(np.arange(len(examples)), np.diff(examples.starts))),
            torch.from_numpy(examples.matrix.astype(np.float32)),
            torch.from_numpy(np.minimum(examples.positions, _DEEPEST)),
            torch.from_numpy(examples.grades / max(float(examples.grades.max(initial=0.0)), 1e-9)).float(),
            torch.from_numpy(examples.weights).float(),
        )

    def loss(self, network: BstNetwork, offsets: nn.Embedding, rows: Tensor) -> Tensor:
        """Log loss, weighted."""
        of = self.searches[rows]
        scores = network(self.documents[rows], self.history[of], self.ages[of], self.features[rows])
        scores = scores + offsets(self.positions[rows])[:, 0]
        return nn.functional.binary_cross_entropy_with_logits(scores, self.labels[rows], self.weights[rows])


def _learn(network: BstNetwork, learning: _Rows, stopping: _Rows, positions: bool) -> None:
    """Epochs until the loss of the searches that stop has not fallen for a while; the network is that of the best."""
    offsets = nn.Embedding(_DEEPEST + 1, 1)
    nn.init.zeros_(offsets.weight)
    optimizer = torch.optim.Adagrad([*network.parameters(), *(offsets.parameters() if positions else ())], lr=_RATE)
    best, kept, waited = math.inf, copy.deepcopy(network.state_dict()), 0
    for _ in range(_EPOCHS):
        network.train()
        for rows in torch.randperm(len(learning.labels)).split(_BATCH):
            loss = learning.loss(network, offsets, rows)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            batches = torch.arange(len(stopping.labels)).split(_BATCH)
            found = sum(float(stopping.loss(network, offsets, rows)) * len(rows) for rows in batches)
        if found < best:
            best, kept, waited = found, copy.deepcopy(network.state_dict()), 0
        elif (waited := waited + 1) == _PATIENCE:
            break
    network.load_state_dict(kept)


def _scale(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each column, (columns,), of what is known; 0 and 1 where nothing is or varies."""
    known = np.ma.masked_invalid(features.numpy())
    mean, spread = (np.ma.filled(of, 0.0).astype(np.float32) for of in (known.mean(axis=0), known.std(axis=0)))
    return torch.from_numpy(mean), torch.from_numpy(np.where(spread > 0, spread, 1.0).astype(np.float32))


class _OneRequest(nn.Module):
    """The network as a function of the candidates of one request, whose history is the same for all."""

    def __init__(self, network: BstNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, documents: Tensor, history: Tensor, ages: Tensor, features: Tensor) -> Tensor:
        rows = documents.shape[0]
        scores: Tensor = self.network(
            documents, history.expand(rows, *history.shape), ages.expand(rows, *ages.shape), features
        )
        return scores


def _exported(network: BstNetwork, features: FeatureSet) -> bytes:
    assert features.sequence is not None
    parts, last = len(features.sequence.parts), features.sequence.last
    example = (
        torch.ones((2, parts), dtype=torch.int64),
        torch.ones((last, parts), dtype=torch.int64),
        torch.ones(last),
        torch.zeros((2, len(features.names))),
    )
    rows = {0: torch.export.Dim("rows")}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own exporter
        program = torch.onnx.export(
            _OneRequest(network),
            example,
            input_names=["documents", "history", "ages", "features"],
            output_names=["scores"],
            dynamic_shapes=(rows, {}, {}, rows),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    entry = model.metadata_props.add()
    entry.key, entry.value = FEATURES, features.fingerprint()
    content: bytes = model.SerializeToString()
    return content
