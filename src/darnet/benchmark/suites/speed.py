"""How fast a method is, and what memory it takes: one process, every core, pictures of fixed sizes."""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from statistics import median

import torch

from darnet.benchmark.cases import DEFAULT_SETS, Case, damaged, severities
from darnet.benchmark.documents import Nothing
from darnet.benchmark.methods import ORACLE, Cost
from darnet.benchmark.protocol import Protocol
from darnet.benchmark.rows import Record, Row, row
from darnet.benchmark.run import Measured, Progress, cost, failed, loaded, peak_mb, unusable
from darnet.benchmark.suite import Outcome, Request, Suite, part
from darnet.benchmark.suites.kinds import tables
from darnet.images.geometry import mirror_pad
from darnet.systems import manifest

SIZES_PX = (256, 512, 1024)
REPEATS = 5


def measure(request: Request, chosen: list[Case], progress: Progress) -> Outcome[Nothing]:
    """Milliseconds and memory at fixed sizes, all cores."""
    (case,) = chosen
    found = Measured()
    progress.expect(len(request.methods) * len(SIZES_PX))
    for method in request.methods:
        if reason := unusable(method, chosen, request.load):
            found.left_out[method] = reason
            continue
        for size_px in SIZES_PX:
            told = request.load(method).told
            record, row = clock(method, request.device, request.or_else(), case, size_px, told)
            found.records.append(record)
            found.rows.append(row)
            progress.advance(record)
    return Outcome((part(found, request.or_else()),), Nothing())


def clock(
    method: str, device: str, protocol: Protocol, case: Case, size_px: int, told: str | None = None
) -> tuple[Record, Row]:
    """Record and row of one method at one size; `level` is the side in pixels.

    In a process of its own, so that the memory is its own as well.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_every_core) as alone:
        try:
            record = alone.submit(_clock, method, device, protocol, case, size_px).result()
            price = alone.submit(cost, method, device, case).result()
        except BrokenProcessPool:
            record, price = failed(method, case, "the process was killed"), Cost(None, None)
    return record, row([record], protocol, told, price)


def _clock(method: str, device: str, protocol: Protocol, case: Case, size_px: int) -> Record:
    """Median of five calls after one that does not count."""
    try:
        repair = loaded(method, device)
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


def _cases(request: Request) -> list[Case]:
    """One photo under noise of σ 25, of which each size is cut."""
    _, noise, _ = severities("noise")
    return damaged(noise, request.root, (request.sets or DEFAULT_SETS)[0], 1)


def suites() -> tuple[Suite[Nothing], ...]:
    """The one."""
    return (
        Suite(
            "speed",
            _cases,
            measure,
            tables,
            Nothing,
            methods=(manifest.DEFAULT, f"{manifest.DEFAULT}{ORACLE}"),
            ranked=False,
            shown=False,
        ),
    )
