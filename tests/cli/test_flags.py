"""darnet.cli.flags: the core names parameters, and a user of the command line reads flags."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

import darnet
from darnet.cli.flags import commands, running, spoken
from darnet.errors import named

SOURCE = Path(darnet.__file__).parent
FLAGS = {
    flag for options in commands().values() for one in options.values() for flag in (*one.opts, *one.secondary_opts)
}


@pytest.mark.parametrize(
    ("text", "arguments", "wanted"),
    [
        ("`strength=2`: expected 0 to 1", ("restore",), "--strength 2: expected 0 to 1"),
        ("try `kinds=['haze']`", ("restore",), "try --as haze"),
        ("try `kinds=['haze', 'low light']`", (), "try --as haze --as low light"),
        ("give `out`", ("experts", "add"), "give --output"),
        ("give `out`", ("experts", "rollback"), "give --output"),  # it has none: that of its kin
        ("give `out`", ("train",), "give --out"),
        ("`replay=False` forgets", ("extend",), "--no-replay forgets"),
        ("`replay=True` remembers", ("extend",), "--replay remembers"),
        ("`device='cuda:9'`: no such", ("train", "noise"), "--device cuda:9: no such"),
        ("`strength=nan`", (), "--strength nan"),
        ("make `tiles` smaller", ("diagnose",), "make --tile smaller"),
        ("`inputs` and `registered` are no options", (), "`inputs` and `registered` are no options"),
        ("a`b.jpg: kinds", (), "a`b.jpg: kinds"),
        (f"{named('`strength=2`.png')}: give `out`", ("train",), "`strength=2`.png: give --out"),
        (f"{named('`assembly.add`')}: no such file", (), "`assembly.add`: no such file"),
        ("`strength=2`: no such folder, `data`", ("train", "`strength=2`"), "`strength=2`: no such folder, --data"),
        ("x/`out`/a: gone", ("train", "--data=x/`out`"), "x/`out`/a: gone"),
        ("`output='a`b.tar'`: unknown", ("restore",), "--output a`b.tar: unknown"),
        ("""`output="it's `out`"`: unknown""", ("restore",), "--output it's `out`: unknown"),
        ("an expert for it with `assembly.add`", ("extend",), "an expert for it with `darnet experts add`"),
    ],
)
def test_a_parameter_becomes_its_flag(text, arguments, wanted):
    with running(arguments):
        assert spoken(text) == wanted


def test_what_is_said_of_one_picture_names_the_flag_of_the_command_that_runs(pictures, restore, darnet):
    """A failure of one of several, too: `output` is --map of the first command there is."""
    pictures("photo.png")
    assert restore("photo.png", "--keep").code == 0
    Path("photo.restored.png.residuals").rename("odd.residuals")
    assert darnet("blend", "odd.residuals").err.endswith("; --output gives a file\n")


def test_warnings_name_the_flag(pictures, restore):
    pictures("photo.png")
    ran = restore("photo.png", "--min-confidence", "0.99", "--json")
    assert "is below the least confidence of 99 %; try --as noise\n" in ran.err
    assert json.loads(ran.out)["result"]["warnings"][0].endswith("; try --as noise")


def core() -> list[Path]:
    return [path for path in sorted(SOURCE.rglob("*.py")) if SOURCE / "cli" not in path.parents]


@pytest.mark.parametrize("path", core(), ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_the_core_knows_no_flag(path):
    texts = [
        node.value for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Constant)
    ]
    words = {word for text in texts if isinstance(text, str) for word in re.findall(r"--[a-z][a-z-]*", text)}
    assert not words & FLAGS


@pytest.mark.parametrize("path", core(), ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_no_text_of_the_core_tells_to_run_a_command(path):
    """It names a function, which becomes a command where somebody uses the command line. Docstrings may."""
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    statements = [node for node in tree if isinstance(node, ast.stmt) and not isinstance(node, ast.Expr)]
    headless = [one for node in statements for one in ast.iter_child_nodes(node) if not isinstance(one, ast.stmt)]
    inner = [node for one in headless for node in ast.walk(one)]
    texts = [node.value for node in inner if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert not [text for text in texts if "`darnet " in text]
