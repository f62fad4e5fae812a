"""Answers: a restored picture with what was done to it in its headers, or all of it as JSON, or as a form."""

from __future__ import annotations

import asyncio
import json
import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import IO, TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from darnet.images.formats import SUFFIXES
from darnet.jobs.inputs import PART_BYTES

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from darnet.restore.result import Treatment

MEDIA_TYPES = {"bmp": "image/bmp", "ppm": "image/x-portable-anymap", "jp2": "image/jp2", "jxl": "image/jxl"}
#: What else may be asked for, besides the picture in its format.
JSON, FORM, PNG = "application/json", "multipart/form-data", "image/png"
#: Characters of a header at most; of a list its first elements.
HEADER_CHARACTERS = 4096


def media_type(path: Path) -> str:
    """Of a picture's file, by its suffix.

    >>> media_type(Path("a.jpg")), media_type(Path("a.pgm"))
    ('image/jpeg', 'image/x-portable-anymap')
    """
    format = SUFFIXES[path.suffix.lower()]
    return MEDIA_TYPES.get(format, f"image/{format}")


def preferred(accept: str) -> str:
    """What a header `Accept` asks for: `JSON`, `FORM`, `PNG`, or, whatever else it says, a picture: empty.

    >>> preferred("application/json"), preferred("multipart/form-data"), preferred("*/*")
    ('application/json', 'multipart/form-data', '')
    >>> preferred("image/avif, application/json")
    ''
    """
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    if kinds == [PNG]:
        return PNG
    if any(kind.startswith(("image/", "*/")) for kind in kinds):
        return ""
    return next((kind for kind in (FORM, JSON) if kind in kinds), "")


def headers(treatment: Treatment) -> dict[str, str]:
    """What was done, in headers: the plan and warnings as JSON, kinds that were repaired, and seconds by stage."""
    return {
        "X-Darnet-Plan": _listed([repair.to_dict() for repair in treatment.plan]),
        "X-Darnet-Experts": ", ".join(treatment.experts),
        "X-Darnet-Changed": str(treatment.changed).lower(),
        "X-Darnet-Warnings": _listed(list(treatment.warnings)),
        "Server-Timing": ", ".join(f"{stage};dur={1000 * spent:.1f}" for stage, spent in treatment.stages.items()),
    }


def _listed(values: list[Any]) -> str:
    """As many of them as fit a header."""
    while len(text := json.dumps(values)) > HEADER_CHARACTERS:
        values = values[:-1]
    return text


@dataclass(frozen=True)
class Piece:
    """Something of an answer's body: bytes before a file's, and that file, which is open."""

    head: bytes
    file: IO[bytes]
    size: int

    @classmethod
    def of(cls, path: Path, head: bytes = b"") -> Piece:
        """A file's. It needs not be there any more, once it is open: a large one is never held."""
        file = path.open("rb")
        return cls(head, file, len(head) + os.fstat(file.fileno()).st_size)


class Streamed(Response):
    """Pieces one after the other, and an end, part by part."""

    def __init__(self, pieces: Sequence[Piece], end: bytes, headers: Mapping[str, str], media_type: str) -> None:
        self._pieces, self._end = pieces, end
        length = str(sum(piece.size for piece in pieces) + len(end))
        super().__init__(None, 200, {**headers, "Content-Length": length}, media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with ExitStack() as held:
            for piece in self._pieces:
                held.enter_context(piece.file)
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece.head, "more_body": True})
                while part := await asyncio.to_thread(piece.file.read, PART_BYTES):
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": self._end, "more_body": False})


def as_picture(path: Path, headers: Mapping[str, str]) -> Response:
    """The bytes of a picture's file."""
    return Streamed([Piece.of(path)], b"", headers, media_type(path))


def as_form(path: Path, treatment: Treatment, views: Path) -> Response:
    """As a form: what was done (`result`), the picture's file (`image`), and of `views` each one as it is called."""
    result = json.dumps(treatment.to_dict() | {"findings": treatment.findings}).encode()
    boundary = f"darnet-{token_hex(16)}"
    line = f"\r\n--{boundary}\r\nContent-Disposition: form-data; name="
    opening = f'{line[2:]}"result"\r\nContent-Type: {JSON}\r\n\r\n'.encode() + result
    files = {"image": path, **{view.stem: view for view in sorted(views.iterdir())}}
    pieces = []
    for name, file in files.items():
        described = f'{line}"{name}"; filename="{file.name}"\r\nContent-Type: {media_type(file)}\r\n\r\n'
        pieces.append(Piece.of(file, opening + described.encode()))
        opening = b""
    return Streamed(pieces, f"\r\n--{boundary}--\r\n".encode(), {}, f"{FORM}; boundary={boundary}")


def as_json(path: Path, treatment: Treatment) -> Response:
    """The picture and what was done to it, as JSON."""
    image = {"media_type": media_type(path), "base64": b64encode(path.read_bytes()).decode()}
    return JSONResponse({"result": treatment.to_dict(), "image": image})
