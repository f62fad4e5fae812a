"""Small files that claim, or unpack to, far more than they are: each ends in one line, soon and within the budget."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bombs import BOMBS

#: Restores each file by itself, told noise; prints seconds, peak in MB, exit code and what was said.
PROGRAM = """
import json, sys, time
from pathlib import Path

import darnet
from darnet.cli.flags import running, spoken
from darnet.jobs import Job

restorer = darnet.load(device="cpu", max_memory="500MB")
for name in sys.argv[1:]:
    Path("/proc/self/clear_refs").write_text("5")
    started = time.perf_counter()
    done, = darnet.restore_many([name], "out", restorer, Job("noise"))
    seconds = time.perf_counter() - started
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6
    with running(["restore"]):
        said = spoken(done.error) if done.error else "restored"
    print(json.dumps([name, seconds, peak, done.exit_code, said]), flush=True)
"""


@pytest.mark.timeout(600)
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks are read from /proc")
def test_each_is_one_line_within_10_s_and_the_budget(tmp_path: Path) -> None:
    for name, (make, _) in BOMBS.items():
        (tmp_path / name).write_bytes(make())
        assert (tmp_path / name).stat().st_size < 3e6
    command = [sys.executable, "-W", "error", "-c", PROGRAM, *BOMBS]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert not re.search("Traceback|Warning", ran.stderr), ran.stderr
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [name for name, *_ in found] == list(BOMBS)
    wrong = [one for one in found if one[1] > 10 or one[2] > 500 or not re.search(BOMBS[one[0]][1], one[4])]
    assert not wrong
    for name, _, _, exit_code, said in found:
        assert exit_code == (5 if "of memory" in said else 0 if said == "restored" else 1), (name, said)
        assert "\n" not in said
        assert (tmp_path / "out" / name).exists() == (said == "restored")
