"""Workers of a service: work that takes too long, workers that die, requests that wait, clients that go away."""

from __future__ import annotations

import os
import signal
from collections import UserDict
from types import SimpleNamespace

import httpx
import pytest

from darnet.service.limits import Limits
from services import photo, until


def test_work_that_takes_too_long_is_ended_and_nobody_elses(serve):
    """The worker is killed, not waited for; another one takes its place."""
    service = serve(Limits(seconds=2))
    (process,) = service.processes
    with service.held():
        got = service.post()
        assert (got.status_code, got.json()["detail"]) == (504, "not done within 2 s, and ended")
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    until(lambda: service.pool.workers == 1 and service.pool._idle.qsize() == 1)
    assert service.post().status_code == 200
    assert service.pool.lost == {"timeout": 1, "died": 0}


def test_a_killed_worker_costs_its_own_request_alone(serve):
    service = serve(Limits(workers=1, queue=4))
    (process,) = service.processes
    with service.held():
        first, second = service.later(), service.later(picture=photo(1))
        os.kill(process, signal.SIGKILL)
        lost = first.result()
    assert (lost.status_code, "SIGKILL" in lost.json()["detail"], "retry-after" in lost.headers) == (503, True, True)
    assert second.result().status_code == 200
    assert service.pool.lost == {"timeout": 0, "died": 1}


def test_a_worker_that_dies_idle_costs_nobody_anything(serve):
    service = serve()
    os.kill(service.processes[0], signal.SIGKILL)
    until(lambda: service.pool.workers == 0)
    assert service.post().status_code == 200


def test_what_there_is_no_room_for_is_told_when_to_come_again(serve):
    service = serve(Limits(workers=1, queue=1))
    with service.held():
        asked = [service.later(picture=photo(seed)) for seed in range(2)]
        refused = [service.post() for _ in range(20)]
        assert service.get("/health").status_code == 200  # whoever looks whether it lives needs no place
        assert "darnet_queue 1.0" in service.get("/metrics").text
    assert {one.status_code for one in refused} == {429}
    assert int(refused[0].headers["retry-after"]) >= 1
    assert [one.result().status_code for one in asked] == [200, 200]
    assert service.post().status_code == 200


def test_nothing_is_done_for_a_client_that_has_gone_away(serve):
    service = serve(Limits(workers=1, queue=4))
    with service.held():
        first = service.later()
        with pytest.raises(httpx.ReadTimeout):
            service.post(timeout=0.3)
    assert first.result().status_code == 200
    until(lambda: service.pool.accepted == 0)
    assert 'status="499"} 1.0' in service.get("/metrics").text
    assert service.post().status_code == 200


def test_a_worker_that_cannot_be_started_is_said_and_tried_again(tiny_system, tmp_path):
    """The weights are gone when the worker looks; once they are back so is the service."""
    import shutil

    from darnet.service.access import Access
    from services import serving

    system = shutil.copytree(tiny_system, tmp_path / "system")
    with serving(system, Limits(), Access()) as service:
        (system / "router").rename(tmp_path / "router")
        os.kill(service.processes[0], signal.SIGKILL)
        until(lambda: service.pool.workers == 0)
        asked = service.threads.submit(service.post)
        until(lambda: service.get("/ready").status_code == 503)
        assert "no worker can be started" in service.get("/ready").json()["detail"]
        assert service.post().status_code == 503
        (tmp_path / "router").rename(system / "router")
        until(lambda: service.get("/ready").status_code == 200)
        assert asked.result().status_code == 200
        assert service.post().status_code == 200


def test_a_worker_is_ready_when_its_experts_are_loaded(tiny_system, monkeypatch):
    """Loaded in a request they could take longer than its time, each time anew."""
    from darnet.service import work as working

    said, loaded = [], []

    class Experts(UserDict):
        def __getitem__(self, kind):
            loaded.append(kind)
            return super().__getitem__(kind)

    restorer = SimpleNamespace(experts=Experts(noise=None))
    monkeypatch.setattr(working, "build", lambda spec, threads: restorer)
    monkeypatch.setattr(working.signal, "signal", lambda *_: None)

    class Ends:
        def send(self, what):
            said.append((what, list(loaded)))

        def recv(self):
            raise EOFError

    working.work(Ends(), "{}", 1)
    assert said == [("ready", ["noise"])]
