"""What can go wrong, as one tree. Every error knows the exit code the command line ends with.

With their exit codes::

    DarnetError              1
    ├── ImageError           1   a file that is no picture, is damaged, or cannot be written
    │   └── TooLargeError    1   a picture of more pixels than are allowed
    ├── UsageError           2   a parameter or name that makes no sense
    │   ├── RecipeError      2   an unknown key or impossible value in a recipe
    │   ├── UnknownNameError 2   a name that nothing is registered under
    │   ├── MissingPackageError 2  something that only an extra of darnet brings
    │   └── ContractError    2   code of somebody else that does not do what its kind must
    ├── NoInputError         3   nothing usable was given
    ├── WeightsError         4   weights missing, damaged or incompatible
    ├── ServiceError         1   a service that refuses, or cannot be reached
    └── ResourceError        5   memory or device limit

A text names a parameter in backticks, with its value where that matters: `strength=2`. Whoever it was set through, such
as the command line, knows what it is called there. Backticks of a file's name are escaped (`named`): it is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

#: The words of torch on a CPU and a GPU, the C++ library, oneDNN, libvips, libjpeg and libheif, the system and Python.
SHORTAGE = (
    "out of memory|(not enough|insufficient) memory|allocate memory|memory allocation|bad_?alloc|memory object|"
    "create a primitive|(creating|new) thread"
)
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


def named(path: Path | str) -> str:
    r"""A file as a text names it, so that no part of its name is taken for a parameter.

    >>> print(named("`strength=2`.png"))
    \`strength=2\`.png
    """
    return str(path).replace("`", r"\`")


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
        super().__init__(f"{named(path)}: {reason}")
        self.path, self.reason = Path(path), reason


class TooLargeError(ImageError):
    """A picture of more pixels than are allowed, which was not decoded.

    Example:
        >>> import darnet, numpy as np
        >>> file = darnet.Image.of(np.zeros((4, 6, 3), np.uint8)).encode("png")
        >>> try:
        ...     darnet.Image.decode(file, max_pixels=20)
        ... except darnet.ImageError as error:
        ...     print(type(error).__name__, error.reason)
        TooLargeError 6 x 4 is more than 20 pixels
    """


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
    """A name that nothing is registered under; the text lists what there is, and the nearest match or the `reason`.

    `where`: the parameter that it was given as, with its value.

    Example:
        >>> print(UnknownNameError("system", "darnett", ["slerir", "darnet"]))
        no system called 'darnett'; did you mean 'darnet'? (there are: darnet, slerir)
    """

    def __init__(self, what: str, name: str, known: Iterable[str], reason: str = "", where: str = "") -> None:
        known = sorted(known)
        spelt = {one.casefold(): one for one in reversed(known)}
        near = [] if reason else get_close_matches(name.casefold(), spelt, n=1)
        hint = f"; did you mean {spelt[near[0]]!r}?" if near else reason and f": {reason}"
        unknown = f"no {what} called {name!r}{hint} (there are: {', '.join(known) or 'none'})"
        super().__init__(f"{where}: {unknown}" if where else unknown)


class MissingPackageError(UsageError):
    """Something that only an extra of darnet brings, and that is not installed, or does not fit what is.

    Example:
        >>> from darnet.registry import optional
        >>> try:
        ...     optional("nobody", "onnx")
        ... except MissingPackageError as error:
        ...     print(error)
        needs nobody (No module named 'nobody'): pip install 'darnet[onnx]'
    """


class ContractError(UsageError):
    """A model, expert, router or degradation that does not keep the contract of its kind (`darnet.testing`).

    Example:
        >>> from darnet.testing import check_expert
        >>> try:
        ...     check_expert(lambda pixels: pixels + 5)
        ... except ContractError as error:
        ...     print(error)
        the expert leaves [0, 1]
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
        super().__init__(f"{named(path)}: {reason}")
        self.path, self.reason = Path(path), reason


class ServiceError(DarnetError):
    """A service that refuses what it is asked for, with the `status` of its answer, or that cannot be reached (None).

    Example:
        >>> ServiceError("more than 100,000,000 bytes", 413).status
        413
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason, self.status = reason, status


class ResourceError(DarnetError):
    """A memory or device limit was reached: the `reason`, and the `path` of the picture, if it was one picture's.

    Example:
        >>> is_out_of_memory(RuntimeError("CUDA out of memory"))
        True
        >>> print(ResourceError("out of memory", "a.jpg"), ResourceError.exit_code)
        a.jpg: out of memory 5
    """

    exit_code = 5

    def __init__(self, reason: str, path: Path | str | None = None) -> None:
        super().__init__(reason if path is None else f"{named(path)}: {reason}")
        self.path, self.reason = None if path is None else Path(path), reason


def explain(error: Exception, path: Path | None = None) -> tuple[str, int]:
    """The reason in one line, and the exit code; `path` is what is named beside the line, and so not in it.

    >>> explain(ImageError("a.jpg", "the file is empty"), Path("a.jpg"))
    ('the file is empty', 1)
    """
    if isinstance(error, ImageError | ResourceError) and path is not None and error.path == path:
        return error.reason, error.exit_code
    if isinstance(error, DarnetError):
        return str(error), error.exit_code
    if is_out_of_memory(error):
        return "out of memory", ResourceError.exit_code
    if isinstance(error, OSError) and error.strerror:
        unnamed = error.filename is None or (path is not None and error.filename == str(path))
        where = "" if unnamed else f"{named(error.filename)}: "
        return where + error.strerror.lower(), DarnetError.exit_code
    return f"unexpected {type(error).__name__}: {error}", DarnetError.exit_code


def fault(error: Any) -> tuple[str, str]:
    """Of pydantic's ValidationError: where the first fault is, empty where it is the whole, and what it is."""
    first = error.errors()[0]
    return ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")


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
    return known or re.search(SHORTAGE, str(error), re.IGNORECASE) is not None
