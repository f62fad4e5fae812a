"""Jobs beside requests: who is served when, what a dead worker costs, what is deleted when."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.exceptions import HTTPException

from darnet.service.batches import Batches, Item
from darnet.service.limits import Limits
from darnet.service.problems import refused
from services import Serving, photo, until


class Pool:
    """Answers each order by what `said` has for it, in turn; notes who was at work together."""

    ready, closing, aside = None, False, 0

    def __init__(self, said: dict[str, list[object]]) -> None:
        self.said, self.order, self.now, self.most = said, list[str](), 0, 0

    async def __call__(self, order: Any, deadline: float | None, gone: Any) -> Any:
        assert deadline is None
        if await gone():
            raise refused(499, "gone")
        self.order.append(order.name)
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        what = self.said.get(order.name, [])
        if what and isinstance(error := what.pop(0), Exception):
            raise error
        return order


def desk(pool: Pool, folder: Path, **limits: Any) -> Any:
    written = folder / "written"
    written.write_bytes(b"1234")
    ended = list[str]()
    metrics = SimpleNamespace(gauge=lambda *_: None, ended=ended.append, all=ended)
    outcome = lambda order, done: (written, SimpleNamespace())  # noqa: E731
    return SimpleNamespace(pool=pool, limits=Limits(**limits), metrics=metrics, outcome=outcome)


def items(*names: str) -> list[Item]:
    orders: list[Any] = [SimpleNamespace(name=name, output=Path("nothing") / name) for name in names]
    return [Item(number, order.name, order) for number, order in enumerate(orders, 1)]


def lived(of: Any, *batches: list[Item], folder: Path) -> None:
    """Until all of them have ended."""

    async def run() -> None:
        held = Batches(of)
        began = [held.begin(folder / "batch", one) for one in batches]
        async with asyncio.timeout(20):
            while any(batch.ended is None for batch in began):
                await asyncio.sleep(0.01)
        await held.close()

    asyncio.run(run())


@pytest.fixture(autouse=True)
def _fakes_are_passed(unchecked: None) -> None:
    """Annotations are not checked here."""


def test_a_picture_whose_worker_dies_is_tried_once_more(tmp_path):
    died = refused(503, "not done: the worker was killed")
    pool = Pool({"b": [died], "c": [died, died, None], "d": [refused(504, "too long")]})
    of, batch = desk(pool, tmp_path), items("a", "b", "c", "d")
    lived(of, batch, folder=tmp_path)
    assert [item.state for item in batch] == ["done", "done", "failed", "failed"]
    assert [item.problem.status_code if item.problem else None for item in batch] == [None, None, 503, 504]
    assert pool.order == ["a", "b", "b", "c", "c", "d"]
    assert of.metrics.all == ["done", "done", "failed", "failed"]
    assert batch[0].size == 4
    assert pool.aside == 0


def test_what_nobody_expected_is_one_pictures(tmp_path, caplog):
    pool = Pool({"a": [ValueError("secret.png")]})
    batch = items("a", "b")
    lived(desk(pool, tmp_path), batch, folder=tmp_path)
    assert [item.state for item in batch] == ["failed", "done"]
    assert batch[0].problem is not None
    assert batch[0].problem.status_code == 500
    assert "secret" not in caplog.text + batch[0].problem.detail
    assert "unexpected ValueError" in caplog.text


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (2, 1), (4, 3)])
def test_requests_are_left_a_worker_and_batches_take_turns(tmp_path, workers, most):
    pool = Pool({})
    lived(desk(pool, tmp_path, workers=workers), items(*"aaaaaa"), items(*"bbbbbb"), folder=tmp_path)
    assert pool.most == most
    if most == 1:
        assert "".join(pool.order) == "ab" * 6
    else:
        assert 2 <= "".join(pool.order[:6]).count("b") <= 4


def test_a_request_waits_for_one_picture_of_a_job_at_most(serve):
    """It is asked for after a job of thirty, by which the only worker is taken."""
    service = serve()
    with service.held():
        job = service.submit(*map(photo, range(30))).headers["location"]
        until(lambda: service.get(job).json()["files"][0]["state"] == "working")
        asked = service.later()
    with service.client.stream("GET", f"{job}/events") as stream:
        done = 0
        for line in stream.iter_lines():
            done += line.startswith("data") and '"state":"done"' in line and "number" in line
            if asked.done():
                break
    assert asked.result().status_code == 200
    assert 1 <= done < 15
    assert "darnet_job_files_total" in service.get("/metrics").text
    service.ended(job)


def test_a_killed_worker_costs_no_picture(serve, caplog):
    caplog.set_level(logging.DEBUG)
    service = serve()
    with service.held():
        job = service.submit(photo(), photo(1)).headers["location"]
        until(lambda: service.get(job).json()["files"][0]["state"] == "working")
        os.kill(service.processes[0], signal.SIGKILL)
        assert [file["state"] for file in service.ended(job)["files"]] == ["done", "done"]
    assert service.pool.lost == {"timeout": 0, "died": 1}
    assert "secret" not in caplog.text


def test_what_is_cancelled_never_starts_and_what_was_written_goes(serve):
    service = serve()
    first = service.submit(photo()).headers["location"]
    service.ended(first)
    with service.held():
        job = service.submit(*map(photo, range(3))).headers["location"]
        until(lambda: service.get(job).json()["files"][0]["state"] == "working")
        with httpx.stream("GET", f"{service.url}{job}/events", timeout=60) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "id: 1"
            assert service.client.delete(job).status_code == 204
            rest = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
        assert [one["state"] for one in rest] == ["working", *["cancelled"] * 4]
        assert service.get(job).status_code == service.client.delete(job).status_code == 404
        assert len(service.kept()) == 2  # a worker is still at it
    until(lambda: len(service.kept()) == 1)
    assert service.client.delete(first).status_code == 204
    until(lambda: service.kept() == [])
    metrics = service.get("/metrics").text
    assert 'darnet_job_files_total{state="cancelled"} 3.0' in metrics
    assert 'darnet_job_files_total{state="done"} 1.0' in metrics
    assert "darnet_jobs 0.0" in metrics
    assert 'path="/v1/jobs/{id}",status="204"} 2.0' in metrics
    assert "darnet_queue 0.0" in metrics
    assert service.post().status_code == 200


def test_results_are_kept_for_so_long(serve):
    service = serve(Limits(keep_seconds=1.5))
    job = service.submit(photo()).headers["location"]
    service.ended(job)
    assert service.get(f"{job}/files/1").status_code == 200
    until(lambda: service.get(job).status_code == 404)
    until(lambda: service.kept() == [])
    assert service.get(f"{job}/zip").status_code == 404


def test_there_are_so_many_at_a_time(serve):
    service = serve(Limits(jobs=1))
    with service.held():
        job = service.submit(photo()).headers["location"]
        refused = service.submit(photo())
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
        assert refused.headers["content-type"] == "application/problem+json"
    service.ended(job)
    kept = service.submit(photo())
    assert kept.status_code == 429
    assert 500 < int(kept.headers["retry-after"]) <= 600  # when the other is deleted
    service.client.delete(job)
    until(lambda: service.submit(photo()).status_code == 202)  # its files take a moment to go


def test_what_is_read_is_deleted_once_it_is_read(tmp_path):
    """As for one who downloads while somebody else deletes."""

    async def run() -> None:
        held = Batches(desk(Pool({}), tmp_path))
        folder = tmp_path / "batch"
        folder.mkdir()
        batch = held.begin(folder, items("a"))
        with batch.read():
            held.dismiss(batch)
            await asyncio.sleep(0.1)
            assert folder.is_dir()
            with pytest.raises(HTTPException):
                held.find(batch.id)
        async with asyncio.timeout(20):
            while folder.is_dir():
                await asyncio.sleep(0.01)
        await held.close()

    asyncio.run(run())


def test_ids_are_long_and_differ(service: Serving):
    ids = {service.submit(photo()).json()["id"] for _ in range(3)}
    assert len(ids) == 3
    assert min(map(len, ids)) >= 22
    for one in ids:
        service.client.delete(f"/v1/jobs/{one}")
