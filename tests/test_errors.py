from __future__ import annotations

import errno
import importlib
import inspect
import pkgutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest
import torch

import darnet
from darnet import errors
from darnet.errors import UnknownNameError
from darnet.images.image import Image
from darnet.systems import manifest

#: What constructors of errors are given.
GIVEN = {"path": "a/b.jpg", "reason": "is sad", "what": "expert", "name": "noize", "known": ["noise", "blur"]}


def tree() -> list[type[errors.DarnetError]]:
    found = [value for value in vars(errors).values() if isinstance(value, type)]
    return [value for value in found if issubclass(value, errors.DarnetError)]


def everywhere() -> list[type[errors.DarnetError]]:
    """Every error of the package, wherever it is defined."""
    for module in pkgutil.walk_packages(darnet.__path__, "darnet."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = [errors.DarnetError]
    for error in found:
        found += error.__subclasses__()
    return found


def example(error: type[errors.DarnetError]) -> errors.DarnetError:
    wanted = [name for name in inspect.signature(error.__init__).parameters if name in GIVEN]
    return error(*[GIVEN[name] for name in wanted] or ["it is sad"])


@pytest.mark.parametrize("error", tree(), ids=lambda error: error.__name__)
def test_the_docstring_draws_every_error_with_its_exit_code(error: type[errors.DarnetError]) -> None:
    lines = [line.split() for line in (errors.__doc__ or "").splitlines()]
    drawn = {words[i]: words[i + 1] for words in lines for i in range(len(words) - 1)}
    assert drawn[error.__name__] == str(error.exit_code)


def test_what_others_say_is_one_line_that_is_not_too_long() -> None:
    assert errors.one_line(ValueError("two\n  lines")) == "two lines"
    assert len(errors.one_line(ValueError("x" * 999))) == errors.QUOTED
    assert errors.one_line(AssertionError()) == "AssertionError"


def test_errors_about_files_name_the_file_and_the_reason() -> None:
    assert str(errors.ImageError("a/b.jpg", "truncated")) == "a/b.jpg: truncated"
    assert str(errors.WeightsError("w", "damaged")) == "w: damaged"


def test_an_unknown_name_gets_the_known_ones_and_the_nearest() -> None:
    error = errors.UnknownNameError("expert", "noize", ["noise", "blur"])
    assert str(error) == "no expert called 'noize'; did you mean 'noise'? (there are: blur, noise)"
    assert str(errors.UnknownNameError("expert", "x", [])) == "no expert called 'x' (there are: none)"


def test_every_error_is_the_same_in_another_process() -> None:
    found = everywhere()
    assert len(found) > len(tree())  # one at least is defined where it is raised
    for error in map(example, found):
        error.add_note("while it rained")
        again = ForkingPickler.loads(ForkingPickler.dumps(error))
        assert type(again) is type(error)
        assert (str(again), vars(again), again.exit_code) == (str(error), vars(error), error.exit_code)


def test_an_error_comes_out_of_a_pool_of_processes() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        damaged = pool.submit(Image.read, "gone.png").exception()
        missing = pool.submit(manifest.read_system, "darnett").exception()
        assert pool.submit(len, "alive").result() == len("alive")
    assert isinstance(damaged, errors.ImageError)
    assert (damaged.path, damaged.reason) == (Path("gone.png"), "no such file or directory")
    assert isinstance(missing, errors.UnknownNameError)
    assert str(missing).startswith("no system called 'darnett'; did you mean 'darnet'?")


def test_reasons_do_not_name_the_picture_twice() -> None:
    assert errors.explain(errors.ImageError("a.jpg", "is sad"), Path("a.jpg")) == ("is sad", 1)
    assert errors.explain(errors.ImageError("out/a.jpg", "is sad"), Path("a.jpg")) == ("out/a.jpg: is sad", 1)
    assert errors.explain(errors.WeightsError("w", "gone")) == ("w: gone", 4)
    assert errors.explain(errors.ResourceError("too big")) == ("too big", 5)
    assert errors.explain(MemoryError()) == ("out of memory", 5)
    missing = FileNotFoundError(errno.ENOENT, "No such file or directory", "a.jpg")
    assert errors.explain(missing, Path("a.jpg")) == ("no such file or directory", 1)
    assert errors.explain(missing, Path("b.jpg")) == ("a.jpg: no such file or directory", 1)
    assert errors.explain(KeyError("x")) == ("unexpected KeyError: 'x'", 1)


def test_torch_short_of_memory_on_a_cpu_explained() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)  # four petabytes
    assert errors.explain(caught.value) == ("out of memory", 5)


def test_a_name_in_other_letters_is_near() -> None:
    assert "did you mean 'noise'?" in str(UnknownNameError("expert", "NOISE", ["blur", "noise"]))
    assert "did you mean 'DaAIR'?" in str(UnknownNameError("network", "daair", ["DaAIR", "unet"]))


def test_why_a_name_stands_for_nothing_is_said_beside_it() -> None:
    error = UnknownNameError("degradation", "mine:Nope", ["noise"], reason="module 'mine' has no attribute 'Nope'")
    assert str(error) == "no degradation called 'mine:Nope': module 'mine' has no attribute 'Nope' (there are: noise)"
