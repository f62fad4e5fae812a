"""Convolution with a kernel per sample, through the Fourier transform: kernels of rain and of shaken cameras are large.

Shapes: B batch, C channels, H × W pixels, K side of a kernel (odd).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

#: Lengths that are multiples of this have small factors, which the transform is fast for.
FAST = 16


def convolve(pictures: Float[Tensor, "B C H W"], kernels: Float[Tensor, "B K K"]) -> Float[Tensor, "B C H2 W2"]:
    """Where the kernel lies wholly inside the picture: H2 = H − K + 1, W2 = W − K + 1."""
    height, width = pictures.shape[2:]
    size = [side + -side % FAST for side in (height, width)]
    spectrum = torch.fft.rfft2(pictures, s=size) * torch.fft.rfft2(kernels[:, None], s=size)
    reach = kernels.shape[-1] - 1
    # The transform wraps around; what lies behind the first K − 1 rows and columns did not.
    convolved: Tensor = torch.fft.irfft2(spectrum, s=size)
    return convolved[:, :, reach:height, reach:width]
