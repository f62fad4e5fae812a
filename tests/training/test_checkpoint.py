from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from darnet.errors import WeightsError
from darnet.training.checkpoint import load_checkpoint, save_checkpoint

LEAVES = st.none() | st.booleans() | st.integers(-100, 100) | st.floats(allow_nan=False) | st.text(max_size=5)
TENSORS = st.integers(0, 9).map(lambda n: torch.arange(n).float())
STATES = st.recursive(
    LEAVES | TENSORS,
    lambda nodes: (
        st.lists(nodes, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(0, 9), nodes, max_size=3)
    ),
    max_leaves=8,
)


def same(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@given(state=STATES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_saved_comes_back(tmp_path: Path, state: object) -> None:
    save_checkpoint(tmp_path / "state.safetensors", state)
    assert same(state, load_checkpoint(tmp_path / "state.safetensors"))
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


def test_two_names_for_one_tensor_are_kept(tmp_path: Path) -> None:
    tensor = torch.rand(3)
    save_checkpoint(tmp_path / "s", {"a": tensor, "b": tensor})
    assert same(load_checkpoint(tmp_path / "s"), {"a": tensor, "b": tensor})


def test_a_file_that_is_no_state_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"rubbish")
    for name in ("bad", "missing"):
        with pytest.raises(WeightsError, match=f"{name}: no usable training state"):
            load_checkpoint(tmp_path / name)
