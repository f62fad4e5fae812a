"""Masks: where somebody says that a picture is to be repaired, and how far.

Shapes: H × W pixels.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darnet.errors import ImageError, UsageError, named
from darnet.images.arrays import full_scale
from darnet.images.image import Image


def weights_of(mask: object, image: Image) -> NDArray[np.float32]:
    """How far each pixel, (H, W), is to be repaired, in [0, 1]: from black, not at all, to white.

    mask: a path, PIL image, ndarray, tensor or `Image`, of the size of the picture; of a coloured one the mean counts.
        What is transparent lies on black. An array or tensor may hold truth values.

    Raises ImageError for a bad file, UsageError for what is no picture, a mask of another size, or one of 0 and 1 where
    white is 255.

    >>> picture = Image.of(np.zeros((2, 3, 3), np.uint8))
    >>> weights_of(np.array([[0, 0, 255], [0, 255, 255]], np.uint8), picture).tolist()
    [[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]]
    """
    read = _read(mask)
    if (read.height, read.width) != (image.height, image.width):
        sizes = f"{read.width} × {read.height} pixels, and the picture has {image.width} × {image.height}"
        raise UsageError(f"`mask`: {named(read.path or 'it')} has {sizes}")
    weights: NDArray[np.float64] = read.array.mean(axis=2, dtype=np.float64) / full_scale(read.array.dtype)
    if 0 < weights.max() <= 1 / 255:
        raise UsageError(f"`mask`: {named(read.path or 'it')} is 1 of 255 where it is not black; white is 255, or true")
    if read.alpha is not None:
        weights *= read.alpha / full_scale(read.alpha.dtype)
    return weights.clip(0, 1).astype(np.float32)


def _read(mask: object) -> Image:
    """The picture that a mask is. Raises as `Image.of` does, in words that say whose fault it is."""
    try:
        return Image.of(_in_grey(mask))
    except ImageError as error:
        raise ImageError(error.path, f"`mask`: {error.reason}") from error
    except UsageError as error:
        raise UsageError(f"`mask`: {error}") from error


def _in_grey(mask: object) -> object:
    """Truth values as black and white; anything else as it is."""
    if isinstance(mask, np.ndarray) and mask.dtype == np.bool_:
        return mask.astype(np.uint8) * 255
    return mask.float() if isinstance(mask, Tensor) and mask.dtype == torch.bool else mask
