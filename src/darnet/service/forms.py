"""Forms of many pictures: each goes into its file as it comes, so that neither memory nor open files add up."""

from __future__ import annotations

import asyncio
import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request

from darnet.service.options import FILE
from darnet.service.problems import GONE, refused
from darnet.service.submission import MOST_CHARACTERS, MOST_FIELDS, NAMES, Submission

if TYPE_CHECKING:
    from darnet.service.limits import Limits

#: Bytes of a part's headers at most.
HEADER_BYTES = 4096
#: Characters of a picture's name at most, and of its suffix.
NAME_CHARACTERS, SUFFIX_CHARACTERS = 120, 12
#: And bytes before its suffix: file systems take 255, and something may be added.
NAME_BYTES = 200


class Form:
    """A form as it comes, in parts of any size. `folder`: where pictures go, each into a folder of its own.

    `names`: of the pictures, as the client calls them; `fields`: all others; `complete`: whether its end has come.
    """

    def __init__(self, boundary: bytes, folder: Path, limits: Limits) -> None:
        self.names = list[str]()
        self.fields = list[tuple[str, str]]()
        self.complete = False
        self._folder, self._limits = folder, limits
        self._header, self._value, self._disposition, self._room = b"", b"", b"", HEADER_BYTES
        self._file: BinaryIO | None = None
        self._text = bytearray()
        self._taken = 0  # bytes of the part that comes
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    def write(self, data: bytes) -> None:
        """Take what has come. Raises a problem, or FormParserError for what is no form."""
        self._parser.write(data)

    def close(self) -> None:
        """Close what is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def submissions(self) -> list[Submission]:
        """The pictures, each as if it had been sent alone."""
        return [Submission(self._at(index), tuple(self.fields)) for index in range(len(self.names))]

    def _at(self, index: int) -> Path:
        return self._folder / str(index + 1)

    def _part_begin(self) -> None:
        self._disposition, self._room, self._taken = b"", HEADER_BYTES, 0

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += self._head(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += self._head(data[start:end])

    def _head(self, part: bytes) -> bytes:
        self._room -= len(part)
        if self._room < 0:
            raise refused(400, f"a part's headers have more than {HEADER_BYTES} bytes")
        return part

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _headers_finished(self) -> None:
        _, said = parse_options_header(self._disposition)
        name, file = said.get(b"name", b"").decode(errors="replace"), said.get(b"filename")
        if file is None:
            if len(self.fields) >= MOST_FIELDS:
                raise refused(400, f"more than {MOST_FIELDS} fields")
            self.fields.append((name, ""))
            self._text.clear()
            return
        if name != FILE:
            raise refused(422, f"`{name[:NAME_CHARACTERS]}`: no file is expected so, pictures come as `{FILE}`")
        if len(self.names) >= self._limits.job_files:
            raise refused(413, f"more than {self._limits.job_files} pictures", {"Connection": "close"})
        self.names.append(plain(file.decode(errors="replace")))
        folder = self._at(len(self.names) - 1)
        folder.mkdir()
        self._file = (folder / NAMES[FILE]).open("wb")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._taken += end - start
        if self._file is None:
            if self._taken > MOST_CHARACTERS:
                raise refused(400, f"`{self.fields[-1][0][:NAME_CHARACTERS]}`: more than {MOST_CHARACTERS} characters")
            self._text += data[start:end]
            return
        if self._taken > self._limits.max_bytes:
            reason = f"picture {len(self.names)} has more than {self._limits.max_bytes:,} bytes"
            raise refused(413, reason, {"Connection": "close"})
        self._file.write(memoryview(data)[start:end])

    def _part_end(self) -> None:
        if self._file is None:
            self.fields[-1] = (self.fields[-1][0], self._text.decode(errors="replace"))
        self.close()

    def _end(self) -> None:
        self.complete = True


async def received(request: Request, folder: Path, limits: Limits) -> Form:
    """The form of a request, with one picture or more below `folder`.

    Raises a problem: 400 for what is no such form, 413 for too many pictures or one that is too large.
    """
    kind, said = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not said.get(b"boundary"):
        raise refused(400, f"expected multipart/form-data, with pictures as `{FILE}`")
    try:
        form = Form(said[b"boundary"], folder, limits)
        with closing(form):
            async for part in request.stream():
                await asyncio.to_thread(form.write, part)
    except ClientDisconnect:
        raise refused(GONE, "the client went away") from None
    except FormParserError:
        raise refused(400, "the form is damaged") from None
    if not form.complete:
        raise refused(400, "the form is damaged")
    if not form.names:
        raise refused(400, f"no picture: expected files as `{FILE}`")
    return form


def plain(name: str) -> str:
    r"""A client's name for a file, as the name of a file alone: without folders, and nothing that steers a terminal.

    Browsers, and clients that do as they, write quotes and line ends as %22, %0D and %0A; they are meant literally.
    Source: HTML, Multipart form data.

    >>> plain("../../etc/photo.jpg"), plain("C:\\photos\\a.png"), plain(".."), plain("%22a%22.png")
    ('photo.jpg', 'a.png', 'picture', '"a".png')
    """
    last = re.split(r"[/\\]", name)[-1]
    meant = re.sub("%(22|0D|0A)", lambda found: chr(int(found[1], 16)), last)
    shown = "".join(letter if letter.isprintable() else "_" for letter in meant).strip()
    if not shown.strip("."):
        return NAMES[FILE]
    suffix = Path(shown).suffix
    kept = suffix if len(suffix) <= SUFFIX_CHARACTERS else ""
    stem = shown.removesuffix(kept)[: NAME_CHARACTERS - len(kept)]
    while len(stem.encode()) > NAME_BYTES:
        stem = stem[:-1]
    return stem + kept
