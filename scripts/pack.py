#!/usr/bin/env python3
"""Pack material for a machine that cannot reach it: pack.py DATA OUT [--part-mb 56].

DATA is laid out as `train/` in docs/how-to/train.md says: clean/, pairs/, depth/, kernels/. OUT gets part-N.tar of at
most so many MB; unpacked in one folder they are what `darnet train` reads. Large photos are made smaller, and series of
exposures become pairs of overexposure (SSSS_o…) and of low light (SSSS_u…).
"""

from __future__ import annotations

import argparse
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import PIL.Image

LONGEST_PX, QUALITY = 1024, 91
#: Small and much compressed: some are enough to tell damage from a motif.
FEWER = {"objects": 8}


def main() -> None:
    """Write the parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--part-mb", type=float, default=56)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    parts: list[list[tuple[str, bytes]]] = [[]]
    size = 0
    for name, content in members(options.data):
        if size + len(content) > options.part_mb * 1e6:
            parts.append([])
            size = 0
        parts[-1].append((name, content))
        size += len(content)
    for number, part in enumerate(parts):
        with tarfile.open(options.out / f"part-{number}.tar", "w") as archive:
            for name, content in part:
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    print(f"{len(parts)} parts in {options.out}")


def members(data: Path) -> Iterator[tuple[str, bytes]]:
    """(name in the archive, content) of every file; what is small and needed by most comes first."""
    for folder in ("kernels", "depth"):
        for path in sorted((data / folder).rglob("*.*")):
            yield path.relative_to(data).as_posix(), path.read_bytes()
    for folder in sorted(path for path in (data / "clean").iterdir() if path.is_dir()):
        for path in sorted(folder.iterdir())[:: FEWER.get(folder.name, 1)]:
            yield f"clean/{folder.name}/{path.name}", smaller(path)
        if folder.name == "bsds":
            yield from pairs_of(data, "noise")
    yield from pairs_of(data, "lowlight")
    exposure = data / "pairs" / "exposure"
    for mark, kind in (("_o", "overexposure"), ("_u", "lowlight")):
        scenes = set()
        for path in sorted((exposure / "input").glob(f"*{mark}*")):
            scenes.add(path.name.partition("_")[0])
            yield f"pairs/{kind}/input/{path.name}", path.read_bytes()
        for scene in sorted(scenes):
            yield f"pairs/{kind}/target/{scene}.jpg", (exposure / "target" / f"{scene}.jpg").read_bytes()


def pairs_of(data: Path, kind: str) -> Iterator[tuple[str, bytes]]:
    """The pairs of a kind."""
    for path in sorted((data / "pairs" / kind).rglob("*.*")):
        yield f"pairs/{path.relative_to(data / 'pairs')}", path.read_bytes()


def smaller(path: Path) -> bytes:
    """The file, or a smaller copy of a photo that is longer than LONGEST_PX."""
    with PIL.Image.open(path) as picture:
        if max(picture.size) <= LONGEST_PX:
            return path.read_bytes()
        scale = LONGEST_PX / max(picture.size)
        size = [round(side * scale) for side in picture.size]
        file = io.BytesIO()
        copy = picture.convert("RGB").resize((size[0], size[1]), PIL.Image.Resampling.LANCZOS)
        copy.save(file, "JPEG", quality=QUALITY, subsampling=0)
        return file.getvalue()


if __name__ == "__main__":
    main()
