"""The state of a training run in one safetensors file: tensors as they are, all else as JSON in its header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from darnet.errors import WeightsError
from darnet.files import unfinished

TENSOR = "__tensor__"
PAIRS = "__pairs__"


def save_checkpoint(path: Path, state: Any) -> None:
    """Write a nest of dicts, lists, numbers and tensors; atomically, so that a kill leaves the last one whole."""
    tensors: dict[str, Tensor] = {}
    skeleton = _take_out(state, "", tensors)
    with unfinished(path) as temporary:
        save_file(tensors, temporary, metadata={"state": json.dumps(skeleton)})


def load_checkpoint(path: Path) -> Any:
    """What `save_checkpoint` was given. Raises WeightsError if the file is missing, damaged or something else."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  not a mapping
        return _put_back(json.loads(metadata["state"]), tensors)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(path, f"no usable training state: {error}") from error


def _take_out(node: Any, key: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, Tensor):
        # A copy of its own: safetensors refuses two names for one memory.
        tensors[key] = node.detach().cpu().contiguous().clone()
        return {TENSOR: key}
    if isinstance(node, dict):
        # JSON would turn the integer keys of an optimiser's state into strings.
        return {PAIRS: [[k, _take_out(v, f"{key}/{k}", tensors)] for k, v in node.items()]}
    if isinstance(node, list | tuple):
        return [_take_out(value, f"{key}/{index}", tensors) for index, value in enumerate(node)]
    return node


def _put_back(node: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, list):
        return [_put_back(value, tensors) for value in node]
    if isinstance(node, dict):
        if TENSOR in node:
            return tensors[node[TENSOR]]
        return {key: _put_back(value, tensors) for key, value in node[PAIRS]}
    return node
