"""Graphs, run by ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from darnet import registry
from darnet.engines.backend import Run
from darnet.errors import UsageError, WeightsError, one_line

#: Its severity, of 0 to 4: below it are remarks on how a graph was written.
ERRORS_ONLY = 3


def load(graph: Path, precision: str, threads: int) -> Run:
    """A graph, in float32 (`darnet.engines.backend.Runtime`)."""
    if precision != "fp32":
        raise UsageError(f"`precision={precision!r}`: ONNX Runtime computes in fp32 on a CPU")
    opened = session(graph, threads, "no graph that ONNX Runtime reads")
    names = [output.name for output in opened.get_outputs()]

    def run(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        answers = opened.run(None, {name: value.numpy() for name, value in given.items()})
        return dict(zip(names, map(torch.from_numpy, answers), strict=True))

    return run


def session(graph: Path, threads: int, otherwise: str) -> Any:
    """A graph as ONNX Runtime has it. Raises MissingPackageError, and WeightsError for a file that is `otherwise`."""
    runtime = registry.optional("onnxruntime", "onnx")
    options = runtime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = ERRORS_ONLY, threads
    options.enable_cpu_mem_arena = False  # which would keep the memory of the largest tile
    try:
        return runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # whatever a file brings
        raise WeightsError(graph, f"{otherwise} ({one_line(error)})") from error
