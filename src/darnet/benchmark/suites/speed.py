"""How fast a method is, what memory and energy it takes: pictures of fixed sizes, by one thread and by every core."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from statistics import median
from typing import NamedTuple, TypeVar, cast

import torch

from darnet.benchmark.cases import DEFAULT_SETS, Case, damaged, severities
from darnet.benchmark.documents import Document
from darnet.benchmark.machine import Energy, convolution_peak
from darnet.benchmark.methods import COST_PX, ORACLE, Cost, split
from darnet.benchmark.protocol import Protocol
from darnet.benchmark.report.speed import Pace, Peak, Speed, markdown, way
from darnet.benchmark.report.tables import closed
from darnet.benchmark.rows import Record, Row, rounded, row
from darnet.benchmark.run import Measured, Progress, failed, loaded, peak_mb, unusable
from darnet.benchmark.suite import Outcome, Request, Suite, part
from darnet.benchmark.untrained import UNTRAINED
from darnet.engines.devices import INT8, Precision, pick_device
from darnet.images.geometry import mirror_pad
from darnet.systems import manifest

Answer = TypeVar("Answer")

SIZES_PX = (256, 512, 1024)
#: Calls that count, or fewer where they take longer than this together. Where one does, no larger picture is measured.
REPEATS, LONG_SECONDS = 5, 20.0
#: Who stands beside: peers, and networks of well-known sizes that have not learnt anything.
PEERS = ("ffdnet", "bm3d", "nlm", "gaussian", *UNTRAINED)


def measure(request: Request, chosen: list[Case], progress: Progress) -> Outcome[Speed]:
    """Milliseconds, memory and energy at fixed sizes; and this machine's fastest convolutions, in the same run."""
    (case,) = chosen
    found, paces = Measured(), list[Pace]()
    reasons = {method: unusable(method, chosen, request.load) for method in request.methods}
    found.left_out |= {method: reason for method, reason in reasons.items() if reason}
    methods = [method for method in request.methods if reasons[method] is None]
    progress.expect(len(methods) * len(SIZES_PX) * len(_threads(request.device)))
    peaks = [
        Peak(precision, threads, round(_alone(threads, convolution_peak, precision, request.device), 1))
        for precision in dict.fromkeys(("fp32", *map(_precision, methods)))
        if precision != INT8  # which torch has no convolution in
        for threads in _threads(request.device)
    ]
    names = dict.fromkeys(split(method)[0] for method in methods)
    works = {name: _work(name, request.device, case) for name in names}
    for method in methods:
        for threads in _threads(request.device):
            for size_px in SIZES_PX:
                record, measured = clock(request, method, case, (size_px, threads), works[split(method)[0]])
                found.records.append(record)
                found.rows.append(measured)
                paces += [] if record.error else [_pace(record, threads, peaks)]
                progress.advance(record)
                if record.seconds > LONG_SECONDS:
                    break
    return Outcome((part(found, request.or_else()),), Speed(tuple(peaks), tuple(paces)))


class Work(NamedTuple):
    """What a picture passes through, and 10⁹ multiply–accumulates by its side in pixels, where somebody counts them."""

    cost: Cost = Cost(None, None)
    gmacs: Mapping[int, float] = {}


def _work(name: str, device: str, case: Case) -> Work:
    """`counted`, in a process of its own; of one that was killed nothing is known."""
    try:
        return _alone(os.cpu_count() or 1, counted, name, device, case)
    except BrokenProcessPool:
        return Work()


def counted(name: str, device: str, case: Case) -> Work:
    """The work of a method, which is the same whoever runs it, and in however many threads: it is counted once.

    `name`: without who runs it (`split`). To count takes a call of each size, and memory too.
    """
    try:
        method = loaded(name, device)
        cost = method.cost(case)
        known = {size: cost.gmacs_256 if size == COST_PX else method.gmacs(case, size) for size in SIZES_PX}
    except Exception:  # a method that fails is reported where its time is taken
        return Work()
    return Work(cost, {size: one for size, one in known.items() if one is not None})


