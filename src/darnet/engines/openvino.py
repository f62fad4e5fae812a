"""Graphs, run by OpenVINO on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from darnet import registry
from darnet.engines.backend import Run
from darnet.errors import UsageError, WeightsError, one_line

#: What it calls precisions. Asked for none, it takes bfloat16 wherever the CPU has it, for what is not of 8 bits.
HINT = "INFERENCE_PRECISION_HINT"
PRECISIONS: Mapping[str, Mapping[str, str]] = {"fp32": {HINT: "f32"}, "bf16": {HINT: "bf16"}, "int8": {}}


def load(graph: Path, precision: str, threads: int) -> Run:
    """A graph, in float32, in bfloat16, or in the 8 bits that it says itself (`darnet.engines.backend.Runtime`)."""
    if precision not in PRECISIONS:
        known = " or ".join(", ".join(PRECISIONS).rsplit(", ", 1))
        raise UsageError(f"`precision={precision!r}`: OpenVINO computes in {known}")
    openvino = registry.optional("openvino", "openvino")
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,  # else processes at work side by side are all on the first cores
        **PRECISIONS[precision],
    }
    try:
        compiled = openvino.Core().compile_model(graph, "CPU", settings)
    except Exception as error:  # whatever a file brings
        raise WeightsError(graph, f"no graph that OpenVINO reads ({one_line(error)})") from error
    names = [output.get_any_name() for output in compiled.outputs]

    def run(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        request = compiled.create_infer_request()  # one for each thread at work
        answers = request.infer({name: value.numpy() for name, value in given.items()}, share_inputs=True)
        return {name: torch.from_numpy(answers[name]) for name in names}

    return run
