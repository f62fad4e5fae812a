"""Archives: files as one ZIP file, which is written while it is sent: no more of it is held than a part."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from darnet.images.formats import SUFFIXES
from darnet.jobs.inputs import PART_BYTES

MEDIA_TYPE = "application/zip"
#: What lists the pictures that are not there.
FAILURES = "failures.txt"


class _Sink(io.RawIOBase):
    """What was written since it was last taken. It cannot seek, so nothing of it is written twice."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._held += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._held)
        self._held.clear()
        return taken


def zipped(files: Iterable[tuple[str, Path]], failures: Sequence[str] = ()) -> Iterator[bytes]:
    r"""The parts of an archive: of files under other names, all different, and of lines about those that failed.

    They are stored as they are: pictures are compressed already. Raises OSError for a file that is not there.

    >>> import io, zipfile
    >>> archive = zipfile.ZipFile(io.BytesIO(b"".join(zipped([], ["a.jpg: damaged"]))))
    >>> archive.namelist(), archive.read("failures.txt")
    (['failures.txt'], b'a.jpg: damaged\n')
    """
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_STORED) as archive:
        for name, path in files:
            entry = ZipInfo.from_file(path, name)
            with path.open("rb") as source, archive.open(entry, "w") as copy:
                while part := source.read(PART_BYTES):
                    copy.write(part)
                    yield sink.take()
        if failures:
            archive.writestr(FAILURES, "".join(f"{line}\n" for line in failures))
    yield sink.take()


def outcome_name(name: str, written: Path) -> str:
    """What a picture that came as `name` is called, now that its file is `written`: the suffix is that of its format.

    >>> outcome_name("a.JPEG", Path("out/picture.jpg")), outcome_name("a.b", Path("out/picture.webp"))
    ('a.JPEG', 'a.b.webp')
    """
    before = SUFFIXES.get(Path(name).suffix.lower())
    if before == SUFFIXES[written.suffix.lower()]:
        return name
    return (name if before is None else str(Path(name).with_suffix(""))) + written.suffix


def apart(names: Iterable[str], taken: Iterable[str] = (FAILURES,)) -> Iterator[str]:
    """The same, those changed that were there before: by no more than case or how accents are written, too.

    >>> list(apart(["a.jpg", "b.jpg", "A.jpg", "a.jpg"]))
    ['a.jpg', 'b.jpg', 'A (2).jpg', 'a (3).jpg']
    """
    seen = {*map(_folded, taken)}
    for name in names:
        path, other, count = Path(name), name, 1
        while _folded(other) in seen:
            count += 1
            other = f"{path.stem} ({count}){path.suffix}"
        seen.add(_folded(other))
        yield other


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
