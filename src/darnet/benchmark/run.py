"""Measure: every method on every case, in processes of one thread each: figures do not depend on how many."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from typing import Protocol as Structure

import numpy as np
import torch

from darnet.benchmark.cases import Case
from darnet.benchmark.methods import Cost, Method, split
from darnet.benchmark.peers import load_method, repairs
from darnet.benchmark.protocol import Protocol
from darnet.benchmark.rows import Record, Row, groups, row
from darnet.errors import DarnetError, MissingPackageError

Advance = Callable[[Record], None]
Load = Callable[[str], Method]


class Progress(Structure):
    """Whoever watches: is told how much there is to do, and what was done."""

    def expect(self, pictures: int) -> None:
        """So many pictures more."""

    def advance(self, record: Record) -> None:
        """One picture is done."""


class _Nobody:
    def expect(self, pictures: int) -> None:
        """Nobody waits."""

    def advance(self, record: Record) -> None:
        """Nobody looks."""


NOBODY = _Nobody()


@dataclass
class Measured:
    """Rows, the pictures that failed, and the methods that were left out with their reasons."""

    rows: list[Row] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def failures(self) -> list[Record]:
        """Pictures that some method could not be measured on."""
        return [record for record in self.records if record.error is not None]

    @classmethod
    def of(cls, parts: Iterable[Measured]) -> Measured:
        """Several as one."""
        whole = cls()
        for one in parts:
            whole.rows += one.rows
            whole.records += one.records
            whole.left_out |= one.left_out
        return whole


@dataclass(frozen=True)
class Bench:
    """How measuring is done: protocol, device and the number of processes.

    `load` gives a method to this process, which asks what it is told and repairs nothing. Every process that repairs
    loads its one method once.
    """

    protocol: Protocol
    device: str = "cpu"
    jobs: int = 0  # 0: one a core; on a GPU one
    load: Load = field(default_factory=lambda: cache(load_method))

    def __call__(
        self, methods: Sequence[str], cases: Sequence[Case], advance: Advance = lambda record: None
    ) -> Measured:
        """Measure `methods` on `cases`, picture by picture; one that fails is recorded, and the rest goes on.

        A peer that is not installed, or not meant for any of the kinds, is left out and named in the answer. Whatever
        is wrong with a method is said before the first is measured.
        """
        reasons = {method: unusable(method, cases, self.load) for method in methods}
        measured = Measured(left_out={method: reason for method, reason in reasons.items() if reason})
        for method in (method for method, reason in reasons.items() if reason is None):
            told = self.load(method).told
            kinds = {kind for kind in {case.kind for case in cases} if repairs(method, kind)}
            records, costs = self._measure(method, [case for case in cases if case.kind in kinds], advance)
            measured.records += records
            measured.rows += [row(group, self.protocol, told, costs[group[0].kind]) for group in groups(records)]
        return measured

    def _measure(self, method: str, cases: list[Case], advance: Advance) -> tuple[list[Record], dict[str, Cost]]:
        """One method; a fresh pool, so that its peak of memory is its own."""
        kinds = {case.kind: case for case in cases}
        with self._pool() as pool:
            costs = {kind: pool.submit(cost, method, self.device, case) for kind, case in kinds.items()}
            records = list(self._each(pool, method, cases, advance))
            found: dict[str, Cost] = {}
            for kind, future in costs.items():
                found[kind] = Cost(None, None)
                with suppress(BrokenProcessPool):
                    found[kind] = future.result()
        return records, found

    def _each(self, pool: Executor, method: str, cases: list[Case], advance: Advance) -> Iterator[Record]:
        futures = {pool.submit(evaluate, method, self.device, self.protocol, case): case for case in cases}
        crashed = []
        for future in as_completed(futures):
            try:
                record = future.result()
            except BrokenProcessPool:
                crashed.append(futures[future])
                continue
            advance(record)
            yield record
        for case in crashed:  # a process died: whose fault it was shows when each is alone
            with self._pool(1) as alone:
                try:
                    record = alone.submit(evaluate, method, self.device, self.protocol, case).result()
                except BrokenProcessPool:
                    record = failed(method, case, "the process was killed")
            advance(record)
            yield record

    def _pool(self, jobs: int | None = None) -> ProcessPoolExecutor:
        jobs = jobs or self.jobs or (1 if self.device.startswith("cuda") else os.cpu_count() or 1)
        return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_one_thread)


def unusable(method: str, cases: Sequence[Case], load: Load = load_method) -> str | None:
    """Why a method must be left out: not installed, or meant for other damage. None: it can be measured."""
    kinds = {case.kind for case in cases}
    if not any(repairs(method, kind) for kind in kinds):
        return f"not meant for {', '.join(sorted(kinds))}"
    try:
        load(method)
    except MissingPackageError as error:
        return str(error)
    return None


def evaluate(method: str, device: str, protocol: Protocol, case: Case) -> Record:
    """Damage one picture, repair it, score it. Runs in a process of the pool; a failure is part of the answer."""
    try:
        repair = loaded(method, device)
        scene = case.load(protocol)
        _warmed(method, device, case.kind)
        started = time.perf_counter()
        answer = repair(scene.observed, case)
        seconds = time.perf_counter() - started
        scores = None if answer.pixels is None else protocol.score(answer.pixels, scene.clean)
        figures = {} if answer.pixels is None else case.figures(answer.pixels, scene, protocol)
    except Exception as error:  # one picture's failure is nobody else's
        text = str(error) if isinstance(error, DarnetError) else f"{type(error).__name__}: {error}"
        return failed(method, case, text)
    diagnosis, left_alone = answer.diagnosis, answer.left_alone
    if left_alone is None:
        left_alone = answer.pixels is not None and torch.equal(answer.pixels, scene.observed)
    return Record(
        method,
        case.set,
        case.name,
        case.kind,
        case.severity,
        None if scores is None else scores.psnr,
        None if scores is None else scores.ssim,
        seconds,
        scene.clean.shape[1] * scene.clean.shape[2],
        peak_mb(),
        left_alone,
        None if diagnosis is None else diagnosis.label,
        None if diagnosis is None else diagnosis.confidence,
        None if diagnosis is None else diagnosis.severity,
        way=case.way,
        experts=answer.experts,
        present=() if diagnosis is None else diagnosis.present,
        figures=figures,
    )


def failed(method: str, case: Case, reason: str) -> Record:
    """The record of a picture that could not be measured."""
    error = " ".join(reason.split())
    return Record(method, case.set, case.name, case.kind, case.severity, error=error, way=case.way)


def cost(method: str, device: str, case: Case) -> Cost:
    """What a picture of this kind costs; runs in a process of the pool."""
    try:
        return loaded(split(method)[0], device).cost(case)  # whoever runs it, it is the same network
    except Exception:  # a method that fails is reported picture by picture
        return Cost(None, None)


def pictures(method: str, device: str, protocol: Protocol, case: Case) -> tuple[np.ndarray[Any, Any], ...]:
    """Damaged, restored and clean, as (H, W, 3) uint8: what a report shows. A router restores nothing."""
    scene = case.load(protocol)
    restored = loaded(method, device)(scene.observed, case).pixels
    planes = (
        torch.stack([scene.observed, scene.observed if restored is None else restored, scene.clean])
        .clamp(0, 1)
        .mul(255)
        .round()
        .to(torch.uint8)
    )
    return tuple(picture.permute(1, 2, 0).numpy() for picture in planes)


def peak_mb() -> float:
    """The most memory this process ever had resident, in 10⁶ bytes; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if status.is_file():  # of this program alone; getrusage still knows what the parent had when it forked
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    try:
        import resource
    except ImportError:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS


@cache
def loaded(name: str, device: str) -> Method:
    """A method, loaded once in a process of the pool. Raises what loading raises."""
    return load_method(name, device)


@cache
def _warmed(name: str, device: str, kind: str) -> None:
    """The first call of a network pays for what later ones find ready; it is not what a picture costs."""
    method = loaded(name, device)
    if method.networks(Case("", "", kind, 1.0, Path())):
        method(torch.full((3, 64, 64), 0.5), Case("", "", kind, 1.0, Path()))


def _one_thread() -> None:
    torch.set_num_threads(1)
