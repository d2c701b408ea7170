"""Several models served as one embedding: the weighted concatenation of EBR (section 6.2, equations 4-6).

    S_w(q, d) = sum_i a_i cos(V_i q, U_i d)                                   a_i > 0, chosen on the valid split
    E_q = [a_i V_i q]_i / sqrt(sum a_i^2)        E_d = [U_i d]_i / sqrt(n)    both of unit length
    cos(E_q, E_d) = S_w(q, d) / (sqrt(sum a_i^2) sqrt(n))

The weights are on the request's side only: other weights need no documents to be encoded again. A folder is

    model.json       {"format": 3, "alicorn": version, "key", "dim", "fingerprint", "vertical": fingerprint,
                      "data": fingerprint, "weights": one number per member}
    members/0/ ...   each member's own model folder

and is read by `Model.load` like any other model. evaluation/systems/ensemble_weights.py searches the weights.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa
import xxhash

import alicorn
from alicorn.errors import ConfigError, ModelError
from alicorn.features import Encoding
from alicorn.towers.request_tower import OneRequest
from alicorn.vertical import Feature, Vertical
from alicorn.vertical.parts import differing

_FORMAT = 3


class Member(Protocol):
    """What a model or an ensemble has as a member of another; meanings as in Ensemble."""

    @property
    def key(self) -> str: ...
    @property
    def vertical(self) -> Vertical: ...
    @property
    def dim(self) -> int: ...
    @property
    def num_interests(self) -> int: ...
    @property
    def data(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def request_features(self) -> dict[str, Feature]: ...
    @property
    def document_features(self) -> dict[str, Feature]: ...
    @property
    def encodings(self) -> tuple[Encoding, ...]: ...
    def with_vertical(self, vertical: Vertical) -> Self: ...
    def reads(self, vertical: Vertical) -> dict[str, str]: ...
    def encode_requests(self, requests: pa.Table) -> np.ndarray: ...
    def encode_documents(self, documents: pa.Table) -> np.ndarray: ...
    def request_tower(self, searchers: pa.Table) -> OneRequest | None: ...
    def save(self, folder: str | Path) -> Self: ...


class RequestTowers:
    """E_q of one request at a time."""

    def __init__(self, towers: Sequence[OneRequest], scales: np.ndarray) -> None:
        self._towers, self._scales = towers, scales

    def encode(self, query: str, row: int, context: Mapping[str, pa.Array]) -> np.ndarray:
        """float32 (dim,), unit length."""
        vectors = [tower.encode(query, row, context)[None] for tower in self._towers]
        result: np.ndarray = _concatenated(vectors, self._scales)[0]
        return result


@dataclass(frozen=True, eq=False)
class Ensemble:
    """key: under which the documents' vectors are published. weights: a_i of each member, positive."""

    key: str
    members: tuple[Member, ...]
    weights: tuple[float, ...]

    @classmethod
    def of(cls, members: Sequence[Member], weights: Sequence[float], key: str | None = None) -> "Ensemble":
        """key: the vertical's unless given. Raises ConfigError where members do not fit each other or the weights."""
        if len(members) < 2:
            raise ConfigError(f"an ensemble has two members or more, got {len(members)}")
        if len(weights) != len(members):
            raise ConfigError(f"an ensemble has one weight per member, got {len(weights)} for {len(members)} members")
        if not all(np.isfinite(weight) and weight > 0 for weight in weights):
            raise ConfigError(f"weights of an ensemble are above 0, got {', '.join(map(str, weights))}")
        first = members[0]
        for other in members[1:]:
            if others := differing(other.reads(other.vertical), other.reads(first.vertical)):
                raise ConfigError(
                    f"members of an ensemble search one vertical: {other.fingerprint} learned from another"
                    f" {' and '.join(others)} than that of {first.fingerprint} has; train them with the same"
                    " vertical.yaml"
                )
        if any(member.num_interests > 1 for member in members):
            raise ConfigError("an ensemble joins one vector of each member: leave out models of several interests")
        return cls(key or members[0].vertical.embedding, tuple(members), tuple(map(float, weights)))

    @property
    def vertical(self) -> Vertical:
        return self.members[0].vertical

    @property
    def dim(self) -> int:
        return sum(member.dim for member in self.members)

    @property
    def num_interests(self) -> int:
        return 1

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        """What the pretrained text encoders of its members have done in this process."""
        return tuple(done for member in self.members for done in member.encodings)

    @property
    def data(self) -> str:
        """Fingerprint of what the members learned from: theirs, where it is one."""
        learned = list(dict.fromkeys(member.data for member in self.members))
        return (
            learned[0]
            if len(learned) == 1
            else xxhash.xxh3_128_hexdigest(json.dumps(learned, allow_nan=False).encode())
        )

    @property
    def fingerprint(self) -> str:
        """Of everything that decides a vector."""
        decided_by = [_FORMAT, [member.fingerprint for member in self.members], self.weights]
        return xxhash.xxh3_128_hexdigest(json.dumps(decided_by, allow_nan=False).encode())

    @property
    def request_features(self) -> dict[str, Feature]:
        """The vertical's features that any member reads of a request, by name."""
        return {name: feature for member in self.members for name, feature in member.request_features.items()}

    @property
    def document_features(self) -> dict[str, Feature]:
        return {name: feature for member in self.members for name, feature in member.document_features.items()}

    def with_vertical(self, vertical: Vertical) -> "Ensemble":
        """See Model.with_vertical."""
        return replace(self, members=tuple(member.with_vertical(vertical) for member in self.members))

    def with_key(self, key: str) -> "Ensemble":
        """See Model.with_key."""
        return replace(self, key=key)

    def reads(self, vertical: Vertical) -> dict[str, str]:
        """See Model.reads."""
        return {key: value for member in self.members for key, value in member.reads(vertical).items()}

    def encode_requests(self, requests: pa.Table) -> np.ndarray:
        """E_q: float32 (rows, dim), unit length."""
        return _concatenated([member.encode_requests(requests) for member in self.members], self._request_scales())

    def request_tower(self, searchers: pa.Table) -> "RequestTowers | None":
        """See Model.request_tower."""
        towers = [tower for member in self.members if (tower := member.request_tower(searchers)) is not None]
        return RequestTowers(towers, self._request_scales()) if len(towers) == len(self.members) else None

    def _request_scales(self) -> np.ndarray:
        weights = np.array(self.weights) / max(self.weights)  # so that no square overflows
        scales: np.ndarray = weights / np.sqrt(np.sum(weights**2))
        return scales

    def encode_interests(self, requests: pa.Table) -> np.ndarray:
        """float32 (rows, 1, dim), unit length."""
        return self.encode_requests(requests)[:, None]

    def encode_documents(self, documents: pa.Table) -> np.ndarray:
        """E_d: float32 (rows, dim), unit length."""
        scales = np.full(len(self.members), len(self.members) ** -0.5)
        return _concatenated([member.encode_documents(documents) for member in self.members], scales)

    def save(self, folder: str | Path) -> "Ensemble":
        """Write the folder, members included. Returns the ensemble as it is there."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.json").unlink(missing_ok=True)
        members = [member.save(folder / "members" / str(number)) for number, member in enumerate(self.members)]
        saved = replace(self, members=tuple(members))
        header = {
            "format": _FORMAT,
            "alicorn": alicorn.__version__,
            "key": saved.key,
            "dim": saved.dim,
            "fingerprint": saved.fingerprint,
            "vertical": saved.vertical.fingerprint(),
            "data": saved.data,
            "weights": saved.weights,
        }
        (folder / "model.json").write_text(json.dumps(header, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        return saved


def load_ensemble(folder: Path, header: dict[str, Any], load: Callable[[Path], Member]) -> Ensemble:
    """The ensemble in a folder whose model.json is `header`. load: reads the folder of a member. Raises ModelError."""
    try:
        members = [load(folder / "members" / str(number)) for number in range(len(header["weights"]))]
        ensemble = Ensemble.of(members, header["weights"], header["key"])
    except (ConfigError, TypeError) as error:
        raise ModelError(f"{folder / 'model.json'} does not fit the members: {error}") from error
    if ensemble.fingerprint != header["fingerprint"]:
        raise ModelError(f"{folder}: a member or a weight was changed since: make the ensemble again")
    return ensemble


def _concatenated(parts: Sequence[np.ndarray], scales: np.ndarray) -> np.ndarray:
    """float32 (rows, sum of dims): the parts side by side, each times its scale."""
    return np.concatenate([part * np.float32(scale) for part, scale in zip(parts, scales, strict=True)], axis=1)
