"""python -m darnet."""

from __future__ import annotations

import subprocess
import sys

from darnet import __version__


def test_python_m_darnet():
    ran = subprocess.run([sys.executable, "-m", "darnet", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"darnet {__version__}\n"
