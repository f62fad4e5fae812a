"""deploy/Containerfile: what is copied is there, what is installed is what was constrained, and nobody is root."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

from darnet.service.access import Access
from darnet.service.limits import Limits
from deployment import DEPLOY, ROOT, USER, parsed
from services import serving

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def instructions() -> list[tuple[str, str]]:
    """Of the Containerfile, in order, with continued lines joined and its one argument put in."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Containerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    found = [(name.upper(), rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]
    given = dict(rest.split("=", 1) for name, rest in found if name == "ARG")
    return [(name, re.sub(r"\$\{(\w+)\}", lambda match: given[match[1]], rest)) for name, rest in found]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    begin = max(index for index, (name, _) in enumerate(found) if name == "FROM")
    return found[begin:]


def the(name: str, stage: list[tuple[str, str]]) -> str:
    """The only instruction of that name."""
    (found,) = (rest for called, rest in stage if called == name)
    return found


def test_every_stage_begins_with_one_exact_release_of_the_python_that_darnet_has() -> None:
    bases = {rest.split()[0] for name, rest in instructions() if name == "FROM"}
    (base,) = bases
    release = re.fullmatch(r"docker\.io/library/python:(\d+\.\d+)\.\d+-slim-\w+", base)
    assert release is not None
    assert f">={release[1]}" == PROJECT["project"]["requires-python"]


def test_what_is_copied_is_there_and_all_that_the_wheel_is_made_of_is_copied() -> None:
    copies = [rest.split() for name, rest in instructions() if name == "COPY"]
    copied = {source for *sources, _ in copies for source in sources if not source.startswith("--from=")}
    copied -= {source for first, *rest in copies if first.startswith("--from=") for source in rest}
    assert [name for name in copied if not (ROOT / name).exists()] == []
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    made_of = {Path(name).parts[0] for name in (*wheel["packages"], *wheel["force-include"])}
    made_of |= {PROJECT["project"]["readme"], *PROJECT["project"]["license-files"], "pyproject.toml"}
    assert made_of <= copied


def test_versions_are_those_of_the_constraints_and_stand_nowhere_else() -> None:
    found = instructions()
    installs = [rest for name, rest in found if name == "RUN" and "pip" in rest and "install" in rest]
    assert len(installs) == 2
    assert not any(re.search(r"==|~=|>=", rest) for rest in installs)
    assert "PIP_CONSTRAINT=/build/constraints.txt" in the("ENV", found[: found.index(last_stage()[0], 1)])
    assert ("WORKDIR", "/build") in found
    assert "torch --index-url https://download.pytorch.org/whl/cpu" in installs[0]
    asked = re.search(r"'\.\[([\w,]+)\]'", installs[1])
    assert asked is not None
    assert {"serve"} <= set(asked[1].split(",")) <= set(PROJECT["project"]["optional-dependencies"])


def test_it_runs_as_nobody_in_particular_and_serves() -> None:
    stage = last_stage()
    assert the("USER", stage) == f"{USER}:{USER}"
    made = next(index for index, (name, rest) in enumerate(stage) if name == "RUN" and f"--uid {USER}" in rest)
    assert made < stage.index(("USER", f"{USER}:{USER}"))
    assert not any(name in {"ADD", "RUN", "COPY"} for name, _ in stage[stage.index(("USER", f"{USER}:{USER}")) :])
    (program,) = json.loads(the("ENTRYPOINT", stage))
    assert program in PROJECT["project"]["scripts"]
    options = parsed(json.loads(the("CMD", stage)))
    assert options["host"] == "0.0.0.0"
    assert the("EXPOSE", stage) == str(options["port"])


def test_the_health_check_is_one(tiny_system: Path) -> None:
    check = the("HEALTHCHECK", last_stage())
    asks = json.loads(check[check.index("CMD ") + 4 :])
    composed = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]["darnet"]
    assert composed["healthcheck"]["test"] == ["CMD", *asks]
    _, option, program = asks
    assert "http://127.0.0.1:8000/health" in program
    with serving(tiny_system, Limits(), Access()) as service:
        for path, well in (("/health", True), ("/gone", False)):
            asked = program.replace("http://127.0.0.1:8000", service.url).replace("/health", path)
            ran = subprocess.run([sys.executable, option, asked], capture_output=True, check=False)
            assert (ran.returncode == 0) is well
