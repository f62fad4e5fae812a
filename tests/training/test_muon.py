"""Muon on convolutions is Muon on their matrices; how many go together and in which precision is a matter of speed."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor, nn

from darnet.models.base import channels_last
from darnet.training.muon import ConvolutionMuon, orthogonal

SHAPES = [(8, 6, 3), (4, 8, 3), (8, 6, 3), (16, 2, 1)]  # wide, of two alike, and tall


def convolutions() -> list[nn.Conv2d]:
    rng = Generator().manual_seed(0)
    layers = [channels_last(nn.Conv2d(inner, outer, kernel, bias=False)) for outer, inner, kernel in SHAPES]
    for layer in layers:
        layer.weight.data.copy_(torch.randn(layer.weight.shape, generator=rng))
    return layers


def matrix(tensor: Tensor) -> Tensor:
    return tensor.permute(0, 2, 3, 1).flatten(1)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 2e-3), (torch.float32, 3e-2)])
def test_muon_on_convolutions_is_muon_on_their_matrices(dtype: torch.dtype, tolerance: float) -> None:
    """Tightly in the precision of torch's own; in another as far as its rounding goes: 0.1 · 0.2 · √54 is a step."""
    layers = convolutions()
    parameters = [nn.Parameter(matrix(layer.weight.detach()).clone()) for layer in layers]
    options = {"lr": 0.1, "weight_decay": 0.01, "momentum": 0.9}
    ours = ConvolutionMuon([layer.weight for layer in layers], dtype, **options)
    theirs = torch.optim.Muon(parameters, **options, nesterov=True, adjust_lr_fn="match_rms_adamw")
    rng = Generator().manual_seed(1)
    for number in range(3):
        for layer, parameter in zip(layers, parameters, strict=True):
            layer.weight.grad = torch.randn(layer.weight.shape, generator=rng)
            parameter.grad = matrix(layer.weight.grad)
        if number == 1:  # as a layer that no sample of a batch went through
            layers[1].weight.grad = parameters[1].grad = None
        ours.step()
        theirs.step()
        for layer, parameter in zip(layers, parameters, strict=True):
            torch.testing.assert_close(matrix(layer.weight), parameter, atol=tolerance, rtol=0)


@pytest.mark.parametrize("shape", [(5, 4, 30), (5, 30, 4), (1, 6, 6)])
def test_singular_values_end_near_one_and_vectors_stay(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=Generator().manual_seed(0))
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    inner = left.mT @ orthogonal(matrices) @ right.mT
    values = torch.diagonal(inner, dim1=1, dim2=2)
    assert float(values.min()) > 0.3
    assert float(values.max()) < 1.3
    torch.testing.assert_close(inner, torch.diag_embed(values), atol=1e-4, rtol=0)


def test_what_comes_together_does_not_matter() -> None:
    matrices = torch.randn((70, 3, 9), generator=Generator().manual_seed(0))
    alone = torch.cat([orthogonal(one[None]) for one in matrices])
    torch.testing.assert_close(orthogonal(matrices), alone, atol=1e-5, rtol=0)
    kept = matrices.clone()
    orthogonal(matrices)
    assert torch.equal(matrices, kept)


def test_a_run_goes_on_with_its_momentum() -> None:
    def stepped(layers: list[nn.Conv2d], optimizer: ConvolutionMuon, seed: int) -> None:
        rng = Generator().manual_seed(seed)
        for layer in layers:
            layer.weight.grad = torch.randn(layer.weight.shape, generator=rng)
        optimizer.step()

    whole, cut = convolutions(), convolutions()
    optimizers = [ConvolutionMuon([layer.weight for layer in layers], lr=0.1) for layers in (whole, cut)]
    stepped(whole, optimizers[0], 0)
    stepped(cut, optimizers[1], 0)
    again = ConvolutionMuon([layer.weight for layer in cut], lr=0.5)
    again.load_state_dict(optimizers[1].state_dict())
    stepped(whole, optimizers[0], 1)
    stepped(cut, again, 1)
    assert all(torch.equal(first.weight, second.weight) for first, second in zip(whole, cut, strict=True))
