"""Make examples/: photos with clear terms (from scikit-image), damaged by darnet's own degradations.

    python scripts/examples.py

The photos are in examples/README.md with their terms. None of them was trained on.
"""

from __future__ import annotations

from pathlib import Path

import skimage.data

from darnet import Image
from darnet.degradations import (
    Clean,
    Degradation,
    GaussianBlur,
    GaussianNoise,
    Haze,
    Jpeg,
    LowLight,
    MotionBlur,
    Overexposure,
    PoissonGaussianNoise,
    Rain,
    named_generator,
)

FOLDER = Path("examples")
PICTURES: dict[str, tuple[str, Degradation]] = {
    "cat-noisy.jpg": ("chelsea", GaussianNoise((30, 30))),
    "rocket-grainy.jpg": ("rocket", PoissonGaussianNoise((0.012, 0.012), (8, 8))),
    "coffee-blurred.png": ("coffee", GaussianBlur((1.8, 1.8))),
    "coffee-overexposed.jpg": ("coffee", Overexposure((1.7, 1.7))),
    "rocket-hazy.jpg": ("rocket", Haze((2.0, 2.0), (0.85, 0.85), (0.03, 0.03))),
    "cat-rainy.jpg": (
        "chelsea",
        Rain((3.0, 3.0), (28.0, 28.0), (0.7, 0.7), (78.0, 78.0), (0.45, 0.45), (0.0, 0.0)),
    ),
    "coffee-shaken.png": ("coffee", MotionBlur((14.0, 14.0), (0.4, 0.4))),
    "astronaut-dark.jpg": ("astronaut", LowLight((0.2, 0.2), (1.2, 1.2), (0.0, 0.0), (0.0005, 0.0005), (1.0, 1.0))),
    "cat-compressed.jpg": ("chelsea", Jpeg((12.0, 12.0))),
    "coffee-clean.jpg": ("coffee", Clean()),
}


def main() -> None:
    """Write JPEGs, which is what people have; the blurred one without loss, as the blur expert needs it so far."""
    for name, (photo, degradation) in PICTURES.items():
        clean = Image.of(getattr(skimage.data, photo)())
        degraded = degradation(clean.pixels(), named_generator(name))
        clean.with_pixels(degraded).write(FOLDER / name, quality=97)


if __name__ == "__main__":
    main()
