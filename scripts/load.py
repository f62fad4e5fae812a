"""How many pictures a service restores in a second, beside this process alone, and how long its callers wait.

The same pictures are restored in this process, one after the other, and then by a service with one worker and as many
threads, for 1, 4 and 16 callers at once. Usage: python scripts/load.py FOLDER [--side PX] [--rounds N] [--model NAME]
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import PIL.Image

import darnet

CALLERS = (1, 4, 16)
SUFFIXES = {".jpg", ".png", ".tif", ".bmp", ".webp"}


def cut(folder: Path, side: int, into: Path) -> list[Path]:
    """The middle of each picture of a folder, `side` pixels high and wide, as PNG."""
    made = []
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES):
        with PIL.Image.open(path) as picture:
            left, top = ((length - side) // 2 for length in picture.size)
            if min(left, top) < 0:
                continue
            made.append(into / f"{path.stem}.png")
            picture.convert("RGB").crop((left, top, left + side, top + side)).save(made[-1])
    return made


@contextmanager
def service(model: str) -> Iterator[str]:
    """Where a service listens that ends with the block."""
    command = [sys.executable, "-m", "darnet", "serve", "--port", "0", "--model", model, "--queue", "64"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            url = next(line for line in process.stderr if "serving" in line).split()[-1]
            yield url
        finally:
            process.terminate()


def measured(do: Callable[[Path], object], work: Sequence[Path], callers: int) -> tuple[float, list[float]]:
    """Pictures a second, and the seconds of each, in order."""

    def timed(path: Path) -> float:
        begun = time.perf_counter()
        do(path)
        return time.perf_counter() - begun

    begun = time.perf_counter()
    with ThreadPoolExecutor(callers) as threads:
        seconds = sorted(threads.map(timed, work))
    return len(work) / (time.perf_counter() - begun), seconds


def told(name: str, rate: float, seconds: Sequence[float], beside: float) -> str:
    """A row of a table."""
    late = seconds[math.ceil(0.99 * len(seconds)) - 1]
    return f"| {name} | {rate:.2f} | {rate / beside:.0%} | {statistics.median(seconds):.2f} | {late:.2f} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="darnet")
    given = parser.parse_args()
    with TemporaryDirectory() as held:
        pictures = cut(given.folder, given.side, Path(held))
        if not pictures:
            parser.error(f"{given.folder}: no picture of at least {given.side} × {given.side} pixels")
        work = pictures * given.rounds
        restorer = darnet.load(given.model, device="cpu")
        here = lambda path: restorer(path).save(Path(held, "out.png"))  # noqa: E731
        measured(here, pictures, 1)  # experts are loaded
        alone = measured(here, work, 1)
        print(f"{len(work)} pictures of {given.side} × {given.side} pixels, {given.model}\n")
        print("| who | pictures/s | of alone | median s | p99 s |\n|---|---|---|---|---|")
        print(told("this process", *alone, alone[0]))
        with service(given.model) as url, darnet.Client(url, retries=300) as client:
            measured(client.restore, pictures, 1)  # the first is answered once the weights are loaded
            for callers in CALLERS:
                print(told(f"service, {callers} at once", *measured(client.restore, work, callers), alone[0]))
