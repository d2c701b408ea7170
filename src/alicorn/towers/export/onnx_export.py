"""`alicorn export`: the request tower of a model as ONNX, for a service without torch.

    query_tower.onnx    one request at a time: inputs as features/padded.py names them, of one row; output `vectors`,
                        float32 (1, dim), or (1, interests, dim) of a model with several, of unit length
    query_tower.json    {"format": 2, "alicorn": version, "key", "dim", "interests", "fingerprint" of the model,
                        "inputs": names in order, "featurizer": how a row becomes the inputs, "vertical": fingerprint,
                        "text_rules": by which texts are read (alicorn.text),
                        "padded_to": channel -> places, of what an LSTM reads: its steps are written out}

The featurizer is the one of training and of serving: both towers read the same arrays.
"""

import json
import logging
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

import alicorn
from alicorn.errors import ConfigError
from alicorn.extras import check_installed
from alicorn.features import ChannelId
from alicorn.features.padded import Input, padded
from alicorn.folders import TOWER_FOLDER, check_place, whole_folder
from alicorn.text import RULES
from alicorn.towers.channels.tensors import Batch, ChannelTensors, PaddedBag, SequenceTensors, TokenTensors
from alicorn.towers.concat_arrays import ConcatArrays
from alicorn.towers.ensemble import Ensemble
from alicorn.towers.model import Model
from alicorn.towers.model_folder import EXPORTED, SavedModel, read_header
from alicorn.towers.two_tower import TwoTower
from alicorn.vertical import SequenceFeature
from alicorn.vertical.columns import Column, arrow_type

FORMAT = 2


def export_query_tower(model: Model | Ensemble, folder: str | Path) -> Path:
    """Write the folder, which must be new or empty. Returns it. Raises ConfigError."""
    folder = Path(folder)
    _check(model, folder)
    assert isinstance(model, Model)
    fixed = _fixed(model)
    inputs = _example(model, fixed)
    tower = _PlainInputs(model.module, list(inputs)).eval()
    folder.mkdir(parents=True, exist_ok=True)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own exporter
        program = _quietly(tower, inputs, fixed)
    try:
        _write(folder, program, model, inputs, fixed)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def is_exportable(folder: Path) -> bool:
    """Whether a server needs the export of the model in a folder: arrays do not compute its request tower, and no
    pretrained encoder, which runs by torch, reads a request."""
    saved = SavedModel.read(folder, read_header(folder))
    design = saved.design(encode_texts=False)
    arrays = ConcatArrays.of(design.towers, design.layout, "request", saved.weights)
    return arrays is None and not design.featurizers["request"].encoded


def export_for_service(folder: Path) -> list[Path]:
    """Write the request towers that a server needs into the folders of their models; of an ensemble, of its members.

    Returns the folders that were written. Raises ConfigError, ModelError.
    """
    header = read_header(folder)
    if "weights" in header:
        members = [folder / "members" / str(number) for number in range(len(header["weights"]))]
        return [written for member in members for written in export_for_service(member)]
    if not is_exportable(folder):
        return []
    with whole_folder(folder / EXPORTED) as place:
        export_query_tower(Model.load(folder), place)
    return [folder / EXPORTED]


def _write(
    folder: Path,
    program: torch.onnx.ONNXProgram,
    model: Model,
    inputs: dict[Input, Tensor],
    fixed: dict[ChannelId, int],
) -> None:
    program.save(folder / "query_tower.onnx")
    header = {
        "format": FORMAT,
        "alicorn": alicorn.__version__,
        "key": model.key,
        "dim": model.dim,
        "interests": model.module.interests,
        "fingerprint": model.fingerprint,
        "vertical": model.vertical.fingerprint(),
        "inputs": [str(one) for one in inputs],
        "padded_to": {channel.name: places for channel, places in fixed.items()},
        "featurizer": model.requests.plain(),
        "text_rules": RULES,
    }
    (folder / "query_tower.json").write_text(json.dumps(header, indent=1, allow_nan=False) + "\n", encoding="utf-8")


class _PlainInputs(nn.Module):
    """The request tower of a module, as a function of padded arrays."""

    def __init__(self, module: TwoTower, inputs: list[Input]) -> None:
        super().__init__()
        self.module = module
        self._inputs = inputs

    def forward(self, *inputs: Tensor) -> Tensor:
        batch = _batch(dict(zip(self._inputs, inputs, strict=True)))
        if self.module.interests > 1:
            return self.module.encode_interests(batch)
        return self.module.encode_requests(batch)


def _batch(inputs: dict[Input, Tensor]) -> Batch:
    channels: dict[ChannelId, dict[str, Tensor]] = {}
    for (channel, part), values in inputs.items():
        channels.setdefault(channel, {})[part] = values
    return {channel: _channel(parts) for channel, parts in channels.items()}


def _channel(parts: dict[str, Tensor]) -> ChannelTensors:
    if "values" in parts:
        return parts["values"]
    if "hidden" in parts:
        return TokenTensors(**parts)
    return PaddedBag(**parts) if "weights" in parts else SequenceTensors(**parts)


def _fixed(model: Model) -> dict[ChannelId, int]:
    """How many places each channel has that an LSTM reads: the real-time behaviour of the fusion `semantic`."""
    name = model.recipe["towers"].get("fusion", {}).get("realtime")
    feature = model.requests.features.get(name)
    return {ChannelId("request", name): feature.last} if isinstance(feature, SequenceFeature) else {}


def _example(model: Model, fixed: dict[ChannelId, int]) -> dict[Input, Tensor]:
    """Inputs of a row without values, each list two long: their shapes are what matters."""
    columns: dict[str, list[Column]] = {}
    for column in model.requests.columns:
        columns.setdefault(column.name, []).append(column)
    rows = {name: pa.nulls(1, arrow_type(asked, [])) for name, asked in columns.items()}
    found = padded(model.requests.transform(pa.table(rows)), fixed)
    return {one: torch.from_numpy(_widened(one.part, values)) for one, values in found.items()}


def _widened(part: str, values: np.ndarray) -> np.ndarray:
    if part == "lengths":
        return np.full(1, 2)
    if part == "values":
        return values
    return values if values.shape[1] > 1 else np.repeat(values, 2, axis=1)


def _quietly(tower: _PlainInputs, inputs: dict[Input, Tensor], fixed: dict[ChannelId, int]) -> Any:
    """The exporter's work without its talk."""
    shapes: list[dict[int, Any]] = []
    channels = [one.channel for one in inputs]
    for channel, part in inputs:
        list_of = part not in ("lengths", "values") and channel not in fixed
        shapes.append({1: torch.export.Dim(f"longest_{channels.index(channel)}")} if list_of else {})
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    return torch.onnx.export(
        tower,
        tuple(inputs.values()),
        input_names=[str(one) for one in inputs],
        output_names=["vectors"],
        dynamic_shapes=(tuple(shapes),),
        dynamo=True,
        verbose=False,
    )


def _check(model: Model | Ensemble, folder: Path) -> None:
    check_installed("the export", "onnx", "onnxscript")
    if isinstance(model, Ensemble):
        raise ConfigError("an ensemble is exported member by member: give the folder of one, members/0 and so on")
    check_place(folder, TOWER_FOLDER)
