"""What can go wrong, as one tree. Every error knows the exit code the command line ends with.

DarnetError              1
├── ImageError           1   a file that is no picture, is damaged, or cannot be written
├── UsageError           2   a parameter or name that makes no sense
│   ├── RecipeError      2   an unknown key or impossible value in a recipe
│   ├── UnknownNameError 2   a name that nothing is registered under
│   └── MissingPackageError 2  something that only an extra of darnet brings
├── NoInputError         3   nothing usable was given
├── WeightsError         4   weights missing, damaged or incompatible
└── ResourceError        5   memory or device limit

A text names a parameter in backticks, with its value where that matters: `strength=2`. Whoever it was set through, such
as the command line, knows what it is called there.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from threading import RLock, get_ident
from typing import Any

SHORTAGE = "out of memory|not enough memory|allocate memory"
#: The most characters that a message quotes of somebody else's.
QUOTED = 200


class DarnetError(Exception):
    """Base of every error raised on purpose; its text is one line that names the file or parameter and the reason.

    Example:
        >>> import darnet
        >>> try:
        ...     darnet.load("darnett")
        ... except darnet.DarnetError as error:
        ...     print(error, error.exit_code, sep="; exit code ")
        no system called 'darnett'; did you mean 'darnet'? (there are: daair, darnet, slerir); exit code 2
    """

    exit_code = 1

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
        """As it crosses a process pool: its text and attributes as they are.

        Exceptions are otherwise made anew from their text alone. A constructor that takes anything else fails on it,
        and the pool it fails in is dead.
        """
        return _made_anew, (type(self), self.args), vars(self)


def _made_anew(kind: type[DarnetError], arguments: tuple[Any, ...]) -> DarnetError:
    return kind.__new__(kind, *arguments)


class ImageError(DarnetError):
    """A picture that cannot be read or written: `path`, and the `reason`.

    Example:
        >>> import darnet
        >>> try:
        ...     darnet.Image.read("missing.jpg")
        ... except darnet.ImageError as error:
        ...     print(error.reason)
        no such file or directory
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = Path(path), reason


class UsageError(DarnetError):
    """A parameter that makes no sense.

    Example:
        >>> import darnet
        >>> darnet.Tiles(size_px=64, overlap_px=128)
        Traceback (most recent call last):
        darnet.errors.UsageError: tiles of 64 px that share 128 px
    """

    exit_code = 2


class RecipeError(UsageError):
    """A recipe with an unknown key or an impossible value.

    Example:
        >>> from darnet.training.recipe import parse_recipe
        >>> try:
        ...     parse_recipe({"name": "noise"}, source="noise.toml")
        ... except RecipeError as error:
        ...     print(error)
        noise.toml: model: Field required
    """


class UnknownNameError(UsageError):
    """A name that nothing is registered under; the text lists what there is and the nearest match.

    Example:
        >>> print(UnknownNameError("system", "darnett", ["slerir", "darnet"]))
        no system called 'darnett'; did you mean 'darnet'? (there are: darnet, slerir)
    """

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        super().__init__(f"no {what} called {name!r}{hint} (there are: {', '.join(known) or 'none'})")


class MissingPackageError(UsageError):
    """Something that only an extra of darnet brings, and that is not installed.

    Example:
        >>> from darnet.registry import optional
        >>> try:
        ...     optional("nobody", "onnx")
        ... except MissingPackageError as error:
        ...     print(error)
        needs nobody (No module named 'nobody'): pip install 'darnet[onnx]'
    """


class NoInputError(DarnetError):
    """No usable input was given: a folder without a picture, a pattern that nothing matches.

    Example:
        >>> NoInputError.exit_code
        3
    """

    exit_code = 3


class WeightsError(DarnetError):
    """Weights that are missing, damaged or made for something else: the `path` of the file, and the `reason`.

    Example:
        >>> import darnet
        >>> try:
        ...     darnet.load("/")
        ... except darnet.WeightsError as error:
        ...     print(error)
        /: no system.json in it
    """

    exit_code = 4

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = Path(path), reason


class ResourceError(DarnetError):
    """A memory or device limit was reached.

    Example:
        >>> is_out_of_memory(RuntimeError("CUDA out of memory"))
        True
        >>> ResourceError.exit_code
        5
    """

    exit_code = 5


def explain(error: Exception, path: Path | None = None) -> tuple[str, int]:
    """The reason in one line, and the exit code; `path` is what is named beside the line, and so not in it.

    >>> explain(ImageError("a.jpg", "the file is empty"), Path("a.jpg"))
    ('the file is empty', 1)
    """
    if isinstance(error, ImageError) and error.path == path:
        return error.reason, error.exit_code
    if isinstance(error, DarnetError):
        return str(error), error.exit_code
    if is_out_of_memory(error):
        return "out of memory", ResourceError.exit_code
    if isinstance(error, OSError) and error.strerror:
        where = "" if path is not None and error.filename == str(path) else f"{error.filename}: "
        return where + error.strerror.lower(), DarnetError.exit_code
    return f"unexpected {type(error).__name__}: {error}", DarnetError.exit_code


def refusal(error: OSError) -> str:
    """Why the system refused, in its own words."""
    return (error.strerror or str(error)).lower()


def one_line(error: Exception) -> str:
    """What an error of somebody else's says, as far as it fits on one line; its class where it says nothing.

    >>> one_line(ValueError("expected   a tensor")), one_line(ValueError())
    ('expected a tensor', 'ValueError')
    """
    return " ".join(str(error).split())[:QUOTED] or type(error).__name__


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out. torch on a CPU and libvips have no class for it: they are known by their words."""
    known = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # torch's, on a GPU
    return known or re.search(SHORTAGE, str(error)) is not None


_hearing = RLock()


@contextmanager
def overheard(module: str = "", category: type[Warning] = Warning) -> Iterator[list[str]]:
    """What is warned of in this thread, by modules whose names begin as the expression `module` says.

    Pictures are read by many threads, and Python's warnings are everybody's. So one thread at a time exchanges how they
    are shown, and what others say is shown as before.

    Example:
        >>> with overheard() as said:
        ...     warnings.warn("the EXIF is damaged")
        >>> said
        ['the EXIF is damaged']
    """
    said: list[str] = []
    with _hearing, warnings.catch_warnings():
        warnings.filterwarnings("always", category=category, module=module)
        shown, here = warnings.showwarning, get_ident()

        def hear(message: Warning | str, *where: Any, **more: Any) -> None:
            if get_ident() == here:
                said.append(str(message))
            else:
                shown(message, *where, **more)

        warnings.showwarning = hear
        yield said
