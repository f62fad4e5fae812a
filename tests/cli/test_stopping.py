"""darnet.cli.stopping: a run that somebody ends finishes the picture at hand, and can be taken up again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

import darnet
from darnet import RestorerSpec
from darnet.cli.stopping import Stop
from darnet.images.image import Image
from darnet.restore.restorer import Restorer


@pytest.fixture
def signalled(monkeypatch):
    """A signal comes in the middle of b.png, some times."""

    def arrange(number: signal.Signals, times: int = 1) -> None:
        whole = Restorer.__call__

        def interrupted(self: Restorer, source: Image, **options: object) -> object:
            for _ in range(times if source.path.name == "b.png" else 0):
                signal.raise_signal(number)
            return whole(self, source, **options)

        monkeypatch.setattr(Restorer, "__call__", interrupted)

    return arrange


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_the_first_finishes_the_picture_at_hand(pictures, restore, signalled, number, code, said):
    for name in "abc":
        pictures(f"in/{name}.png")
    signalled(number)
    before = signal.getsignal(number)
    ran = restore("in", "-o", "out", "--report", "report.json")
    assert signal.getsignal(number) is before
    told = ran.err.splitlines()
    assert (ran.code, told[0], told[-1]) == (
        code,
        "darnet: finishing the picture at hand; once more, and it ends at once",
        f"darnet: {said}",
    )
    reported = [entry["output"] for entry in json.loads(Path("report.json").read_text())["pictures"]]
    assert reported == ["out/a.png", "out/b.png"]
    assert sorted(path.name for path in Path("out").glob("[!.]*")) == ["a.png", "b.png"]
    ran = restore("in", "-o", "out")
    assert ran.code == 0
    assert ran.err.startswith("darnet: 3 pictures: 2 done already, 1 repaired (1 noise), in ")
    assert restore("in", "-o", "out").err.startswith("darnet: 3 pictures: 3 done already, in ")


@pytest.mark.parametrize("options", [[], ["--watch", "--interval", "0.01"]])
def test_nothing_is_begun_where_it_comes_while_networks_are_loaded(pictures, restore, monkeypatch, options):
    pictures("in/a.png")
    settled = RestorerSpec.settled

    def interrupted(self: RestorerSpec) -> RestorerSpec:
        if not stopped:
            stopped.append(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return settled(self)

    stopped: list[int] = []
    monkeypatch.setattr(RestorerSpec, "settled", interrupted)
    assert restore("in", "-o", "out", *options).code == 130
    assert not list(Path("out").glob("[!.]*"))
    assert restore("in", "-o", "out").code == 0


def test_the_second_ends_it_at_once(monkeypatch):
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    with Stop() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert (stop.exit_code, stop.event.is_set(), ended) == (143, True, [])
        signal.raise_signal(signal.SIGINT)
    assert ended == [130]


def test_a_process_that_is_told_to_end_leaves_what_can_be_taken_up(pictures, restore, tiny_system):
    for number in range(300):
        pictures(f"in/{number}.png")
    command = [sys.executable, "-m", "darnet", "restore", "in", "-o", "out", "--model", tiny_system, "-d", "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(Path(darnet.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([str(part) for part in command], text=True, env=environment, **streams) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        out, err = process.stdout.read(), process.stderr.read()  # `communicate` drops lines that came with the first
    assert (process.returncode, err.splitlines()[-1]) == (143, "darnet: terminated")
    done = 1 + len(out.splitlines())
    assert done < 300
    assert len(list(Path("out").glob("[!.]*"))) == done
    assert f"{done} done already, {300 - done} repaired" in restore("in", "-o", "out").err


def test_elsewhere_than_in_the_main_thread_signals_are_left_alone():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with Stop() as stop:
            seen.append((signal.getsignal(signal.SIGINT), stop.event.is_set()))

    thread = Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(before, False)]
