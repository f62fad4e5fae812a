"""A service that is started by its command, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import PIL.Image
import pytest

import darnet
from services import PATIENCE, photo, until

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "serve.md"


@dataclass
class Command:
    """`darnet serve` in a process of its own."""

    process: subprocess.Popen[str]
    url: str

    def post(self, **more: object) -> httpx.Response:
        return httpx.post(f"{self.url}/v1/restore", files={"file": photo()}, timeout=PATIENCE, **more)

    def workers(self) -> list[int]:
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid), "-f", "spawn_main"], capture_output=True, text=True, check=False
        )
        return [int(line) for line in found.stdout.split()]

    def metric(self, name: str) -> float:
        text = httpx.get(f"{self.url}/metrics", timeout=PATIENCE).text
        return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1])  # type: ignore[index]


@contextmanager
def command(system: Path, folder: Path, *arguments: str) -> Iterator[Command]:
    """`darnet serve`, once it is ready. `folder`: for what it keeps while it works."""
    folder.mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(folder)}
    environment["PYTHONPATH"] = str(Path(darnet.__file__).parents[1])
    line = [sys.executable, "-m", "darnet", "serve", "--port", "0", "-d", "cpu", "--model", str(system), *arguments]
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        running = Command(process, re.search(r"http://\S+", said)[0])  # type: ignore[index]
        until(lambda: httpx.get(f"{running.url}/ready").status_code == 200)
        yield running
    finally:
        process.kill()
        process.communicate()


def test_what_was_accepted_is_answered_before_it_ends(tiny_system, tmp_path):
    """On SIGTERM: one request is at work, one waits; a new one is told to come back."""
    with command(tiny_system, tmp_path / "held") as running, ThreadPoolExecutor() as threads:
        (worker,) = running.workers()
        os.kill(worker, signal.SIGSTOP)
        asked = [threads.submit(running.post) for _ in range(2)]
        until(lambda: running.metric("darnet_accepted") == 2)
        running.process.send_signal(signal.SIGTERM)
        until(lambda: httpx.get(f"{running.url}/ready").status_code == 503)
        late = running.post()
        assert (late.status_code, late.json()["detail"]) == (503, "the service is shutting down")
        assert int(late.headers["retry-after"]) >= 1
        assert httpx.get(f"{running.url}/health").status_code == 200
        os.kill(worker, signal.SIGCONT)
        assert [one.result().status_code for one in asked] == [200, 200]
        assert running.process.wait(PATIENCE) == 0
        said = running.process.stderr.read()
        assert said == ""  # nothing of a picture, and nothing else
        assert [*(tmp_path / "held").iterdir()] == []
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


def test_jobs_are_cancelled_and_told_so_when_it_ends(tiny_system, tmp_path):
    """On SIGTERM: one picture is done, one at work, one waits, and somebody listens."""
    with command(tiny_system, tmp_path / "held") as running:
        (worker,) = running.workers()
        files = [("file", (f"secret {number}", photo(number))) for number in range(2)]
        done = httpx.post(f"{running.url}/v1/jobs", files=files[:1], timeout=PATIENCE).headers["location"]
        until(lambda: httpx.get(running.url + done).json()["state"] == "done")
        os.kill(worker, signal.SIGSTOP)
        job = httpx.post(f"{running.url}/v1/jobs", files=files, timeout=PATIENCE).headers["location"]
        until(lambda: httpx.get(running.url + job).json()["files"][0]["state"] == "working")
        with httpx.stream("GET", f"{running.url}{job}/events", timeout=PATIENCE) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "id: 1"
            running.process.send_signal(signal.SIGTERM)
            told = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
        assert running.process.wait(PATIENCE) == 0
        assert [one["state"] for one in told] == ["working", "cancelled", "cancelled", "cancelled"]
        assert "number" not in told[-1]
        assert running.process.stderr.read() == ""
        assert [*(tmp_path / "held").iterdir()] == []
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


def test_a_second_signal_ends_it_at_once(tiny_system, tmp_path):
    with command(tiny_system, tmp_path / "held") as running, ThreadPoolExecutor() as threads:
        (worker,) = running.workers()
        os.kill(worker, signal.SIGSTOP)
        asked = threads.submit(running.post)
        until(lambda: running.metric("darnet_accepted") == 1)
        running.process.send_signal(signal.SIGINT)
        until(lambda: httpx.get(f"{running.url}/ready").status_code == 503)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(PATIENCE) == 0
        with suppress(httpx.HTTPError):  # or nothing is said
            assert asked.result().status_code >= 500
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


def test_what_the_page_shows_works(tiny_system, tmp_path):
    """Every line with curl of docs/how-to/serve.md, and what it says comes of it."""
    (tmp_path / "photo.jpg").write_bytes(photo(format="jpeg"))
    (tmp_path / "other.png").write_bytes(photo(1))
    PIL.Image.new("L", (24, 24), 255).save(tmp_path / "mask.png")
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("curl ")]
    assert len(lines) >= 12
    with command(tiny_system, tmp_path / "held") as running:
        for line in lines:
            here = line.replace("http://127.0.0.1:8000", running.url).replace("curl ", "curl --fail-with-body -sS ", 1)
            ran = subprocess.run(here, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, (line, ran.stdout, ran.stderr)
        for name in re.findall(r"-o (\S+)", "\n".join(lines)):
            assert (tmp_path / name).stat().st_size > 100
