"""What a file does to a picture: JPEG as its codec computes it, in batches on any device; and WebP.

Shapes: B batch, H × W pixels, h × w blocks. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

import io
import math

import numpy as np
import PIL.Image
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

BLOCK_PX = 8
#: Quantisation tables of quality 50 (ITU-T T.81, Annex K.1), for brightness and colour.
LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA_TABLE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
)
#: RGB -> Y Cb Cr of full range (JFIF 1.02; ITU-R BT.601), and back.
TO_YCC = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
FROM_YCC = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))


def jpeg(
    pictures: Float[Tensor, "B 3 H W"], quality: Float[Tensor, " B"], full_colour: Bool[Tensor, " B"] | None = None
) -> Float[Tensor, "B 3 H W"]:
    """Each picture as a JPEG file of its quality holds it, on the pictures' device; it begins with a block.

    `quality` on libjpeg's scale of 1–100, rounded. `full_colour`: colour of these at full resolution (4:4:4), else at
    half (4:2:0), drawn large again by libjpeg's triangle filter. Equal to libjpeg's within a level for nearly every
    pixel (its transform is of whole numbers).
    Source: ITU-T T.81 (Wallace 1992), libjpeg's scaling of the tables.
    """
    height, width = pictures.shape[2:]
    levels = (pictures.detach().clamp(0, 1) * 255).round()
    ycc = _mixed(levels, TO_YCC)
    ycc[:, 1:] += 128
    ycc = _padded(ycc.round().clamp(0, 255), 2 * BLOCK_PX)
    scale = _table_scale(quality)
    luma = _coded(ycc[:, :1], _table(LUMA_TABLE, scale))
    tables = _table(CHROMA_TABLE, scale)
    if full_colour is None:
        colour = _enlarged(_coded(_halved(ycc[:, 1:]), tables))
    else:
        rows = full_colour[:, None, None, None]
        colour = torch.where(rows, _coded(ycc[:, 1:], tables), _enlarged(_coded(_halved(ycc[:, 1:]), tables)))
    decoded = _mixed(torch.cat([luma, colour - 128], dim=1), FROM_YCC)
    return decoded.round().clamp(0, 255)[:, :, :height, :width] / 255


def webp(pictures: Float[Tensor, "B 3 H W"], quality: Float[Tensor, " B"]) -> Float[Tensor, "B 3 H W"]:
    """Each picture as a lossy WebP file of its quality (0–100) holds it; the codec itself does it, on the CPU."""
    levels = (pictures.detach().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    decoded = []
    for picture, wanted in zip(levels, quality.tolist(), strict=True):
        file = io.BytesIO()
        PIL.Image.fromarray(picture).save(file, "WEBP", quality=round(wanted), method=1)
        with PIL.Image.open(file) as read:
            decoded.append(np.asarray(read.convert("RGB")))
    return torch.from_numpy(np.stack(decoded)).to(pictures.device).permute(0, 3, 1, 2).to(pictures.dtype) / 255


def _mixed(pictures: Float[Tensor, "B 3 H W"], matrix: tuple[tuple[float, ...], ...]) -> Float[Tensor, "B 3 H W"]:
    """Each pixel's colours, mixed. Sums of products, since a matrix product on a GPU may be of reduced precision."""
    channels = pictures.unbind(dim=1)
    rows = [torch.stack([w * c for w, c in zip(row, channels, strict=True)]).sum(dim=0) for row in matrix]
    return torch.stack(rows, dim=1)


def _table_scale(quality: Float[Tensor, " B"]) -> Float[Tensor, "B 1 1"]:
    """libjpeg's: 5000 / q below 50, 200 − 2q from there, in per cent."""
    rounded = quality.round().clamp(1, 100)
    return torch.where(rounded < 50, torch.floor(5000 / rounded), 200 - 2 * rounded)[:, None, None]


def _table(base: tuple[tuple[int, ...], ...], scale: Float[Tensor, "B 1 1"]) -> Float[Tensor, "B 1 1 1 8 8"]:
    table = ((scale.new_tensor(base) * scale + 50) / 100).floor().clamp(1, 255)
    return table[:, None, None, None]


def _coded(planes: Float[Tensor, "B C H W"], tables: Float[Tensor, "B 1 1 1 8 8"]) -> Float[Tensor, "B C H W"]:
    """Blocks transformed, rounded to their tables, and transformed back; rounded to levels, as the decoder does."""
    transform = _transform(planes)
    rows, columns = (side // BLOCK_PX for side in planes.shape[2:])
    grid = planes.reshape(*planes.shape[:2], rows, BLOCK_PX, columns, BLOCK_PX)
    blocks = grid.transpose(3, 4)  # B C h w 8 8
    spectrum = transform @ (blocks - 128) @ transform.T
    spectrum = (spectrum / tables).round() * tables
    decoded: Tensor = (transform.T @ spectrum @ transform + 128).round().clamp(0, 255)
    return decoded.transpose(3, 4).reshape(planes.shape)


def _transform(like: Tensor) -> Float[Tensor, "8 8"]:
    """Orthonormal discrete cosine transform of 8 values, as a matrix."""
    index = torch.arange(BLOCK_PX, device=like.device, dtype=like.dtype)
    rows = torch.cos(math.pi / BLOCK_PX * (index + 0.5) * index[:, None]) * math.sqrt(2 / BLOCK_PX)
    rows[0] /= math.sqrt(2)
    return rows


def _padded(planes: Float[Tensor, "B C H W"], multiple: int) -> Float[Tensor, "B C H2 W2"]:
    """Grown at the bottom and right by the last row and column, as the codec fills its last blocks."""
    below, right = (-side % multiple for side in planes.shape[2:])
    return F.pad(planes, (0, right, 0, below), mode="replicate") if below or right else planes


def _halved(planes: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H2 W2"]:
    """Means of 2 × 2, rounded up and down in turn, so that halves do not drift (libjpeg's h2v2_downsample)."""
    sums = F.avg_pool2d(planes, 2) * 4
    bias = 1 + torch.arange(sums.shape[3], device=sums.device, dtype=sums.dtype).remainder(2)
    return ((sums + bias) / 4).floor()


def _enlarged(planes: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H2 W2"]:
    """Twice as large by the triangle filter: 3/4 of the nearer and 1/4 of the farther sample, both ways."""
    return F.interpolate(planes, scale_factor=2, mode="bilinear", align_corners=False).round()
