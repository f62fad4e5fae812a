"""darnet serve: what is refused before anybody listens. What it serves is in tests/service."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest


@pytest.fixture
def serve(darnet, tiny_system):
    return lambda *arguments: darnet("serve", "--model", tiny_system, "-d", "cpu", *arguments)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--timeout", "0"], 2, "--timeout 0: expected seconds"),
        (["--max-bytes", "many"], 2, "--max-bytes many: expected a size"),
        (["--job-bytes", "many"], 2, "--job-bytes many: expected a size"),
        (["--keep-seconds", "0"], 2, "--keep-seconds 0: expected seconds"),
        (["--origin", "example.org"], 2, "--origin example.org: expected scheme and host"),
        (["--token-file", "gone"], 2, "--token-file gone: no such file"),
        (["--max-memory", "1MB"], 5, "--max-memory 1MB: too little"),
        (["--workers", "0"], 2, "--workers"),
        (["--host", "192.0.2.1"], 1, "nobody can listen at 192.0.2.1, port 8000: cannot assign"),
    ],
)
def test_what_makes_no_sense_is_said_at_once(serve, arguments, code, said):
    ran = serve(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err


def test_no_system_says_what_there_is(darnet):
    ran = darnet("serve", "--model", "darnett")
    assert (ran.code, "did you mean 'darnet'" in ran.err) == (2, True)


def test_damaged_weights_are_said_before_anybody_listens(darnet, tiny_system, tmp_path):
    import shutil

    system = shutil.copytree(tiny_system, tmp_path / "system")
    shutil.rmtree(system / "noise")
    assert darnet("serve", "--model", system, "-d", "cpu").code == 4


def test_a_port_that_is_taken_is_said(serve):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = serve("--port", port)
    assert (ran.code, f"nobody can listen at 127.0.0.1, port {port}: address already in use" in ran.err) == (1, True)


def test_without_the_extra_it_says_how_to_get_it(serve, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    ran = serve()
    assert (ran.code, "pip install 'darnet[serve]'" in ran.err) == (2, True)


def test_the_command_line_imports_nothing_of_the_service():
    """Not for its help, and not for a command's."""
    code = "import sys; import darnet.cli; from darnet.cli import run; run(['--help']); run(['serve', '--help'])\n"
    code += "print(*sys.modules, file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"fastapi", "starlette", "uvicorn", "prometheus_client", "python_multipart", "torch", "numpy"}
    assert heavy & {*ran.stderr.split()} == set()
    assert "--token-file" in ran.stdout
