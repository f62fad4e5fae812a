"""What a run writes for people to read: metrics.jsonl, TensorBoard curves, sample pictures, a progress bar with ETA."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor
from torch.utils.tensorboard.writer import SummaryWriter

from darnet.backends import environment
from darnet.image import Image


class Journal:
    """Open for one run; `folder` gets env.json, metrics.jsonl, curves/ and samples/. A silent one writes nothing.

    Only the first process of a distributed run speaks.
    """

    def __init__(self, folder: Path, device: torch.device, *, speaks: bool = True, quiet: bool = False) -> None:
        self.folder, self.speaks = folder, speaks
        self.started = time.monotonic()
        console = Console(file=sys.stderr, quiet=quiet or not speaks)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self.progress = Progress(
            *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=not speaks
        )
        self.curves: SummaryWriter | None = None
        if speaks:
            (folder / "samples").mkdir(parents=True, exist_ok=True)
            (folder / "env.json").write_text(json.dumps(environment(device), indent=2) + "\n", encoding="utf-8")
            self.curves = SummaryWriter(str(folder / "curves"))

    def __enter__(self) -> Journal:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()
        if self.curves is not None:
            self.curves.close()

    def record(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """One line of metrics.jsonl, and a point on each curve."""
        if self.curves is None:
            return
        line = {"seconds": round(time.monotonic() - self.started, 2), "stage": stage, "step": step, **values}
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for name, value in values.items():
            self.curves.add_scalar(f"{stage}/{name}", value, step)

    def say(self, text: str) -> None:
        """One line above the progress bar."""
        self.progress.console.print(text, highlight=False)

    def sample(self, name: str, *columns: Tensor) -> None:
        """Pictures side by side: each column is (B, 3, H, W), B rows."""
        if self.speaks:
            grid = torch.cat([torch.cat(list(column.float().cpu().clamp(0, 1)), dim=1) for column in columns], dim=2)
            Image.of(grid.contiguous()).write(self.folder / "samples" / f"{name}.png", bit_depth="8")
