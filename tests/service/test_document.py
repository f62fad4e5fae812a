"""The service against its own OpenAPI document, as schemathesis asks it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from darnet.service.limits import Limits

CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance")
CHECKS_OF_BODIES = ("response_schema_conformance", "response_headers_conformance")


@pytest.mark.slow
def test_no_answer_is_undocumented_or_a_fault(serve, tmp_path: Path) -> None:
    """Good, odd and broken requests of every operation, and sequences of them: jobs are asked for by their ids."""
    service = serve(Limits(jobs=500, keep_seconds=5))
    line = [sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json", "--seed", "0", "--no-color"]
    line += ["--max-examples", "20", "--suppress-health-check", "all", "--checks", ",".join(CHECKS + CHECKS_OF_BODIES)]
    ran = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    cases = re.search(r"(\d+) generated, (\d+) passed", ran.stdout)
    assert cases is not None
    assert int(cases[1]) == int(cases[2]) > 500
    assert service.get("/health").status_code == 200
