"""Convolution with a kernel per sample, through the Fourier transform: kernels of rain and of shaken cameras are large.

Shapes: B batch, C channels, H × W pixels, K side of a kernel (odd).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

#: Lengths that are multiples of this have small factors, which the transform is fast for.
FAST = 16
#: Rows and columns that one step of `_directly` makes.
PHASES = 8


def convolve(pictures: Float[Tensor, "B C H W"], kernels: Float[Tensor, "B K K"]) -> Float[Tensor, "B C H2 W2"]:
    """Where the kernel lies wholly inside the picture: H2 = H − K + 1, W2 = W − K + 1.

    In a graph that is exported the same sums are taken one by one, since runtimes know no fast transform of any length.
    """
    if torch.compiler.is_exporting():
        return _directly(pictures, kernels)
    height, width = pictures.shape[2:]
    size = [side + -side % FAST for side in (height, width)]
    spectrum = torch.fft.rfft2(pictures, s=size) * torch.fft.rfft2(kernels[:, None], s=size)
    reach = kernels.shape[-1] - 1
    # The transform wraps around; what lies behind the first K − 1 rows and columns did not.
    convolved: Tensor = torch.fft.irfft2(spectrum, s=size)
    return convolved[:, :, reach:height, reach:width]


def _directly(pictures: Float[Tensor, "B C H W"], kernels: Float[Tensor, "B K K"]) -> Float[Tensor, "B C H2 W2"]:
    """Without a transform: PHASES² shifted copies of a kernel, at a stride of PHASES, make a block of pixels at once.

    So it is a product of matrices, where one kernel alone would be a product with a vector, five times as slow.
    """
    batch, side = kernels.shape[:2]
    height, width = (extent - side + 1 for extent in pictures.shape[2:])
    # By one at least: whether nothing is added would be a constant of the graph, true of some sizes alone.
    pictures = F.pad(pictures, (0, PHASES - width % PHASES, 0, PHASES - height % PHASES))
    # Row y of the copy that is shifted by i holds row y − i of the kernel, or nothing.
    rows = torch.arange(side + PHASES - 1) - torch.arange(PHASES)[:, None] + PHASES - 1
    shifted = F.pad(kernels.flip((1, 2)), [PHASES - 1] * 4)[:, rows][..., rows]  # (B, phase, y, phase, x)
    weights = shifted.transpose(2, 3).reshape(batch * PHASES**2, 1, *[side + PHASES - 1] * 2)
    blocks = F.conv2d(pictures.transpose(0, 1), weights, stride=PHASES, groups=batch)
    return F.pixel_shuffle(blocks, PHASES).transpose(0, 1)[..., :height, :width]
