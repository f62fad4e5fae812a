"""Measure the shipped system on whole test sets and write benchmarks/darnet.json: the figures that the README quotes.

    python scripts/measure.py DATA [--system darnet] [--out benchmarks/darnet.json]

DATA holds CBSD68/ and McMaster/. Protocol (docs/protocols.md): clean 8-bit photos at full size; noise is
floor(clip(x + σ·n)) as uint8, blur and overexposure are rounded to uint8; the seed belongs to the photo's name; PSNR on
RGB over the whole picture, the output rounded to 8 bit, averaged over pictures. Diagnosis is included: what is
misrouted counts as it comes out.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import darnet
from darnet import Image, psnr, ssim
from darnet.degradations import Clean, Degradation, GaussianBlur, GaussianNoise, Overexposure, named_generator, quantise

NOISE, BLUR, GAIN = (15.0, 25.0, 50.0), (1.0, 1.5, 2.5), (1.4, 1.76, 2.0)
PROTOCOL = "clip, 8 bit (noise floor, else round), full size, RGB, output rounded, seed by name, mean over pictures"


def suites() -> Iterator[tuple[str, float, Degradation]]:
    """(kind, level, degradation) of everything that is measured."""
    yield "clean", 0.0, Clean()
    for sigma in NOISE:
        yield "noise", sigma, GaussianNoise((sigma, sigma))
    for sigma in BLUR:
        yield "blur", sigma, GaussianBlur((sigma, sigma))
    for gain in GAIN:
        yield "overexposure", gain, Overexposure((gain, gain))


def degrade(clean: Tensor, degradation: Degradation, name: str) -> Tensor:
    """The 8-bit picture a file would hold."""
    degraded = degradation(clean, named_generator(name))
    return quantise(degraded, "floor" if degradation.kind == "noise" else "round")


def measure(restorer: darnet.Restorer, photos: list[Path], kind: str, degradation: Degradation) -> dict[str, Any]:
    """Means over `photos`, what they were called, and how many came out bit-identical."""
    called: Counter[str] = Counter()
    sums = dict.fromkeys(("psnr_in", "psnr", "ssim_in", "ssim"), 0.0)
    levels, identical = [], 0
    for path in photos:
        clean = Image.read(path).pixels()
        degraded = degrade(clean, degradation, path.name)
        result = restorer(degraded)
        restored = quantise(result.image, "round")
        assert result.diagnosis is not None
        called[result.diagnosis.label] += 1
        identical += int(torch.equal(result.image, degraded))
        if result.diagnosis.label == kind and result.diagnosis.level is not None:
            levels.append(result.diagnosis.level)
        for name, picture in (("psnr_in", degraded), ("psnr", restored)):
            sums[name] += float(psnr(picture[None], clean[None])) if kind != "clean" else 0.0
        for name, picture in (("ssim_in", degraded), ("ssim", restored)):
            sums[name] += float(ssim(picture[None], clean[None]))
    means = {name: round(value / len(photos), 3 if "psnr" in name else 4) for name, value in sums.items()}
    level = round(sum(levels) / len(levels), 3) if levels else None
    return {"n": len(photos), **means, "called": dict(called), "identical": identical, "mean_estimated_level": level}


def accuracy(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Confusion matrix and shares over all rows."""
    confusion: dict[str, Counter[str]] = {}
    for row in rows:
        confusion.setdefault(row["kind"], Counter()).update(row["called"])
    total = sum(sum(counts.values()) for counts in confusion.values())
    clean = confusion["clean"]
    return {
        "confusion": {kind: dict(counts) for kind, counts in confusion.items()},
        "accuracy": round(sum(counts[kind] for kind, counts in confusion.items()) / total, 4),
        "clean_called_damaged": round(1 - clean["clean"] / sum(clean.values()), 4),
        "pictures": total,
    }


def main() -> None:
    """Run everything and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--system", default="darnet")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/darnet.json"))
    options = parser.parse_args()
    restorer, started, rows = darnet.load(options.system, device="cpu"), time.monotonic(), []
    for suite in ("CBSD68", "McMaster"):
        photos = sorted(path for path in (options.data / suite).iterdir() if path.suffix in {".jpg", ".webp", ".png"})
        for kind, level, degradation in suites():
            row = {"suite": suite, "kind": kind, "level": level, **measure(restorer, photos, kind, degradation)}
            rows.append(row)
            print(json.dumps(row), flush=True)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    document = {
        "protocol": PROTOCOL,
        "command": f"python scripts/measure.py DATA --system {options.system}",
        "commit": commit.stdout.strip(),
        "machine": f"{torch.get_num_threads()} CPU threads, {platform.machine()}, torch {torch.__version__}, float32",
        "seconds": round(time.monotonic() - started),
        "router": accuracy(rows),
        "rows": rows,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
