"""Which pictures of a searched folder are meant: by name, and by size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath

from darnet.errors import ImageError, UsageError
from darnet.images.formats import read_size


@dataclass(frozen=True)
class Choice:
    """What is taken of a folder: what one of `include` fits, or anything where there is none; but none of `exclude`.

    A pattern fits a path below the folder: `*` is anything but a slash, `**` anything, `?` one character, `[a-c]` one
    of some. One without a slash fits a name at any depth, of a file or of a folder that it lies in. `min_size`: of the
    shorter side, in pixels. Raises UsageError for a pattern that can fit nothing, and for a size below 0.

    >>> choice = Choice(include=["*.jpg"], exclude=["raw/**", "thumbs"])
    >>> [choice.refuses(PurePath(path)) for path in ("a/b.jpg", "b.png")]
    [None, 'none of `include` fits']
    >>> choice.refuses(PurePath("raw/a/b.jpg")), choice.refuses(PurePath("a/thumbs/b.jpg"))
    ("`exclude='raw/**'` fits", "`exclude='thumbs'` fits")
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    min_size: int = 0

    def __post_init__(self) -> None:
        """Raise UsageError for a pattern that can fit nothing, and for a size below 0."""
        for name, patterns in (("include", self.include), ("exclude", self.exclude)):
            for pattern in patterns:
                if not pattern or pattern.startswith("/") or ".." in PurePath(pattern).parts:
                    raise UsageError(f"`{name}={pattern!r}`: fits nothing: paths are those below the searched folder")
                try:
                    _compiled(pattern)
                except re.error as error:
                    raise UsageError(f"`{name}={pattern!r}`: no pattern: {error.msg}") from None
        if self.min_size < 0:
            raise UsageError(f"`min_size={self.min_size}`: expected at least 0")

    def refuses(self, relative: PurePath, *, folder: bool = False) -> str | None:
        """Why a picture, or a `folder` with all that is in it, is left out for its path; None where it is not."""
        path = relative.as_posix()
        for pattern, known in self._excluded:
            if known.fullmatch(path):
                return f"`exclude={pattern!r}` fits"
        if folder or not self.include or any(known.fullmatch(path) for known in self._included):
            return None
        return "none of `include` fits"

    def is_small(self, path: Path) -> str | None:
        """Why a picture is left out for its size; None where it is not, or its header does not say."""
        if self.min_size:
            with suppress(ImageError):
                height, width = read_size(path)
                if min(height, width) < self.min_size:
                    return f"{width} × {height} pixels, and its shorter side has fewer than `min_size={self.min_size}`"
        return None

    @property
    def given(self) -> str:
        """What leaves out any, as messages call it: "`include` and `min_size`"."""
        return " and ".join(f"`{name}`" for name in ("include", "exclude", "min_size") if getattr(self, name))

    @cached_property
    def _included(self) -> list[re.Pattern[str]]:
        return [_compiled(pattern) for pattern in self.include]

    @cached_property
    def _excluded(self) -> list[tuple[str, re.Pattern[str]]]:
        return [(pattern, _compiled(pattern)) for pattern in self.exclude]


ALL = Choice()
#: Parts of a pattern, and what they are as a regular expression.
PARTS = {r"\*\*/": "(?:.*/)?", r"\*\*": ".*", r"\*": "[^/]*", r"\?": "[^/]", r"\[!([^\]/]+)\]": "[^{}/]"}
PARTS |= {r"\[([^\]/!][^\]/]*)\]": "[{}]"}
#: What Python's expressions may take for operators on classes some day, and where a hyphen begins or ends a range.
OPERATORS = {r"([\[&|~])": r"\\\1", "(?<=.)--": r"-\\-", "^--": r"\\--"}


def _literal(characters: str) -> str:
    """What is in the brackets of a pattern, for a class of a regular expression."""
    for operator, escaped in OPERATORS.items():
        characters = re.sub(operator, escaped, characters)
    return characters


def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression of whole paths; what lies in a folder that fits, fits."""
    known, rest = "", pattern.rstrip("/")
    while rest:
        for part, meant in PARTS.items():
            if found := re.match(part, rest):
                known, rest = known + meant.format(*map(_literal, found.groups())), rest[found.end() :]
                break
        else:
            known, rest = known + re.escape(rest[0]), rest[1:]
    anywhere = "" if "/" in pattern.rstrip("/") else "(?:.*/)?"
    return re.compile(f"(?s:{anywhere}{known}(?:/.*)?)")
