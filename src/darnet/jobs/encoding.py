"""Encoding: the kind of file that a result becomes."""

from __future__ import annotations

import os
import stat
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from darnet.errors import ImageError, UsageError, named, refusal
from darnet.images.image import FORMATS, BitDepth, MetadataChoice, ProfileChoice, check_options
from darnet.jobs.outputs import Task
from darnet.jobs.paths import make_folder

if TYPE_CHECKING:
    from darnet.restore.result import Result

Extension: TypeAlias = Literal["auto", "jpg", "png", "tiff", "webp", "avif", "gif", "bmp", "ppm", "jp2", "jxl", "heic"]


@dataclass(frozen=True)
class Encoding:
    """How outputs are written; all at their defaults: as the input was. `ext`: the format; others as in `Image.write`.

    `keep_time`: a file is as old as the one that it came from.

    Raises UsageError for what no file could be.

    >>> Encoding(ext="webp", quality=80).options["quality"]
    80
    """

    ext: Extension = "auto"
    quality: int | None = None
    bit_depth: BitDepth = "auto"
    metadata: MetadataChoice = "keep"
    icc: ProfileChoice = "keep"
    keep_time: bool = False

    def __post_init__(self) -> None:
        """Raise UsageError for what no file could be."""
        check_options(**self.options)
        if self.ext not in get_args(Extension):
            raise UsageError(f"`ext={self.ext!r}`: expected one of {', '.join(get_args(Extension))}")

    @property
    def options(self) -> dict[str, Any]:
        """As `Image.write` takes them."""
        return {name: value for name, value in asdict(self).items() if name not in {"ext", "keep_time"}}

    def check(self, task: Task) -> None:
        """Raise UsageError for a depth that the output's format cannot hold, and a date that a store does not keep."""
        if self.bit_depth == "16" and task.format is not None and FORMATS[task.format].bits == 8:
            what = f"{named(task.name)} would be a {task.format.upper()} file, which holds 8 bits"
            raise UsageError(f"`bit_depth='16'`: {what}")
        if self.keep_time and (task.remote or task.source.remote):
            raise UsageError(f"`keep_time=True`: {named(task.name)} or its original is no file of this machine")

    def write(self, result: Result[Any], task: Task) -> None:
        """Write the result; what was left alone stays the very same file. Raises and warns as `Image.write` does."""
        source = result.source
        as_it_came = replace(self, keep_time=False) == AS_IT_CAME and not source.more
        if not result.changed and source.format == task.format and as_it_came:
            task.write(task.source.parts())
        else:
            written = result.signed(task.format)
            if task.streamed or task.remote:
                task.write([written.encode(task.format or "", **self.options)])
            else:
                make_folder(task.output)
                written.write(task.output, **self.options)
        if not (task.streamed or task.remote or task.source.streamed or task.source.remote):
            _liken(task.output, task.source.path, keep_time=self.keep_time)


def _liken(path: Path, source: Path, *, keep_time: bool) -> None:
    """Let nobody read a file who may not read its original, and date it so if wanted. Raises ImageError."""
    try:
        known, status = path.stat(), source.stat()
        allowed = known.st_mode & (status.st_mode | stat.S_IRWXU)
        if allowed != known.st_mode:
            path.chmod(stat.S_IMODE(allowed))
        if keep_time:
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    except OSError as error:
        raise ImageError(path, f"written, but not with rights and date of its original: {refusal(error)}") from None


AS_IT_CAME = Encoding()
