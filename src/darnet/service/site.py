"""Site: the page of a service, and the files that it is made of; nothing of it comes from anywhere else."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

from darnet.service.access import PAGE
from darnet.service.problems import documented, refused

site = APIRouter(include_in_schema=False)
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
INDEX, REFERENCE = "index.html", "reference.html"
#: What a browser may do with it: load its own files, ask its own service, draw what it was answered, and no more.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}


@cache
def assets() -> dict[str, tuple[bytes, str]]:
    """The files of the page by their names: their bytes, and what they are.

    >>> assets()["index.html"][1]
    'text/html; charset=utf-8'
    """
    found = {}
    for file in files("darnet.service").joinpath("page").iterdir():
        kind = MEDIA_TYPES.get(f".{file.name.rpartition('.')[2]}")
        if kind is not None:  # and no licence of what came from elsewhere
            found[file.name] = (file.read_bytes(), f"{kind}; charset=utf-8")
    return found


@site.get("/")
async def page() -> Response:
    """The page."""
    return _file(INDEX)


@site.get("/docs")
async def reference() -> Response:
    """What programs may ask, to be read."""
    return _file(REFERENCE)


@site.get(PAGE + "{name}", responses=documented(404))
async def file(name: str) -> Response:
    """A file of the page."""
    if name not in assets():
        raise refused(404, f"no file of the page is called {name!r}")
    return _file(name)


def _file(name: str) -> Response:
    content, kind = assets()[name]
    return Response(content, 200, HEADERS, kind)
