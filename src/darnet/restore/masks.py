"""Masks: where somebody says that a picture is to be repaired, and how far.

Shapes: H × W pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from darnet.errors import UsageError, named
from darnet.images.arrays import full_scale
from darnet.images.image import Image


def weights_of(mask: object, image: Image) -> NDArray[np.float32]:
    """How far each pixel, (H, W), is to be repaired, in [0, 1]: from black, not at all, to white.

    mask: a path, PIL image, ndarray, tensor or `Image`, of the size of the picture; of a coloured one the mean counts.
        What is transparent lies on black. An array may hold truth values.

    Raises ImageError for a bad file, UsageError for a mask of another size.

    >>> picture = Image.of(np.zeros((2, 3, 3), np.uint8))
    >>> weights_of(np.array([[0, 0, 255], [0, 255, 255]], np.uint8), picture).tolist()
    [[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]]
    """
    read = Image.of(mask.astype(np.uint8) * 255 if isinstance(mask, np.ndarray) and mask.dtype == np.bool_ else mask)
    if (read.height, read.width) != (image.height, image.width):
        sizes = f"{read.width} × {read.height} pixels, and the picture has {image.width} × {image.height}"
        raise UsageError(f"`mask`: {named(read.path or 'it')} has {sizes}")
    weights: NDArray[np.float64] = read.array.mean(axis=2, dtype=np.float64) / full_scale(read.array.dtype)
    if read.alpha is not None:
        weights *= read.alpha / full_scale(read.alpha.dtype)
    return weights.clip(0, 1).astype(np.float32)