def clock(request: Request, method: str, case: Case, at: tuple[int, int], work: Work) -> tuple[Record, Row]:
    """Record and row of one method; `at`: the side in pixels, which is the `level`, and how many threads.

    In a process of its own, so that the memory is its own as well.
    """
    device, protocol, (size_px, threads) = request.device, request.or_else(), at
    try:
        record = _alone(threads, _clock, method, device, protocol, case, size_px)
    except BrokenProcessPool:
        record = failed(method, case, "the process was killed")
    if record.error is None and size_px in work.gmacs:
        record = replace(record, figures={"gmacs": work.gmacs[size_px], **record.figures})
    record = replace(record, way=way(threads))
    return record, row([record], protocol, request.load(method).told, work.cost)


def _clock(method: str, device: str, protocol: Protocol, case: Case, size_px: int) -> Record:
    """Median of the calls after one that does not count."""
    try:
        repair = loaded(method, device)
        picture = case.load(protocol).observed[None]
        missing = [max(0, size_px - side) for side in picture.shape[2:]]
        observed = mirror_pad(picture, (0, missing[0]), (0, missing[1]))[0, :, :size_px, :size_px].contiguous()
        repair(observed, case)
        seconds = list[float]()
        with Energy() as energy:
            for _ in range(REPEATS):
                started = time.perf_counter()
                repair(observed, case)
                seconds.append(time.perf_counter() - started)
                if sum(seconds) > LONG_SECONDS:
                    break
    except Exception as error:
        return failed(method, case, f"{type(error).__name__}: {error}")
    return Record(
        method,
        case.set,
        f"{size_px}×{size_px}",
        case.kind,
        size_px,
        seconds=median(seconds),
        pixels=size_px**2,
        peak_mb=peak_mb(),
        figures={} if energy.joules is None else {"joules": energy.joules / len(seconds)},
    )


def _pace(record: Record, threads: int, peaks: Sequence[Peak]) -> Pace:
    """What was found of one method at one size."""
    done, megapixels = record.figures, record.pixels / 1e6
    per_second = done["gmacs"] / record.seconds if "gmacs" in done else None
    beside = {(peak.precision, peak.threads): peak.gmacs_per_second for peak in peaks}
    most = beside.get((_precision(record.method), threads))
    return Pace(
        record.method,
        round(record.pixels**0.5),
        threads,
        ms_per_megapixel=round(1e3 * record.seconds / megapixels, 1),
        peak_mb=round(record.peak_mb),
        gmacs_per_megapixel=rounded(done["gmacs"] / megapixels if "gmacs" in done else None, 1),
        share_of_peak=rounded(None if per_second is None or most is None else per_second / most, 3),
        joules_per_megapixel=rounded(done["joules"] / megapixels if "joules" in done else None, 2),
    )


def _precision(method: str) -> Precision:
    """In which a method computes, on a CPU: what it says, or else float32."""
    return cast("Precision", split(method)[1].partition("-")[2] or "fp32")


def _threads(device: str) -> tuple[int, ...]:
    """One and all of this machine's; of a GPU nobody counts them."""
    cores = os.cpu_count() or 1
    return tuple(dict.fromkeys((1, cores))) if pick_device(device).type == "cpu" else (cores,)


def _alone(threads: int, do: Callable[..., Answer], *given: object) -> Answer:
    """In a process of its own. Raises BrokenProcessPool where it dies."""
    with ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(threads,)
    ) as alone:
        return alone.submit(do, *given).result()


def _cases(request: Request) -> list[Case]:
    """One photo under noise of σ 25, of which each size is cut."""
    _, noise, _ = severities("noise")
    return damaged(noise, request.root, (request.sets or DEFAULT_SETS)[0], 1)


def tables(document: Document[Speed]) -> str:
    """One line a method, a size and a number of threads."""
    return closed(document.part.protocol, markdown(document.found))


def suites() -> tuple[Suite[Speed], ...]:
    """The one."""
    return (
        Suite(
            "speed",
            _cases,
            measure,
            tables,
            Speed,
            methods=(manifest.DEFAULT, f"{manifest.DEFAULT}{ORACLE}"),
            peers=PEERS,
            ranked=False,
            shown=False,
        ),
    )
