"""Networks of sizes that the field knows, with random weights: what a picture takes in them, and nothing of quality.

Architectures come with the extras `foreign` (NAFNet, DRUNet) and `foreign-restricted` (Restormer, non-commercial).
Shapes: H × W pixels, sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from darnet import registry
from darnet.benchmark.cases import Case
from darnet.benchmark.methods import Answer, Method
from darnet.benchmark.protocol import Pixels
from darnet.engines.devices import pick_device
from darnet.images.tiles import pad_to
from darnet.models.base import channels_last

#: All of them halve their input three or four times.
MULTIPLE_PX = 16
SIGMA = 25 / 255


@dataclass
class Untrained(Method):
    """A network whose answers mean nothing; `more`: constant planes that it takes beside the picture."""

    network: nn.Module
    device: torch.device
    more: tuple[float, ...] = ()

    def __call__(self, observed: Pixels, case: Case) -> Answer:
        """Run it."""
        height, width = observed.shape[1:]
        planes = [observed, *(observed.new_full((1, height, width), value) for value in self.more)]
        shown = pad_to(torch.cat(planes)[None].to(self.device, memory_format=torch.channels_last), MULTIPLE_PX)
        with torch.inference_mode():
            answer: Pixels = self.network(shown)[0, :, :height, :width]
        return Answer(answer.cpu())

    def networks(self, case: Case) -> tuple[nn.Module, ...]:
        """The one."""
        return (self.network,)


def _restormer() -> nn.Module:
    """Restormer for denoising (Zamir et al. 2022, §4): dimension 48, blocks 4, 6, 6, 8 and 4, bias-free norms."""
    package = registry.optional("spandrel_extra_arches.architectures.Restormer", "foreign-restricted")
    network: nn.Module = package.Restormer(LayerNorm_type="BiasFree")
    return network


def _nafnet() -> nn.Module:
    """NAFNet of width 32 for denoising (Chen et al. 2022): blocks 2, 2, 4, 8, then 12, then 2, 2, 2, 2."""
    package = registry.optional("spandrel.architectures.NAFNet", "foreign")
    network: nn.Module = package.NAFNet(
        width=32, middle_blk_num=12, enc_blk_nums=[2, 2, 4, 8], dec_blk_nums=[2, 2, 2, 2]
    )
    return network


def _drunet() -> nn.Module:
    """DRUNet for colour (Zhang et al. 2021): four blocks of 64, 128, 256 and 512 channels; takes a plane of σ."""
    package = registry.optional("spandrel.architectures.DRUNet", "foreign")
    network: nn.Module = package.DRUNet(in_nc=4, out_nc=3)
    return network


#: How they are called, how they are made, and what they are told.
UNTRAINED: Mapping[str, tuple[Callable[[], nn.Module], tuple[float, ...]]] = {
    "restormer-sized": (_restormer, ()),
    "nafnet-32-sized": (_nafnet, ()),
    "drunet-sized": (_drunet, (SIGMA,)),
}


def untrained(name: str, device: str = "cpu") -> Untrained:
    """A network of UNTRAINED on a device, channels last. Raises MissingPackageError without its extra."""
    make, more = UNTRAINED[name]
    where = pick_device(device)
    network = channels_last(make().eval().requires_grad_(False).to(where))
    return Untrained(network, where, more)
