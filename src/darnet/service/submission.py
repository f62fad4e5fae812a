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
from darnet.service.options import FILE
from darnet.service.problems import GONE, refused

#: Fields of a form at most, and characters of one.
MOST_FIELDS, MOST_CHARACTERS = 64, 4096
#: What the picture's file is called: a client's name for it is of no use, and would be in messages.
NAME = "picture"


@dataclass(frozen=True)
class Submission:
    """A picture, in a `folder` that goes with it, and the `fields` of its form."""

    folder: Path
    fields: tuple[tuple[str, str], ...]

    @property
    def picture(self) -> Path:
        """The file."""
        return self.folder / NAME

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
        form = await request.form(max_files=1, max_fields=MOST_FIELDS, max_part_size=MOST_CHARACTERS)
    except HTTPException:
        raise
    except ClientDisconnect:
        raise refused(GONE, "the client went away") from None
    except Exception:  # python-multipart's, of which there are several
        raise refused(400, "the form is damaged") from None
    try:
        file = form.get(FILE)
        fields = tuple((name, text) for name, text in form.multi_items() if isinstance(text, str))
        if not isinstance(file, UploadFile):
            raise refused(400, f"no picture: expected a file as `{FILE}`")
        check_begins(await file.read(SIGNATURE_BYTES))
        await file.seek(0)
        await asyncio.to_thread(_copy, file, folder / NAME)
    finally:
        await form.close()
    return Submission(folder, fields)


def check_begins(head: bytes) -> None:
    """Raise the problem of what is no picture by its first SIGNATURE_BYTES."""
    if not (recognise(head) or is_raw(head)):
        raise refused(415, NO_PICTURE if head else "the file is empty")


def _copy(file: UploadFile, path: Path) -> None:
    with path.open("wb") as copy:
        shutil.copyfileobj(file.file, copy, PART_BYTES)
