"""How fast a method is, and what memory it takes: one process, every core, pictures of fixed sizes."""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from statistics import median
from typing import Any

import torch

from darnet.benchmark.methods import Cost, Method
from darnet.benchmark.peers import load_method
from darnet.benchmark.protocol import Protocol
from darnet.benchmark.rows import Record, row
from darnet.benchmark.run import cost, failed, peak_mb
from darnet.benchmark.suites import Case
from darnet.views import mirror_pad

SIZES_PX = (256, 512, 1024)
REPEATS = 5


def clock(method: str, device: str, protocol: Protocol, case: Case, size_px: int) -> tuple[Record, dict[str, Any]]:
    """Record and row of one method at one size; `level` is the side in pixels.

    In a process of its own, so that the memory is its own as well.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_every_core) as alone:
        try:
            record = alone.submit(_clock, method, device, protocol, case, size_px).result()
            price = alone.submit(cost, method, device, case).result()
        except BrokenProcessPool:
            record, price = failed(method, case, "the process was killed"), Cost(None, None)
    return record, row([record], protocol, load_method(method, device).told, price)


def _clock(method: str, device: str, protocol: Protocol, case: Case, size_px: int) -> Record:
    """Median of five calls after one that does not count."""
    try:
        repair: Method = load_method(method, device)
        picture = case.load(protocol).observed[None]
        missing = [max(0, size_px - side) for side in picture.shape[2:]]
        observed = mirror_pad(picture, (0, missing[0]), (0, missing[1]))[0, :, :size_px, :size_px].contiguous()
        seconds = []
        for _ in range(REPEATS + 1):
            started = time.perf_counter()
            repair(observed, case)
            seconds.append(time.perf_counter() - started)
    except Exception as error:
        return failed(method, case, f"{type(error).__name__}: {error}")
    name, pixels = f"{size_px}×{size_px}", size_px**2
    return Record(
        method, case.set, name, case.kind, size_px, seconds=median(seconds[1:]), pixels=pixels, peak_mb=peak_mb()
    )


def _every_core() -> None:
    torch.set_num_threads(os.cpu_count() or 1)
