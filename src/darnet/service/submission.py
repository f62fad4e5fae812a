"""Submission: a form as it was sent, its picture in a file of its own that nobody else sees."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from darnet.images.formats import NO_PICTURE, SIGNATURE_BYTES, recognise
from darnet.images.raw import is_raw
from darnet.jobs.inputs import PART_BYTES
from darnet.service.options import FILE, MASK
from darnet.service.problems import GONE, refused

#: Fields of a form at most, and characters of one.
MOST_FIELDS, MOST_CHARACTERS = 64, 4096
#: What the files are called: a client's names for them are of no use, and would be in messages.
NAMES = {FILE: "picture", MASK: "mask"}


@dataclass(frozen=True)
class Submission:
    """A picture, in a `folder` that goes with it, and the `fields` of its form; `masked`: whether a mask came along."""

    folder: Path
    fields: tuple[tuple[str, str], ...]
    masked: bool = False

    @property
    def picture(self) -> Path:
        """The file."""
        return self.folder / NAMES[FILE]

    @property
    def mask(self) -> Path | None:
        """The file of where the picture is to be repaired; None: everywhere."""
        return self.folder / NAMES[MASK] if self.masked else None

    @property
    def output(self) -> Path:
        """Where the result goes."""
        return self.folder / "out"


@asynccontextmanager
async def submitted(request: Request, below: Path) -> AsyncIterator[Submission]:
    """The form of a request; its folder goes when the block is left.

    Raises a problem: 400 for what is no form with one picture, 415 for one that is no picture by its content.
    """
    folder = Path(mkdtemp(dir=below))
    try:
        yield await _received(request, folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _received(request: Request, folder: Path) -> Submission:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise refused(400, f"expected multipart/form-data, with the picture as `{FILE}`")
    try:
        form = await request.form(max_files=len(NAMES), max_fields=MOST_FIELDS, max_part_size=MOST_CHARACTERS)
    except HTTPException:
        raise
    except ClientDisconnect:
        raise refused(GONE, "the client went away") from None
    except Exception:  # python-multipart's, of which there are several
        raise refused(400, "the form is damaged") from None
    try:
        fields = tuple((name, text) for name, text in form.multi_items() if isinstance(text, str))
        files = [(name, file) for name, file in form.multi_items() if isinstance(file, UploadFile)]
        given = dict(files)
        if FILE not in given:
            raise refused(400, f"no picture: expected a file as `{FILE}`")
        if len(given) < len(files) or not given.keys() <= NAMES.keys():
            raise refused(400, f"expected one file as `{FILE}`, and at most one besides, as `{MASK}`")
        for name, file in given.items():
            await _keep(file, folder / NAMES[name], "" if name == FILE else f"`{name}`: ")
    finally:
        await form.close()
    return Submission(folder, fields, MASK in given)


async def _keep(file: UploadFile, path: Path, whose: str) -> None:
    """A file of a form as one by a name. Raises a problem for what is no picture, in words that say whose fault."""
    check_begins(await file.read(SIGNATURE_BYTES), whose)
    await file.seek(0)
    await asyncio.to_thread(_copy, file, path)


def check_begins(head: bytes, whose: str = "") -> None:
    """Raise the problem of what is no picture by its first SIGNATURE_BYTES; `whose`: said before it."""
    if not (recognise(head) or is_raw(head)):
        raise refused(415, whose + (NO_PICTURE if head else "the file is empty"))


def _copy(file: UploadFile, path: Path) -> None:
    with path.open("wb") as copy:
        shutil.copyfileobj(file.file, copy, PART_BYTES)
