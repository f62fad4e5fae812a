"""python -m darnet."""

from __future__ import annotations

import subprocess
import sys

from darnet import __version__


def test_python_m_darnet():
    ran = subprocess.run([sys.executable, "-m", "darnet", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"darnet {__version__}\n"


def test_nothing_is_searched_for_garbage_when_the_process_ends():
    source = "import atexit, gc, sys; from darnet.cli import main; sys.argv = ['darnet', '--version']\n"
    source += "atexit.register(lambda: print(gc.get_freeze_count() > 0)); main()"
    ran = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[1:] == ["True"]
