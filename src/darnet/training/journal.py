"""What a run writes for people to read: metrics.jsonl, TensorBoard curves, sample pictures, and how far it is."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from torch import Tensor
from torch.utils.tensorboard.writer import SummaryWriter

from darnet.engines.devices import environment
from darnet.images.image import Image

#: Seconds after which a run first says how fast it is, and between two lines that say so where there is no terminal.
FIRST, BETWEEN = 2.0, 60.0


class Journal:
    """Open for one run; `folder` gets env.json, metrics.jsonl, curves/ and samples/. A silent one writes nothing.

    Only the first process of a distributed run speaks. A terminal gets a progress bar; a file, or another program, one
    line for each thing that is said.
    """

    def __init__(self, folder: Path, device: torch.device, *, speaks: bool = True, quiet: bool = False) -> None:
        self.folder, self.speaks = folder, speaks
        self.started = time.monotonic()
        console = Console(file=sys.stderr, quiet=quiet or not speaks)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
        )
        self.progress = Progress(*columns, console=console, disable=not speaks or quiet or not console.is_terminal)
        self.counter: Counter | None = None
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

    @property
    def seconds(self) -> float:
        """How long the run has been at work, in all processes one after the other; breaks do not count."""
        return time.monotonic() - self.started

    def record(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """One line of metrics.jsonl, and a point on each curve."""
        if self.curves is None:
            return
        line = {"seconds": round(self.seconds, 2), "stage": stage, "step": step, **values}
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for name, value in values.items():
            self.curves.add_scalar(f"{stage}/{name}", value, step)

    def say(self, text: str) -> None:
        """One line, above the progress bar where there is one."""
        self.progress.console.print(text, highlight=False, soft_wrap=True)

    def pulse(self, stage: str, step: int, steps: int) -> None:
        """After every step: how fast the stage goes, and how long it will take, as soon as that can be said."""
        if self.counter is None or self.counter.stage != stage:
            self.counter = Counter(stage, step, self.progress.add_task(stage, total=steps, completed=step, pace=""))
        pace = self.counter.pace(step, steps, BETWEEN if self.progress.disable else FIRST)
        if pace and self.progress.disable:
            self.say(f"{stage} {step}/{steps}: {pace}")
        if pace:
            self.progress.update(self.counter.task, pace=pace)
        self.progress.update(self.counter.task, total=steps, completed=step)

    def sample(self, name: str, *columns: Tensor) -> None:
        """Pictures side by side: each column is (B, 3, H, W), B rows."""
        if self.speaks:
            grid = torch.cat([torch.cat(list(column.float().cpu().clamp(0, 1)), dim=1) for column in columns], dim=2)
            Image.of(grid.contiguous()).write(self.folder / "samples" / f"{name}.png", bit_depth="8")


class Counter:
    """Counts the steps of one stage in this process, after a first one, at `step`, which is slower."""

    def __init__(self, stage: str, step: int, task: TaskID) -> None:
        self.stage, self.task = stage, task
        self.mark = (step, time.monotonic())
        self.pause = FIRST

    def pace(self, step: int, steps: int, pause: float) -> str:
        """Steps a second and time to the end of the stage; nothing where it was said under `pause` seconds ago."""
        before, begun = self.mark
        elapsed = time.monotonic() - begun
        if elapsed < self.pause:
            return ""
        self.mark, self.pause = (step, time.monotonic()), pause
        rate = (step - before) / elapsed
        return f"{rate:.3g} steps/s, {duration((steps - step) / rate)} left"


def duration(seconds: float) -> str:
    """A time for people: `40 s`, `12 min`, `3 h 20 min`, `5 days`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours >= 48:
        return f"{hours / 24:.0f} days"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
